//! Enrolled entries: the tables, and the port through which their owners change them.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;

use super::Memory;
use super::contact::StoredContact;
use super::secrets::StoredSecret;
use crate::domain::account::{AccountId, Registration};
use crate::domain::holder::HolderId;
use crate::domain::import::{
    HeldRegistration, ImportAction, NewRegistration, Overwrite, StoredContactEntry, active_from,
    import_contact,
};
use crate::domain::keys::Tag;
use crate::domain::method::Factor;
use crate::domain::pass::PassKind;
use crate::domain::passkey::Credential;
use crate::domain::security_info::{Consumption, Entry, EntryId, Kind, Registered, Secret};
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::{Added, BulkContactImport, ContactImport, EnrolmentStore, NewEntry, StoreError};

/// A contact that is active until its successor is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Predecessor {
    /// The mask that pages show.
    pub shown: String,
    /// The whole contact.
    pub contact: StoredContact,
    /// Old from this time on: it has been active for the waiting period.
    pub old_from: Timestamp,
}

/// A stored entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredEntry {
    /// The text that may be shown: a mask or a name.
    pub shown: String,
    /// The time of its enrolment.
    pub added_at: Timestamp,
    /// Active from this time on.
    pub active_from: Timestamp,
    /// Old from this time on: it has been active for the waiting period.
    pub old_from: Timestamp,
    /// The contact that is active until this one is, where this one replaces it.
    pub predecessor: Option<Predecessor>,
    /// Whether an import wrote it; otherwise the person enrolled it.
    pub is_imported: bool,
    /// Whether a step-up preceded it.
    pub verified: bool,
    /// The data that is never shown.
    pub secret: StoredSecret,
    /// The time of its last use, for entries that record it themselves.
    pub last_used_at: Option<Timestamp>,
    /// The flow of its last use.
    pub last_flow: Option<HolderId>,
}

impl StoredEntry {
    fn of(entry: &NewEntry<'_>) -> Self {
        Self {
            shown: entry.shown.clone(),
            added_at: entry.added_at,
            active_from: entry.active_from,
            old_from: entry.old_from,
            predecessor: None,
            is_imported: false,
            verified: entry.verified,
            secret: StoredSecret::of(&entry.secret),
            last_used_at: None,
            last_flow: None,
        }
    }

    /// Returns the contact that is active at `now` until its successor is.
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

    /// Becomes the contact that it was to replace.
    fn restore(&mut self, earlier: Predecessor, now: Timestamp) {
        let Predecessor { shown, contact, old_from } = earlier;
        self.shown = shown;
        self.secret = StoredSecret::Contact(contact);
        (self.active_from, self.old_from, self.verified) = (now, old_from, true);
    }

    /// Returns whether it is active at `now`.
    pub fn counts(&self, now: Timestamp) -> bool {
        self.active_from <= now
    }

    /// Uses up a part of it for a flow; returns whether that was possible.
    pub(super) fn consume(&mut self, consumption: &Consumption, flow: HolderId, now: Timestamp) -> bool {
        let is_consumed = self.secret.consume(consumption, self.last_flow == Some(flow));
        if is_consumed {
            self.last_flow = Some(flow);
            self.last_used_at = Some(now);
        }
        is_consumed
    }

    fn listed(&self, id: &EntryId, state: Option<&EntriesState>) -> Entry {
        let used_as_contact = state.and_then(|state| state.used_at.get(&id.kind().factor())).copied();
        Entry {
            id: id.clone(),
            shown: self.secret.shown().unwrap_or_else(|| self.shown.clone()),
            added_at: self.added_at,
            // The use of an earlier contact of the kind does not count for this one.
            last_used_at: self.last_used_at.or(used_as_contact).filter(|used| *used >= self.added_at),
            active_from: self.active_from,
            old_from: self.old_from,
            predecessor: self.predecessor.as_ref().map(|earlier| earlier.shown.clone()),
        }
    }
}

/// The state of a whole account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EntriesState {
    /// The number of changes and leases.
    pub generation: u64,
    /// The session that made the last change, and its generation.
    pub changed: Option<(HolderId, u64)>,
    /// The flow with the last lease, and the lease's end.
    pub lease: Option<(HolderId, Timestamp)>,
    /// The time at which the person last confirmed the list.
    pub confirmed_at: Option<Timestamp>,
    /// The time at which the person last removed an entry.
    pub removed_at: Option<Timestamp>,
    /// The last use of each contact.
    pub used_at: BTreeMap<Factor, Timestamp>,
    /// The epoch of its known devices.
    pub device_epoch: u64,
}

impl EntriesState {
    /// Returns the session that moved the generation to `generation`, if a session did.
    fn changed_by(&self, generation: u64) -> Option<HolderId> {
        let changed = self.changed.filter(|(_, to)| self.generation == generation && *to == generation);
        changed.map(|(holder, _)| holder)
    }

