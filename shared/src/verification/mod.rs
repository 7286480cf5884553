//! Verification for flows and sessions: creates challenges and checks answers. One file per method, over the
//! ports that it needs.
//!
//! A [`Holder`] is the flow or session. It awaits a [`Challenge`](crate::domain::challenge::Challenge); a
//! person gives an [`Answer`]; [`Verifier::check`] compares. The holder records the verification:
//! [`FlowHolder`], [`SessionHolder`].

pub mod approval;
pub mod flow;
pub mod holder;
pub mod limit_log;
pub mod outgoing;
mod pass;
pub mod passkey;
mod recovery_code;
pub mod sent_code;
pub mod session;
mod totp;
mod verifier;

pub use flow::FlowHolder;
pub use holder::{Holder, Mismatch, Refusal, Subject, VerificationError, Verified};
pub use session::SessionHolder;
pub use verifier::Verifier;

use crate::domain::account::AccountId;
use crate::domain::code::OneTimeCode;
use crate::domain::cookie::HolderCookie;
use crate::domain::flow::OLDER_ANSWERS;
use crate::domain::keys::{Keyring, Tag};
use crate::domain::method::Method;
use crate::domain::pass::Pass;
use crate::domain::passkey::Assertion;
use crate::domain::rate_limit::RateLimit;
use crate::domain::recovery_code::RecoveryCode;
use crate::domain::time::Timestamp;
use crate::ports::StoreError;

/// A parsed answer of a request.
pub enum Answer {
    /// A sent code, for a method that sends.
    Sent(Method, OneTimeCode),
    /// Six digits of the authenticator app.
    Totp(OneTimeCode),
    /// From the person's sheet; consumed by the check.
    RecoveryCode(RecoveryCode),
    /// From the help desk; consumed by the check.
    Pass(Pass),
    /// The browser's answer to a passkey request.
    Passkey(Box<Assertion>),
    /// The page's query whether the app has approved; the request has the answer.
    Approval,
}

impl Answer {
    /// Reads an answer by `method` from the value of its [`Self::field`]; `None` for a malformed one.
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

    /// Returns the name of the field for an answer by `method`; none where a device answers elsewhere.
    pub const fn field(method: Method) -> Option<&'static str> {
        match method {
            Method::Push => None,
            Method::Passkey => Some("assertion"),
            _ => Some("code"),
        }
    }

    /// Returns the method that the answer verifies by.
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

    /// Returns the tag that identifies the answer in the holder and step of `cookie`. An approval has no tag
    /// of its own, but its request has.
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

impl Verifier<'_> {
    /// Checks an answer. It counts an attempt before anything is compared, in the account's limit or in the
    /// holder.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn check(
        &self,
        holder: &mut dyn Holder,
        answer: &Answer,
        now: Timestamp,
    ) -> Result<Verified, Refusal> {
        match answer {
            Answer::Sent(method, code) => sent_code::check(self.flows, holder, *method, code, now).await,
            Answer::Totp(code) => totp::check(self, holder, code, now).await,
            Answer::RecoveryCode(code) => recovery_code::check(self, holder, code, now).await,
            Answer::Pass(code) => pass::check(self, holder, code, now).await,
            Answer::Passkey(assertion) => passkey::check(self, holder, assertion, now).await,
            Answer::Approval => approval::check(self.approvals, self.flows, holder, now).await,
        }
    }

    /// Counts an answer with an older cookie, before it is compared, where its holder has passed `verified`
    /// verifications. Such answers have their own counter and don't change the holder.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn try_acquire_older(
        &self,
        cookie: &HolderCookie,
        verified: u8,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let limit = RateLimit::OlderAnswers { holder: cookie.id(), verified };
        self.limits.try_acquire(&limit, OLDER_ANSWERS, now).await
    }

    /// Returns the tag that identifies an answer, for the step of `cookie`. For an approval, it reads the
    /// account's request: `None` without a recent approval.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tag_of(
        &self,
        cookie: &HolderCookie,
        account: &AccountId,
        answer: &Answer,
        now: Timestamp,
    ) -> Result<Option<Tag>, StoreError> {
        match answer {
            Answer::Approval => approval::approved(self.approvals, self.flows, cookie, account, now).await,
            other => Ok(other.tag(cookie, self.flows)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Controls: C-044.
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
