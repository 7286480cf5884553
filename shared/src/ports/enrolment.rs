//! Where a person's entries are kept, as they add and remove them.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::account::{AccountId, Contact};
use crate::domain::holder::HolderId;
use crate::domain::passkey::Credential;
use crate::domain::recovery_code::Sheet;
use crate::domain::security_info::{EntryId, Kind, Registered};
use crate::domain::time::Timestamp;

/// What an entry holds besides what may be shown of it.
#[derive(Clone, Debug)]
pub enum Secret<'a> {
    /// An address or a number, to be sealed for its owner.
    Contact(Contact<'a>),
    /// The seed of a code app, sealed for its owner, and the last time step that was accepted of it.
    Totp {
        /// The sealed seed.
        sealed_seed: String,
        /// The step.
        step: u64,
    },
    /// A device with the authenticator app.
    Authenticator {
        /// Its public key (SEC 1 point on P-256, 65 bytes).
        public_key: Vec<u8>,
        /// Where it takes pushes, sealed; none if it does not.
        subscription: Option<String>,
    },
    /// A passkey.
    Passkey {
        /// Its public part as JSON.
        credential: String,
    },
    /// A sheet of recovery codes.
    RecoveryCodes(Sheet),
}

/// An entry to be written.
#[derive(Clone, Debug)]
pub struct NewEntry<'a> {
    /// Its id.
    pub id: EntryId,
    /// What may be shown of it.
    pub shown: String,
    /// What it holds.
    pub secret: Secret<'a>,
    /// When it was registered.
    pub added_at: Timestamp,
    /// From when on it counts.
    pub usable_from: Timestamp,
    /// From when on it has been active for the waiting period.
    pub old_from: Timestamp,
    /// Whether a second step was proved when it was added, or none could be since it is the first.
    pub proved: bool,
}

impl<'a> NewEntry<'a> {
    /// An entry that counts at once and as one that has long been active.
    pub fn new(id: EntryId, shown: impl Into<String>, secret: Secret<'a>, now: Timestamp) -> Self {
        Self { id, shown: shown.into(), secret, added_at: now, usable_from: now, old_from: now, proved: true }
    }

    /// A contact that counts at once.
    pub fn contact(kind: Kind, contact: Contact<'a>, now: Timestamp) -> Self {
        Self::new(EntryId::only(kind), contact.masked(), Secret::Contact(contact), now)
    }
}

/// What came of adding an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is written; the account's new generation.
    Done(u64),
    /// Nothing is: the generation is no longer that of a change which the caller began.
    Overtaken,
    /// Nothing is: the passkey is registered already, here or for another account.
    Taken,
}

/// Keeps entries. Only the function that people register with has it.
#[async_trait]
pub trait EnrolmentStore: Send + Sync {
    /// Everything that is registered, strongly consistent. Passkeys that an earlier version wrote are made known among all
    /// accounts on the way: see [`Self::is_registered`].
    ///
    /// # Errors
    /// [`StoreError`].
    async fn registered(&self, account: &AccountId) -> Result<Registered, StoreError>;

    /// Begins a change: moves the account's generation from `generation` to the next, which ends every reset flow and every
    /// session that remembers an older one; the new generation, or `None` when somebody else was faster. It comes before
    /// whatever is told and done: if the function dies in between, something has ended too much and nothing too little. The
    /// session that changes it, `by`, is noted and goes on.
    ///
    /// # Errors
    /// [`StoreError`]; the generation may then have moved.
    async fn change(
        &self,
        account: &AccountId,
        generation: u64,
        by: HolderId,
    ) -> Result<Option<u64>, StoreError>;

    /// Ends a change by writing an entry, replacing one of the same id, and moves the generation on once more in the same
    /// step: whatever began since [`Self::change`] knew what was there before, and is over too. A contact that it replaces
    /// serves until the new one does. A passkey is registered once over all accounts: of any number of callers at once, one
    /// succeeds.
    ///
    /// # Errors
    /// [`StoreError`]; the change may then be done.
    async fn add(
        &self,
        account: &AccountId,
        generation: u64,
        by: HolderId,
        entry: &NewEntry<'_>,
    ) -> Result<Added, StoreError>;

    /// Whether a passkey is registered, for any account.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn is_registered(&self, passkey: &Credential) -> Result<bool, StoreError>;

    /// Ends a change by removing an entry, as [`Self::add`] writes one, and notes that something was removed `now`; one that
    /// is gone already stays gone. A contact that waits to take the place of another leaves the place to that one, as old
    /// as it was: then nothing that counts is removed. The new generation, or `None`, with nothing removed, when `generation` is no longer that
    /// of a change which `by` began.
    ///
    /// # Errors
    /// [`StoreError`]; the change may then be done.
    async fn remove(
        &self,
        account: &AccountId,
        generation: u64,
        by: HolderId,
        id: &EntryId,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError>;

    /// Lets an entry count from `from` on, and as one that has long been active from `old_from` on.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn count_from(
        &self,
        account: &AccountId,
        id: &EntryId,
        from: Timestamp,
        old_from: Timestamp,
    ) -> Result<(), StoreError>;

    /// Notes that the person has looked through everything.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn confirm(&self, account: &AccountId, now: Timestamp) -> Result<(), StoreError>;
}
