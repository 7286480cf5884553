//! Counters of rate limits, and the limit logs of accounts.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::Memory;
use crate::domain::account::AccountId;
use crate::domain::account_limits::LimitLog;
use crate::domain::rate_limit::RateLimit;
use crate::domain::time::Timestamp;
use crate::ports::{RateLimitStore, StoreError, Versioned};

/// Counters by key, and limit logs as JSON with their revisions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RateLimits {
    /// Counters of rate limits; expired ones stay.
    pub counts: BTreeMap<String, u64>,
    /// The revision and the JSON of each account's limit log.
    pub limit_logs: BTreeMap<AccountId, (u64, Arc<str>)>,
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

    /// Replaces the limit log that was read as `revision`; `false` when another request replaced it first.
    pub fn replace_limit_log(&mut self, account: &AccountId, revision: u64, limit_log: &str) -> bool {
        let is_it = self.limit_logs.get(account).map_or(0, |(revision, _)| *revision) == revision;
        if is_it {
            self.limit_logs.insert(account.clone(), (revision + 1, limit_log.into()));
        }
        is_it
    }
}

/// Returns the name of a counter over all items.
fn name(limit: &RateLimit, now: Timestamp) -> String {
    match (limit.key(now), limit.counter(now).as_str()) {
        (key, "count") => key,
        (key, counter) => format!("{key}/{counter}"),
    }
}

#[async_trait]
impl RateLimitStore for Memory {
    async fn increment(&self, limit: &RateLimit, now: Timestamp) -> Result<u64, StoreError> {
        Ok(self.with(|tables| tables.rate_limits.increment(name(limit, now))))
    }

    async fn try_acquire(&self, limit: &RateLimit, most: u64, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.with(|tables| tables.rate_limits.try_acquire(name(limit, now), most)))
    }

    async fn try_acquire_together(
        &self,
        limits: &[(RateLimit, u64)],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.with(|tables| {
            let before = tables.rate_limits.counts.clone();
            let all =
                limits.iter().all(|(limit, most)| tables.rate_limits.try_acquire(name(limit, now), *most));
            if !all {
                tables.rate_limits.counts = before;
            }
            all
        }))
    }

    async fn refund(&self, limit: &RateLimit, now: Timestamp) -> Result<(), StoreError> {
        self.with(|tables| {
            if let Some(count) = tables.rate_limits.counts.get_mut(&name(limit, now)) {
                *count = count.saturating_sub(1);
            }
        });
        Ok(())
    }

    async fn limit_log(&self, account: &AccountId) -> Result<Versioned<LimitLog>, StoreError> {
        let found = self.with(|tables| tables.rate_limits.limit_logs.get(account).cloned());
        let Some((revision, limit_log)) = found else {
            return Ok(Versioned { value: LimitLog::default(), revision: 0 });
        };
        Ok(Versioned { value: serde_json::from_str(&limit_log).unwrap_or_default(), revision })
    }

    async fn replace_limit_log(
        &self,
        account: &AccountId,
        revision: u64,
        limit_log: &LimitLog,
        _: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        let limit_log = serde_json::to_string(limit_log).map_err(|_| StoreError::Unreadable("ledger"))?;
        let is_it = self.with(|tables| tables.rate_limits.replace_limit_log(account, revision, &limit_log));
        Ok(is_it.then_some(revision + 1))
    }
}
