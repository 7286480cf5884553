//! The accounts whose password expires soon, and the notes of warnings.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use rekey_tests::directory::{person, person_id};
use shared::domain::account::AccountId;
use shared::domain::account_copy::{CopiedAccount, CopyRules};
use shared::domain::change_note::{Beginning, ChangeKind, ChangeNote};
use shared::domain::contact::Country;
use shared::domain::directory::{Entry, EntryStanding, EntryVersion};
use shared::domain::password_expiry::{ExpiringAccount, ExpiryWarning};
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::CopyWrite;

use crate::stores::{Stores, contacts, corrupt_variants, on_every_store, put};

on_every_store!(
    expiring_accounts_are_found_on_every_page,
    warning_is_noted_once_and_taken_back,
    warning_survives_sync_and_goes_with_account;
    at_once: concurrent_runs_note_one_warning;
    in_tables: unreadable_warning_counts_as_none;
    in_tables_at_once:
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);

fn in_days(days: u32) -> Timestamp {
    NOW + Seconds(days * Seconds::DAY.0)
}

fn copied(number: u32, expires_at: Option<Timestamp>) -> CopiedAccount {
    let rules = CopyRules {
        directory: "ad".to_owned(),
        login_domains: Vec::new(),
        home_country: Country::MALAYSIA,
        contact_kinds: [].into(),
    };
    let mut listed = person(number, &format!("person{number}"));
    listed.password_expires_at = expires_at;
    rules.copy(listed, &contacts()).account
}

async fn store(stores: &Stores, account: &CopiedAccount, exists: bool) {
    let write = CopyWrite { account: account.clone(), exists };
    stores.copy.put_accounts(&[write]).await.unwrap();
}

async fn expiring(stores: &Stores) -> BTreeMap<AccountId, ExpiringAccount> {
    let (mut found, mut next) = (BTreeMap::new(), None);
    loop {
        let page = stores.expiries.expiring(NOW, in_days(15), next.as_deref()).await.unwrap();
        for account in page.accounts {
            assert!(found.insert(account.account.id.clone(), account).is_none(), "twice");
        }
        next = page.next;
        if next.is_none() {
            return found;
        }
    }
}

async fn warned(stores: &Stores, number: u32) -> Option<ExpiryWarning> {
    expiring(stores).await[&person_id(number)].warned
}

fn warning(days: u8) -> ExpiryWarning {
    ExpiryWarning { expires_at: in_days(10), days }
}

/// A page of the table has 200 items.
async fn expiring_accounts_are_found_on_every_page(stores: &Stores) {
    let accounts: Vec<CopiedAccount> =
        (0..300).map(|number| copied(number, Some(in_days(number % 20 + 1)))).collect();
    let writes: Vec<CopyWrite> =
        accounts.iter().map(|account| CopyWrite { account: account.clone(), exists: false }).collect();
    stores.copy.put_accounts(&writes).await.unwrap();
    store(stores, &copied(2_000, None), false).await;
    let found = expiring(stores).await;
    assert_eq!(found.len(), 225);
    let first = &found[&person_id(0)];
    assert_eq!((&first.account, first.expires_at), (&accounts[0].account, in_days(1)));
    assert_eq!((first.warned, first.password_deadline), (None, None));
    let entry = Entry {
        id: person_id(0),
        standing: EntryStanding::Eligible,
        is_locked: false,
        must_change: false,
        password_version: EntryVersion("133".to_owned()),
        lock_version: EntryVersion::default(),
        attempts_left: None,
    };
    let deadline = NOW + Seconds(30);
    let begun = ChangeNote::default().begin(1, ChangeKind::Password, &entry, NOW, deadline);
    let Beginning::New(note) = begun else { panic!("{begun:?}") };
    assert!(stores.change_notes.replace_change_note(&person_id(0), 0, &note.with_made()).await.unwrap());
    assert_eq!(expiring(stores).await[&person_id(0)].password_deadline, Some(deadline));
}

/// Controls: C-177.
async fn warning_is_noted_once_and_taken_back(stores: &Stores) {
    let (id, expiries) = (person_id(1), &stores.expiries);
    store(stores, &copied(1, Some(in_days(10))), false).await;
    assert!(expiries.note_warning(&id, warning(14)).await.unwrap());
    assert!(!expiries.note_warning(&id, warning(14)).await.unwrap(), "a second run");
    assert!(expiries.note_warning(&id, warning(7)).await.unwrap());
    expiries.take_back_warning(&id, warning(14), None).await.unwrap();
    assert_eq!(warned(stores, 1).await, Some(warning(7)), "another one was noted meanwhile");
    expiries.take_back_warning(&id, warning(7), Some(warning(14))).await.unwrap();
    assert_eq!(warned(stores, 1).await, Some(warning(14)));
    expiries.take_back_warning(&id, warning(14), None).await.unwrap();
    assert_eq!(warned(stores, 1).await, None);
    assert!(expiries.note_warning(&id, warning(14)).await.unwrap());
    assert!(!expiries.note_warning(&person_id(2), warning(14)).await.unwrap(), "it makes no account");
    assert_eq!(stores.copy.accounts(&[person_id(2)]).await.unwrap(), []);
}

async fn warning_survives_sync_and_goes_with_account(stores: &Stores) {
    let account = copied(1, Some(in_days(10)));
    store(stores, &account, false).await;
    assert!(stores.expiries.note_warning(&person_id(1), warning(14)).await.unwrap());
    store(stores, &account, true).await;
    assert_eq!(warned(stores, 1).await, Some(warning(14)));
    assert_eq!(stores.copy.accounts(&[person_id(1)]).await.unwrap().first(), Some(&account));
    stores.copy.remove_account(&person_id(1)).await.unwrap();
    assert!(expiring(stores).await.is_empty());
    store(stores, &account, false).await;
    assert_eq!(warned(stores, 1).await, None);
}

/// Controls: C-177.
async fn concurrent_runs_note_one_warning(stores: &Stores) {
    store(stores, &copied(1, Some(in_days(10))), false).await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let expiries = stores.expiries.clone();
            tokio::spawn(async move { expiries.note_warning(&person_id(1), warning(14)).await.unwrap() })
        })
        .collect();
    let mut noted = 0;
    for task in tasks {
        noted += usize::from(task.await.unwrap());
    }
    assert_eq!(noted, 1);
}

/// Controls: C-071.
async fn unreadable_warning_counts_as_none(client: &Client) {
    let stores = Stores::in_tables(client);
    store(&stores, &copied(1, Some(in_days(10))), false).await;
    assert!(stores.expiries.note_warning(&person_id(1), warning(14)).await.unwrap());
    let key = [("account".to_owned(), AttributeValue::S("account/ad:00000001".to_owned()))];
    let intact: Vec<&str> =
        ["account", "id", "name", "logins", "email", "language", "standing", "password_expires_at", "group"]
            .into();
    for (item, how) in corrupt_variants(client, "AccountsTable", &key, &intact).await {
        let is_intact = item.get("expiry_warning").and_then(|value| value.as_s().ok());
        let is_intact = is_intact.is_some_and(|text| text.contains("\"days\":14"));
        put(client, "AccountsTable", item).await;
        assert_eq!(warned(&stores, 1).await.is_some(), is_intact, "{how}");
        assert!(stores.expiries.note_warning(&person_id(1), warning(7)).await.unwrap(), "{how}");
        assert_eq!(warned(&stores, 1).await, Some(warning(7)), "{how}");
    }
}
