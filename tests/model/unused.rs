//! Ports that nothing in the model's scopes reaches: nobody in it registers anything.

use async_trait::async_trait;
use shared::domain::account::AccountId;
use shared::domain::device::DeviceKey;
use shared::domain::keys::Tag;
use shared::domain::pairing::{Pairing, PairingKey, WaitingDevice};
use shared::domain::time::Timestamp;
use shared::ports::{PairingConfirmed, PairingState, PairingStore, StoreError};

/// Stands where no device is paired.
pub struct NoPairings;

#[async_trait]
impl PairingStore for NoPairings {
    async fn begin(&self, _: PairingKey, _: &Pairing) -> Result<(), StoreError> {
        panic!("nobody in the model pairs a device");
    }

    async fn open(&self, _: PairingKey, _: &DeviceKey, _: Timestamp) -> Result<Option<Pairing>, StoreError> {
        panic!("nobody in the model pairs a device");
    }

    async fn pair(&self, _: PairingKey, _: &WaitingDevice, _: Tag, _: Timestamp) -> Result<bool, StoreError> {
        panic!("nobody in the model pairs a device");
    }

    async fn state(
        &self,
        _: PairingKey,
        _: &AccountId,
        _: &[u8; 32],
        _: Timestamp,
    ) -> Result<PairingState, StoreError> {
        panic!("nobody in the model pairs a device");
    }

    async fn confirm(
        &self,
        _: PairingKey,
        _: &AccountId,
        _: &[u8; 32],
        _: Tag,
        _: Timestamp,
    ) -> Result<PairingConfirmed, StoreError> {
        panic!("nobody in the model pairs a device");
    }
}
