//! Codes: attempts, resends, race conditions, replays.

use std::sync::{Arc, Mutex};

use rekey_local::emulator::CallFault;
use rekey_local::emulator::roles::Call;
use rekey_tests::fixtures::{NEW_NUMBER, NEW_PASSWORD};
use rekey_tests::{Answer, Browser, World};
use serde_json::json;
use shared::domain::message::{Message, SmsShare};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

fn wrong_of(code: &str, n: u32) -> String {
    let number: u32 = code.parse().unwrap();
    format!("{:08}", (number + 1 + n) % 100_000_000)
}

async fn all_at_once(browser: &Browser, codes: Vec<String>) -> Vec<Answer> {
    let tasks: Vec<_> = codes
        .into_iter()
        .map(|code| {
            let mut browser = browser.clone();
            tokio::spawn(async move { browser.code(&code).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

async fn with_code(world: &Arc<World>) -> Browser {
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    assert_eq!(browser.send_email().await.page(), "code");
    browser
}

/// Controls: C-021.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_wrong_codes_are_compared_five_times() {
    let world = World::new().await;
    let browser = with_code(&world).await;
    let code = world.last_code();
    let answers = all_at_once(&browser, (0..100).map(|n| wrong_of(&code, n)).collect()).await;
    let wrong = answers.iter().filter(|a| a.problem() == (422, "code-wrong".into())).count();
    let spent = answers.iter().filter(|a| a.problem() == (422, "code-spent".into())).count();
    assert_eq!((wrong, spent), (5, 95));
    let mut browser = browser;
    assert_eq!(
        browser.code(&code).await.problem(),
        (422, "code-spent".into()),
        "the right one comes too late"
    );
}

/// Controls: C-027.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_correct_codes_are_accepted_once() {
    let world = World::new().await;
    let browser = with_code(&world).await;
    let code = world.last_code();
    let answers = all_at_once(&browser, vec![code; 50]).await;
    assert_eq!(answers.iter().filter(|a| a.status == 200).count(), 1);
    assert!(answers.iter().all(|a| a.status == 200 || a.problem().0 == 409));
}

/// Controls: C-035.
#[tokio::test]
async fn only_repeated_correct_code_gets_newer_cookie() {
    let world = World::new().await;
    let mut browser = with_code(&world).await;
    let code = world.last_code();
    let (mut again, mut attacker) = (browser.clone(), browser.clone());
    assert_eq!(browser.code(&code).await.page(), "method");
    let older = again.cookie.clone();
    let answer = again.code(&code).await;
    assert_eq!((answer.problem().0, &answer.json()["page"]), (409, &json!("method")));
    assert_eq!(again.cookie, browser.cookie);
    assert_eq!(attacker.code(&wrong_of(&code, 0)).await.problem().0, 409);
    assert_eq!(attacker.cookie, older);
    assert_eq!(
        attacker.send_phone("sms", "0123456798").await.problem().0,
        409,
        "an older cookie opens nothing"
    );
    // Attempts with the older cookie have a limit of their own.
    for n in 0..20 {
        attacker.code(&wrong_of(&code, n)).await;
    }
    assert_eq!(attacker.code(&code).await.problem().0, 409);
    assert_eq!(attacker.cookie, older, "its answers are used up, so not even the right code is looked at");
    assert_eq!(browser.send_phone("sms", "0123456798").await.page(), "code", "the flow goes on");
    assert_eq!(browser.code(&world.last_code()).await.page(), "password");
}

/// Controls: C-028.
#[tokio::test]
async fn resend_invalidates_previous_code_and_keeps_attempt_count() {
    let world = World::new().await;
    let mut browser = with_code(&world).await;
    let first = world.last_code();
    for (n, left) in [(0, 4), (1, 3), (2, 2)] {
        let answer = browser.code(&wrong_of(&first, n)).await;
        assert_eq!((answer.problem().1.as_str(), &answer.json()["tries_left"]), ("code-wrong", &json!(left)));
    }
    let early = browser.send_email().await;
    assert_eq!((early.problem(), early.header("retry-after")), ((429, "slow-down".into()), Some("30")));
    world.clock.advance(30);
    assert_eq!(browser.send_email().await.json()["tries_left"], 2);
    assert_ne!(world.last_code(), first);
    assert_eq!(browser.code(&first).await.problem(), (422, "code-wrong".into()));
    assert_eq!(browser.code(&world.last_code()).await.page(), "method");
}

/// The number was typed for the first code, so it is not asked for again (WCAG 2.2, 3.3.7).
#[tokio::test]
async fn resend_to_same_number_needs_no_number() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    let without = || json!({ "method": "sms" });
    assert_eq!(browser.post("/code/send", without()).await.problem(), (400, "malformed".into()));
    assert_eq!(browser.send_phone("sms", "0123456798").await.page(), "code");
    let first = world.last_code();
    world.clock.advance(30);
    assert_eq!(browser.post("/code/send", without()).await.page(), "code");
    assert_ne!(world.last_code(), first);
    world.clock.advance(60);
    let other = json!({ "method": "sms", "contact": "+60100000000" });
    assert_eq!(browser.post("/code/send", other).await.problem().1, "contact-mismatch");
}

/// Controls: C-069.
#[tokio::test]
async fn malformed_codes_cost_no_attempts() {
    let world = World::new().await;
    let mut browser = with_code(&world).await;
    for typed in ["", "abc", "123", "12345678901234567890", "1234\n567x"] {
        assert_eq!(browser.code(typed).await.problem(), (400, "malformed".into()), "{typed}");
    }
    let code = world.last_code();
    let typed = format!(" {}-{} ", &code[..4], &code[4..]);
    assert_eq!(browser.code(&typed).await.page(), "method");
}

/// Controls: C-027.
#[tokio::test]
async fn code_is_bound_to_its_flow_and_step() {
    let world = World::new().await;
    let mut first = with_code(&world).await;
    let code = world.last_code();
    let mut second = with_code(&world).await;
    assert_eq!(second.code(&code).await.problem(), (422, "code-wrong".into()));
    first.code(&code).await;
    first.send_phone("sms", "0123456798").await;
    assert_eq!(first.code(&code).await.problem(), (422, "code-wrong".into()));
}

/// Controls: C-028.
#[tokio::test]
async fn expired_code_is_rejected_and_can_be_resent() {
    let world = World::new().await;
    let mut browser = with_code(&world).await;
    world.clock.advance(600);
    assert_eq!(browser.code(&world.last_code()).await.problem(), (422, "code-spent".into()));
    assert_eq!(browser.send_email().await.page(), "code");
    assert_eq!(browser.code(&world.last_code()).await.page(), "method");
}

/// Controls: C-008.
#[tokio::test]
async fn ten_wrong_codes_end_the_flow() {
    let world = World::new().await;
    let mut browser = with_code(&world).await;
    let code = world.last_code();
    for n in 0..5 {
        assert_eq!(browser.code(&wrong_of(&code, n)).await.problem().1, "code-wrong");
    }
    browser.send_phone("sms", "0123456798").await;
    let code = world.last_code();
    for n in 0..5 {
        assert_eq!(browser.code(&wrong_of(&code, n)).await.problem().1, "code-wrong", "{n}");
    }
    assert_eq!(browser.clone().code(&code).await.problem(), (410, "flow-ended".into()));
    assert_eq!(browser.get("/method").await.problem(), (410, "flow-ended".into()));
}

/// Controls: C-029.
#[tokio::test]
async fn totp_code_is_accepted_once_across_flows() {
    let world = World::new().await;
    let code = world.app_code(0);
    let mut first = world.browser();
    first.open("aisyah", "forgotten").await;
    assert_eq!(first.totp(&code).await.page(), "method");
    let mut second = world.browser();
    second.open("aisyah", "forgotten").await;
    assert_eq!(second.totp(&code).await.problem(), (422, "code-wrong".into()));
    assert_eq!(second.totp(&world.app_code(-1)).await.problem(), (422, "code-wrong".into()), "an older step");
    assert_eq!(second.totp(&world.app_code(1)).await.page(), "method", "the next one");
}

/// Submits TOTP codes from another tab, one each time a verification is about to be stored. So the flow has always
/// changed by then. Their responses are in the list afterwards.
fn type_meanwhile(world: &World, tab: &Browser, codes: &[&str]) -> Arc<Mutex<Vec<Answer>>> {
    let left = Mutex::new(codes.iter().rev().map(|code| (*code).to_owned()).collect::<Vec<_>>());
    let answers = Arc::new(Mutex::new(Vec::new()));
    let (tab, heard) = (tab.clone(), answers.clone());
    world.emulator.inject_faults(Some(Arc::new(move |call: &Call| {
        let records_verification = call.principal == "code-verify"
            && call.action == "dynamodb:PutItem"
            && call.resource.as_deref() == Some("FlowsTable");
        let next = if records_verification { left.lock().unwrap().pop() } else { None };
        if let Some(typed) = next {
            let mut tab = tab.clone();
            let answer = block_in_place(|| Handle::current().block_on(async { tab.totp(&typed).await }));
            heard.lock().unwrap().push(answer);
        }
        CallFault::None
    })));
    answers
}

/// Controls: C-029.
#[tokio::test(flavor = "multi_thread")]
async fn correct_totp_code_counts_despite_concurrent_wrong_ones() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    let code = world.app_code(0);
    let others = type_meanwhile(&world, &browser, &["000001", "000002"]);
    assert_eq!(browser.totp(&code).await.page(), "method");
    let others: Vec<_> = others.lock().unwrap().iter().map(Answer::problem).collect();
    assert_eq!(others, [(422, "code-wrong".into()), (422, "code-wrong".into())]);
    assert_eq!(browser.get("/method").await.json()["step"], 2);
}

/// Controls: C-029.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_duplicate_totp_code_counts_once() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    let code = world.app_code(0);
    let others = type_meanwhile(&world, &browser, &[&code, "000001"]);
    let late = browser.totp(&code).await;
    assert_eq!((late.problem().0, &late.json()["page"]), (409, &json!("method")), "the other was first");
    let others = others.lock().unwrap().clone();
    assert_eq!(others[0].problem(), (422, "code-wrong".into()));
    assert_eq!(others[1].page(), "method");
    assert_eq!(browser.get("/method").await.json()["step"], 2, "the newer cookie came with the refusal");
}

