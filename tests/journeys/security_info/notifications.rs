//! Notifications of a session's changes: at once or gathered, to whom, and by which channel.

use std::collections::BTreeSet;
use std::sync::Arc;

use rekey_local::dev_inbox::Message;
use rekey_tests::fixtures::NEW_NUMBER;
use rekey_tests::{Browser, World};
use serde_json::json;
use shared::domain::message::Channel;
use shared::domain::notice::Event;
use shared::domain::security_info::Kind;
use shared::domain::time::Seconds;

use super::{aisyah, kinds, register, register_app, register_sheet, verified_twice};
use crate::security_info::register_passkey;

const MAILBOX: &str = "aisyah@student.contoh.example";
const ALTERNATE: &str = "aisyah.rahman@mail.example";
const MOBILE: &str = "+60123456798";
const OFFICE: &str = "+60327317272";

/// Delivers what is queued and returns the notifications of it, without codes.
async fn delivered(world: &World) -> Vec<Message> {
    let before: BTreeSet<String> = world.dev_inbox.messages().into_iter().map(|message| message.id).collect();
    world.deliver().await;
    let new = world.dev_inbox.messages().into_iter().filter(|message| !before.contains(&message.id));
    new.filter(|message| message.code.is_none()).collect()
}

/// Lets five minutes pass, in the steps in which the queue repeats the message that waits.
async fn delivered_after_five_minutes(world: &World) -> Vec<Message> {
    let mut all = delivered(world).await;
    for _ in 0..3 {
        world.clock.advance(100);
        all.extend(delivered(world).await);
    }
    all
}

fn recipients(messages: &[Message]) -> Vec<&str> {
    let mut to: Vec<&str> = messages.iter().map(|message| message.to.as_str()).collect();
    to.sort_unstable();
    to
}

async fn remove(browser: &mut Browser, kind: &str) {
    let answer = browser.post("/security-info/remove", json!({ "id": kind })).await;
    assert_eq!(answer.page(), "security-info", "{kind}");
}

/// Makes six changes, none of which removes or replaces a contact.
async fn six_changes(world: &Arc<World>) -> Browser {
    let mut browser = verified_twice(world).await;
    register_app(world, &mut browser).await;
    for _ in 0..3 {
        register_passkey(&mut browser, "http://localhost:8080").await;
    }
    register_sheet(&mut browser).await;
    remove(&mut browser, "recovery_codes").await;
    browser
}

/// Six changes sent six calls to an office.
/// Controls: C-063.
#[tokio::test]
async fn six_changes_notify_each_contact_twice_without_call() {
    let world = World::new().await;
    six_changes(&world).await;
    let first = delivered(&world).await;
    assert_eq!(recipients(&first), [MOBILE, ALTERNATE, MAILBOX], "the first change, at once");
    let gathered = delivered_after_five_minutes(&world).await;
    assert_eq!(recipients(&gathered), [MOBILE, ALTERNATE, MAILBOX]);
    let mail = gathered.iter().find(|message| message.to == ALTERNATE).unwrap();
    assert!(mail.body.contains("was changed 5 times"), "{}", mail.body);
    assert_eq!(mail.body.matches("passkey added").count(), 3, "{}", mail.body);
    assert_eq!(mail.body.matches("set of recovery codes removed").count(), 1, "{}", mail.body);
    assert!(gathered.iter().any(|message| message.to == MOBILE && message.body.contains("changed 5 times")));
    assert!(delivered_after_five_minutes(&world).await.is_empty());
}

/// Controls: C-063.
#[tokio::test]
async fn first_change_is_notified_before_it_is_written() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    world.crash_after("enrolment", "sqs:SendMessage", "MessagesQueue");
    assert_eq!(browser.post("/security-info/remove", json!({ "id": "mobile" })).await.status, 503);
    world.clear_faults();
    let list = browser.get("/security-info").await.json();
    assert!(kinds(&list).contains(&"mobile".to_owned()), "nothing was written");
    assert_eq!(recipients(&delivered(&world).await), [MOBILE, OFFICE, ALTERNATE, MAILBOX]);
}

