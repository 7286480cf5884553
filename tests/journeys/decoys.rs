//! Account enumeration: responses and calls are the same with and without an account.

use std::collections::BTreeMap;

use rekey_local::emulator::roles::Call;
use rekey_tests::fixtures::{AISYAH, Person};
use rekey_tests::{Answer, Browser, CeremonyOptions, Passkey, World};
use serde_json::{Value, json};
use shared::domain::passkey::Credential;
use shared::domain::recovery_code::{HashedWith, Sheet};
use shared::domain::security_info::{EntryId, Kind, Secret};
use shared::ports::{Clock as _, NewEntry};

/// Logins without a usable account: unknown, disabled, excluded, or with too few methods.
const DECOYS: [&str; 6] = ["nobody", "somebody", "student1", "daniel", "registrar", "mei"];

/// Replaces random and masked values, so that whole responses can be compared.
pub(crate) fn shape(answer: &Answer) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(map) => {
                for (key, value) in map.iter_mut() {
                    match key.as_str() {
                        "masked" => {
                            let text = value.as_str().unwrap();
                            *value = json!(
                                text.chars()
                                    .map(|c| if c.is_alphanumeric() { 'x' } else { c })
                                    .collect::<String>()
                            );
                        }
                        "methods" => *value = json!("methods"),
                        "number" | "support_code" => *value = json!(key.as_str()),
                        _ => walk(value),
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(walk),
            _ => {}
        }
    }
    let mut body = answer.json();
    walk(&mut body);
    let mut headers: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
    headers.sort();
    let cookies = answer.headers.get_all("set-cookie").iter().count();
    json!({ "status": answer.status.as_u16(), "headers": headers, "cookies": cookies, "body": body })
}

/// Returns all that an attacker sees who knows only a login.
async fn observable_responses(browser: &mut Browser, login: &str) -> Vec<Value> {
    let mut seen = vec![shape(&browser.identify(login).await)];
    for (path, body) in [
        ("/reason", json!({ "reason": "forgotten" })),
        ("/code/send", json!({ "method": "sms", "contact": "+60100000000" })),
        ("/code/send", json!({ "method": "mobile_call", "contact": "no number" })),
        ("/code/send", json!({ "method": "email" })),
        ("/code/send", json!({ "method": "email" })),
        ("/code", json!({ "code": "12345678" })),
        ("/code", json!({ "code": "12345679" })),
        ("/code", json!({ "code": "12345670" })),
        ("/code", json!({ "code": "12345671" })),
        ("/code", json!({ "code": "12345672" })),
        ("/code", json!({ "code": "12345673" })),
        ("/code/send", json!({ "method": "push" })),
        ("/code", json!({ "method": "push" })),
        ("/code/send", json!({ "method": "push" })),
        ("/password", json!({ "password": "Kancil-Lompat-42!", "confirmation": "Kancil-Lompat-42!" })),
    ] {
        seen.push(shape(&browser.post(path, body).await));
    }
    for path in ["/reason", "/method", "/code", "/password", "/unlock", "/done"] {
        seen.push(shape(&browser.get(path).await));
    }
    for n in 0..5 {
        seen.push(shape(
            &browser
                .post("/code/send", json!({ "method": "sms", "contact": format!("+6010000000{n}") }))
                .await,
        ));
    }
    seen
}

/// Registers a person with the same methods as the decoy of `login`.
pub(crate) async fn enrol_decoy_methods(world: &std::sync::Arc<World>, login: &str, twin: &'static str) {
    let methods = world.browser().open(login, "forgotten").await.json()["methods"].clone();
    let offers = |name: &str| methods.as_array().unwrap().iter().any(|method| method["method"] == name);
    let person = Person {
        login: twin,
        alternate_email: AISYAH.alternate_email.filter(|_| offers("email")),
        mobile: AISYAH.mobile.filter(|_| offers("sms")),
        office_phone: AISYAH.office_phone.filter(|_| offers("office_call")),
        totp: offers("totp"),
        ..AISYAH
    };
    world.register(&person).await;
    let secrets = [
        ("push", Kind::Authenticator, Secret::Authenticator { public_key: vec![4; 65], subscription: None }),
        ("passkey", Kind::Passkey, Secret::Passkey(Credential::parse(crate::passkeys::CREDENTIAL).unwrap())),
        (
            "recovery_code",
            Kind::RecoveryCodes,
            Secret::RecoveryCodes(Sheet {
                hashed_with: HashedWith::Key("1".into()),
                hashes: vec!["hash".into()],
            }),
        ),
    ];
    let now = world.clock.now();
    for (_, kind, secret) in secrets.into_iter().filter(|(method, ..)| offers(method)) {
        let shown = String::new();
        let entry = NewEntry::new(EntryId::new(kind, [1; 8]), shown, secret, now);
        world.enrolment.put(&person.account().id, &entry).await.unwrap();
    }
}

/// Controls: C-001.
#[tokio::test]
async fn decoy_responds_like_an_account() {
    let world = World::new().await;
    for (login, known) in DECOYS.iter().zip(["twin0", "twin1", "twin2", "twin3", "twin4", "twin5"]) {
        enrol_decoy_methods(&world, login, known).await;
        let known = observable_responses(&mut world.browser(), known).await;
        let decoy = observable_responses(&mut world.browser(), login).await;
        for (at, (known, decoy)) in known.iter().zip(&decoy).enumerate() {
            assert_eq!(known, decoy, "{login}, answer {at}");
        }
    }
}

