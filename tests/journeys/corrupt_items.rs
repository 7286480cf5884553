//! Items of another version, corrupt items, and expired items that still exist. None of them grants access, and none
//! denies it for longer than intended.

use aws_sdk_dynamodb::types::AttributeValue;
use rekey_tests::fixtures::{AISYAH, NEW_NUMBER, Person};
use rekey_tests::world::LOCALHOST_ORIGIN;
use rekey_tests::{CeremonyOptions, Phone, SignIn, World};
use serde_json::json;
use shared::domain::holder::HolderId;
use shared::domain::time::Seconds;
use shared::ports::{LeaseHolder, LeaseOutcome, LeaseStore as _};

use crate::security_info::{
    aisyah, entry, kinds, register_passkey, register_phone, token, verified_twice, verify,
};

/// Sets an attribute of every item in a table that has it.
async fn corrupt(world: &World, table: &str, name: &str, value: &AttributeValue) {
    rewrite(world, table, name, |_| value.clone()).await;
}

/// Stores a time in milliseconds instead of seconds.
async fn in_milliseconds(world: &World, table: &str, name: &str) {
    rewrite(world, table, name, |value| AttributeValue::N(format!("{}000", value.as_n().unwrap()))).await;
}

/// The same for times within JSON text: every number that is a plausible time in seconds.
async fn text_in_milliseconds(world: &World, table: &str, name: &str) {
    rewrite(world, table, name, |value| {
        let mut text = String::new();
        for part in value.as_s().unwrap().split_inclusive(|c: char| !c.is_ascii_digit()) {
            let digits = part.trim_end_matches(|c: char| !c.is_ascii_digit());
            let is_time = digits.len() == 10 && digits.starts_with("17");
            text.push_str(digits);
            text.push_str(if is_time { "000" } else { "" });
            text.push_str(&part[digits.len()..]);
        }
        assert_ne!(&text, value.as_s().unwrap(), "no time is in it");
        AttributeValue::S(text)
    })
    .await;
}

