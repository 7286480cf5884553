//! Push approval: the answers that verify a step, and those that must not.

use std::sync::Arc;
use std::time::Duration;

use rekey_local::dev_inbox::Channel;
use rekey_tests::fixtures::{AISYAH, PRIYA};
use rekey_tests::{Answer, Browser, Phone, World};
use serde_json::json;
use shared::domain::message::Message;
use shared::domain::time::Seconds;
use shared::ports::{Clock as _, EnrolmentStore as _};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

fn other_than(number: &str) -> &'static str {
    if number == "42" { "43" } else { "42" }
}

/// Returns a browser that has asked Aisyah's phone, the phone, and the number on the page.
async fn approval_requested(world: &Arc<World>) -> (Browser, Phone, String) {
    let phone = Phone::enrolled(world, 1, &AISYAH).await;
    let (browser, number) = request_approval(world, "aisyah").await;
    (browser, phone, number)
}

async fn request_approval(world: &Arc<World>, login: &str) -> (Browser, String) {
    let mut browser = world.browser();
    browser.open(login, "forgotten").await;
    let page = browser.send_push().await;
    assert_eq!(page.page(), "approval");
    let number = page.json()["number"].as_str().unwrap().to_owned();
    (browser, number)
}

async fn status(browser: &mut Browser) -> String {
    let page = browser.get("/code").await;
    assert_eq!(page.page(), "approval");
    page.json()["status"].as_str().unwrap().to_owned()
}

/// Controls: C-048.
#[tokio::test]
async fn correct_number_verifies_a_step() {
    let world = World::new().await;
    let (mut browser, mut phone, number) = approval_requested(&world).await;
    assert_eq!(status(&mut browser).await, "pending");
    let early = browser.approved().await;
    assert_eq!((early.problem(), &early.json()["page"]), ((409, "out-of-step".into()), &json!("approval")));

    let waiting = phone.requests().await;
    assert_eq!(waiting[0]["network"], "203.0.113.x");
    assert!(!waiting[0].to_string().contains(&format!("\"{number}\"")), "the number is on the page only");
    let request = waiting[0]["request"].as_str().unwrap();
    let answer = phone.approve(request, &number).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (200, &json!("approved")));
    assert!(phone.requests().await.is_empty());

    assert_eq!(status(&mut browser).await, "approved");
    let method = browser.approved().await;
    assert_eq!((method.page(), &method.json()["step"]), ("method".into(), &json!(2)));
    let methods = method.json()["methods"].to_string();
    assert!(!methods.contains("push") && !methods.contains("totp"), "the app serves one step: {methods}");
    let registered = world.enrolment.registered(&AISYAH.account().id).await.unwrap();
    let device = registered.entries.iter().find(|entry| entry.shown == "Chrome, Android").unwrap();
    assert_eq!(device.last_used_at, Some(world.clock.now()));
}

/// Controls: C-023.
#[tokio::test]
async fn double_click_gets_newer_cookie_for_limited_time() {
    let world = World::new().await;
    let (mut browser, mut phone, number) = approval_requested(&world).await;
    let request = phone.request().await;
    phone.approve(&request, &number).await;
    let (mut again, mut late) = (browser.clone(), browser.clone());
    assert_eq!(browser.approved().await.page(), "method");
    let answer = again.approved().await;
    assert_eq!((answer.problem().0, &answer.json()["page"]), (409, &json!("method")));
    assert_eq!(again.cookie, browser.cookie);
    world.clock.advance(150);
    let older = late.cookie.clone();
    assert_eq!(late.approved().await.problem().0, 409);
    assert_eq!(late.cookie, older);
}

