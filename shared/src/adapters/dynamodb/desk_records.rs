//! What the help desk did for each person lately, in the table of rate limits.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;

use super::item::{Item, consistent_get, n, not_met, s};
use crate::domain::account::AccountId;
use crate::domain::help_desk::DeskRecord;
use crate::domain::time::Timestamp;
use crate::ports::{DeskRecordStore, StoreError, Versioned};

/// Stores the records in DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoDeskRecords {
    client: Client,
    table: String,
}

impl DynamoDeskRecords {
    /// Returns the store in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

#[async_trait]
impl DeskRecordStore for DynamoDeskRecords {
    async fn desk_record(&self, account: &AccountId) -> Result<Versioned<DeskRecord>, StoreError> {
        let item = consistent_get(&self.client, &self.table, &[("budget", s(key(account)))]).await?;
        let Some(item) = item else { return Ok(Versioned { value: DeskRecord::default(), revision: 0 }) };
        let value =
            serde_json::from_str(item.text("record")?).map_err(|_| StoreError::Unreadable("record"))?;
        Ok(Versioned { value, revision: item.number("rev")? })
    }

    async fn replace_desk_record(
        &self,
        account: &AccountId,
        revision: u64,
        record: &DeskRecord,
        kept_until: Timestamp,
    ) -> Result<bool, StoreError> {
        let text = serde_json::to_string(record).map_err(|_| StoreError::Unreadable("record"))?;
        let item = Item::default()
            .with("budget", s(key(account)))
            .with("rev", n(revision + 1))
            .with("record", s(text))
            .with("ttl", n(kept_until.as_seconds()));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item.0));
        let put = if revision == 0 {
            put.condition_expression("attribute_not_exists(#budget)")
                .expression_attribute_names("#budget", "budget")
        } else {
            put.condition_expression("#rev = :rev")
                .expression_attribute_names("#rev", "rev")
                .expression_attribute_values(":rev", n(revision))
        };
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) => not_met(error).map(|_| false),
        }
    }
}

fn key(account: &AccountId) -> String {
    format!("desk#{}", account.as_str())
}
