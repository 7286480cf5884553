//! Enrolled entries, as resets read and consume them.

use async_trait::async_trait;

use super::Memory;
use super::enrolment::{AccountEntries, SecurityInfoTable, StoredEntry, StoredPass, StoredSecret};
use crate::domain::account::{AccountId, Registration};
use crate::domain::contact::{EmailAddress, PhoneNumber};
use crate::domain::device::{Device, DeviceKey};
use crate::domain::holder::HolderId;
use crate::domain::keys::Tag;
use crate::domain::method::Factor;
use crate::domain::pass::PASS_LONGEST;
use crate::domain::passkey::Credential;
use crate::domain::recovery_code::Sheet;
use crate::domain::security_info::{EntryId, Kind};
use crate::domain::time::{SKEW, Timestamp};
use crate::ports::{
    AuthenticatorStore, DeviceStore, LeaseHolder, LeaseOutcome, LeaseStore, PushTargets, SecurityInfoStore,
    StoreError, StoredDevice, StoredPasskey, StoredTotp,
};

impl AccountEntries {
    /// Returns the enrolled methods at `now`.
    pub fn registration(&self, now: Timestamp) -> Registration {
        let mut registration = Registration::default();
        if let Some(state) = &self.state {
            registration.generation = state.generation;
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
                StoredSecret::RecoveryCodes { hashes, .. } if hashes.is_empty() => continue,
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

    /// Returns the active entry of a kind with one entry.
    fn only(&self, account: &AccountId, kind: Kind, now: Timestamp) -> Option<&StoredSecret> {
        let entry = self.entry(account, &EntryId::only(kind)).filter(|entry| entry.counts(now))?;
        Some(&entry.secret)
    }

    /// Accepts a time step for a flow, once.
    pub fn accept_step(&mut self, account: &AccountId, step: u64, flow: HolderId, now: Timestamp) -> bool {
        let Some(entry) = self.entry_mut(account, &EntryId::only(Kind::Totp)) else { return false };
        let last_flow = entry.last_flow;
        let StoredSecret::Totp { last_step, .. } = &mut entry.secret else { return false };
        let is_accepted = *last_step < step || (*last_step == step && last_flow == Some(flow));
        if is_accepted {
            *last_step = step;
            entry.note_use(flow, now);
        }
        is_accepted
    }

    /// Accepts a passkey's counter for a flow, if it increased.
    pub fn accept_counter(
        &mut self,
        account: &AccountId,
        passkey: &EntryId,
        accepted: u32,
        flow: HolderId,
        now: Timestamp,
    ) -> bool {
        let Some(entry) = self.entry_mut(account, passkey) else { return false };
        let last_flow = entry.last_flow;
        let StoredSecret::Passkey { counter, .. } = &mut entry.secret else { return false };
        let moves = counter.is_none_or(|last| match accepted {
            0 => last == 0,
            _ => last < accepted || (last == accepted && last_flow == Some(flow)),
        });
        if moves {
            *counter = Some(accepted);
            entry.note_use(flow, now);
        }
        moves
    }

    /// Removes a recovery code from the sheet, for a flow.
    pub fn use_recovery_code(
        &mut self,
        account: &AccountId,
        hash: &str,
        flow: HolderId,
        now: Timestamp,
    ) -> bool {
        let id = EntryId::only(Kind::RecoveryCodes);
        let Some(entry) = self.entry_mut(account, &id) else { return false };
        let last_flow = entry.last_flow;
        let StoredSecret::RecoveryCodes { hashes, last_hash, .. } = &mut entry.secret else { return false };
        let is_again = last_hash.as_deref() == Some(hash) && last_flow == Some(flow);
        let is_taken = hashes.remove(hash) || is_again;
        if is_taken {
            *last_hash = Some(hash.to_owned());
            entry.note_use(flow, now);
        }
        is_taken
    }

    /// Writes the account's pass by its tag, and replaces an earlier one.
    pub fn put_pass(&mut self, account: &AccountId, pass: &Tag, expires_at: Timestamp) {
        self.of(account).pass = Some(StoredPass { tag: *pass, expires_at, flow: None });
    }

    /// Redeems the account's pass for a flow; the same flow may do so again.
    pub fn redeem_pass(&mut self, account: &AccountId, pass: &Tag, flow: HolderId, now: Timestamp) -> bool {
        let found = self.0.get_mut(account).and_then(|found| found.pass.as_mut());
        let Some(stored) = found.filter(|stored| stored.tag == *pass) else { return false };
        let is_good = stored.expires_at.is_ahead(now, PASS_LONGEST);
        let redeemed = is_good && stored.flow.is_none_or(|by| by == flow);
        if redeemed {
            stored.flow = Some(flow);
        }
        redeemed
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
    async fn totp(&self, account: &AccountId, now: Timestamp) -> Result<Option<StoredTotp>, StoreError> {
        Ok(self.with(|tables| match tables.security_info.only(account, Kind::Totp, now) {
            Some(StoredSecret::Totp { sealed_seed, .. }) => {
                Some(StoredTotp { sealed_seed: sealed_seed.clone() })
            }
            _ => None,
        }))
    }

    async fn accept_step(
        &self,
        account: &AccountId,
        step: u64,
        flow: HolderId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.with(|tables| tables.security_info.accept_step(account, step, flow, now)))
    }

    async fn passkeys(&self, account: &AccountId, now: Timestamp) -> Result<Vec<StoredPasskey>, StoreError> {
        let read = |(id, entry): (&EntryId, &StoredEntry)| match &entry.secret {
            StoredSecret::Passkey { credential, .. } if entry.counts(now) => {
                let credential = Credential::parse(credential).ok()?;
                Some(StoredPasskey { id: id.clone(), credential, young: entry.old_from > now })
            }
            _ => None,
        };
        Ok(self.with(|tables| {
            let entries = tables.security_info.0.get(account).into_iter().flat_map(|found| &found.entries);
            entries.filter_map(read).collect()
        }))
    }

    async fn accept_counter(
        &self,
        account: &AccountId,
        passkey: &EntryId,
        counter: u32,
        flow: HolderId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.with(|tables| tables.security_info.accept_counter(account, passkey, counter, flow, now)))
    }

    async fn recovery_sheet(&self, account: &AccountId, now: Timestamp) -> Result<Option<Sheet>, StoreError> {
        Ok(self.with(|tables| match tables.security_info.only(account, Kind::RecoveryCodes, now) {
            Some(StoredSecret::RecoveryCodes { hashed_with, hashes, .. }) => {
                Some(Sheet { hashed_with: hashed_with.clone(), hashes: hashes.iter().cloned().collect() })
            }
            _ => None,
        }))
    }

    async fn use_recovery_code(
        &self,
        account: &AccountId,
        hash: &str,
        flow: HolderId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.with(|tables| tables.security_info.use_recovery_code(account, hash, flow, now)))
    }

    async fn redeem_pass(
        &self,
        account: &AccountId,
        pass: &Tag,
        flow: HolderId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.with(|tables| tables.security_info.redeem_pass(account, pass, flow, now)))
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
