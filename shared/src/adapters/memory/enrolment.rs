//! What accounts have enrolled: the tables, and the port through which their owners change them.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::Memory;
use super::contact::StoredContact;
use crate::domain::account::{AccountId, Registration};
use crate::domain::holder::HolderId;
use crate::domain::import::{HeldContact, ImportAction, active_from, import_contact};
use crate::domain::keys::Tag;
use crate::domain::method::Factor;
use crate::domain::passkey::Credential;
use crate::domain::recovery_code::HashedWith;
use crate::domain::security_info::{Entry, EntryId, Kind, Registered};
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::{Added, ContactImport, EnrolmentStore, NewEntry, Secret, StoreError};

/// What an entry holds besides what may be shown of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StoredSecret {
    /// An address or a number.
    Contact(StoredContact),
    /// A code app.
    Totp {
        /// Its sealed seed.
        sealed_seed: String,
        /// The last time step that was accepted.
        last_step: u64,
    },
    /// A device with the authenticator app.
    Authenticator {
        /// Its public key (SEC 1 point on P-256, 65 bytes).
        public_key: Vec<u8>,
        /// Where it takes pushes, sealed.
        subscription: Option<String>,
    },
    /// A passkey.
    Passkey {
        /// Its public part as JSON.
        credential: String,
        /// The counter that was accepted last.
        counter: Option<u32>,
    },
    /// A sheet of recovery codes.
    RecoveryCodes {
        /// What its codes were hashed with.
        hashed_with: HashedWith,
        /// The hashes that are left.
        hashes: BTreeSet<String>,
        /// The one that was taken last.
        last_hash: Option<String>,
    },
}

impl StoredSecret {
    fn of(secret: &Secret<'_>) -> Self {
        match secret {
            Secret::Contact(contact) => Self::Contact(StoredContact::of(contact)),
            Secret::Totp { sealed_seed, step } => {
                Self::Totp { sealed_seed: sealed_seed.clone(), last_step: *step }
            }
            Secret::Authenticator { public_key, subscription } => {
                Self::Authenticator { public_key: public_key.clone(), subscription: subscription.clone() }
            }
            Secret::Passkey { credential } => Self::Passkey { credential: credential.clone(), counter: None },
            Secret::RecoveryCodes(sheet) => Self::RecoveryCodes {
                hashed_with: sheet.hashed_with.clone(),
                hashes: sheet.hashes.iter().cloned().collect(),
                last_hash: None,
            },
        }
    }
}

/// A contact that serves until the one which takes its place does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Predecessor {
    /// Its mask.
    pub shown: String,
    /// The contact.
    pub contact: StoredContact,
    /// From when on it has been active for the waiting period.
    pub old_from: Timestamp,
}

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredEntry {
    /// What may be shown of it.
    pub shown: String,
    /// When it was enrolled.
    pub added_at: Timestamp,
    /// From when on it counts.
    pub usable_from: Timestamp,
    /// From when on it has been active for the waiting period.
    pub old_from: Timestamp,
    /// The contact that serves until this one does, where it takes the place of another.
    pub predecessor: Option<Predecessor>,
    /// Whether an import wrote it.
    pub is_imported: bool,
    /// Whether a second step was proved when it was added.
    pub proved: bool,
    /// What it holds.
    pub secret: StoredSecret,
    /// When it last proved something, where the entry itself tells.
    pub last_used_at: Option<Timestamp>,
    /// For which flow.
    pub last_flow: Option<HolderId>,
}

impl StoredEntry {
    fn of(entry: &NewEntry<'_>) -> Self {
        Self {
            shown: entry.shown.clone(),
            added_at: entry.added_at,
            usable_from: entry.usable_from,
            old_from: entry.old_from,
            predecessor: None,
            is_imported: false,
            proved: entry.proved,
            secret: StoredSecret::of(&entry.secret),
            last_used_at: None,
            last_flow: None,
        }
    }