/// Controls: C-048.
#[tokio::test]
async fn wrong_number_ends_the_approval_request() {
    let world = World::new().await;
    let (mut browser, mut phone, number) = approval_requested(&world).await;
    let request = phone.request().await;
    assert_eq!(phone.approve(&request, other_than(&number)).await.problem(), (422, "code-wrong".into()));
    assert_eq!(phone.approve(&request, &number).await.problem(), (422, "code-spent".into()), "one look");
    assert!(phone.requests().await.is_empty());
    assert_eq!(status(&mut browser).await, "ended");
    assert_eq!(browser.approved().await.problem(), (422, "code-spent".into()));
    assert_eq!(browser.send_push().await.problem(), (429, "slow-down".into()));
    world.clock.advance(30);
    let page = browser.send_push().await;
    assert_eq!(page.page(), "approval");
    let (request, number) = (phone.request().await, page.json()["number"].as_str().unwrap().to_owned());
    assert_eq!(phone.approve(&request, &number).await.status, 200);
    assert_eq!(browser.approved().await.page(), "method");
}

/// Controls: C-034.
#[tokio::test]
async fn approval_request_accepts_only_one_attempt() {
    let world = World::new().await;
    let (_, mut phone, number) = approval_requested(&world).await;
    let request = phone.request().await;
    let mut attempts = 0;
    for n in 10..100 {
        if n.to_string() == number {
            continue;
        }
        attempts += usize::from(phone.approve(&request, &n.to_string()).await.problem().1 == "code-wrong");
    }
    assert_eq!(attempts, 1);
}

/// Controls: C-034.
#[tokio::test]
async fn approval_request_expires_after_ninety_seconds() {
    let world = World::new().await;
    let (mut browser, mut phone, number) = approval_requested(&world).await;
    let request = phone.request().await;
    world.clock.advance(89);
    assert_eq!(phone.requests().await.len(), 1);
    world.clock.advance(1);
    assert!(phone.requests().await.is_empty());
    assert_eq!(phone.approve(&request, &number).await.problem(), (422, "code-spent".into()));
    assert_eq!(status(&mut browser).await, "ended");
    assert_eq!(browser.approved().await.problem(), (422, "code-spent".into()));
}

/// Controls: C-050.
#[tokio::test]
async fn denial_ends_flow_pauses_method_and_notifies_contacts() {
    let world = World::new().await;
    let (mut browser, mut phone, number) = approval_requested(&world).await;
    let request = phone.request().await;
    let denied = phone.deny(&request).await;
    assert_eq!((denied.status.as_u16(), &denied.json()["status"]), (200, &json!("denied")));
    assert_eq!(phone.approve(&request, &number).await.problem(), (422, "code-spent".into()));
    for path in ["/code", "/method"] {
        assert_eq!(browser.clone().get(path).await.problem(), (410, "flow-ended".into()));
    }
    assert_eq!(browser.approved().await.problem(), (410, "flow-ended".into()));

    assert_eq!(phone.deny(&request).await.status, 200, "an answer that was lost");
    let refusals =
        world.messages().into_iter().filter(|message| matches!(message, Message::ApprovalDenied(_)));
    assert_eq!(refusals.count(), 1, "every contact is notified once");
    world.deliver().await;
    let mut notified: Vec<_> = world
        .dev_inbox
        .messages()
        .into_iter()
        .filter(|message| message.channel != Channel::Push)
        .map(|message| (message.to, message.body.contains("denied")))
        .collect();
    notified.sort();
    // The office is not called: nothing was changed.
    let all = ["+60123456798", "aisyah.rahman@mail.example", "aisyah@student.contoh.example"];
    assert_eq!(notified, all.map(|to| (to.to_owned(), true)));

    let mut next = world.browser();
    next.open("aisyah", "forgotten").await;
    assert_eq!(next.send_push().await.problem(), (422, "method-unavailable".into()), "paused");
    assert_eq!(next.get("/method").await.page(), "method", "the flow is where it was");
    assert_eq!(next.send_email().await.page(), "code", "other methods go on");
    world.clock.advance(86_400);
    request_approval(&world, "aisyah").await;
}

/// Controls: C-050.
#[tokio::test]
async fn denial_interrupted_by_a_crash_completes_when_repeated() {
    let world = World::new().await;
    let (mut browser, mut phone, _) = approval_requested(&world).await;
    let request = phone.request().await;
    world.crash_after("approval", "dynamodb:UpdateItem", "FlowsTable");
    assert_eq!(phone.deny(&request).await.status, 503);
    world.clear_faults();
    assert_eq!(
        browser.clone().get("/code").await.problem(),
        (410, "flow-ended".into()),
        "refused is refused"
    );
    assert_eq!(browser.approved().await.problem(), (410, "flow-ended".into()));
    assert_eq!(phone.deny(&request).await.status, 200);
    assert!(world.messages().iter().any(|message| matches!(message, Message::ApprovalDenied(_))));
    assert_eq!(browser.get("/method").await.problem(), (410, "flow-ended".into()));
}

