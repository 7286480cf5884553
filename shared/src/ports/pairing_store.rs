//! Where pairings are kept while they last.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::account::AccountId;
use crate::domain::device::DeviceKey;
use crate::domain::keys::Tag;
use crate::domain::pairing::{Pairing, PairingKey, WaitingDevice};
use crate::domain::time::Timestamp;

/// How far a pairing is, as the page that began it sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PairingState {
    /// No device has used the token.
    Open,
    /// A device waits to be confirmed; what it calls itself.
    Waiting(String),
    /// There is no such pairing of this session (any more).
    Gone,
}

/// What a code came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PairingConfirmed {
    /// Right: this device is the person's. The same code again gives the same answer.
    Confirmed(Box<WaitingDevice>),
    /// Wrong: a try is spent.
    Wrong {
        /// Those that are left.
        tries_left: u8,
    },
    /// Not looked at: no device waits yet.
    NotYet,
    /// Not looked at: its tries are used up.
    Spent,
    /// There is no such pairing of this session (any more).
    Gone,
}

/// Keeps pairings. An expired one is gone.
#[async_trait]
pub trait PairingStore: Send + Sync {
    /// Keeps a new pairing.
    ///
    /// # Errors
    /// [`StoreError`]; a key that is taken (it never is, by 128 bits) counts as unavailable.
    async fn begin(&self, key: PairingKey, pairing: &Pairing) -> Result<(), StoreError>;

    /// The pairing of a token that nobody has used but the device of this key, whose code was not typed yet.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn open(
        &self,
        key: PairingKey,
        device: &DeviceKey,
        now: Timestamp,
    ) -> Result<Option<Pairing>, StoreError>;

    /// Uses the token for a device, once: `false` when another was faster. `code` is the tag of the code that the device
    /// shows. The same device may use it again until its code was typed (it never heard of the first code, whose answer
    /// was lost), without any more tries.
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

    /// How far the pairing is, for the session that began it.
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

    /// Spends a try and looks, in one write, for the session that began it.
    ///
    /// # Errors
    /// [`StoreError`]; the try may then be spent.
    async fn confirm(
        &self,
        key: PairingKey,
        account: &AccountId,
        session: &[u8; 32],
        code: Tag,
        now: Timestamp,
    ) -> Result<PairingConfirmed, StoreError>;
}
