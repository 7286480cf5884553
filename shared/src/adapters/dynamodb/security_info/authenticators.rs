//! The authenticators of an account, as `code-verify` checks them.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use super::is_young;
use crate::adapters::dynamodb::item::{Item, b, consistent_get, latest, n, not_met, s, unavailable};
use crate::domain::account::AccountId;
use crate::domain::holder::HolderId;
use crate::domain::keys::Tag;
use crate::domain::pass::PASS_LONGEST;
use crate::domain::passkey::Credential;
use crate::domain::recovery_code::{HashedWith, Sheet};
use crate::domain::security_info::{EntryId, Kind};
use crate::domain::time::Timestamp;
use crate::ports::{AuthenticatorStore, StoreError, StoredPasskey, StoredTotp};

/// The sort key of an account's pass.
pub(super) const PASS: &str = "pass";

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

    /// Reads the active entry of a kind with one entry.
    async fn only(
        &self,
        account: &AccountId,
        kind: Kind,
        now: Timestamp,
    ) -> Result<Option<Item>, StoreError> {
        let key = [("account", s(account.as_str())), ("item", s(EntryId::only(kind).as_str()))];
        let item = consistent_get(&self.client, &self.table, &key).await?;
        let Some(item) = item else { return Ok(None) };
        Ok(Some(item).filter(|item| item.moment("usable_from").is_ok_and(|from| from <= now)))
    }

    /// Returns a write that records the time and the flow of an entry's use.
    fn note_use(
        &self,
        account: &AccountId,
        entry: &EntryId,
        flow: HolderId,
        now: Timestamp,
    ) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("account", s(account.as_str()))
            .key("item", s(entry.as_str()))
            .expression_attribute_names("#last_flow", "last_flow")
            .expression_attribute_names("#last_used_at", "last_used_at")
            .expression_attribute_values(":flow", b(flow.as_bytes()))
            .expression_attribute_values(":now", n(now.as_seconds()))
    }
}

#[async_trait]
impl AuthenticatorStore for DynamoAuthenticators {
    async fn totp(&self, account: &AccountId, now: Timestamp) -> Result<Option<StoredTotp>, StoreError> {
        let Some(item) = self.only(account, Kind::Totp, now).await? else { return Ok(None) };
        Ok(Some(StoredTotp { sealed_seed: item.text("seed")?.to_owned() }))
    }

    async fn accept_step(
        &self,
        account: &AccountId,
        step: u64,
        flow: HolderId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = self
            .note_use(account, &EntryId::only(Kind::Totp), flow, now)
            .update_expression("SET #last_step = :step, #last_flow = :flow, #last_used_at = :now")
            .condition_expression("#last_step < :step OR (#last_step = :step AND #last_flow = :flow)")
            .expression_attribute_names("#last_step", "last_step")
            .expression_attribute_values(":step", n(step));
        carried_out(update).await
    }

    async fn passkeys(&self, account: &AccountId, now: Timestamp) -> Result<Vec<StoredPasskey>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#account = :account AND begins_with(#item, :passkey)")
            .expression_attribute_names("#account", "account")
            .expression_attribute_names("#item", "item")
            .expression_attribute_values(":account", s(account.as_str()))
            .expression_attribute_values(":passkey", s(Kind::Passkey.as_str()))
            .consistent_read(true);
        let items = query.send().await.map_err(unavailable)?.items.unwrap_or_default();
        let mut passkeys = Vec::with_capacity(items.len());
        for item in items.into_iter().map(Item) {
            if !item.moment("usable_from").is_ok_and(|from| from <= now) {
                continue;
            }
            // An unreadable passkey verifies nothing, and does not prevent others.
            let credential = item.optional_text("credential").and_then(|text| Credential::parse(text).ok());
            let id = item.optional_text("item").and_then(EntryId::parse);
            let young = is_young(&item, now);
            passkeys.extend(id.zip(credential).map(|(id, credential)| StoredPasskey {
                id,
                credential,
                young,
            }));
        }
        Ok(passkeys)
    }

    async fn accept_counter(
        &self,
        account: &AccountId,
        passkey: &EntryId,
        counter: u32,
        flow: HolderId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // Without a stored counter, the caller has compared it with the registration's. A passkey without a
        // counter stays at 0.
        let moves = match counter {
            0 => "#counter = :counter",
            _ => "#counter < :counter OR (#counter = :counter AND #last_flow = :flow)",
        };
        let update = self
            .note_use(account, passkey, flow, now)
            .update_expression("SET #counter = :counter, #last_flow = :flow, #last_used_at = :now")
            .condition_expression(format!(
                "attribute_exists(#credential) AND (attribute_not_exists(#counter) OR {moves})"
            ))
            .expression_attribute_names("#credential", "credential")
            .expression_attribute_names("#counter", "counter")
            .expression_attribute_values(":counter", n(counter));
        carried_out(update).await
    }

    async fn recovery_sheet(&self, account: &AccountId, now: Timestamp) -> Result<Option<Sheet>, StoreError> {
        let Some(item) = self.only(account, Kind::RecoveryCodes, now).await? else { return Ok(None) };
        let hashed_with = match item.optional_text("key") {
            Some(id) => HashedWith::Key(id.to_owned()),
            None => HashedWith::Salt(item.text("salt")?.to_owned()),
        };
        Ok(Some(Sheet { hashed_with, hashes: item.set("hashes") }))
    }

    async fn use_recovery_code(
        &self,
        account: &AccountId,
        hash: &str,
        flow: HolderId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = self
            .note_use(account, &EntryId::only(Kind::RecoveryCodes), flow, now)
            .update_expression(
                "DELETE #hashes :only SET #last_hash = :hash, #last_flow = :flow, #last_used_at = :now",
            )
            .condition_expression("contains(#hashes, :hash) OR (#last_hash = :hash AND #last_flow = :flow)")
            .expression_attribute_names("#hashes", "hashes")
            .expression_attribute_names("#last_hash", "last_hash")
            .expression_attribute_values(":only", AttributeValue::Ss(vec![hash.to_owned()]))
            .expression_attribute_values(":hash", s(hash));
        carried_out(update).await
    }

    async fn redeem_pass(
        &self,
        account: &AccountId,
        pass: &Tag,
        flow: HolderId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", s(account.as_str()))
            .key("item", s(PASS))
            .update_expression("SET #last_flow = :flow, #last_used_at = :now")
            .condition_expression(
                "#pass = :pass AND #expires_at > :now AND #expires_at <= :latest \
                 AND (attribute_not_exists(#last_flow) OR #last_flow = :flow)",
            )
            .expression_attribute_names("#pass", "pass")
            .expression_attribute_names("#expires_at", "expires_at")
            .expression_attribute_names("#last_flow", "last_flow")
            .expression_attribute_names("#last_used_at", "last_used_at")
            .expression_attribute_values(":pass", b(pass.as_bytes()))
            .expression_attribute_values(":flow", b(flow.as_bytes()))
            .expression_attribute_values(":now", n(now.as_seconds()))
            .expression_attribute_values(":latest", latest(now, PASS_LONGEST));
        carried_out(update).await
    }
}

/// Returns whether the write's condition was met.
async fn carried_out(update: UpdateItemFluentBuilder) -> Result<bool, StoreError> {
    match update.send().await {
        Ok(_) => Ok(true),
        Err(error) => not_met(error).map(|_| false),
    }
}
