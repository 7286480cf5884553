//! The copy of a directory's people: its items, as page 1 and other functions read them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::body::Bytes;
use axum::extract::State;
use axum::{Json, Router};
use rekey_tests::directory::{person, person_id};
use serde_json::{Value, json};
use shared::adapters::aws::emulated;
use shared::adapters::directories::DynamoAccountCopy;
use shared::domain::account::AccountState;
use shared::domain::account_copy::{CopiedAccount, CopyRules, LoginClaims};
use shared::domain::contact::Country;
use shared::domain::directory::PublishedPolicy;
use shared::domain::holder::HolderId;
use shared::domain::name::CanonicalName;
use shared::domain::security_info::Kind;
use shared::domain::sync::{LEASE, SyncState};
use shared::domain::time::Timestamp;
use shared::ports::{AccountCopy as _, CopyWrite};
use tokio::net::TcpListener;

use crate::stores::{Stores, contacts, corrupt_variants, on_every_store, put};

on_every_store!(
    written_account_is_read_back_whole,
    written_login_finds_its_only_claimant,
    many_accounts_and_logins_are_read_back,
    removed_account_and_login_are_gone,
    sync_state_is_kept_by_directory,
    lease_excludes_other_runs_until_its_end;
    at_once: concurrent_runs_acquire_one_lease;
    in_tables: changed_account_keeps_attributes_of_others,
    corrupt_account_fails_no_read,
    directory_item_has_policy_as_json;
    in_tables_at_once:
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);

fn copied(number: u32, login: &str) -> CopiedAccount {
    let kinds = [Kind::Mobile, Kind::OfficePhone];
    let rules = CopyRules {
        directory: "ad".to_owned(),
        login_domains: vec!["student.contoh.example".to_owned()],
        home_country: Country::MALAYSIA,
        contact_kinds: kinds.into_iter().collect(),
    };
    let mut listed = person(number, login);
    listed.contacts.mobile = Some("012-345 6798".to_owned());
    listed.password_expires_at = Some(NOW);
    listed.password_policy = Some(PublishedPolicy { min_length: Some(16), ..PublishedPolicy::default() });
    rules.copy(listed, &contacts()).account
}

fn write(account: &CopiedAccount, exists: bool) -> CopyWrite {
    CopyWrite { account: account.clone(), exists }
}

fn claims(login: &str, numbers: &[u32]) -> LoginClaims {
    LoginClaims {
        login: login.to_owned(),
        claimants: numbers.iter().map(|number| person_id(*number)).collect(),
    }
}

async fn finds(stores: &Stores, login: &str) -> Option<String> {
    let name = CanonicalName::parse(login, &[]).unwrap();
    let found = stores.directory.find(&name).await.unwrap();
    found.map(|account| account.id.as_str().to_owned())
}

async fn written_account_is_read_back_whole(stores: &Stores) {
    let whole = copied(1, "aisyah");
    assert_eq!(whole.contacts.as_ref().unwrap().kinds, BTreeSet::from([Kind::Mobile]));
    stores.copy.put_accounts(&[write(&whole, false)]).await.unwrap();
    assert_eq!(
        stores.copy.accounts(&[person_id(1), person_id(2)]).await.unwrap(),
        std::slice::from_ref(&whole)
    );
    assert_eq!(stores.directory.account(&person_id(1)).await.unwrap(), Some(whole.account.clone()));
    // What is no longer there goes.
    let mut bare = CopiedAccount {
        group: None,
        password_expires_at: None,
        digest: None,
        contacts: None,
        departed_at: Some(NOW),
        ..whole
    };
    (bare.account.email, bare.account.language, bare.account.password_policy) = (None, None, None);
    (bare.account.state, bare.account.logins) = (AccountState::Disabled, Vec::new());
    stores.copy.put_accounts(&[write(&bare, true)]).await.unwrap();
    assert_eq!(stores.copy.accounts(&[person_id(1)]).await.unwrap(), [bare.clone()]);
    assert_eq!(stores.copy.page(None).await.unwrap().accounts, [bare]);
}

/// Controls: C-171.
async fn written_login_finds_its_only_claimant(stores: &Stores) {
    let accounts = [copied(1, "aisyah"), copied(2, "farid")];
    stores.copy.put_accounts(&accounts.each_ref().map(|account| write(account, false))).await.unwrap();
    for (numbers, found) in
        [(vec![1], Some("ad:00000001")), (vec![1, 2], None), (vec![2], Some("ad:00000002"))]
    {
        let login = claims("aisyah", &numbers);
        stores.copy.put_logins(std::slice::from_ref(&login)).await.unwrap();
        assert_eq!(finds(stores, "aisyah").await.as_deref(), found, "{numbers:?}");
        assert_eq!(stores.copy.logins(&["aisyah".to_owned()]).await.unwrap(), std::slice::from_ref(&login));
        assert_eq!(stores.copy.page(None).await.unwrap().logins, [login]);
    }
}

