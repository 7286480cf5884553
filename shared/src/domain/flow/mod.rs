//! A reset flow: one enum, one struct per state, and transitions that consume a state and give the next.
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
//! Any state before [`Done`] can be cancelled, and ends by itself at its `expires_at`. Where a flow is follows
//! from what is stored, never from which fields a request happens to carry.

mod record;
mod states;

pub use super::approval::{APPROVAL_LIFETIME, RequestId};
pub use super::challenge::{CODE_LONGEST, PASSKEY_LIFETIME};
pub use record::{CodeSlot, Record, RecordError, StateName};
pub use states::{AwaitingAnswer, AwaitingCode, Cancelled, Choosing, Done, Opened, Proven};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::account::{AccountId, Offer};
use super::keys::Tag;
use super::language::Language;
use super::method::{Factor, Method};
use super::time::{Seconds, Timestamp};

/// Answers with an older cookie that are compared in one step: enough for a double click and lost answers. They have a count
/// of their own, so that whoever holds an older cookie neither spends the tries nor ends anything.
pub const OLDER_ANSWERS: u64 = 5;
/// The longest that a flow may be set to live (`REKEY_FLOW_TTL_SECS`).
pub const FLOW_LONGEST: Seconds = Seconds(1_800);

/// Where a flow is.
#[derive(Clone, Debug)]
pub enum Flow {
    /// A name was given and the CAPTCHA solved; why is not known yet.
    Opened(Opened),
    /// A method is to be chosen for the step at hand.
    Choosing(Choosing),
    /// A code was sent and is awaited.
    AwaitingCode(AwaitingCode),
    /// A device was asked and its answer is awaited.
    AwaitingAnswer(AwaitingAnswer),
    /// Every step is proved; the password or the unlock is awaited.
    Proven(Proven),
    /// The password was changed or the account unlocked.
    Done(Done),
    /// The person gave up.
    Cancelled(Cancelled),
}

/// What is true of a flow from its opening to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Whose flow it is, or the stand-in of a name without a usable account.
    pub account: AccountId,
    /// Whether there is no usable account behind it: such a flow never sends and never succeeds.
    pub decoy: bool,
    /// The account's generation at the opening.
    pub generation: u64,
    /// The account that a decoy stands before: its person may reset it, but has too little registered for that. Only a pass
    /// opens it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<Behind>,
    /// How many verification steps it takes.
    pub steps: u8,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it ends, whatever happens.
    pub expires_at: Timestamp,
    /// What can be chosen, with masks.
    pub offers: Vec<Offer>,
    /// The language for its messages.
    pub language: Language,
}

/// The account behind a decoy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behind {
    /// Which.
    pub account: AccountId,
    /// Its generation at the opening.
    pub generation: u64,
}

/// Why the person is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// The password is forgotten: set a new one, and unlock with it.
    Forgotten,
    /// The password is known but the account locked: unlock, the password stays.
    Locked,
}

impl Reason {
    /// Reads the contract's word.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "forgotten" => Some(Self::Forgotten),
            "locked" => Some(Self::Locked),
            _ => None,
        }
    }

    /// What a flow with this reason ends in.
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Forgotten => Outcome::Reset,
            Self::Locked => Outcome::Unlocked,
        }
    }
}

/// What a finished flow did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A new password was set (and the account unlocked with it).
    Reset,
    /// The account was unlocked; its password stays.
    Unlocked,
}

/// One verification step that was proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// How.
    pub method: Method,
    /// The tag of the code that proved it: who sends that code again with the older cookie (a double click, a
    /// lost answer) is told where the flow is and gets the newer cookie again.
    pub code: Tag,
    /// The fingerprint of the contact that the code went to, to be compared when the password is set: a contact
    /// that was replaced meanwhile proves nothing.
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

/// What was sent by one method in the step at hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The method.
    pub method: Method,
    /// How many messages.
    pub count: u8,
    /// When the last one was made.
    pub last_at: Timestamp,
    /// How many tries its codes have used up. A resend does not refill them.
    pub tries: u8,
}

