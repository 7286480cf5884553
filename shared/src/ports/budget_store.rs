//! Where budgets are kept.

use async_trait::async_trait;

use super::{StoreError, Versioned};
use crate::domain::account::AccountId;
use crate::domain::budget::SendLedger;
use crate::domain::time::Timestamp;

/// Counts, across flows, addresses and processes.
#[async_trait]
pub trait BudgetStore: Send + Sync {
    /// Counts one more under `key` and tells how many there are now. The count may be dropped after `until`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn count(&self, key: &str, until: Timestamp) -> Result<u64, StoreError>;

    /// Takes one from the `limit` of `key`; `false` when none is left. Atomic: of any number of callers at once,
    /// `limit` succeed.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn take(&self, key: &str, limit: u64, until: Timestamp) -> Result<bool, StoreError>;

    /// Gives back one that was taken from `key`; where none is, nothing changes.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn give_back(&self, key: &str) -> Result<(), StoreError>;

    /// The ledger of an account, empty if there is none; strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn ledger(&self, account: &AccountId) -> Result<Versioned<SendLedger>, StoreError>;

    /// Replaces the ledger that was read as `revision` and tells its new revision; `None` when somebody else was
    /// faster.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn replace_ledger(
        &self,
        account: &AccountId,
        revision: u64,
        ledger: &SendLedger,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError>;
}
