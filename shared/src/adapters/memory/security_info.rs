//! Enrolled entries, as resets read and consume them.

use async_trait::async_trait;

use super::Memory;
use super::enrolment::{AccountEntries, SecurityInfoTable, StoredEntry, StoredPass};
use super::secrets::StoredSecret;
use crate::domain::account::{AccountId, Registration};
use crate::domain::contact::{EmailAddress, PhoneNumber};
use crate::domain::device::{Device, DeviceKey};
use crate::domain::holder::HolderId;
use crate::domain::keys::Tag;
use crate::domain::method::Factor;
use crate::domain::pass::{HeldPass, PASS_LONGEST, PassKind, PassTags};
use crate::domain::security_info::{Consumption, EntryId, Kind};
use crate::domain::time::{SKEW, Timestamp};
use crate::ports::{
    ActiveEntry, AuthenticatorStore, DeviceStore, KnownDeviceStore, LeaseHolder, LeaseOutcome, LeaseStore,
    PushTargets, SecurityInfoStore, StoreError, StoredDevice,
};

impl AccountEntries {
    /// Returns the enrolled methods at `now`.
    pub fn registration(&self, now: Timestamp) -> Registration {
        let mut registration = Registration::default();
        if let Some(state) = &self.state {
            registration.generation = state.generation;
            registration.device_epoch = state.device_epoch;
            registration.lease_holder = state.lease.map(|(flow, _)| flow);
        }
        let (mut young, mut old) = (Vec::new(), Vec::new());
        for (id, entry) in &self.entries {
            let kind = id.kind();
            let predecessor = entry.predecessor.as_ref().filter(|_| !entry.counts(now));
            let counts = entry.counts(now) || predecessor.is_some();
            let old_from = predecessor.map_or(entry.old_from, |earlier| earlier.old_from);
            match &entry.secret {
                StoredSecret::Contact(contact) => {
                    let serving = predecessor.map_or(contact, |earlier| &earlier.contact).expose();
                    match kind {
                        Kind::AlternateEmail => {
                            registration.alternate_email = Some(EmailAddress::from_stored(serving));
                        }
                        Kind::Mobile => registration.mobile = Some(PhoneNumber::from_stored(serving)),
                        _ => registration.office_phone = Some(PhoneNumber::from_stored(serving)),
                    }
                    if predecessor.is_some() {
                        let (next, contact) = (&mut registration.successors, contact.expose());
                        match kind {
                            Kind::AlternateEmail => {
                                next.alternate_email = Some(EmailAddress::from_stored(contact));
                            }
                            Kind::Mobile => next.mobile = Some(PhoneNumber::from_stored(contact)),
                            _ => next.office_phone = Some(PhoneNumber::from_stored(contact)),
                        }
                    }
                    if !counts {
                        let waiting = if entry.verified {
                            &mut registration.pending_activation
                        } else {
                            &mut registration.unverified
                        };
                        waiting.push(kind.factor());
                    }
                }
                secret if secret.is_used_up() => continue,
                _ if counts => registration.holds.extend(kind.methods()),
                _ => {}
            }
            if counts {
                let serving = if old_from > now { &mut young } else { &mut old };
                serving.extend(kind.methods());
            }
        }
        young.retain(|method| !old.contains(method));
        registration.young = young;
        // The use of an earlier contact of the kind does not count for this one.
        let serves = |factor: Factor, at: Timestamp| {
            self.entries.iter().any(|(id, entry)| {
                let is_predecessor = entry.predecessor.is_some() && !entry.counts(now);
                id.kind().factor() == factor && (is_predecessor || entry.added_at <= at)
            })
        };
        let uses = self.state.iter().flat_map(|state| &state.used_at).map(|(factor, at)| (*factor, *at));
        registration.last_used = uses.filter(|(factor, at)| serves(*factor, *at)).collect();
        registration
    }
}

impl SecurityInfoTable {
    fn entry(&self, account: &AccountId, id: &EntryId) -> Option<&StoredEntry> {
        self.0.get(account)?.entries.get(id)
    }

    fn entry_mut(&mut self, account: &AccountId, id: &EntryId) -> Option<&mut StoredEntry> {
        self.0.get_mut(account)?.entries.get_mut(id)
    }

