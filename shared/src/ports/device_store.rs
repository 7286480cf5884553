//! The devices with the authenticator app.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::account::AccountId;
use crate::domain::device::{Device, DeviceKey};
use crate::domain::time::Timestamp;

/// An enrolled device, as the store returns it.
#[derive(Clone, Debug)]
pub struct StoredDevice {
    /// Verifies the signatures of its requests.
    pub key: DeviceKey,
    /// Active from this time on.
    pub active_from: Timestamp,
    /// Old from this time on: it has been active for the waiting period.
    pub old_from: Timestamp,
}

/// Reads devices, and records their use.
#[async_trait]
pub trait DeviceStore: Send + Sync {
    /// Returns a device, if it is still enrolled; strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn device(&self, device: &Device) -> Result<Option<StoredDevice>, StoreError>;

    /// Records that it verified a step; no effect if it was removed meanwhile.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn note_used(&self, device: &Device, now: Timestamp) -> Result<(), StoreError>;
}

/// Reads the push subscriptions of an account's devices.
#[async_trait]
pub trait PushTargets: Send + Sync {
    /// Returns each device that is active at `now` and has a subscription, with the sealed subscription.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn push_targets(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<Vec<(Device, String)>, StoreError>;
}
