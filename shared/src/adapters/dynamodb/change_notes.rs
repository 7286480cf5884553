//! The notes of `directory-write`: the attributes `change` and `change_rev` of an account's item in the table
//! `accounts`. The sync and imports leave them.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;

use super::item::{get_attributes, n, not_met, s};
use crate::domain::account::AccountId;
use crate::domain::change_note::ChangeNote;
use crate::ports::{ChangeNoteStore, StoreError, Versioned};

/// Stores notes in DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoChangeNotes {
    client: Client,
    table: String,
}

impl DynamoChangeNotes {
    /// Returns the store in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

#[async_trait]
impl ChangeNoteStore for DynamoChangeNotes {
    async fn change_note(&self, account: &AccountId) -> Result<Option<Versioned<ChangeNote>>, StoreError> {
        let key = ("account", s(format!("account/{}", account.as_str())));
        let attributes = ["id", "change", "change_rev"];
        let item = get_attributes(&self.client, &self.table, key, &attributes, true).await?;
        let Some(item) = item.filter(|item| item.has("id")) else { return Ok(None) };
        let value = match item.optional_text("change") {
            Some(text) => serde_json::from_str(text).map_err(|_| StoreError::Unreadable("change"))?,
            None => ChangeNote::default(),
        };
        Ok(Some(Versioned { value, revision: item.number("change_rev").unwrap_or_default() }))
    }

    /// Updates the item, because a condition of IAM bounds the attributes of updates: see template.yaml.
    async fn replace_change_note(
        &self,
        account: &AccountId,
        revision: u64,
        note: &ChangeNote,
    ) -> Result<bool, StoreError> {
        let text = serde_json::to_string(note).map_err(|_| StoreError::Unreadable("change"))?;
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", s(format!("account/{}", account.as_str())))
            .update_expression("SET #change = :change, #rev = :next")
            .expression_attribute_names("#id", "id")
            .expression_attribute_names("#change", "change")
            .expression_attribute_names("#rev", "change_rev")
            .expression_attribute_values(":change", s(text))
            .expression_attribute_values(":next", n(revision + 1));
        let update = if revision == 0 {
            update.condition_expression("attribute_exists(#id) AND attribute_not_exists(#rev)")
        } else {
            update
                .condition_expression("attribute_exists(#id) AND #rev = :rev")
                .expression_attribute_values(":rev", n(revision))
        };
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) => not_met(error).map(|_| false),
        }
    }
}
