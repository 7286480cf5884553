//! The store of pairings.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use p256::ecdsa::SigningKey;
use shared::domain::account::AccountId;
use shared::domain::device::DeviceKey;
use shared::domain::keys::Tag;
use shared::domain::pairing::{PAIRING_LIFETIME, Pairing, PairingKey, PairingToken, WaitingDevice};
use shared::domain::security_info::{EntryId, Kind};
use shared::domain::time::Timestamp;
use shared::ports::{PairingConfirmed, PairingState, PairingStore};

use crate::stores::{Item, Stores, corrupt_variants, on_every_store, put};

on_every_store!(
    pairing_token_is_accepted_once_before_expiry,
    same_phone_can_repeat_pairing_until_confirmed,
    pairing_code_allows_three_attempts,
    pairing_is_visible_only_to_its_session;
    at_once: concurrent_phones_pair_once, concurrent_pairing_codes_never_exceed_three_attempts;
    in_tables: malformed_pairing_item_is_never_confirmed;
    in_tables_at_once:
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);
const SESSION: [u8; 32] = [5; 32];

fn key() -> PairingKey {
    PairingToken::new([1; 16]).key()
}

fn account() -> AccountId {
    AccountId::from_directory("aisyah").unwrap()
}

fn code(byte: u8) -> Tag {
    Tag::from_bytes([byte; 32])
}

fn device_key(byte: u8) -> DeviceKey {
    let signing = SigningKey::from_slice(&[byte; 32]).unwrap();
    DeviceKey::from_bytes(signing.verifying_key().to_sec1_point(false).as_bytes()).unwrap()
}

fn device(subscription: Option<&str>) -> WaitingDevice {
    WaitingDevice {
        id: EntryId::new(Kind::Authenticator, [1; 8]),
        key: device_key(7),
        subscription: subscription.map(str::to_owned),
        name: "Chrome, Android".to_owned(),
    }
}

/// Returns another phone.
fn other(byte: u8) -> WaitingDevice {
    WaitingDevice { key: device_key(byte), ..device(None) }
}

/// Returns a store with a new pairing.
async fn new_pairing(stores: &Stores) -> Arc<dyn PairingStore> {
    let pairings = stores.pairings.clone();
    let entry = device(None).id;
    let pairing = Pairing::begin(account(), entry, SESSION, "aisyah".to_owned(), NOW);
    pairings.begin(key(), &pairing).await.unwrap();
    assert!(pairings.begin(key(), &pairing).await.is_err(), "a key is taken once");
    assert_eq!(pairings.open(key(), &device_key(7), NOW).await.unwrap(), Some(pairing));
    pairings
}

async fn confirm(pairings: &Arc<dyn PairingStore>, byte: u8) -> PairingConfirmed {
    pairings.confirm(key(), &account(), &SESSION, code(byte), NOW).await.unwrap()
}

/// Controls: C-059.
async fn pairing_token_is_accepted_once_before_expiry(stores: &Stores) {
    let pairings = new_pairing(stores).await;
    let late = NOW + PAIRING_LIFETIME;
    assert_eq!(pairings.open(key(), &device_key(7), late).await.unwrap(), None);
    assert!(!pairings.pair(key(), &device(None), code(1), late).await.unwrap());
    assert!(pairings.pair(key(), &device(Some("sealed")), code(1), NOW).await.unwrap());
    assert_eq!(pairings.open(key(), &device_key(8), NOW).await.unwrap(), None);
    assert!(!pairings.pair(key(), &other(8), code(2), NOW).await.unwrap());
    assert_eq!(confirm(&pairings, 1).await, PairingConfirmed::Confirmed(device(Some("sealed")).into()));
    let unknown = PairingToken::new([2; 16]).key();
    assert!(!pairings.pair(unknown, &device(None), code(1), NOW).await.unwrap());
    assert_eq!(pairings.open(unknown, &device_key(7), NOW).await.unwrap(), None);
}

async fn same_phone_can_repeat_pairing_until_confirmed(stores: &Stores) {
    let pairings = new_pairing(stores).await;
    let own = device_key(7);
    assert!(pairings.pair(key(), &device(Some("sealed")), code(1), NOW).await.unwrap());
    assert_eq!(confirm(&pairings, 9).await, PairingConfirmed::Wrong { attempts_left: 2 });
    assert!(pairings.open(key(), &own, NOW).await.unwrap().is_some());
    assert!(pairings.pair(key(), &device(None), code(2), NOW).await.unwrap());
    assert_eq!(
        confirm(&pairings, 1).await,
        PairingConfirmed::Wrong { attempts_left: 1 },
        "no attempts come with it"
    );
    assert_eq!(confirm(&pairings, 2).await, PairingConfirmed::Confirmed(device(None).into()));
    assert_eq!(pairings.open(key(), &own, NOW).await.unwrap(), None, "it is confirmed");
    assert!(!pairings.pair(key(), &device(None), code(3), NOW).await.unwrap());
    assert_eq!(confirm(&pairings, 2).await, PairingConfirmed::Confirmed(device(None).into()));
}