    /// Moves the generation. A reset with a lease ends like any other.
    const fn change(&mut self, holder: HolderId) -> u64 {
        self.generation += 1;
        self.changed = Some((holder, self.generation));
        self.lease = None;
        self.generation
    }
}

/// A help desk's pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredPass {
    /// What it is for.
    pub kind: PassKind,
    /// The tag of its code; the code itself is not stored.
    pub tag: Tag,
    /// The pass is invalid from this time on.
    pub expires_at: Timestamp,
    /// The flow that redeemed it, which may redeem it again.
    pub flow: Option<HolderId>,
}

/// All items of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AccountEntries {
    /// An account has at most one.
    pub pass: Option<StoredPass>,
    /// None before the account was imported or changed.
    pub state: Option<EntriesState>,
    /// Entries by id, which begins with the kind.
    pub entries: BTreeMap<EntryId, StoredEntry>,
}

impl AccountEntries {
    /// Returns the state, if it is at `generation`.
    pub(super) fn state_at(&mut self, generation: u64) -> Option<&mut EntriesState> {
        self.state.as_mut().filter(|state| state.generation == generation)
    }

    /// Returns whether the account never held anything.
    fn is_first(&self) -> bool {
        self.entries.is_empty() && self.state.as_ref().is_none_or(|state| state.generation == 0)
    }

    fn held_contacts(&self) -> Vec<StoredContactEntry> {
        let held = |(id, entry)| held_contact(id, entry, self.state.as_ref());
        self.entries.iter().filter_map(held).collect()
    }

    /// Returns whether `generation` is that of a change which `holder` began.
    fn is_changed_by(&mut self, generation: u64, holder: HolderId) -> bool {
        self.state_at(generation)
            .is_some_and(|state| state.changed.is_some_and(|(changed_by, _)| changed_by == holder))
    }

    /// Ends a change that `holder` began: returns the next generation, or `None` when another change moved it.
    fn finish(&mut self, generation: u64, holder: HolderId) -> Option<u64> {
        if !self.is_changed_by(generation, holder) {
            return None;
        }
        self.state_at(generation).map(|state| state.change(holder))
    }
}

/// All accounts' entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SecurityInfoTable(pub BTreeMap<AccountId, AccountEntries>);

impl SecurityInfoTable {
    /// Returns the items of an account, and creates them if there are none.
    pub fn of(&mut self, account: &AccountId) -> &mut AccountEntries {
        self.0.entry(account.clone()).or_default()
    }

    /// Returns whether any account has a passkey.
    fn has_passkey(&self, passkey: &Credential) -> bool {
        let mut secrets = self.0.values().flat_map(|found| found.entries.values()).map(|entry| &entry.secret);
        secrets.any(|secret| match secret {
            StoredSecret::Passkey { credential, .. } => credential.reference() == passkey.reference(),
            _ => false,
        })
    }

    /// Writes an entry without a new generation, as an import does: open flows and sessions continue.
    pub fn put(&mut self, account: &AccountId, entry: &NewEntry<'_>) {
        self.of(account).entries.insert(entry.id.clone(), StoredEntry::of(entry));
    }

    /// Writes an entry; a waiting one keeps the contact that is active until then.
    fn write(&mut self, account: &AccountId, mut stored: StoredEntry, entry: &NewEntry<'_>) {
        let entries = &mut self.of(account).entries;
        if entry.active_from > entry.added_at {
            stored.predecessor = entries.get(&entry.id).and_then(|found| found.serving(entry.added_at));
        }
        entries.insert(entry.id.clone(), stored);
    }

    /// Writes the contacts and the app for codes of an account: see [`ContactImport`].
    pub fn import(
        &mut self,
        account: &AccountId,
        imported: &Registration,
        sealed_seed: Option<&str>,
        overwrite: Overwrite,
        waiting_period: Seconds,
        now: Timestamp,
    ) -> Vec<(Kind, ImportAction)> {
        let found = self.of(account);
        let is_first = found.is_first();
        let held = found.held_contacts();
        let mut decisions = Vec::with_capacity(4);
        for (kind, contact) in imported.contacts() {
            let action = import_contact(kind, contact, &held, overwrite, is_first, waiting_period, now);
            match (action, contact) {
                (ImportAction::Put { active_from, old_from, .. }, Some(contact)) => {
                    let entry = NewEntry { active_from, old_from, ..NewEntry::contact(kind, contact, now) };
                    self.write(account, StoredEntry { is_imported: true, ..StoredEntry::of(&entry) }, &entry);
                }
                (ImportAction::Remove, _) => drop(self.of(account).entries.remove(&EntryId::only(kind))),
                _ => {}
            }
            decisions.push((kind, action));
        }
        let id = EntryId::only(Kind::Totp);
        if let Some(seed) = sealed_seed.filter(|_| !self.of(account).entries.contains_key(&id)) {
            let (active_from, old_from) = active_from(is_first, waiting_period, now);
            let secret = Secret::Totp { sealed_seed: seed.to_owned(), step: 0 };
            self.put(account, &NewEntry { active_from, old_from, ..NewEntry::new(id, "", secret, now) });
            decisions.push((Kind::Totp, ImportAction::Put { active_from, old_from, replaces: false }));
        }
        self.of(account).state.get_or_insert_default();
        decisions
    }
}

