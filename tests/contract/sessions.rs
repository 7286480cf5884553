//! The store of sessions of `/security-info`.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use shared::domain::account::AccountId;
use shared::domain::flow::RequestId;
use shared::domain::holder::HolderId;
use shared::domain::language::Language;
use shared::domain::session::{EnrolmentState, LIFETIME, Session, SessionContext};
use shared::domain::time::Timestamp;
use shared::ports::SessionStore;

use crate::stores::{Stores, corrupt_variants, on_every_store, put};

on_every_store!(
    session_is_readable_until_it_ends, session_with_too_distant_expiry_is_ignored;
    at_once: concurrent_session_updates_are_accepted_once;
    in_tables: malformed_session_item_is_ignored;
    in_tables_at_once:
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);
const KEY: HolderId = HolderId::from_bytes([7; 32]);

fn session() -> Session {
    session_until(NOW + LIFETIME)
}

fn session_until(expires_at: Timestamp) -> Session {
    let account = AccountId::from_directory("aisyah").unwrap();
    let (language, start) = (Language::Tamil, EnrolmentState::FirstEnrolment);
    let context =
        SessionContext { account, expires_at, language, start, back: None, changes_password: false };
    Session::begin(context, 0, RequestId::from_bytes([1; 16]))
}

async fn new_session(stores: &Stores) -> Arc<dyn SessionStore> {
    let sessions = stores.sessions.clone();
    sessions.begin(KEY, &session()).await.unwrap();
    assert!(sessions.begin(KEY, &session()).await.is_err(), "a key is taken once");
    sessions
}

/// Controls: C-039.
async fn session_is_readable_until_it_ends(stores: &Stores) {
    let sessions = new_session(stores).await;
    let found = sessions.session(KEY, NOW).await.unwrap().unwrap();
    assert_eq!((found.revision, found.value.context().language), (1, Language::Tamil));
    let mut next = found.value;
    next.progress_mut().attempts = 3;
    assert!(!sessions.update(KEY, 2, &next, NOW).await.unwrap(), "it is another write's");
    assert!(sessions.update(KEY, 1, &next, NOW).await.unwrap());
    assert!(!sessions.update(KEY, 1, &next, NOW).await.unwrap());
    assert_eq!(sessions.session(KEY, NOW).await.unwrap().unwrap().value.progress().attempts, 3);
    let end = NOW + LIFETIME;
    assert!(sessions.session(KEY, end).await.unwrap().is_none(), "its item is still there");
    assert!(!sessions.update(KEY, 2, &next, end).await.unwrap());
    sessions.end(KEY).await.unwrap();
    sessions.end(KEY).await.unwrap();
    assert!(sessions.session(KEY, NOW).await.unwrap().is_none());
    assert!(!sessions.update(KEY, 2, &next, NOW).await.unwrap(), "what has ended does not come back");
}

/// For example an expiry in milliseconds.
/// Controls: C-039.
async fn session_with_too_distant_expiry_is_ignored(stores: &Stores) {
    let expires_at = Timestamp::from_seconds(NOW.as_seconds() * 1_000);
    stores.sessions.begin(KEY, &session_until(expires_at)).await.unwrap();
    assert!(stores.sessions.session(KEY, NOW).await.unwrap().is_none());
    assert!(!stores.sessions.update(KEY, 1, &session(), NOW).await.unwrap());
}

/// Controls: C-071.
async fn malformed_session_item_is_ignored(client: &Client) {
    let sessions = new_session(&Stores::in_tables(client)).await;
    let key = [("flow".to_owned(), AttributeValue::B(Blob::new(KEY.as_bytes())))];
    for (what, name) in corrupt_variants(client, "FlowsTable", &key, &["flow", "ttl"]).await {
        put(client, "FlowsTable", what).await;
        assert!(sessions.session(KEY, NOW).await.unwrap().is_none(), "{name}");
        sessions.end(KEY).await.unwrap();
    }
}

/// Controls: C-024.
async fn concurrent_session_updates_are_accepted_once(stores: &Stores) {
    let sessions = new_session(stores).await;
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let sessions = sessions.clone();
            tokio::spawn(async move { sessions.update(KEY, 1, &session(), NOW).await.unwrap() })
        })
        .collect();
    let mut kept = 0;
    for task in tasks {
        kept += usize::from(task.await.unwrap());
    }
    assert_eq!(kept, 1);
}
