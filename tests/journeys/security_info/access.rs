//! Access to `/security-info`: who gets it, for how long, and what ends it.

use rekey_tests::fixtures::{AISYAH, NEW_NUMBER, NEW_PASSWORD, Person};
use rekey_tests::{Answer, Browser, Phone, World};
use serde_json::json;
use shared::domain::message::Message;

use super::{aisyah, kinds, register, register_app, token, world};

/// Controls: C-005.
#[tokio::test]
async fn failed_sign_in_does_not_reveal_its_reason() {
    let world = World::new().await;
    let mut problems = Vec::new();
    for (login, password) in
        [("aisyah", "Wrong-Password-1"), ("nobody", Person::PASSWORD), ("daniel", Person::PASSWORD)]
    {
        let body = json!({ "login": login, "password": password });
        problems.push(world.browser().post("/security-info/sign-in", body).await);
    }
    // Each request has a support code of its own.
    let told = |problem: &Answer| {
        let mut told = problem.json();
        assert!(told.as_object_mut().unwrap().remove("support_code").is_some());
        (problem.status, told)
    };
    let first = told(&problems[0]);
    assert!(problems.iter().all(|problem| told(problem) == first), "{first:?}");
    assert_eq!((first.0.as_u16(), &first.1["code"]), (422, &json!("sign-in-wrong")));
}

/// The directory's lockout applies here too, and a reset ends it.
/// Controls: C-066.
#[tokio::test]
async fn unlock_flow_ends_a_lockout() {
    let world = World::new().await;
    for _ in 0..5 {
        let _ = world.sign_in("aisyah", "Wrong-Password-1").await;
    }
    assert_eq!(world.browser().sign_in("aisyah").await.problem(), (422, "sign-in-wrong".into()));
    let mut browser = world.browser();
    browser.verify_both_steps("locked").await;
    assert_eq!(browser.post("/unlock", json!({})).await.page(), "done");
    assert_eq!(world.browser().sign_in("aisyah").await.page(), "second-step");
}

/// Controls: C-052.
#[tokio::test]
async fn password_alone_shows_and_changes_nothing() {
    let world = World::new().await;
    let mut browser = world.browser();
    let answer = browser.sign_in("aisyah").await;
    assert_eq!(answer.page(), "second-step");
    assert!(answer.json().get("registered").is_none());
    assert_eq!(browser.get("/security-info").await.page(), "second-step");
    for (path, body) in [
        ("/security-info/add", json!({ "kind": "mobile", "value": NEW_NUMBER })),
        ("/security-info/confirm", json!({ "id": "mobile", "code": "12345678" })),
        ("/security-info/remove", json!({ "id": "mobile" })),
        ("/security-info/reconfirm", json!({})),
    ] {
        let answer = browser.clone().post(path, body).await;
        assert_eq!(answer.problem(), (409, "out-of-step".into()), "{path}");
        assert_eq!(answer.json()["page"], "second-step");
    }
    assert!(world.messages().is_empty());
}

/// Controls: C-037.
#[tokio::test]
async fn request_without_session_requires_sign_in() {
    let world = World::new().await;
    assert_eq!(world.browser().get("/security-info").await.page(), "sign-in");
    for path in ["verify", "add", "confirm", "remove", "reconfirm"] {
        let answer = world.browser().post(&format!("/security-info/{path}"), json!({})).await;
        assert_eq!(answer.problem(), (410, "flow-ended".into()), "{path}");
    }
    let mut browser = aisyah(&world).await;
    let before = browser.clone();
    browser.post("/security-info/sign-out", json!({})).await;
    assert_eq!(browser.get("/security-info").await.page(), "sign-in");
    assert_eq!(before.clone().get("/security-info").await.page(), "sign-in", "the old cookie opens nothing");
}

/// Controls: C-008.
#[tokio::test]
async fn second_step_accepts_a_sent_code_once() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in("aisyah").await;
    let sent = browser.post("/security-info/verify", json!({ "method": "sms" })).await.json();
    assert_eq!((&sent["page"], &sent["sent"]["masked"]), (&json!("second-step"), &json!("*****98")));
    let code = world.last_code();
    let other = browser.post("/security-info/verify", json!({ "method": "email", "code": code })).await;
    assert_eq!(other.problem().1, "code-spent", "it was not sent by mail");
    let answer = browser.post("/security-info/verify", json!({ "method": "sms", "code": code })).await;
    assert_eq!(answer.page(), "security-info");
    let again = browser.clone().post("/security-info/verify", json!({ "method": "sms", "code": code })).await;
    assert_eq!(again.problem().1, "code-spent", "once");
}

