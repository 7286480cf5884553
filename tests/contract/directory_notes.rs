//! The notes of changes and the leases for binds of the organisation's own directory.

use rekey_tests::fixtures::AISYAH;
use shared::domain::account::AccountId;
use shared::domain::change_note::{Beginning, ChangeKind, ChangeNote};
use shared::domain::directory::{Entry, EntryStanding, EntryVersion};
use shared::domain::time::{Seconds, Timestamp};

use crate::stores::{Stores, on_every_store};

on_every_store!(
    note_is_replaced_by_its_revision_only,
    note_of_missing_account_is_none,
    bind_lease_excludes_others_until_released_or_expired;
    at_once: concurrent_requests_get_one_bind_lease, concurrent_replacements_of_note_succeed_once;
    in_tables: ;
    in_tables_at_once:
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);

fn note(number: u64) -> ChangeNote {
    let entry = Entry {
        id: AISYAH.account().id,
        standing: EntryStanding::Eligible,
        is_locked: false,
        must_change: false,
        password_version: EntryVersion("133".to_owned()),
        lock_version: EntryVersion::default(),
        attempts_left: None,
    };
    match ChangeNote::default().begin(number, ChangeKind::Password, &entry, NOW, NOW + Seconds(30)) {
        Beginning::New(note) => note,
        other => panic!("{other:?}"),
    }
}

/// Controls: C-161.
async fn note_is_replaced_by_its_revision_only(stores: &Stores) {
    let id = AISYAH.account().id;
    stores.accounts.put(&AISYAH.account(), None).await.unwrap();
    let read = async || stores.change_notes.change_note(&id).await.unwrap().unwrap();
    let first = read().await;
    assert_eq!((first.value, first.revision), (ChangeNote::default(), 0));
    assert!(stores.change_notes.replace_change_note(&id, 0, &note(1)).await.unwrap());
    assert!(!stores.change_notes.replace_change_note(&id, 0, &note(2)).await.unwrap(), "a stale revision");
    let second = read().await;
    assert_eq!((second.value, second.revision), (note(1), 1));
    assert!(stores.change_notes.replace_change_note(&id, 1, &note(1).with_made()).await.unwrap());
    assert_eq!(read().await.value.tells(1, NOW + Seconds(30)), Some(true));
}

async fn note_of_missing_account_is_none(stores: &Stores) {
    let id = AccountId::from_directory("ad:nobody").unwrap();
    assert!(stores.change_notes.change_note(&id).await.unwrap().is_none());
    assert!(!stores.change_notes.replace_change_note(&id, 0, &note(1)).await.unwrap(), "it makes no account");
    assert!(stores.change_notes.change_note(&id).await.unwrap().is_none());
}

/// Controls: C-163.
async fn bind_lease_excludes_others_until_released_or_expired(stores: &Stores) {
    let (id, until) = (AISYAH.account().id, NOW + Seconds(15));
    let acquire = async |holder, now: Timestamp| {
        stores.bind_leases.acquire_bind(&id, [holder; 16], now, now + Seconds(15)).await.unwrap()
    };
    assert!(acquire(1, NOW).await);
    assert!(acquire(1, NOW).await, "its own answer was lost");
    assert!(!acquire(2, NOW).await);
    stores.bind_leases.release_bind(&id, [2; 16]).await.unwrap();
    assert!(!acquire(2, NOW).await, "only its holder releases it");
    stores.bind_leases.release_bind(&id, [1; 16]).await.unwrap();
    assert!(acquire(2, NOW).await);
    assert!(!acquire(3, NOW + Seconds(14)).await);
    assert!(acquire(3, until).await, "it has expired");
    let other = AccountId::from_directory("priya").unwrap();
    assert!(stores.bind_leases.acquire_bind(&other, [4; 16], NOW, until).await.unwrap());
}

/// Controls: C-163.
async fn concurrent_requests_get_one_bind_lease(stores: &Stores) {
    let tasks: Vec<_> = (0..20)
        .map(|holder| {
            let leases = stores.bind_leases.clone();
            let id = AISYAH.account().id;
            tokio::spawn(async move {
                leases.acquire_bind(&id, [holder; 16], NOW, NOW + Seconds(15)).await.unwrap()
            })
        })
        .collect();
    let mut acquired = 0;
    for task in tasks {
        acquired += usize::from(task.await.unwrap());
    }
    assert_eq!(acquired, 1);
}

/// Controls: C-161.
async fn concurrent_replacements_of_note_succeed_once(stores: &Stores) {
    stores.accounts.put(&AISYAH.account(), None).await.unwrap();
    let tasks: Vec<_> = (1..20)
        .map(|number| {
            let notes = stores.change_notes.clone();
            let id = AISYAH.account().id;
            tokio::spawn(async move { notes.replace_change_note(&id, 0, &note(number)).await.unwrap() })
        })
        .collect();
    let mut replaced = 0;
    for task in tasks {
        replaced += usize::from(task.await.unwrap());
    }
    assert_eq!(replaced, 1);
}
