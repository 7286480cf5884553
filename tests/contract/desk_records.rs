//! The store of what the help desk did for each person.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use shared::domain::account::AccountId;
use shared::domain::help_desk::{Agent, CheckedBy, DeskRecord};
use shared::domain::time::Timestamp;

use crate::stores::{Stores, corrupt_variants, on_every_store, put};

on_every_store!(
    desk_record_is_replaced_by_revision;
    at_once: concurrent_desk_records_are_stored_once;
    in_tables: unreadable_desk_record_is_not_an_empty_one;
    in_tables_at_once:
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);
const KEPT_UNTIL: Timestamp = Timestamp::from_seconds(1_796_184_000);

fn account(id: &str) -> AccountId {
    AccountId::from_directory(id).unwrap()
}

fn checked() -> DeskRecord {
    let mut record = DeskRecord::default();
    let agent = Agent::parse("arn:aws:iam::123456789012:user/m.lim", "123456789012").unwrap();
    record.note_check(CheckedBy::App, &agent, NOW);
    record
}

/// Controls: C-024.
async fn desk_record_is_replaced_by_revision(stores: &Stores) {
    let (records, aisyah) = (stores.desk_records.clone(), account("aisyah"));
    let found = records.desk_record(&aisyah).await.unwrap();
    assert_eq!((found.revision, &found.value), (0, &DeskRecord::default()));
    let replace =
        async |revision| records.replace_desk_record(&aisyah, revision, &checked(), KEPT_UNTIL).await;
    assert!(!replace(1).await.unwrap(), "there is nothing to replace");
    assert!(replace(0).await.unwrap());
    assert!(!replace(0).await.unwrap(), "it is another request's");
    assert!(replace(1).await.unwrap());
    let found = records.desk_record(&aisyah).await.unwrap();
    assert_eq!((found.revision, found.value), (2, checked()));
    // The limit log of the account is another item.
    let log = stores.rate_limits.limit_log(&aisyah).await.unwrap();
    assert_eq!(log.revision, 0);
    assert_eq!(records.desk_record(&account("mei")).await.unwrap().revision, 0);
}

/// Controls: C-024.
async fn concurrent_desk_records_are_stored_once(stores: &Stores) {
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let records = stores.desk_records.clone();
        tasks.push(tokio::spawn(async move {
            records.replace_desk_record(&account("aisyah"), 0, &checked(), KEPT_UNTIL).await.unwrap()
        }));
    }
    let mut accepted = 0;
    for task in tasks {
        accepted += u8::from(task.await.unwrap());
    }
    assert_eq!(accepted, 1);
}

/// An empty record would allow another pass.
/// Controls: C-223.
async fn unreadable_desk_record_is_not_an_empty_one(client: &Client) {
    let records = Stores::in_tables(client).desk_records;
    let (aisyah, mei) = (account("aisyah"), account("mei"));
    for account in [&aisyah, &mei] {
        assert!(records.replace_desk_record(account, 0, &checked(), KEPT_UNTIL).await.unwrap());
    }
    let key = [("budget".to_owned(), AttributeValue::S("desk#aisyah".to_owned()))];
    for (what, name) in corrupt_variants(client, "BudgetsTable", &key, &["budget", "ttl"]).await {
        put(client, "BudgetsTable", what).await;
        assert!(records.desk_record(&aisyah).await.is_err(), "{name}");
        assert_eq!(records.desk_record(&mei).await.unwrap().value, checked(), "{name}");
    }
}
