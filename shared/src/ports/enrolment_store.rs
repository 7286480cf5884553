//! The store of a person's entries, for adding and removing them.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::account::{AccountId, Contact};
use crate::domain::holder::HolderId;
use crate::domain::passkey::Credential;
use crate::domain::security_info::{EntryId, Kind, Registered, Secret};
use crate::domain::time::Timestamp;

/// An entry to write.
#[derive(Clone, Debug)]
pub struct NewEntry<'a> {
    /// An existing entry with this id is replaced.
    pub id: EntryId,
    /// The text that may be shown: a mask or a name.
    pub shown: String,
    /// The data that is never shown.
    pub secret: Secret<'a>,
    /// The time of its enrolment.
    pub added_at: Timestamp,
    /// Active from this time on.
    pub active_from: Timestamp,
    /// Old from this time on: it has been active for the waiting period.
    pub old_from: Timestamp,
    /// Whether a step-up preceded it, or none was possible since it is the first.
    pub verified: bool,
}

impl<'a> NewEntry<'a> {
    /// Returns an entry that is active and old at once.
    pub fn new(id: EntryId, shown: impl Into<String>, secret: Secret<'a>, now: Timestamp) -> Self {
        Self {
            id,
            shown: shown.into(),
            secret,
            added_at: now,
            active_from: now,
            old_from: now,
            verified: true,
        }
    }

    /// Returns a contact that is active and old at once.
    pub fn contact(kind: Kind, contact: Contact<'a>, now: Timestamp) -> Self {
        Self::new(EntryId::only(kind), contact.masked(), Secret::Contact(contact), now)
    }
}

/// The result of adding an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The entry is written; the account's new generation.
    Done(u64),
    /// Nothing is written: another change moved the generation since the caller began.
    Overtaken,
    /// Nothing is written: the passkey is already enrolled, here or for another account.
    Taken,
}

/// Stores entries. Only `enrolment` has it.
#[async_trait]
pub trait EnrolmentStore: Send + Sync {
    /// Returns all entries, strongly consistent. It also registers passkeys of an earlier version among all
    /// accounts: see [`Self::is_registered`].
    ///
    /// # Errors
    /// [`StoreError`].
    async fn registered(&self, account: &AccountId) -> Result<Registered, StoreError>;

    /// Begins a change: moves the account's generation from `generation` to the next. This ends every reset
    /// flow and every session with an older generation. Returns the new generation, or `None` when another
    /// request moved it first. It precedes all other writes and notifications: if the function dies in
    /// between, it has ended too much rather than too little. The store records the session that makes the
    /// change, `holder`, which continues.
    ///
    /// # Errors
    /// [`StoreError`]; the generation may then have moved.
    async fn change(
        &self,
        account: &AccountId,
        generation: u64,
        holder: HolderId,
    ) -> Result<Option<u64>, StoreError>;

    /// Ends a change: writes an entry, replacing one with the same id, and moves the generation again in the
    /// same write. A flow that began since [`Self::change`] has seen the old entries and ends too. A replaced
    /// contact stays active until the new one is. A passkey is enrolled once over all accounts: of concurrent
    /// callers, one succeeds.
    ///
    /// # Errors
    /// [`StoreError`]; the change may then be made.
    async fn add(
        &self,
        account: &AccountId,
        generation: u64,
        holder: HolderId,
        entry: &NewEntry<'_>,
    ) -> Result<Added, StoreError>;

    /// Returns whether a passkey is enrolled, for any account.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn is_registered(&self, passkey: &Credential) -> Result<bool, StoreError>;

    /// Ends a change: removes an entry, like [`Self::add`], and records a removal at `now`. A missing entry
    /// is no error. If a waiting contact is removed, the contact that it would replace stays, with its age;
    /// then no active entry is removed. Returns the new generation, or `None` without a removal when
    /// `generation` is no longer that of a change which `holder` began.
    ///
    /// # Errors
    /// [`StoreError`]; the change may then be made.
    async fn remove(
        &self,
        account: &AccountId,
        generation: u64,
        holder: HolderId,
        id: &EntryId,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError>;

    /// Makes an entry active from `from` on, and old from `old_from` on.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn set_active_from(
        &self,
        account: &AccountId,
        id: &EntryId,
        from: Timestamp,
        old_from: Timestamp,
    ) -> Result<(), StoreError>;

    /// Records that the person confirmed the list.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn confirm(&self, account: &AccountId, now: Timestamp) -> Result<(), StoreError>;
}
