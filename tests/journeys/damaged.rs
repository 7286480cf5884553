//! Items of another version, items that are nonsense, and items that should have been removed long ago: nobody gets in by
//! them, and nobody is kept out for longer than they were to be kept.

use aws_sdk_dynamodb::types::AttributeValue;
use rekey_tests::people::{AISYAH, NEW_NUMBER};
use rekey_tests::world::LAPTOP;
use rekey_tests::{Phone, Saying, World};
use serde_json::json;

use crate::security_info::{aisyah, entry, kinds, register_passkey, register_phone, token, verify};

/// Gives an attribute of every item of a table that has it another value.
async fn damage(world: &World, table: &str, name: &str, value: &AttributeValue) {
    let mut hit = 0;
    for mut item in world.client.scan().table_name(table).send().await.unwrap().items.unwrap() {
        if item.contains_key(name) {
            item.insert(name.to_owned(), value.clone());
            world.client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
            hit += 1;
        }
    }
    assert!(hit > 0, "nothing has {name}");
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

#[tokio::test]
async fn a_session_that_can_not_be_read_is_none() {
    for (name, value) in [
        ("session", text("")),
        ("session", text(r#"{"account":"aisyah","generation":0}"#)),
        ("session", AttributeValue::Bool(true)),
        ("rev", text("1")),
        ("expires_at", text("soon")),
    ] {
        let world = World::new().await;
        let mut browser = aisyah(&world).await;
        damage(&world, "FlowsTable", name, &value).await;
        assert_eq!(
            browser.clone().add("mobile", NEW_NUMBER).await.problem(),
            (410, "flow-ended".into()),
            "{name}"
        );
        assert_eq!(browser.get("/security-info").await.page(), "sign-in", "{name}");
        assert_eq!(browser.sign_in("aisyah").await.page(), "second-step", "{name}: the person begins anew");
    }
}

#[tokio::test]
async fn a_request_to_approve_that_can_not_be_read_is_none() {
    for (name, value) in [
        ("number", AttributeValue::Bool(true)),
        ("asker", text("{")),
        ("request", text("")),
        ("blocked_until", text("for ever")),
    ] {
        let world = World::new().await;
        let mut phone = Phone::of(&world, 1, &AISYAH).await;
        let (mut session, mut reset) = (world.browser(), world.browser());
        session.sign_in("aisyah").await;
        reset.open("aisyah", "forgotten").await;
        let number = reset.send_push().await.json()["number"].as_str().unwrap().to_owned();
        let request = phone.request().await;
        damage(&world, "FlowsTable", name, &value).await;
        if name != "blocked_until" {
            assert!(phone.requests().await.is_empty(), "{name}");
            assert_eq!(
                phone.approve(&request, &number).await.problem(),
                (422, "code-spent".into()),
                "{name}"
            );
            assert_eq!(reset.approved().await.problem(), (409, "out-of-step".into()), "{name}");
        }
        assert_eq!(reset.get("/code").await.page(), "approval", "{name}");
        world.clock.advance(90);
        assert_eq!(reset.get("/code").await.json()["status"], "ended", "{name}");
        let blocked = verify(&mut session, json!({ "method": "push" })).await;
        assert_eq!(blocked.status, if name == "blocked_until" { 422 } else { 200 }, "{name}");
        // The item lies there still, an hour after its end.
        world.clock.advance(3_600);
        let mut next = world.browser();
        next.sign_in("aisyah").await;
        let number = verify(&mut next, json!({ "method": "push" })).await.json()["number"].clone();
        let request = phone.request().await;
        assert_eq!(phone.approve(&request, number.as_str().unwrap()).await.status, 200, "{name}");
        assert_eq!(verify(&mut next, json!({ "method": "push" })).await.page(), "security-info", "{name}");
    }
}

#[tokio::test]
async fn a_pairing_that_can_not_be_read_is_none() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    for name in ["device", "account", "session"] {
        let asked = browser.add("authenticator", "").await.json();
        damage(&world, "FlowsTable", name, &AttributeValue::Bool(true)).await;
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

/// Its owner uses the other, sees both, takes the spoilt one away and makes another.
#[tokio::test]
async fn a_passkey_that_can_not_be_read_spoils_no_other() {
    let world = World::new().await;
    let mut owner = aisyah(&world).await;
    register_passkey(&mut owner, LAPTOP).await;
    damage(&world, "SecurityInfoTable", "credential", &text("{}")).await;
    damage(&world, "SecurityInfoTable", "lifts_from", &AttributeValue::Bool(true)).await;
    let mut passkey = register_passkey(&mut owner, LAPTOP).await;

    let mut next = world.browser();
    let options = next.sign_in("aisyah").await.json()["options"].clone();
    let assertion = passkey.answer(&options, &Saying::at(LAPTOP));
    let list = verify(&mut next, json!({ "method": "passkey", "assertion": assertion })).await.json();
    let passkeys = kinds(&list).into_iter().filter(|kind| kind == "passkey").count();
    assert_eq!(passkeys, 2, "{list}");
    let spoilt = entry(&list, "passkey")["id"].clone();
    let list = next.post("/security-info/remove", json!({ "id": spoilt })).await.json();
    assert_ne!(entry(&list, "passkey")["id"], spoilt);
}

#[tokio::test]
async fn a_ledger_that_can_not_be_read_keeps_nobody_from_their_codes() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    browser.send_email().await;
    for (name, value) in [("ledger", text("{}?")), ("rev", text("1"))] {
        damage(&world, "BudgetsTable", name, &value).await;
        let mut browser = world.browser();
        browser.open("aisyah", "forgotten").await;
        assert_eq!(browser.send_email().await.page(), "code", "{name}");
    }
}

/// Nothing is removed here when its time is over, as it may be for days in the cloud.
#[tokio::test]
async fn what_should_have_been_removed_long_ago_is_not_there() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
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
