//! The last failure of each mailbox, in the table of rate limits, whose items expire.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;

use super::item::{consistent_get, n, not_met, s};
use crate::domain::mail_failure::{FailedMailbox, MailFailure, MailFailureKind};
use crate::domain::time::Timestamp;
use crate::ports::{MailFailureStore, StoreError};

/// Stores failures in DynamoDB. An item without a kind remembers when mail arrived, so that an event that comes late
/// does not undo it.
#[derive(Clone, Debug)]
pub struct DynamoMailFailures {
    client: Client,
    table: String,
}

impl DynamoMailFailures {
    /// Returns the store in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

#[async_trait]
impl MailFailureStore for DynamoMailFailures {
    async fn record_mail_failure(
        &self,
        mailbox: &FailedMailbox,
        failure: &MailFailure,
    ) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("budget", s(mailbox.key()))
            .update_expression("SET #at = :at, #kind = :kind, #ttl = :ttl")
            .condition_expression("attribute_not_exists(#at) OR #at < :at")
            .expression_attribute_names("#at", "at")
            .expression_attribute_names("#kind", "kind")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":at", n(failure.at.as_seconds()))
            .expression_attribute_values(":kind", s(failure.kind.as_str()))
            .expression_attribute_values(":ttl", n(failure.kept_until().as_seconds()));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) => not_met(error).map(|_| ()),
        }
    }

    async fn mail_failure(
        &self,
        mailbox: &FailedMailbox,
        now: Timestamp,
    ) -> Result<Option<MailFailure>, StoreError> {
        let item = consistent_get(&self.client, &self.table, &[("budget", s(mailbox.key()))]).await?;
        let Some(item) = item.filter(|item| item.has("kind")) else { return Ok(None) };
        let kind = MailFailureKind::parse(item.text("kind")?).ok_or(StoreError::Unreadable("kind"))?;
        let failure = MailFailure { kind, at: item.moment("at")? };
        Ok(Some(failure).filter(|failure| now < failure.kept_until()))
    }

    async fn clear_mail_failure(&self, mailbox: &FailedMailbox, now: Timestamp) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("budget", s(mailbox.key()))
            .update_expression("SET #at = :now REMOVE #kind")
            .condition_expression("attribute_exists(#kind) AND #at <= :now")
            .expression_attribute_names("#at", "at")
            .expression_attribute_names("#kind", "kind")
            .expression_attribute_values(":now", n(now.as_seconds()));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) => not_met(error).map(|_| ()),
        }
    }
}
