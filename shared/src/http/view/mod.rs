//! The view models, one per page. As JSON they are the contract's response; as HTML they fill a template.

pub mod help_desk;
mod parts;
pub mod security_info;

use serde::Serialize;

use self::help_desk::{HelpDesk, HelpDeskSignIn};
pub use self::parts::{Captcha, Criterion, PasskeyOptions, Work};
use self::security_info::{ChangePassword, Confirm, SecondStep, SecurityInfo, SignIn, SignedIn};
use crate::domain::account::Offer;
use crate::domain::flow::Outcome;
use crate::domain::method::Method;

/// A page with its data.
#[derive(Clone, Serialize)]
#[serde(tag = "page", rename_all = "lowercase")]
pub enum View {
    /// Asks for the login.
    Identify(Identify),
    /// Asks why the person can't sign in.
    Reason(Reason),
    /// Offers the methods of a step.
    Method(MethodChoice),
    /// Asks for a sent code.
    Code(CodeEntry),
    /// Shows the number for the authenticator app.
    Approval(Approval),
    /// Starts a passkey request in the browser.
    Passkey(PasskeyEntry),
    /// Asks for a new password.
    Password(PasswordEntry),
    /// Asks for the confirmation of an unlock.
    Unlock(Unlock),
    /// Confirms the change.
    Done(Done),
    /// Ends a flow without a change.
    Ended(Ended),
    /// Asks for login and password at `/security-info`.
    #[serde(rename = "sign-in")]
    SignIn(SignIn),
    /// Leads a person who comes back from the identity provider to the next page.
    #[serde(rename = "signed-in")]
    SignedIn(SignedIn),
    /// Asks for a step-up.
    #[serde(rename = "second-step")]
    SecondStep(SecondStep),
    /// Lists the enrolled entries.
    #[serde(rename = "security-info")]
    SecurityInfo(SecurityInfo),
    /// Asks for the confirmation of a new entry.
    Confirm(Confirm),
    /// Leads to the choice of a new password.
    #[serde(rename = "change-password")]
    ChangePassword(ChangePassword),
    /// Leads an agent of the help desk to the identity provider.
    #[serde(rename = "help-desk-sign-in")]
    HelpDeskSignIn(HelpDeskSignIn),
    /// Finds a person whom an agent helps.
    #[serde(rename = "help-desk")]
    HelpDesk(HelpDesk),
}

/// The first page of a reset: asks for the login.
#[derive(Clone, Serialize)]
pub struct Identify {
    /// One challenge; each submitted form needs its own.
    pub captcha: Captcha,
    /// The typed login, so that an error does not clear it. Not part of the contract.
    #[serde(skip)]
    pub login: String,
    /// The page of the flow that this browser has begun, if there is one.
    #[serde(skip)]
    pub resume: Option<&'static str>,
}

/// The page that asks why the person can't sign in.
#[derive(Clone, Serialize)]
pub struct Reason {}

/// The page with the methods of a verification step.
#[derive(Clone, Serialize)]
pub struct MethodChoice {
    /// The current step, from 1.
    pub step: u8,
    /// The number of steps.
    pub steps: u8,
    /// The offered methods with their masks.
    pub methods: Vec<Offer>,
    /// The method whose panel is open: the rejected one, else the first.
    #[serde(skip)]
    pub selected: Option<Method>,
    /// The change that the flow leads to, which the list of steps shows.
    #[serde(skip)]
    pub outcome: Outcome,
}

impl MethodChoice {
    /// Returns whether no enrolled method is left for the step.
    pub fn has_no_enrolled_method(&self) -> bool {
        self.methods.iter().all(|offer| offer.method == Method::Pass)
    }
}

/// The page that asks for a sent code.
#[derive(Clone, Serialize)]
pub struct CodeEntry {
    /// The current step, from 1.
    pub step: u8,
    /// The number of steps.
    pub steps: u8,
    /// The method that sent the code.
    pub method: Method,
    /// The mask of the contact that received it.
    pub masked: String,
    /// The length of the code.
    pub digits: u8,
    /// The end of its validity (RFC 3339).
    pub expires_at: String,
    /// The time from which another can be sent (RFC 3339).
    pub resend_at: String,
    /// The remaining attempts.
    #[serde(rename = "tries_left")]
    pub attempts_left: u8,
    /// Seconds until `resend_at`, for the button's countdown.
    #[serde(skip)]
    pub resend_in: u32,
    /// Seconds until `expires_at`, for the announcements before.
    #[serde(skip)]
    pub expires_in: u32,
    /// Whether another code can be sent at all.
    #[serde(skip)]
    pub may_resend: bool,
    /// Whether the code has expired or its attempts are used up.
    #[serde(skip)]
    pub is_over: bool,
    /// The validity in whole minutes, which the page names.
    #[serde(skip)]
    pub minutes: u32,
    /// The change that the flow leads to, which the list of steps shows.
    #[serde(skip)]
    pub outcome: Outcome,
}

