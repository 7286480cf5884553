//! A reset flow: one enum, one struct per state, and transitions that consume a state and return the next.
//!
//! ```text
//! Opened ─reason─▶ Choosing ─send─▶ AwaitingCode ─right code─▶ Choosing (step 2) … ─▶ Proven ─▶ Done
//!                     │  ▲              │                                     ▲
//!                     │  └─another way──┘                                     │
//!                     │  ▲                                                    │
//!                     │  └─another way── AwaitingAnswer ─answer of the device─┤
//!                     │                        ▲                              │
//!                     ├───────────ask──────────┘                              │
//!                     └──────────code of the app, recovery code───────────────┘
//! ```
//!
//! Any state before [`Done`] can be cancelled, and expires at its `expires_at`. The stored state alone determines
//! the next step, never the fields of a request.

mod record;
mod states;

pub use super::approval::{APPROVAL_LIFETIME, RequestId};
pub use super::challenge::{CODE_LONGEST, PASSKEY_LIFETIME};
pub use record::{CodeSlot, Record, RecordError, StateName};
pub use states::{AllVerified, AwaitingAnswer, AwaitingCode, Cancelled, Choosing, Done, Opened};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::account::{AccountId, Offer};
use super::keys::Tag;
use super::language::Language;
use super::method::{Factor, Method};
use super::published_policy::PublishedPolicy;
use super::time::{Seconds, Timestamp};

/// Answers with an older cookie that are compared per step: enough for a double click and lost responses.
/// They have their own counter, so that an older cookie neither uses up attempts nor ends a flow.
pub const OLDER_ANSWERS: u64 = 5;
/// The upper bound of a flow's lifetime (`REKEY_FLOW_TTL_SECS`).
pub const FLOW_LONGEST: Seconds = Seconds(1_800);

/// A flow in one of its states.
#[derive(Clone, Debug)]
pub enum Flow {
    /// The name was given and the CAPTCHA solved; the reason is unknown.
    Opened(Opened),
    /// The person must choose a method for the current step.
    Choosing(Choosing),
    /// A code was sent and is awaited.
    AwaitingCode(AwaitingCode),
    /// A device received a request, and its answer is awaited.
    AwaitingAnswer(AwaitingAnswer),
    /// All steps are verified; the new password or the unlock is awaited.
    AllVerified(AllVerified),
    /// The password was changed or the account unlocked.
    Done(Done),
    /// The person ended the flow.
    Cancelled(Cancelled),
}

/// The facts of a flow that never change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowContext {
    /// The account, or the decoy id of a name without a usable account.
    pub account: AccountId,
    /// Whether it is a decoy, which never sends and never succeeds.
    pub decoy: bool,
    /// The account's generation at the start. Another flow's success ends this one.
    pub generation: u64,
    /// The account behind a decoy: self-service is open to it, but it has too few methods. Only a pass opens
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<Behind>,
    /// The number of verification steps, 1 or 2.
    pub steps: u8,
    /// Start time, right after the person solved the CAPTCHA.
    pub opened_at: Timestamp,
    /// The flow ends at this time; activity does not extend it.
    pub expires_at: Timestamp,
    /// The offered methods with their masks, fixed at the start.
    pub offers: Vec<Offer>,
    /// The language of its messages.
    pub language: Language,
    /// The login that pages and mails name the account by. A decoy has none: what was typed may be a password.
    #[serde(default, rename = "l", skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// The directory's own rules for the account's password, which pages and JSON list alike. A decoy has none: it never
    /// gets as far.
    #[serde(default, rename = "p", skip_serializing_if = "Option::is_none")]
    pub password_policy: Option<PublishedPolicy>,
    /// Whether its browser is a known device of the account. It changes once, at the end, when the owner makes
    /// it one.
    #[serde(default, rename = "k", skip_serializing_if = "is_false")]
    pub known_device: bool,
}