    /// Returns the entries of a kind that are active at `now`.
    fn active(&self, account: &AccountId, kind: Kind, now: Timestamp) -> Vec<ActiveEntry> {
        let entries = self.0.get(account).into_iter().flat_map(|found| &found.entries);
        let active = entries.filter(|(id, entry)| id.kind() == kind && entry.counts(now));
        let read = |(id, entry): (&EntryId, &StoredEntry)| {
            let (id, young) = (id.clone(), entry.old_from > now);
            entry.secret.read().map(|secret| ActiveEntry { id, secret, young })
        };
        active.filter_map(read).collect()
    }

    /// Uses up a part of an entry for a flow; returns whether that was possible.
    pub fn consume(
        &mut self,
        account: &AccountId,
        entry: &EntryId,
        consumption: &Consumption,
        flow: HolderId,
        now: Timestamp,
    ) -> bool {
        self.entry_mut(account, entry).is_some_and(|entry| entry.consume(consumption, flow, now))
    }

    /// Writes the account's pass by its tag, and replaces an earlier one.
    pub fn put_pass(&mut self, account: &AccountId, kind: PassKind, pass: &Tag, expires_at: Timestamp) {
        self.of(account).pass = Some(StoredPass { tag: *pass, kind, expires_at, flow: None });
    }

    /// Returns the pass that was written last.
    pub fn held_pass(&self, account: &AccountId) -> Option<HeldPass> {
        let stored = self.0.get(account)?.pass.as_ref()?;
        let StoredPass { kind, expires_at, flow, .. } = *stored;
        Some(HeldPass { kind, expires_at, is_redeemed: flow.is_some() })
    }

    /// Redeems the account's pass for a flow; the same flow may do so again.
    pub fn redeem_pass(
        &mut self,
        account: &AccountId,
        passes: &PassTags,
        flow: HolderId,
        now: Timestamp,
    ) -> Option<PassKind> {
        let stored = self.0.get_mut(account)?.pass.as_mut()?;
        let kind = passes.kind_of(&stored.tag)?;
        let is_good = stored.expires_at.is_ahead(now, PASS_LONGEST);
        let redeemed = is_good && stored.flow.is_none_or(|by| by == flow);
        redeemed.then(|| {
            stored.flow = Some(flow);
            kind
        })
    }

    /// Increments the generation for a flow that knows the current one.
    ///
    /// # Errors
    /// The flow with the last lease, its generation and its end, if there is one, when the generation
    /// differs.
    pub fn try_acquire_lease(
        &mut self,
        account: &AccountId,
        lease_holder: &LeaseHolder<'_>,
        generation: u64,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<u64, Option<Holder>> {
        let found = self.0.get_mut(account).and_then(|found| found.state.as_mut());
        let Some(state) = found else { return Err(None) };
        if state.generation != generation {
            let (generation, lease) = (state.generation, state.lease);
            return Err(lease.map(|(flow, lease_until)| Holder { flow, generation, lease_until }));
        }
        state.generation += 1;
        state.lease = Some((lease_holder.flow, lease_until));
        state.device_epoch += u64::from(lease_holder.revokes_known_devices);
        let contacts = [Factor::AlternateEmail, Factor::MobilePhone, Factor::OfficePhone];
        let verified_factors =
            lease_holder.verified_factors.iter().filter(|factor| contacts.contains(factor));
        state.used_at.extend(verified_factors.map(|factor| (*factor, now)));
        Ok(state.generation)
    }

    /// Releases the lease of a flow, if it is still the flow's and of this generation.
    pub fn release(&mut self, account: &AccountId, flow: HolderId, generation: u64) {
        let state = self.0.get_mut(account).and_then(|found| found.state.as_mut());
        let state = state.filter(|state| state.generation == generation);
        if let Some((_, lease_until)) =
            state.and_then(|state| state.lease.as_mut()).filter(|(by, _)| *by == flow)
        {
            *lease_until = Timestamp::from_seconds(0);
        }
    }
}

#[async_trait]
impl KnownDeviceStore for Memory {
    async fn revoke(&self, account: &AccountId) -> Result<(), StoreError> {
        self.with(|tables| {
            let found = tables.security_info.0.get_mut(account);
            if let Some(state) = found.and_then(|found| found.state.as_mut()) {
                state.device_epoch += 1;
            }
        });
        Ok(())
    }
}

/// The flow with the last lease of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    /// The flow that acquired it.
    pub flow: HolderId,
    /// The generation that the lease created.
    pub generation: u64,
    /// The lease has expired from this time on.
    pub lease_until: Timestamp,
}

