//! Key rotation during open flows.

use rekey_local::dev_inbox::Channel;
use rekey_tests::fixtures::NEW_NUMBER;
use rekey_tests::world::LOCALHOST_ORIGIN;
use rekey_tests::{CeremonyOptions, Passkey, Phone, SignIn, World};
use serde_json::json;
use shared::domain::cookie::{HolderCookie, HolderKind};
use shared::domain::keys::Keyring;

use crate::security_info::{aisyah, app_code, register_phone, token, verify};

const SECRETS: [&str; 6] = [
    "REKEY_SECRET_CAPTCHA",
    "REKEY_SECRET_CONTACTS",
    "REKEY_SECRET_FLOWS",
    "REKEY_SECRET_SEEDS",
    "REKEY_SECRET_MESSAGES",
    "REKEY_SECRET_PUSH",
];

async fn rotate_all(world: &World) {
    for secret in SECRETS {
        world.rotate(secret);
    }
    world.restart().await;
}

/// Every key is rotated before each step. The page's CAPTCHA, the cookie, the queued code, the TOTP seed and the
/// notifications stay valid.
/// Controls: C-091.
#[tokio::test]
async fn reset_continues_across_key_rotations() {
    let world = World::new().await;
    let mut browser = world.browser();
    let token = browser.get("/").await.json()["captcha"]["token"].as_str().unwrap().to_owned();
    rotate_all(&world).await;
    let characters = world.captcha_answer(&token);
    let name = json!({ "login": "aisyah", "captcha_token": token, "captcha_answer": characters });
    assert_eq!(browser.post("/", name).await.page(), "reason");
    rotate_all(&world).await;
    browser.post("/reason", json!({ "reason": "forgotten" })).await;
    assert_eq!(browser.send_email().await.page(), "code");
    rotate_all(&world).await;
    world.deliver().await;
    assert_eq!(browser.code(&world.last_code()).await.page(), "method");
    rotate_all(&world).await;
    assert_eq!(browser.totp(&world.app_code(0)).await.page(), "password");
    rotate_all(&world).await;
    assert_eq!(browser.password("Kancil-Lompat-42!").await.page(), "done");
    rotate_all(&world).await;
    world.deliver().await;
    let notified = world.dev_inbox.messages().into_iter().filter(|message| message.code.is_none()).count();
    assert_eq!(notified, 4);
    assert_eq!(world.sign_in("aisyah", "Kancil-Lompat-42!").await, SignIn::Accepted);
}

/// The same on `/security-info`: the session, its waiting entry, a pairing, approval requests and all enrolled
/// methods stay valid.
/// Controls: C-091.
#[tokio::test]
async fn enrolment_continues_across_key_rotations() {
    let world = World::new().await;
    let mut browser = world.browser();
    let app_page = browser.html("/authenticator").await;
    browser.sign_in("aisyah").await;
    rotate_all(&world).await;
    verify(&mut browser, json!({ "method": "email" })).await;
    rotate_all(&world).await;
    let code = world.last_code();
    assert_eq!(
        verify(&mut browser, json!({ "method": "email", "code": code })).await.page(),
        "security-info"
    );
    let code = world.app_code(0);
    assert_eq!(browser.second_step(&code).await.page(), "security-info", "nothing has to wait");

    let mut phone = Phone::new(&world, 1);
    let (mut app, mut passkey, mut codes) = (json!(null), None, Vec::new());
    for (kind, value) in
        [("mobile", NEW_NUMBER), ("totp", ""), ("authenticator", ""), ("passkey", ""), ("recovery_codes", "")]
    {
        rotate_all(&world).await;
        let asked = browser.add(kind, value).await.json();
        rotate_all(&world).await;
        assert_eq!(browser.get("/security-info/confirm").await.json(), asked, "{kind}");
        let mut body = json!({ "id": asked["id"] });
        match kind {
            "mobile" => body["code"] = json!(world.last_code()),
            "totp" => {
                body["code"] = json!(app_code(&world, &asked));
                app = asked.clone();
            }
            "authenticator" => {
                body["code"] = phone.pair(&token(&asked)).await.json()["code"].clone();
                rotate_all(&world).await;
            }
            "passkey" => {
                let (made, answer) =
                    Passkey::create(&asked["options"], &CeremonyOptions::at(LOCALHOST_ORIGIN));
                body["assertion"] = json!(answer);
                passkey = Some(made);
            }
            _ => {
                let shown = asked["codes"].as_array().unwrap();
                codes = shown.iter().map(|code| code.as_str().unwrap().to_owned()).collect();
            }
        }
        assert_eq!(browser.post("/security-info/confirm", body).await.page(), "security-info", "{kind}");
    }
    rotate_all(&world).await;

    // Each of them verifies the second step, with a rotation between challenge and answer.
    world.clock.advance(60);
    let mut passkey = passkey.unwrap();
    for method in ["totp", "passkey", "recovery_code", "push"] {
        let mut next = world.browser();
        let page = next.sign_in("aisyah").await.json();
        let mut body = json!({ "method": method });
        match method {
            "totp" => body["code"] = json!(app_code(&world, &app)),
            "passkey" => {
                body["assertion"] =
                    json!(passkey.answer(&page["options"], &CeremonyOptions::at(LOCALHOST_ORIGIN)));
            }
            "recovery_code" => body["code"] = json!(codes[0]),
            _ => {
                let asked = verify(&mut next, body.clone()).await.json();
                rotate_all(&world).await;
                world.deliver().await;
                let request = phone.request().await;
                rotate_all(&world).await;
                let answer = phone.approve(&request, asked["number"].as_str().unwrap()).await;
                assert_eq!(answer.json()["status"], "approved", "{}", answer.text());
            }
        }
        rotate_all(&world).await;
        assert_eq!(verify(&mut next, body).await.page(), "security-info", "{method}");
    }
    let pushes = world.dev_inbox.messages().into_iter().filter(|message| message.channel == Channel::Push);
    assert_eq!(pushes.count(), 1, "its subscription opens");
    assert_eq!(
        browser.html("/authenticator").await,
        app_page,
        "and is for the key that push services know us by"
    );

    // After their waiting period they also verify the steps of a reset.
    world.clock.advance(72 * 3_600);
    let mut reset = world.browser();
    reset.open("aisyah", "forgotten").await;
    let asked = reset.send_push().await.json();
    rotate_all(&world).await;
    let request = phone.request().await;
    phone.approve(&request, asked["number"].as_str().unwrap()).await;
    rotate_all(&world).await;
    assert_eq!(reset.approved().await.page(), "method");
    let options = reset.post("/code/send", json!({ "method": "passkey" })).await.json()["options"].clone();
    rotate_all(&world).await;
    let assertion = passkey.answer(&options, &CeremonyOptions::at(LOCALHOST_ORIGIN));
    let verified = reset.post("/code", json!({ "method": "passkey", "assertion": assertion })).await;
    assert_eq!(verified.page(), "password");
}

