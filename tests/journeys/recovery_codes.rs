//! Recovery codes: each verifies once, as a method of its own.

use std::sync::Arc;

use rekey_tests::fixtures::AISYAH;
use rekey_tests::{Answer, Browser, World};
use serde_json::json;
use shared::domain::recovery_code::{COUNT, HashedWith, RecoveryCodes, Sheet};
use shared::domain::security_info::{EntryId, Kind, Secret};
use shared::ports::{Clock as _, EnrolmentStore as _, EntropyExt as _, NewEntry};

/// Writes a sheet for Aisyah and returns its codes.
pub async fn sheet(world: &World) -> Vec<String> {
    let codes = RecoveryCodes::generate(&world.entropy.bytes());
    let sheet = codes.sheet(&world.keyring("REKEY_SECRET_SEEDS"), &AISYAH.account().id).unwrap();
    keep(world, sheet).await;
    codes.iter().map(|code| code.expose().to_string()).collect()
}

pub async fn keep(world: &World, sheet: Sheet) {
    let secret = Secret::RecoveryCodes(sheet);
    let entry = NewEntry::new(EntryId::only(Kind::RecoveryCodes), "", secret, world.clock.now());
    world.enrolment.put(&AISYAH.account().id, &entry).await.unwrap();
}

async fn left(world: &World) -> String {
    let registered = world.enrolment.registered(&AISYAH.account().id).await.unwrap();
    registered.entries_of(Kind::RecoveryCodes).next().unwrap().shown.clone()
}

async fn enter(browser: &mut Browser, code: &str) -> Answer {
    browser.post("/code", json!({ "method": "recovery_code", "code": code })).await
}

async fn opened(world: &Arc<World>) -> Browser {
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    browser
}

#[tokio::test]
async fn recovery_code_and_email_reset_the_password() {
    let world = World::new().await;
    let codes = sheet(&world).await;
    let mut browser = opened(&world).await;
    for typed in ["", "0123", "12345678", "0123-4567-89AB-CDEU"] {
        assert_eq!(enter(&mut browser, typed).await.problem(), (400, "malformed".into()), "{typed}");
    }
    let typed = format!(" {} ", codes[3].to_lowercase().replace('-', " ").replace('0', "o"));
    let answer = enter(&mut browser, &typed).await;
    assert_eq!((answer.page().as_str(), &answer.json()["step"]), ("method", &json!(2)));
    assert!(!answer.json()["methods"].to_string().contains("recovery_code"), "one of the two steps only");
    assert_eq!(left(&world).await, "9");
    browser.send_email().await;
    assert_eq!(browser.code(&world.last_code()).await.page(), "password");
    assert_eq!(browser.password("Kancil-Lompat-42!").await.page(), "done");
}

/// Controls: C-030.
#[tokio::test]
async fn recovery_code_is_accepted_once_across_flows() {
    let world = World::new().await;
    let codes = sheet(&world).await;
    assert_eq!(enter(&mut opened(&world).await, &codes[0]).await.page(), "method");
    let mut second = opened(&world).await;
    let again = enter(&mut second, &codes[0]).await;
    assert_eq!((again.problem(), &again.json()["tries_left"]), ((422, "code-wrong".into()), &json!(9)));
    assert_eq!(enter(&mut second, &codes[1]).await.page(), "method");
    // A new sheet replaces the old one.
    sheet(&world).await;
    assert_eq!(enter(&mut opened(&world).await, &codes[2]).await.problem(), (422, "code-wrong".into()));
}

/// Controls: C-030.
#[tokio::test(flavor = "multi_thread")]
async fn recovery_code_in_concurrent_flows_is_accepted_once() {
    let world = World::new().await;
    let codes = sheet(&world).await;
    let mut browsers = Vec::new();
    for _ in 0..5 {
        browsers.push(opened(&world).await);
    }
    // Two requests each use up the day's ten attempts.
    let tasks: Vec<_> = browsers
        .iter()
        .flat_map(|browser| [browser.clone(), browser.clone()])
        .map(|mut browser| {
            let code = codes[0].clone();
            tokio::spawn(async move { enter(&mut browser, &code).await })
        })
        .collect();
    let mut verified = 0;
    for task in tasks {
        let answer = task.await.unwrap();
        assert!(matches!(answer.status.as_u16(), 200 | 409 | 422), "{}", answer.text());
        verified += u8::from(answer.status == 200);
    }
    assert_eq!(verified, 1);
    assert_eq!(left(&world).await, "9", "and no other code was lost");
}

/// Controls: C-035.
#[tokio::test]
async fn repeated_recovery_code_gets_the_newer_cookie() {
    let world = World::new().await;
    let codes = sheet(&world).await;
    let mut browser = opened(&world).await;
    let (mut again, mut attacker) = (browser.clone(), browser.clone());
    assert_eq!(enter(&mut browser, &codes[0]).await.page(), "method");
    assert_eq!(enter(&mut again, &codes[0]).await.problem(), (409, "out-of-step".into()));
    assert_eq!(again.cookie, browser.cookie);
    let older = attacker.cookie.clone();
    assert_eq!(enter(&mut attacker, &codes[1]).await.problem().0, 409);
    assert_eq!((attacker.cookie, left(&world).await.as_str()), (older, "9"));
}