fn held_contact(
    id: &EntryId,
    entry: &StoredEntry,
    state: Option<&EntriesState>,
) -> Option<StoredContactEntry> {
    let StoredSecret::Contact(contact) = &entry.secret else { return None };
    let used_at = state.and_then(|state| state.used_at.get(&id.kind().factor()).copied());
    let confirmed_at = state.and_then(|state| state.confirmed_at);
    Some(StoredContactEntry {
        kind: id.kind(),
        value: contact.expose(),
        is_imported: entry.is_imported,
        is_confirmed: used_at.is_some_and(|at| entry.active_from <= at)
            || confirmed_at.is_some_and(|at| entry.added_at <= at),
        active_from: entry.active_from,
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
        overwrite: Overwrite,
        waiting_period: Seconds,
        now: Timestamp,
    ) -> Result<Vec<(Kind, ImportAction)>, StoreError> {
        Ok(self.with(|tables| {
            let table = &mut tables.security_info;
            table.import(account, imported, sealed_seed, overwrite, waiting_period, now)
        }))
    }
}

#[async_trait]
impl BulkContactImport for Memory {
    async fn held(
        &self,
        accounts: &[AccountId],
        now: Timestamp,
    ) -> Result<HashMap<AccountId, Option<HeldRegistration>>, StoreError> {
        let held = |found: &AccountEntries| HeldRegistration {
            registration: found.registration(now),
            contacts: found.held_contacts(),
            is_first: found.is_first(),
            has_app: found.entries.contains_key(&EntryId::only(Kind::Totp)),
            is_begun: found.state.is_some(),
        };
        Ok(self.with(|tables| {
            let found = |id: &AccountId| Some((id.clone(), Some(held(tables.security_info.0.get(id)?))));
            accounts.iter().filter_map(found).collect()
        }))
    }

    async fn holders(&self) -> Result<HashSet<AccountId>, StoreError> {
        Ok(self.with(|tables| tables.security_info.0.keys().cloned().collect()))
    }

    async fn put_new(&self, new: &[NewRegistration], now: Timestamp) -> Result<(), StoreError> {
        self.with(|tables| {
            for NewRegistration { account, contacts, sealed_seed } in new {
                tables.security_info.0.remove(account);
                let (seed, wait) = (sealed_seed.as_deref(), Seconds(0));
                tables.security_info.import(account, contacts, seed, Overwrite::All, wait, now);
            }
        });
        Ok(())
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
                device_epoch: state.map_or(0, |state| state.device_epoch),
            }
        }))
    }

    async fn change(
        &self,
        account: &AccountId,
        generation: u64,
        holder: HolderId,
    ) -> Result<Option<u64>, StoreError> {
        Ok(self.with(|tables| {
            let found = tables.security_info.of(account);
            if generation == 0 {
                found.state.get_or_insert_default();
            }
            if let Some(state) = found.state_at(generation) {
                return Some(state.change(holder));
            }
            // The caller's own change, whose response was lost.
            let next = generation + 1;
            found.state.as_ref().filter(|state| state.changed_by(next) == Some(holder)).map(|_| next)
        }))
    }

    async fn add(
        &self,
        account: &AccountId,
        generation: u64,
        holder: HolderId,
        entry: &NewEntry<'_>,
    ) -> Result<Added, StoreError> {
        Ok(self.with(|tables| {
            let is_taken = match &entry.secret {
                Secret::Passkey(credential) => tables.security_info.has_passkey(credential),
                _ => false,
            };
            let found = tables.security_info.of(account);
            if !found.is_changed_by(generation, holder) {
                return Added::Overtaken;
            }
            if is_taken {
                return Added::Taken;
            }
            let Some(next) = found.finish(generation, holder) else { return Added::Overtaken };
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
        holder: HolderId,
        id: &EntryId,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        Ok(self.with(|tables| {
            let found = tables.security_info.of(account);
            let next = found.finish(generation, holder)?;
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

    async fn set_active_from(
        &self,
        account: &AccountId,
        id: &EntryId,
        from: Timestamp,
        old_from: Timestamp,
    ) -> Result<(), StoreError> {
        self.with(|tables| {
            // A removed entry must not come back.
            if let Some(entry) = tables.security_info.of(account).entries.get_mut(id) {
                entry.active_from = from;
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
