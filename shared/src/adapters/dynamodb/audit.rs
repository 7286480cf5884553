//! The anchors of the audit trail, in the table of what is enrolled, since it outlives the stack; and the last events of
//! accounts, in the table of rate limits, whose items expire.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;

use super::item::{Item, consistent_get, n, not_met, s, unavailable};
use crate::domain::audit::recent::RecentEvent;
use crate::domain::audit::verify::Anchor;
use crate::domain::time::Timestamp;
use crate::ports::{AnchorStore, RecentEventStore, StoreError, Versioned};

/// The partition of the anchors. No account has this id: ids have no control characters.
const ANCHORS: &str = "\taudit-anchors";

/// Stores anchors in DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoAnchors {
    client: Client,
    table: String,
}

impl DynamoAnchors {
    /// Returns the store in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

#[async_trait]
impl AnchorStore for DynamoAnchors {
    async fn last_anchor(&self) -> Result<Option<Anchor>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#account = :anchors")
            .expression_attribute_names("#account", "account")
            .expression_attribute_values(":anchors", s(ANCHORS))
            .scan_index_forward(false)
            .limit(1)
            .consistent_read(true);
        let found = query.send().await.map_err(unavailable)?.items.unwrap_or_default();
        found.into_iter().next().map(|item| read(&Item(item))).transpose()
    }

    async fn add_anchor(&self, anchor: &Anchor) -> Result<bool, StoreError> {
        let text = serde_json::to_string(anchor).map_err(|_| StoreError::Unreadable("anchor"))?;
        let item = Item::default()
            .with("account", s(ANCHORS))
            .with("item", s(format!("{:012}", anchor.number)))
            .with("anchor", s(text));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item.0));
        let put = put
            .condition_expression("attribute_not_exists(#account)")
            .expression_attribute_names("#account", "account");
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) => not_met(error).map(|_| false),
        }
    }

    /// Reads from the newest one back.
    async fn anchors_since(&self, since: Timestamp) -> Result<Vec<Anchor>, StoreError> {
        let (mut anchors, mut after) = (Vec::new(), None);
        loop {
            let query = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("#account = :anchors")
                .expression_attribute_names("#account", "account")
                .expression_attribute_values(":anchors", s(ANCHORS))
                .scan_index_forward(false)
                .set_exclusive_start_key(after)
                .consistent_read(true);
            let page = query.send().await.map_err(unavailable)?;
            for item in page.items.unwrap_or_default() {
                let anchor = read(&Item(item))?;
                if anchor.at < since {
                    anchors.reverse();
                    return Ok(anchors);
                }
                anchors.push(anchor);
            }
            after = page.last_evaluated_key;
            if after.is_none() {
                anchors.reverse();
                return Ok(anchors);
            }
        }
    }
}

fn read(item: &Item) -> Result<Anchor, StoreError> {
    serde_json::from_str(item.text("anchor")?).map_err(|_| StoreError::Unreadable("anchor"))
}

/// Stores the last events of accounts in DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoRecentEvents {
    client: Client,
    table: String,
}

impl DynamoRecentEvents {
    /// Returns the store in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

#[async_trait]
impl RecentEventStore for DynamoRecentEvents {
    async fn recent_events(&self, account: &str) -> Result<Versioned<Vec<RecentEvent>>, StoreError> {
        let item = consistent_get(&self.client, &self.table, &[("budget", s(key(account)))]).await?;
        let item = item.unwrap_or_default();
        let value = item.optional_text("events").and_then(|text| serde_json::from_str(text).ok());
        Ok(Versioned { value: value.unwrap_or_default(), revision: item.number("rev").unwrap_or_default() })
    }

    async fn replace_recent_events(
        &self,
        account: &str,
        revision: u64,
        events: &[RecentEvent],
        kept_until: Timestamp,
    ) -> Result<bool, StoreError> {
        let text = serde_json::to_string(events).map_err(|_| StoreError::Unreadable("events"))?;
        let item = Item::default()
            .with("budget", s(key(account)))
            .with("rev", n(revision + 1))
            .with("events", s(text))
            .with("ttl", n(kept_until.as_seconds()));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item.0));
        let put = put.expression_attribute_names("#rev", "rev");
        let put = if revision == 0 {
            put.condition_expression("attribute_not_exists(#rev)")
        } else {
            put.condition_expression("#rev = :rev").expression_attribute_values(":rev", n(revision))
        };
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) => not_met(error).map(|_| false),
        }
    }
}

fn key(account: &str) -> String {
    format!("recent#{account}")
}
