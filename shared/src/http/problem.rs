//! Problem details (RFC 9457) with a stable `code`. No problem tells an existing account from a decoy.

use std::fmt;

use http::StatusCode;
use serde::Serialize;

use super::view::{Captcha, Criterion};
use crate::domain::flow::Stage;
use crate::domain::time::Seconds;

/// What can be wrong with a request, as the contract's `code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The body or a field is not of the expected form.
    Malformed,
    /// The request comes from another site.
    CrossSite,
    /// There is no such page.
    NotFound,
    /// The page does not take this method.
    MethodNotAllowed,
    /// The flow is at another step.
    OutOfStep,
    /// The flow is over: expired, cancelled, used, locked or unknown. One answer for all of these.
    FlowEnded,
    /// The body is too large.
    TooLarge,
    /// The body is neither a form nor JSON.
    UnsupportedMediaType,
    /// The CAPTCHA was not solved, has expired or was used.
    CaptchaWrong,
    /// A name or an address is asked for often: work is asked for besides the characters.
    CaptchaHarder,
    /// The typed number is not the registered one.
    ContactMismatch,
    /// The method is not offered, or its budget is used up.
    MethodUnavailable,
    /// The name or the password is wrong, or the account is locked: one answer for all of these.
    SignInWrong,
    /// The address or number can't be registered: see the field's text.
    ContactRefused,
    /// As many of this kind are registered as may be.
    LimitReached,
    /// The passkey is registered already.
    PasskeyRegistered,
    /// The code is wrong.
    CodeWrong,
    /// The code has expired or its tries are used up.
    CodeSpent,
    /// The password breaks rules.
    PasswordRejected,
    /// The two passwords differ.
    ConfirmationDiffers,
    /// Too soon.
    SlowDown,
    /// A device signed over a nonce that is too old or not its own.
    NonceStale,
    /// The device is not (or no longer) registered, or did not sign.
    DeviceUnknown,
    /// Something we depend on is not there.
    Unavailable,
}

impl Code {
    /// Every code, for tables and tests.
    pub const ALL: [Self; 24] = [
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
        Self::ContactRefused,
        Self::LimitReached,
        Self::PasskeyRegistered,
        Self::CodeWrong,
        Self::CodeSpent,
        Self::PasswordRejected,
        Self::ConfirmationDiffers,
        Self::SlowDown,
        Self::NonceStale,
        Self::DeviceUnknown,
        Self::Unavailable,
    ];

    /// The contract's word, also the key of its texts in the locales.
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
            Self::ContactRefused => "contact-refused",
            Self::LimitReached => "limit-reached",
            Self::PasskeyRegistered => "passkey-registered",
            Self::CodeWrong => "code-wrong",
            Self::CodeSpent => "code-spent",
            Self::PasswordRejected => "password-rejected",
            Self::ConfirmationDiffers => "confirmation-differs",
            Self::SlowDown => "slow-down",
            Self::NonceStale => "nonce-stale",
            Self::DeviceUnknown => "device-unknown",
            Self::Unavailable => "unavailable",
        }
    }

    /// Its status.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::CrossSite | Self::DeviceUnknown => StatusCode::FORBIDDEN,
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
            | Self::ContactRefused
            | Self::LimitReached
            | Self::PasskeyRegistered
            | Self::CodeWrong
            | Self::CodeSpent
            | Self::PasswordRejected
            | Self::ConfirmationDiffers => StatusCode::UNPROCESSABLE_ENTITY,
            Self::SlowDown => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// One problem: its code, with what that carries.
