//! Passkeys: enrolled, used, and rejected if any field is invalid.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rekey_tests::authenticator::{PRESENT, SYNCED, VERIFIED};
use rekey_tests::fixtures::{AISYAH, Person};
pub use rekey_tests::populations::CREDENTIAL;
use rekey_tests::world::ORIGIN;
use rekey_tests::{Answer, Browser, CeremonyOptions, Passkey, World};
use serde_json::{Value, json};
use shared::adapters::signatures::RingSignatures;
use shared::domain::passkey::{
    Assertion, CreationOptions, Credential, Expected, Owner, PublicKey, Refusal, Registration, RelyingParty,
    UserHandle,
};
use shared::domain::security_info::{EntryId, Kind, Secret};
use shared::domain::time::Seconds;
use shared::ports::{Clock as _, EnrolmentStore as _, NewEntry, SignatureVerifier as _};

const CHALLENGE: [u8; 32] = [7; 32];

async fn world() -> Arc<World> {
    World::with(&[("REKEY_PUBLIC_URL", ORIGIN)]).await
}

fn creation(world: &World, person: &Person, registered: &[Credential]) -> Value {
    let handle = UserHandle::of(&world.keyring("REKEY_SECRET_FLOWS"), &person.account().id);
    let owner = Owner { handle: &handle, login: person.login, name: person.name };
    let party = world.settings.relying_party();
    let options =
        CreationOptions::new(&party, "Universiti Contoh", owner, CHALLENGE, registered, Seconds(300));
    serde_json::to_value(&options).unwrap()
}

fn accept(world: &World, person: &Person, answer: &str) -> Result<Credential, Refusal> {
    let handle = UserHandle::of(&world.keyring("REKEY_SECRET_FLOWS"), &person.account().id);
    let party = world.settings.relying_party();
    let expected = Expected { party: &party, challenge: &CHALLENGE };
    let verifies =
        |key: &_, message: &[u8], signature: &[u8]| RingSignatures.verifies(key, message, signature);
    Registration::parse(answer).unwrap().verify(handle, &expected, &verifies)
}

const RSA_KEY: &str = r#"{"algorithm":"RS256","modulus":"tn2VV9oUZFSPxDGkaKlJlsa6VT2T98lT7NifA_rvc1scO-X_OIbi-MKNhtlBA_kWPfWhR7ZFt-Wm2uLbCFMF2NQ9TOc3FBdDkCp9FLMUQbv4eUU3WCMfBiaHE6yg5NTKguth-y20Z8wRPjbT8GszS3zAdcYphuiLpGacHWraAaWaldEV0CYOoGmuI19C_icKWNa6_PGXOyvStVbiG8gc8oOOtb84snjOpqrs74DCQg79DN6q-a1ydNDrKrU2pwvFPy8M88fdI070QcIlL3GUdfPji9xPE9IZ-pDsxMdZFW9qbql03mRm23ZAEIanfege4paJJ0Ebj1IyV6ccq4gVeQ","exponent":"AQAB"}"#;
const RSA_SIGNATURE: &str = "rKTviLasY-4AhE1ZTuFi4BLcZH3vc2v4P3xn75yLjAdKUGZVjUvpL5QxmVxIF2dvJrEVtNZtYrHRijkVAromRxanlGo6uNn_3jF_nKhfXAvz6SrehWfc8LtQmafSKIGrHdMdNPLg0CMVjO1_dvHOOse4eIObt0YQbJuhDAaC_XvQQmmnlzlxDoDAbQy57l5kezsSGypEBhY5aHYQF1rLhU6mX1-cu_CBn5XEiQfpwxpGUijabA3GbmYHoSKkBcH8ZiWwzAtvUR4MuzBK2aTzkelGS1j6OVNX_n-ACKjTjlXfgVdKEDW6QH9aFVyZVMk4_h_C3xh9KqL_X3iIhRvhkQ";

