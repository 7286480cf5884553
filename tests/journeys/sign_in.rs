//! Sign-in to `/security-info`: it prevents lockouts by others and account enumeration.

use std::sync::Arc;

use http::Method;
use rekey_tests::fixtures::{AISYAH, Person};
use rekey_tests::{Answer, Browser, Phone, World};
use serde_json::{Value, json};
use shared::domain::account::{Account, AccountState};

use crate::captcha::work;
use crate::decoys::calls_since;

const PATH: &str = "/security-info/sign-in";
const WRONG: &str = "Wrong-Password-1";

async fn sign_in(world: &Arc<World>, login: &str, password: &str) -> Answer {
    world.browser().post(PATH, json!({ "login": login, "password": password })).await
}

/// The same with a solved CAPTCHA, as a person with a browser sends it.
async fn solved(world: &Arc<World>, login: &str, password: &str, captcha: &Value) -> Answer {
    let body = json!({
        "login": login,
        "password": password,
        "captcha_token": captcha["token"],
        "captcha_work": work(captcha),
    });
    world.browser().post(PATH, body).await
}

/// Returns the observable parts of a sign-in response.
fn observable(answer: &Answer) -> (u16, Value, bool) {
    let json = answer.json();
    (answer.status.as_u16(), json["code"].clone(), json["captcha"]["harder"] == true)
}

/// Controls: C-066.
#[tokio::test]
async fn wrong_passwords_do_not_lock_out_the_owner() {
    let world = World::new().await;
    let mut all = Vec::new();
    for login in ["aisyah", "nobody"] {
        let mut seen_of = Vec::new();
        for _ in 0..12 {
            seen_of.push(observable(&sign_in(&world, login, WRONG).await));
        }
        let tried = seen_of.iter().filter(|(_, code, _)| code == "sign-in-wrong").count();
        assert_eq!(tried, 2, "{login}");
        assert!(seen_of[2..].iter().all(|seen| *seen == (422, json!("captcha-harder"), true)), "{login}");
        let captcha = sign_in(&world, login, WRONG).await.json()["captcha"].clone();
        seen_of.push(observable(&solved(&world, login, WRONG, &captcha).await));
        all.push(seen_of);
    }
    assert_eq!(all[0], all[1], "with an account and without");
    assert_eq!(all[0][12], (422, json!("sign-in-wrong"), true), "with the next CAPTCHA");

    let challenge = sign_in(&world, "aisyah", Person::PASSWORD).await;
    assert_eq!(
        challenge.problem(),
        (422, "captcha-harder".into()),
        "no sign-in without it, whatever the password"
    );
    let captcha = &challenge.json()["captcha"];
    assert_eq!(solved(&world, "aisyah", Person::PASSWORD, captcha).await.page(), "second-step");
    let again = solved(&world, "aisyah", Person::PASSWORD, captcha).await;
    assert_eq!(again.problem(), (422, "captcha-wrong".into()), "a token serves once");
    world.clock.advance(3_600);
    assert_eq!(
        world.browser().sign_in("aisyah").await.page(),
        "second-step",
        "an hour later all is as before"
    );
}

/// Controls: C-066.
#[tokio::test]
async fn captcha_allows_sign_in_from_rate_limited_address() {
    let world = World::new().await;
    for _ in 0..300 {
        sign_in(&world, "nobody", WRONG).await;
    }
    for _ in 0..100 {
        assert_eq!(sign_in(&world, "nobody", WRONG).await.problem(), (422, "captcha-harder".into()));
    }
    for login in ["aisyah", "mei"] {
        let challenge = sign_in(&world, login, Person::PASSWORD).await;
        assert_eq!(challenge.problem(), (422, "captcha-harder".into()), "{login}");
        let answer = solved(&world, login, Person::PASSWORD, &challenge.json()["captcha"]).await;
        assert_eq!(answer.page(), "second-step", "{login}");
    }
}

