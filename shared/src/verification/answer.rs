//! What a person gives to verify a step.

use crate::domain::code::OneTimeCode;
use crate::domain::cookie::HolderCookie;
use crate::domain::keys::{Keyring, Tag};
use crate::domain::method::Method;
use crate::domain::pass::Pass;
use crate::domain::passkey::Assertion;
use crate::domain::recovery_code::RecoveryCode;

/// An answer, as it was read from a request.
pub enum Answer {
    /// A code that was sent.
    Sent(Method, OneTimeCode),
    /// A code from the authenticator app.
    Totp(OneTimeCode),
    /// A recovery code.
    RecoveryCode(RecoveryCode),
    /// A pass of the help desk.
    Pass(Pass),
    /// A passkey's answer.
    Passkey(Box<Assertion>),
    /// Word that the app has approved.
    Approval,
}

impl Answer {
    /// Reads an answer by `method` from what stands in its [`Self::field`]; `None` for nothing that this method could have.
    pub fn read(method: Method, typed: Option<&str>) -> Option<Self> {
        match method {
            Method::Email | Method::Sms | Method::MobileCall | Method::OfficeCall => {
                OneTimeCode::parse(typed?).ok().map(|code| Self::Sent(method, code))
            }
            Method::Totp => OneTimeCode::parse(typed?).ok().map(Self::Totp),
            Method::RecoveryCode => RecoveryCode::parse(typed?).ok().map(Self::RecoveryCode),
            Method::Pass => Pass::parse(typed?).ok().map(Self::Pass),
            Method::Passkey => {
                Assertion::parse(typed?).ok().map(|assertion| Self::Passkey(Box::new(assertion)))
            }
            Method::Push => Some(Self::Approval),
        }
    }

    /// The field that an answer by `method` stands in; none where a device answers elsewhere.
    pub const fn field(method: Method) -> Option<&'static str> {
        match method {
            Method::Push => None,
            Method::Passkey => Some("assertion"),
            _ => Some("code"),
        }
    }

    /// By which method it verifies.
    pub const fn method(&self) -> Method {
        match self {
            Self::Sent(method, _) => *method,
            Self::Totp(_) => Method::Totp,
            Self::RecoveryCode(_) => Method::RecoveryCode,
            Self::Pass(_) => Method::Pass,
            Self::Passkey(_) => Method::Passkey,
            Self::Approval => Method::Push,
        }
    }

    /// The tag of what it is told from every other by, in the holder and step of `cookie`. An approval has none of its own:
    /// its request has.
    pub fn tag(&self, cookie: &HolderCookie, flows: &Keyring) -> Option<Tag> {
        let of = |answer: &[u8]| cookie.answer_tag(flows, self.method(), answer);
        match self {
            Self::Sent(_, code) | Self::Totp(code) => of(code.expose().as_bytes()),
            Self::RecoveryCode(code) => of(code.expose().as_bytes()),
            Self::Pass(pass) => of(pass.code().expose().as_bytes()),
            Self::Passkey(assertion) => of(assertion.signature()),
            Self::Approval => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_read_by_its_method_only() {
        let read = |method, typed| Answer::read(method, typed).map(|answer| answer.method());
        for method in Method::ALL {
            let takes_digits = method.is_sent() || method == Method::Totp;
            assert_eq!(read(method, Some("12345678")).is_some(), takes_digits || method == Method::Push);
            assert_eq!(read(method, None), (method == Method::Push).then_some(method));
        }
        assert_eq!(read(Method::RecoveryCode, Some("ABCD-EFGH-JKMN-PQRS")), Some(Method::RecoveryCode));
        assert_eq!(read(Method::Passkey, Some("{}")), None, "nothing that a passkey says");
    }
}
