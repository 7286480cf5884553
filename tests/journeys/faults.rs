//! Race conditions and faults around the directory write.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rekey_local::emulator::CallFault;
use rekey_local::emulator::roles::{ADMINISTRATOR, Call};
use rekey_tests::fixtures::{NEW_PASSWORD, Person};
use rekey_tests::{SignIn, World};
use serde_json::json;
use shared::domain::account::{AccountId, Contact};
use shared::domain::contact::PhoneNumber;
use shared::domain::security_info::Kind;
use shared::ports::NewEntry;

/// Controls: C-022.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_new_passwords_change_the_password_once() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    let passwords: Vec<String> = (10..20).map(|n| format!("Kancil-Lompat-{n}!")).collect();
    let tasks: Vec<_> = passwords
        .iter()
        .cloned()
        .map(|password| {
            let mut browser = browser.clone();
            tokio::spawn(async move { browser.password(&password).await.status.as_u16() })
        })
        .collect();
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
    let winner = &passwords[statuses.iter().position(|status| *status == 200).unwrap()];
    assert_eq!(world.sign_in("aisyah", winner).await, SignIn::Accepted);
    assert_eq!(world.notices().len(), 4);
}

/// Controls: C-026.
#[tokio::test]
async fn queue_outage_returns_503_and_can_be_retried() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    world.fail_all("sqs:");
    assert_eq!(browser.send_email().await.problem(), (503, "unavailable".into()));
    world.clear_faults();
    world.clock.advance(30);
    assert_eq!(browser.send_email().await.page(), "code");
    browser.code(&world.last_code()).await;
    browser.totp(&world.app_code(0)).await;
    world.fail_all("sqs:");
    assert_eq!(
        browser.password(NEW_PASSWORD).await.problem(),
        (503, "unavailable".into()),
        "no change without a queued reconciliation"
    );
    assert_eq!(world.sign_in("aisyah", Person::PASSWORD).await, SignIn::Accepted);
    world.clear_faults();
    world.clock.advance(31);
    assert_eq!(
        browser.password(NEW_PASSWORD).await.page(),
        "done",
        "the lease has run out: the flow may acquire it again"
    );
    assert_eq!(world.sign_in("aisyah", NEW_PASSWORD).await, SignIn::Accepted);
}

/// Controls: C-026.
#[tokio::test]
async fn missing_tables_return_503() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    for table in ["BudgetsTable", "SecurityInfoTable", "AccountsTable"] {
        world.client.delete_table().table_name(table).send().await.unwrap();
    }
    for login in ["aisyah", "nobody"] {
        assert_eq!(world.browser().identify(login).await.problem(), (503, "unavailable".into()), "{login}");
    }
    assert_eq!(browser.send_email().await.problem(), (503, "unavailable".into()));
    assert_eq!(browser.get("/method").await.page(), "method");
}

/// Controls: C-046.
#[tokio::test]
async fn contact_replaced_during_flow_ends_the_flow() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    let id = AccountId::from_directory("aisyah").unwrap();
    let number = PhoneNumber::from_stored("+60199999999".into());
    let entry = NewEntry::contact(Kind::Mobile, Contact::Phone(&number), world.now());
    world.enrolment.put(&id, &entry).await.unwrap();
    assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (410, "flow-ended".into()));
    assert_eq!(world.sign_in("aisyah", Person::PASSWORD).await, SignIn::Accepted);
}

/// Controls: C-046.
#[tokio::test]
async fn account_disabled_during_flow_is_not_reset() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    let mut account = rekey_tests::fixtures::AISYAH.account();
    account.state = shared::domain::account::AccountState::Disabled;
    world.put_account(&account, Some(Person::PASSWORD)).await;
    assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (410, "flow-ended".into()));
    assert!(!world.was_changed(&account.id, 1).await);
}

/// Controls: C-022.
#[tokio::test]
async fn two_concurrent_flows_complete_once() {
    let world = World::new().await;
    let (mut first, mut second) = (world.browser(), world.browser());
    first.verify_both_steps("forgotten").await;
    second.verify_both_steps("locked").await;
    let (one, two) = tokio::join!(first.password(NEW_PASSWORD), second.post("/unlock", json!({})));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 410]);
}

