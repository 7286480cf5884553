//! The accounts whose password expires soon, and the warnings of it.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::account::AccountId;
use crate::domain::password_expiry::{ExpiringAccount, ExpiryWarning};
use crate::domain::time::Timestamp;

/// Some accounts whose password expires soon.
#[derive(Clone, Debug, Default)]
pub struct ExpiryPage {
    /// The accounts, in no particular order. Unreadable ones are left out.
    pub accounts: Vec<ExpiringAccount>,
    /// Names the next page; `None` after the last one. A page without accounts may have a next one.
    pub next: Option<String>,
}

/// Reads the copy of a directory's accounts by their expiry, and notes warnings there. Only `housekeeping` has it.
#[async_trait]
pub trait PasswordExpiryStore: Send + Sync {
    /// Returns the accounts whose password expires between two times: the first page, or the one that an earlier page
    /// names. A read may miss the writes of the last second.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn expiring(
        &self,
        from: Timestamp,
        until: Timestamp,
        page: Option<&str>,
    ) -> Result<ExpiryPage, StoreError>;

    /// Notes a warning before it is sent; `false` if it was noted before, or the account is gone.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn note_warning(&self, account: &AccountId, warning: ExpiryWarning) -> Result<bool, StoreError>;

    /// Takes a warning back that was not sent, and restores the one before it. Another one that was noted meanwhile
    /// stays.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn take_back_warning(
        &self,
        account: &AccountId,
        warning: ExpiryWarning,
        earlier: Option<ExpiryWarning>,
    ) -> Result<(), StoreError>;
}