#[async_trait]
impl SecurityInfoStore for Memory {
    async fn registration(&self, account: &AccountId, now: Timestamp) -> Result<Registration, StoreError> {
        let read = |found: &AccountEntries| found.registration(now);
        Ok(self.with(|tables| tables.security_info.0.get(account).map(read).unwrap_or_default()))
    }
}

#[async_trait]
impl AuthenticatorStore for Memory {
    async fn active(
        &self,
        account: &AccountId,
        kind: Kind,
        now: Timestamp,
    ) -> Result<Vec<ActiveEntry>, StoreError> {
        Ok(self.with(|tables| tables.security_info.active(account, kind, now)))
    }

    async fn consume(
        &self,
        account: &AccountId,
        entry: &EntryId,
        consumption: &Consumption,
        flow: HolderId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.with(|tables| tables.security_info.consume(account, entry, consumption, flow, now)))
    }

    async fn redeem_pass(
        &self,
        account: &AccountId,
        passes: &PassTags,
        flow: HolderId,
        now: Timestamp,
    ) -> Result<Option<PassKind>, StoreError> {
        Ok(self.with(|tables| tables.security_info.redeem_pass(account, passes, flow, now)))
    }
}

#[async_trait]
impl LeaseStore for Memory {
    async fn acquire(
        &self,
        account: &AccountId,
        lease_holder: &LeaseHolder<'_>,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<LeaseOutcome, StoreError> {
        Ok(self.with(|tables| {
            let mut try_acquire_lease = |generation| {
                tables.security_info.try_acquire_lease(account, lease_holder, generation, now, lease_until)
            };
            match try_acquire_lease(lease_holder.generation) {
                Ok(held) => LeaseOutcome::Acquired(held),
                Err(Some(found)) if found.flow == lease_holder.flow => {
                    if now < found.lease_until && found.lease_until <= lease_until + SKEW {
                        return LeaseOutcome::Busy;
                    }
                    if found.generation.saturating_sub(lease_holder.generation) >= lease_holder.limit {
                        return LeaseOutcome::Spent;
                    }
                    // The flow's own lease, and its request is gone: the flow acquires it again.
                    try_acquire_lease(found.generation).map_or(LeaseOutcome::Lost, LeaseOutcome::Acquired)
                }
                Err(_) => LeaseOutcome::Lost,
            }
        }))
    }

    async fn release(&self, account: &AccountId, flow: HolderId, generation: u64) -> Result<(), StoreError> {
        self.with(|tables| tables.security_info.release(account, flow, generation));
        Ok(())
    }
}

#[async_trait]
impl DeviceStore for Memory {
    async fn device(&self, device: &Device) -> Result<Option<StoredDevice>, StoreError> {
        Ok(self.with(|tables| {
            let entry = tables.security_info.entry(&device.account, &device.id)?;
            let StoredSecret::Authenticator { public_key, .. } = &entry.secret else { return None };
            let key = DeviceKey::from_bytes(public_key).ok()?;
            Some(StoredDevice { key, active_from: entry.active_from, old_from: entry.old_from })
        }))
    }

    async fn note_used(&self, device: &Device, now: Timestamp) -> Result<(), StoreError> {
        self.with(|tables| {
            if let Some(entry) = tables.security_info.entry_mut(&device.account, &device.id) {
                entry.last_used_at = Some(now);
            }
        });
        Ok(())
    }
}

#[async_trait]
impl PushTargets for Memory {
    async fn push_targets(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<Vec<(Device, String)>, StoreError> {
        let target = |(id, entry): (&EntryId, &StoredEntry)| match &entry.secret {
            StoredSecret::Authenticator { subscription: Some(sealed), .. } if entry.counts(now) => {
                Some((Device { account: account.clone(), id: id.clone() }, sealed.clone()))
            }
            _ => None,
        };
        Ok(self.with(|tables| {
            let entries = tables.security_info.0.get(account).into_iter().flat_map(|found| &found.entries);
            entries.filter_map(target).collect()
        }))
    }
}
