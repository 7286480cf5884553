//! The store of pairings.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::account::AccountId;
use crate::domain::device::DeviceKey;
use crate::domain::keys::Tag;
use crate::domain::pairing::{Pairing, PairingKey, WaitingDevice};
use crate::domain::time::Timestamp;

/// The state of a pairing, for the page that began it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PairingState {
    /// No device has used the token.
    Open,
    /// A device with this name waits for confirmation.
    Waiting(String),
    /// This session has no such pairing, or it has ended.
    Gone,
}

/// The result of a typed code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PairingConfirmed {
    /// Right: the device is the person's. The same code again returns the same result.
    Confirmed(Box<WaitingDevice>),
    /// Wrong: an attempt is used up.
    Wrong {
        /// The remaining attempts.
        attempts_left: u8,
    },
    /// Not compared: no device waits yet.
    NotYet,
    /// Not compared: all attempts are used up.
    Spent,
    /// This session has no such pairing, or it has ended.
    Gone,
}

/// Stores pairings. Every method treats an expired pairing as missing.
#[async_trait]
pub trait PairingStore: Send + Sync {
    /// Stores a new pairing.
    ///
    /// # Errors
    /// [`StoreError`]; a used key (improbable with 128 bits) counts as unavailable.
    async fn begin(&self, key: PairingKey, pairing: &Pairing) -> Result<(), StoreError>;

    /// Returns the pairing of a token, if no device but the one with this key used it and its code was not
    /// typed yet.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn open(
        &self,
        key: PairingKey,
        device: &DeviceKey,
        now: Timestamp,
    ) -> Result<Option<Pairing>, StoreError>;

    /// Uses the token for a device, once: `false` when another device was first. `code` is the tag of the
    /// code that the device shows. The same device may use it again until its code was typed (the response
    /// with the first code was lost), without further attempts.
    ///
    /// # Errors
    /// [`StoreError`]; the token may then be used.
    async fn pair(
        &self,
        key: PairingKey,
        device: &WaitingDevice,
        code: Tag,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Returns the state of the pairing, for the session that began it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn state(
        &self,
        key: PairingKey,
        account: &AccountId,
        session: &[u8; 32],
        now: Timestamp,
    ) -> Result<PairingState, StoreError>;

    /// Counts an attempt and compares, in one write, for the session that began it.
    ///
    /// # Errors
    /// [`StoreError`]; the attempt may then be counted.
    async fn confirm(
        &self,
        key: PairingKey,
        account: &AccountId,
        session: &[u8; 32],
        code: Tag,
        now: Timestamp,
    ) -> Result<PairingConfirmed, StoreError>;
}
