//! Problem details (RFC 9457) with a stable `code`. No problem distinguishes an account from a decoy.

use std::fmt;

use http::StatusCode;
use serde::Serialize;

use super::view::{Captcha, Criterion};
use crate::domain::flow::Stage;
use crate::domain::help_desk_call::HelpRefusal;
use crate::domain::time::{Seconds, Timestamp};

/// The kinds of problems, as the contract's `code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The body or a field has an invalid form.
    Malformed,
    /// The request comes from another site (CSRF).
    CrossSite,
    /// No page has this path.
    NotFound,
    /// The page does not support this method.
    MethodNotAllowed,
    /// The flow is at another step.
    OutOfStep,
    /// The flow has ended: expired, cancelled, used, locked or unknown. One response for all of these.
    FlowEnded,
    /// The body exceeds the size limit.
    TooLarge,
    /// The body is neither a form nor JSON.
    UnsupportedMediaType,
    /// The CAPTCHA was wrong, has expired or was used.
    CaptchaWrong,
    /// The name, the network or the characters are above a rate limit: more work is required.
    CaptchaHarder,
    /// The typed number is not the enrolled one.
    ContactMismatch,
    /// The method is not offered, or its rate limit is reached.
    MethodUnavailable,
    /// The name or the password is wrong, or the account is locked: one response for all of these.
    SignInWrong,
    /// People sign in with the identity provider, not with a password.
    SignInElsewhere,
    /// The person or the identity provider ended the sign-in there.
    SignInCancelled,
    /// The answer of the identity provider is too old, of another sign-in, or not valid.
    SignInInvalid,
    /// The person's account is unknown here, disabled or excluded: one response for all of these.
    SignInNoAccount,
    /// The identity provider failed.
    ProviderUnavailable,
    /// The address or number can't be enrolled: see the field's text.
    ContactRefused,
    /// The account has the most entries of this kind.
    LimitReached,
    /// The passkey is already enrolled.
    PasskeyRegistered,
    /// The code, the passkey's answer or the number is wrong.
    CodeWrong,
    /// The code has expired or its attempts are used up.
    CodeSpent,
    /// The password violates the policy.
    PasswordRejected,
    /// The two typed passwords differ.
    ConfirmationDiffers,
    /// The request came before the wait was over.
    SlowDown,
    /// Too many passwords of the name were wrong: sign-in by password rests.
    SignInPaused,
    /// The device's nonce is too old or not its own.
    NonceStale,
    /// The device is not enrolled, or its signature is wrong.
    DeviceUnknown,
    /// The directory refuses to change this account.
    ChangeNotPermitted,
    /// The directory did not answer: whether the change was made is unknown so far.
    ChangeUnconfirmed,
    /// The rules of the help desk refuse an agent's act.
    HelpRefused,
    /// An outside system failed, or the function reached its time-out.
    Unavailable,
}

impl Code {
    /// All codes, for tables and tests.
    pub const ALL: [Self; 33] = [
        Self::Malformed,
        Self::CrossSite,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::OutOfStep,
        Self::FlowEnded,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::CaptchaWrong,
        Self::CaptchaHarder,
        Self::ContactMismatch,
        Self::MethodUnavailable,
        Self::SignInWrong,
        Self::SignInElsewhere,
        Self::SignInCancelled,
        Self::SignInInvalid,
        Self::SignInNoAccount,
        Self::ProviderUnavailable,
        Self::ContactRefused,
        Self::LimitReached,
        Self::PasskeyRegistered,
        Self::CodeWrong,
        Self::CodeSpent,
        Self::PasswordRejected,
        Self::ConfirmationDiffers,
        Self::SlowDown,
        Self::SignInPaused,
        Self::NonceStale,
        Self::DeviceUnknown,
        Self::ChangeNotPermitted,
        Self::ChangeUnconfirmed,
        Self::HelpRefused,
        Self::Unavailable,
    ];

