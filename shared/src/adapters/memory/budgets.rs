//! Counters of rate limits, and the ledgers of accounts.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::Memory;
use crate::domain::account::AccountId;
use crate::domain::budget::SendLedger;
use crate::domain::rate_limit::RateLimit;
use crate::domain::time::Timestamp;
use crate::ports::{BudgetStore, StoreError, Versioned};

/// Counters by key, and ledgers as JSON with their revisions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budgets {
    /// Counters of rate limits; expired ones stay.
    pub counts: BTreeMap<String, u64>,
    /// The revision and the JSON of each account's ledger.
    pub ledgers: BTreeMap<AccountId, (u64, Arc<str>)>,
}

impl Budgets {
    /// Increments a counter and returns its value.
    pub fn count(&mut self, key: String) -> u64 {
        let count = self.counts.entry(key).or_default();
        *count += 1;
        *count
    }

    /// Acquires one of the `most`; `false` when none is left.
    pub fn take(&mut self, key: String, most: u64) -> bool {
        let is_left = self.counts.get(&key).copied().unwrap_or_default() < most;
        if is_left {
            self.count(key);
        }
        is_left
    }

    /// Replaces the ledger that was read as `revision`; `false` when another request replaced it first.
    pub fn replace_ledger(&mut self, account: &AccountId, revision: u64, ledger: &str) -> bool {
        let is_it = self.ledgers.get(account).map_or(0, |(revision, _)| *revision) == revision;
        if is_it {
            self.ledgers.insert(account.clone(), (revision + 1, ledger.into()));
        }
        is_it
    }
}

#[async_trait]
impl BudgetStore for Memory {
    async fn count(&self, limit: &RateLimit, now: Timestamp) -> Result<u64, StoreError> {
        Ok(self.with(|tables| tables.budgets.count(limit.key(now))))
    }

    async fn take(&self, limit: &RateLimit, most: u64, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.with(|tables| tables.budgets.take(limit.key(now), most)))
    }

    async fn give_back(&self, limit: &RateLimit, now: Timestamp) -> Result<(), StoreError> {
        self.with(|tables| {
            if let Some(count) = tables.budgets.counts.get_mut(&limit.key(now)) {
                *count = count.saturating_sub(1);
            }
        });
        Ok(())
    }

    async fn ledger(&self, account: &AccountId) -> Result<Versioned<SendLedger>, StoreError> {
        let found = self.with(|tables| tables.budgets.ledgers.get(account).cloned());
        let Some((revision, ledger)) = found else {
            return Ok(Versioned { value: SendLedger::default(), revision: 0 });
        };
        Ok(Versioned { value: serde_json::from_str(&ledger).unwrap_or_default(), revision })
    }

    async fn replace_ledger(
        &self,
        account: &AccountId,
        revision: u64,
        ledger: &SendLedger,
        _: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        let ledger = serde_json::to_string(ledger).map_err(|_| StoreError::Unreadable("ledger"))?;
        let is_it = self.with(|tables| tables.budgets.replace_ledger(account, revision, &ledger));
        Ok(is_it.then_some(revision + 1))
    }
}