/// A lost key ends or blocks what depends on it, for each secret, and grants no access.
/// Controls: C-052.
#[tokio::test]
async fn lost_key_grants_no_access_to_security_info() {
    for (secret, page, second_step, confirmed, device) in [
        ("REKEY_SECRET_FLOWS", 200, 410, 410, 200),
        ("REKEY_SECRET_SEEDS", 200, 503, 503, 200),
        ("REKEY_SECRET_CONTACTS", 503, 503, 503, 200),
        ("REKEY_SECRET_PUSH", 200, 200, 200, 403),
    ] {
        let world = World::new().await;
        let mut owner = aisyah(&world).await;
        let mut phone = register_phone(&world, &mut owner, 1).await;
        let asked = owner.add("totp", "").await.json();
        world.clock.advance(30);
        let mut browser = world.browser();
        browser.sign_in("aisyah").await;
        world.emulator.put_secret(secret, format!(r#"{{"current":"9","9":"{:-<64}"}}"#, 9));
        world.restart().await;

        let shown = browser.get("/security-info").await;
        assert_eq!(shown.status, page, "{secret}: {}", shown.text());
        assert!(shown.json()["registered"].is_null(), "{secret}: {}", shown.text());
        assert_eq!(browser.second_step(&world.app_code(0)).await.status, second_step, "{secret}");
        let code = app_code(&world, &asked);
        assert_eq!(owner.confirm("totp", &code).await.status, confirmed, "{secret}");
        let asked = match phone.poll().await {
            stale if stale.status == 409 => phone.poll().await,
            asked => asked,
        };
        assert_eq!(asked.status, device, "{secret}: {}", asked.text());
    }
}

/// With another key every decoy's mask would change, which would reveal the real accounts.
/// Controls: C-091.
#[tokio::test]
async fn decoys_and_rate_limits_survive_key_rotation() {
    let world = World::new().await;
    let masks = async || world.browser().open("nobody", "forgotten").await.json()["methods"].clone();
    let before = masks().await;
    for _ in 0..3 {
        world.browser().open("nobody", "forgotten").await;
        let mut browser = world.browser();
        browser.open("nobody", "forgotten").await;
        assert_eq!(browser.send_email().await.page(), "code");
    }
    rotate_all(&world).await;
    assert_eq!(masks().await, before);
    let mut sent = 0;
    for network in [203, 10, 10, 10] {
        let mut browser = world.browser().from_address([network, 0, 113, 7]);
        browser.open("nobody", "forgotten").await;
        sent += usize::from(browser.send_email().await.status == 200);
    }
    assert_eq!(sent, 2, "five an hour, over the rotation");
}

/// A key that is removed from the keyring ends what depends on it, without an error.
/// Controls: C-091.
#[tokio::test]
async fn removed_key_ends_its_flows() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    world.emulator.put_secret("REKEY_SECRET_FLOWS", format!(r#"{{"current":"9","9":"{:-<64}"}}"#, 9));
    world.restart().await;
    assert_eq!(browser.get("/method").await.problem(), (410, "flow-ended".into()));
    assert_eq!(browser.open("aisyah", "forgotten").await.page(), "method");
}

/// Processes read their keys when they start, so old and new keyrings are in use together. A new key does no harm if
/// all processes know it before it is `current`. A key that is `current` at once would end flows.
/// Controls: C-091.
#[test]
fn new_key_is_readable_before_it_is_current() {
    let ring = |text: &str| Keyring::from_secret(&text.replace('*', &"k".repeat(64))).unwrap();
    let old = ring(r#"{"current":"1","1":"*"}"#);
    let learnt = ring(r#"{"current":"1","1":"*","26112508":"2*"}"#);
    let turned = ring(r#"{"current":"26112508","1":"*","26112508":"2*"}"#);
    let read = |maker: &Keyring, reader: &Keyring| {
        let cookie = HolderCookie::open_flow(maker, [7; 32]).value(maker).unwrap();
        HolderCookie::read(HolderKind::Flow, &cookie, reader).is_some()
    };
    for (before, after) in [(&old, &learnt), (&learnt, &turned)] {
        assert!(read(before, after) && read(after, before), "both rounds of the runbook");
    }
    assert!(!read(&turned, &old), "why there are two");
    assert_eq!(turned.oldest(), old.oldest(), "decoys stay as they are");
}
