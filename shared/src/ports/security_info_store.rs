//! The enrolled methods of an account, and the lease that allows one flow to change it.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::account::{AccountId, Registration};
use crate::domain::holder::HolderId;
use crate::domain::method::Factor;
use crate::domain::pass::{PassKind, PassTags};
use crate::domain::security_info::{Consumption, EntryId, Kind, Secret};
use crate::domain::time::Timestamp;

/// Reads the registration of an account.
#[async_trait]
pub trait SecurityInfoStore: Send + Sync {
    /// Returns all methods of an account and their state at `now`, empty if there are none; strongly
    /// consistent. A miss costs one read, like a hit.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn registration(&self, account: &AccountId, now: Timestamp) -> Result<Registration, StoreError>;
}

/// An active entry, as a verification reads it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ActiveEntry {
    /// Names it in [`AuthenticatorStore::consume`].
    pub id: EntryId,
    /// Verifies answers.
    pub secret: Secret<'static>,
    /// Whether it has not been active for the waiting period yet.
    pub young: bool,
}

/// Reads and consumes the authenticators of an account.
#[async_trait]
pub trait AuthenticatorStore: Send + Sync {
    /// Returns the account's entries of a kind without a contact that are active at `now`; a miss costs as
    /// much as a hit. Of a kind with several entries, an unreadable one is left out.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn active(
        &self,
        account: &AccountId,
        kind: Kind,
        now: Timestamp,
    ) -> Result<Vec<ActiveEntry>, StoreError>;

    /// Uses up a part of an entry for one verification, always by one write: of concurrent callers, one
    /// succeeds. `false` when it was used up before, or the entry was removed. The same verification succeeds
    /// again, so that a lost response or a double click costs nothing.
    ///
    /// # Errors
    /// [`StoreError`]; the part may then be used up.
    async fn consume(
        &self,
        account: &AccountId,
        entry: &EntryId,
        consumption: &Consumption,
        flow: HolderId,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Redeems the account's pass with one of these tags for a flow, always by one write: of concurrent callers, one
    /// succeeds and learns its kind. The same flow succeeds again, so that a lost response or a double click costs
    /// nothing.
    ///
    /// # Errors
    /// [`StoreError`]; the pass may then be redeemed.
    async fn redeem_pass(
        &self,
        account: &AccountId,
        passes: &PassTags,
        flow: HolderId,
        now: Timestamp,
    ) -> Result<Option<PassKind>, StoreError>;
}

/// The result of acquiring a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseOutcome {
    /// The flow may change the account, under this generation.
    Acquired(u64),
    /// The same flow already has the lease and may still be writing (a double click).
    Busy,
    /// The flow has acquired the lease as often as it may.
    Spent,
    /// Another flow acquired the lease, or a session changed the account, since this flow started.
    Lost,
}

/// The flow that acquires a lease.
#[derive(Clone, Copy, Debug)]
pub struct LeaseHolder<'a> {
    /// Its id, which the account's item records.
    pub flow: HolderId,
    /// The account's generation at the start of the flow.
    pub generation: u64,
    /// How often the flow may acquire the lease.
    pub limit: u64,
    /// The verified factors, whose use is recorded.
    pub verified_factors: &'a [Factor],
    /// Whether the change ends the account's known devices: a reset on another device does.
    pub revokes_known_devices: bool,
}

/// Ends known devices.
#[async_trait]
pub trait KnownDeviceStore: Send + Sync {
    /// Moves the epoch of an account's known devices, so that none of them is known any more.
    ///
    /// # Errors
    /// [`StoreError`]; the epoch may then have moved.
    async fn revoke(&self, account: &AccountId) -> Result<(), StoreError>;
}

/// Gives one flow at a time the right to change an account.
#[async_trait]
pub trait LeaseStore: Send + Sync {
    /// Acquires the lease for a flow until `lease_until`: one conditional increment of the generation. Two
    /// flows can't both succeed, and the first lease ends the other flows. A flow whose own lease expired or
    /// was released may acquire it again. While the flow has the account, the generations since its start are
    /// its leases. They are therefore counted without another write, and never exceed its limit, however many
    /// requests arrive at once.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn acquire(
        &self,
        account: &AccountId,
        lease_holder: &LeaseHolder<'_>,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<LeaseOutcome, StoreError>;

    /// Releases a lease without a change, so that its flow may acquire it again at once. A newer lease stays.
    ///
    /// # Errors
    /// [`StoreError`]; the lease then expires.
    async fn release(&self, account: &AccountId, flow: HolderId, generation: u64) -> Result<(), StoreError>;
}