async fn rewrite(world: &World, table: &str, name: &str, change: impl Fn(&AttributeValue) -> AttributeValue) {
    let mut hit = 0;
    for mut item in world.client.scan().table_name(table).send().await.unwrap().items.unwrap() {
        if let Some(value) = item.get(name) {
            let value = change(value);
            item.insert(name.to_owned(), value);
            world.client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
            hit += 1;
        }
    }
    assert!(hit > 0, "nothing has {name}");
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// Controls: C-071.
#[tokio::test]
async fn unreadable_session_is_treated_as_absent() {
    for (name, value) in [
        ("session", text("")),
        ("session", text(r#"{"account":"aisyah","generation":0}"#)),
        ("session", AttributeValue::Bool(true)),
        ("rev", text("1")),
        ("expires_at", text("soon")),
    ] {
        let world = World::new().await;
        let mut browser = aisyah(&world).await;
        corrupt(&world, "FlowsTable", name, &value).await;
        assert_eq!(
            browser.clone().add("mobile", NEW_NUMBER).await.problem(),
            (410, "flow-ended".into()),
            "{name}"
        );
        assert_eq!(browser.get("/security-info").await.page(), "sign-in", "{name}");
        assert_eq!(browser.sign_in("aisyah").await.page(), "second-step", "{name}: the person begins anew");
    }
}

/// Controls: C-071.
#[tokio::test]
async fn unreadable_approval_request_is_treated_as_absent() {
    for (name, value) in [
        ("number", AttributeValue::Bool(true)),
        ("asker", text("{")),
        ("request", text("")),
        ("blocked_until", text("for ever")),
    ] {
        let world = World::new().await;
        let mut phone = Phone::enrolled(&world, 1, &AISYAH).await;
        let (mut session, mut reset) = (world.browser(), world.browser());
        session.sign_in("aisyah").await;
        reset.open("aisyah", "forgotten").await;
        let number = reset.send_push().await.json()["number"].as_str().unwrap().to_owned();
        let request = phone.request().await;
        corrupt(&world, "FlowsTable", name, &value).await;
        if name != "blocked_until" {
            assert!(phone.requests().await.is_empty(), "{name}");
            assert_eq!(
                phone.approve(&request, &number).await.problem(),
                (422, "code-spent".into()),
                "{name}"
            );
            assert_eq!(reset.approved().await.problem(), (422, "code-spent".into()), "{name}");
        }
        assert_eq!(reset.get("/code").await.page(), "approval", "{name}");
        world.clock.advance(90);
        assert_eq!(reset.get("/code").await.json()["status"], "ended", "{name}");
        let blocked = verify(&mut session, json!({ "method": "push" })).await;
        assert_eq!(blocked.status, if name == "blocked_until" { 422 } else { 200 }, "{name}");
        // The item still exists an hour after its expiry.
        world.clock.advance(3_600);
        let mut next = world.browser();
        next.sign_in("aisyah").await;
        let number = verify(&mut next, json!({ "method": "push" })).await.json()["number"].clone();
        let request = phone.request().await;
        assert_eq!(phone.approve(&request, number.as_str().unwrap()).await.status, 200, "{name}");
        assert_eq!(verify(&mut next, json!({ "method": "push" })).await.page(), "security-info", "{name}");
    }
}

/// Controls: C-071.
#[tokio::test]
async fn unreadable_pairing_is_treated_as_absent() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    for name in ["device", "account", "session"] {
        let asked = browser.add("authenticator", "").await.json();
        corrupt(&world, "FlowsTable", name, &AttributeValue::Bool(true)).await;
        if name == "session" {
            browser = world.browser();
            browser.sign_in("aisyah").await;
            world.clock.advance(30);
            assert_eq!(browser.second_step(&world.app_code(0)).await.page(), "security-info");
        }
        let spent = (422, "code-spent".to_owned());
        assert_eq!(Phone::new(&world, 1).pair(&token(&asked)).await.problem(), spent, "{name}");
        if name != "session" {
            let id = asked["id"].as_str().unwrap();
            assert_eq!(browser.confirm(id, "123456").await.problem().0, 422, "{name}");
        }
    }
    register_phone(&world, &mut browser, 1).await;
}

/// The owner uses the other passkey, sees both, removes the corrupt one and enrols a new one.
/// Controls: C-071.
#[tokio::test]
async fn unreadable_passkey_leaves_other_passkeys_usable() {
    let world = World::new().await;
    let mut owner = verified_twice(&world).await;
    register_passkey(&mut owner, LOCALHOST_ORIGIN).await;
    corrupt(&world, "SecurityInfoTable", "credential", &text("{}")).await;
    corrupt(&world, "SecurityInfoTable", "lifts_from", &AttributeValue::Bool(true)).await;
    let mut passkey = register_passkey(&mut owner, LOCALHOST_ORIGIN).await;

    let mut next = world.browser();
    let options = next.sign_in("aisyah").await.json()["options"].clone();
    let assertion = passkey.answer(&options, &CeremonyOptions::at(LOCALHOST_ORIGIN));
    let list = verify(&mut next, json!({ "method": "passkey", "assertion": assertion })).await.json();
    let passkeys = kinds(&list).into_iter().filter(|kind| kind == "passkey").count();
    assert_eq!(passkeys, 2, "{list}");
    let corrupted = entry(&list, "passkey")["id"].clone();
    let list = next.post("/security-info/remove", json!({ "id": corrupted })).await.json();
    assert_ne!(entry(&list, "passkey")["id"], corrupted);
}

/// Controls: C-071.
#[tokio::test]
async fn unreadable_rate_limit_does_not_block_codes() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    browser.send_email().await;
    for (name, value) in [("ledger", text("{}?")), ("rev", text("1"))] {
        corrupt(&world, "BudgetsTable", name, &value).await;
        let mut browser = world.browser();
        browser.open("aisyah", "forgotten").await;
        assert_eq!(browser.send_email().await.page(), "code", "{name}");
    }
}

/// DynamoDB may delete expired items days later, so this test deletes none.
/// Controls: C-039.
#[tokio::test]
async fn expired_but_undeleted_items_are_ignored() {
    let world = World::new().await;
    let mut browser = verified_twice(&world).await;
    let mut phone = register_phone(&world, &mut browser, 1).await;
    let asked = browser.add("authenticator", "").await.json();
    let (mut approved, mut reset) = (world.browser(), world.browser());
    approved.sign_in("aisyah").await;
    let page = verify(&mut approved, json!({ "method": "push" })).await.json();
    let request = phone.request().await;
    assert_eq!(phone.approve(&request, page["number"].as_str().unwrap()).await.status, 200);
    reset.open("aisyah", "forgotten").await;

    world.clock.advance(400 * 86_400);
    for (path, body) in [
        ("/security-info/verify", json!({ "method": "push" })),
        ("/security-info/confirm", json!({ "id": asked["id"], "code": "123456" })),
    ] {
        for browser in [&mut browser, &mut approved] {
            assert_eq!(browser.clone().post(path, body.clone()).await.problem(), (410, "flow-ended".into()));
            assert_eq!(browser.get("/security-info").await.page(), "sign-in");
        }
    }
    assert_eq!(reset.send_push().await.problem(), (410, "flow-ended".into()));
    assert_eq!(Phone::new(&world, 2).pair(&token(&asked)).await.problem(), (422, "code-spent".into()));
    assert!(phone.requests().await.is_empty());
    let mut next = world.browser();
    next.sign_in("aisyah").await;
    let page = verify(&mut next, json!({ "method": "push" })).await.json();
    assert_eq!(
        verify(&mut next, json!({ "method": "push" })).await.page(),
        "second-step",
        "the old word is another's"
    );
    let request = phone.request().await;
    phone.approve(&request, page["number"].as_str().unwrap()).await;
    assert_eq!(verify(&mut next, json!({ "method": "push" })).await.page(), "security-info");
}

/// Controls: C-039.
#[tokio::test]
async fn flow_with_an_expiry_in_milliseconds_is_over() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    browser.send_email().await;
    let code = world.last_code();
    in_milliseconds(&world, "FlowsTable", "expires_at").await;
    let ended = (410, "flow-ended".to_owned());
    assert_eq!(browser.clone().code(&code).await.problem(), ended);
    assert_eq!(browser.clone().totp(&world.app_code(0)).await.problem(), ended);
    assert_eq!(browser.send_email().await.problem(), ended);
    assert_eq!(browser.get("/code").await.problem(), ended);
}

