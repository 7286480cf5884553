//! The authenticators of an account, as `code-verify` checks them.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;

use crate::adapters::dynamodb::item::{b, consistent_get, n, not_met, s};
use crate::domain::account::AccountId;
use crate::domain::flow::FlowKey;
use crate::domain::security_info::{EntryId, Kind};
use crate::domain::time::Timestamp;
use crate::ports::{Authenticators, StoreError, StoredTotp};

/// Reads authenticators, and notes that they were used.
#[derive(Clone, Debug)]
pub struct DynamoAuthenticators {
    client: Client,
    table: String,
}

impl DynamoAuthenticators {
    /// Reads and notes in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

#[async_trait]
impl Authenticators for DynamoAuthenticators {
    async fn totp(&self, account: &AccountId, now: Timestamp) -> Result<Option<StoredTotp>, StoreError> {
        let key = [("account", s(account.as_str())), ("item", s(EntryId::only(Kind::Totp).as_str()))];
        let item = consistent_get(&self.client, &self.table, &key).await?;
        let Some(item) = item else { return Ok(None) };
        if item.moment("usable_from")? > now {
            return Ok(None);
        }
        Ok(Some(StoredTotp { sealed_seed: item.text("seed")?.to_owned() }))
    }

    async fn accept_step(
        &self,
        account: &AccountId,
        step: u64,
        flow: FlowKey,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", s(account.as_str()))
            .key("item", s(EntryId::only(Kind::Totp).as_str()))
            .update_expression("SET #last_step = :step, #last_flow = :flow, #last_used_at = :now")
            .condition_expression("#last_step < :step OR (#last_step = :step AND #last_flow = :flow)")
            .expression_attribute_names("#last_step", "last_step")
            .expression_attribute_names("#last_flow", "last_flow")
            .expression_attribute_names("#last_used_at", "last_used_at")
            .expression_attribute_values(":step", n(step))
            .expression_attribute_values(":flow", b(flow.as_bytes()))
            .expression_attribute_values(":now", n(now.as_seconds()));
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) => not_met(error).map(|_| false),
        }
    }
}