/// Controls: C-066.
#[tokio::test]
async fn accepted_sign_in_costs_no_attempt() {
    let world = World::new().await;
    sign_in(&world, "aisyah", WRONG).await;
    for _ in 0..20 {
        assert_eq!(sign_in(&world, "aisyah", Person::PASSWORD).await.page(), "second-step");
    }
}

/// Controls: C-014.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_sign_ins_check_two_passwords() {
    let world = World::new().await;
    let tasks: Vec<_> = (0..30)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { sign_in(&world, "aisyah", WRONG).await.problem().1 })
        })
        .collect();
    let mut tried = 0;
    for task in tasks {
        tried += usize::from(task.await.unwrap() == "sign-in-wrong");
    }
    assert_eq!(tried, 2);
}

/// A wrong CAPTCHA costs no sign-in attempt and no directory read, so no hash.
/// Controls: C-014, C-068.
#[tokio::test]
async fn wrong_captcha_checks_no_password() {
    let world = World::new().await;
    for _ in 0..2 {
        sign_in(&world, "aisyah", WRONG).await;
    }
    let mut captcha = sign_in(&world, "aisyah", WRONG).await.json()["captcha"].clone();
    let before = world.emulator.calls();
    let wrong = ["0"; 64].join(".");
    for _ in 0..10 {
        let body = json!({
            "login": "aisyah", "password": WRONG, "captcha_token": captcha["token"], "captcha_work": wrong,
        });
        let answer = world.browser().post(PATH, body).await;
        assert_eq!(observable(&answer), (422, json!("captcha-wrong"), true));
        let next = answer.json()["captcha"].clone();
        assert_ne!(next["token"], captcha["token"]);
        captcha = next;
    }
    let calls = calls_since(&world, &before);
    assert!(calls.iter().all(|(call, _)| !call.contains("AccountsTable")), "{calls:?}");
    assert_eq!(solved(&world, "aisyah", Person::PASSWORD, &captcha).await.page(), "second-step");
}

/// Controls: C-014.
#[tokio::test]
async fn sign_in_requires_harder_captcha_of_same_login() {
    let world = World::new().await;
    let easy = world.browser().get("/").await.json()["captcha"].clone();
    let answer = solved(&world, "aisyah", Person::PASSWORD, &easy).await;
    assert_eq!(answer.problem(), (422, "captcha-harder".into()), "that of page 1 is cheap");
    let anothers = answer.json()["captcha"].clone();
    let answer = solved(&world, "mei", Person::PASSWORD, &anothers).await;
    assert_eq!(answer.problem(), (422, "captcha-wrong".into()));
    let captcha = &answer.json()["captcha"];
    let token = captcha["token"].as_str().unwrap();
    let body = json!({
        "login": "mei",
        "password": Person::PASSWORD,
        "captcha_token": token,
        "captcha_answer": world.captcha_answer(token),
    });
    let answer = world.browser().post(PATH, body).await;
    assert_eq!(answer.problem(), (422, "captcha-harder".into()), "characters do not do");
    assert_eq!(answer.json()["captcha"]["token"], token, "the token is not spent");
}