    /// The contact that serves at `now` in the place of the one that takes it over from `now` on.
    fn serving(&self, now: Timestamp) -> Option<Predecessor> {
        match &self.secret {
            StoredSecret::Contact(contact) if self.counts(now) => Some(Predecessor {
                shown: self.shown.clone(),
                contact: contact.clone(),
                old_from: self.old_from,
            }),
            _ => self.predecessor.clone(),
        }
    }

    /// Leaves its place to the contact that it was to take the place of.
    fn restore(&mut self, earlier: Predecessor, now: Timestamp) {
        let Predecessor { shown, contact, old_from } = earlier;
        self.shown = shown;
        self.secret = StoredSecret::Contact(contact);
        (self.usable_from, self.old_from, self.proved) = (now, old_from, true);
    }

    /// Whether it counts.
    pub fn counts(&self, now: Timestamp) -> bool {
        self.usable_from <= now
    }

    /// Notes what it was used for.
    pub(super) const fn note_use(&mut self, flow: HolderId, now: Timestamp) {
        self.last_flow = Some(flow);
        self.last_used_at = Some(now);
    }

    fn listed(&self, id: &EntryId, state: Option<&StateOf>) -> Entry {
        let used_as_contact = state.and_then(|state| state.used_at.get(&id.kind().factor())).copied();
        let shown = match &self.secret {
            StoredSecret::RecoveryCodes { hashes, .. } => hashes.len().to_string(),
            _ => self.shown.clone(),
        };
        Entry {
            id: id.clone(),
            shown,
            added_at: self.added_at,
            // What an earlier contact of the kind proved is not this one's.
            last_used_at: self.last_used_at.or(used_as_contact).filter(|used| *used >= self.added_at),
            usable_from: self.usable_from,
            old_from: self.old_from,
            predecessor: self.predecessor.as_ref().map(|earlier| earlier.shown.clone()),
        }
    }
}

/// What is stored of an account as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StateOf {
    /// How often the account was changed.
    pub generation: u64,
    /// The session that changed it last, and what it moved the generation to.
    pub changed: Option<(HolderId, u64)>,
    /// The flow that claimed it last, and until when.
    pub claimed: Option<(HolderId, Timestamp)>,
    /// When the person looked through everything.
    pub confirmed_at: Option<Timestamp>,
    /// When the person last removed something.
    pub removed_at: Option<Timestamp>,
    /// When contacts last proved something.
    pub used_at: BTreeMap<Factor, Timestamp>,
}

impl StateOf {
    /// The session that moved the generation to `generation`, if it is there and was moved by one.
    fn changed_by(&self, generation: u64) -> Option<HolderId> {
        let changed = self.changed.filter(|(_, to)| self.generation == generation && *to == generation);
        changed.map(|(by, _)| by)
    }

    /// Moves the generation on. A reset that had claimed the account is over like any other.
    const fn change(&mut self, by: HolderId) -> u64 {
        self.generation += 1;
        self.changed = Some((by, self.generation));
        self.claimed = None;
        self.generation
    }
}

/// A pass of the help desk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredPass {
    /// Its tag.
    pub tag: Tag,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The flow that redeemed it.
    pub flow: Option<HolderId>,
}

/// What is stored of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EntriesOf {
    /// The pass of the help desk.
    pub pass: Option<StoredPass>,
    /// The account as a whole; nothing before it was imported or changed.
    pub state: Option<StateOf>,
    /// Its entries.
    pub entries: BTreeMap<EntryId, StoredEntry>,
}

impl EntriesOf {
    /// The state, if it is at `generation`.
    pub(super) fn state_at(&mut self, generation: u64) -> Option<&mut StateOf> {
        self.state.as_mut().filter(|state| state.generation == generation)
    }

    /// Whether `generation` is that of a change which `by` began.
    fn is_changed_by(&mut self, generation: u64, by: HolderId) -> bool {
        self.state_at(generation)
            .is_some_and(|state| state.changed.is_some_and(|(changed_by, _)| changed_by == by))
    }

    /// Ends a change that `by` began: the next generation, or nothing when it isn't the one any more.
    fn finish(&mut self, generation: u64, by: HolderId) -> Option<u64> {
        if !self.is_changed_by(generation, by) {
            return None;
        }
        self.state_at(generation).map(|state| state.change(by))
    }
}

