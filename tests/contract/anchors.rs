//! The store of the audit trail's anchors.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use shared::domain::account::AccountId;
use shared::domain::audit::verify::{Anchor, Head};
use shared::domain::time::{Seconds, Timestamp};

use crate::stores::{ENTRIES, Stores, corrupt_variants, on_every_store, put};

on_every_store!(
    anchors_are_read_in_order,
    anchor_is_never_replaced,
    anchors_of_many_pages_are_read;
    at_once: concurrent_anchors_of_one_number_are_stored_once;
    in_tables: unreadable_anchor_is_an_error;
    in_tables_at_once:
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);

fn hour(number: u64) -> Timestamp {
    NOW + Seconds(u32::try_from(number).unwrap() * 3_600)
}

/// An anchor of each hour, with a hash that tells who wrote it.
fn anchor(number: u64, hash: &str) -> Anchor {
    let head = Head { count: number * 10, hash: hash.to_owned() };
    let streams = BTreeMap::from([("captcha/1".to_owned(), head)]);
    Anchor { number, at: hour(number), previous: format!("hash of {}", number - 1), streams }
}

/// Controls: C-231.
async fn anchors_are_read_in_order(stores: &Stores) {
    let store = &stores.anchors;
    assert_eq!(store.last_anchor().await.unwrap(), None);
    assert_eq!(store.anchors_since(NOW).await.unwrap(), []);
    // Nine and ten show that numbers are not compared as texts.
    for number in 1..=11 {
        assert!(store.add_anchor(&anchor(number, "a")).await.unwrap(), "{number}");
    }
    assert_eq!(store.last_anchor().await.unwrap(), Some(anchor(11, "a")));
    let since = |from: u64| (from..=11).map(|number| anchor(number, "a")).collect::<Vec<_>>();
    assert_eq!(store.anchors_since(NOW).await.unwrap(), since(1));
    assert_eq!(store.anchors_since(hour(8)).await.unwrap(), since(8), "the first hour belongs to them");
    assert_eq!(store.anchors_since(hour(12)).await.unwrap(), []);
    // No account shares their partition.
    let nobody = AccountId::from_directory("audit-anchors").unwrap();
    assert!(stores.enrolment.registered(&nobody).await.unwrap().entries.is_empty());
}

/// Controls: C-231.
async fn anchor_is_never_replaced(stores: &Stores) {
    let store = &stores.anchors;
    assert!(store.add_anchor(&anchor(1, "a")).await.unwrap());
    assert!(!store.add_anchor(&anchor(1, "b")).await.unwrap());
    assert!(!store.add_anchor(&anchor(1, "a")).await.unwrap(), "not even by itself");
    assert_eq!(store.last_anchor().await.unwrap(), Some(anchor(1, "a")));
}

/// A page of a query has a megabyte.
/// Controls: C-231.
async fn anchors_of_many_pages_are_read(stores: &Stores) {
    let long = "a".repeat(300_000);
    for number in 1..=8 {
        assert!(stores.anchors.add_anchor(&anchor(number, &long)).await.unwrap());
    }
    let numbers = stores.anchors.anchors_since(hour(2)).await.unwrap();
    let numbers: Vec<u64> = numbers.iter().map(|anchor| anchor.number).collect();
    assert_eq!(numbers, [2, 3, 4, 5, 6, 7, 8]);
}

/// Controls: C-231.
async fn concurrent_anchors_of_one_number_are_stored_once(stores: &Stores) {
    let mut tasks = Vec::new();
    for number in 0..8 {
        let store = stores.anchors.clone();
        tasks.push(tokio::spawn(
            async move { store.add_anchor(&anchor(1, &number.to_string())).await.unwrap() },
        ));
    }
    let mut written = 0;
    for task in tasks {
        written += u8::from(task.await.unwrap());
    }
    assert_eq!(written, 1);
}

/// Controls: C-231.
async fn unreadable_anchor_is_an_error(client: &Client) {
    let store = Stores::in_tables(client).anchors;
    for number in 1..=2 {
        assert!(store.add_anchor(&anchor(number, "a")).await.unwrap());
    }
    let key = [
        ("account".to_owned(), AttributeValue::S("\taudit-anchors".to_owned())),
        ("item".to_owned(), AttributeValue::S("000000000002".to_owned())),
    ];
    for (what, name) in corrupt_variants(client, ENTRIES, &key, &["account", "item"]).await {
        put(client, ENTRIES, what).await;
        assert!(store.last_anchor().await.is_err(), "{name}");
        assert!(store.anchors_since(NOW).await.is_err(), "{name}");
        assert!(!store.add_anchor(&anchor(2, "b")).await.unwrap(), "{name}: it is not written over");
    }
}