/// Writes a passkey into the store.
pub async fn store_passkey(world: &World, person: &Person, number: u8, credential: Credential) {
    let now = world.clock.now();
    let id = EntryId::new(Kind::Passkey, [number; 8]);
    let entry = NewEntry::new(id, "computer", Secret::Passkey(credential), now);
    world.enrolment.put(&person.account().id, &entry).await.unwrap();
}

/// Enrols a passkey for a person.
pub async fn registered(world: &World, person: &Person, number: u8) -> Passkey {
    let (passkey, answer) =
        Passkey::create(&creation(world, person, &[]), &CeremonyOptions::at(&world.settings.public_url));
    store_passkey(world, person, number, accept(world, person, &answer).unwrap()).await;
    passkey
}

pub async fn ask(browser: &mut Browser) -> Value {
    let answer = browser.post("/code/send", json!({ "method": "passkey" })).await;
    assert_eq!(answer.page(), "passkey");
    answer.json()["options"].clone()
}

pub async fn answer(browser: &mut Browser, assertion: &str) -> Answer {
    browser.post("/code", json!({ "method": "passkey", "assertion": assertion })).await
}

/// Returns a flow of Aisyah that has requested a passkey.
async fn challenge_requested(world: &Arc<World>) -> (Browser, Value) {
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    let options = ask(&mut browser).await;
    (browser, options)
}

#[tokio::test]
async fn passkey_and_email_reset_the_password() {
    let world = world().await;
    let mut passkey = registered(&world, &AISYAH, 1).await;
    let (mut browser, options) = challenge_requested(&world).await;
    assert_eq!(options["rpId"], "reset.contoh.example");
    assert_eq!(options["allowCredentials"], json!([]), "it finds itself, so a decoy can ask alike");
    assert_eq!(options["userVerification"], "required");
    let shown = browser.get("/code").await;
    assert_eq!((shown.page().as_str(), &shown.json()["options"]), ("passkey", &options));
    let verified = answer(&mut browser, &passkey.answer(&options, &CeremonyOptions::at(ORIGIN))).await;
    assert_eq!((verified.page().as_str(), &verified.json()["step"]), ("method", &json!(2)));
    let methods = verified.json()["methods"].to_string();
    assert!(!methods.contains("passkey") && methods.contains("totp"), "a factor of its own: {methods}");
    assert_eq!(browser.send_email().await.page(), "code");
    assert_eq!(browser.code(&world.last_code()).await.page(), "password");
    assert_eq!(browser.password("Kancil-Lompat-42!").await.page(), "done");
    let listed = world.enrolment.registered(&AISYAH.account().id).await.unwrap();
    assert_eq!(listed.entries_of(Kind::Passkey).next().unwrap().last_used_at, Some(world.clock.now()));
}

#[tokio::test]
async fn ed25519_passkey_serves_as_second_step() {
    let world = world().await;
    let (mut passkey, answered) =
        Passkey::create_ed25519(&creation(&world, &AISYAH, &[]), &CeremonyOptions::at(ORIGIN));
    passkey.counter = 0;
    store_passkey(&world, &AISYAH, 1, accept(&world, &AISYAH, &answered).unwrap()).await;
    registered(&world, &AISYAH, 2).await;
    let mut browser = world.browser();
    browser.open("aisyah", "locked").await;
    browser.totp(&world.app_code(0)).await;
    let options = ask(&mut browser).await;
    // Its signature count increased at enrolment and never again.
    let stuck = answer(&mut browser, &passkey.answer(&options, &CeremonyOptions::at(ORIGIN))).await;
    assert_eq!(stuck.problem(), (422, "code-wrong".into()));
    passkey.counter = 1;
    let verified = answer(&mut browser, &passkey.answer(&options, &CeremonyOptions::at(ORIGIN))).await;
    assert_eq!(verified.page(), "unlock");
}

