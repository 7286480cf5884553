//! Pushes, and notifications of a refused request.

use std::sync::Arc;

use crate::support::{Fakes, Provider, START, account, event, keys, ports, sealed};
use delivery::handle;
use shared::domain::device::Device;
use shared::domain::language::Language;
use shared::domain::message::{ApprovalDenied, ApprovalPush, Channel, Message};
use shared::domain::notice::Event;
use shared::domain::push::{PushHosts, Subscription};
use shared::domain::security_info::{EntryId, Kind};
use shared::domain::time::{Seconds, Timestamp};

fn push() -> Message {
    Message::Push(ApprovalPush { account: account(), expires_at: START + Seconds(90) })
}

/// Subscribes a device of Aisyah at a path of the push service.
fn subscribed(fakes: &Fakes, number: u8, path: &str) {
    let json = format!(
        r#"{{"endpoint":"https://push.example/{path}","keys":{{
            "p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "auth":"BTBZMqHH6r4Tts7J_aSIgg"}}}}"#
    );
    let hosts = PushHosts::new(vec!["push.example".to_owned()]);
    let device = Device { account: account(), id: EntryId::new(Kind::Authenticator, [number; 8]) };
    let sealed = Subscription::parse(&json, &hosts).unwrap().seal(&keys(), &device, [number; 24]).unwrap();
    fakes.subscribe(&device, sealed);
}

#[tokio::test]
async fn push_with_expiry_in_milliseconds_is_not_sent() {
    let fakes = Arc::new(Fakes::default());
    subscribed(&fakes, 1, "one");
    let expires_at = Timestamp::from_seconds(START.as_seconds() * 1_000);
    assert!(!is_retried(&fakes, &Message::Push(ApprovalPush { account: account(), expires_at })).await);
    assert!(fakes.sent().is_empty());
}

/// Returns whether the message is to be retried.
async fn is_retried(fakes: &Arc<Fakes>, message: &Message) -> bool {
    is_retried_after(fakes, message, 1).await
}

/// Returns whether the message is to be retried after its `count`th receive.
async fn is_retried_after(fakes: &Arc<Fakes>, message: &Message, count: u32) -> bool {
    let response = handle(&ports(fakes, &[]), event(&[sealed(message)], count)).await;
    !response.batch_item_failures.is_empty()
}

/// Controls: C-072.
#[tokio::test]
async fn push_that_failed_until_expiry_becomes_dead_letter() {
    let fakes = Arc::new(Fakes::default());
    subscribed(&fakes, 1, "one");
    fakes.set_provider(Provider::Down);
    assert!(is_retried(&fakes, &push()).await);
    fakes.advance(Seconds(90));
    fakes.set_provider(Provider::Up);
    for count in [2, 3, 24] {
        assert!(is_retried_after(&fakes, &push(), count).await, "{count}");
    }
    assert!(fakes.sent().is_empty(), "too late");
    assert_eq!(fakes.metrics(), 0, "the dead letters have an alarm");
}

/// Controls: C-093.
#[tokio::test]
async fn push_reaches_every_device_without_personal_data() {
    let fakes = Arc::new(Fakes::default());
    subscribed(&fakes, 1, "one");
    subscribed(&fakes, 2, "two");
    fakes.advance(Seconds(30));
    assert!(!is_retried(&fakes, &push()).await);
    let sent = fakes.sent();
    assert_eq!(sent.len(), 2);
    for (_, what) in &sent {
        assert_eq!(what, r#"{"event":"request"} 60"#, "no number, no person, and the seconds that are left");
    }
}

/// Controls: C-072.
#[tokio::test]
async fn push_is_retried_until_its_request_expires() {
    let fakes = Arc::new(Fakes::default());
    subscribed(&fakes, 1, "one");
    fakes.set_provider(Provider::Down);
    assert!(is_retried(&fakes, &push()).await);
    fakes.advance(Seconds(90));
    assert!(!is_retried(&fakes, &push()).await, "it is of no use any more");
    fakes.set_provider(Provider::Up);
    assert!(!is_retried(&fakes, &push()).await);
    assert!(fakes.sent().is_empty(), "too late");
}

/// Controls: C-072.
#[tokio::test]
async fn gone_subscription_does_not_block_other_devices() {
    let fakes = Arc::new(Fakes::default());
    subscribed(&fakes, 1, "gone");
    assert!(!is_retried(&fakes, &push()).await);
    subscribed(&fakes, 2, "two");
    assert!(!is_retried(&fakes, &push()).await);
    assert_eq!(fakes.sent().len(), 1);
    fakes.set_provider(Provider::Down);
    assert!(is_retried(&fakes, &push()).await, "the other one may get it yet");
}

#[tokio::test]
async fn push_without_subscribed_devices_sends_nothing() {
    let fakes = Arc::new(Fakes::default());
    assert!(!is_retried(&fakes, &push()).await);
    assert!(fakes.sent().is_empty());
}

/// Controls: C-050.
#[tokio::test]
async fn denied_approval_queues_a_notice_for_every_contact() {
    let fakes = Arc::new(Fakes::default());
    let refused =
        Message::ApprovalDenied(ApprovalDenied { account: account(), at: START, language: Language::Tamil });
    fakes.break_queue(true);
    assert!(is_retried(&fakes, &refused).await);
    fakes.break_queue(false);
    assert!(!is_retried(&fakes, &refused).await);
    let notices: Vec<_> = fakes
        .queued()
        .into_iter()
        .map(|message| match message {
            Message::Notice(notice) => notice,
            other => panic!("{other:?}"),
        })
        .collect();
    let channels: Vec<Channel> = notices.iter().map(|notice| notice.to.channel()).collect();
    assert_eq!(channels, [Channel::Email, Channel::Email, Channel::Sms], "no call: nothing was changed");
    for notice in &notices {
        assert_eq!(
            (notice.event, notice.at, notice.language),
            (Event::ApprovalDenied, START, Language::Tamil)
        );
    }
}
