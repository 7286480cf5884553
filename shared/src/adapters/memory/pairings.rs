//! Pairings of devices with the authenticator app.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Memory, taken};
use crate::domain::account::AccountId;
use crate::domain::device::DeviceKey;
use crate::domain::keys::Tag;
use crate::domain::pairing::{PAIRING_ATTEMPTS, PAIRING_LIFETIME, Pairing, PairingKey, WaitingDevice};
use crate::domain::time::Timestamp;
use crate::ports::{PairingConfirmed, PairingState, PairingStore, StoreError};

/// A stored pairing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredPairing {
    /// As its session began it.
    pub pairing: Pairing,
    /// The device that used the token; none while the token is unused.
    pub device: Option<PairedDevice>,
    /// Attempts at the code that are used up.
    pub attempts: u8,
}

/// The device that used a pairing's token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PairedDevice {
    /// A SEC 1 point on P-256, 65 bytes.
    pub public_key: Vec<u8>,
    /// The sealed push subscription; none without pushes.
    pub subscription: Option<String>,
    /// The name on the page: browser and system.
    pub name: String,
    /// The tag of the code that the device shows.
    pub code: Tag,
    /// The tag of the last typed code.
    pub last_attempt: Option<Tag>,
}

impl PairedDevice {
    fn is_confirmed(&self) -> bool {
        self.last_attempt == Some(self.code)
    }

    fn read(&self, pairing: &Pairing) -> Option<WaitingDevice> {
        Some(WaitingDevice {
            id: pairing.entry.clone(),
            key: DeviceKey::from_bytes(&self.public_key).ok()?,
            subscription: self.subscription.clone(),
            name: self.name.clone(),
        })
    }
}

/// Stored pairings by the hash of their token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pairings(pub BTreeMap<[u8; 32], StoredPairing>);

impl Pairings {
    fn live(&mut self, key: PairingKey, now: Timestamp) -> Option<&mut StoredPairing> {
        self.0
            .get_mut(key.as_bytes())
            .filter(|found| found.pairing.expires_at.is_ahead(now, PAIRING_LIFETIME))
    }

    fn of_session(
        &mut self,
        key: PairingKey,
        account: &AccountId,
        session: &[u8; 32],
        now: Timestamp,
    ) -> Option<&mut StoredPairing> {
        self.live(key, now)
            .filter(|found| found.pairing.account == *account && found.pairing.session == *session)
    }
}

#[async_trait]
impl PairingStore for Memory {
    async fn begin(&self, key: PairingKey, pairing: &Pairing) -> Result<(), StoreError> {
        self.with(|tables| {
            let pairings = &mut tables.pairings.0;
            if pairings.contains_key(key.as_bytes()) {
                return Err(taken());
            }
            let stored = StoredPairing { pairing: pairing.clone(), device: None, attempts: 0 };
            pairings.insert(*key.as_bytes(), stored);
            Ok(())
        })
    }

    async fn open(
        &self,
        key: PairingKey,
        device: &DeviceKey,
        now: Timestamp,
    ) -> Result<Option<Pairing>, StoreError> {
        Ok(self.with(|tables| {
            let found = tables.pairings.live(key, now)?;
            let is_its_to_use = found
                .device
                .as_ref()
                .is_none_or(|by| by.public_key == device.to_bytes() && !by.is_confirmed());
            is_its_to_use.then(|| found.pairing.clone())
        }))
    }

    async fn pair(
        &self,
        key: PairingKey,
        device: &WaitingDevice,
        code: Tag,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.with(|tables| {
            let Some(found) = tables.pairings.live(key, now) else { return false };
            let public_key = device.key.to_bytes();
            let is_free =
                found.device.as_ref().is_none_or(|by| by.public_key == public_key && !by.is_confirmed());
            if is_free {
                found.device = Some(PairedDevice {
                    public_key,
                    subscription: device.subscription.clone(),
                    name: device.name.clone(),
                    code,
                    last_attempt: None,
                });
            }
            is_free
        }))
    }

    async fn state(
        &self,
        key: PairingKey,
        account: &AccountId,
        session: &[u8; 32],
        now: Timestamp,
    ) -> Result<PairingState, StoreError> {
        Ok(self.with(|tables| match tables.pairings.of_session(key, account, session, now) {
            None => PairingState::Gone,
            Some(StoredPairing { device: None, .. }) => PairingState::Open,
            Some(StoredPairing { device: Some(device), .. }) => PairingState::Waiting(device.name.clone()),
        }))
    }

    async fn confirm(
        &self,
        key: PairingKey,
        account: &AccountId,
        session: &[u8; 32],
        code: Tag,
        now: Timestamp,
    ) -> Result<PairingConfirmed, StoreError> {
        Ok(self.with(|tables| {
            let Some(found) = tables.pairings.of_session(key, account, session, now) else {
                return PairingConfirmed::Gone;
            };
            let Some(device) = &mut found.device else { return PairingConfirmed::NotYet };
            if !device.is_confirmed() && found.attempts < PAIRING_ATTEMPTS {
                device.last_attempt = Some(code);
                found.attempts += 1;
                if !device.is_confirmed() {
                    return PairingConfirmed::Wrong { attempts_left: PAIRING_ATTEMPTS - found.attempts };
                }
            } else if !(device.is_confirmed() && device.code == code) {
                return PairingConfirmed::Spent;
            }
            device
                .read(&found.pairing)
                .map_or(PairingConfirmed::Gone, |device| PairingConfirmed::Confirmed(Box::new(device)))
        }))
    }
}
