//! `cargo local` with tables in memory.

use std::sync::Arc;

use rekey_local::Options;
use rekey_tests::{Answer, Browser, Laptop};
use serde_json::{Value, json};

use crate::security_info::{entry, kinds, verify};

const NEW: &str = "Kancil-Lompat-42!";
const OLD: &str = "Kelantan-Wau-Bulan-3";

/// Resets Hafiz's password: mail, then the mobile.
async fn reset(laptop: &Arc<Laptop>) {
    let mut browser = laptop.browser();
    browser.open("hafiz", "forgotten").await;
    assert_eq!(browser.send_email().await.page(), "code");
    let mail = laptop.code("hafiz.i@mail.example").await;
    let wrong = if mail == "00000000" { "00000001" } else { "00000000" };
    assert_eq!(browser.code(wrong).await.problem(), (422, "code-wrong".to_owned()));
    assert_eq!(browser.code(&mail).await.page(), "method");
    assert_eq!(browser.send_phone("sms", "0111 222 3334").await.page(), "code");
    assert_eq!(browser.code(&laptop.code("+601112223334").await).await.page(), "password");
    assert_eq!(browser.password(NEW).await.json()["result"], "reset");
}

/// Signs Hafiz in with both steps; the second is a code by text.
async fn signed_in(laptop: &Arc<Laptop>) -> (Browser<Laptop>, Answer) {
    let mut browser = laptop.browser();
    assert_eq!(browser.sign_in_with("hafiz", NEW).await.page(), "second-step");
    laptop.local.outbox.clear();
    assert_eq!(verify(&mut browser, json!({ "method": "sms" })).await.page(), "second-step");
    let code = laptop.code("+601112223334").await;
    let list = verify(&mut browser, json!({ "method": "sms", "code": code })).await;
    assert_eq!(list.page(), "security-info");
    (browser, list)
}

/// Enrols another mailbox for Hafiz in the place of the imported one; the list as it then is.
async fn enrol_mailbox(laptop: &Laptop, browser: &mut Browser<Laptop>) -> Value {
    assert_eq!(browser.add("alternate_email", "hafiz@post.example").await.page(), "confirm");
    let code = laptop.code("hafiz@post.example").await;
    let list = browser.confirm("alternate_email", &code).await;
    assert_eq!(list.page(), "security-info");
    list.json()
}

#[tokio::test]
async fn reset_and_sign_in_work_with_tables_in_memory() {
    let laptop = Laptop::start(&Options { memory: true, ..Laptop::options() }).await;
    assert_eq!(laptop.browser().sign_in_with("hafiz", OLD).await.page(), "second-step");
    reset(&laptop).await;
    let told = laptop.messages(|all| all.iter().filter(|message| message.code.is_none()).count() == 3).await;
    let mut told: Vec<&str> =
        told.iter().filter(|message| message.code.is_none()).map(|message| message.to.as_str()).collect();
    told.sort_unstable();
    assert_eq!(told, ["+601112223334", "hafiz.i@mail.example", "hafiz@student.contoh.example"]);

    let refused = laptop.browser().sign_in_with("hafiz", OLD).await;
    assert_eq!(refused.problem().1, "sign-in-wrong");
    let (mut browser, list) = signed_in(&laptop).await;
    assert_eq!(kinds(&list.json()), ["alternate_email", "mobile"]);
    let list = enrol_mailbox(&laptop, &mut browser).await;
    let mailbox = entry(&list, "alternate_email");
    assert_ne!(mailbox["usable_from"], mailbox["added_at"], "it takes the place of another, and waits");

    let calls = laptop.local.cloud.calls();
    assert!(calls.keys().any(|call| call.action == "sqs:SendMessage"), "the queue stays");
    let at_a_store: Vec<_> = calls.keys().filter(|call| call.action.starts_with("dynamodb:")).collect();
    assert!(at_a_store.is_empty(), "{at_a_store:?}");
}

#[tokio::test]
async fn locked_account_is_unlocked_with_tables_in_memory() {
    let laptop = Laptop::start(&Options { memory: true, steps: Some(1), ..Laptop::options() }).await;
    let password = "Thaipusam-Kavadi-8";
    assert_eq!(laptop.browser().sign_in_with("priya", password).await.problem().1, "sign-in-wrong");
    let mut browser = laptop.browser();
    browser.open("priya", "locked").await;
    browser.send_email().await;
    assert_eq!(browser.code(&laptop.code("priya.s@mail.example").await).await.page(), "unlock");
    assert_eq!(browser.post("/unlock", json!({})).await.json()["result"], "unlocked");
    assert_eq!(laptop.browser().sign_in_with("priya", password).await.page(), "second-step");
}
