//! Problem details (RFC 9457) with a stable `code`. No problem tells an existing account from a decoy.

use std::fmt;

use http::StatusCode;
use serde::Serialize;

use super::view::{Captcha, Criterion};

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

/// One problem, with what its code carries.
#[derive(Clone)]
pub struct Problem {
    /// What is wrong.
    pub code: Code,
    /// Which field it is about, for the page's summary and marks.
    pub field: Option<&'static str>,
    /// Where the flow is (`out-of-step`).
    pub page: Option<&'static str>,
    /// Wrong answers that are left (`code-wrong`).
    pub tries_left: Option<u8>,
    /// Seconds to wait (`slow-down`).
    pub retry_after: Option<u32>,
    /// Every broken rule (`password-rejected`).
    pub violations: Vec<Criterion>,
    /// The next CAPTCHA (`captcha-wrong`, `captcha-harder`; `sign-in-wrong` where one was asked for).
    pub captcha: Option<Box<Captcha>>,
    /// The methods that the page takes (`method-not-allowed`), for the Allow header.
    pub allow: Option<&'static str>,
    /// The nonce to sign over instead (`nonce-stale`).
    pub nonce: Option<String>,
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Problem({}, {:?})", self.code.as_str(), self.field)
    }
}

impl Problem {
    /// A problem without particulars.
    pub const fn new(code: Code) -> Self {
        Self {
            code,
            field: None,
            page: None,
            tries_left: None,
            retry_after: None,
            violations: Vec::new(),
            captcha: None,
            allow: None,
            nonce: None,
        }
    }

    /// A problem that comes with the next CAPTCHA.
    pub fn with_captcha(code: Code, next: &Captcha) -> Self {
        Self { captcha: Some(Box::new(next.clone())), ..Self::new(code) }
    }

    /// A malformed field.
    pub fn malformed(field: &'static str) -> Self {
        Self { field: Some(field), ..Self::new(Code::Malformed) }
    }

    /// The flow is elsewhere.
    pub fn out_of_step(page: &'static str) -> Self {
        Self { page: Some(page), ..Self::new(Code::OutOfStep) }
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
    /// Where the flow is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<&'static str>,
    /// Wrong answers that are left.
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
