//! Warnings before passwords of the organisation's own directory expire.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use rekey_tests::World;
use rekey_tests::fixtures::{AISYAH, DANIEL, MEI, NEW_PASSWORD, PRIYA, Person, REGISTRAR};
use shared::domain::time::Timestamp;

/// Noon of the first day, in Kuala Lumpur, is 04:00 UTC.
const DAY: i64 = 86_400;

/// Returns a world with a directory whose passwords expire `days` after the start, at the same hour.
async fn world(days: i64, people: &[&Person]) -> Arc<World> {
    let world = World::with(&[("REKEY_DIRECTORY", "ad")]).await;
    let expires_at = Timestamp::from_seconds(world.now().as_seconds() + days * DAY);
    for person in people {
        set_expiry(&world, person, expires_at).await;
    }
    world
}

/// Writes an expiry into the copy, as the sync does.
async fn set_expiry(world: &World, person: &Person, at: Timestamp) {
    let account = AttributeValue::S(format!("account/{}", person.login));
    let update = world.client.update_item().table_name("AccountsTable").key("account", account);
    update
        .update_expression("SET password_expires_at = :at")
        .expression_attribute_values(":at", AttributeValue::N(at.as_seconds().to_string()))
        .send()
        .await
        .unwrap();
}

/// Runs `housekeeping` and `delivery`, and returns the recipients since the last call, sorted.
async fn run(world: &World) -> Vec<String> {
    world.housekeep().await.unwrap();
    sent(world).await
}

async fn sent(world: &World) -> Vec<String> {
    world.deliver().await;
    let mut to: Vec<String> = world.dev_inbox.messages().into_iter().map(|message| message.to).collect();
    world.dev_inbox.clear();
    to.sort();
    to
}

const BOTH: [&str; 2] = ["aisyah.rahman@mail.example", "aisyah@student.contoh.example"];

/// `EventBridge` may invoke the function twice, and Lambda retries it.
/// Controls: C-177.
#[tokio::test]
async fn people_are_warned_four_times_however_often_it_runs() {
    let world = world(16, &[&AISYAH]).await;
    let mut warned = Vec::new();
    for day in 0..20 {
        for _ in 0..2 {
            let to = run(&world).await;
            if !to.is_empty() {
                assert_eq!(to, BOTH, "no text, no call");
                warned.push(16 - day);
            }
        }
        world.clock.advance(DAY);
    }
    assert_eq!(warned, [14, 7, 3, 1]);
}

/// Controls: C-178.
#[tokio::test]
async fn warning_names_account_date_and_page() {
    let world = world(7, &[&AISYAH]).await;
    world.housekeep().await.unwrap();
    world.deliver().await;
    for mail in world.dev_inbox.messages() {
        let subject = mail.subject.unwrap();
        assert!(subject.contains("your password expires on 1 Dec 2026, 12:00"), "{subject}");
        assert!(
            mail.body.contains("Account: aisyah\n") && mail.body.contains("/change-password\n"),
            "{}",
            mail.body
        );
        assert!(!mail.body.contains("If this was you"), "{}", mail.body);
    }
}

/// Controls: C-177.
#[tokio::test]
async fn accounts_without_self_service_are_not_warned() {
    let world = world(3, &[&DANIEL, &REGISTRAR, &PRIYA, &MEI]).await;
    let expected = ["mei@student.contoh.example", "priya.s@mail.example", "priya@student.contoh.example"];
    assert_eq!(run(&world).await, expected, "a locked account's password expires as well");
}

/// The copy has the earlier expiry until the next sync.
/// Controls: C-177.
#[tokio::test]
async fn new_password_ends_the_warnings() {
    let world = world(4, &[&AISYAH, &MEI]).await;
    assert_eq!(run(&world).await.len(), 3);
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done");
    sent(&world).await;
    world.clock.advance(DAY - 3_600);
    assert_eq!(run(&world).await, ["mei@student.contoh.example"]);
    set_expiry(&world, &AISYAH, Timestamp::from_seconds(world.now().as_seconds() + 180 * DAY)).await;
    for _ in 0..5 {
        world.clock.advance(DAY);
        assert!(run(&world).await.iter().all(|to| to.starts_with("mei@")));
    }
}

/// Controls: C-177, C-179.
#[tokio::test]
async fn warning_that_was_not_queued_is_sent_by_the_next_run() {
    let world = world(7, &[&AISYAH, &MEI]).await;
    world.fail_calls("housekeeping", "sqs:SendMessage", "MessagesQueue");
    assert!(world.housekeep().await.is_err());
    assert!(world.dump().await.contains("population"), "the other task has ended");
    world.clear_faults();
    assert_eq!(run(&world).await.len(), 3);
    assert!(run(&world).await.is_empty());
}

/// Controls: C-179.
#[tokio::test]
async fn failed_count_stops_no_warning() {
    let world = world(7, &[&AISYAH]).await;
    world.fail_calls("housekeeping", "dynamodb:GetItem", "AccountsTable");
    assert!(world.housekeep().await.is_err(), "so that the alarm raises");
    world.clear_faults();
    assert_eq!(sent(&world).await, BOTH);
}

#[tokio::test]
async fn built_in_directory_warns_nobody() {
    let world = World::new().await;
    set_expiry(&world, &AISYAH, Timestamp::from_seconds(world.now().as_seconds() + DAY)).await;
    assert!(run(&world).await.is_empty());
}
