//! Complete resets and unlocks, and the ways to leave a flow.

use http::Method;
use rekey_tests::fixtures::{NEW_PASSWORD, Person};
use rekey_tests::{Browser, SignIn, World};
use serde_json::json;
use shared::domain::cookie::{HolderCookie, HolderKind};
use shared::domain::message::Channel;
use shared::domain::notice::Event;

/// Controls: C-043.
#[tokio::test]
async fn reset_by_email_and_sms_succeeds() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("Aisyah@student.contoh.example", "forgotten").await;
    assert_eq!(browser.send_email().await.page(), "code");
    let step2 = browser.code(&world.last_code()).await;
    assert_eq!(step2.page(), "method");
    assert_eq!(step2.json()["step"], 2);
    let left: Vec<_> =
        step2.json()["methods"].as_array().unwrap().iter().map(|m| m["method"].clone()).collect();
    assert_eq!(left, ["sms", "mobile_call", "office_call", "totp", "pass"]);

    assert_eq!(browser.send_phone("sms", "0060 12-345 6798").await.page(), "code");
    assert_eq!(browser.code(&world.last_code()).await.page(), "password");
    let done = browser.password(NEW_PASSWORD).await;
    assert_eq!(done.page(), "done");
    assert_eq!(done.json()["result"], "reset");
    assert_eq!(browser.get("/done").await.page(), "done");
    assert_eq!(world.sign_in("aisyah", NEW_PASSWORD).await, SignIn::Accepted);
    assert_eq!(world.sign_in("aisyah", Person::PASSWORD).await, SignIn::Wrong);

    let notices = world.notices();
    let mut channels: Vec<Channel> = notices.iter().map(|notice| notice.to.channel()).collect();
    channels.sort_by_key(|channel| *channel as u8);
    assert_eq!(channels, [Channel::Email, Channel::Email, Channel::Sms, Channel::Voice]);
    assert!(notices.iter().all(|notice| notice.event == Event::Reset));
    assert_eq!(world.reconcile_messages().len(), 1);
}

/// Controls: C-044.
#[tokio::test]
async fn unlock_flow_keeps_the_password() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("priya", "locked").await;
    browser.send_phone("mobile_call", "+60172223344").await;
    browser.code(&world.last_code()).await;
    browser.send_email().await;
    assert_eq!(browser.code(&world.last_code()).await.page(), "unlock");
    assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (409, "out-of-step".into()));
    let done = browser.post("/unlock", json!({})).await;
    assert_eq!((done.page(), &done.json()["result"]), ("done".into(), &json!("unlocked")));
    assert_eq!(world.sign_in("priya", Person::PASSWORD).await, SignIn::Accepted);
    assert_eq!(world.notices().len(), 3, "both mailboxes and the mobile");
}

/// Controls: C-029.
#[tokio::test]
async fn totp_verifies_only_one_step() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    assert_eq!(browser.totp(&world.app_code(0)).await.page(), "method");
    assert_eq!(browser.totp(&world.app_code(1)).await.problem(), (422, "method-unavailable".into()));
    browser.send_phone("office_call", "03-2731 7272").await;
    assert_eq!(browser.code(&world.last_code()).await.page(), "password");
}

/// Controls: C-044.
#[tokio::test]
async fn single_step_policy_requires_one_method() {
    let world = World::with(&[("REKEY_STEPS", "1")]).await;
    let mut browser = world.browser();
    browser.open("mei", "forgotten").await;
    browser.send_phone("sms", "0162345678").await;
    assert_eq!(browser.code(&world.last_code()).await.page(), "password");
    assert_eq!(browser.password("Kancil-Lompat-42!").await.page(), "done");
}

/// Controls: C-042.
#[tokio::test]
async fn out_of_step_request_returns_current_page() {
    let world = World::new().await;
    let mut browser = world.browser();
    assert_eq!(browser.get("/reason").await.problem(), (410, "flow-ended".into()));
    browser.identify("aisyah").await;
    for path in ["/method", "/code", "/code/send", "/password", "/unlock", "/done"] {
        let answer = browser.get(path).await;
        assert_eq!(answer.problem(), (409, "out-of-step".into()), "{path}");
        assert_eq!(answer.json()["page"], "reason", "{path}");
    }
    assert_eq!(browser.get("/reason").await.page(), "reason");
    assert_eq!(browser.code("12345678").await.problem().0, 409);
    assert_eq!(browser.send_email().await.problem().0, 409);
    browser.post("/reason", json!({ "reason": "forgotten" })).await;
    assert_eq!(browser.code("12345678").await.problem(), (409, "out-of-step".into()), "no code was sent");
    assert_eq!(browser.get("/reason").await.page(), "reason", "a page that lies behind is shown");
    browser.send_email().await;
    assert_eq!(browser.get("/code").await.page(), "code");
    assert_eq!(browser.get("/method").await.page(), "method", "another way can be chosen");
    browser.post("/code/send", json!({ "method": "passkey" })).await;
    assert_eq!(browser.get("/reason").await.page(), "reason", "also while an answer is awaited");
    assert_eq!(browser.get("/password").await.json()["page"], "code");
}

/// Controls: C-042.
#[tokio::test]
async fn completed_flow_returns_only_the_done_page() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    browser.password(NEW_PASSWORD).await;
    for path in ["/reason", "/method", "/code", "/password", "/unlock"] {
        assert_eq!(browser.get(path).await.json()["page"], "done", "{path}");
    }
    let again = browser.password("Merdeka-Wau-Bulan-57").await;
    assert_eq!((again.problem().0, again.json()["page"].clone()), (409, json!("done")));
    assert_eq!(world.sign_in("aisyah", NEW_PASSWORD).await, SignIn::Accepted);
    assert_eq!(world.notices().len(), 4, "nothing is notified twice");
}

