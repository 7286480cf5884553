//! Journeys on `/security-info`.

mod access;
mod authenticators;
mod contacts;
mod entries;
mod notifications;
mod waiting;

use std::sync::Arc;

use rekey_tests::browser::Site;
use rekey_tests::fixtures::NEWCOMER;
use rekey_tests::{Answer, Browser, CeremonyOptions, Passkey, Phone, World};
use serde_json::{Value, json};
use shared::domain::pairing::PairingToken;

/// Creates a world that also has the newcomer's account.
pub(crate) async fn world() -> Arc<World> {
    let world = World::new().await;
    world.register(&NEWCOMER).await;
    world
}

/// Returns the kinds of the entries in order.
pub(crate) fn kinds(list: &Value) -> Vec<String> {
    let entries = list["methods"].as_array().unwrap();
    entries.iter().map(|entry| entry["kind"].as_str().unwrap().to_owned()).collect()
}

/// Returns the entry of a kind.
pub(crate) fn entry<'a>(list: &'a Value, kind: &str) -> &'a Value {
    let found = list["methods"].as_array().unwrap().iter().find(|entry| entry["kind"] == kind);
    found.unwrap_or_else(|| panic!("{kind} is not enrolled: {list}"))
}

/// Returns Aisyah's browser, signed in with both steps.
pub(crate) async fn aisyah(world: &Arc<World>) -> Browser {
    let mut browser = world.browser();
    assert_eq!(browser.sign_in("aisyah").await.page(), "second-step");
    assert_eq!(browser.second_step(&world.app_code(0)).await.page(), "security-info");
    browser
}

/// Enrols a contact and returns the new list.
pub(crate) async fn register(world: &World, browser: &mut Browser, kind: &str, value: &str) -> Value {
    let asked = browser.add(kind, value).await;
    assert_eq!(asked.page(), "confirm", "{kind}");
    let answer = browser.confirm(kind, &world.last_code()).await;
    assert_eq!(answer.page(), "security-info", "{kind}");
    answer.json()
}

/// Returns the current code of the TOTP app that is waiting.
pub(crate) fn app_code(world: &World, asked: &Value) -> String {
    let secret = totp_rs::Secret::try_from_base32(asked["secret"].as_str().unwrap()).unwrap();
    let app = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    app.generate(world.now().as_seconds().unsigned_abs()).to_string()
}

/// Enrols a TOTP app and returns the new list.
pub(crate) async fn register_app(world: &World, browser: &mut Browser) -> Value {
    let asked = browser.add("totp", "").await.json();
    let answer = browser.confirm("totp", &app_code(world, &asked)).await;
    assert_eq!(answer.page(), "security-info");
    answer.json()
}

/// Verifies the second step, or requests a challenge for it.
pub(crate) async fn verify<S: Site>(browser: &mut Browser<S>, body: Value) -> Answer {
    browser.post("/security-info/verify", body).await
}

/// Returns the token of a pairing that began on the page.
pub(crate) fn token(asked: &Value) -> PairingToken {
    let (_, token) = asked["pairing"].as_str().unwrap().split_once("/authenticator#pair=").unwrap();
    PairingToken::parse(token).unwrap()
}

/// Pairs and confirms a phone.
pub(crate) async fn register_phone(world: &Arc<World>, browser: &mut Browser, number: u8) -> Phone {
    let asked = browser.add("authenticator", "").await.json();
    let mut phone = Phone::new(world, number);
    let paired = phone.pair(&token(&asked)).await.json();
    let answer = browser.confirm(asked["id"].as_str().unwrap(), paired["code"].as_str().unwrap()).await;
    assert_eq!(answer.page(), "security-info");
    phone
}

/// Creates a passkey on a page of this origin and confirms it.
pub(crate) async fn register_passkey(browser: &mut Browser, origin: &str) -> Passkey {
    let asked = browser.add("passkey", "").await.json();
    let (passkey, made) = Passkey::create(&asked["options"], &CeremonyOptions::at(origin));
    let body = json!({ "id": asked["id"], "assertion": made });
    assert_eq!(browser.post("/security-info/confirm", body).await.page(), "security-info");
    passkey
}

/// Enrols a sheet of recovery codes and returns them.
pub(crate) async fn register_sheet(browser: &mut Browser) -> Vec<String> {
    let asked = browser.add("recovery_codes", "").await.json();
    let answer = browser.post("/security-info/confirm", json!({ "id": "recovery_codes" })).await;
    assert_eq!(answer.page(), "security-info");
    asked["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}

/// Returns Aisyah's browser, verified by two old factors, so that her new entries have no waiting period.
pub(crate) async fn verified_twice(world: &Arc<World>) -> Browser {
    let mut browser = aisyah(world).await;
    verify(&mut browser, json!({ "method": "email" })).await;
    let body = json!({ "method": "email", "code": world.last_code() });
    assert_eq!(verify(&mut browser, body).await.page(), "security-info");
    browser
}