/// Controls: C-029.
#[tokio::test]
async fn totp_code_of_session_is_rejected_in_reset() {
    let world = World::new().await;
    let code = world.app_code(0);
    let mut browser = aisyah(&world).await;
    browser.post("/security-info/sign-out", json!({})).await;
    let mut reset = world.browser();
    reset.open("aisyah", "forgotten").await;
    assert_eq!(reset.totp(&code).await.problem().1, "code-wrong");
}

/// Controls: C-008.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_session_codes_are_compared_five_times() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in("aisyah").await;
    browser.post("/security-info/verify", json!({ "method": "email" })).await;
    let right = world.last_code();
    let wrong = if right == "00000000" { "11111111" } else { "00000000" };
    let mut tasks = Vec::new();
    for _ in 0..40 {
        let mut browser = browser.clone();
        tasks.push(tokio::spawn(async move {
            browser
                .post("/security-info/verify", json!({ "method": "email", "code": wrong }))
                .await
                .problem()
                .1
        }));
    }
    let mut attempts = 0;
    for task in tasks {
        attempts += usize::from(task.await.unwrap() == "code-wrong");
    }
    assert!(attempts <= 5, "{attempts}");
    for _ in 0..6 {
        browser.clone().post("/security-info/verify", json!({ "method": "email", "code": wrong })).await;
    }
    let answer =
        browser.clone().post("/security-info/verify", json!({ "method": "email", "code": right })).await;
    assert_ne!(answer.status, 200, "its attempts are used up");
}

/// Controls: C-053.
#[tokio::test]
async fn change_requires_step_up_within_ten_minutes() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    world.clock.advance(599);
    assert_eq!(browser.clone().add("mobile", NEW_NUMBER).await.page(), "confirm");
    world.clock.advance(1);
    let answer = browser.add("office_phone", NEW_NUMBER).await;
    assert_eq!((answer.problem().0, answer.json()["page"].clone()), (409, json!("second-step")));
    assert_eq!(browser.get("/security-info").await.page(), "security-info", "it can still be seen");
    assert_eq!(browser.second_step(&world.app_code(0)).await.page(), "security-info");
    world.clock.advance(30);
    assert_eq!(browser.add("office_phone", "+60387654321").await.page(), "confirm");
    world.clock.advance(270);
    assert_eq!(browser.get("/security-info").await.page(), "sign-in", "fifteen minutes are all");
}

/// A phished code verifies only once.
/// Controls: C-029.
#[tokio::test]
async fn totp_code_is_accepted_once_per_session() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    register(&world, &mut browser, "mobile", NEW_NUMBER).await;
    let again = browser.second_step(&world.app_code(0)).await;
    assert_eq!(again.problem(), (422, "code-wrong".into()));
}

/// Controls: C-040.
#[tokio::test]
async fn reset_ends_open_sessions() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    let mut reset = world.browser();
    reset.verify_both_steps("forgotten").await;
    assert_eq!(reset.password(NEW_PASSWORD).await.page(), "done");
    assert_eq!(browser.clone().add("mobile", NEW_NUMBER).await.problem(), (410, "flow-ended".into()));
    assert_eq!(browser.post("/security-info/remove", json!({ "id": "totp" })).await.problem().0, 410);
}

/// A session that began before anything was enrolled has verified no second step. The owner's first entry ends it.
/// Controls: C-040.
#[tokio::test]
async fn first_enrolment_ends_other_open_sessions() {
    let world = world().await;
    let mut attacker = world.browser();
    assert_eq!(attacker.sign_in("newcomer").await.page(), "security-info");
    let mut owner = world.browser();
    owner.sign_in("newcomer").await;
    register(&world, &mut owner, "mobile", NEW_NUMBER).await;
    let answer = attacker.add("alternate_email", "stranger@mail.example").await;
    assert_eq!(answer.problem(), (410, "flow-ended".into()));
    let list = register(&world, &mut owner, "alternate_email", "new@mail.example").await;
    assert_eq!(kinds(&list), ["alternate_email", "mobile"], "the owner's own goes on");
}

