//! Cookies from before the last verification. They help a browser that missed the response with the newer one. They
//! spend, change and end nothing.

use std::sync::Arc;

use http::Method;
use rekey_tests::fixtures::{AISYAH, NEW_NUMBER};
use rekey_tests::world::LOCALHOST_ORIGIN;
use rekey_tests::{Answer, Browser, CeremonyOptions, Passkey, Phone, World};
use serde_json::{Value, json};

use crate::security_info::{aisyah, register_phone, verify};

/// Returns every item of a flow, session or request.
async fn flows(world: &World) -> String {
    let dump = world.dump().await;
    let mut lines: Vec<_> = dump
        .lines()
        .filter(|line| line.starts_with("FlowsTable"))
        .map(|line| {
            // The order of a map is not stable.
            let mut letters: Vec<_> = line.chars().collect();
            letters.sort_unstable();
            letters.into_iter().collect::<String>()
        })
        .collect();
    lines.sort();
    lines.join("\n")
}

/// Returns a browser that verified one step by email, a copy of it with the earlier cookie, and the code.
async fn one_step_on(world: &Arc<World>) -> (Browser, Browser, String) {
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    browser.send_email().await;
    let (older, code) = (browser.clone(), world.last_code());
    assert_eq!(browser.code(&code).await.page(), "method");
    (browser, older, code)
}

fn other_than(code: &str) -> &'static str {
    if code == "00000000" { "11111111" } else { "00000000" }
}

/// Returns an assertion of an unregistered passkey.
fn assertion() -> String {
    let made = json!({ "rp": { "id": "localhost" }, "user": { "id": "AAAA" }, "challenge": "AAAA" });
    let (mut passkey, _) = Passkey::create(&made, &CeremonyOptions::at(LOCALHOST_ORIGIN));
    passkey
        .answer(&json!({ "challenge": "AAAA", "rpId": "localhost" }), &CeremonyOptions::at(LOCALHOST_ORIGIN))
}

/// Controls: C-036.
#[tokio::test]
async fn older_cookie_spends_and_ends_nothing() {
    let world = World::new().await;
    let (mut browser, older, code) = one_step_on(&world).await;
    browser.send_phone("sms", "012-345 6798").await;
    let second = world.last_code();
    let before = flows(&world).await;
    let acts: [(&str, Value); 12] = [
        ("/code", json!({ "code": other_than(&code) })),
        ("/code", json!({ "code": second })),
        ("/code", json!({ "method": "totp", "code": "000000" })),
        ("/code", json!({ "method": "totp", "code": world.app_code(0) })),
        ("/code", json!({ "method": "recovery_code", "code": "0123-4567-89AB-CDEF" })),
        ("/code", json!({ "method": "passkey", "assertion": assertion() })),
        ("/code", json!({ "method": "push" })),
        ("/reason", json!({ "reason": "locked" })),
        ("/code/send", json!({ "method": "email" })),
        ("/password", json!({ "password": "Kancil-Lompat-42!", "confirmation": "Kancil-Lompat-42!" })),
        ("/unlock", json!({})),
        ("/cancel", json!({})),
    ];
    for (path, body) in acts {
        for n in 0..12 {
            let mut older = older.clone();
            let answer = older.post(path, body.clone()).await;
            if path == "/cancel" {
                assert_eq!(answer.page(), "ended", "the browser has left");
            } else {
                assert_eq!(answer.problem(), (409, "out-of-step".into()), "{path} {body} {n}");
                assert_ne!(older.cookie, browser.cookie, "{path} {body} {n}");
            }
        }
        assert_eq!(flows(&world).await, before, "{path} {body}");
    }
    let wrong = browser.code(other_than(&second)).await;
    assert_eq!((wrong.problem().1.as_str(), &wrong.json()["tries_left"]), ("code-wrong", &json!(4)));
    assert_eq!(browser.code(&second).await.page(), "password");
    assert_eq!(browser.password("Kancil-Lompat-42!").await.page(), "done");
}

/// A lost response can be requested again, and the attempts of an attacker with the older cookie are limited.
/// Controls: C-036.
#[tokio::test]
async fn older_cookie_gets_five_attempts_per_step() {
    let world = World::new().await;
    let (browser, older, code) = one_step_on(&world).await;
    let answer = older.clone().code(&code).await;
    assert_eq!((answer.problem().0, &answer.json()["page"]), (409, &json!("method")));
    for _ in 0..3 {
        assert_eq!(older.clone().code(other_than(&code)).await.problem().0, 409);
    }
    let mut fifth = older.clone();
    fifth.code(&code).await;
    assert_eq!(fifth.cookie, browser.cookie);
    let mut sixth = older.clone();
    assert_eq!(sixth.code(&code).await.problem().0, 409);
    assert_eq!(sixth.cookie, older.cookie, "not even the right one is compared");
}

