//! Keys are rotated while flows are open.

use rekey_tests::World;
use shared::domain::flow::FlowCookie;
use shared::domain::keys::Keyring;
use shared::ports::SignIn;

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

/// Before each step every key is rotated: the CAPTCHA that is on the page, the cookie, the code that lies in the queue,
/// the app's seed and the notices stay good.
#[tokio::test]
async fn a_reset_goes_on_over_rotated_keys() {
    let world = World::new().await;
    let mut browser = world.browser();
    let token = browser.get("/").await.json()["captcha"]["token"].as_str().unwrap().to_owned();
    rotate_all(&world).await;
    let characters = world.captcha_answer(&token);
    let name = serde_json::json!({ "login": "aisyah", "captcha_token": token, "captcha_answer": characters });
    assert_eq!(browser.post("/", name).await.page(), "reason");
    rotate_all(&world).await;
    browser.post("/reason", serde_json::json!({ "reason": "forgotten" })).await;
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
    let told = world.outbox.messages().into_iter().filter(|message| message.code.is_none()).count();
    assert_eq!(told, 4);
    assert_eq!(world.sign_in("aisyah", "Kancil-Lompat-42!").await, SignIn::Accepted);
}

/// With another key behind them every mask would change, and so tell who is real.
#[tokio::test]
async fn decoys_and_budgets_outlive_a_rotation() {
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
    for _ in 0..4 {
        let mut browser = world.browser();
        browser.open("nobody", "forgotten").await;
        sent += usize::from(browser.send_email().await.status == 200);
    }
    assert_eq!(sent, 2, "five an hour, over the rotation");
}

/// A key that is taken out of the ring ends what hangs on it, and nothing fails.
#[tokio::test]
async fn a_key_that_is_gone_ends_its_flows() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    world.cloud.put_secret("REKEY_SECRET_FLOWS", format!(r#"{{"current":"9","9":"{:-<64}"}}"#, 9));
    world.restart().await;
    assert_eq!(browser.get("/method").await.problem(), (410, "flow-ended".into()));
    assert_eq!(browser.open("aisyah", "forgotten").await.page(), "method");
}

/// Processes read their keys when they start, so some have the new ring while others still have the old one. A key that
/// all of them know before it is `current` breaks nothing; one that is `current` at once would end flows.
#[test]
fn a_key_is_known_everywhere_before_it_makes_anything() {
    let ring = |text: &str| Keyring::from_secret(&text.replace('*', &"k".repeat(64))).unwrap();
    let old = ring(r#"{"current":"1","1":"*"}"#);
    let learnt = ring(r#"{"current":"1","1":"*","26112508":"2*"}"#);
    let turned = ring(r#"{"current":"26112508","1":"*","26112508":"2*"}"#);
    let read = |maker: &Keyring, reader: &Keyring| {
        let cookie = FlowCookie::open(maker, [7; 32]).value(maker).unwrap();
        FlowCookie::read(&cookie, reader).is_some()
    };
    for (before, after) in [(&old, &learnt), (&learnt, &turned)] {
        assert!(read(before, after) && read(after, before), "both rounds of the runbook");
    }
    assert!(!read(&turned, &old), "why there are two");
    assert_eq!(turned.eldest(), old.eldest(), "decoys stay as they are");
}