/// Every second request is answered by a process whose clock is two minutes ahead.
/// Controls: C-070.
#[tokio::test]
async fn reset_succeeds_despite_clock_skew() {
    let world = World::new().await;
    for (login, ahead_first) in [("aisyah", true), ("priya", false)] {
        let mut browser = world.browser();
        let mut ahead = ahead_first;
        let mut turn = || {
            world.clock.advance(if ahead { 120 } else { -120 });
            ahead = !ahead;
        };
        if !ahead_first {
            world.clock.advance(120);
        }
        assert_eq!(browser.identify(login).await.page(), "reason");
        turn();
        assert_eq!(browser.post("/reason", json!({ "reason": "forgotten" })).await.page(), "method");
        turn();
        assert_eq!(browser.send_email().await.page(), "code");
        turn();
        assert_eq!(browser.code(&world.last_code()).await.page(), "method");
        turn();
        let number = if login == "aisyah" { "012-345 6798" } else { "017-222 3344" };
        assert_eq!(browser.send_phone("sms", number).await.page(), "code");
        turn();
        assert_eq!(browser.code(&world.last_code()).await.page(), "password");
        turn();
        assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done");
        turn();
        assert_eq!(browser.get("/done").await.json()["result"], "reset");
        assert_eq!(world.sign_in(login, NEW_PASSWORD).await, SignIn::Accepted);
    }
}

/// Controls: C-008.
#[tokio::test]
async fn clock_running_behind_restores_no_attempts_or_sends() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    browser.send_email().await;
    let code = world.last_code();
    world.clock.advance(-120);
    assert_eq!(browser.send_email().await.problem(), (429, "slow-down".into()));
    world.clock.advance(120);
    for n in 0..5 {
        world.clock.advance(if n % 2 == 0 { -120 } else { 120 });
        let wrong = format!("{:08}", (code.parse::<u32>().unwrap() + 1 + n) % 100_000_000);
        assert_eq!(browser.code(&wrong).await.problem(), (422, "code-wrong".into()));
    }
    world.clock.advance(120);
    assert_eq!(browser.code(&code).await.problem(), (422, "code-spent".into()));
}

/// Injects a fault into every `nth` call of the functions; returns their count.
fn inject_every(world: &World, nth: usize, how: CallFault) -> Arc<AtomicUsize> {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    world.emulator.inject_faults(Some(Arc::new(move |call: &Call| {
        let hit = call.principal != ADMINISTRATOR && count.fetch_add(1, Ordering::SeqCst) % nth == nth - 1;
        if hit { how } else { CallFault::None }
    })));
    calls
}

/// Controls: C-070.
#[tokio::test(flavor = "multi_thread")]
async fn reset_succeeds_when_services_throttle_or_respond_slowly() {
    // Longer than the SDK's timeout for an attempt: the caller retries, and both attempts take effect.
    let late = CallFault::Delayed(Duration::from_millis(2_200));
    for (nth, how) in [(2, CallFault::Throttled), (15, late)] {
        let world = World::new().await;
        let calls = inject_every(&world, nth, how);
        let mut browser = world.browser();
        browser.open("aisyah", "forgotten").await;
        for step in ["method", "password"] {
            let sent = match step {
                "method" => browser.send_email().await,
                _ => browser.send_phone("sms", "012-345 6798").await,
            };
            assert_eq!(sent.page(), "code", "{how:?}");
            // An attempt that timed out may queue the same code again, behind others.
            world.emulator.idle().await;
            assert_eq!(browser.code(&world.last_code()).await.page(), step, "{how:?}");
        }
        assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done", "{how:?}");
        world.deliver().await;
        world.clear_faults();
        assert!(calls.load(Ordering::SeqCst) >= nth, "{how:?}: no call was hit");
        // A message whose attempts all failed comes again after its visibility timeout.
        world.clock.advance(600);
        world.deliver().await;
        assert_eq!(world.sign_in("aisyah", NEW_PASSWORD).await, SignIn::Accepted);
        let notices = world.dev_inbox.messages().into_iter().filter(|message| message.code.is_none()).count();
        assert!(notices >= 4, "{how:?}: {notices}");
    }
}
