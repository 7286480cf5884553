//! Checks an answer, by whatever method.

use super::answer::Answer;
use super::holder::{Holder, Refusal, Verified};
use super::verifier::Verifier;
use super::{approval, pass, passkey, recovery_code, sent_code, totp};
use crate::domain::account::AccountId;
use crate::domain::cookie::HolderCookie;
use crate::domain::flow::OLDER_ANSWERS;
use crate::domain::keys::Tag;
use crate::domain::rate_limit::RateLimit;
use crate::domain::time::Timestamp;
use crate::ports::StoreError;

impl Verifier<'_> {
    /// Checks an answer. An attempt is spent before anything is compared, from the account's limit or from the holder.
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

    /// Takes an answer that comes with an older cookie, before it is compared, where its holder has passed `verified`
    /// verifications: such answers have a count of their own, and touch nothing of the holder.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_older(
        &self,
        cookie: &HolderCookie,
        verified: u8,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let limit = RateLimit::OlderAnswers { holder: cookie.id(), verified };
        self.limits.take(&limit, OLDER_ANSWERS, now).await
    }

    /// The tag of what an answer is told from every other by, for the step of `cookie`. That of an approval is looked up
    /// for the account: `None` where it was not given a moment ago.
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
