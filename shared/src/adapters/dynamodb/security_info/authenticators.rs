//! The authenticators of an account, as `code-verify` checks them.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValue;

use super::{is_young, secrets};
use crate::adapters::dynamodb::item::{Item, b, consistent_get, latest, n, not_met, s, unavailable};
use crate::domain::account::AccountId;
use crate::domain::holder::HolderId;
use crate::domain::pass::{PASS_LONGEST, PassKind, PassTags};
use crate::domain::security_info::{Consumption, EntryId, Kind};
use crate::domain::time::Timestamp;
use crate::ports::{ActiveEntry, AuthenticatorStore, StoreError};

/// The sort key of an account's pass.
pub(super) const PASS: &str = "pass";
/// The attribute with the kind of a pass; a caller's has none.
pub(super) const PASS_KIND: &str = "kind";
/// Its value for the pass of a letter.
pub(super) const ACTIVATION: &str = "activation";

/// Reads and consumes authenticators in DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoAuthenticators {
    client: Client,
    table: String,
}

impl DynamoAuthenticators {
    /// Returns the store in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Reads the items of a kind: by their prefix if an account may have several, else by the id.
    async fn items(&self, account: &AccountId, kind: Kind) -> Result<Vec<Item>, StoreError> {
        if kind.limit() == 1 {
            let key = [("account", s(account.as_str())), ("item", s(EntryId::only(kind).as_str()))];
            return Ok(consistent_get(&self.client, &self.table, &key).await?.into_iter().collect());
        }
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#account = :account AND begins_with(#item, :kind)")
            .expression_attribute_names("#account", "account")
            .expression_attribute_names("#item", "item")
            .expression_attribute_values(":account", s(account.as_str()))
            .expression_attribute_values(":kind", s(kind.as_str()))
            .consistent_read(true);
        let items = query.send().await.map_err(unavailable)?.items.unwrap_or_default();
        Ok(items.into_iter().map(Item).collect())
    }
}

#[async_trait]
impl AuthenticatorStore for DynamoAuthenticators {
    async fn active(
        &self,
        account: &AccountId,
        kind: Kind,
        now: Timestamp,
    ) -> Result<Vec<ActiveEntry>, StoreError> {
        let mut active = Vec::new();
        for item in self.items(account, kind).await? {
            if !item.moment("usable_from").is_ok_and(|from| from <= now) {
                continue;
            }
            let id = item.optional_text("item").and_then(EntryId::parse);
            match (id, secrets::read(kind, &item)) {
                (Some(id), Ok(secret)) => {
                    active.push(ActiveEntry { id, secret, young: is_young(&item, now) });
                }
                (_, Err(error)) if kind.limit() == 1 => return Err(error),
                // An unreadable one of several verifies nothing, and does not prevent others.
                _ => {}
            }
        }
        Ok(active)
    }

    async fn consume(
        &self,
        account: &AccountId,
        entry: &EntryId,
        consumption: &Consumption,
        flow: HolderId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", s(account.as_str()))
            .key("item", s(entry.as_str()))
            .expression_attribute_names("#last_flow", "last_flow")
            .expression_attribute_names("#last_used_at", "last_used_at")
            .expression_attribute_values(":flow", b(flow.as_bytes()))
            .expression_attribute_values(":now", n(now.as_seconds()));
        carried_out(secrets::consume(update, consumption)).await
    }

    async fn redeem_pass(
        &self,
        account: &AccountId,
        passes: &PassTags,
        flow: HolderId,
        now: Timestamp,
    ) -> Result<Option<PassKind>, StoreError> {
        let redeemed = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", s(account.as_str()))
            .key("item", s(PASS))
            .update_expression("SET #last_flow = :flow, #last_used_at = :now")
            .condition_expression(
                "(#pass = :caller OR #pass = :activation) AND #expires_at > :now AND #expires_at <= :latest \
                 AND (attribute_not_exists(#last_flow) OR #last_flow = :flow)",
            )
            .expression_attribute_names("#pass", "pass")
            .expression_attribute_names("#expires_at", "expires_at")
            .expression_attribute_names("#last_flow", "last_flow")
            .expression_attribute_names("#last_used_at", "last_used_at")
            .expression_attribute_values(":caller", b(passes.caller.as_bytes()))
            .expression_attribute_values(":activation", b(passes.activation.as_bytes()))
            .expression_attribute_values(":flow", b(flow.as_bytes()))
            .expression_attribute_values(":now", n(now.as_seconds()))
            .expression_attribute_values(":latest", latest(now, PASS_LONGEST))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match redeemed {
            Ok(written) => {
                let stored = Item(written.attributes.unwrap_or_default()).tag("pass");
                Ok(stored.and_then(|stored| passes.kind_of(&stored)))
            }
            Err(error) => not_met(error).map(|_| None),
        }
    }
}

/// Returns whether the write's condition was met.
async fn carried_out(update: UpdateItemFluentBuilder) -> Result<bool, StoreError> {
    match update.send().await {
        Ok(_) => Ok(true),
        Err(error) => not_met(error).map(|_| false),
    }
}
