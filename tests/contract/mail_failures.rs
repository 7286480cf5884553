//! The store of mail that did not arrive.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use shared::domain::contact::EmailAddress;
use shared::domain::mail_failure::{FailedMailbox, KEPT, MailFailure, MailFailureKind};
use shared::domain::time::{Seconds, Timestamp};

use crate::stores::{Stores, contacts, corrupt_variants, on_every_store, put};

on_every_store!(
    latest_mail_failure_is_kept_until_it_expires,
    confirmation_outlasts_earlier_mail_failures;
    at_once: concurrent_mail_failures_leave_the_latest;
    in_tables: unreadable_mail_failure_is_an_error,
    mail_failure_expires_by_ttl;
    in_tables_at_once:
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);

fn mailbox(address: &str) -> FailedMailbox {
    FailedMailbox::of(&EmailAddress::from_stored(address.into()), &contacts()).unwrap()
}

fn aisyah() -> FailedMailbox {
    mailbox("aisyah@mail.example")
}

fn failure(kind: MailFailureKind, after: u32) -> MailFailure {
    MailFailure { kind, at: NOW + Seconds(after) }
}

/// Controls: C-280.
async fn latest_mail_failure_is_kept_until_it_expires(stores: &Stores) {
    let (store, aisyah) = (&stores.mail_failures, aisyah());
    assert_eq!(store.mail_failure(&aisyah, NOW).await.unwrap(), None);
    let (bounce, complaint) =
        (failure(MailFailureKind::Bounced, 0), failure(MailFailureKind::Complained, 60));
    store.record_mail_failure(&aisyah, &bounce).await.unwrap();
    assert_eq!(store.mail_failure(&aisyah, NOW).await.unwrap(), Some(bounce));
    store.record_mail_failure(&aisyah, &complaint).await.unwrap();
    store.record_mail_failure(&aisyah, &bounce).await.unwrap();
    assert_eq!(store.mail_failure(&aisyah, NOW).await.unwrap(), Some(complaint), "a repetition is older");
    assert_eq!(store.mail_failure(&mailbox("mei@mail.example"), NOW).await.unwrap(), None);
    let end = complaint.at + KEPT;
    let just_before = Timestamp::from_seconds(end.as_seconds() - 1);
    assert_eq!(store.mail_failure(&aisyah, just_before).await.unwrap(), Some(complaint));
    assert_eq!(store.mail_failure(&aisyah, end).await.unwrap(), None);
}

/// Controls: C-280.
async fn confirmation_outlasts_earlier_mail_failures(stores: &Stores) {
    let (store, aisyah) = (&stores.mail_failures, aisyah());
    let at = |after: u32| NOW + Seconds(after);
    store.clear_mail_failure(&aisyah, NOW).await.unwrap();
    let bounce = failure(MailFailureKind::Bounced, 10);
    store.record_mail_failure(&aisyah, &bounce).await.unwrap();
    store.clear_mail_failure(&aisyah, at(9)).await.unwrap();
    assert_eq!(store.mail_failure(&aisyah, at(20)).await.unwrap(), Some(bounce), "it is later");
    store.clear_mail_failure(&aisyah, at(20)).await.unwrap();
    assert_eq!(store.mail_failure(&aisyah, at(20)).await.unwrap(), None);
    store.record_mail_failure(&aisyah, &failure(MailFailureKind::Bounced, 15)).await.unwrap();
    assert_eq!(store.mail_failure(&aisyah, at(20)).await.unwrap(), None, "it comes late");
    let later = failure(MailFailureKind::Bounced, 30);
    store.record_mail_failure(&aisyah, &later).await.unwrap();
    assert_eq!(store.mail_failure(&aisyah, at(30)).await.unwrap(), Some(later));
}

/// Controls: C-280.
async fn concurrent_mail_failures_leave_the_latest(stores: &Stores) {
    let mut tasks = Vec::new();
    for after in 0..8 {
        let store = stores.mail_failures.clone();
        tasks.push(tokio::spawn(async move {
            store.record_mail_failure(&aisyah(), &failure(MailFailureKind::Bounced, after)).await.unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let kept = stores.mail_failures.mail_failure(&aisyah(), NOW).await.unwrap();
    assert_eq!(kept, Some(failure(MailFailureKind::Bounced, 7)));
}

/// Without its kind an item tells that mail arrives; any other damage is told.
/// Controls: C-280.
async fn unreadable_mail_failure_is_an_error(client: &Client) {
    let store = Stores::in_tables(client).mail_failures;
    let (aisyah, mei) = (aisyah(), mailbox("mei@mail.example"));
    let bounce = failure(MailFailureKind::Bounced, 0);
    for mailbox in [&aisyah, &mei] {
        store.record_mail_failure(mailbox, &bounce).await.unwrap();
    }
    let key = [("budget".to_owned(), AttributeValue::S(aisyah.key()))];
    for (what, name) in corrupt_variants(client, "BudgetsTable", &key, &["budget", "ttl"]).await {
        put(client, "BudgetsTable", what).await;
        let read = store.mail_failure(&aisyah, NOW).await;
        assert_eq!(read.is_err(), name != "kind is gone", "{name}");
        assert_eq!(store.mail_failure(&mei, NOW).await.unwrap(), Some(bounce), "{name}");
    }
}

async fn mail_failure_expires_by_ttl(client: &Client) {
    let store = Stores::in_tables(client).mail_failures;
    store.record_mail_failure(&aisyah(), &failure(MailFailureKind::Bounced, 0)).await.unwrap();
    let read = client.get_item().table_name("BudgetsTable").key("budget", AttributeValue::S(aisyah().key()));
    let item = read.send().await.unwrap().item.unwrap();
    assert_eq!(item["ttl"].as_n().unwrap(), &(NOW + KEPT).as_seconds().to_string());
}