    /// Returns the name in the contract, which is also the key of its texts in the locales.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::CrossSite => "cross-site",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::OutOfStep => "out-of-step",
            Self::FlowEnded => "flow-ended",
            Self::TooLarge => "too-large",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::CaptchaWrong => "captcha-wrong",
            Self::CaptchaHarder => "captcha-harder",
            Self::ContactMismatch => "contact-mismatch",
            Self::MethodUnavailable => "method-unavailable",
            Self::SignInWrong => "sign-in-wrong",
            Self::SignInElsewhere => "sign-in-elsewhere",
            Self::SignInCancelled => "sign-in-cancelled",
            Self::SignInInvalid => "sign-in-invalid",
            Self::SignInNoAccount => "sign-in-no-account",
            Self::ProviderUnavailable => "provider-unavailable",
            Self::ContactRefused => "contact-refused",
            Self::LimitReached => "limit-reached",
            Self::PasskeyRegistered => "passkey-registered",
            Self::CodeWrong => "code-wrong",
            Self::CodeSpent => "code-spent",
            Self::PasswordRejected => "password-rejected",
            Self::ConfirmationDiffers => "confirmation-differs",
            Self::SlowDown => "slow-down",
            Self::SignInPaused => "sign-in-paused",
            Self::NonceStale => "nonce-stale",
            Self::DeviceUnknown => "device-unknown",
            Self::ChangeNotPermitted => "change-not-permitted",
            Self::ChangeUnconfirmed => "change-unconfirmed",
            Self::HelpRefused => "help-refused",
            Self::Unavailable => "unavailable",
        }
    }

    /// Returns its HTTP status.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::CrossSite | Self::DeviceUnknown | Self::ChangeNotPermitted | Self::SignInNoAccount => {
                StatusCode::FORBIDDEN
            }
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::OutOfStep | Self::NonceStale => StatusCode::CONFLICT,
            Self::FlowEnded => StatusCode::GONE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::CaptchaWrong
            | Self::CaptchaHarder
            | Self::ContactMismatch
            | Self::MethodUnavailable
            | Self::SignInWrong
            | Self::SignInElsewhere
            | Self::SignInCancelled
            | Self::SignInInvalid
            | Self::ContactRefused
            | Self::LimitReached
            | Self::PasskeyRegistered
            | Self::CodeWrong
            | Self::CodeSpent
            | Self::PasswordRejected
            | Self::HelpRefused
            | Self::ConfirmationDiffers => StatusCode::UNPROCESSABLE_ENTITY,
            Self::SlowDown | Self::SignInPaused => StatusCode::TOO_MANY_REQUESTS,
            Self::ChangeUnconfirmed | Self::ProviderUnavailable | Self::Unavailable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }
}

/// A problem: its code, with the data of that code.
#[derive(Clone)]
pub enum Problem {
    /// The body, or this field of it, has an invalid form.
    Malformed(Option<&'static str>),
    /// See [`Code::CrossSite`].
    CrossSite,
    /// See [`Code::NotFound`].
    NotFound,
    /// The methods of the page, for the Allow header.
    MethodNotAllowed(&'static str),
    /// The current step of the flow or session.
    OutOfStep(Place),
    /// See [`Code::FlowEnded`].
    FlowEnded,
    /// See [`Code::TooLarge`].
    TooLarge,
    /// See [`Code::UnsupportedMediaType`].
    UnsupportedMediaType,
    /// Why, and the next CAPTCHA.
    CaptchaWrong(CaptchaFailure, Box<Captcha>),
    /// The next CAPTCHA, with work.
    CaptchaHarder(Box<Captcha>),
    /// See [`Code::ContactMismatch`].
    ContactMismatch,
    /// The field to correct: `method`, or `code` where an answer came with the choice.
    MethodUnavailable(&'static str),
    /// The next CAPTCHA, where one is required.
    SignInWrong(Option<Box<Captcha>>),
    /// See [`Code::SignInElsewhere`].
    SignInElsewhere,
    /// See [`Code::SignInCancelled`].
    SignInCancelled,
    /// See [`Code::SignInInvalid`].
    SignInInvalid,
    /// See [`Code::SignInNoAccount`].
    SignInNoAccount,
    /// See [`Code::ProviderUnavailable`].
    ProviderUnavailable,
    /// See [`Code::ContactRefused`].
    ContactRefused,
    /// See [`Code::LimitReached`].
    LimitReached,
    /// See [`Code::PasskeyRegistered`].
    PasskeyRegistered,
    /// See [`Code::CodeWrong`].
    CodeWrong {
        /// The remaining attempts, where they are shown.
        attempts_left: Option<u8>,
    },
    /// See [`Code::CodeSpent`].
    CodeSpent,
    /// All violated criteria.
    PasswordRejected(Vec<Criterion>),
    /// See [`Code::ConfirmationDiffers`].
    ConfirmationDiffers,
    /// The seconds to wait, for the Retry-After header.
    SlowDown(Seconds),
    /// See [`Code::SignInPaused`].
    SignInPaused {
        /// The time from which the client may try again, which the page names.
        until: Timestamp,
        /// The seconds until then, for the Retry-After header.
        wait: Seconds,
    },
    /// A new nonce for the repeated request.
    NonceStale(String),
    /// See [`Code::DeviceUnknown`].
    DeviceUnknown,
    /// See [`Code::ChangeNotPermitted`].
    ChangeNotPermitted,
    /// See [`Code::ChangeUnconfirmed`].
    ChangeUnconfirmed,
    /// Why.
    HelpRefused(HelpRefusal),
    /// See [`Code::Unavailable`].
    Unavailable,
}

/// Why a CAPTCHA was not accepted, as the contract's `why`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptchaFailure {
    /// The characters are wrong. The challenge is spent.
    Wrong,
    /// The work is wrong. The challenge is spent.
    WrongWork,
    /// The challenge is of the harder kind, for another name. It was not compared.
    OtherName,
    /// The challenge is no longer valid: it was not compared.
    Expired,
    /// The challenge was answered before.
    Used,
    /// The characters contain a letter that is in no picture. The challenge is not spent.
    NotDrawn,
}

impl CaptchaFailure {
    /// Returns the failure's name in the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wrong | Self::WrongWork => "wrong",
            Self::OtherName => "other-name",
            Self::Expired => "expired",
            Self::Used => "used",
            Self::NotDrawn => "not-drawn",
        }
    }
}