/// Controls: C-041.
#[tokio::test]
async fn cancel_always_ends() {
    let world = World::new().await;
    let mut unknown = world.browser();
    assert_eq!(unknown.post("/cancel", json!({})).await.page(), "ended");
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    browser.send_email().await;
    let mut same = browser.clone();
    assert_eq!(browser.post("/cancel", json!({})).await.page(), "ended");
    assert_eq!(browser.cookie, None);
    assert_eq!(same.code(&world.last_code()).await.problem(), (410, "flow-ended".into()));
}

/// Controls: C-041.
#[tokio::test]
async fn stale_page_cancels_only_its_own_flow() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    let keys = world.keyring("REKEY_SECRET_FLOWS");
    let read = |browser: &Browser| {
        HolderCookie::read(HolderKind::Flow, browser.cookie.as_deref().unwrap(), &keys).unwrap()
    };
    let (mut behind, at) = (browser.clone(), read(&browser).at(&keys).unwrap());
    browser.totp(&world.app_code(0)).await;
    let cookie = read(&browser);
    assert_eq!(behind.post("/cancel", json!({})).await.page(), "ended");
    assert_eq!(browser.get("/method").await.page(), "method", "an older cookie ends nothing");
    assert_eq!(browser.clone().post("/cancel", json!({ "at": at })).await.page(), "ended");
    assert_eq!(browser.get("/method").await.problem(), (410, "flow-ended".into()));

    browser.open("priya", "forgotten").await;
    let at = cookie.at(&keys).unwrap();
    assert_eq!(browser.post("/cancel", json!({ "at": at })).await.page(), "ended");
    assert_eq!(browser.get("/method").await.page(), "method", "the flow that replaced it goes on");
}

/// Controls: C-041.
#[tokio::test]
async fn completed_flow_cannot_be_cancelled() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    browser.password(NEW_PASSWORD).await;
    let form = browser
        .request(Method::POST, "/cancel")
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/x-www-form-urlencoded");
    let mut form = form.body(String::new()).unwrap();
    form.headers_mut().insert("accept", "text/html".parse().unwrap());
    let answer = browser.send(form).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/done")));
    assert_eq!(browser.get("/done").await.json()["result"], "reset");
}

/// Controls: C-022.
#[tokio::test(flavor = "multi_thread")]
async fn two_concurrent_passwords_set_and_notify_once() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    let passwords = [NEW_PASSWORD, "Merdeka-Wau-Bulan-57"];
    let tasks = passwords.map(|password| {
        let mut browser = browser.clone();
        tokio::spawn(async move { browser.password(password).await })
    });
    let mut set = Vec::new();
    for (password, task) in passwords.iter().zip(tasks) {
        let answer = task.await.unwrap();
        match answer.status.as_u16() {
            200 => set.push(*password),
            status => assert_eq!((status, &answer.json()["page"]), (409, &json!("done"))),
        }
    }
    assert_eq!(set.len(), 1);
    for password in passwords {
        let expected = if password == set[0] { SignIn::Accepted } else { SignIn::Wrong };
        assert_eq!(world.sign_in("aisyah", password).await, expected);
    }
    assert_eq!(world.notices().len(), 4);
}

/// Controls: C-039.
#[tokio::test]
async fn expired_flow_returns_410() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    world.clock.advance(890);
    browser.send_email().await;
    let code = world.last_code();
    world.clock.advance(10);
    assert_eq!(browser.clone().code(&code).await.problem(), (410, "flow-ended".into()));
    assert_eq!(browser.get("/code").await.problem(), (410, "flow-ended".into()));
}

/// Controls: C-040.
#[tokio::test]
async fn first_success_ends_all_other_flows() {
    let world = World::new().await;
    let (mut first, mut second, mut third) = (world.browser(), world.browser(), world.browser());
    first.verify_both_steps("forgotten").await;
    second.open("aisyah", "forgotten").await;
    second.totp(&world.app_code(0)).await;
    third.verify_both_steps("forgotten").await;
    assert_eq!(third.password(NEW_PASSWORD).await.page(), "done");
    for password in ["Merdeka-Wau-Bulan-57", "aisyah", NEW_PASSWORD] {
        // A refusal deletes the cookie, so each try has its own copy.
        let answer = first.clone().password(password).await;
        assert_eq!(answer.problem(), (410, "flow-ended".into()), "it hears nothing about {password}");
    }
    assert_eq!(second.send_email().await.problem(), (410, "flow-ended".into()));
    assert_eq!(world.sign_in("aisyah", NEW_PASSWORD).await, SignIn::Accepted);
}

/// Controls: C-018.
#[tokio::test]
async fn rejected_password_lists_all_violations() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    let rejected = browser.password("aisyah").await;
    assert_eq!(rejected.problem(), (422, "password-rejected".into()));
    let ids: Vec<_> =
        rejected.json()["violations"].as_array().unwrap().iter().map(|v| v["id"].clone()).collect();
    assert_eq!(ids, ["length", "upper", "digit", "symbol", "name", "common"]);
    let previous = browser.password(Person::PASSWORD).await;
    assert_eq!(previous.json()["violations"][0]["id"], "previous");
    let control = browser.password("Kancil-Lompat\u{7}42!").await;
    assert_eq!(control.json()["violations"][0]["id"], "control-character");
    let differs =
        browser.post("/password", json!({ "password": NEW_PASSWORD, "confirmation": "other" })).await;
    assert_eq!(differs.problem(), (422, "confirmation-differs".into()));
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done");
}