/// Each invalid field of an assertion, with the rule that rejects it. All have a correct signature.
/// Controls: C-047.
#[tokio::test]
async fn assertion_with_invalid_field_is_rejected() {
    let world = world().await;
    let mut passkey = registered(&world, &AISYAH, 1).await;
    let truth = CeremonyOptions::at(ORIGIN);
    let other_challenge = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let cases = [
        ("origin", CeremonyOptions::at("https://reset.contoh.example.evil.example")),
        ("plain http", CeremonyOptions::at("http://reset.contoh.example")),
        ("localhost", CeremonyOptions::at("http://localhost:8080")),
        ("relying party", CeremonyOptions { rp_id: Some("contoh.example".into()), ..truth.clone() }),
        ("challenge", CeremonyOptions { challenge: Some(other_challenge.into()), ..truth.clone() }),
        ("kind", CeremonyOptions { kind: Some("webauthn.create".into()), ..truth.clone() }),
        ("embedded", CeremonyOptions { cross_origin: true, ..truth.clone() }),
        ("not present", CeremonyOptions { flags: VERIFIED | SYNCED, ..truth.clone() }),
        ("not verified", CeremonyOptions { flags: PRESENT | SYNCED, ..truth.clone() }),
        ("not as backed up as it was", CeremonyOptions { flags: PRESENT | VERIFIED, ..truth.clone() }),
        ("backed up, but can't be", CeremonyOptions { flags: PRESENT | VERIFIED | 1 << 4, ..truth.clone() }),
        ("a credential in a use", CeremonyOptions { flags: truth.flags | 1 << 6, ..truth.clone() }),
        ("another user", CeremonyOptions { user_handle: Some("AAAA".into()), ..truth.clone() }),
        ("no user", CeremonyOptions { user_handle: Some(String::new()), ..truth.clone() }),
    ];
    for (what, saying) in cases {
        let (mut browser, options) = challenge_requested(&world).await;
        let refused = answer(&mut browser, &passkey.answer(&options, &saying)).await;
        assert_eq!(refused.problem(), (422, "code-wrong".into()), "{what}");
        assert_eq!(refused.json()["tries_left"], 9, "{what}");
        assert_eq!(answer(&mut browser, &passkey.answer(&options, &truth)).await.page(), "method", "{what}");
    }
}

/// Controls: C-047.
#[tokio::test]
async fn assertion_with_invalid_signature_is_rejected() {
    let world = world().await;
    let mut passkey = registered(&world, &AISYAH, 1).await;
    let (mut attacker, _) = Passkey::create(&creation(&world, &AISYAH, &[]), &CeremonyOptions::at(ORIGIN));
    let (mut browser, options) = challenge_requested(&world).await;
    let own: Value = serde_json::from_str(&passkey.answer(&options, &CeremonyOptions::at(ORIGIN))).unwrap();
    let foreign: Value =
        serde_json::from_str(&attacker.answer(&options, &CeremonyOptions::at(ORIGIN))).unwrap();
    assert_eq!(answer(&mut browser, &foreign.to_string()).await.problem().1, "code-wrong", "of no account");
    let mut swapped = foreign.clone();
    swapped["id"] = own["id"].clone();
    swapped["rawId"] = own["id"].clone();
    assert_eq!(answer(&mut browser, &swapped.to_string()).await.problem().1, "code-wrong", "another's key");
    assert_eq!(answer(&mut browser, &own.to_string()).await.page(), "method");
}

/// Controls: C-060.
#[tokio::test]
async fn passkey_of_another_account_is_rejected() {
    let world = world().await;
    let priya = Person { login: "mallory", ..AISYAH };
    world.register(&priya).await;
    registered(&world, &AISYAH, 1).await;
    let mut other = registered(&world, &priya, 1).await;
    let (mut browser, options) = challenge_requested(&world).await;
    let refused = answer(&mut browser, &other.answer(&options, &CeremonyOptions::at(ORIGIN))).await;
    assert_eq!(refused.problem(), (422, "code-wrong".into()));
}

