//! Steps that are skipped, repeated, or taken for another person.

use rekey_tests::fixtures::{AISYAH, NEW_PASSWORD, Person};
use rekey_tests::world::LOCALHOST_ORIGIN;
use rekey_tests::{Browser, CeremonyOptions, Passkey, Phone, SignIn, World};
use serde_json::{Value, json};
use shared::domain::account::AccountId;
use shared::domain::method::Method;
use shared::domain::passkey::Credential;
use shared::ports::SecurityInfoStore as _;

use super::{with_code, wrong};

/// Every request that advances a flow, in a well-formed version.
fn actions() -> [(&'static str, Value); 9] {
    let assertion = Passkey::create(
        &json!({ "rp": { "id": "localhost" }, "user": { "id": "AAAA" }, "challenge": "AAAA" }),
        &CeremonyOptions::at(LOCALHOST_ORIGIN),
    )
    .0
    .answer(&json!({ "rpId": "localhost", "challenge": "AAAA" }), &CeremonyOptions::at(LOCALHOST_ORIGIN));
    [
        ("/reason", json!({ "reason": "forgotten" })),
        ("/code/send", json!({ "method": "office_call", "contact": "03-2731 7272" })),
        ("/code", json!({ "code": "12345678" })),
        ("/code", json!({ "method": "totp", "code": "000001" })),
        ("/password", json!({ "password": NEW_PASSWORD, "confirmation": NEW_PASSWORD })),
        ("/unlock", json!({})),
        ("/code", json!({ "method": "push" })),
        ("/code", json!({ "method": "passkey", "assertion": assertion })),
        ("/code", json!({ "method": "recovery_code", "code": "0123-4567-89AB-CDEF" })),
    ]
}

/// The states of a flow: the number of acts so far, the reason, the page, and the permitted [`actions`] by index.
/// Choosing the reason again shows the page of the current step.
const FLOW_STATES: [(usize, &str, &str, &[usize]); 9] = [
    (0, "forgotten", "/reason", &[0]),
    (1, "forgotten", "/method", &[0, 1, 3, 8]),
    (2, "forgotten", "/code", &[0, 1, 2, 3, 8]),
    (3, "forgotten", "/method", &[0, 1, 3, 8]),
    (4, "forgotten", "/code", &[0, 1, 2, 3, 8]),
    (5, "forgotten", "/password", &[4]),
    (5, "locked", "/unlock", &[5]),
    (6, "forgotten", "/done", &[]),
    (6, "locked", "/done", &[]),
];

async fn advance(browser: &mut Browser, acts: usize, reason: &str) {
    let code = |browser: &Browser| browser.world().last_code();
    browser.identify("aisyah").await;
    for act in 0..acts {
        let answer = match act {
            0 => browser.post("/reason", json!({ "reason": reason })).await,
            1 => browser.send_email().await,
            3 => browser.send_phone("sms", "012-345 6798").await,
            2 | 4 => browser.code(&code(browser)).await,
            _ if reason == "locked" => browser.post("/unlock", json!({})).await,
            _ => browser.password("Merdeka-Wau-Bulan-57").await,
        };
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// Keycloak, CVE-2026-18963: a note of one step allowed passing another without its token.
/// Controls: C-042, C-068.
#[tokio::test]
async fn out_of_step_action_is_rejected_without_changes() {
    for (done, reason, page, in_order) in FLOW_STATES {
        let world = World::new().await;
        let mut browser = world.browser();
        advance(&mut browser, done, reason).await;
        assert_only_allowed(&mut browser, page, in_order).await;
        let changed = done == 6 && reason == "forgotten";
        let expected = if changed { SignIn::Wrong } else { SignIn::Accepted };
        assert_eq!(world.sign_in("aisyah", Person::PASSWORD).await, expected, "{page}");
    }
}

/// Checks that every other act is refused at this page and changes nothing.
async fn assert_only_allowed(browser: &mut Browser, page: &str, in_order: &[usize]) {
    let (before, queued) = (browser.get(page).await.json(), browser.world().messages().len());
    for (at, (path, body)) in actions().into_iter().enumerate() {
        if !in_order.contains(&at) {
            let answer = browser.clone().post(path, body.clone()).await;
            assert_eq!(answer.problem(), (409, "out-of-step".into()), "{path} {body} at {before}");
        }
    }
    assert_eq!(browser.get(page).await.json(), before, "{page}");
    assert_eq!(browser.world().messages().len(), queued, "{page}");
}

/// The same for a flow that waits for a device or a passkey, answered or not. Only that challenge verifies the step.
/// Controls: C-042.
#[tokio::test]
async fn pending_challenge_is_verified_only_by_its_answer() {
    for awaited in ["push", "approved", "passkey"] {
        let world = World::new().await;
        let mut phone = Phone::enrolled(&world, 1, &AISYAH).await;
        let credential = Credential::parse(crate::passkeys::CREDENTIAL).unwrap();
        crate::passkeys::store_passkey(&world, &AISYAH, 1, credential).await;
        let mut browser = world.browser();
        browser.open("aisyah", "forgotten").await;
        let method = if awaited == "passkey" { "passkey" } else { "push" };
        let asked = browser.post("/code/send", json!({ "method": method })).await;
        assert_eq!(asked.status, 200, "{}", asked.text());
        if awaited == "approved" {
            let request = phone.request().await;
            phone.approve(&request, asked.json()["number"].as_str().unwrap()).await;
        }
        let in_order: &[usize] = match awaited {
            // Nobody has answered yet, so continuing is out of order too.
            "push" => &[0, 1, 3, 8],
            "approved" => &[0, 1, 3, 6, 8],
            _ => &[0, 1, 3, 7, 8],
        };
        assert_only_allowed(&mut browser, "/code", in_order).await;
        // Another browser can't use the approval, nor can the next step.
        let mut other = world.browser();
        other.open("aisyah", "forgotten").await;
        assert_eq!(other.approved().await.problem(), (409, "out-of-step".into()), "{awaited}");
        assert_eq!(other.get("/method").await.json()["step"], 1, "{awaited}");
        if awaited == "approved" {
            assert_eq!(browser.approved().await.json()["step"], 2);
            assert_eq!(browser.approved().await.problem(), (409, "out-of-step".into()), "once");
            assert_eq!(browser.get("/method").await.json()["step"], 2);
        }
    }
}

/// The same: another method is chosen while a code is pending.
/// Controls: C-028.
#[tokio::test]
async fn choosing_another_method_invalidates_the_sent_code() {
    let world = World::new().await;
    let mut browser = with_code(&world).await;
    let mailed = world.last_code();
    assert_eq!(browser.get("/method").await.json()["step"], 1);
    assert_eq!(browser.send_phone("sms", "012-345 6798").await.page(), "code");
    assert_eq!(browser.code(&mailed).await.problem(), (422, "code-wrong".into()));
    assert_eq!(browser.get("/method").await.json()["step"], 1);
    let verified = browser.code(&world.last_code()).await;
    assert_eq!((verified.page(), verified.json()["step"].clone()), ("method".into(), json!(2)));
    let left: Vec<_> =
        verified.json()["methods"].as_array().unwrap().iter().map(|m| m["method"].clone()).collect();
    assert_eq!(left, ["email", "office_call", "totp", "pass"], "the telephone was verified");
}

/// Keycloak #12759: a reset skipped the authenticator, or let its requester enrol a new one.
/// Controls: C-044.
#[tokio::test]
async fn reset_does_not_change_the_authenticator() {
    let world = World::new().await;
    let id = AccountId::from_directory("aisyah").unwrap();
    let seed = async || {
        let keys = [("account", id.as_str()), ("item", "totp")];
        let read = keys.iter().fold(
            world.client.get_item().table_name("SecurityInfoTable"),
            |read, (name, value)| {
                read.key(*name, aws_sdk_dynamodb::types::AttributeValue::S((*value).to_owned()))
            },
        );
        read.send().await.unwrap().item.unwrap()
    };
    let before = seed().await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done");
    assert_eq!(seed().await, before);
    assert!(world.security_info.registration(&id, world.now()).await.unwrap().has(Method::Totp));
    let mut next = world.browser();
    next.open("aisyah", "forgotten").await;
    assert_eq!(next.totp(&world.app_code(0)).await.json()["step"], 2, "one method is one of two steps");
}

/// Keycloak, CVE-2026-16103: the limit was checked when a challenge began, not when it was answered.
/// Controls: C-008.
#[tokio::test]
async fn exhausted_attempts_reject_a_correct_code() {
    let world = World::with(&[("REKEY_TOTP_TRIES_PER_DAY", "20")]).await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    for n in 0..6 {
        assert_eq!(browser.totp(&format!("00000{n}")).await.problem(), (422, "code-wrong".into()));
    }
    assert_eq!(browser.send_email().await.page(), "code");
    let code = world.last_code();
    // This uses up the flow's ten attempts; the code has one of its five left.
    for n in 0..4 {
        assert_eq!(browser.code(&wrong(&code, n)).await.problem(), (422, "code-wrong".into()));
    }
    assert_eq!(browser.clone().code(&code).await.problem(), (410, "flow-ended".into()));
    assert_eq!(browser.clone().totp(&world.app_code(0)).await.problem(), (410, "flow-ended".into()));
}

/// Keycloak, CVE-2026-7507: a flow began in one browser and finished in another.
/// Controls: C-035.
#[tokio::test]
async fn session_fixation_by_planted_cookie_gains_nothing() {
    let world = World::new().await;
    let mut attacker = world.browser();
    attacker.open("aisyah", "forgotten").await;
    let planted = attacker.cookie.clone();

    // The victim starts as usual, which opens another flow.
    let mut victim = world.browser();
    victim.cookie.clone_from(&planted);
    victim.open("aisyah", "forgotten").await;
    assert_ne!(victim.cookie, planted);
    victim.totp(&world.app_code(0)).await;
    assert_eq!(attacker.get("/method").await.json()["step"], 1);

    // The victim continues the attacker's flow. The verified step needs a cookie that the attacker doesn't have.
    world.clock.advance(60);
    let mut victim = world.browser();
    victim.cookie.clone_from(&planted);
    assert_eq!(victim.totp(&world.app_code(0)).await.json()["step"], 2);
    assert_ne!(victim.cookie, planted);
    let before = world.messages().len();
    assert_eq!(attacker.clone().send_email().await.problem().0, 409);
    assert_eq!(attacker.clone().password(NEW_PASSWORD).await.problem().0, 409);
    assert_eq!(attacker.cookie, planted, "no answer hands the newer one out");
    assert_eq!(world.messages().len(), before);
}

/// LTB Self Service Password #24, #520, CVE-2023-49032; authentik, CVE-2023-26481: the client named the account or
/// its address.
/// Controls: C-045.
#[tokio::test]
async fn account_or_destination_in_request_is_rejected() {
    let world = World::new().await;
    for (login, state) in [("mei", 0), ("aisyah", 1)] {
        let foreign = [
            ("login", "priya"),
            ("account", "priya"),
            ("generation", "7"),
            ("step", "2"),
            ("email", "evil@mail.example"),
            ("destination", "+60199999999"),
            ("flow", "0"),
        ];
        for (name, value) in foreign {
            let mut browser = world.browser();
            let mut refused = Vec::new();
            if state == 0 {
                browser.identify(login).await;
                refused.push(browser.post("/reason", json!({ "reason": "forgotten", name: value })).await);
            } else {
                browser.open(login, "forgotten").await;
                refused.push(browser.post("/code/send", json!({ "method": "email", name: value })).await);
                refused.push(browser.post("/code", json!({ "code": "12345678", name: value })).await);
            }
            for answer in refused {
                assert_eq!(answer.problem(), (400, "malformed".into()), "{name}");
            }
        }
    }
    assert!(world.messages().is_empty());
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    let attacker = json!({ "password": NEW_PASSWORD, "confirmation": NEW_PASSWORD, "login": "priya" });
    assert_eq!(browser.post("/password", attacker).await.problem(), (400, "malformed".into()));
    for login in ["aisyah", "priya"] {
        assert_ne!(world.sign_in(login, NEW_PASSWORD).await, SignIn::Accepted, "{login}");
    }
}

/// Rapid7's replay of an execution: data captured after a verification was accepted again after the end.
/// Controls: C-035.
#[tokio::test]
async fn replayed_cookie_is_rejected_after_completion() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    let captured = browser.clone();
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done");
    for (path, body) in actions() {
        let answer = captured.clone().post(path, body).await;
        assert_eq!((answer.problem().0, answer.json()["page"].clone()), (409, json!("done")), "{path}");
    }
    world.clock.advance(900);
    assert_eq!(captured.clone().password(NEW_PASSWORD).await.problem(), (410, "flow-ended".into()));
    assert_eq!(world.sign_in("aisyah", NEW_PASSWORD).await, SignIn::Accepted);
}