/// More than fit into one call of `DynamoDB`, for reads and for writes.
async fn many_accounts_and_logins_are_read_back(stores: &Stores) {
    let numbers = 0..120;
    let accounts: Vec<CopiedAccount> =
        numbers.clone().map(|number| copied(number, &format!("person{number}"))).collect();
    let writes: Vec<CopyWrite> = accounts.iter().map(|account| write(account, false)).collect();
    stores.copy.put_accounts(&writes).await.unwrap();
    let all: Vec<LoginClaims> =
        numbers.clone().map(|number| claims(&format!("person{number}"), &[number])).collect();
    stores.copy.put_logins(&all).await.unwrap();
    let ids: Vec<_> = numbers.clone().map(person_id).collect();
    let mut read = stores.copy.accounts(&ids).await.unwrap();
    read.sort_by(|one, other| one.account.id.cmp(&other.account.id));
    assert_eq!(read, accounts);
    let names: Vec<String> = all.iter().map(|claims| claims.login.clone()).collect();
    assert_eq!(stores.copy.logins(&names).await.unwrap().len(), 120);
    let (mut found, mut after) = ((0, 0), None);
    loop {
        let page = stores.copy.page(after.as_deref()).await.unwrap();
        found = (found.0 + page.accounts.len(), found.1 + page.logins.len());
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, (120, 120));
}

async fn removed_account_and_login_are_gone(stores: &Stores) {
    stores.copy.put_accounts(&[write(&copied(1, "aisyah"), false)]).await.unwrap();
    stores.copy.put_logins(&[claims("aisyah", &[1])]).await.unwrap();
    stores.copy.put_logins(&[claims("aisyah", &[])]).await.unwrap();
    stores.copy.remove_account(&person_id(1)).await.unwrap();
    stores.copy.remove_account(&person_id(1)).await.unwrap();
    let page = stores.copy.page(None).await.unwrap();
    assert!(page.accounts.is_empty() && page.logins.is_empty());
    assert_eq!(finds(stores, "aisyah").await, None);
}

async fn sync_state_is_kept_by_directory(stores: &Stores) {
    assert_eq!(stores.copy.state("ad").await.unwrap(), SyncState::default());
    let state = SyncState { full_at: Some(NOW), usable: 7, is_full_due: true, ..SyncState::default() };
    stores.copy.put_state("ad", &state, &PublishedPolicy::default()).await.unwrap();
    assert_eq!(stores.copy.state("ad").await.unwrap(), state);
    assert_eq!(stores.copy.state("openldap").await.unwrap(), SyncState::default());
}

/// Controls: C-173.
async fn lease_excludes_other_runs_until_its_end(stores: &Stores) {
    let (one, other) = (HolderId::from_bytes([1; 32]), HolderId::from_bytes([2; 32]));
    let until = NOW + LEASE;
    assert!(stores.copy.acquire(one, until, NOW).await.unwrap());
    assert!(stores.copy.acquire(one, until, NOW).await.unwrap(), "a retry of the same run");
    let last = Timestamp::from_seconds(until.as_seconds() - 1);
    assert!(!stores.copy.acquire(other, last + LEASE, last).await.unwrap());
    stores.copy.release(other).await.unwrap();
    assert!(!stores.copy.acquire(other, until, NOW).await.unwrap(), "it had nothing to give back");
    assert!(stores.copy.acquire(other, until + LEASE, until).await.unwrap(), "the first run died");
    stores.copy.release(other).await.unwrap();
    assert!(stores.copy.acquire(one, until, NOW).await.unwrap());
}

/// Controls: C-173.
async fn concurrent_runs_acquire_one_lease(stores: &Stores) {
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let copy = stores.copy.clone();
            tokio::spawn(async move {
                copy.acquire(HolderId::from_bytes([number; 32]), NOW + LEASE, NOW).await.unwrap()
            })
        })
        .collect();
    let mut acquired = 0;
    for task in tasks {
        acquired += usize::from(task.await.unwrap());
    }
    assert_eq!(acquired, 1);
}

