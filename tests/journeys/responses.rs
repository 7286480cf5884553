//! Snapshots of the JSON responses of whole journeys, as the functions send them.
//!
//! The pages' own snapshots are in `shared/src/http/page/tests`. Random values stand as `[name]`.

use rekey_tests::fixtures::{AISYAH, NEW_NUMBER, NEW_PASSWORD, PRIYA};
use rekey_tests::{Answer, CeremonyOptions, Passkey, Phone, World};
use serde_json::{Value, json};
use shared::domain::passkey::Credential;

use crate::passkeys::{CREDENTIAL, store_passkey};
use crate::security_info::{app_code, token, verify, world};

/// Members whose values are random.
const RANDOM: [&str; 15] = [
    "challenge",
    "codes",
    "device",
    "nonce",
    "number",
    "otpauth",
    "pairing",
    "picture",
    "qr",
    "request",
    "secret",
    "sound",
    "src",
    "support_code",
    "token",
];

/// Replaces random values, and the random end of an id.
fn redact(name: &str, value: &mut Value) {
    let is_code = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b' ');
    match value {
        _ if RANDOM.contains(&name) => *value = json!(format!("[{name}]")),
        Value::Object(members) => members.iter_mut().for_each(|(name, value)| redact(name, value)),
        Value::Array(items) => items.iter_mut().for_each(|item| redact("", item)),
        Value::String(text) if name == "code" && is_code(text) => *value = json!("[code]"),
        Value::String(text) if name == "id" => {
            // Of an entry with others of its kind, or the handle of a passkey's owner, 32 bytes in base64.
            if let Some((kind, _)) = text.split_once('.') {
                *value = json!(format!("{kind}.[id]"));
            } else if text.len() == 43 {
                *value = json!("[id]");
            }
        }
        _ => {}
    }
}

/// The responses of a journey.
#[derive(Default)]
struct Responses(Vec<String>);

impl Responses {
    /// Adds a response and returns its JSON.
    fn add(&mut self, title: &str, answer: &Answer) -> Value {
        let json = answer.json();
        let mut shown = json.clone();
        redact("", &mut shown);
        let body = serde_json::to_string_pretty(&shown).unwrap();
        self.0.push(format!("## {title}\n\n{}\n\n{body}\n\n", answer.status));
        json
    }

    /// Compares all of them with `snapshots/{name}.snap`.
    fn assert(self, name: &str) {
        let mut settings = insta::Settings::new();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, self.0.concat()));
    }
}

#[tokio::test]
async fn reset_responses_match_snapshot() {
    let world = World::new().await;
    store_passkey(&world, &AISYAH, 1, Credential::parse(CREDENTIAL).unwrap()).await;
    let mut browser = world.browser();
    let mut all = Responses::default();
    all.add("GET /", &browser.get("/").await);
    all.add("POST /", &browser.identify("aisyah").await);
    all.add("GET /method at an earlier step", &browser.get("/method").await);
    all.add("POST /reason", &browser.post("/reason", json!({ "reason": "forgotten" })).await);
    all.add("POST /code/send by passkey", &browser.post("/code/send", json!({ "method": "passkey" })).await);
    all.add("POST /code/send by email", &browser.send_email().await);
    all.add("POST /code/send too early", &browser.send_email().await);
    all.add("POST /code with a wrong code", &browser.code("00000000").await);
    all.add("POST /code with the right code", &browser.code(&world.last_code()).await);
    all.add("POST /code/send to another number", &browser.send_phone("sms", "012-345 6799").await);
    all.add("POST /code/send by text", &browser.send_phone("sms", "012-345 6798").await);
    all.add("POST /code", &browser.code(&world.last_code()).await);
    all.add("POST /password with a weak password", &browser.password("aisyah").await);
    all.add("POST /password", &browser.password(NEW_PASSWORD).await);
    all.add("GET /done", &browser.get("/done").await);
    all.add("POST /cancel without a flow", &world.browser().post("/cancel", json!({})).await);
    all.add("GET /code without a flow", &world.browser().get("/code").await);
    all.assert("reset");
}

#[tokio::test]
async fn unlock_responses_match_snapshot() {
    let world = World::new().await;
    let mut phone = Phone::enrolled(&world, 1, &PRIYA).await;
    let mut browser = world.browser();
    let mut all = Responses::default();
    browser.identify("priya").await;
    all.add("POST /reason", &browser.post("/reason", json!({ "reason": "locked" })).await);
    let page = all.add("POST /code/send by push", &browser.send_push().await);
    let request = phone.request().await;
    phone.approve(&request, page["number"].as_str().unwrap()).await;
    all.add("GET /code after the approval", &browser.get("/code").await);
    all.add("POST /code", &browser.approved().await);
    browser.send_email().await;
    all.add("POST /code, the second step", &browser.code(&world.last_code()).await);
    all.add("POST /unlock", &browser.post("/unlock", json!({})).await);
    all.assert("unlock");
}

