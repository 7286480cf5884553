//! Leases for binds: items `bind#<account>` of the table `budgets`, which expire.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;

use super::item::{b, n, not_met, s};
use crate::domain::account::AccountId;
use crate::domain::time::Timestamp;
use crate::ports::{BindHolder, BindLeaseStore, StoreError};

/// Stores leases for binds in DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoBindLeases {
    client: Client,
    table: String,
}

impl DynamoBindLeases {
    /// Returns the store in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

#[async_trait]
impl BindLeaseStore for DynamoBindLeases {
    async fn acquire_bind(
        &self,
        account: &AccountId,
        holder: BindHolder,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        // The SDK repeats a write whose answer was lost, so the holder's own lease is no hindrance. A lease that lasts
        // longer than one may was never valid.
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("budget", s(key(account)))
            .update_expression("SET #holder = :holder, #ttl = :until")
            .condition_expression(
                "attribute_not_exists(#holder) OR #holder = :holder OR #ttl <= :now OR #ttl > :until",
            )
            .expression_attribute_names("#holder", "holder")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":holder", b(&holder))
            .expression_attribute_values(":now", n(now.as_seconds()))
            .expression_attribute_values(":until", n(until.as_seconds()));
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) => not_met(error).map(|_| false),
        }
    }

    async fn release_bind(&self, account: &AccountId, holder: BindHolder) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("budget", s(key(account)))
            .update_expression("SET #ttl = :ended")
            .condition_expression("#holder = :holder")
            .expression_attribute_names("#holder", "holder")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":holder", b(&holder))
            .expression_attribute_values(":ended", n(0));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) => not_met(error).map(drop),
        }
    }
}

fn key(account: &AccountId) -> String {
    format!("bind#{}", account.as_str())
}
