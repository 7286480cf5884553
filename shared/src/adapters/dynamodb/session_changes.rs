//! The changes that sessions made, in the table `flows`: one sealed item per session, beside the session's own.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::item::{Item, b, consistent_get, n, not_met, s};
use crate::domain::holder::HolderId;
use crate::domain::time::Timestamp;
use crate::ports::{SessionChangesStore, StoreError, Versioned};

/// Stores the changes of sessions in DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoSessionChanges {
    client: Client,
    table: String,
}

impl DynamoSessionChanges {
    /// Returns the store in `table`, the table of flows.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

#[async_trait]
impl SessionChangesStore for DynamoSessionChanges {
    async fn changes(&self, session: HolderId) -> Result<Option<Versioned<String>>, StoreError> {
        let item = consistent_get(&self.client, &self.table, &[("flow", key(session))]).await?;
        let read = |item: Item| {
            Ok(Versioned { value: item.text("changes")?.to_owned(), revision: item.number("rev")? })
        };
        item.map(read).transpose()
    }

    async fn replace_changes(
        &self,
        session: HolderId,
        revision: u64,
        sealed: &str,
        kept_until: Timestamp,
    ) -> Result<bool, StoreError> {
        let item = Item::default()
            .with("flow", key(session))
            .with("rev", n(revision + 1))
            .with("changes", s(sealed))
            .with("ttl", n(kept_until.as_seconds()));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item.0))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = if revision == 0 {
            put.condition_expression("attribute_not_exists(#flow)")
                .expression_attribute_names("#flow", "flow")
        } else {
            put.condition_expression("#rev = :rev")
                .expression_attribute_names("#rev", "rev")
                .expression_attribute_values(":rev", n(revision))
        };
        match put.send().await {
            Ok(_) => Ok(true),
            // Each seal has a nonce of its own, so the same text is this write, whose response was lost.
            Err(error) => {
                Ok(not_met(error)?.is_some_and(|found| found.optional_text("changes") == Some(sealed)))
            }
        }
    }
}

/// Returns the key of a session's changes. It is longer than every key of a flow, session, approval or pairing.
fn key(session: HolderId) -> AttributeValue {
    b(&[session.as_bytes().as_slice(), b"changes"].concat())
}