#[tokio::test]
async fn enrolment_responses_match_snapshot() {
    let world = world().await;
    let mut browser = world.browser();
    let mut all = Responses::default();
    all.add("GET /security-info without a session", &browser.get("/security-info").await);
    all.add("POST /security-info/sign-in, wrong", &browser.sign_in_with("newcomer", "x").await);
    all.add("POST /security-info/sign-in", &browser.sign_in("newcomer").await);
    all.add("Add an email address", &browser.add("alternate_email", "new@mail.example").await);
    all.add("Confirm with a wrong code", &browser.confirm("alternate_email", "00000000").await);
    all.add("Confirm it", &browser.confirm("alternate_email", &world.last_code()).await);
    all.add(
        "Add a mailbox that the password protects",
        &browser.add("alternate_email", "a@student.contoh.example").await,
    );
    all.add("Add a mobile phone", &browser.add("mobile", "012-345 9900").await);
    browser.confirm("mobile", &world.last_code()).await;
    all.add("Add an office phone", &browser.add("office_phone", "03-2731 7272").await);
    browser.confirm("office_phone", &world.last_code()).await;
    let asked = all.add("Add a TOTP app", &browser.add("totp", "").await);
    browser.confirm("totp", &app_code(&world, &asked)).await;
    let asked = all.add("Add an authenticator app", &browser.add("authenticator", "").await);
    let paired = Phone::new(&world, 1).pair(&token(&asked)).await.json();
    browser.confirm(asked["id"].as_str().unwrap(), paired["code"].as_str().unwrap()).await;
    let asked = all.add("Add a passkey", &browser.add("passkey", "").await);
    let (_, made) = Passkey::create(&asked["options"], &CeremonyOptions::at("http://localhost:8080"));
    let body = json!({ "id": asked["id"], "assertion": made });
    browser.post("/security-info/confirm", body).await;
    all.add("Add recovery codes", &browser.add("recovery_codes", "").await);
    let sheet = json!({ "id": "recovery_codes" });
    all.add("The list with every kind", &browser.post("/security-info/confirm", sheet).await);
    all.assert("enrolment");
}

#[tokio::test]
async fn list_change_responses_match_snapshot() {
    let world = World::new().await;
    let mut browser = world.browser();
    let mut all = Responses::default();
    all.add("POST /security-info/sign-in", &browser.sign_in("aisyah").await);
    all.add("Add before the second step", &browser.add("totp", "").await);
    all.add("Code by text", &verify(&mut browser, json!({ "method": "sms" })).await);
    let wrong = json!({ "method": "sms", "code": "00000000" });
    all.add("Wrong code", &verify(&mut browser, wrong).await);
    let right = json!({ "method": "sms", "code": world.last_code() });
    all.add("Right code", &verify(&mut browser, right).await);
    browser.add("mobile", NEW_NUMBER).await;
    all.add("A number that waits", &browser.confirm("mobile", &world.last_code()).await);
    all.add(
        "Remove the office phone",
        &browser.post("/security-info/remove", json!({ "id": "office_phone" })).await,
    );
    all.add("Confirm the list", &browser.post("/security-info/reconfirm", json!({})).await);
    all.add("Sign out", &browser.post("/security-info/sign-out", json!({})).await);
    all.assert("security_info");
}

#[tokio::test]
async fn device_responses_match_snapshot() {
    let world = World::new().await;
    let mut all = Responses::default();
    all.add("The manifest", &world.browser().get("/authenticator/manifest.webmanifest").await);
    let pairing = world.begin_pairing(&AISYAH).await;
    all.add("Pair a device", &Phone::new(&world, 2).pair(&pairing).await);
    let mut phone = Phone::enrolled(&world, 1, &AISYAH).await;
    all.add("No request", &phone.poll().await);
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    let page = browser.send_push().await.json();
    let waiting = all.add("A request", &phone.poll().await);
    let request = waiting["requests"][0]["request"].as_str().unwrap();
    let number = page["number"].as_str().unwrap();
    let wrong = if number == "42" { "43" } else { "42" };
    all.add("Approve with the right number", &phone.approve(request, number).await);
    all.add("Answer again", &phone.approve(request, wrong).await);
    let stranger = &mut Phone::new(&world, 3);
    all.add("Ask with an unknown device", &stranger.poll().await);
    all.assert("device");
}