/// What a flow has gathered since its reason was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Why the person is here.
    pub reason: Reason,
    /// The steps proved so far, in order.
    pub proofs: Vec<Proof>,
    /// What was sent in the step at hand.
    pub sent: Vec<Sent>,
    /// Wrong answers of the whole flow, over both steps and all methods.
    #[serde(skip)]
    pub flow_tries: u8,
}

impl Progress {
    /// The step at hand, from 1.
    pub fn step(&self) -> u8 {
        u8::try_from(self.proofs.len()).unwrap_or(u8::MAX).saturating_add(1)
    }

    /// Whether a factor may serve in the step at hand. A reset needs one factor that has been active for the waiting period
    /// where policy offers one: a young factor is accepted only while a later step can still be by an old one.
    pub fn accepts(&self, facts: &Facts, method: Method, young: bool) -> bool {
        let used = self.proved_factors();
        if used.contains(&method.factor()) {
            return false;
        }
        let mut old = facts.offers.iter().filter(|offer| !offer.young);
        let needs_old = old.clone().next().is_some() && self.proofs.iter().all(|proof| proof.young);
        if !young || !needs_old {
            return true;
        }
        let factor = method.factor();
        self.step() < facts.steps
            && old.any(|offer| offer.method.factor() != factor && !used.contains(&offer.method.factor()))
    }

    /// The factors already used; they serve no second step.
    pub fn proved_factors(&self) -> Vec<Factor> {
        self.proofs.iter().map(|proof| proof.method.factor()).collect()
    }
}

/// The limits within one flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowLimits {
    /// How long a flow lives; absolute, never extended.
    pub lifetime: Seconds,
    /// How long a code is good for, on every channel.
    pub code_lifetime: Seconds,
    /// Wrong answers per code. Bounds what parallel guessing can look at.
    pub code_tries: u8,
    /// Wrong answers per flow, over both steps and the authenticator app.
    pub flow_tries: u8,
    /// Messages per step.
    pub sends_per_step: u8,
}

/// The page that shows a flow where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Why are you having trouble signing in?
    Reason,
    /// Choose a method.
    Method,
    /// Type the code.
    Code,
    /// Approve on the authenticator app.
    Approval,
    /// Use a passkey.
    Passkey,
    /// Choose a new password.
    Password,
    /// Unlock the account.
    Unlock,
    /// It is done.
    Done,
    /// It was cancelled.
    Ended,
}

impl Stage {
    /// The page's name in the contract.
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
    /// What is true of it throughout.
    pub fn facts(&self) -> &Facts {
        match self {
            Self::Opened(state) => &state.facts,
            Self::Choosing(state) => &state.facts,
            Self::AwaitingCode(state) => &state.facts,
            Self::AwaitingAnswer(state) => &state.facts,
            Self::Proven(state) => &state.facts,
            Self::Done(state) => &state.facts,
            Self::Cancelled(state) => &state.facts,
        }
    }