/// Controls: C-059.
async fn pairing_code_allows_three_attempts(stores: &Stores) {
    let pairings = new_pairing(stores).await;
    assert_eq!(confirm(&pairings, 1).await, PairingConfirmed::NotYet);
    pairings.pair(key(), &device(None), code(1), NOW).await.unwrap();
    for attempts_left in [2, 1] {
        assert_eq!(confirm(&pairings, 2).await, PairingConfirmed::Wrong { attempts_left });
    }
    let confirmed = PairingConfirmed::Confirmed(device(None).into());
    assert_eq!(confirm(&pairings, 1).await, confirmed);
    assert_eq!(confirm(&pairings, 1).await, confirmed, "the same once more");
    assert_eq!(confirm(&pairings, 2).await, PairingConfirmed::Spent);
}

/// Controls: C-059.
async fn pairing_is_visible_only_to_its_session(stores: &Stores) {
    let pairings = new_pairing(stores).await;
    pairings.pair(key(), &device(None), code(1), NOW).await.unwrap();
    let other = AccountId::from_directory("priya").unwrap();
    let waiting = PairingState::Waiting("Chrome, Android".to_owned());
    assert_eq!(pairings.state(key(), &account(), &SESSION, NOW).await.unwrap(), waiting);
    for (account, session, now) in
        [(account(), [6; 32], NOW), (other, SESSION, NOW), (account(), SESSION, NOW + PAIRING_LIFETIME)]
    {
        assert_eq!(pairings.state(key(), &account, &session, now).await.unwrap(), PairingState::Gone);
        let confirmed = pairings.confirm(key(), &account, &session, code(1), now).await.unwrap();
        assert_eq!(confirmed, PairingConfirmed::Gone);
    }
    assert!(matches!(confirm(&pairings, 1).await, PairingConfirmed::Confirmed(_)), "and cost no try");
}

/// Controls: C-071.
async fn malformed_pairing_item_is_never_confirmed(client: &Client) {
    let pairings = new_pairing(&Stores::in_tables(client)).await;
    let row = [("flow".to_owned(), AttributeValue::B(Blob::new(key().as_bytes())))];
    for (item, what) in corrupt_variants(client, "FlowsTable", &row, &["flow", "ttl", "tries", "label"]).await
    {
        put(client, "FlowsTable", item).await;
        let open = pairings.open(key(), &device_key(7), NOW).await.unwrap();
        assert!(open.is_none_or(|pairing| pairing.account != account()), "{what}");
        pairings.state(key(), &account(), &SESSION, NOW).await.unwrap();
        let confirmed = confirm(&pairings, 1).await;
        assert!(!matches!(confirmed, PairingConfirmed::Confirmed(_)), "{what}");
    }
    // The same after a phone has used it.
    let read = new_pairing_item(client, &pairings).await;
    let spared = ["flow", "ttl", "label", "name", "subscription", "tries", "guess"];
    for (item, what) in corrupt_variants(client, "FlowsTable", &row, &spared).await {
        put(client, "FlowsTable", item).await;
        let confirmed = confirm(&pairings, 1).await;
        assert!(!matches!(confirmed, PairingConfirmed::Confirmed(_)), "{what}: {confirmed:?}");
    }
    put(client, "FlowsTable", read).await;
    assert!(matches!(confirm(&pairings, 1).await, PairingConfirmed::Confirmed(_)), "as it was it is one");
}

/// Returns the item of a pairing whose phone waits for code 1.
async fn new_pairing_item(client: &Client, pairings: &Arc<dyn PairingStore>) -> Item {
    let row = [("flow".to_owned(), AttributeValue::B(Blob::new(key().as_bytes())))];
    let row: Item = row.into();
    client.delete_item().table_name("FlowsTable").set_key(Some(row.clone())).send().await.unwrap();
    let pairing = Pairing::begin(account(), device(None).id, SESSION, "aisyah".to_owned(), NOW);
    pairings.begin(key(), &pairing).await.unwrap();
    assert!(pairings.pair(key(), &device(Some("sealed")), code(1), NOW).await.unwrap());
    let read = client.get_item().table_name("FlowsTable").set_key(Some(row));
    read.send().await.unwrap().item.unwrap()
}

/// Controls: C-059.
async fn concurrent_phones_pair_once(stores: &Stores) {
    let pairings = new_pairing(stores).await;
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let pairings = pairings.clone();
            tokio::spawn(async move { pairings.pair(key(), &other(n + 1), code(n), NOW).await.unwrap() })
        })
        .collect();
    let mut paired = 0;
    for task in tasks {
        paired += usize::from(task.await.unwrap());
    }
    assert_eq!(paired, 1);
}

/// Controls: C-059.
async fn concurrent_pairing_codes_never_exceed_three_attempts(stores: &Stores) {
    let pairings = new_pairing(stores).await;
    pairings.pair(key(), &device(None), code(1), NOW).await.unwrap();
    let tasks: Vec<_> = (10..40)
        .map(|n| {
            let pairings = pairings.clone();
            tokio::spawn(async move { confirm(&pairings, n).await })
        })
        .collect();
    let mut attempts = 0;
    for task in tasks {
        attempts += usize::from(matches!(task.await.unwrap(), PairingConfirmed::Wrong { .. }));
    }
    assert_eq!(attempts, 3);
    assert_eq!(confirm(&pairings, 1).await, PairingConfirmed::Spent);
}