/// Controls: C-028.
#[tokio::test]
async fn code_with_an_expiry_in_milliseconds_is_spent() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    browser.send_email().await;
    in_milliseconds(&world, "FlowsTable", "code_expires_at").await;
    assert_eq!(browser.code(&world.last_code()).await.problem(), (422, "code-spent".into()));
    world.clock.advance(30);
    assert_eq!(browser.send_email().await.page(), "code");
    assert_eq!(browser.code(&world.last_code()).await.page(), "method");
}

/// Controls: C-039.
#[tokio::test]
async fn session_with_an_expiry_in_milliseconds_is_over() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    in_milliseconds(&world, "FlowsTable", "expires_at").await;
    assert_eq!(browser.clone().add("mobile", NEW_NUMBER).await.problem(), (410, "flow-ended".into()));
    assert_eq!(browser.get("/security-info").await.page(), "sign-in");
}

/// Neither a verified step nor a challenge stays valid for ever.
/// Controls: C-039.
#[tokio::test]
async fn session_times_in_milliseconds_verify_nothing() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    let mut asked = world.browser();
    asked.sign_in("aisyah").await;
    verify(&mut asked, json!({ "method": "email" })).await;
    text_in_milliseconds(&world, "FlowsTable", "session").await;
    assert_eq!(browser.add("mobile", NEW_NUMBER).await.problem(), (409, "out-of-step".into()));
    let typed = json!({ "method": "email", "code": world.last_code() });
    assert_eq!(verify(&mut asked, typed).await.problem(), (422, "code-spent".into()));
}