/// Controls: C-050.
#[tokio::test]
async fn denied_approval_ends_the_requesting_session() {
    let world = World::new().await;
    let mut phone = Phone::enrolled(&world, 1, &AISYAH).await;
    let mut browser = world.browser();
    browser.sign_in("aisyah").await;
    let challenge = browser.post("/security-info/verify", json!({ "method": "push" })).await;
    assert_eq!(challenge.page(), "second-step");
    let request = phone.request().await;
    assert_eq!(phone.deny(&request).await.status, 200);
    let other = browser.clone().post("/security-info/verify", json!({ "method": "email" })).await;
    assert_eq!(other.problem(), (410, "flow-ended".into()), "another method does not help");
    assert_eq!(browser.get("/security-info").await.page(), "sign-in");
    assert!(world.messages().iter().any(|message| matches!(message, Message::ApprovalDenied(_))));
}

/// Controls: C-041.
#[tokio::test]
async fn ended_session_clears_only_its_own_cookie() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    browser.sign_in("aisyah").await;
    browser.clone().post("/security-info/sign-out", json!({})).await;
    assert_eq!(browser.add("mobile", NEW_NUMBER).await.problem(), (410, "flow-ended".into()));
    assert!(browser.session.is_none());
    assert_eq!(browser.get("/method").await.page(), "method", "the reset goes on");

    // The reverse order.
    browser.sign_in("aisyah").await;
    browser.clone().post("/cancel", json!({})).await;
    assert_eq!(browser.send_email().await.problem(), (410, "flow-ended".into()));
    assert!(browser.cookie.is_none());
    assert_eq!(browser.get("/security-info").await.page(), "second-step", "the session goes on");
}

/// Controls: C-066.
#[tokio::test]
async fn correct_answers_cost_no_attempts() {
    let world = world().await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    for _ in 0..12 {
        register_app(&world, &mut browser).await;
    }
    let challenge = browser.add("totp", "").await.json();
    assert_eq!(challenge["tries_left"], 10);
    let mut owner = world.browser();
    owner.sign_in("aisyah").await;
    for step in 0..8 {
        assert_eq!(owner.second_step(&world.app_code(0)).await.page(), "security-info", "{step}");
        world.clock.advance(30);
    }
    assert_eq!(owner.second_step("000000").await.json()["tries_left"], 9);
}

/// Controls: C-008.
#[tokio::test]
async fn response_reports_the_fewest_attempts_left() {
    let world = World::new().await;
    let wrong = async |browser: &mut Browser| {
        let body = json!({ "method": "email", "code": "00000000" });
        let answer = browser.post("/security-info/verify", body).await;
        assert_eq!(answer.problem().1, "code-wrong");
        answer.json()["tries_left"].clone()
    };
    let mut browser = world.browser();
    browser.sign_in("aisyah").await;
    let sent = browser.post("/security-info/verify", json!({ "method": "email" })).await.json();
    assert_eq!(sent["sent"]["tries_left"], 5);
    for left in [4, 3, 2, 1, 0] {
        assert_eq!(wrong(&mut browser).await, left, "of the code");
    }
    world.clock.advance(30);
    browser.post("/security-info/verify", json!({ "method": "email" })).await;
    assert_eq!(wrong(&mut browser).await, 4, "of the code and of the session");

    // A pairing allows three attempts.
    let mut browser = aisyah(&world).await;
    let challenge = browser.add("authenticator", "").await.json();
    assert_eq!(challenge["tries_left"], 3);
    let paired = Phone::new(&world, 1).pair(&token(&challenge)).await.json();
    let other = if paired["code"].as_str().unwrap().starts_with('1') { "200000" } else { "100000" };
    for left in [2, 1, 0] {
        let answer = browser.confirm(challenge["id"].as_str().unwrap(), other).await;
        assert_eq!((answer.problem().1.as_str(), &answer.json()["tries_left"]), ("code-wrong", &json!(left)));
    }
}

/// Controls: C-086.
#[tokio::test]
async fn return_link_to_allowed_portal_includes_state() {
    let world = World::with(&[("REKEY_RETURN_URLS", "https://portal.contoh.example/me/")]).await;
    for (back, allowed) in
        [("https://portal.contoh.example/me/?tab=1", true), ("https://evil.example/", false)]
    {
        let mut browser = world.browser();
        let page = browser.html(&format!("/security-info?return={}", back.replace('?', "%3F"))).await;
        assert_eq!(page.contains(&back.replace('&', "&#38;")), allowed, "{back}");
        let body = json!({ "login": "aisyah", "password": Person::PASSWORD, "return": back });
        browser.post("/security-info/sign-in", body).await;
        browser.second_step(&world.app_code(i64::from(!allowed))).await;
        let page = browser.html("/security-info").await;
        let link = format!("{back}&#38;registered=true&#38;capable=true&#38;due=false");
        assert_eq!(page.contains(&link), allowed, "{page}");
        assert!(!page.contains("evil.example"));
    }
}
