//! The devices with the authenticator app.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;

use super::{NEVER, items_of};
use crate::adapters::dynamodb::item::{consistent_get, n, not_met, s};
use crate::domain::account::AccountId;
use crate::domain::device::{Device, DeviceKey};
use crate::domain::security_info::{EntryId, Kind};
use crate::domain::time::Timestamp;
use crate::ports::{DeviceStore, PushTargets, StoreError, StoredDevice};

/// Reads devices, and records their use, in DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoDevices {
    client: Client,
    table: String,
}

impl DynamoDevices {
    /// Returns the store in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

#[async_trait]
impl DeviceStore for DynamoDevices {
    async fn device(&self, device: &Device) -> Result<Option<StoredDevice>, StoreError> {
        let key = [("account", s(device.account.as_str())), ("item", s(device.id.as_str()))];
        let Some(item) = consistent_get(&self.client, &self.table, &key).await? else { return Ok(None) };
        // An unreadable device counts as missing: it must pair again.
        let key = item.bytes("public_key").and_then(|bytes| DeviceKey::from_bytes(bytes).ok());
        let active_from = item.moment("usable_from").ok();
        let old_from = item.moment("lifts_from").unwrap_or(NEVER);
        Ok(key.zip(active_from).map(|(key, active_from)| StoredDevice { key, active_from, old_from }))
    }

    async fn note_used(&self, device: &Device, now: Timestamp) -> Result<(), StoreError> {
        // Only an existing item: an unconditional update would recreate a device that was removed meanwhile.
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", s(device.account.as_str()))
            .key("item", s(device.id.as_str()))
            .update_expression("SET #last_used_at = :now")
            .condition_expression("attribute_exists(#public_key)")
            .expression_attribute_names("#last_used_at", "last_used_at")
            .expression_attribute_names("#public_key", "public_key")
            .expression_attribute_values(":now", n(now.as_seconds()));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) => not_met(error).map(drop),
        }
    }
}

#[async_trait]
impl PushTargets for DynamoDevices {
    async fn push_targets(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<Vec<(Device, String)>, StoreError> {
        let mut targets = Vec::new();
        for item in items_of(&self.client, &self.table, account).await? {
            let id = EntryId::parse(item.text("item")?).filter(|id| id.kind() == Kind::Authenticator);
            let (Some(id), Some(sealed)) = (id, item.optional_text("subscription")) else { continue };
            if item.moment("usable_from").is_ok_and(|from| from <= now) {
                targets.push((Device { account: account.clone(), id }, sealed.to_owned()));
            }
        }
        Ok(targets)
    }
}