/// Controls: C-011.
#[tokio::test]
async fn totp_daily_rate_limit_holds_across_flows() {
    let world = World::new().await;
    let mut wrong = 0;
    for network in 0..4 {
        let mut browser = world.browser().from_address([10, 0, network, 1]);
        browser.open("aisyah", "forgotten").await;
        for _ in 0..4 {
            match browser.totp("000001").await.problem().1.as_str() {
                "code-wrong" => wrong += 1,
                other => assert_eq!(other, "method-unavailable"),
            }
        }
    }
    assert_eq!(wrong, 10);
}

/// Controls: C-013.
#[tokio::test]
async fn five_wrong_phone_numbers_disable_the_method() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    for n in 0..5 {
        let answer = browser.send_phone("sms", &format!("012345679{n}")).await;
        assert_eq!(answer.problem(), (422, "contact-mismatch".into()));
    }
    assert_eq!(browser.send_phone("sms", "0123456798").await.problem(), (422, "method-unavailable".into()));
    assert_eq!(browser.send_email().await.page(), "code", "other methods go on");
    assert_eq!(world.messages().len(), 1);
}

/// An attacker who knows a login can use up the first step's wrong numbers. The second step, after a verified one,
/// has its own.
/// Controls: C-013.
#[tokio::test]
async fn wrong_phone_numbers_are_counted_per_step() {
    let world = World::new().await;
    for n in 0..6 {
        let mut attacker = world.browser().from_address([10, 0, n / 2, 1]);
        attacker.open("aisyah", "forgotten").await;
        for n in 0..5 {
            attacker.send_phone("sms", &format!("012345679{n}")).await;
        }
    }
    let mut owner = world.browser();
    owner.open("aisyah", "forgotten").await;
    assert_eq!(owner.send_phone("sms", "0123456798").await.problem(), (422, "method-unavailable".into()));
    owner.totp(&world.app_code(0)).await;
    assert_eq!(owner.send_phone("sms", "0123456798").await.page(), "code");
}

