//! Messages that a provider does not accept: what is final, and what ends in the dead-letter queue.

use std::sync::Arc;

use rekey_local::emulator::CallFault;
use rekey_tests::World;
use shared::domain::message::Message;

use crate::log::Lines;

/// Refuses every call of an action with this error.
fn refuse(
    world: &World,
    action: &'static str,
    code: &'static str,
    message: &'static str,
    members: &'static str,
) {
    world.emulator.inject_faults(Some(Arc::new(move |call| {
        let refused = CallFault::Refused { code, message, members };
        if call.action == action { refused } else { CallFault::None }
    })));
}

/// Delivers until the queue is empty or 15 minutes have passed, and returns the number of dead letters.
async fn dead_letters(world: &World) -> usize {
    for _ in 0..30 {
        world.deliver().await;
        world.clock.advance(30);
    }
    assert!(world.messages().is_empty(), "a message is left");
    world.emulator.queues().counts("DeadLetterQueue").unwrap().visible
}

/// Controls: C-065, C-072.
#[tokio::test]
async fn code_is_lost_only_by_its_recipients_fault() {
    let sandbox =
        "Email address is not verified. The following identities failed the check: no-reply@contoh.example";
    let origin = r#"{"Reason":"INVALID_IDENTITY_FOR_DESTINATION_COUNTRY","Fields":[{"Name":"destinationPhoneNumber","Message":"x"}]}"#;
    let opted_out = r#"{"Reason":"DESTINATION_PHONE_NUMBER_OPTED_OUT"}"#;
    let no_number = "Invalid parameter: PhoneNumber Reason: +60123456798 is not valid to publish to";
    for (method, action, code, message, members, is_final) in [
        ("email", "ses:SendEmail", "MessageRejected", sandbox, "", false),
        ("email", "ses:SendEmail", "InvalidParameterValue", "Missing domain", "", true),
        ("sms", "sns:Publish", "AuthorizationError", "not authorized", "", false),
        ("sms", "sns:Publish", "InvalidParameter", no_number, "", true),
        ("mobile_call", "sms-voice:SendVoiceMessage", "ValidationException", "x", origin, false),
        ("mobile_call", "sms-voice:SendVoiceMessage", "ConflictException", "x", opted_out, true),
    ] {
        let lines = Lines::default();
        let _guard = lines.keep();
        let world = World::new().await;
        let mut browser = world.browser();
        browser.open("aisyah", "forgotten").await;
        let sent = match method {
            "email" => browser.send_email().await,
            _ => browser.send_phone(method, "012-345 6798").await,
        };
        assert_eq!(sent.page(), "code");
        refuse(&world, action, code, message, members);
        assert_eq!(dead_letters(&world).await, usize::from(!is_final), "{code}");
        let outcomes = lines.field("message.processed", "outcome");
        let expected = if is_final { vec!["refused"] } else { vec!["retry"; 24] };
        assert_eq!(outcomes, expected, "{code}");
        let alarmed = lines.text().contains(r#""metric":"MessagesRefused""#);
        assert_eq!(alarmed, is_final, "{code}: the alarm of refusals");
        assert!(!lines.text().contains("60123456798") && !lines.text().contains("mail.example"), "{code}");
    }
}

/// A repaired sandbox loses nothing.
/// Controls: C-072.
#[tokio::test]
async fn code_arrives_after_the_sender_is_verified() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    browser.send_email().await;
    refuse(&world, "ses:SendEmail", "MessageRejected", "Email address is not verified.", "");
    for _ in 0..5 {
        world.deliver().await;
        world.clock.advance(30);
    }
    assert!(world.dev_inbox.messages().is_empty());
    world.clear_faults();
    world.deliver().await;
    let code = world.last_code();
    assert_eq!(browser.code(&code).await.page(), "method");
}

/// AWS refuses calls without an origin: they are not offered, and the start says so.
#[tokio::test]
async fn calls_without_origin_are_not_offered() {
    let lines = Lines::default();
    let _guard = lines.keep();
    let world = World::with(&[("REKEY_VOICE_ORIGIN", "")]).await;
    let told = lines.of("method.disabled");
    assert!(!told.is_empty());
    assert!(told.iter().all(|line| line["methods"] == "mobile_call,office_call"), "{told:?}");
    assert!(told.iter().all(|line| line["reason"] == "REKEY_VOICE_ORIGIN is not set"), "{told:?}");

    for login in ["aisyah", "nobody"] {
        let mut browser = world.browser();
        let page = browser.open(login, "forgotten").await.json();
        let methods: Vec<&str> = page["methods"]
            .as_array()
            .unwrap()
            .iter()
            .map(|offer| offer["method"].as_str().unwrap())
            .collect();
        assert!(methods.len() > 1 && !methods.iter().any(|method| method.ends_with("_call")), "{methods:?}");
        let refused = browser.send_phone("mobile_call", "012-345 6798").await;
        assert_eq!(refused.problem(), (422, "method-unavailable".into()), "{login}");
    }

    let mut owner = world.browser();
    owner.sign_in("aisyah").await;
    assert!(!owner.html("/security-info/verify").await.contains("_call"));
    assert_eq!(owner.second_step(&world.app_code(0)).await.page(), "security-info");
    let page = owner.html("/security-info").await;
    assert!(page.contains("name=\"kind\" value=\"mobile\"") && !page.contains("name=\"by\""));
    assert!(!page.contains("name=\"kind\" value=\"office_phone\""), "an office phone is only called");
    let call = serde_json::json!({ "kind": "mobile", "value": "017-222 3344", "by": "call" });
    assert_eq!(owner.post("/security-info/add", call).await.problem().1, "method-unavailable");
    assert_eq!(owner.add("mobile", "017-222 3344").await.page(), "confirm");
    assert!(world.messages().iter().any(|message| matches!(message, Message::Code(_))));
}

/// The notice to an office phone is a call too. Without an origin it is dropped, and the others arrive.
#[tokio::test]
async fn notices_by_call_are_dropped_without_origin() {
    let lines = Lines::default();
    let _guard = lines.keep();
    let world = World::with(&[("REKEY_VOICE_ORIGIN", "")]).await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    assert_eq!(browser.password("Kancil-Lompat-42!").await.page(), "done");
    assert_eq!(dead_letters(&world).await, 0);
    let notices = lines.of("message.processed").into_iter().filter(|line| line["kind"] == "notice");
    let outcomes: Vec<String> = notices
        .map(|line| format!("{} {}", line["channel"].as_str().unwrap(), line["outcome"].as_str().unwrap()))
        .collect();
    assert!(outcomes.contains(&"voice dropped".to_owned()), "{outcomes:?}");
    assert!(outcomes.iter().filter(|outcome| outcome.ends_with(" sent")).count() >= 2, "{outcomes:?}");
}