    /// Where it is.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Opened(_) => Stage::Reason,
            Self::Choosing(_) => Stage::Method,
            Self::AwaitingCode(_) => Stage::Code,
            Self::AwaitingAnswer(state) => match state.sent.method {
                Method::Passkey => Stage::Passkey,
                _ => Stage::Approval,
            },
            Self::Proven(state) => match state.progress.reason {
                Reason::Forgotten => Stage::Password,
                Reason::Locked => Stage::Unlock,
            },
            Self::Done(_) => Stage::Done,
            Self::Cancelled(_) => Stage::Ended,
        }
    }

    /// How many steps are proved: what the cookie must say to act on it.
    pub fn proofs(&self) -> u8 {
        let count = match self {
            Self::Opened(_) | Self::Cancelled(_) => 0,
            Self::Choosing(state) => state.progress.proofs.len(),
            Self::AwaitingCode(state) => state.progress.proofs.len(),
            Self::AwaitingAnswer(state) => state.progress.proofs.len(),
            Self::Proven(state) => state.progress.proofs.len(),
            Self::Done(state) => state.progress.proofs.len(),
        };
        u8::try_from(count).unwrap_or(u8::MAX)
    }

    /// Whether `code` is what proved `step` and every later one.
    pub fn was_proved_by(&self, step: u8, code: &Tag) -> bool {
        let proofs = match self {
            Self::Choosing(state) => &state.progress.proofs,
            Self::AwaitingCode(state) => &state.progress.proofs,
            Self::AwaitingAnswer(state) => &state.progress.proofs,
            Self::Proven(state) => &state.progress.proofs,
            Self::Opened(_) | Self::Done(_) | Self::Cancelled(_) => return false,
        };
        let since = proofs.get(usize::from(step.saturating_sub(1))..).unwrap_or_default();
        !since.is_empty() && since.iter().all(|proof| proof.code == *code)
    }

    /// The wrong answers so far, of a flow that still awaits some.
    pub const fn flow_tries(&self) -> u8 {
        match self {
            Self::Choosing(state) => state.progress.flow_tries,
            Self::AwaitingCode(state) => state.progress.flow_tries,
            Self::AwaitingAnswer(state) => state.progress.flow_tries,
            Self::Opened(_) | Self::Proven(_) | Self::Done(_) | Self::Cancelled(_) => 0,
        }
    }

    /// Whether its wrong answers are used up while a proof is still missing: then it is over.
    pub const fn is_exhausted(&self, limits: &FlowLimits) -> bool {
        self.flow_tries() >= limits.flow_tries
    }

    /// The offer of `method` in the step at hand.
    pub fn offer(&self, method: Method) -> Option<&Offer> {
        let (facts, progress) = match self {
            Self::Choosing(state) => (&state.facts, &state.progress),
            Self::AwaitingCode(state) => (&state.facts, &state.progress),
            Self::AwaitingAnswer(state) => (&state.facts, &state.progress),
            Self::Opened(_) | Self::Proven(_) | Self::Done(_) | Self::Cancelled(_) => return None,
        };
        facts
            .offers
            .iter()
            .find(|offer| offer.method == method && progress.accepts(facts, method, offer.young))
    }

    /// Gives the reason, or changes it as long as something is still to be proved (somebody went back).
    ///
    /// # Errors
    /// [`OutOfStep`] once everything is proved.
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

    /// The flow as one that can choose a method: a pending code or request is given up for it.
    ///
    /// # Errors
    /// [`OutOfStep`] before a reason was given and after everything is proved.
    pub fn choosing(self) -> Result<Choosing, OutOfStep> {
        match self {
            Self::Choosing(state) => Ok(state),
            Self::AwaitingCode(state) => Ok(state.give_up_code()),
            Self::AwaitingAnswer(state) => Ok(state.give_up()),
            other => Err(OutOfStep { awaited: Stage::Method, found: other.stage() }),
        }
    }

    /// The flow as one that awaits its last act, if that is `stage` (password or unlock).
    ///
    /// # Errors
    /// [`OutOfStep`] when it is elsewhere.
    pub fn proven(self, stage: Stage) -> Result<Proven, OutOfStep> {
        let found = self.stage();
        match self {
            Self::Proven(proven) if found == stage => Ok(proven),
            _ => Err(OutOfStep { awaited: stage, found }),
        }
    }

    /// Ends the flow. A finished one stays finished.
    #[must_use]
    pub fn cancel(self) -> Self {
        match self {
            Self::Done(state) => Self::Done(state),
            other => Self::Cancelled(Cancelled { facts: other.facts().clone() }),
        }
    }
}

/// A request for another step than the one at hand.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the flow is at {found:?}, not at {awaited:?}")]
pub struct OutOfStep {
    /// What the request is for.
    pub awaited: Stage,
    /// Where the flow is.
    pub found: Stage,
}

/// Why a message can't be sent now.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SendRefusal {
    /// Not offered in this step, or its messages or tries are used up.
    #[error("the method is not available")]
    Unavailable,
    /// Too soon after the last message by the same method.
    #[error("the next message can be sent in {0:?}")]
    TooEarly(Seconds),
}