/// The page has the elements of page 1, and keeps a CAPTCHA that was not checked.
/// Controls: C-014.
#[tokio::test]
async fn sign_in_page_shows_captcha_like_first_page() {
    async fn post(browser: &mut Browser, body: String) -> String {
        let form = "application/x-www-form-urlencoded";
        let request = browser.request(Method::POST, PATH).header("sec-fetch-site", "same-origin");
        let mut request = request.header("content-type", form).body(body).unwrap();
        request.headers_mut().insert("accept", "text/html".parse().unwrap());
        browser.send(request).await.text()
    }
    let world = World::new().await;
    let mut browser = world.browser();
    let body = format!("login=aisyah&password={WRONG}");
    for _ in 0..2 {
        assert!(!post(&mut browser, body.clone()).await.contains("captcha_token"));
    }
    let page = post(&mut browser, body).await;
    let first = world.browser().html("/").await;
    for part in ["captcha_token", "captcha_work", "<progress", "data-script=\"/assets/"] {
        assert!(page.contains(part) && first.contains(part), "{part}");
    }
    for part in ["id=\"picture\"", "id=\"sound\"", "captcha_answer"] {
        assert!(!page.contains(part) && first.contains(part), "only work passes: {part}");
    }
    assert!(page.contains("<noscript>"), "without scripts it says where to get help");
    assert!(page.contains("data-harder") && page.contains("value=\"aisyah\"") && !page.contains(WRONG));
    let token = page.split("name=\"captcha_token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let picture = browser.get(&format!("/captcha/{token}/picture.png")).await;
    assert_eq!(picture.header("content-type"), Some("image/png"));
    let without = format!("login=aisyah&password=&captcha_token={token}&captcha_answer=&captcha_work=");
    assert!(post(&mut browser, without).await.contains(token), "nothing was looked at");
}

/// Counting a sign-in's calls reveals nothing either. One account is locked out here, one is locked by the
/// organisation, and one has no password.
/// Controls: C-005.
#[tokio::test]
async fn failed_sign_ins_make_identical_service_calls() {
    let world = World::new().await;
    for _ in 0..5 {
        let _ = world.sign_in("mei", WRONG).await;
    }
    let bare = Person { login: "bare", ..AISYAH };
    world.put_account(&bare.account(), None).await;
    let mut all = Vec::new();
    for (login, password) in [
        ("nobody", Person::PASSWORD),
        ("aisyah", WRONG),
        ("mei", Person::PASSWORD),
        ("priya", Person::PASSWORD),
        ("daniel", Person::PASSWORD),
        ("registrar", WRONG),
        ("bare", Person::PASSWORD),
    ] {
        let before = world.emulator.calls();
        let mut answers = Vec::new();
        for _ in 0..3 {
            answers.push(observable(&sign_in(&world, login, password).await));
        }
        all.push((login, answers, calls_since(&world, &before)));
    }
    let (_, answers, calls) = all[0].clone();
    assert_eq!(answers[1..], [(422, json!("sign-in-wrong"), false), (422, json!("captcha-harder"), true)]);
    for (login, its_answers, its_calls) in all {
        assert_eq!((&its_answers, &its_calls), (&answers, &calls), "{login}");
    }
}

/// Controls: C-046.
#[tokio::test]
async fn excluded_account_cannot_sign_in() {
    let world = World::new().await;
    let answer = sign_in(&world, "registrar", Person::PASSWORD).await;
    assert_eq!(answer.problem(), (422, "sign-in-wrong".into()));
}

/// Controls: C-046.
#[tokio::test]
async fn session_of_disabled_account_changes_nothing() {
    for (state, path) in [AccountState::Disabled, AccountState::Excluded]
        .into_iter()
        .flat_map(|state| ["add", "confirm", "remove"].map(|path| (state, path)))
    {
        let world = World::new().await;
        let mut browser = world.browser();
        browser.sign_in("aisyah").await;
        assert_eq!(browser.second_step(&world.app_code(0)).await.page(), "security-info");
        assert_eq!(browser.add("mobile", "+60123459900").await.page(), "confirm");
        let (code, challenge) = (world.last_code(), world.messages().len());
        let account = Account { state, ..AISYAH.account() };
        world.put_account(&account, Some(Person::PASSWORD)).await;
        let body = match path {
            "add" => json!({ "kind": "office_phone", "value": "+60387654321" }),
            "confirm" => json!({ "id": "mobile", "code": code }),
            _ => json!({ "id": "totp" }),
        };
        let answer = browser.clone().post(&format!("/security-info/{path}"), body).await;
        assert_eq!(answer.problem(), (410, "flow-ended".into()), "{path}");
        assert_eq!(world.messages().len(), challenge, "no message is sent");
        world.put_account(&AISYAH.account(), Some(Person::PASSWORD)).await;
        assert_eq!(browser.get("/security-info").await.page(), "sign-in", "the session is over");
    }
}

/// Controls: C-035.
#[tokio::test]
async fn cookie_from_before_second_step_opens_nothing() {
    let world = World::new().await;
    let mut browser = world.browser();
    assert_eq!(browser.sign_in("aisyah").await.page(), "second-step");
    let mut thief = browser.clone();
    assert_eq!(browser.second_step(&world.app_code(0)).await.page(), "security-info");
    assert_ne!(browser.session, thief.session);

    let before = browser.get("/security-info").await.json();
    let steps_aside = (409, "out-of-step".to_owned());
    assert_eq!(thief.get("/security-info").await.page(), "second-step");
    assert_eq!(thief.add("passkey", "").await.problem(), steps_aside);
    assert_eq!(thief.post("/security-info/remove", json!({ "id": "mobile" })).await.problem(), steps_aside);
    assert_eq!(browser.get("/security-info").await.json(), before);

    // After a lost response the person sends the same answer again, or another one.
    let mut lost = thief.clone();
    assert_eq!(lost.second_step("000000").await.problem().1, "code-wrong");
    assert_eq!(lost.second_step(&world.app_code(0)).await.page(), "security-info");
    assert_eq!(lost.session, browser.session);
    world.clock.advance(30);
    assert_eq!(thief.get("/security-info/verify").await.page(), "second-step");
    assert_eq!(thief.second_step(&world.app_code(0)).await.page(), "security-info");
    assert_eq!(thief.get("/security-info").await.page(), "security-info");
    assert_eq!(browser.get("/security-info").await.page(), "second-step");
}

/// Controls: C-035.
#[tokio::test]
async fn sign_in_ends_the_previous_browser_session() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in("aisyah").await;
    assert_eq!(browser.second_step(&world.app_code(0)).await.page(), "security-info");
    let mut former = browser.clone();
    assert_eq!(browser.sign_in("aisyah").await.page(), "second-step");
    assert_eq!(former.get("/security-info/verify").await.problem(), (410, "flow-ended".into()));
    assert_eq!(browser.get("/security-info/verify").await.page(), "second-step");
}