/// Counts the queued messages that notify all contacts of a refusal.
fn denial_notifications(world: &World) -> usize {
    world.messages().iter().filter(|message| matches!(message, Message::ApprovalDenied(_))).count()
}

/// Controls: C-050.
#[tokio::test]
async fn denial_after_cancel_and_lost_response_is_notified() {
    let world = World::new().await;
    let (mut browser, mut phone, _) = approval_requested(&world).await;
    let request = phone.request().await;
    assert_eq!(browser.post("/cancel", json!({})).await.page(), "ended");
    world.lose_response("approval", "dynamodb:UpdateItem", "FlowsTable");
    assert_eq!(phone.deny(&request).await.status, 200);
    world.clear_faults();
    assert_eq!(denial_notifications(&world), 1);
}

/// Controls: C-050.
#[tokio::test]
async fn denial_during_queue_outage_is_notified_on_retry() {
    let world = World::new().await;
    let (mut browser, mut phone, _) = approval_requested(&world).await;
    let request = phone.request().await;
    world.fail_all("sqs:");
    assert_eq!(phone.deny(&request).await.status, 503);
    world.clear_faults();
    assert_eq!(browser.send_email().await.problem(), (410, "flow-ended".into()), "it waits for no queue");
    // The phone sends its denial again after the flow has expired.
    world.clock.advance(900);
    assert_eq!(phone.deny(&request).await.problem(), (409, "nonce-stale".into()));
    for _ in 0..2 {
        assert_eq!(phone.deny(&request).await.status, 200);
    }
    assert_eq!(denial_notifications(&world), 1, "notified once");
}

#[tokio::test]
async fn approval_with_lost_response_counts_once() {
    let world = World::new().await;
    let (mut browser, mut phone, number) = approval_requested(&world).await;
    let request = phone.request().await;
    world.lose_response("approval", "dynamodb:UpdateItem", "FlowsTable");
    assert_eq!(phone.approve(&request, &number).await.json()["status"], "approved");
    world.clear_faults();
    let again = phone.approve(&request, &number).await;
    assert_eq!(again.json()["status"], "approved", "the phone did not hear of it");
    let other = phone.approve(&request, other_than(&number)).await;
    assert_eq!(other.problem(), (422, "code-spent".into()));
    assert_eq!(browser.approved().await.page(), "method");
}

#[tokio::test]
async fn approval_counts_when_usage_update_fails() {
    let world = World::new().await;
    let (mut browser, mut phone, number) = approval_requested(&world).await;
    let request = phone.request().await;
    world.fail_calls("approval", "dynamodb:UpdateItem", "SecurityInfoTable");
    assert_eq!(phone.approve(&request, &number).await.json()["status"], "approved");
    world.clear_faults();
    assert_eq!(browser.approved().await.page(), "method");
}

/// A push service that doesn't answer delays only its own devices.
#[tokio::test]
async fn pushes_to_all_devices_are_concurrent() {
    let world = World::new().await;
    // This push service answers only after all requests have arrived.
    let (listener, devices) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), 3);
    let address = listener.local_addr().unwrap();
    let service = tokio::spawn(async move {
        let mut connections = Vec::new();
        while connections.len() < devices {
            connections.push(listener.accept().await.unwrap().0);
        }
        for connection in &mut connections {
            connection.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            connection.flush().await.unwrap();
        }
        connections
    });
    for number in 1..=devices {
        let mut phone = Phone::new(&world, u8::try_from(number).unwrap());
        let token = world.begin_pairing(&AISYAH).await;
        let local = world.emulator.endpoint();
        let elsewhere = phone.subscription().replace(local, &format!("http://{address}"));
        let paired = phone.pair_with_subscription(&token, &elsewhere).await.json();
        let confirmed = world.confirm_pairing(&token, &AISYAH, paired["code"].as_str().unwrap()).await;
        world.enrol_device(&AISYAH, confirmed, world.now()).await;
    }
    request_approval(&world, "aisyah").await;
    // A push service may take five seconds.
    let delivered = tokio::time::timeout(Duration::from_secs(4), world.deliver()).await;
    assert!(delivered.is_ok(), "one waits for another");
    assert!(world.messages().is_empty(), "it came");
    assert_eq!(service.await.unwrap().len(), devices);
}

