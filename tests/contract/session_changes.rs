//! The store of the changes that sessions made.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use shared::domain::holder::HolderId;
use shared::domain::time::{Seconds, Timestamp};

use crate::stores::{Stores, corrupt_variants, on_every_store, put};

on_every_store!(
    changes_are_replaced_by_revision;
    at_once: concurrent_first_changes_are_stored_once;
    in_tables: unreadable_changes_affect_no_other_session;
    in_tables_at_once:
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);
const KEPT_UNTIL: Timestamp = Timestamp::from_seconds(1_795_496_400);
const SESSION: HolderId = HolderId::from_bytes([7; 32]);

/// Controls: C-063.
async fn changes_are_replaced_by_revision(stores: &Stores) {
    let changes = stores.session_changes.clone();
    assert!(changes.changes(SESSION).await.unwrap().is_none());
    assert!(
        !changes.replace_changes(SESSION, 1, "none", KEPT_UNTIL).await.unwrap(),
        "there is nothing to replace"
    );
    assert!(changes.replace_changes(SESSION, 0, "one", KEPT_UNTIL).await.unwrap());
    assert!(
        !changes.replace_changes(SESSION, 0, "other", KEPT_UNTIL).await.unwrap(),
        "it is another write's"
    );
    assert!(changes.replace_changes(SESSION, 1, "two", KEPT_UNTIL).await.unwrap());
    assert!(!changes.replace_changes(SESSION, 1, "other", KEPT_UNTIL).await.unwrap());
    let found = changes.changes(SESSION).await.unwrap().unwrap();
    assert_eq!((found.revision, found.value.as_str()), (2, "two"));
    // A session's own item does not stand in for them, nor end them.
    stores.sessions.end(SESSION).await.unwrap();
    assert!(stores.sessions.session(SESSION, NOW).await.unwrap().is_none());
    assert!(changes.changes(SESSION).await.unwrap().is_some());
    assert!(changes.changes(HolderId::from_bytes([8; 32])).await.unwrap().is_none());
}

/// Controls: C-063.
async fn concurrent_first_changes_are_stored_once(stores: &Stores) {
    let mut tasks = Vec::new();
    for nth in 0..8 {
        let changes = stores.session_changes.clone();
        tasks.push(tokio::spawn(async move {
            changes.replace_changes(SESSION, 0, &format!("change {nth}"), KEPT_UNTIL).await.unwrap()
        }));
    }
    let mut accepted = 0;
    for task in tasks {
        accepted += u8::from(task.await.unwrap());
    }
    assert_eq!(accepted, 1);
}

/// Controls: C-071.
async fn unreadable_changes_affect_no_other_session(client: &Client) {
    let changes = Stores::in_tables(client).session_changes;
    let other = HolderId::from_bytes([8; 32]);
    for session in [SESSION, other] {
        assert!(changes.replace_changes(session, 0, "one", KEPT_UNTIL + Seconds(1)).await.unwrap());
    }
    let key = AttributeValue::B(Blob::new([SESSION.as_bytes().as_slice(), b"changes"].concat()));
    let key = [("flow".to_owned(), key)];
    for (what, name) in corrupt_variants(client, "FlowsTable", &key, &["flow", "ttl"]).await {
        put(client, "FlowsTable", what).await;
        let _ = changes.changes(SESSION).await;
        assert_eq!(changes.changes(other).await.unwrap().unwrap().value, "one", "{name}");
    }
}