/// What accounts have enrolled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SecurityInfoTable(pub BTreeMap<AccountId, EntriesOf>);

impl SecurityInfoTable {
    /// What is stored of an account, from now on if nothing was.
    pub fn of(&mut self, account: &AccountId) -> &mut EntriesOf {
        self.0.entry(account.clone()).or_default()
    }

    /// Whether any account has a passkey.
    fn has_passkey(&self, passkey: &Credential) -> bool {
        let mut secrets = self.0.values().flat_map(|found| found.entries.values()).map(|entry| &entry.secret);
        secrets.any(|secret| match secret {
            StoredSecret::Passkey { credential, .. } => {
                Credential::parse(credential).is_ok_and(|own| own.reference() == passkey.reference())
            }
            _ => false,
        })
    }

    /// Writes an entry and nothing else, as an import does: open flows and sessions go on.
    pub fn put(&mut self, account: &AccountId, entry: &NewEntry<'_>) {
        self.of(account).entries.insert(entry.id.clone(), StoredEntry::of(entry));
    }

    /// Writes an entry; one that waits keeps the contact that serves until it does.
    fn write(&mut self, account: &AccountId, mut stored: StoredEntry, entry: &NewEntry<'_>) {
        let entries = &mut self.of(account).entries;
        if entry.usable_from > entry.added_at {
            stored.predecessor = entries.get(&entry.id).and_then(|found| found.serving(entry.added_at));
        }
        entries.insert(entry.id.clone(), stored);
    }

    /// Writes the contacts and the code app of an account: see [`ContactImport`].
    pub fn import(
        &mut self,
        account: &AccountId,
        imported: &Registration,
        sealed_seed: Option<&str>,
        waiting_period: Seconds,
        now: Timestamp,
    ) -> Vec<(Kind, ImportAction)> {
        let found = self.of(account);
        let is_first =
            found.entries.is_empty() && found.state.as_ref().is_none_or(|state| state.generation == 0);
        let held: Vec<HeldContact> =
            found.entries.iter().filter_map(|(id, entry)| held_contact(id, entry)).collect();
        let mut decisions = Vec::with_capacity(4);
        for (kind, contact) in imported.contacts() {
            let action = import_contact(kind, contact, &held, is_first, waiting_period, now);
            match (action, contact) {
                (ImportAction::Put { usable_from, old_from, .. }, Some(contact)) => {
                    let entry = NewEntry { usable_from, old_from, ..NewEntry::contact(kind, contact, now) };
                    self.write(account, StoredEntry { is_imported: true, ..StoredEntry::of(&entry) }, &entry);
                }
                (ImportAction::Remove, _) => drop(self.of(account).entries.remove(&EntryId::only(kind))),
                _ => {}
            }
            decisions.push((kind, action));
        }
        let id = EntryId::only(Kind::Totp);
        if let Some(seed) = sealed_seed.filter(|_| !self.of(account).entries.contains_key(&id)) {
            let (usable_from, old_from) = active_from(is_first, waiting_period, now);
            let secret = Secret::Totp { sealed_seed: seed.to_owned(), step: 0 };
            self.put(account, &NewEntry { usable_from, old_from, ..NewEntry::new(id, "", secret, now) });
            decisions.push((Kind::Totp, ImportAction::Put { usable_from, old_from, replaces: false }));
        }
        self.of(account).state.get_or_insert_default();
        decisions
    }
}

fn held_contact(id: &EntryId, entry: &StoredEntry) -> Option<HeldContact> {
    let StoredSecret::Contact(contact) = &entry.secret else { return None };
    Some(HeldContact {
        kind: id.kind(),
        value: contact.expose(),
        is_imported: entry.is_imported,
        usable_from: entry.usable_from,
        old_from: entry.old_from,
    })
}

#[async_trait]
impl ContactImport for Memory {
    async fn import(
        &self,
        account: &AccountId,
        imported: &Registration,
        sealed_seed: Option<&str>,
        waiting_period: Seconds,
        now: Timestamp,
    ) -> Result<Vec<(Kind, ImportAction)>, StoreError> {
        Ok(self
            .with(|tables| tables.security_info.import(account, imported, sealed_seed, waiting_period, now)))
    }
}