#[tokio::test]
async fn recovery_code_can_be_retried_after_a_crash() {
    let world = World::new().await;
    let codes = sheet(&world).await;
    let mut browser = opened(&world).await;
    world.crash_after("code-verify", "dynamodb:UpdateItem", "SecurityInfoTable");
    assert_eq!(enter(&mut browser, &codes[0]).await.problem(), (503, "unavailable".into()));
    world.clear_faults();
    assert_eq!(
        enter(&mut opened(&world).await, &codes[0]).await.problem().1,
        "code-wrong",
        "it is that flow's"
    );
    assert_eq!(enter(&mut browser, &codes[0]).await.page(), "method");
}

/// An attacker's wrong codes end the attacker's flows and don't block the owner.
/// Controls: C-067.
#[tokio::test]
async fn wrong_recovery_codes_do_not_disable_the_method() {
    let world = World::new().await;
    let codes = sheet(&world).await;
    for _ in 0..3 {
        let mut browser = opened(&world).await;
        for left in (0..10).rev() {
            let answer = enter(&mut browser, "0123-4567-89AB-CDEF").await;
            assert_eq!(
                (answer.problem().1.as_str(), &answer.json()["tries_left"]),
                ("code-wrong", &json!(left))
            );
        }
        assert_eq!(enter(&mut browser, &codes[0]).await.problem(), (410, "flow-ended".into()));
    }
    assert_eq!(enter(&mut opened(&world).await, &codes[0]).await.page(), "method");
}

/// Controls: C-008.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_wrong_recovery_codes_are_compared_ten_times() {
    let world = World::new().await;
    sheet(&world).await;
    let browser = opened(&world).await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let mut browser = browser.clone();
            tokio::spawn(async move { enter(&mut browser, "0123-4567-89AB-CDEF").await.problem().1 })
        })
        .collect();
    let mut wrong = 0;
    for task in tasks {
        wrong += u8::from(task.await.unwrap() == "code-wrong");
    }
    assert_eq!(wrong, 10);
}

/// A sheet of an earlier version: argon2id hashes with a salt.
pub fn slow_sheet() -> Sheet {
    Sheet {
        hashed_with: HashedWith::Salt("AQEBAQEBAQEBAQEBAQEBAQ".into()),
        hashes: vec!["rbluiuZBJMWXobejqUMrBSTT3XB6qfTbr8ECZbsCUK0".into(), "another".into()],
    }
}

/// Controls: C-030.
#[tokio::test]
async fn sheet_of_an_earlier_version_serves_once() {
    let world = World::new().await;
    keep(&world, slow_sheet()).await;
    assert_eq!(enter(&mut opened(&world).await, "0123-4567-89AB-CDEF").await.page(), "method");
    assert_eq!(left(&world).await, "1");
    let again = enter(&mut opened(&world).await, "0123-4567-89AB-CDEF").await;
    assert_eq!(again.problem(), (422, "code-wrong".into()));
    // It also verifies the second step of a session.
    keep(&world, slow_sheet()).await;
    let mut browser = world.browser();
    browser.sign_in("aisyah").await;
    let body = json!({ "method": "recovery_code", "code": "0123-4567-89AB-CDEF" });
    assert_eq!(browser.post("/security-info/verify", body).await.page(), "security-info");
}

/// Controls: C-091.
#[tokio::test]
async fn sheet_serves_after_its_key_was_rotated() {
    let world = World::new().await;
    let codes = sheet(&world).await;
    world.rotate("REKEY_SECRET_SEEDS");
    world.restart().await;
    assert_eq!(enter(&mut opened(&world).await, &codes[0]).await.page(), "method");
    let wrong = enter(&mut opened(&world).await, &codes[0]).await;
    assert_eq!(wrong.problem(), (422, "code-wrong".into()), "and once still");
}

/// Each attempt costs a slow hash, so one network gets ten a day, without effect on other networks.
/// Controls: C-068.
#[tokio::test]
async fn slow_recovery_code_checks_are_limited_per_network() {
    let world = World::new().await;
    keep(&world, slow_sheet()).await;
    let from = async |host: u8, code: &str| {
        let mut browser = opened(&world).await;
        let body = json!({ "method": "recovery_code", "code": code }).to_string();
        let request = browser.request(http::Method::POST, "/code").header("content-type", "application/json");
        let peer = std::net::SocketAddr::from(([198, 51, 100, host], 40_000));
        browser.send(request.extension(axum::extract::ConnectInfo(peer)).body(body).unwrap()).await
    };
    for _ in 0..10 {
        assert_eq!(from(1, "ABCD-EFGH-JKMN-PQRS").await.problem().1, "code-wrong");
    }
    assert_eq!(from(1, "0123-4567-89AB-CDEF").await.problem(), (422, "method-unavailable".into()));
    assert_eq!(from(2, "0123-4567-89AB-CDEF").await.page(), "method");
}

/// Controls: C-030.
#[tokio::test]
async fn used_up_sheet_is_not_offered() {
    let world = World::new().await;
    let codes = sheet(&world).await;
    let id = AISYAH.account().id;
    for (day, code) in codes.iter().enumerate() {
        let methods = world.browser().open("aisyah", "forgotten").await.json()["methods"].to_string();
        assert!(methods.contains("recovery_code"), "{day} of {COUNT} used");
        assert_eq!(enter(&mut opened(&world).await, code).await.page(), "method");
        world.clock.advance(86_400);
    }
    let methods = world.browser().open("aisyah", "forgotten").await.json()["methods"].to_string();
    assert!(!methods.contains("recovery_code"));
    let entry = world.enrolment.registered(&id).await.unwrap();
    assert_eq!(entry.entries_of(Kind::RecoveryCodes).next().unwrap().shown, "0", "it is still listed");
}
