//! The devices that approve.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::account::AccountId;
use crate::domain::device::{Device, DeviceKey};
use crate::domain::time::Timestamp;

/// A registered device.
#[derive(Clone, Debug)]
pub struct StoredDevice {
    /// Its key.
    pub key: DeviceKey,
    /// From when on it counts.
    pub usable_from: Timestamp,
    /// From when on it has been active for the waiting period.
    pub old_from: Timestamp,
}

/// Finds devices, and notes that they were used.
#[async_trait]
pub trait Devices: Send + Sync {
    /// A device, if it is still registered; strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn device(&self, device: &Device) -> Result<Option<StoredDevice>, StoreError>;

    /// Notes that it proved something; nothing where it is gone meanwhile.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn note_used(&self, device: &Device, now: Timestamp) -> Result<(), StoreError>;
}

/// Where the devices of an account take pushes.
#[async_trait]
pub trait PushTargets: Send + Sync {
    /// Each device that counts at `now` and takes pushes, with its sealed subscription.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn push_targets(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<Vec<(Device, String)>, StoreError>;
}
