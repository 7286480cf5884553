//! Help desk passes: one verifies every step of one flow, whatever methods the account has.

use std::sync::Arc;

use rekey_tests::fixtures::{AISYAH, DANIEL, MEI, NEWCOMER, Person, REGISTRAR};
use rekey_tests::{Answer, Browser, World};
use serde_json::json;
use shared::domain::account::AccountId;
use shared::domain::event::Event;
use shared::domain::method::Method;
use shared::domain::pass::{Pass, PassKind};
use shared::domain::time::Seconds;
use shared::ports::{Clock as _, EntropyExt as _, PassStore as _};

const PASSWORD: &str = "Kancil-Lompat-42!";
const UNKNOWN: &str = "0123-4567-89AB-CDEF";

/// Creates a pass for an hour and returns it as the help desk reads it out.
pub async fn pass(world: &World, account: &AccountId) -> String {
    let pass = Pass::generate(&world.entropy.bytes());
    let (kind, seeds) = (PassKind::Caller, world.keyring("REKEY_SECRET_SEEDS"));
    let tag = pass.tag(kind, &seeds, account).unwrap();
    world.enrolment.put_pass(account, kind, &tag, world.clock.now() + Seconds::HOUR).await.unwrap();
    pass.code().expose().to_string()
}

async fn opened(world: &Arc<World>, login: &str) -> Browser {
    let mut browser = world.browser();
    browser.open(login, "forgotten").await;
    browser
}

async fn enter(browser: &mut Browser, pass: &str) -> Answer {
    browser.post("/code", json!({ "method": "pass", "code": pass })).await
}

async fn can_sign_in(world: &Arc<World>, person: &Person, password: &str) -> bool {
    let mut browser = world.browser();
    let body = json!({ "login": person.login, "password": password });
    browser.post("/security-info/sign-in", body).await.status == 200
}

/// Controls: C-031.
#[tokio::test]
async fn pass_serves_every_step_of_one_flow() {
    let world = World::new().await;
    let pass = pass(&world, &AISYAH.account().id).await;
    let mut browser = opened(&world, "aisyah").await;
    assert_eq!(enter(&mut browser, "1234").await.problem(), (400, "malformed".into()));
    let typed = pass.to_lowercase().replace('-', " ");
    assert_eq!(enter(&mut browser, &typed).await.page(), "password", "both steps");
    assert_eq!(browser.password(PASSWORD).await.page(), "done");
    let notified: Vec<_> =
        world.notices().into_iter().filter(|notice| notice.event == Event::Reset).collect();
    assert_eq!(notified.len(), 4, "every contact");
    assert!(notified.iter().all(|notice| notice.methods == [Method::Pass]), "once");
    assert!(can_sign_in(&world, &AISYAH, PASSWORD).await);
    let again = enter(&mut opened(&world, "aisyah").await, &pass).await;
    assert_eq!((again.problem(), &again.json()["tries_left"]), ((422, "code-wrong".into()), &json!(9)));
}

#[tokio::test]
async fn pass_serves_after_a_first_step() {
    let world = World::new().await;
    let pass = pass(&world, &AISYAH.account().id).await;
    let mut browser = opened(&world, "aisyah").await;
    browser.send_email().await;
    assert_eq!(browser.code(&world.last_code()).await.page(), "method");
    assert_eq!(enter(&mut browser, &pass).await.page(), "password");
}

/// Passes exist for this person: every method is lost, or none was ever enrolled.
#[tokio::test]
async fn pass_opens_account_without_enough_enrolled_methods() {
    let world = World::new().await;
    world.register(&NEWCOMER).await;
    for person in [&NEWCOMER, &MEI] {
        let pass = pass(&world, &person.account().id).await;
        let mut browser = opened(&world, person.login).await;
        assert_eq!(enter(&mut browser, &pass).await.page(), "password", "{}", person.login);
        assert_eq!(browser.password(PASSWORD).await.page(), "done", "{}", person.login);
        assert!(can_sign_in(&world, person, PASSWORD).await, "{}", person.login);
    }
}