/// Controls: C-033.
#[tokio::test]
async fn only_enrolled_devices_of_the_account_can_answer() {
    let world = World::new().await;
    let (mut browser, mut phone, number) = approval_requested(&world).await;
    let request = phone.request().await;
    let mut priyas = Phone::enrolled(&world, 2, &PRIYA).await;
    assert!(priyas.requests().await.is_empty());
    assert_eq!(priyas.approve(&request, &number).await.problem(), (422, "code-spent".into()));
    assert_eq!(priyas.deny(&request).await.problem(), (422, "code-spent".into()));

    // An attacker with the handle and the nonce, but without the key.
    let mut thief = Phone::new(&world, 3);
    (thief.handle, thief.nonce) = (phone.handle.clone(), phone.nonce.clone());
    assert_eq!(thief.approve(&request, &number).await.problem(), (403, "device-unknown".into()));
    assert_eq!(thief.poll().await.problem(), (403, "device-unknown".into()));
    thief.handle = "1.AAAA".to_owned();
    assert_eq!(thief.poll().await.problem(), (403, "device-unknown".into()));

    // A device that was removed meanwhile.
    let registered = world.enrolment.registered(&AISYAH.account().id).await.unwrap();
    let entry = registered.entries.iter().find(|entry| entry.shown == "Chrome, Android").unwrap();
    world.enrolment.delete(&AISYAH.account().id, &entry.id).await.unwrap();
    assert_eq!(phone.approve(&request, &number).await.problem(), (403, "device-unknown".into()));
    assert_eq!(status(&mut browser).await, "pending", "nothing of that was looked at");
}

/// Controls: C-054.
#[tokio::test]
async fn device_in_waiting_period_cannot_answer() {
    let world = World::new().await;
    Phone::enrolled(&world, 1, &AISYAH).await;
    let later = world.clock.now() + Seconds::DAY;
    let (mut newer, _) = Phone::enrolled_from(&world, 2, &AISYAH, later).await;
    let (mut browser, number) = request_approval(&world, "aisyah").await;
    let waiting = newer.poll().await.json();
    assert_eq!((&waiting["requests"], &waiting["usable_from"]), (&json!([]), &json!(later.to_string())));
    let request = world.pending_request(&AISYAH).await;
    assert_eq!(newer.approve(&request, &number).await.problem(), (422, "code-spent".into()));
    assert_eq!(status(&mut browser).await, "pending");
    world.deliver().await;
    let pushes = world.dev_inbox.messages().into_iter().filter(|message| message.channel == Channel::Push);
    assert_eq!(pushes.count(), 1, "it gets no push either");
}

/// Controls: C-033.
#[tokio::test]
async fn tampered_or_replayed_device_answer_is_rejected() {
    let world = World::new().await;
    let (mut browser, mut phone, number) = approval_requested(&world).await;
    let request = phone.request().await;
    let whole = phone.approval(&request, &number);
    let mut changed = phone.approval(&request, other_than(&number));
    changed["number"] = json!(number);
    assert_eq!(phone.post("/authenticator/answer", changed).await.problem(), (403, "device-unknown".into()));
    let mut denied = whole.clone();
    denied.as_object_mut().unwrap().remove("number");
    denied["denied"] = json!("true");
    assert_eq!(phone.post("/authenticator/answer", denied).await.problem(), (403, "device-unknown".into()));
    let mut both = whole.clone();
    both["denied"] = json!("true");
    for malformed in [both, json!({}), json!({ "number": "042" })] {
        assert_eq!(phone.post("/authenticator/answer", malformed).await.problem(), (400, "malformed".into()));
    }
    // A recorded signature is invalid later, and in another request.
    world.clock.advance(90);
    assert_eq!(browser.send_push().await.page(), "approval");
    let replayed = phone.post("/authenticator/answer", whole.clone()).await;
    assert_eq!(replayed.problem(), (422, "code-spent".into()), "another request waits now");
    world.clock.advance(30);
    let stale = phone.post("/authenticator/answer", whole).await;
    assert_eq!(stale.problem(), (409, "nonce-stale".into()));
    assert!(stale.json()["nonce"].as_str().is_some_and(|nonce| nonce == phone.nonce), "it gets a new one");
    assert_eq!(status(&mut browser).await, "pending");
}