/// People copy the number from a card.
#[tokio::test]
async fn number_with_extension_is_compared_without_it() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    let wrong = browser.send_phone("office_call", "03-2731 7273 ext 12").await;
    assert_eq!(wrong.problem(), (422, "contact-mismatch".into()));
    assert_eq!(browser.send_phone("office_call", "03-2731 7272 ext 12").await.page(), "code");
}

/// Controls: C-045.
#[tokio::test]
async fn phone_number_with_email_method_is_rejected() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    assert_eq!(browser.send_phone("email", "0123456798").await.problem(), (400, "malformed".into()));
    assert!(world.messages().is_empty());
}

/// Controls: C-023.
#[tokio::test(flavor = "multi_thread")]
async fn double_click_consumes_one_send() {
    let world = World::new().await;
    for network in 0..6 {
        let mut browser = world.browser().from_address([10, 0, network, 1]);
        browser.open("aisyah", "forgotten").await;
        let mut other = browser.clone();
        let clicks = [
            tokio::spawn(async move { browser.send_email().await }),
            tokio::spawn(async move { other.send_email().await }),
        ];
        for click in clicks {
            click.await.unwrap();
        }
    }
    assert_eq!(world.messages().len(), 5, "the whole rate limit was available");
}

/// Controls: C-073.
#[tokio::test]
async fn code_sends_are_rate_limited_across_flows() {
    let world = World::new().await;
    let mut sent = Vec::new();
    for network in [1, 1, 1, 1, 2, 2, 2, 3] {
        let mut browser = world.browser().from_address([10, 0, network, 1]);
        browser.open("aisyah", "forgotten").await;
        if browser.send_email().await.status == 200 {
            sent.push(network);
        }
    }
    assert_eq!(sent, [1, 1, 1, 2, 2], "three of the five to one network");
}

