//! The port of mail that did not arrive.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::mail_failure::{FailedMailbox, MailFailure};
use crate::domain::time::Timestamp;

/// Stores the last failure of each mailbox.
#[async_trait]
pub trait MailFailureStore: Send + Sync {
    /// Records a failure, unless a later one or a later confirmation is stored. Only `delivery` does.
    ///
    /// # Errors
    /// [`StoreError`]; it may then be recorded. A repetition is harmless.
    async fn record_mail_failure(
        &self,
        mailbox: &FailedMailbox,
        failure: &MailFailure,
    ) -> Result<(), StoreError>;

    /// Returns the failure of a mailbox, unless it has expired or mail arrived later.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn mail_failure(
        &self,
        mailbox: &FailedMailbox,
        now: Timestamp,
    ) -> Result<Option<MailFailure>, StoreError>;

    /// Clears the failure of a mailbox, if one is stored: a code that was sent there came back.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn clear_mail_failure(&self, mailbox: &FailedMailbox, now: Timestamp) -> Result<(), StoreError>;
}