#[derive(Clone)]
pub enum Problem {
    /// The body, or this field of it, is not of the expected form.
    Malformed(Option<&'static str>),
    /// See [`Code::CrossSite`].
    CrossSite,
    /// See [`Code::NotFound`].
    NotFound,
    /// The methods that the page does take, for the Allow header.
    MethodNotAllowed(&'static str),
    /// Where the flow or the session is.
    OutOfStep(Place),
    /// See [`Code::FlowEnded`].
    FlowEnded,
    /// See [`Code::TooLarge`].
    TooLarge,
    /// See [`Code::UnsupportedMediaType`].
    UnsupportedMediaType,
    /// The next CAPTCHA.
    CaptchaWrong(Box<Captcha>),
    /// The next CAPTCHA, with work.
    CaptchaHarder(Box<Captcha>),
    /// See [`Code::ContactMismatch`].
    ContactMismatch,
    /// The field to mend: `method`, or `code` where an answer came with the choice.
    MethodUnavailable(&'static str),
    /// The next CAPTCHA, where one was asked for.
    SignInWrong(Option<Box<Captcha>>),
    /// See [`Code::ContactRefused`].
    ContactRefused,
    /// See [`Code::LimitReached`].
    LimitReached,
    /// See [`Code::PasskeyRegistered`].
    PasskeyRegistered,
    /// See [`Code::CodeWrong`].
    CodeWrong {
        /// The attempts that are left, where they are told.
        attempts_left: Option<u8>,
    },
    /// See [`Code::CodeSpent`].
    CodeSpent,
    /// Every broken rule.
    PasswordRejected(Vec<Criterion>),
    /// See [`Code::ConfirmationDiffers`].
    ConfirmationDiffers,
    /// The time to wait.
    SlowDown(Seconds),
    /// The nonce to sign over instead.
    NonceStale(String),
    /// See [`Code::DeviceUnknown`].
    DeviceUnknown,
    /// See [`Code::Unavailable`].
    Unavailable,
}

/// Where a flow or a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A page of a flow.
    Flow(Stage),
    /// The second step of a session.
    SecondStep,
    /// The list of what is registered, where a session begins and ends.
    SecurityInfo,
}

impl Place {
    /// The page's name in the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Flow(stage) => stage.as_str(),
            Self::SecondStep => "second-step",
            Self::SecurityInfo => "security-info",
        }
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Problem({}, {:?})", self.code().as_str(), self.field())
    }
}

impl Problem {
    /// A malformed field.
    pub const fn malformed(field: &'static str) -> Self {
        Self::Malformed(Some(field))
    }

    /// Its code.
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
            Self::CaptchaWrong(_) => Code::CaptchaWrong,
            Self::CaptchaHarder(_) => Code::CaptchaHarder,
            Self::ContactMismatch => Code::ContactMismatch,
            Self::MethodUnavailable(_) => Code::MethodUnavailable,
            Self::SignInWrong(_) => Code::SignInWrong,
            Self::ContactRefused => Code::ContactRefused,
            Self::LimitReached => Code::LimitReached,
            Self::PasskeyRegistered => Code::PasskeyRegistered,
            Self::CodeWrong { .. } => Code::CodeWrong,
            Self::CodeSpent => Code::CodeSpent,
            Self::PasswordRejected(_) => Code::PasswordRejected,
            Self::ConfirmationDiffers => Code::ConfirmationDiffers,
            Self::SlowDown(_) => Code::SlowDown,
            Self::NonceStale(_) => Code::NonceStale,
            Self::DeviceUnknown => Code::DeviceUnknown,
            Self::Unavailable => Code::Unavailable,
        }
    }

    /// The field that it is about, if it is about one.
    pub const fn field(&self) -> Option<&'static str> {
        Some(match self {
            Self::Malformed(field) => return *field,
            Self::MethodUnavailable(field) => field,
            Self::CaptchaWrong(_) | Self::CaptchaHarder(_) => "captcha_answer",
            Self::ContactMismatch => "contact",
            Self::ContactRefused | Self::LimitReached => "value",
            Self::CodeWrong { .. } | Self::CodeSpent => "code",
            Self::PasswordRejected(_) | Self::SignInWrong(_) => "password",
            Self::ConfirmationDiffers => "confirmation",
            _ => return None,
        })
    }
}

/// The document of RFC 9457 §3.
#[derive(Serialize)]
pub struct Document<'a> {
    /// A reference that identifies the kind of problem.
    pub r#type: String,
    /// The kind of problem in words.
    pub title: &'a str,
    /// The status.
    pub status: u16,
    /// What to do about it.
    pub detail: &'a str,
    /// The stable code.
    pub code: &'a str,
    /// Where the flow or session is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<&'static str>,
    /// The attempts that are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tries_left: Option<u8>,
    /// Every broken rule.
    #[serde(skip_serializing_if = "<[Criterion]>::is_empty")]
    pub violations: &'a [Criterion],
    /// The next CAPTCHA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captcha: Option<&'a Captcha>,
    /// The nonce to sign over instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<&'a str>,
}