/// Controls: C-001.
#[tokio::test]
async fn decoy_totp_responds_like_an_account() {
    let world = World::new().await;
    // Not every decoy has a TOTP app, so this takes the first login with one.
    let mut browser = world.browser();
    let mut with_app = None;
    for n in 0..30 {
        let login = format!("student{n}");
        let methods = browser.open(&login, "forgotten").await.json()["methods"].clone();
        if methods.as_array().unwrap().iter().any(|method| method["method"] == "totp") {
            with_app = Some(login);
            break;
        }
    }
    let mut known = world.browser();
    known.open("aisyah", "forgotten").await;
    let mut decoy = world.browser();
    decoy.open(&with_app.unwrap(), "forgotten").await;
    for n in 0..12 {
        let code = format!("00000{n}");
        assert_eq!(shape(&known.totp(&code).await), shape(&decoy.totp(&code).await), "try {n}");
    }
}

/// Returns the calls since `before`, with their counts.
pub(crate) fn calls_since(world: &World, before: &BTreeMap<Call, u64>) -> Vec<(String, u64)> {
    let made = world.emulator.calls().into_iter().filter_map(|(call, count)| {
        let more = count - before.get(&call).copied().unwrap_or_default();
        (more > 0).then(|| (format!("{call:?}"), more))
    });
    let mut made: Vec<(String, u64)> = made.collect();
    made.sort();
    made
}

/// Sends passkeys and recovery codes of nobody. Returns the responses, and the writes and reads that they cost.
async fn responses_and_calls(world: &std::sync::Arc<World>, login: &str) -> (Vec<Value>, Vec<(String, u64)>) {
    let mut browser = world.browser();
    browser.open(login, "forgotten").await;
    let before = world.emulator.calls();
    let mut responses = Vec::new();
    for n in 0..6 {
        let body = json!({ "method": "recovery_code", "code": format!("0123-4567-89AB-CDE{n}") });
        responses.push(shape(&browser.post("/code", body).await));
    }
    let options = browser.post("/code/send", json!({ "method": "passkey" })).await;
    let mut seen = shape(&options);
    seen["body"]["options"]["challenge"] = json!("random");
    responses.push(seen);
    let creation = json!({ "rp": { "id": "localhost" }, "user": { "id": "AAAA" }, "challenge": "AAAA" });
    let saying = CeremonyOptions::at("http://localhost:8080");
    let mut passkey = Passkey::create(&creation, &saying).0;
    for _ in 0..5 {
        let assertion = passkey.answer(&options.json()["options"], &saying);
        let mut seen =
            shape(&browser.post("/code", json!({ "method": "passkey", "assertion": assertion })).await);
        seen["body"]["options"] = json!("random");
        responses.push(seen);
    }
    (responses, calls_since(world, &before))
}

/// Controls: C-001.
#[tokio::test]
async fn decoy_passkey_and_recovery_code_responses_match_account() {
    let world = World::new().await;
    let mut both = None;
    for n in 0..200 {
        let login = format!("staff{n}");
        let methods = world.browser().open(&login, "forgotten").await.json()["methods"].to_string();
        if methods.contains("passkey") && methods.contains("recovery_code") {
            both = Some(login);
            break;
        }
    }
    let login = both.expect("some decoy has both");
    enrol_decoy_methods(&world, &login, "twin").await;
    let (known, calls) = responses_and_calls(&world, "twin").await;
    let (decoy, decoys_calls) = responses_and_calls(&world, &login).await;
    for (at, (known, decoy)) in known.iter().zip(&decoy).enumerate() {
        assert_eq!(known, decoy, "answer {at}");
    }
    assert_eq!(calls, decoys_calls);
}

/// Controls: C-002.
#[tokio::test]
async fn decoy_queues_an_equal_message_without_a_code() {
    let world = World::new().await;
    let mut lengths = Vec::new();
    for login in ["aisyah", "nobody", "daniel"] {
        let mut browser = world.browser();
        browser.open(login, "forgotten").await;
        assert_eq!(browser.send_email().await.page(), "code");
        let (envelope, _) = world.envelopes().pop().unwrap();
        lengths.push(serde_json::to_string(&envelope).unwrap().len());
    }
    assert_eq!(world.messages().len(), 3);
    let codes =
        world.messages().iter().filter(|m| matches!(m, shared::domain::message::Message::Code(_))).count();
    assert_eq!(codes, 1);
    assert!(lengths.iter().all(|length| *length == lengths[0]), "{lengths:?}");
}

/// Controls: C-004.
#[tokio::test]
async fn login_spellings_share_one_decoy() {
    let world = World::new().await;
    let mut masks = Vec::new();
    for login in ["nobody", " NoBody ", "nobody@student.contoh.example", "ｎｏｂｏｄｙ"] {
        masks.push(world.browser().open(login, "forgotten").await.json()["methods"].clone());
    }
    assert!(masks.iter().all(|methods| *methods == masks[0]), "{masks:?}");
    let other = world.browser().open("somebody", "forgotten").await.json()["methods"].clone();
    assert_ne!(other, masks[0]);
}

/// Controls: C-002.
#[tokio::test]
async fn decoy_rate_limits_match_an_account() {
    let world = World::new().await;
    for login in ["aisyah", "nobody"] {
        let mut sent = Vec::new();
        for network in [1, 1, 1, 1, 2, 2, 2, 3] {
            let mut browser = world.browser().from_address([10, 0, network, 1]);
            browser.open(login, "forgotten").await;
            if browser.send_email().await.status == 200 {
                sent.push(network);
            }
        }
        assert_eq!(sent, [1, 1, 1, 2, 2], "{login}");
    }
}