/// Controls: C-047.
#[tokio::test]
async fn assertion_is_bound_to_its_flow_and_challenge() {
    let world = world().await;
    let mut passkey = registered(&world, &AISYAH, 1).await;
    let (mut first, options) = challenge_requested(&world).await;
    let (mut second, _) = challenge_requested(&world).await;
    let assertion = passkey.answer(&options, &CeremonyOptions::at(ORIGIN));
    assert_eq!(answer(&mut second, &assertion).await.problem(), (422, "code-wrong".into()), "another flow");
    first.send_email().await;
    assert_eq!(
        answer(&mut first, &assertion).await.problem(),
        (409, "out-of-step".into()),
        "it was given up"
    );
    let newer = ask(&mut first).await;
    assert_ne!(newer["challenge"], options["challenge"]);
    assert_eq!(answer(&mut first, &assertion).await.problem(), (422, "code-wrong".into()), "another request");
    let assertion = passkey.answer(&newer, &CeremonyOptions::at(ORIGIN));
    assert_eq!(answer(&mut first, &assertion).await.page(), "method");
    let again = answer(&mut first, &assertion).await;
    assert_eq!(again.problem(), (409, "out-of-step".into()), "used");
}

/// Controls: C-032.
#[tokio::test]
async fn cloned_passkey_is_detected_by_counter() {
    let world = world().await;
    let mut passkey = registered(&world, &AISYAH, 1).await;
    passkey.counter = 40;
    let (mut browser, options) = challenge_requested(&world).await;
    assert_eq!(
        answer(&mut browser, &passkey.answer(&options, &CeremonyOptions::at(ORIGIN))).await.page(),
        "method"
    );
    // A copy from before has a lower or equal signature count.
    for counter in [1, 20, 40] {
        passkey.counter = counter;
        let (mut browser, options) = challenge_requested(&world).await;
        let refused = answer(&mut browser, &passkey.answer(&options, &CeremonyOptions::at(ORIGIN))).await;
        assert_eq!(refused.problem(), (422, "code-wrong".into()), "{counter}");
    }
    passkey.counter = 41;
    let (mut browser, options) = challenge_requested(&world).await;
    assert_eq!(
        answer(&mut browser, &passkey.answer(&options, &CeremonyOptions::at(ORIGIN))).await.page(),
        "method"
    );
}

/// Controls: C-035.
#[tokio::test]
async fn only_repeated_assertion_gets_newer_cookie() {
    let world = world().await;
    let mut passkey = registered(&world, &AISYAH, 1).await;
    let (mut browser, options) = challenge_requested(&world).await;
    let (mut again, mut attacker) = (browser.clone(), browser.clone());
    let assertion = passkey.answer(&options, &CeremonyOptions::at(ORIGIN));
    let another = passkey.answer(&options, &CeremonyOptions::at(ORIGIN));
    assert_eq!(answer(&mut browser, &assertion).await.page(), "method");
    assert_eq!(answer(&mut again, &assertion).await.problem(), (409, "out-of-step".into()));
    assert_eq!(again.cookie, browser.cookie);
    let older = attacker.cookie.clone();
    assert_eq!(answer(&mut attacker, &another).await.problem(), (409, "out-of-step".into()));
    assert_eq!(attacker.cookie, older);
}

/// Controls: C-032.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_assertions_are_accepted_once() {
    let world = world().await;
    let mut passkey = registered(&world, &AISYAH, 1).await;
    let (browser, options) = challenge_requested(&world).await;
    let assertion = passkey.answer(&options, &CeremonyOptions::at(ORIGIN));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (mut browser, assertion) = (browser.clone(), assertion.clone());
            tokio::spawn(async move { answer(&mut browser, &assertion).await })
        })
        .collect();
    let mut verified = 0;
    for task in tasks {
        let answer = task.await.unwrap();
        assert!(answer.status == 200 || answer.problem().0 == 409, "{}", answer.text());
        verified += u8::from(answer.status == 200);
    }
    assert_eq!(verified, 1);
}

