//! The store of rate limits and of the limit logs of accounts.

use async_trait::async_trait;

use super::{StoreError, Versioned};
use crate::domain::account::AccountId;
use crate::domain::account_limits::LimitLog;
use crate::domain::rate_limit::RateLimit;
use crate::domain::time::Timestamp;

/// Counts over all flows, addresses and processes.
#[async_trait]
pub trait RateLimitStore: Send + Sync {
    /// Increments the counter of `limit` and returns its new value. The store may delete the counter after
    /// [`RateLimit::kept_until`].
    ///
    /// # Errors
    /// [`StoreError`].
    async fn increment(&self, limit: &RateLimit, now: Timestamp) -> Result<u64, StoreError>;

    /// Acquires one of the `most` in the window of `limit`; `false` when none is left. Atomic: of concurrent
    /// callers, `most` succeed.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn try_acquire(&self, limit: &RateLimit, most: u64, now: Timestamp) -> Result<bool, StoreError>;

    /// Acquires one of each of `limits`, each with its most; `false` when one has none left, and then nothing is
    /// acquired. All have one key ([`RateLimit::key`]), so it is one write.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn try_acquire_together(
        &self,
        limits: &[(RateLimit, u64)],
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Refunds one that was acquired in the window of `limit` at `now`. Without a counter, nothing changes.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn refund(&self, limit: &RateLimit, now: Timestamp) -> Result<(), StoreError>;

    /// Returns the limit log of an account, empty if there is none; strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn limit_log(&self, account: &AccountId) -> Result<Versioned<LimitLog>, StoreError>;

    /// Replaces the limit log that was read as `revision` and returns its new revision; `None` when another
    /// request replaced it first (optimistic locking).
    ///
    /// # Errors
    /// [`StoreError`].
    async fn replace_limit_log(
        &self,
        account: &AccountId,
        revision: u64,
        limit_log: &LimitLog,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError>;
}