/// Controls: C-034.
#[tokio::test]
async fn request_with_an_expiry_in_milliseconds_is_over() {
    let world = World::new().await;
    let mut phone = Phone::enrolled(&world, 1, &AISYAH).await;
    let mut reset = world.browser();
    reset.open("aisyah", "forgotten").await;
    let number = reset.send_push().await.json()["number"].as_str().unwrap().to_owned();
    let request = phone.request().await;
    rewrite(&world, "FlowsTable", "blocked_until", |_| AttributeValue::N("1".to_owned() + &"0".repeat(12)))
        .await;
    let requests = || async {
        for mut item in world.client.scan().table_name("FlowsTable").send().await.unwrap().items.unwrap() {
            if let Some(AttributeValue::N(end)) =
                item.get("expires_at").filter(|_| item.contains_key("asker"))
            {
                let late = AttributeValue::N(format!("{end}000"));
                item.insert("expires_at".to_owned(), late);
                world.client.put_item().table_name("FlowsTable").set_item(Some(item)).send().await.unwrap();
            }
        }
    };
    requests().await;
    assert!(phone.requests().await.is_empty());
    assert_eq!(phone.approve(&request, &number).await.problem(), (422, "code-spent".into()));
    // It doesn't prevent another request either.
    let mut session = world.browser();
    session.sign_in("aisyah").await;
    assert_eq!(verify(&mut session, json!({ "method": "push" })).await.status, 200);
}

/// Controls: C-059.
#[tokio::test]
async fn pairing_with_an_expiry_in_milliseconds_is_over() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    let asked = browser.add("authenticator", "").await.json();
    for mut item in world.client.scan().table_name("FlowsTable").send().await.unwrap().items.unwrap() {
        if let Some(AttributeValue::N(end)) = item.get("expires_at").filter(|_| item.contains_key("device")) {
            let late = AttributeValue::N(format!("{end}000"));
            item.insert("expires_at".to_owned(), late);
            world.client.put_item().table_name("FlowsTable").set_item(Some(item)).send().await.unwrap();
        }
    }
    let paired = Phone::new(&world, 1).pair(&token(&asked)).await;
    assert_eq!(paired.problem(), (422, "code-spent".into()));
    register_phone(&world, &mut browser, 2).await;
}

/// Controls: C-073.
#[tokio::test]
async fn rate_limit_in_milliseconds_does_not_block_codes() {
    let world = World::new().await;
    for _ in 0..3 {
        let mut browser = world.browser();
        browser.open("aisyah", "forgotten").await;
        browser.send_email().await;
        world.clock.advance(30);
        browser.send_email().await;
    }
    text_in_milliseconds(&world, "BudgetsTable", "ledger").await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    assert_eq!(browser.send_email().await.page(), "code");
}

/// A lease that never expires would prevent its own flow from retrying.
/// Controls: C-022.
#[tokio::test]
async fn lease_with_expiry_in_milliseconds_has_expired() {
    let world = World::new().await;
    let flow = HolderId::from_bytes([7; 32]);
    let lease_holder =
        LeaseHolder { flow, generation: 0, limit: 2, verified_factors: &[], revokes_known_devices: false };
    let account = AISYAH.account().id;
    let lease = async || {
        let now = world.now();
        world.leases.acquire(&account, &lease_holder, now, now + Seconds(30)).await.unwrap()
    };
    assert_eq!(lease().await, LeaseOutcome::Acquired(1));
    assert_eq!(lease().await, LeaseOutcome::Busy);
    in_milliseconds(&world, "SecurityInfoTable", "lease_until").await;
    assert_eq!(lease().await, LeaseOutcome::Acquired(2));
}

/// Controls: C-066.
#[tokio::test]
async fn lockout_with_time_in_milliseconds_has_expired() {
    let world = World::new().await;
    for _ in 0..5 {
        world.sign_in("aisyah", "Salah-Sama-Sekali-1").await;
    }
    assert_eq!(world.sign_in("aisyah", Person::PASSWORD).await, SignIn::Locked);
    in_milliseconds(&world, "AccountsTable", "failed_at").await;
    assert_eq!(world.sign_in("aisyah", Person::PASSWORD).await, SignIn::Accepted);
}