/// Controls: C-008.
#[tokio::test]
async fn ten_wrong_assertions_end_the_flow() {
    let world = world().await;
    let mut passkey = registered(&world, &AISYAH, 1).await;
    let (mut browser, options) = challenge_requested(&world).await;
    for malformed in ["", "{}", "passkey", "[1]", "{\"id\":\"AA\",\"rawId\":\"AA\",\"type\":\"public-key\"}"]
    {
        assert_eq!(answer(&mut browser, malformed).await.problem(), (400, "malformed".into()), "{malformed}");
    }
    let wrong = passkey.answer(&options, &CeremonyOptions::at("https://evil.example"));
    for left in (0..10).rev() {
        assert_eq!(answer(&mut browser, &wrong).await.json()["tries_left"], left);
    }
    assert_eq!(answer(&mut browser, &wrong).await.problem(), (410, "flow-ended".into()));
}

#[tokio::test]
async fn expired_passkey_challenge_can_be_requested_again() {
    let world = world().await;
    let mut passkey = registered(&world, &AISYAH, 1).await;
    let (mut browser, options) = challenge_requested(&world).await;
    assert_eq!(ask(&mut browser).await, options, "asking twice is asking once");
    world.clock.advance(300);
    let late = answer(&mut browser, &passkey.answer(&options, &CeremonyOptions::at(ORIGIN))).await;
    assert_eq!(late.problem(), (422, "code-spent".into()));
    let newer = ask(&mut browser).await;
    assert_ne!(newer["challenge"], options["challenge"]);
    assert_eq!(
        answer(&mut browser, &passkey.answer(&newer, &CeremonyOptions::at(ORIGIN))).await.page(),
        "method"
    );
    // A step allows as many requests as messages, for all methods together.
    let (mut browser, _) = challenge_requested(&world).await;
    browser.send_email().await;
    ask(&mut browser).await;
    let refused = browser.send_email().await;
    assert_eq!(refused.problem(), (422, "method-unavailable".into()));
}

/// Controls: C-054, C-061.
#[tokio::test]
async fn removed_or_waiting_passkey_verifies_nothing() {
    let world = world().await;
    let mut passkey = registered(&world, &AISYAH, 1).await;
    let (mut browser, options) = challenge_requested(&world).await;
    let id = EntryId::new(Kind::Passkey, [1; 8]);
    world.enrolment.delete(&AISYAH.account().id, &id).await.unwrap();
    let gone = answer(&mut browser, &passkey.answer(&options, &CeremonyOptions::at(ORIGIN))).await;
    assert_eq!(gone.problem(), (422, "code-wrong".into()));

    let (mut later, answered) =
        Passkey::create(&creation(&world, &AISYAH, &[]), &CeremonyOptions::at(ORIGIN));
    let credential = accept(&world, &AISYAH, &answered).unwrap();
    let now = world.clock.now();
    let secret = Secret::Passkey(credential);
    let entry = NewEntry { active_from: now + Seconds::DAY, ..NewEntry::new(id, "", secret, now) };
    world.enrolment.put(&AISYAH.account().id, &entry).await.unwrap();
    let early = answer(&mut browser, &later.answer(&options, &CeremonyOptions::at(ORIGIN))).await;
    assert_eq!(early.problem(), (422, "code-wrong".into()));
}

