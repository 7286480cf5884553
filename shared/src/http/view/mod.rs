//! One view model per page. As JSON it is the contract's answer; as HTML a template fills it in.

mod parts;
pub mod security_info;

use serde::Serialize;

pub use self::parts::{Captcha, Criterion, PasskeyOptions, Work};
use self::security_info::{Confirm, SecondStep, SecurityInfo, SignIn};
use crate::domain::account::Offer;
use crate::domain::flow::Outcome;
use crate::domain::method::Method;

/// A page.
#[derive(Clone, Serialize)]
#[serde(tag = "page", rename_all = "lowercase")]
pub enum View {
    /// Who are you?
    Identify(Identify),
    /// Why are you having trouble signing in?
    Reason(Reason),
    /// Which method for this verification step?
    Method(MethodChoice),
    /// Type the code.
    Code(CodeEntry),
    /// Approve on the authenticator app.
    Approval(Approval),
    /// Use a passkey.
    Passkey(PasskeyEntry),
    /// Choose a new password.
    Password(PasswordEntry),
    /// Unlock the account.
    Unlock(Unlock),
    /// It is done.
    Done(Done),
    /// It ended without a result.
    Ended(Ended),
    /// Sign in to see and change what is registered.
    #[serde(rename = "sign-in")]
    SignIn(SignIn),
    /// Prove more than the password.
    #[serde(rename = "second-step")]
    SecondStep(SecondStep),
    /// What is registered.
    #[serde(rename = "security-info")]
    SecurityInfo(SecurityInfo),
    /// Prove what is about to be registered.
    Confirm(Confirm),
}

/// Who are you?
#[derive(Clone, Serialize)]
pub struct Identify {
    /// The CAPTCHA to solve.
    pub captcha: Captcha,
    /// What was typed before, so that an error loses nothing. Not part of the contract.
    #[serde(skip)]
    pub login: String,
}

/// Why are you having trouble signing in?
#[derive(Clone, Serialize)]
pub struct Reason {}

/// Which method for this verification step?
#[derive(Clone, Serialize)]
pub struct MethodChoice {
    /// The step at hand, from 1.
    pub step: u8,
    /// How many there are.
    pub steps: u8,
    /// What can be chosen.
    pub methods: Vec<Offer>,
    /// The method whose panel is open: the one just refused, else the first.
    #[serde(skip)]
    pub selected: Option<Method>,
    /// What the flow is for: the end of the trail of steps.
    #[serde(skip)]
    pub outcome: Outcome,
}

/// Type the code.
#[derive(Clone, Serialize)]
pub struct CodeEntry {
    /// The step at hand, from 1.
    pub step: u8,
    /// How many there are.
    pub steps: u8,
    /// How the code was sent.
    pub method: Method,
    /// Where it went.
    pub masked: String,
    /// How many digits it has.
    pub digits: u8,
    /// When it ends (RFC 3339).
    pub expires_at: String,
    /// When another may be asked for (RFC 3339).
    pub resend_at: String,
    /// Wrong answers that are left.
    pub tries_left: u8,
    /// Seconds until `resend_at`, for the button's countdown.
    #[serde(skip)]
    pub resend_in: u32,
    /// Whether another can be asked for at all.
    #[serde(skip)]
    pub may_resend: bool,
    /// Whole minutes that a code is good for.
    #[serde(skip)]
    pub minutes: u32,
    /// What the flow is for: the end of the trail of steps.
    #[serde(skip)]
    pub outcome: Outcome,
}

/// Approve on the authenticator app.
#[derive(Clone, Serialize)]
pub struct Approval {
    /// The step at hand, from 1.
    pub step: u8,
    /// How many there are.
    pub steps: u8,
    /// The number to type into the app.
    pub number: String,
    /// When the request ends (RFC 3339).
    pub expires_at: String,
    /// What became of the request.
    pub status: ApprovalStatus,
    /// Seconds until `expires_at`, for the countdown.
    #[serde(skip)]
    pub seconds_left: u32,
    /// Whether another request can be made in this step.
    #[serde(skip)]
    pub may_ask_again: bool,
    /// What the flow is for: the end of the trail of steps.
    #[serde(skip)]
    pub outcome: Outcome,
}

impl Approval {
    /// Whether the request can't be approved any more.
    pub fn is_over(&self) -> bool {
        self.status == ApprovalStatus::Ended
    }

    /// The status as the contract's word.
    pub const fn status_word(&self) -> &'static str {
        match self.status {
            ApprovalStatus::Pending => "pending",
            ApprovalStatus::Approved => "approved",
            ApprovalStatus::Ended => "ended",
        }
    }
}

/// What became of a request to the authenticator app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalStatus {
    /// Nobody has answered yet.
    Pending,
    /// It was approved: `POST /code` with `method=push` goes on.
    Approved,
    /// It is over: another number was typed, or nobody answered in time.
    Ended,
}

/// Use a passkey.
#[derive(Clone, Serialize)]
pub struct PasskeyEntry {
    /// The step at hand, from 1.
    pub step: u8,
    /// How many there are.
    pub steps: u8,
    /// What the browser's credentials API is asked for.
    pub options: PasskeyOptions,
    /// When the request ends (RFC 3339).
    pub expires_at: String,
    /// What the flow is for: the end of the trail of steps.
    #[serde(skip)]
    pub outcome: Outcome,
}

/// Choose a new password.
#[derive(Clone, Serialize)]
pub struct PasswordEntry {
    /// What a password must fulfil.
    pub criteria: Vec<Criterion>,
    /// How many steps were proved.
    #[serde(skip)]
    pub steps: u8,
    /// The least and the greatest length, in code points.
    #[serde(skip)]
    pub length: (u16, u16),
}

/// Unlock the account.
#[derive(Clone, Serialize)]
pub struct Unlock {
    /// How many steps were proved.
    #[serde(skip)]
    pub steps: u8,
}

/// It is done.
#[derive(Clone, Serialize)]
pub struct Done {
    /// What was done.
    pub result: Outcome,
    /// When (RFC 3339).
    pub at: String,
}

/// It ended without a result.
#[derive(Clone, Serialize)]
pub struct Ended {
    /// Why.
    pub why: Why,
}

/// Why a flow ended without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// The person gave up.
    Cancelled,
}