/// Controls: C-034.
#[tokio::test]
async fn approval_is_bound_to_its_flow() {
    let world = World::new().await;
    let (mut browser, mut phone, number) = approval_requested(&world).await;
    let mut attacker = world.browser();
    attacker.open("aisyah", "forgotten").await;
    assert_eq!(attacker.send_push().await.problem(), (422, "method-unavailable".into()), "one waits already");
    assert_eq!(attacker.get("/method").await.page(), "method");
    let request = phone.request().await;
    phone.approve(&request, &number).await;
    assert_eq!(attacker.approved().await.problem(), (409, "out-of-step".into()));
    assert_eq!(attacker.send_push().await.problem(), (422, "method-unavailable".into()), "not heard of yet");
    world.clock.advance(90);
    assert_eq!(attacker.send_push().await.page(), "approval");
    assert_eq!(attacker.approved().await.problem(), (409, "out-of-step".into()));
    assert_eq!(status(&mut attacker).await, "pending");
    let _ = browser.approved().await;
}

#[tokio::test]
async fn failed_approval_request_keeps_the_pending_code() {
    let world = World::new().await;
    approval_requested(&world).await;
    let mut other = world.browser();
    other.open("aisyah", "forgotten").await;
    other.send_email().await;
    assert_eq!(other.send_push().await.problem(), (422, "method-unavailable".into()));
    assert_eq!(other.code(&world.last_code()).await.page(), "method");
}

/// Controls: C-034.
#[tokio::test]
async fn choosing_another_method_abandons_the_approval_request() {
    let world = World::new().await;
    let (mut browser, mut phone, number) = approval_requested(&world).await;
    assert_eq!(browser.send_email().await.page(), "code");
    let request = phone.request().await;
    assert_eq!(phone.approve(&request, &number).await.status, 200);
    assert_eq!(browser.approved().await.problem(), (409, "out-of-step".into()));
    assert_eq!(browser.code(&world.last_code()).await.json()["step"], 2);
}

/// Controls: C-049.
#[tokio::test]
async fn approval_requests_are_limited_per_hour_and_step() {
    let world = World::new().await;
    Phone::enrolled(&world, 1, &AISYAH).await;
    let mut sent = Vec::new();
    for network in [1, 1, 1, 2, 2, 3] {
        let mut browser = world.browser().from_address([10, 0, network, 1]);
        browser.open("aisyah", "forgotten").await;
        if browser.send_push().await.status == 200 {
            sent.push(network);
        }
        world.clock.advance(100);
    }
    assert_eq!(sent, [1, 1, 2], "two of the three to one network");
    let mut second = world.browser();
    second.open("aisyah", "forgotten").await;
    second.send_email().await;
    second.code(&world.last_code()).await;
    assert_eq!(
        second.send_push().await.page(),
        "approval",
        "what a stranger drains is not the second step's"
    );
    world.clock.advance(3_600);
    request_approval(&world, "aisyah").await;
}

/// Controls: C-069.
#[tokio::test]
async fn failed_approval_request_does_not_consume_rate_limit() {
    let world = World::new().await;
    let (_, _, _) = approval_requested(&world).await;
    for _ in 0..4 {
        let mut other = world.browser();
        other.open("aisyah", "forgotten").await;
        assert_eq!(other.send_push().await.problem().1, "method-unavailable");
    }
    world.clock.advance(90);
    request_approval(&world, "aisyah").await;
    world.clock.advance(90);
    let mut other = world.browser().from_address([10, 0, 0, 1]);
    other.open("aisyah", "forgotten").await;
    assert_eq!(other.send_push().await.page(), "approval", "three of three");
}