/// Controls: C-060.
#[tokio::test]
async fn registration_not_matching_its_options_is_rejected() {
    let world = world().await;
    let truth = CeremonyOptions::at(ORIGIN);
    let options = creation(&world, &AISYAH, &[]);
    assert_eq!(options["authenticatorSelection"]["residentKey"], "required");
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    assert!(!options["user"]["id"].as_str().unwrap().contains("aisyah"));
    let (_, answered) = Passkey::create(&options, &truth);
    let credential = accept(&world, &AISYAH, &answered).unwrap();
    assert_eq!(Credential::parse(&credential.to_json()).unwrap(), credential);
    assert!(credential.is_synced());
    let excluded = creation(&world, &AISYAH, std::slice::from_ref(&credential))["excludeCredentials"].clone();
    let id = serde_json::from_str::<Value>(&answered).unwrap()["id"].clone();
    assert_eq!(excluded, json!([{ "type": "public-key", "id": id, "transports": ["internal"] }]));

    let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let cases = [
        (Refusal::Origin, CeremonyOptions::at("https://evil.example")),
        (Refusal::Challenge, CeremonyOptions { challenge: Some(other.into()), ..truth.clone() }),
        (Refusal::Kind, CeremonyOptions { kind: Some("webauthn.get".into()), ..truth.clone() }),
        (Refusal::Embedded, CeremonyOptions { cross_origin: true, ..truth.clone() }),
        (Refusal::RelyingParty, CeremonyOptions { rp_id: Some("example".into()), ..truth.clone() }),
        (Refusal::NotPresent, CeremonyOptions { flags: VERIFIED, ..truth.clone() }),
        (Refusal::NotVerified, CeremonyOptions { flags: PRESENT, ..truth.clone() }),
        (Refusal::Backup, CeremonyOptions { flags: PRESENT | VERIFIED | 1 << 4, ..truth.clone() }),
        (Refusal::Unsupported, CeremonyOptions { flags: truth.flags | 1 << 7, ..truth }),
    ];
    for (refusal, saying) in cases {
        let (_, answered) = Passkey::create(&options, &saying);
        assert_eq!(accept(&world, &AISYAH, &answered).unwrap_err(), refusal);
    }
}

