//! The store of the last events of accounts.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use shared::domain::account::AccountId;
use shared::domain::audit::recent::{RecentEvent, RecentKind};
use shared::domain::time::{Seconds, Timestamp};

use crate::stores::{Stores, corrupt_variants, on_every_store, put};

on_every_store!(
    recent_events_are_replaced_by_revision;
    at_once: concurrent_recent_events_are_stored_once;
    in_tables: unreadable_recent_events_count_as_none_and_are_replaced,
    recent_events_expire_by_ttl;
    in_tables_at_once:
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);
const KEPT_UNTIL: Timestamp = Timestamp::from_seconds(1_803_268_800);

fn events(count: u32) -> Vec<RecentEvent> {
    let event = |number: u32| RecentEvent {
        at: NOW + Seconds(number),
        kind: RecentKind::ALL[number as usize % RecentKind::ALL.len()],
        network: "203.0.113.x".to_owned(),
        client: "Firefox, Linux".to_owned(),
    };
    (0..count).rev().map(event).collect()
}

async fn recent_events_are_replaced_by_revision(stores: &Stores) {
    let store = &stores.recent_events;
    let found = store.recent_events("5f1e").await.unwrap();
    assert_eq!((found.revision, found.value), (0, vec![]));
    let replace = async |revision, count| {
        store.replace_recent_events("5f1e", revision, &events(count), KEPT_UNTIL).await.unwrap()
    };
    assert!(!replace(1, 1).await, "there is nothing to replace");
    assert!(replace(0, 1).await);
    assert!(!replace(0, 2).await, "others were written");
    assert!(replace(1, 20).await);
    let found = store.recent_events("5f1e").await.unwrap();
    assert_eq!((found.revision, found.value), (2, events(20)), "in their order");
    // Another account, its limits and its help have items of their own.
    assert_eq!(store.recent_events("5f1f").await.unwrap().revision, 0);
    let account = AccountId::from_directory("5f1e").unwrap();
    assert_eq!(stores.rate_limits.limit_log(&account).await.unwrap().revision, 0);
    assert_eq!(stores.desk_records.desk_record(&account).await.unwrap().revision, 0);
}

async fn concurrent_recent_events_are_stored_once(stores: &Stores) {
    let mut tasks = Vec::new();
    for count in 1..=8 {
        let store = stores.recent_events.clone();
        tasks.push(tokio::spawn(async move {
            store.replace_recent_events("5f1e", 0, &events(count), KEPT_UNTIL).await.unwrap()
        }));
    }
    let mut written = 0;
    for task in tasks {
        written += u8::from(task.await.unwrap());
    }
    assert_eq!(written, 1);
}

/// A page shows them and nothing else uses them, so damage hides them until the next event.
async fn unreadable_recent_events_count_as_none_and_are_replaced(client: &Client) {
    let store = Stores::in_tables(client).recent_events;
    assert!(store.replace_recent_events("5f1e", 0, &events(2), KEPT_UNTIL).await.unwrap());
    let key = [("budget".to_owned(), AttributeValue::S("recent#5f1e".to_owned()))];
    for (what, name) in corrupt_variants(client, "BudgetsTable", &key, &["budget", "ttl", "rev"]).await {
        put(client, "BudgetsTable", what).await;
        let found = store.recent_events("5f1e").await.unwrap();
        assert_eq!((found.revision, found.value), (1, vec![]), "{name}");
        let replaced = store.replace_recent_events("5f1e", 1, &events(1), KEPT_UNTIL).await.unwrap();
        assert!(replaced, "{name}");
    }
}

async fn recent_events_expire_by_ttl(client: &Client) {
    let store = Stores::in_tables(client).recent_events;
    assert!(store.replace_recent_events("5f1e", 0, &events(1), KEPT_UNTIL).await.unwrap());
    let key = AttributeValue::S("recent#5f1e".to_owned());
    let read = client.get_item().table_name("BudgetsTable").key("budget", key).send().await.unwrap();
    assert_eq!(read.item.unwrap()["ttl"].as_n().unwrap(), &KEPT_UNTIL.as_seconds().to_string());
}