/// Controls: C-023.
#[tokio::test(flavor = "multi_thread")]
async fn double_click_creates_one_approvable_request() {
    let world = World::new().await;
    let mut phone = Phone::enrolled(&world, 1, &AISYAH).await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    let mut other = browser.clone();
    let mut one = browser.clone();
    let clicks = [
        tokio::spawn(async move { one.send_push().await }),
        tokio::spawn(async move { other.send_push().await }),
    ];
    let mut answers: Vec<Answer> = Vec::new();
    for click in clicks {
        answers.push(click.await.unwrap());
    }
    assert!(answers.iter().all(|answer| answer.status == 200 || answer.problem().0 == 429));
    let page = browser.get("/code").await;
    let (request, number) = (phone.request().await, page.json()["number"].as_str().unwrap().to_owned());
    assert_eq!(phone.approve(&request, &number).await.status, 200);
    assert_eq!(browser.approved().await.page(), "method");
}

/// Controls: C-093.
#[tokio::test]
async fn push_payload_is_encrypted_for_the_device() {
    let world = World::new().await;
    let (_, phone, number) = approval_requested(&world).await;
    world.deliver().await;
    let arrived = world.dev_inbox.messages();
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0].channel, Channel::Push);
    let said = phone.decrypt_push(&arrived[0].body);
    assert_eq!(said, r#"{"event":"request"}"#);
    assert!(!said.contains(&number) && !said.contains("aisyah"));
}

/// Controls: C-048.
#[tokio::test]
async fn single_step_reset_does_not_offer_approval() {
    let world = World::with(&[("REKEY_STEPS", "1")]).await;
    Phone::enrolled(&world, 1, &AISYAH).await;
    let mut browser = world.browser();
    let methods = browser.open("aisyah", "forgotten").await.json()["methods"].to_string();
    assert!(!methods.contains("push"), "{methods}");
    assert_eq!(browser.send_push().await.problem(), (422, "method-unavailable".into()));
}

/// A login without an account whose decoy offers an approval can request one as an account can. No device answers.
/// Controls: C-001.
#[tokio::test]
async fn decoy_approval_request_matches_a_real_one() {
    let world = World::new().await;
    let mut browser = world.browser();
    let mut names = (0..).map(|n| format!("nobody{n}"));
    let name = loop {
        let name = names.next().unwrap();
        if browser.open(&name, "forgotten").await.json()["methods"].to_string().contains("push") {
            break name;
        }
    };
    assert_eq!(browser.send_push().await.page(), "approval");
    assert_eq!(status(&mut browser).await, "pending");
    assert_eq!(browser.approved().await.problem(), (409, "out-of-step".into()));
    let mut other = world.browser().from_address([10, 0, 0, 1]);
    other.open(&name, "forgotten").await;
    assert_eq!(other.send_push().await.problem(), (422, "method-unavailable".into()), "one waits already");
    assert!(matches!(world.messages()[..], [Message::Decoy]));
    world.clock.advance(90);
    assert_eq!(status(&mut browser).await, "ended");
    assert_eq!(browser.send_push().await.page(), "approval");
    world.clock.advance(90);
    assert_eq!(other.send_push().await.page(), "approval");
    world.clock.advance(90);
    let mut fourth = world.browser().from_address([10, 0, 0, 2]);
    fourth.open(&name, "forgotten").await;
    assert_eq!(fourth.send_push().await.problem(), (422, "method-unavailable".into()), "three an hour");
}

/// Controls: C-048.
#[tokio::test]
async fn approval_number_is_not_stored_in_plaintext() {
    let world = World::new().await;
    let (_, _, number) = approval_requested(&world).await;
    let dump = world.dump().await;
    for form in [format!("S(\"{number}\")"), format!("N(\"{number}\")")] {
        assert!(!dump.contains(&form), "{form}");
    }
}