/// A note of `directory-write` must survive a change of the person's name.
async fn changed_account_keeps_attributes_of_others(client: &Client) {
    let stores = Stores::in_tables(client);
    let mut account = copied(1, "aisyah");
    stores.copy.put_accounts(&[write(&account, false)]).await.unwrap();
    let key = AttributeValue::S("account/ad:00000001".to_owned());
    let note = client.update_item().table_name("AccountsTable").key("account", key.clone());
    let note = note.update_expression("SET #change = :note").expression_attribute_names("#change", "change");
    note.expression_attribute_values(":note", AttributeValue::S("7".to_owned())).send().await.unwrap();
    account.account.name = "Nur Aisyah".into();
    stores.copy.put_accounts(&[write(&account, true)]).await.unwrap();
    let read = client.get_item().table_name("AccountsTable").key("account", key).send().await.unwrap();
    let item = read.item.unwrap();
    assert_eq!(item["change"], AttributeValue::S("7".to_owned()));
    assert_eq!(item["name"], AttributeValue::S("Nur Aisyah".to_owned()));
    // As the built-in directory writes them.
    for counter in ["failures", "failed_at", "generation"] {
        assert_eq!(item[counter], AttributeValue::N("0".to_owned()), "{counter}");
    }
}

async fn corrupt_account_fails_no_read(client: &Client) {
    let stores = Stores::in_tables(client);
    let whole = copied(1, "aisyah");
    stores.copy.put_accounts(&[write(&whole, false)]).await.unwrap();
    let key = [("account".to_owned(), AttributeValue::S("account/ad:00000001".to_owned()))];
    for (item, how) in corrupt_variants(client, "AccountsTable", &key, &["account"]).await {
        put(client, "AccountsTable", item).await;
        // One corrupt item must not end the sync of everybody.
        let found = stores.copy.accounts(&[person_id(1)]).await.unwrap();
        assert!(found.len() <= 1, "{how}");
        stores.copy.page(None).await.unwrap();
    }
}

/// `password-set` reads the policy from here for the page's criteria.
async fn directory_item_has_policy_as_json(client: &Client) {
    let stores = Stores::in_tables(client);
    let policy = PublishedPolicy { min_length: Some(14), complexity: true, ..PublishedPolicy::default() };
    stores.copy.put_state("ad", &SyncState::default(), &policy).await.unwrap();
    let key = AttributeValue::S("directory/ad".to_owned());
    let read = client.get_item().table_name("AccountsTable").key("account", key).send().await.unwrap();
    let text = read.item.unwrap()["policy"].as_s().unwrap().clone();
    assert_eq!(serde_json::from_str::<PublishedPolicy>(&text).unwrap(), policy);
}

/// Answers one item of each batch, and leaves the others unprocessed, as `DynamoDB` does under load.
async fn answer_one(State(written): State<Arc<Mutex<Vec<Value>>>>, body: Bytes) -> Json<Value> {
    let batch: Value = serde_json::from_slice(&body).unwrap();
    let asked = &batch["RequestItems"]["AccountsTable"];
    if let Some(requests) = asked.as_array() {
        let (first, rest) = requests.split_first().unwrap();
        written.lock().unwrap().push(first["PutRequest"]["Item"]["account"]["S"].clone());
        let left = if rest.is_empty() { json!({}) } else { json!({ "AccountsTable": rest }) };
        return Json(json!({ "UnprocessedItems": left }));
    }
    let (first, rest) = asked["Keys"].as_array().unwrap().split_first().unwrap();
    let item = json!({ "account": first["account"], "owner": { "S": "ad:1" } });
    let left = if rest.is_empty() { json!({}) } else { json!({ "AccountsTable": { "Keys": rest } }) };
    Json(json!({ "Responses": { "AccountsTable": [item] }, "UnprocessedKeys": left }))
}

#[tokio::test]
async fn unprocessed_items_are_tried_again() {
    let written = Arc::new(Mutex::new(Vec::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer_one).with_state(written.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let copy = DynamoAccountCopy::new(&Client::new(&emulated(&endpoint, "test")), "AccountsTable");
    let names = ["aisyah", "farid", "mei"].map(str::to_owned);
    let mut found = copy.logins(&names).await.unwrap();
    found.sort_by(|one, other| one.login.cmp(&other.login));
    assert_eq!(
        found.iter().map(|claims| &claims.login).collect::<Vec<_>>(),
        [&names[0], &names[1], &names[2]]
    );
    copy.put_logins(&found).await.unwrap();
    assert_eq!(*written.lock().unwrap(), ["login/aisyah", "login/farid", "login/mei"]);
}