#[async_trait]
impl EnrolmentStore for Memory {
    async fn registered(&self, account: &AccountId) -> Result<Registered, StoreError> {
        Ok(self.with(|tables| {
            let Some(found) = tables.security_info.0.get(account) else { return Registered::default() };
            let state = found.state.as_ref();
            let generation = state.map_or(0, |state| state.generation);
            let mut entries: Vec<Entry> =
                found.entries.iter().map(|(id, entry)| entry.listed(id, state)).collect();
            entries.sort_by(|one, other| {
                (one.id.kind(), one.added_at, &one.id).cmp(&(other.id.kind(), other.added_at, &other.id))
            });
            Registered {
                entries,
                generation,
                changed_by: state.and_then(|state| state.changed_by(generation)),
                confirmed_at: state.and_then(|state| state.confirmed_at),
                removed_at: state.and_then(|state| state.removed_at),
            }
        }))
    }

    async fn change(
        &self,
        account: &AccountId,
        generation: u64,
        by: HolderId,
    ) -> Result<Option<u64>, StoreError> {
        Ok(self.with(|tables| {
            let found = tables.security_info.of(account);
            if generation == 0 {
                found.state.get_or_insert_default();
            }
            if let Some(state) = found.state_at(generation) {
                return Some(state.change(by));
            }
            // Our own change, whose answer was lost.
            let next = generation + 1;
            found.state.as_ref().filter(|state| state.changed_by(next) == Some(by)).map(|_| next)
        }))
    }

    async fn add(
        &self,
        account: &AccountId,
        generation: u64,
        by: HolderId,
        entry: &NewEntry<'_>,
    ) -> Result<Added, StoreError> {
        Ok(self.with(|tables| {
            let is_taken = match &entry.secret {
                Secret::Passkey { credential } => {
                    Credential::parse(credential).is_ok_and(|one| tables.security_info.has_passkey(&one))
                }
                _ => false,
            };
            let found = tables.security_info.of(account);
            if !found.is_changed_by(generation, by) {
                return Added::Overtaken;
            }
            if is_taken {
                return Added::Taken;
            }
            let Some(next) = found.finish(generation, by) else { return Added::Overtaken };
            tables.security_info.write(account, StoredEntry::of(entry), entry);
            Added::Done(next)
        }))
    }

    async fn is_registered(&self, passkey: &Credential) -> Result<bool, StoreError> {
        Ok(self.with(|tables| tables.security_info.has_passkey(passkey)))
    }

    async fn remove(
        &self,
        account: &AccountId,
        generation: u64,
        by: HolderId,
        id: &EntryId,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        Ok(self.with(|tables| {
            let found = tables.security_info.of(account);
            let next = found.finish(generation, by)?;
            let waits = found.entries.get_mut(id).filter(|entry| !entry.counts(now));
            if let Some((entry, earlier)) = waits.and_then(|entry| {
                let earlier = entry.predecessor.take()?;
                Some((entry, earlier))
            }) {
                entry.restore(earlier, now);
                return Some(next);
            }
            found.entries.remove(id);
            if let Some(state) = &mut found.state {
                state.removed_at = Some(now);
            }
            Some(next)
        }))
    }

    async fn count_from(
        &self,
        account: &AccountId,
        id: &EntryId,
        from: Timestamp,
        old_from: Timestamp,
    ) -> Result<(), StoreError> {
        self.with(|tables| {
            // One that was removed meanwhile does not come back.
            if let Some(entry) = tables.security_info.of(account).entries.get_mut(id) {
                entry.usable_from = from;
                entry.old_from = old_from;
            }
        });
        Ok(())
    }

    async fn confirm(&self, account: &AccountId, now: Timestamp) -> Result<(), StoreError> {
        self.with(|tables| {
            let state = tables.security_info.of(account).state.get_or_insert_default();
            state.confirmed_at = Some(now);
        });
        Ok(())
    }
}