/// The current step of a flow or session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A page of a flow.
    Flow(Stage),
    /// The step-up of a session.
    SecondStep,
    /// The list of enrolled entries, where a session begins and ends.
    SecurityInfo,
    /// The page of the help desk.
    HelpDesk,
}

impl Place {
    /// Returns the page's name in the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Flow(stage) => stage.as_str(),
            Self::SecondStep => "second-step",
            Self::SecurityInfo => "security-info",
            Self::HelpDesk => "help-desk",
        }
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Problem({}, {:?})", self.code().as_str(), self.field())
    }
}

impl Problem {
    /// Returns the problem of a malformed field.
    pub const fn malformed(field: &'static str) -> Self {
        Self::Malformed(Some(field))
    }

    /// Returns its code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => Code::Malformed,
            Self::CrossSite => Code::CrossSite,
            Self::NotFound => Code::NotFound,
            Self::MethodNotAllowed(_) => Code::MethodNotAllowed,
            Self::OutOfStep(_) => Code::OutOfStep,
            Self::FlowEnded => Code::FlowEnded,
            Self::TooLarge => Code::TooLarge,
            Self::UnsupportedMediaType => Code::UnsupportedMediaType,
            Self::CaptchaWrong(..) => Code::CaptchaWrong,
            Self::CaptchaHarder(_) => Code::CaptchaHarder,
            Self::ContactMismatch => Code::ContactMismatch,
            Self::MethodUnavailable(_) => Code::MethodUnavailable,
            Self::SignInWrong(_) => Code::SignInWrong,
            Self::SignInElsewhere => Code::SignInElsewhere,
            Self::SignInCancelled => Code::SignInCancelled,
            Self::SignInInvalid => Code::SignInInvalid,
            Self::SignInNoAccount => Code::SignInNoAccount,
            Self::ProviderUnavailable => Code::ProviderUnavailable,
            Self::ContactRefused => Code::ContactRefused,
            Self::LimitReached => Code::LimitReached,
            Self::PasskeyRegistered => Code::PasskeyRegistered,
            Self::CodeWrong { .. } => Code::CodeWrong,
            Self::CodeSpent => Code::CodeSpent,
            Self::PasswordRejected(_) => Code::PasswordRejected,
            Self::ConfirmationDiffers => Code::ConfirmationDiffers,
            Self::SlowDown(_) => Code::SlowDown,
            Self::SignInPaused { .. } => Code::SignInPaused,
            Self::NonceStale(_) => Code::NonceStale,
            Self::DeviceUnknown => Code::DeviceUnknown,
            Self::ChangeNotPermitted => Code::ChangeNotPermitted,
            Self::ChangeUnconfirmed => Code::ChangeUnconfirmed,
            Self::HelpRefused(_) => Code::HelpRefused,
            Self::Unavailable => Code::Unavailable,
        }
    }

    /// Returns the field that it is about, if there is one.
    pub const fn field(&self) -> Option<&'static str> {
        Some(match self {
            Self::Malformed(field) => return *field,
            Self::MethodUnavailable(field) => field,
            Self::CaptchaWrong(..) | Self::CaptchaHarder(_) => "captcha_answer",
            Self::ContactMismatch => "contact",
            Self::ContactRefused | Self::LimitReached => "value",
            Self::CodeWrong { .. } | Self::CodeSpent => "code",
            Self::PasswordRejected(_) | Self::SignInWrong(_) | Self::SignInPaused { .. } => "password",
            Self::ConfirmationDiffers => "confirmation",
            _ => return None,
        })
    }
}

/// The JSON document of RFC 9457 §3.
#[derive(Serialize)]
pub struct Document<'a> {
    /// A URI reference that identifies the kind of problem.
    pub r#type: String,
    /// The kind of problem in the response's language.
    pub title: &'a str,
    /// The same status as the response's.
    pub status: u16,
    /// The way to correct it, in the response's language.
    pub detail: &'a str,
    /// The stable code, for programs.
    pub code: &'a str,
    /// The support code of the flow, session or request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support_code: Option<&'a str>,
    /// The current step of the flow or session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<&'static str>,
    /// The remaining attempts.
    #[serde(rename = "tries_left", skip_serializing_if = "Option::is_none")]
    pub attempts_left: Option<u8>,
    /// All violated criteria.
    #[serde(skip_serializing_if = "<[Criterion]>::is_empty")]
    pub violations: &'a [Criterion],
    /// Why the CAPTCHA was not accepted, or the act of an agent refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<&'static str>,
    /// The next CAPTCHA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captcha: Option<&'a Captcha>,
    /// A new nonce for the repeated request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<&'a str>,
}
