//! Every request that `/security-info` accepts, in every state of a session.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use rekey_tests::fixtures::{AISYAH, NEW_NUMBER, NEWCOMER, Person};
use rekey_tests::world::LOCALHOST_ORIGIN;
use rekey_tests::{Browser, CeremonyOptions, Passkey, Phone, World};
use serde_json::{Value, json};
use shared::domain::account::{Account, AccountState};

use crate::security_info::{app_code, token, verify};

/// Every request of a session. It loads the pages of the list, the second step and the waiting entry. It requests a
/// code, adds an entry, and confirms it by six kinds of answers. It removes an entry, confirms the list, and signs
/// out.
const ACTIONS: [&str; 14] = [
    "list",
    "step",
    "sheet",
    "verify",
    "add",
    "mobile",
    "mail",
    "totp",
    "device",
    "passkey",
    "codes",
    "remove",
    "reconfirm",
    "sign-out",
];

/// The result of each of [`ACTIONS`] in a state. Pages: `i` sign-in, `d` second step, `L` list, `c` confirmation of an
/// entry. Refusals: `e` session ended, `s` second step required first. `n` no such challenge or entry is waiting, `m`
/// no method for a second step.
const STATES: [(&str, &str); 15] = [
    ("none", "ieeeeeeeeeeeei"),
    ("first", "LdnmcnnnnnnLLi"),
    ("due", "ddsdsssssssssi"),
    ("verified", "LdndcnnnnnnLLi"),
    ("stale", "LdsdssssssssLi"),
    ("mobile", "LdcdcLnnnnnLLi"),
    ("mail", "LdcdcnLnnnnLLi"),
    ("totp", "LdcdcnnLnnnLLi"),
    ("device", "LdcdcnnnLnnLLi"),
    ("passkey", "LdcdcnnnnLnLLi"),
    ("codes", "LdcdcnnnnnLLLi"),
    ("overtaken", "eeeeeennnnneei"),
    ("ended", "ieeeeeeeeeeeei"),
    ("expired", "ieeeeeeeeeeeei"),
    ("switched-off", "ieeeeeeeeeeeei"),
];

/// Returns a browser in a state, and the answer that confirms its waiting entry.
async fn in_state(state: &str) -> (Arc<World>, Browser, Value) {
    let world = World::new().await;
    world.register(&NEWCOMER).await;
    let mut browser = world.browser();
    let mut answer = json!({});
    match state {
        "none" => return (world, browser, answer),
        "first" => {
            browser.sign_in("newcomer").await;
            return (world, browser, answer);
        }
        _ => assert_eq!(browser.sign_in("aisyah").await.page(), "second-step"),
    }
    if state == "due" {
        return (world, browser, answer);
    }
    assert_eq!(browser.second_step(&world.app_code(0)).await.page(), "security-info");
    let (kind, value) = match state {
        "mobile" | "overtaken" | "switched-off" => ("mobile", NEW_NUMBER),
        "mail" => ("alternate_email", "new@mail.example"),
        "totp" => ("totp", ""),
        "device" => ("authenticator", ""),
        "passkey" => ("passkey", ""),
        "codes" => ("recovery_codes", ""),
        _ => ("", ""),
    };
    if !kind.is_empty() {
        let asked = browser.add(kind, value).await.json();
        answer = json!({ "id": asked["id"] });
        match kind {
            "totp" => answer["code"] = json!(app_code(&world, &asked)),
            "authenticator" => {
                answer["code"] = Phone::new(&world, 1).pair(&token(&asked)).await.json()["code"].clone();
            }
            "passkey" => {
                answer["assertion"] =
                    json!(Passkey::create(&asked["options"], &CeremonyOptions::at(LOCALHOST_ORIGIN)).1);
            }
            "recovery_codes" => {}
            _ => answer["code"] = json!(world.last_code()),
        }
        // The wait before another code is over.
        world.clock.advance(30);
    }
    match state {
        "stale" => world.clock.advance(600),
        "overtaken" => {
            let mut reset = world.browser();
            reset.open("aisyah", "locked").await;
            reset.send_email().await;
            reset.code(&world.last_code()).await;
            reset.send_phone("sms", "012-345 6798").await;
            reset.code(&world.last_code()).await;
            assert_eq!(reset.post("/unlock", json!({})).await.page(), "done");
        }
        "ended" => {
            browser.clone().post("/security-info/sign-out", json!({})).await;
        }
        "expired" => world.clock.advance(900),
        "switched-off" => {
            let account = Account { state: AccountState::Disabled, ..AISYAH.account() };
            world.put_account(&account, Some(Person::PASSWORD)).await;
        }
        _ => {}
    }
    (world, browser, answer)
}

