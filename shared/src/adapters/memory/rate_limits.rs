//! Counters of rate limits, and the send logs of accounts.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::Memory;
use crate::domain::account::AccountId;
use crate::domain::rate_limit::RateLimit;
use crate::domain::send_limits::SendLog;
use crate::domain::time::Timestamp;
use crate::ports::{RateLimitStore, StoreError, Versioned};

/// Counters by key, and send logs as JSON with their revisions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RateLimits {
    /// Counters of rate limits; expired ones stay.
    pub counts: BTreeMap<String, u64>,
    /// The revision and the JSON of each account's send log.
    pub send_logs: BTreeMap<AccountId, (u64, Arc<str>)>,
}

impl RateLimits {
    /// Increments a counter and returns its value.
    pub fn increment(&mut self, key: String) -> u64 {
        let count = self.counts.entry(key).or_default();
        *count += 1;
        *count
    }

    /// Acquires one of the `most`; `false` when none is left.
    pub fn try_acquire(&mut self, key: String, most: u64) -> bool {
        let is_left = self.counts.get(&key).copied().unwrap_or_default() < most;
        if is_left {
            self.increment(key);
        }
        is_left
    }

    /// Replaces the send log that was read as `revision`; `false` when another request replaced it first.
    pub fn replace_send_log(&mut self, account: &AccountId, revision: u64, send_log: &str) -> bool {
        let is_it = self.send_logs.get(account).map_or(0, |(revision, _)| *revision) == revision;
        if is_it {
            self.send_logs.insert(account.clone(), (revision + 1, send_log.into()));
        }
        is_it
    }
}

#[async_trait]
impl RateLimitStore for Memory {
    async fn increment(&self, limit: &RateLimit, now: Timestamp) -> Result<u64, StoreError> {
        Ok(self.with(|tables| tables.rate_limits.increment(limit.key(now))))
    }

    async fn try_acquire(&self, limit: &RateLimit, most: u64, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.with(|tables| tables.rate_limits.try_acquire(limit.key(now), most)))
    }

    async fn refund(&self, limit: &RateLimit, now: Timestamp) -> Result<(), StoreError> {
        self.with(|tables| {
            if let Some(count) = tables.rate_limits.counts.get_mut(&limit.key(now)) {
                *count = count.saturating_sub(1);
            }
        });
        Ok(())
    }

    async fn send_log(&self, account: &AccountId) -> Result<Versioned<SendLog>, StoreError> {
        let found = self.with(|tables| tables.rate_limits.send_logs.get(account).cloned());
        let Some((revision, send_log)) = found else {
            return Ok(Versioned { value: SendLog::default(), revision: 0 });
        };
        Ok(Versioned { value: serde_json::from_str(&send_log).unwrap_or_default(), revision })
    }

    async fn replace_send_log(
        &self,
        account: &AccountId,
        revision: u64,
        send_log: &SendLog,
        _: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        let send_log = serde_json::to_string(send_log).map_err(|_| StoreError::Unreadable("ledger"))?;
        let is_it = self.with(|tables| tables.rate_limits.replace_send_log(account, revision, &send_log));
        Ok(is_it.then_some(revision + 1))
    }
}