/// The account behind a decoy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behind {
    /// The directory's id, which the decoy's own id hides.
    pub account: AccountId,
    /// The account's generation at the start.
    pub generation: u64,
    /// The methods that the account has, of which one serves beside the pass of a letter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offers: Vec<Offer>,
}

/// The person's reason for the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// The password is forgotten: set a new one, and unlock with it.
    Forgotten,
    /// The password is known but the account locked: unlock, the password stays.
    Locked,
}

impl Reason {
    /// Reads the name in the HTTP contract.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "forgotten" => Some(Self::Forgotten),
            "locked" => Some(Self::Locked),
            _ => None,
        }
    }

    /// Returns the change that a flow with this reason makes.
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Forgotten => Outcome::Reset,
            Self::Locked => Outcome::Unlocked,
        }
    }
}

/// The change that a finished flow made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A new password was set (and the account unlocked with it).
    Reset,
    /// The account was unlocked; its password stays.
    Unlocked,
}

impl Outcome {
    /// Returns the name in audit events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Unlocked => "unlock",
        }
    }
}

/// A verified step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedStep {
    /// The method that the person chose.
    pub method: Method,
    /// The tag of the accepted answer. A browser that repeats it with the older cookie (a double click, a
    /// lost response) learns the current state and gets the newer cookie again.
    pub code: Tag,
    /// The fingerprint of the contact that received the code. It is compared when the password is set: a
    /// contact replaced meanwhile verifies nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Tag>,
    /// Whether the factor had not been active for the waiting period yet.
    #[serde(default, rename = "y", skip_serializing_if = "is_false")]
    pub young: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_false(young: &bool) -> bool {
    !*young
}

/// The messages by one method in the current step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryState {
    /// Texts and calls to one phone are counted separately.
    pub method: Method,
    /// Counts towards the limit per step, and determines the next wait.
    pub count: u8,
    /// Time of the last message; the next wait begins here.
    pub last_at: Timestamp,
    /// Wrong answers to its codes. A resend does not reset them.
    #[serde(rename = "tries")]
    pub attempts: u8,
}

/// The mutable facts of a flow, from its reason on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepProgress {
    /// Can be changed until all steps are verified.
    pub reason: Reason,
    /// The verified steps, in order.
    #[serde(rename = "proofs")]
    pub verified_steps: Vec<VerifiedStep>,
    /// The messages of the current step, by method.
    pub sent: Vec<DeliveryState>,
    /// Wrong answers of the whole flow, over both steps and all methods. Stored in an attribute of its own.
    #[serde(skip)]
    pub flow_attempts: u8,
}

impl StepProgress {
    /// Returns the current step, from 1.
    pub fn step(&self) -> u8 {
        u8::try_from(self.verified_steps.len()).unwrap_or(u8::MAX).saturating_add(1)
    }

    /// Returns whether a factor may serve in the current step. A reset needs one factor that has been active
    /// for the waiting period, where policy offers one. A young factor is accepted only while a later step
    /// can still use an old one.
    pub fn accepts(&self, context: &FlowContext, method: Method, young: bool) -> bool {
        let used = self.verified_factors();
        if used.contains(&method.factor()) {
            return false;
        }
        let mut old = context.offers.iter().filter(|offer| !offer.young);
        let needs_old = old.clone().next().is_some() && self.verified_steps.iter().all(|step| step.young);
        if !young || !needs_old {
            return true;
        }
        let factor = method.factor();
        self.step() < context.steps
            && old.any(|offer| offer.method.factor() != factor && !used.contains(&offer.method.factor()))
    }

    /// Returns the factors already used; they can't serve a second step.
    pub fn verified_factors(&self) -> Vec<Factor> {
        self.verified_steps.iter().map(|step| step.method.factor()).collect()
    }
}

