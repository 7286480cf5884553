//! Sessions in the table `flows`: their lifetime is as short as a flow's, and their keys can't collide.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;

use super::item::{Item, b, consistent_get, latest, n, not_met, s, unavailable};
use crate::domain::holder::HolderId;
use crate::domain::session::{LIFETIME, Session};
use crate::domain::support_code::FOUND_FOR;
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::{Entropy, EntropyExt as _, SessionStore, StoreError, Versioned};

/// How long an item is kept after its end: the help desk finds it by its support code.
const KEPT_AFTER: Seconds = FOUND_FOR;

/// Stores sessions in DynamoDB.
#[derive(Clone)]
pub struct DynamoSessions {
    client: Client,
    table: String,
    entropy: Arc<dyn Entropy>,
}

impl DynamoSessions {
    /// Returns the store in `table`; `entropy` yields the ids of writes.
    pub fn new(client: Client, table: impl Into<String>, entropy: Arc<dyn Entropy>) -> Self {
        Self { client, table: table.into(), entropy }
    }
}

#[async_trait]
impl SessionStore for DynamoSessions {
    async fn begin(&self, key: HolderId, session: &Session) -> Result<(), StoreError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item(key, 1, session)?.0));
        let put = put
            .condition_expression("attribute_not_exists(#flow)")
            .expression_attribute_names("#flow", "flow");
        put.send().await.map(drop).map_err(unavailable)
    }

    async fn session(&self, key: HolderId, now: Timestamp) -> Result<Option<Versioned<Session>>, StoreError> {
        let item = consistent_get(&self.client, &self.table, &[("flow", b(key.as_bytes()))]).await?;
        Ok(item.and_then(|item| decode(&item, now)))
    }

    async fn update(
        &self,
        key: HolderId,
        revision: u64,
        next: &Session,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // Identifies this write, so that its retry after a lost response differs from another request's
        // write. The content can't tell: two requests that count the same attempt write the same.
        let write: [u8; 16] = self.entropy.bytes();
        let item = item(key, revision + 1, next)?.with("write", b(&write));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item.0))
            .condition_expression(
                "#rev = :rev AND #expires_at > :now AND #expires_at <= :latest AND attribute_exists(#session)",
            )
            .expression_attribute_names("#rev", "rev")
            .expression_attribute_names("#expires_at", "expires_at")
            .expression_attribute_names("#session", "session")
            .expression_attribute_values(":rev", n(revision))
            .expression_attribute_values(":now", n(now.as_seconds()))
            .expression_attribute_values(":latest", latest(now, LIFETIME))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) => {
                Ok(not_met(error)?.is_some_and(|found| found.bytes("write") == Some(write.as_slice())))
            }
        }
    }

    async fn end(&self, key: HolderId) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&self.table).key("flow", b(key.as_bytes()));
        delete.send().await.map(drop).map_err(unavailable)
    }
}

/// Reads an active session. An expired, unreadable one or one of another version counts as missing, and the
/// person signs in again.
fn decode(item: &Item, now: Timestamp) -> Option<Versioned<Session>> {
    if item.is_live("expires_at", now, LIFETIME) { decode_any(item) } else { None }
}

/// Reads a session that may have expired.
pub(super) fn decode_any(item: &Item) -> Option<Versioned<Session>> {
    let value = serde_json::from_str(item.optional_text("session")?).ok()?;
    Some(Versioned { value, revision: item.number("rev").ok()? })
}

fn item(key: HolderId, revision: u64, session: &Session) -> Result<Item, StoreError> {
    let body = serde_json::to_string(session).map_err(|_| StoreError::Unreadable("session"))?;
    Ok(Item::default()
        .with("flow", b(key.as_bytes()))
        .with("rev", n(revision))
        .with("session", s(body))
        .with("expires_at", n(session.context().expires_at.as_seconds()))
        .with("ttl", n((session.context().expires_at + KEPT_AFTER).as_seconds())))
}