/// A double click: the browser gets only the second response.
/// Controls: C-035.
#[tokio::test]
async fn repeated_second_step_answer_gets_newer_cookie() {
    const VERIFY: &str = "/security-info/verify";
    let world = World::new().await;
    let mut phone = Phone::enrolled(&world, 1, &AISYAH).await;
    for method in ["email", "push"] {
        let mut browser = world.browser();
        browser.sign_in("aisyah").await;
        let challenge = browser.post(VERIFY, json!({ "method": method })).await.json();
        let body = if method == "push" {
            let waiting = phone.poll().await.json();
            let request = waiting["requests"][0]["request"].as_str().unwrap().to_owned();
            phone.approve(&request, challenge["number"].as_str().unwrap()).await;
            json!({ "method": method })
        } else {
            json!({ "method": method, "code": world.last_code() })
        };
        let mut late = browser.clone();
        let mut later = browser.clone();
        assert_eq!(browser.post(VERIFY, body.clone()).await.page(), "security-info", "{method}");
        assert_eq!(late.post(VERIFY, body.clone()).await.page(), "security-info", "{method}");
        assert_eq!(late.session, browser.session, "{method}");
        assert_eq!(browser.get("/security-info").await.page(), "security-info", "{method}");
        world.clock.advance(60);
        later.post(VERIFY, body).await;
        assert_ne!(later.session, browser.session, "{method}, too late");
        // A code may verify again, but an approval may not: the newest cookie may have requested it.
        let page = if method == "push" { "sign-in" } else { "second-step" };
        assert_eq!(later.get("/security-info").await.page(), page, "{method}, too late");
    }
}
