//! Ports that nothing in the model's scopes reaches: nobody in it has a device, so nothing is asked of one.

use async_trait::async_trait;
use shared::domain::account::AccountId;
use shared::domain::approval::ApprovalRequest;
use shared::domain::device::Device;
use shared::domain::flow::RequestId;
use shared::domain::passkey::PublicKey;
use shared::domain::push::Subscription;
use shared::domain::time::Timestamp;
use shared::ports::{
    Answered, ApprovalStore, DeviceAnswer, Push, PushSender, PushTargets, SendError, SignatureVerifier,
    StoreError,
};

/// Stands where no device is.
pub struct NoDevices;

#[async_trait]
impl ApprovalStore for NoDevices {
    async fn ask(&self, _: &AccountId, _: &ApprovalRequest, _: Timestamp) -> Result<bool, StoreError> {
        panic!("nobody in the model asks a device");
    }

    async fn newest(&self, _: &AccountId) -> Result<Option<ApprovalRequest>, StoreError> {
        panic!("nobody in the model asks a device");
    }

    async fn answer(
        &self,
        _: &AccountId,
        _: RequestId,
        _: DeviceAnswer,
        _: Timestamp,
    ) -> Result<Answered, StoreError> {
        panic!("no device in the model answers");
    }

    async fn note_told(&self, _: &AccountId, _: RequestId) -> Result<(), StoreError> {
        panic!("no device in the model refuses");
    }
}

#[async_trait]
impl PushTargets for NoDevices {
    async fn push_targets(&self, _: &AccountId, _: Timestamp) -> Result<Vec<(Device, String)>, StoreError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl PushSender for NoDevices {
    async fn push(&self, _: &Subscription, _: &Push<'_>, _: Timestamp) -> Result<(), SendError> {
        panic!("no device in the model takes pushes");
    }
}

impl SignatureVerifier for NoDevices {
    fn verifies(&self, _: &PublicKey, _: &[u8], _: &[u8]) -> bool {
        panic!("nobody in the model has a passkey");
    }
}
