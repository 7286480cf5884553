//! The table `rate_limits`: counters of rate limits by key, and one limit log per account.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::ReturnValue;

use super::item::{Item, consistent_get, n, not_met, s, unavailable};
use crate::domain::account::AccountId;
use crate::domain::account_limits::LimitLog;
use crate::domain::rate_limit::RateLimit;
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::{RateLimitStore, StoreError, Versioned};

/// A limit log covers one day; its item is kept for another day.
const LIMIT_LOG_KEPT: Seconds = Seconds(2 * Seconds::DAY.0);

/// Stores rate limits and limit logs in DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoRateLimits {
    client: Client,
    table: String,
}

impl DynamoRateLimits {
    /// Returns the store in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

#[async_trait]
impl RateLimitStore for DynamoRateLimits {
    async fn increment(&self, limit: &RateLimit, now: Timestamp) -> Result<u64, StoreError> {
        let counter = limit.counter(now);
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("budget", s(limit.key(now)))
            .update_expression("SET #ttl = :ttl ADD #count :one")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_names("#count", &counter)
            .expression_attribute_values(":ttl", n(limit.kept_until(now).as_seconds()))
            .expression_attribute_values(":one", n(1))
            .return_values(ReturnValue::UpdatedNew);
        let updated = update.send().await.map_err(unavailable)?.attributes.unwrap_or_default();
        let count = updated.get(&counter).and_then(|value| value.as_n().ok()?.parse().ok());
        count.ok_or(StoreError::Unreadable("count"))
    }

    async fn try_acquire(&self, limit: &RateLimit, most: u64, now: Timestamp) -> Result<bool, StoreError> {
        self.try_acquire_together(&[(limit.clone(), most)], now).await
    }

    async fn try_acquire_together(
        &self,
        limits: &[(RateLimit, u64)],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some((first, _)) = limits.first() else { return Ok(true) };
        if limits.iter().any(|(_, most)| *most == 0) {
            return Ok(false);
        }
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("budget", s(first.key(now)))
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":ttl", n(first.kept_until(now).as_seconds()))
            .expression_attribute_values(":one", n(1));
        let (mut adds, mut conditions) = (Vec::new(), Vec::new());
        for (at, (limit, most)) in limits.iter().enumerate() {
            adds.push(format!("#count{at} :one"));
            conditions.push(format!("(attribute_not_exists(#count{at}) OR #count{at} < :most{at})"));
            update = update
                .expression_attribute_names(format!("#count{at}"), limit.counter(now))
                .expression_attribute_values(format!(":most{at}"), n(*most));
        }
        let update = update
            .update_expression(format!("SET #ttl = :ttl ADD {}", adds.join(", ")))
            .condition_expression(conditions.join(" AND "));
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) => not_met(error).map(|_| false),
        }
    }

    async fn refund(&self, limit: &RateLimit, now: Timestamp) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("budget", s(limit.key(now)))
            .update_expression("ADD #count :less")
            .condition_expression("#count > :none")
            .expression_attribute_names("#count", limit.counter(now))
            .expression_attribute_values(":less", n(-1))
            .expression_attribute_values(":none", n(0));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) => not_met(error).map(drop),
        }
    }

    async fn limit_log(&self, account: &AccountId) -> Result<Versioned<LimitLog>, StoreError> {
        let item =
            consistent_get(&self.client, &self.table, &[("budget", s(limit_log_key(account)))]).await?;
        let Some(item) = item else { return Ok(Versioned { value: LimitLog::default(), revision: 0 }) };
        // An unreadable limit log, or one of another version, begins anew. No client can cause this, and
        // otherwise its owner would get no code while the item exists.
        let value = item.optional_text("ledger").and_then(|text| serde_json::from_str(text).ok());
        Ok(Versioned { value: value.unwrap_or_default(), revision: item.number("rev").unwrap_or_default() })
    }

    async fn replace_limit_log(
        &self,
        account: &AccountId,
        revision: u64,
        limit_log: &LimitLog,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        let text = serde_json::to_string(limit_log).map_err(|_| StoreError::Unreadable("ledger"))?;
        let item = Item::default()
            .with("budget", s(limit_log_key(account)))
            .with("rev", n(revision + 1))
            .with("ledger", s(text))
            .with("ttl", n((now + LIMIT_LOG_KEPT).as_seconds()));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item.0));
        let put = if revision == 0 {
            // The item is missing, or has no revision.
            put.condition_expression("NOT attribute_type(#rev, :number) OR #rev < :one")
                .expression_attribute_names("#rev", "rev")
                .expression_attribute_values(":number", s("N"))
                .expression_attribute_values(":one", n(1))
        } else {
            put.condition_expression("#rev = :rev")
                .expression_attribute_names("#rev", "rev")
                .expression_attribute_values(":rev", n(revision))
        };
        match put.send().await {
            Ok(_) => Ok(Some(revision + 1)),
            Err(error) => not_met(error).map(|_| None),
        }
    }
}

fn limit_log_key(account: &AccountId) -> String {
    format!("sends#{}", account.as_str())
}
