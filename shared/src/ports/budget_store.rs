//! Where budgets are kept.

use async_trait::async_trait;

use super::{StoreError, Versioned};
use crate::domain::account::AccountId;
use crate::domain::budget::SendLedger;
use crate::domain::rate_limit::RateLimit;
use crate::domain::time::Timestamp;

/// Counts, across flows, addresses and processes.
#[async_trait]
pub trait BudgetStore: Send + Sync {
    /// Counts one more in the window of `limit` and tells how many there are now. The counter may be dropped when it need not
    /// be kept any more ([`RateLimit::kept_until`]).
    ///
    /// # Errors
    /// [`StoreError`].
    async fn count(&self, limit: &RateLimit, now: Timestamp) -> Result<u64, StoreError>;

    /// Takes one of the `most` in the window of `limit`; `false` when none is left. Atomic: of any number of callers at
    /// once, `most` succeed.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn take(&self, limit: &RateLimit, most: u64, now: Timestamp) -> Result<bool, StoreError>;

    /// Gives back one that was taken from the window of `limit` at `now`; where none is, nothing changes.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn give_back(&self, limit: &RateLimit, now: Timestamp) -> Result<(), StoreError>;

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
