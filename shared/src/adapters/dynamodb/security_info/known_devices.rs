//! The epoch of an account's known devices, in its item `state`.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;

use super::STATE;
use crate::adapters::dynamodb::item::{Item, n, not_met, s};
use crate::domain::account::AccountId;
use crate::ports::{KnownDeviceStore, StoreError};

/// The attribute; an item without it is in epoch 0.
const EPOCH: &str = "device_epoch";

/// Returns the part of an update that moves the epoch, with the names `#device_epoch`, `:none` and `:one`.
pub(super) const MOVE_EPOCH: &str = "#device_epoch = if_not_exists(#device_epoch, :none) + :one";

/// Returns the epoch of an item `state`.
pub(super) fn epoch(state: &Item) -> Result<u64, StoreError> {
    if state.has(EPOCH) { state.number(EPOCH) } else { Ok(0) }
}

/// Moves epochs in DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoKnownDevices {
    client: Client,
    table: String,
}

impl DynamoKnownDevices {
    /// Returns the store in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

#[async_trait]
impl KnownDeviceStore for DynamoKnownDevices {
    async fn revoke(&self, account: &AccountId) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", s(account.as_str()))
            .key("item", s(STATE))
            .update_expression(format!("SET {MOVE_EPOCH}"))
            // Without an item the account has enrolled nothing, and so no known device.
            .condition_expression("attribute_exists(#generation)")
            .expression_attribute_names("#generation", "generation")
            .expression_attribute_names("#device_epoch", EPOCH)
            .expression_attribute_values(":none", n(0))
            .expression_attribute_values(":one", n(1));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) => not_met(error).map(drop),
        }
    }
}