/// The limits within one flow, from the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowLimits {
    /// The absolute lifetime of a flow, never extended.
    pub lifetime: Seconds,
    /// The validity of a code, on every channel.
    pub code_lifetime: Seconds,
    /// Wrong answers per code. Bounds concurrent attempts too.
    pub code_attempts: u8,
    /// Wrong answers per flow, over both steps and the authenticator app.
    pub flow_attempts: u8,
    /// Messages per step, over all its methods.
    pub sends_per_step: u8,
}

/// The page of a flow's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Asks why the person can't sign in.
    Reason,
    /// Offers the methods of the current step.
    Method,
    /// Asks for the sent code.
    Code,
    /// Shows the number for the authenticator app.
    Approval,
    /// Starts the passkey request in the browser.
    Passkey,
    /// Asks for the new password.
    Password,
    /// Asks for the confirmation of the unlock.
    Unlock,
    /// Confirms the change.
    Done,
    /// Reports that the flow was cancelled.
    Ended,
}

impl Stage {
    /// Returns the page's name in the HTTP contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reason => "reason",
            Self::Method => "method",
            Self::Code => "code",
            Self::Approval => "approval",
            Self::Passkey => "passkey",
            Self::Password => "password",
            Self::Unlock => "unlock",
            Self::Done => "done",
            Self::Ended => "ended",
        }
    }
}

impl Flow {
    /// Returns the facts that never change.
    pub fn context(&self) -> &FlowContext {
        match self {
            Self::Opened(state) => &state.context,
            Self::Choosing(state) => &state.context,
            Self::AwaitingCode(state) => &state.context,
            Self::AwaitingAnswer(state) => &state.context,
            Self::AllVerified(state) => &state.context,
            Self::Done(state) => &state.context,
            Self::Cancelled(state) => &state.context,
        }
    }