/// Returns a well-formed request; `answer` confirms the waiting entry.
fn action_request(act: &str, answer: &Value) -> (Method, &'static str, Value) {
    let post = |path, body| (Method::POST, path, body);
    let confirm = |kind: &str, id: &str, field: &str, right: &str| {
        let is_awaited = answer["id"].as_str().is_some_and(|id| id.split('.').next() == Some(kind));
        let body = if is_awaited { answer.clone() } else { json!({ "id": id, field: right }) };
        post("/security-info/confirm", body)
    };
    match act {
        "list" => (Method::GET, "/security-info", Value::Null),
        "step" => (Method::GET, "/security-info/verify", Value::Null),
        "sheet" => (Method::GET, "/security-info/confirm", Value::Null),
        "verify" => post("/security-info/verify", json!({ "method": "email" })),
        "add" => post("/security-info/add", json!({ "kind": "office_phone", "value": "+60387654321" })),
        "mobile" => confirm("mobile", "mobile", "code", "12345678"),
        "mail" => confirm("alternate_email", "alternate_email", "code", "12345678"),
        "totp" => confirm("totp", "totp", "code", "123456"),
        "device" => confirm("authenticator", "authenticator.0123456789abcdef", "code", "123456"),
        "passkey" => {
            let options =
                json!({ "rp": { "id": "localhost" }, "user": { "id": "AAAA" }, "challenge": "AAAA" });
            let made = Passkey::create(&options, &CeremonyOptions::at(LOCALHOST_ORIGIN)).1;
            confirm("passkey", "passkey.0123456789abcdef", "assertion", &made)
        }
        "codes" => confirm("recovery_codes", "recovery_codes", "code", "0123-4567-89AB-CDEF"),
        "remove" => post("/security-info/remove", json!({ "id": "totp" })),
        "reconfirm" => post("/security-info/reconfirm", json!({})),
        _ => post("/security-info/sign-out", json!({})),
    }
}

/// Returns the letter of a response in [`STATES`].
fn sign(status: u16, body: &Value) -> char {
    match (status, body["code"].as_str(), body["page"].as_str()) {
        (200, _, Some("sign-in")) => 'i',
        (200, _, Some("second-step")) => 'd',
        (200, _, Some("security-info")) => 'L',
        (200, _, Some("confirm")) => 'c',
        (410, Some("flow-ended"), None) => 'e',
        (409, Some("out-of-step"), Some("second-step")) => 's',
        (409, Some("out-of-step"), Some("security-info")) => 'n',
        (422, Some("method-unavailable"), None) => 'm',
        _ => panic!("{status} {body}"),
    }
}

type Items = Vec<HashMap<String, AttributeValue>>;

/// The tables that a session changes, with the key attributes of each.
const TABLES: [(&str, &[&str]); 3] =
    [("FlowsTable", &["flow"]), ("SecurityInfoTable", &["account", "item"]), ("BudgetsTable", &["budget"])];

async fn items(world: &World) -> [Items; 3] {
    let mut all = [const { Items::new() }; 3];
    for (items, (table, _)) in all.iter_mut().zip(TABLES) {
        *items = world.client.scan().table_name(table).send().await.unwrap().items.unwrap();
        items.sort_by_key(|item| {
            let mut names: Vec<_> = item.iter().map(|(name, value)| format!("{name}{value:?}")).collect();
            names.sort();
            names
        });
    }
    all
}

async fn restore(world: &World, before: &[Items; 3]) {
    for ((now, before), (table, key)) in items(world).await.iter().zip(before).zip(TABLES) {
        for item in now {
            let key = item.clone().into_iter().filter(|(name, _)| key.contains(&name.as_str())).collect();
            world.client.delete_item().table_name(table).set_key(Some(key)).send().await.unwrap();
        }
        for item in before {
            world.client.put_item().table_name(table).set_item(Some(item.clone())).send().await.unwrap();
        }
    }
}

/// As for resets: only requests in order succeed. A refused one changes no enrolled method, sends nothing and reveals
/// nothing.
/// Controls: C-042.
#[tokio::test]
async fn session_accepts_only_actions_of_its_state() {
    let mut wrong = Vec::new();
    for (state, expected) in STATES {
        let (world, browser, answer) = in_state(state).await;
        let before = items(&world).await;
        let mut found = String::new();
        for name in ACTIONS {
            let (method, path, body) = action_request(name, &answer);
            let queued = world.messages().len();
            let mut browser = browser.clone();
            let came = match method {
                Method::GET => browser.get(path).await,
                _ => browser.post(path, body).await,
            };
            let sign = sign(came.status.as_u16(), &came.json());
            found.push(sign);
            if !"Lcd".contains(sign) {
                assert_eq!(items(&world).await[1], before[1], "{name} in {state}");
                assert_eq!(world.messages().len(), queued, "{name} in {state}");
                assert!(!came.text().contains("masked"), "{name} in {state}: {}", came.text());
            }
            restore(&world, &before).await;
        }
        if found != expected {
            wrong.push((state, found, expected));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A second-step challenge has one method: neither a code of another method nor a missing approval verifies it.
/// Controls: C-042.
#[tokio::test]
async fn pending_second_step_accepts_only_its_method() {
    let world = World::new().await;
    Phone::enrolled(&world, 1, &AISYAH).await;
    let mut browser = world.browser();
    browser.sign_in("aisyah").await;
    assert_eq!(verify(&mut browser, json!({ "method": "push" })).await.page(), "second-step");
    for method in ["email", "sms", "mobile_call", "office_call"] {
        let answer = verify(&mut browser, json!({ "method": method, "code": "12345678" })).await;
        assert_eq!(answer.problem(), (422, "code-spent".into()), "{method}");
    }
    assert_eq!(verify(&mut browser, json!({ "method": "push" })).await.page(), "second-step", "not yet");
    verify(&mut browser, json!({ "method": "email" })).await;
    let code = world.last_code();
    for method in ["sms", "mobile_call", "office_call"] {
        let answer = verify(&mut browser, json!({ "method": method, "code": code })).await;
        assert_eq!(answer.problem(), (422, "code-spent".into()), "{method}");
    }
    assert_eq!(
        verify(&mut browser, json!({ "method": "totp", "code": code })).await.problem().1,
        "code-wrong"
    );
    assert_eq!(browser.get("/security-info").await.page(), "second-step");
    let answer = verify(&mut browser, json!({ "method": "email", "code": code })).await;
    assert_eq!(answer.page(), "security-info", "nothing of that cost it");
}