/// Controls: C-036.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_older_cookie_answers_are_compared_five_times() {
    let world = World::new().await;
    let (mut browser, older, code) = one_step_on(&world).await;
    let before = flows(&world).await;
    let newer = all_at_once(&older, 50, |mut browser| {
        let code = code.clone();
        async move { (browser.code(&code).await, browser) }
    })
    .await;
    assert!(newer.iter().all(|(answer, _)| answer.problem().0 == 409));
    assert_eq!(newer.iter().filter(|(_, later)| later.cookie == browser.cookie).count(), 5);
    assert_eq!(flows(&world).await, before);
    assert_eq!(browser.send_phone("sms", "012-345 6798").await.page(), "code");
    assert_eq!(browser.code(&world.last_code()).await.page(), "password");
}

async fn all_at_once<F: Future<Output = (Answer, Browser)> + Send + 'static>(
    browser: &Browser,
    times: usize,
    act: impl Fn(Browser) -> F,
) -> Vec<(Answer, Browser)> {
    let tasks: Vec<_> = (0..times).map(|_| tokio::spawn(act(browser.clone()))).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

/// Controls: C-036.
#[tokio::test]
async fn older_cookie_gets_approval_result_five_times() {
    let world = World::new().await;
    let mut phone = Phone::enrolled(&world, 1, &AISYAH).await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    let number = browser.send_push().await.json()["number"].as_str().unwrap().to_owned();
    let request = phone.request().await;
    phone.approve(&request, &number).await;
    let older = browser.clone();
    assert_eq!(browser.approved().await.page(), "method");
    for n in 0..7 {
        let mut late = older.clone();
        assert_eq!(late.approved().await.problem().0, 409);
        assert_eq!(late.cookie == browser.cookie, n < 5, "{n}");
    }
}

/// The same holds for `/security-info`.
/// Controls: C-036.
#[tokio::test]
async fn older_session_cookie_spends_and_ends_nothing() {
    let world = World::new().await;
    let mut older = world.browser();
    older.sign_in("aisyah").await;
    let mut browser = older.clone();
    browser.second_step(&world.app_code(0)).await;
    world.clock.advance(30);
    verify(&mut browser, json!({ "method": "email" })).await;
    let code = world.last_code();
    let before = flows(&world).await;
    for (method, answer) in
        [("email", other_than(&code)), ("totp", "000000"), ("sms", "12345678"), ("office_call", "12345678")]
    {
        for _ in 0..6 {
            verify(&mut older.clone(), json!({ "method": method, "code": answer })).await;
        }
    }
    let ended = (410, "flow-ended".to_owned());
    assert_eq!(verify(&mut older.clone(), json!({ "method": "email", "code": code })).await.problem(), ended);
    for method in ["email", "sms", "push"] {
        let asked = verify(&mut older.clone(), json!({ "method": method })).await;
        assert!(asked.problem() == ended || asked.problem().1 == "method-unavailable", "{method}");
    }
    let sign_out =
        older.request(Method::POST, "/security-info/sign-out").header("content-type", "application/json");
    assert_eq!(older.clone().send(sign_out.body("{}".to_owned()).unwrap()).await.page(), "sign-in");
    assert_eq!(older.clone().sign_in("aisyah").await.page(), "second-step");
    world.deliver().await;
    let untouched = flows(&world).await;
    assert!(before.lines().all(|line| untouched.contains(line)), "the session is as it was");

    let wrong = verify(&mut browser, json!({ "method": "email", "code": other_than(&code) })).await;
    assert_eq!(wrong.json()["tries_left"], 4);
    assert_eq!(
        verify(&mut browser, json!({ "method": "email", "code": code })).await.page(),
        "security-info"
    );
    assert_eq!(browser.add("mobile", NEW_NUMBER).await.page(), "confirm");
}

/// An older cookie can't use an approval that the newest one requested.
/// Controls: C-036.
#[tokio::test]
async fn older_session_cookie_receives_no_approval() {
    let world = World::new().await;
    let mut owner = aisyah(&world).await;
    let mut phone = register_phone(&world, &mut owner, 1).await;
    world.clock.advance(72 * 3_600);
    let mut older = world.browser();
    older.sign_in("aisyah").await;
    let mut browser = older.clone();
    browser.second_step(&world.app_code(0)).await;
    let asked = verify(&mut browser, json!({ "method": "push" })).await.json();
    let request = phone.request().await;
    phone.approve(&request, asked["number"].as_str().unwrap()).await;
    assert_eq!(verify(&mut older, json!({ "method": "push" })).await.problem(), (410, "flow-ended".into()));
    assert_eq!(verify(&mut browser, json!({ "method": "push" })).await.page(), "security-info");
    assert_eq!(browser.get("/security-info").await.page(), "security-info");
}

/// Controls: C-036.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_older_session_answers_are_compared_five_times() {
    let world = World::new().await;
    let mut older = world.browser();
    older.sign_in("aisyah").await;
    verify(&mut older, json!({ "method": "email" })).await;
    let code = world.last_code();
    let mut browser = older.clone();
    verify(&mut browser, json!({ "method": "email", "code": code })).await;
    let came = all_at_once(&older, 50, |mut browser| {
        let code = code.clone();
        async move { (verify(&mut browser, json!({ "method": "email", "code": code })).await, browser) }
    })
    .await;
    assert_eq!(came.iter().filter(|(_, later)| later.session == browser.session).count(), 5);
    assert_eq!(browser.get("/security-info").await.page(), "security-info");
}