    /// Returns the page of its state.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Opened(_) => Stage::Reason,
            Self::Choosing(_) => Stage::Method,
            Self::AwaitingCode(_) => Stage::Code,
            Self::AwaitingAnswer(state) => match state.sent.method {
                Method::Passkey => Stage::Passkey,
                _ => Stage::Approval,
            },
            Self::AllVerified(state) => match state.progress.reason {
                Reason::Forgotten => Stage::Password,
                Reason::Locked => Stage::Unlock,
            },
            Self::Done(_) => Stage::Done,
            Self::Cancelled(_) => Stage::Ended,
        }
    }

    /// Returns the verified steps, the first step first.
    pub fn verified_steps(&self) -> &[VerifiedStep] {
        match self {
            Self::Opened(_) | Self::Cancelled(_) => &[],
            Self::Choosing(state) => &state.progress.verified_steps,
            Self::AwaitingCode(state) => &state.progress.verified_steps,
            Self::AwaitingAnswer(state) => &state.progress.verified_steps,
            Self::AllVerified(state) => &state.progress.verified_steps,
            Self::Done(state) => &state.progress.verified_steps,
        }
    }

    /// Returns the number of verified steps, which the cookie must match to act.
    pub fn verified(&self) -> u8 {
        u8::try_from(self.verified_steps().len()).unwrap_or(u8::MAX)
    }

    /// Returns whether `code` verified `step` and every later one.
    pub fn was_verified_by(&self, step: u8, code: &Tag) -> bool {
        let verified_steps = match self {
            Self::Choosing(state) => &state.progress.verified_steps,
            Self::AwaitingCode(state) => &state.progress.verified_steps,
            Self::AwaitingAnswer(state) => &state.progress.verified_steps,
            Self::AllVerified(state) => &state.progress.verified_steps,
            Self::Opened(_) | Self::Done(_) | Self::Cancelled(_) => return false,
        };
        let since = verified_steps.get(usize::from(step.saturating_sub(1))..).unwrap_or_default();
        !since.is_empty() && since.iter().all(|step| step.code == *code)
    }

    /// Returns the wrong answers so far, of a flow that awaits answers.
    pub const fn flow_attempts(&self) -> u8 {
        match self {
            Self::Choosing(state) => state.progress.flow_attempts,
            Self::AwaitingCode(state) => state.progress.flow_attempts,
            Self::AwaitingAnswer(state) => state.progress.flow_attempts,
            Self::Opened(_) | Self::AllVerified(_) | Self::Done(_) | Self::Cancelled(_) => 0,
        }
    }

    /// Returns whether its wrong answers are used up before all steps are verified. The flow has then ended.
    pub const fn is_exhausted(&self, limits: &FlowLimits) -> bool {
        self.flow_attempts() >= limits.flow_attempts
    }

    /// Returns the offer of `method` in the current step.
    pub fn offer(&self, method: Method) -> Option<&Offer> {
        let (context, progress) = match self {
            Self::Choosing(state) => (&state.context, &state.progress),
            Self::AwaitingCode(state) => (&state.context, &state.progress),
            Self::AwaitingAnswer(state) => (&state.context, &state.progress),
            Self::Opened(_) | Self::AllVerified(_) | Self::Done(_) | Self::Cancelled(_) => return None,
        };
        context
            .offers
            .iter()
            .find(|offer| offer.method == method && progress.accepts(context, method, offer.young))
    }

    /// Sets the reason, or changes it while a step is unverified (the person went back).
    ///
    /// # Errors
    /// [`OutOfStep`] once all steps are verified.
    pub fn choose_reason(self, reason: Reason) -> Result<Self, OutOfStep> {
        match self {
            Self::Opened(state) => Ok(Self::Choosing(state.choose(reason))),
            Self::Choosing(mut state) => {
                state.progress.reason = reason;
                Ok(Self::Choosing(state))
            }
            Self::AwaitingCode(mut state) => {
                state.progress.reason = reason;
                Ok(Self::AwaitingCode(state))
            }
            Self::AwaitingAnswer(mut state) => {
                state.progress.reason = reason;
                Ok(Self::AwaitingAnswer(state))
            }
            other => Err(OutOfStep { awaited: Stage::Reason, found: other.stage() }),
        }
    }

    /// Returns the flow as one that can choose a method; it drops a pending code or request.
    ///
    /// # Errors
    /// [`OutOfStep`] before a reason was given and after all steps are verified.
    pub fn choosing(self) -> Result<Choosing, OutOfStep> {
        match self {
            Self::Choosing(state) => Ok(state),
            Self::AwaitingCode(state) => Ok(state.give_up_code()),
            Self::AwaitingAnswer(state) => Ok(state.give_up()),
            other => Err(OutOfStep { awaited: Stage::Method, found: other.stage() }),
        }
    }

    /// Returns the flow as one that awaits its change, if that is `stage` (password or unlock).
    ///
    /// # Errors
    /// [`OutOfStep`] in any other state.
    pub fn all_verified(self, stage: Stage) -> Result<AllVerified, OutOfStep> {
        let found = self.stage();
        match self {
            Self::AllVerified(verified) if found == stage => Ok(verified),
            _ => Err(OutOfStep { awaited: stage, found }),
        }
    }

    /// Ends the flow. A finished flow stays finished.
    #[must_use]
    pub fn cancel(self) -> Self {
        match self {
            Self::Done(state) => Self::Done(state),
            other => Self::Cancelled(Cancelled { context: other.context().clone() }),
        }
    }
}

/// The request is for another page than the current one.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the flow is at {found:?}, not at {awaited:?}")]
pub struct OutOfStep {
    /// The page that the request is for.
    pub awaited: Stage,
    /// The page of the flow's state.
    pub found: Stage,
}

/// The reason why a message can't be sent now.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SendRefusal {
    /// Not offered in this step, or its messages or attempts are used up.
    #[error("the method is not available")]
    Unavailable,
    /// Too soon after the last message by the same method.
    #[error("the next message can be sent in {0:?}")]
    TooEarly(Seconds),
}