/// Controls: C-031.
#[tokio::test]
async fn pass_for_disabled_or_excluded_account_is_rejected() {
    let world = World::new().await;
    for person in [&DANIEL, &REGISTRAR] {
        let pass = pass(&world, &person.account().id).await;
        let answer = enter(&mut opened(&world, person.login).await, &pass).await;
        assert_eq!(answer.problem(), (422, "code-wrong".into()), "{}", person.login);
    }
}

/// Controls: C-031.
#[tokio::test]
async fn foreign_or_expired_pass_is_rejected() {
    let world = World::new().await;
    let pass = pass(&world, &AISYAH.account().id).await;
    let other = enter(&mut opened(&world, "priya").await, &pass).await;
    assert_eq!(other.problem(), (422, "code-wrong".into()));
    world.clock.advance(3_600);
    let late = enter(&mut opened(&world, "aisyah").await, &pass).await;
    assert_eq!(late.problem(), (422, "code-wrong".into()));
}

/// Nobody learns from the page whether there is an account, or a pass.
/// Controls: C-001.
#[tokio::test]
async fn pass_is_offered_last_to_everybody() {
    let world = World::new().await;
    for login in ["aisyah", "mei", "daniel", "registrar", "nobody-at-all"] {
        let mut browser = world.browser();
        let first = browser.open(login, "forgotten").await.json()["methods"].clone();
        let last = first.as_array().unwrap().last().unwrap();
        assert_eq!(*last, json!({ "method": "pass", "masked": "" }), "{login}");
        let html = browser.html("/method").await;
        assert!(html.contains("id=\"code-pass\""), "{login}");
    }
    let mut browser = opened(&world, "aisyah").await;
    browser.send_email().await;
    let second = browser.code(&world.last_code()).await.json()["methods"].clone();
    assert_eq!(second.as_array().unwrap().last().unwrap()["method"], "pass");
}

/// A wrong pass gets the same response with the same number of calls for every login.
/// Controls: C-001.
#[tokio::test]
async fn wrong_pass_response_is_equal_for_decoys() {
    let world = World::new().await;
    let mut seen = Vec::new();
    for login in ["aisyah", "mei", "daniel", "nobody-at-all"] {
        let mut browser = opened(&world, login).await;
        let before = world.emulator.calls();
        let answer = enter(&mut browser, UNKNOWN).await;
        let after = world.emulator.calls();
        let count = |calls: &std::collections::BTreeMap<_, u64>| calls.values().sum::<u64>();
        seen.push((answer.problem(), answer.json()["tries_left"].clone(), count(&after) - count(&before)));
        for left in (1..9).rev() {
            assert_eq!(enter(&mut browser, UNKNOWN).await.json()["tries_left"], json!(left), "{login}");
        }
        enter(&mut browser, UNKNOWN).await;
        assert_eq!(enter(&mut browser, UNKNOWN).await.problem(), (410, "flow-ended".into()), "{login}");
    }
    assert!(seen.iter().all(|answer| *answer == seen[0]), "{seen:?}");
}

/// A double click, or a lost response.
/// Controls: C-035.
#[tokio::test]
async fn pass_sent_twice_gets_the_newer_cookie() {
    let world = World::new().await;
    let pass = pass(&world, &AISYAH.account().id).await;
    let mut browser = opened(&world, "aisyah").await;
    let mut older = browser.clone();
    assert_eq!(enter(&mut browser, &pass).await.page(), "password");
    let again = enter(&mut older, &pass).await;
    assert_eq!((again.problem().0, &again.json()["page"]), (409, &json!("password")));
    assert_eq!(older.cookie, browser.cookie);
    assert_eq!(older.password(PASSWORD).await.page(), "done");
}

/// A reset in another flow ends the flow that a pass has opened, as it ends every other flow.
/// Controls: C-031.
#[tokio::test]
async fn pass_opens_nothing_after_another_change() {
    let world = World::new().await;
    let pass = pass(&world, &MEI.account().id).await;
    let (mut first, mut second) = (opened(&world, "mei").await, opened(&world, "mei").await);
    assert_eq!(enter(&mut first, &pass).await.page(), "password");
    assert_eq!(first.password(PASSWORD).await.page(), "done");
    let newer = self::pass(&world, &MEI.account().id).await;
    assert_eq!(enter(&mut second, &newer).await.page(), "password");
    assert_eq!(second.password("Helang-Terbang-7!").await.problem(), (410, "flow-ended".into()));
}
