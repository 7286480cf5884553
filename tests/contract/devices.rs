//! The devices that approve, and their push subscriptions.

use p256::ecdsa::SigningKey;
use shared::domain::account::AccountId;
use shared::domain::device::{Device, DeviceKey};
use shared::domain::security_info::{EntryId, Kind, Secret};
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::NewEntry;

use crate::stores::{Stores, on_every_store};

on_every_store!(
    device_is_found_while_it_is_enrolled,
    push_targets_exclude_devices_in_waiting_period,
    usage_update_does_not_recreate_device;
    at_once:;
    in_tables:;
    in_tables_at_once:
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);

fn account() -> AccountId {
    AccountId::from_directory("aisyah").unwrap()
}

fn key() -> DeviceKey {
    let signing = SigningKey::from_slice(&[7; 32]).unwrap();
    DeviceKey::from_bytes(signing.verifying_key().to_sec1_point(false).as_bytes()).unwrap()
}

fn device(number: u8) -> Device {
    Device { account: account(), id: EntryId::new(Kind::Authenticator, [number; 8]) }
}

/// Enrols a device that serves in resets from `active_from` on.
async fn enrol(stores: &Stores, number: u8, subscription: Option<&str>, active_from: Timestamp) {
    let subscription = subscription.map(str::to_owned);
    let secret = Secret::Authenticator { public_key: key().to_bytes(), subscription };
    let entry = NewEntry { active_from, ..NewEntry::new(device(number).id, "", secret, NOW) };
    stores.raw.put(&account(), &entry).await;
}

/// Controls: C-061.
async fn device_is_found_while_it_is_enrolled(stores: &Stores) {
    assert!(stores.devices.device(&device(1)).await.unwrap().is_none());
    enrol(stores, 1, None, NOW + Seconds::DAY).await;
    let found = stores.devices.device(&device(1)).await.unwrap().unwrap();
    assert_eq!((found.key, found.active_from), (key(), NOW + Seconds::DAY));
    assert!(stores.devices.device(&device(2)).await.unwrap().is_none());
    let other = Device { account: AccountId::from_directory("priya").unwrap(), ..device(1) };
    assert!(stores.devices.device(&other).await.unwrap().is_none(), "of another account");
    stores.raw.delete(&account(), &device(1).id).await;
    assert!(stores.devices.device(&device(1)).await.unwrap().is_none());
}

async fn push_targets_exclude_devices_in_waiting_period(stores: &Stores) {
    assert!(stores.push_targets.push_targets(&account(), NOW).await.unwrap().is_empty());
    enrol(stores, 1, Some("one"), NOW).await;
    enrol(stores, 2, Some("two"), NOW + Seconds::DAY).await;
    enrol(stores, 3, None, NOW).await;
    let both = [(device(1), "one".to_owned()), (device(2), "two".to_owned())];
    assert_eq!(stores.push_targets.push_targets(&account(), NOW).await.unwrap(), both[..1]);
    let later = stores.push_targets.push_targets(&account(), NOW + Seconds::DAY).await.unwrap();
    assert_eq!(later, both);
}

/// Controls: C-061.
async fn usage_update_does_not_recreate_device(stores: &Stores) {
    stores.devices.note_used(&device(1), NOW).await.unwrap();
    assert!(stores.enrolment.registered(&account()).await.unwrap().entries.is_empty());
    enrol(stores, 1, None, NOW).await;
    stores.devices.note_used(&device(1), NOW + Seconds(5)).await.unwrap();
    let listed = stores.enrolment.registered(&account()).await.unwrap();
    assert_eq!(listed.entries[0].last_used_at, Some(NOW + Seconds(5)));
}