/// Returns the share that the last code counts in.
fn last_share(world: &World) -> SmsShare {
    let code = |message| if let Message::Code(code) = message { Some(code.share) } else { None };
    world.messages().into_iter().rev().find_map(code).unwrap()
}

/// Controls: C-132.
#[tokio::test]
async fn only_first_steps_of_strangers_use_their_share() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    browser.send_phone("sms", "+60123456798").await;
    assert_eq!(last_share(&world), SmsShare::FirstStep);
    browser.code(&world.last_code()).await;
    browser.send_email().await;
    assert_eq!(last_share(&world), SmsShare::Rest, "a second step");
    browser.code(&world.last_code()).await;
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done");

    let first_step = async || {
        let mut next = world.browser();
        next.open("aisyah", "forgotten").await;
        assert_eq!(next.send_phone("mobile_call", "+60123456798").await.page(), "code");
        last_share(&world)
    };
    world.clock.advance(3_600);
    assert_eq!(first_step().await, SmsShare::Rest, "the number redeemed a code lately");
    world.clock.advance(90 * 86_400);
    assert_eq!(first_step().await, SmsShare::FirstStep, "not lately");

    let mut session = world.browser();
    session.sign_in_with("aisyah", NEW_PASSWORD).await;
    session.post("/security-info/verify", json!({ "method": "sms" })).await;
    assert_eq!(last_share(&world), SmsShare::Rest, "a second step at /security-info");
    let body = json!({ "method": "sms", "code": world.last_code() });
    assert_eq!(session.post("/security-info/verify", body).await.page(), "security-info");
    session.add("mobile", NEW_NUMBER).await;
    assert_eq!(last_share(&world), SmsShare::Enrolment);
}

/// Controls: C-132.
#[tokio::test]
async fn known_device_uses_no_share_of_strangers() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    browser.send_email().await;
    browser.code(&world.last_code()).await;
    assert_eq!(browser.totp(&world.app_code(0)).await.page(), "password");
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done");
    assert_eq!(browser.post("/done", json!({ "remember": "device" })).await.page(), "done");
    world.clock.advance(3_600);
    for (mut next, share) in [(browser, SmsShare::Rest), (world.browser(), SmsShare::FirstStep)] {
        next.open("aisyah", "forgotten").await;
        assert_eq!(next.send_phone("sms", "+60123456798").await.page(), "code");
        assert_eq!(last_share(&world), share);
    }
}