/// The page with the number for the authenticator app.
#[derive(Clone, Serialize)]
pub struct Approval {
    /// The current step, from 1.
    pub step: u8,
    /// The number of steps.
    pub steps: u8,
    /// The number to type into the app: two digits.
    pub number: String,
    /// The end of the request's validity (RFC 3339).
    pub expires_at: String,
    /// The script polls `/code` for it.
    pub status: ApprovalStatus,
    /// Seconds until `expires_at`, for the countdown.
    #[serde(skip)]
    pub seconds_left: u32,
    /// Whether another request can be made in this step.
    #[serde(skip)]
    pub may_ask_again: bool,
    /// The change that the flow leads to, which the list of steps shows.
    #[serde(skip)]
    pub outcome: Outcome,
}

impl Approval {
    /// Returns whether the request can no longer be approved.
    pub fn is_over(&self) -> bool {
        self.status == ApprovalStatus::Ended
    }

    /// Returns whether the request was approved, so that the person can continue.
    pub fn is_approved(&self) -> bool {
        self.status == ApprovalStatus::Approved
    }

    /// Returns the status in the contract's form.
    pub const fn status_word(&self) -> &'static str {
        match self.status {
            ApprovalStatus::Pending => "pending",
            ApprovalStatus::Approved => "approved",
            ApprovalStatus::Ended => "ended",
        }
    }
}

/// The status of a request to the authenticator app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalStatus {
    /// No device has answered yet.
    Pending,
    /// A device approved it: `POST /code` with `method=push` continues.
    Approved,
    /// It has ended: a wrong number, a denial or no answer in time.
    Ended,
}

/// The page that starts a passkey request.
#[derive(Clone, Serialize)]
pub struct PasskeyEntry {
    /// The current step, from 1.
    pub step: u8,
    /// The number of steps.
    pub steps: u8,
    /// The options for the browser's credentials API.
    pub options: PasskeyOptions,
    /// The end of the request's validity (RFC 3339).
    pub expires_at: String,
    /// The change that the flow leads to, which the list of steps shows.
    #[serde(skip)]
    pub outcome: Outcome,
}

/// The page that asks for a new password.
#[derive(Clone, Serialize)]
pub struct PasswordEntry {
    /// The criteria that a password must meet.
    pub criteria: Vec<Criterion>,
    /// The number of verified steps.
    #[serde(skip)]
    pub steps: u8,
    /// The minimum and maximum length, in code points.
    #[serde(skip)]
    pub length: (u16, u16),
    /// The rules in the form that password managers generate passwords by (`passwordrules`).
    #[serde(skip)]
    pub rules: String,
    /// The login of the account, for password managers.
    #[serde(skip)]
    pub login: Option<String>,
    /// The person's own words, which a suggested password must not contain; empty where the account wasn't read.
    #[serde(skip)]
    pub own_words: Vec<String>,
}

/// The page that asks for the confirmation of an unlock.
#[derive(Clone, Serialize)]
pub struct Unlock {
    /// The number of verified steps.
    #[serde(skip)]
    pub steps: u8,
}

/// The page that confirms the change.
#[derive(Clone, Serialize)]
pub struct Done {
    /// The change that was made.
    pub result: Outcome,
    /// The time of the change (RFC 3339).
    pub at: String,
    /// Whether the browser is a known device.
    pub known_device: bool,
    /// Whether `POST /done` can make it one.
    pub may_remember: bool,
    /// The login of the account.
    #[serde(skip)]
    pub login: Option<String>,
}

/// The page of a flow that ended without a change.
#[derive(Clone, Serialize)]
pub struct Ended {
    /// Selects the text of the page.
    pub why: Why,
}

/// The reason why a flow ended without a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// The person cancelled the flow.
    Cancelled,
}