/// Malformed data: a registration with any byte changed is rejected or has the same meaning.
/// Controls: C-060.
#[tokio::test]
async fn malformed_registration_is_rejected() {
    let world = world().await;
    let options = creation(&world, &AISYAH, &[]);
    let (passkey, _) = Passkey::create(&options, &CeremonyOptions::at(ORIGIN));
    let empty = ciborium::Value::Map(Vec::new());
    for data in [&[][..], &[0; 36], &[0; 37], &[0; 55]] {
        let answered = passkey.registration(data, &empty, "none", &options, &CeremonyOptions::at(ORIGIN));
        assert!(accept(&world, &AISYAH, &answered).is_err());
    }
    for nested in [0x81_u8, 0xa1, 0x9f, 0xbf, 0x5b, 0x9b] {
        let mut answered: Value =
            serde_json::from_str(&Passkey::create(&options, &CeremonyOptions::at(ORIGIN)).1).unwrap();
        answered["response"]["attestationObject"] = json!(base64(&[nested; 4000]));
        assert_eq!(accept(&world, &AISYAH, &answered.to_string()).unwrap_err(), Refusal::Unsupported);
    }
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn from_base64(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// Verbatim responses of Chromium 156 and its virtual authenticator.
#[test]
fn recorded_chromium_responses_are_accepted() {
    let registration = r#"{"id":"fsl9lMTP6plFIFpHFKzt3CrHehcAOZfl-Z6KxNTZukw","rawId":"fsl9lMTP6plFIFpHFKzt3CrHehcAOZfl-Z6KxNTZukw","type":"public-key","response":{"clientDataJSON":"eyJ0eXBlIjoid2ViYXV0aG4uY3JlYXRlIiwiY2hhbGxlbmdlIjoiQndjSEJ3Y0hCd2NIQndjSEJ3Y0hCd2NIQndjSEJ3Y0hCd2NIQndjSEJ3YyIsIm9yaWdpbiI6Imh0dHA6Ly9sb2NhbGhvc3Q6MzQ4MzMiLCJjcm9zc09yaWdpbiI6ZmFsc2UsIm90aGVyX2tleXNfY2FuX2JlX2FkZGVkX2hlcmUiOiJkbyBub3QgY29tcGFyZSBjbGllbnREYXRhSlNPTiBhZ2FpbnN0IGEgdGVtcGxhdGUuIFNlZSBodHRwczovL2dvby5nbC95YWJQZXgifQ","attestationObject":"o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YVikSZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2NFAAAAAQECAwQFBgcIAQIDBAUGBwgAIH7JfZTEz-qZRSBaRxSs7dwqx3oXADmX5fmeisTU2bpMpQECAyYgASFYIA80PizDafjcHDKt01oar6jSpctctwjA_Futkd3FdERlIlggtZgK1vTXDqxOlxvd1xUljOO78gP0FPbnwYDMxSQVNCg","transports":["internal"]}}"#;
    let assertion = r#"{"id":"fsl9lMTP6plFIFpHFKzt3CrHehcAOZfl-Z6KxNTZukw","rawId":"fsl9lMTP6plFIFpHFKzt3CrHehcAOZfl-Z6KxNTZukw","type":"public-key","response":{"clientDataJSON":"eyJ0eXBlIjoid2ViYXV0aG4uZ2V0IiwiY2hhbGxlbmdlIjoiUVFTbnJ4M25KZERiLWR5Mjh3TFIwT0NZMU9ScE1JOUM4WmlDaENYeFZ6VSIsIm9yaWdpbiI6Imh0dHA6Ly9sb2NhbGhvc3Q6MzQ4MzMiLCJjcm9zc09yaWdpbiI6ZmFsc2V9","authenticatorData":"SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFAAAAAg","signature":"MEYCIQD2vr-vSFgVybmbTIqyOKP4i5Gj4Ktagf8Vd6jlcV0H9gIhAKsI9TkMc0oQVpwsP8jWuEDQXOnJjNnt7tnI7u5Syeua","userHandle":"dXNlcg"}}"#;
    let handle: UserHandle = serde_json::from_value(json!("dXNlcg")).unwrap();
    let party = RelyingParty { id: "localhost".into(), origins: vec!["http://localhost:34833".into()] };
    let verifies =
        |key: &_, message: &[u8], signature: &[u8]| RingSignatures.verifies(key, message, signature);
    let expected = Expected { party: &party, challenge: &CHALLENGE };
    let credential = Registration::parse(registration).unwrap().verify(handle, &expected, &verifies).unwrap();
    let challenge = from_base64("QQSnrx3nJdDb-dy28wLR0OCY1ORpMI9C8ZiChCXxVzU");
    let expected = Expected { party: &party, challenge: &challenge };
    assert_eq!(Assertion::parse(assertion).unwrap().verify(&credential, &expected, &verifies), Ok(2));
    let changed = assertion.replacen("MEYCIQD2", "MEYCIQD3", 1);
    let refused = Assertion::parse(&changed).unwrap().verify(&credential, &expected, &verifies);
    assert_eq!(refused, Err(Refusal::Signature));
}

/// TPMs in older Windows machines sign with RSA; OpenSSL made this signature.
/// Controls: C-090.
#[test]
fn rsa_signature_is_verified() {
    let key: PublicKey = serde_json::from_str(RSA_KEY).unwrap();
    let signature = from_base64(RSA_SIGNATURE);
    assert!(RingSignatures.verifies(&key, b"rekey", &signature));
    assert!(!RingSignatures.verifies(&key, b"rekez", &signature));
}

#[test]
fn relying_party_is_localhost_by_default() {
    let settings = shared::settings::Settings::from_pairs([]).unwrap();
    let expected = RelyingParty {
        id: "localhost".into(),
        origins: vec!["http://127.0.0.1:8080".into(), "http://localhost:8080".into()],
    };
    assert_eq!(settings.relying_party(), expected);
}
