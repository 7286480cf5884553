//! Sessions, in the table `flows` beside the flows: they live as briefly, and their keys can't meet.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;

use super::item::{Item, b, consistent_get, n, not_met, s, unavailable};
use crate::domain::flow::FlowKey;
use crate::domain::session::Session;
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::{SessionStore, StoreError, Versioned};

/// How long after its end an item may be removed. Only tidiness hangs on it.
const KEPT_AFTER: Seconds = Seconds::HOUR;

/// Keeps sessions in DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoSessions {
    client: Client,
    table: String,
}

impl DynamoSessions {
    /// Keeps sessions in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

#[async_trait]
impl SessionStore for DynamoSessions {
    async fn begin(&self, key: FlowKey, session: &Session) -> Result<(), StoreError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item(key, 1, session)?.0));
        let put = put
            .condition_expression("attribute_not_exists(#flow)")
            .expression_attribute_names("#flow", "flow");
        put.send().await.map(drop).map_err(unavailable)
    }

    async fn session(&self, key: FlowKey, now: Timestamp) -> Result<Option<Versioned<Session>>, StoreError> {
        let item = consistent_get(&self.client, &self.table, &[("flow", b(key.as_bytes()))]).await?;
        let Some(item) = item else { return Ok(None) };
        if item.moment("expires_at")? <= now {
            return Ok(None);
        }
        // One of another version is none: the person signs in anew.
        let Some(body) = item.optional_text("session") else { return Ok(None) };
        let Ok(value) = serde_json::from_str(body) else { return Ok(None) };
        Ok(Some(Versioned { value, revision: item.number("rev")? }))
    }

    async fn update(
        &self,
        key: FlowKey,
        revision: u64,
        next: &Session,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item(key, revision + 1, next)?.0))
            .condition_expression("#rev = :rev AND #expires_at > :now AND attribute_exists(#session)")
            .expression_attribute_names("#rev", "rev")
            .expression_attribute_names("#expires_at", "expires_at")
            .expression_attribute_names("#session", "session")
            .expression_attribute_values(":rev", n(revision))
            .expression_attribute_values(":now", n(now.as_seconds()));
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) => not_met(error).map(|_| false),
        }
    }

    async fn end(&self, key: FlowKey) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&self.table).key("flow", b(key.as_bytes()));
        delete.send().await.map(drop).map_err(unavailable)
    }
}

fn item(key: FlowKey, revision: u64, session: &Session) -> Result<Item, StoreError> {
    let body = serde_json::to_string(session).map_err(|_| StoreError::Unreadable("session"))?;
    Ok(Item::default()
        .with("flow", b(key.as_bytes()))
        .with("rev", n(revision))
        .with("session", s(body))
        .with("expires_at", n(session.expires_at.as_seconds()))
        .with("ttl", n((session.expires_at + KEPT_AFTER).as_seconds())))
}