/// An attacker who removes a contact must not silence it.
/// Controls: C-063.
#[tokio::test]
async fn removed_and_replaced_contacts_hear_of_later_changes() {
    let world = World::new().await;
    let mut browser = verified_twice(&world).await;
    remove(&mut browser, "alternate_email").await;
    assert_eq!(recipients(&delivered(&world).await), [MOBILE, OFFICE, ALTERNATE, MAILBOX]);

    world.clock.advance(30);
    register(&world, &mut browser, "mobile", NEW_NUMBER).await;
    let replaced = delivered_after_five_minutes(&world).await;
    assert_eq!(
        recipients(&replaced),
        [MOBILE, NEW_NUMBER, OFFICE, ALTERNATE, MAILBOX],
        "a call, since it is replaced"
    );
    assert!(world.notices().is_empty());

    register_app(&world, &mut browser).await;
    let later = delivered_after_five_minutes(&world).await;
    assert_eq!(recipients(&later), [MOBILE, NEW_NUMBER, ALTERNATE, MAILBOX]);
}

/// The end of a session must not lose what it gathered.
/// Controls: C-063.
#[tokio::test]
async fn gathered_changes_are_notified_after_sign_out() {
    let world = World::new().await;
    let mut browser = six_changes(&world).await;
    delivered(&world).await;
    browser.post("/security-info/sign-out", json!({})).await;
    assert_eq!(recipients(&delivered_after_five_minutes(&world).await), [MOBILE, ALTERNATE, MAILBOX]);
}

/// The queue delivers at least once.
/// Controls: C-063.
#[tokio::test]
async fn message_delivered_twice_notifies_once() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    register_app(&world, &mut browser).await;
    register_sheet(&mut browser).await;
    delivered(&world).await;
    let again = world.envelopes();
    assert_eq!(again.len(), 1, "the message that waits");
    assert!(again[0].1 < Seconds(120), "LateMessagesAlarm watches the age of messages");
    let gathered = delivered_after_five_minutes(&world).await;
    assert_eq!(gathered.len(), 3);
    let record = json!({
        "messageId": "again",
        "body": serde_json::to_string(&again[0].0).unwrap(),
        "attributes": { "ApproximateReceiveCount": "2" },
    });
    let event = serde_json::from_value(json!({ "Records": [record] })).unwrap();
    assert_eq!(world.invoke_delivery(event).await, 0);
    assert!(delivered_after_five_minutes(&world).await.is_empty());
}

/// Controls: C-063.
#[tokio::test]
async fn added_contact_is_not_called() {
    let world = World::new().await;
    let mut browser = verified_twice(&world).await;
    remove(&mut browser, "office_phone").await;
    delivered(&world).await;
    world.clock.advance(30);
    register(&world, &mut browser, "office_phone", "+60327317200").await;
    let notices = world.notices();
    assert!(notices.is_empty(), "it is gathered");
    let gathered = delivered_after_five_minutes(&world).await;
    assert_eq!(recipients(&gathered), [MOBILE, ALTERNATE, MAILBOX]);
    assert!(gathered.iter().all(|message| message.body.contains("office phone number")));
}

/// Whole contacts of removed entries are stored sealed.
/// Controls: C-089.
#[tokio::test]
async fn stored_changes_contain_no_contact() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    remove(&mut browser, "mobile").await;
    let dump = world.dump().await;
    for text in [MOBILE, ALTERNATE, "123456798", OFFICE] {
        assert!(!dump.contains(text), "{text}");
    }
    let removed = world.notices().into_iter().filter(|notice| notice.event == Event::Removed(Kind::Mobile));
    assert!(removed.map(|notice| notice.to.channel()).any(|channel| channel == Channel::Voice));
}
