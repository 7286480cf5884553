//! The organisation's own directory behind `directory-read` and `directory-write`: slow, down, unwilling, or gone after
//! the change.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use directory::{read, write};
use rekey_local::emulator::CallFault;
use rekey_local::emulator::roles::{ADMINISTRATOR, Call};
use rekey_tests::fixtures::{AISYAH, DANIEL, NEW_PASSWORD, PRIYA, Person};
use rekey_tests::live_directory::{Mood, THRESHOLD};
use rekey_tests::{Answer, Browser, World};
use serde_json::json;
use shared::domain::account::AccountId;
use shared::domain::directory::{EntryStanding, PublishedPolicy};
use shared::domain::directory_call::{Password, ReadAnswer, ReadRequest, WriteAnswer, WriteRequest};
use shared::domain::password::Violation;
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::SecurityInfoStore as _;

use crate::decoys::calls_since;

const OTHER: &str = "Merdeka-Wau-Bulan-57";
const WRONG: &str = "Wrong-Password-1";

async fn world() -> Arc<World> {
    World::with(&[("REKEY_DIRECTORY", "ad")]).await
}

/// Returns a browser that has verified both steps.
async fn verified(world: &Arc<World>, reason: &str) -> Browser {
    let mut browser = world.browser();
    browser.verify_both_steps(reason).await;
    browser
}

/// Counts the notified contacts, after the time of the reconciliation.
async fn notified_contacts(world: &World) -> usize {
    world.clock.advance(60);
    world.deliver().await;
    world.dev_inbox.messages().iter().filter(|message| message.code.is_none()).count()
}

async fn reads(world: &World) -> read::Ports {
    read::Ports::from_process(&world.process("directory-read").await).await.unwrap()
}

async fn writes(world: &World) -> write::Ports {
    write::Ports::from_process(&world.process("directory-write").await).await.unwrap()
}

async fn check(ports: &read::Ports, account: &AccountId, password: &str) -> ReadAnswer {
    let request = ReadRequest::Check { account: account.clone(), password: Password::new(password) };
    read::handle(ports, request).await
}

fn set(number: u64, deadline: Timestamp, password: &str) -> WriteRequest {
    WriteRequest::Set { account: AISYAH.account().id, number, deadline, password: Password::new(password) }
}

/// Returns the outcome of a change that may still be made for ten seconds.
async fn outcome(world: &World, number: u64) -> ReadAnswer {
    let account = AISYAH.account().id;
    read::handle(&reads(world).await, ReadRequest::Outcome { account, number, deadline: world.now() }).await
}

/// Controls: C-158.
#[tokio::test]
async fn reset_and_unlock_reach_the_directory() {
    let world = world().await;
    assert_eq!(verified(&world, "forgotten").await.password(NEW_PASSWORD).await.page(), "done");
    assert_eq!(world.live.entry_of(&AISYAH).password, NEW_PASSWORD);
    assert_eq!(notified_contacts(&world).await, 4);
    world.live.change(&AISYAH, |entry| entry.is_locked = true);
    let mut browser = verified(&world, "locked").await;
    assert_eq!(browser.post("/unlock", json!({})).await.page(), "done");
    assert!(!world.live.entry_of(&AISYAH).is_locked);
    assert_eq!(world.live.entry_of(&AISYAH).password, NEW_PASSWORD);
}

/// Page 1 reads the copy: the directory may be down, and gets no call by strangers.
/// Controls: C-158.
#[tokio::test]
async fn directory_that_is_down_loses_no_verification() {
    let world = world().await;
    world.live.set(Mood::Down);
    let mut browser = verified(&world, "forgotten").await;
    assert_eq!(world.live.take_calls(), [""; 0], "no page before the last one asks it");
    assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (503, "unavailable".into()));
    assert_eq!(browser.get("/password").await.page(), "password", "the flow stays");
    world.live.set(Mood::Well);
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done", "at once");
    assert_eq!(world.live.entry_of(&AISYAH).password_version, 2);
}

/// Controls: C-158.
#[tokio::test]
async fn slow_directory_is_awaited() {
    let world = world().await;
    world.live.set(Mood::Slow(Duration::from_millis(300)));
    assert_eq!(verified(&world, "forgotten").await.password(NEW_PASSWORD).await.page(), "done");
    assert_eq!(world.live.entry_of(&AISYAH).password, NEW_PASSWORD);
}

/// Controls: C-025.
#[tokio::test]
async fn rejected_password_is_told_and_another_one_accepted() {
    let world = world().await;
    let mut browser = verified(&world, "forgotten").await;
    world.live.set(Mood::Rejects(Violation::Previous));
    for _ in 0..2 {
        let rejected = browser.password(OTHER).await;
        assert_eq!(rejected.problem(), (422, "password-rejected".into()));
        assert_eq!(rejected.json()["violations"][0]["id"], "previous");
    }
    world.live.set(Mood::Well);
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done");
    assert_eq!(notified_contacts(&world).await, 4, "of the one change");
}

/// The copy is some minutes old; the directory decides.
/// Controls: C-046.
#[tokio::test]
async fn entry_that_may_not_be_changed_is_left() {
    let world = world().await;
    let mut browser = verified(&world, "forgotten").await;
    world.live.set(Mood::Refuses);
    assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (403, "change-not-permitted".into()));
    world.live.set(Mood::Well);
    world.clock.advance(31);
    world.live.change(&AISYAH, |entry| entry.standing = EntryStanding::Privileged);
    assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (403, "change-not-permitted".into()));
    assert_eq!(world.live.entry_of(&AISYAH).password, Person::PASSWORD);
    assert_eq!(notified_contacts(&world).await, 0);
}

/// Controls: C-159.
#[tokio::test]
async fn lost_answer_of_directory_is_reconciled() {
    let world = world().await;
    let mut browser = verified(&world, "forgotten").await;
    world.live.set(Mood::DropsAfterWrite);
    assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (503, "change-unconfirmed".into()));
    assert_eq!(browser.get("/password").await.page(), "password", "the flow stays");
    world.live.set(Mood::Well);
    assert_eq!(notified_contacts(&world).await, 4);
    assert_eq!(browser.get("/done").await.json()["result"], "reset");
    assert_eq!(world.live.entry_of(&AISYAH).password_version, 2, "written once");
}

/// Controls: C-159.
#[tokio::test]
async fn repeated_request_after_lost_answer_writes_nothing_twice() {
    let world = world().await;
    let mut browser = verified(&world, "forgotten").await;
    world.live.set(Mood::DropsAfterWrite);
    assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (503, "change-unconfirmed".into()));
    world.live.set(Mood::Well);
    world.clock.advance(31);
    assert_eq!(browser.password(OTHER).await.problem(), (409, "out-of-step".into()), "it was done");
    assert_eq!(world.live.entry_of(&AISYAH).password, NEW_PASSWORD);
    assert_eq!(notified_contacts(&world).await, 4);
}

/// Controls: C-159.
#[tokio::test]
async fn change_lost_before_the_write_can_be_repeated() {
    let world = world().await;
    let mut browser = verified(&world, "forgotten").await;
    world.live.set(Mood::DropsBeforeWrite);
    assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (503, "change-unconfirmed".into()));
    world.live.set(Mood::Well);
    assert_eq!(notified_contacts(&world).await, 0);
    assert_eq!(browser.password(OTHER).await.page(), "done");
    assert_eq!(world.live.entry_of(&AISYAH).password, OTHER);
}

/// The invocation takes effect and its answer is lost, or it never arrives.
/// Controls: C-162.
#[tokio::test]
async fn lost_invocation_is_told_by_its_kind() {
    let on_invocation = |fault: CallFault| {
        move |call: &Call| {
            let hit = call.principal == "password-set" && call.action == "lambda:InvokeFunction";
            if hit { fault } else { CallFault::None }
        }
    };
    let refused = CallFault::Refused { code: "TooManyRequestsException", message: "", members: "" };
    for (fault, code, left) in [
        (CallFault::ResponseLost, "change-unconfirmed", NEW_PASSWORD),
        (CallFault::Unavailable, "change-unconfirmed", Person::PASSWORD),
        (refused, "unavailable", Person::PASSWORD),
    ] {
        let world = world().await;
        let mut browser = verified(&world, "forgotten").await;
        world.emulator.inject_faults(Some(Arc::new(on_invocation(fault))));
        assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (503, code.into()), "{fault:?}");
        world.emulator.inject_faults(None);
        assert_eq!(world.live.entry_of(&AISYAH).password, left, "{fault:?}");
        let notified = if left == NEW_PASSWORD { 4 } else { 0 };
        assert_eq!(notified_contacts(&world).await, notified, "{fault:?}");
    }
}

/// `directory-write` crashes after each of its calls; the outcome is right every time.
/// Controls: C-160.
#[tokio::test]
async fn crash_between_any_two_steps_has_a_true_outcome() {
    for (nth, made) in [(0, false), (1, false), (2, true), (3, true)] {
        let world = world().await;
        let mut browser = verified(&world, "forgotten").await;
        // Its calls of the table: read the note, write the note, write that it was made.
        let seen = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        world.emulator.inject_faults(Some(Arc::new(move |call: &Call| {
            let is_such = call.principal == "directory-write" && call.action.starts_with("dynamodb:");
            let failed = is_such && seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) >= nth;
            if failed { CallFault::Unavailable } else { CallFault::None }
        })));
        let answer = browser.password(NEW_PASSWORD).await;
        world.emulator.inject_faults(None);
        let is_set = world.live.entry_of(&AISYAH).password == NEW_PASSWORD;
        assert_eq!(is_set, made, "after {nth} calls");
        if made {
            assert_eq!(answer.page(), "done");
        } else {
            assert_eq!(answer.problem(), (503, "unavailable".into()), "after {nth} calls");
        }
        let account = AISYAH.account().id;
        let number = world.security_info.registration(&account, world.now()).await.unwrap().generation;
        let deadline = world.now() + Seconds(30);
        world.clock.advance(40);
        let asked = ReadRequest::Outcome { account, number, deadline };
        let expected = if made { ReadAnswer::Applied } else { ReadAnswer::NotApplied };
        assert_eq!(read::handle(&reads(&world).await, asked).await, expected, "after {nth} calls");
        assert_eq!(notified_contacts(&world).await, if made { 4 } else { 0 }, "after {nth} calls");
    }
}

/// Controls: C-161.
#[tokio::test]
async fn change_with_same_number_is_made_once() {
    let world = world().await;
    let ports = writes(&world).await;
    let deadline = world.now() + Seconds(30);
    assert_eq!(write::handle(&ports, set(2, deadline, NEW_PASSWORD)).await, WriteAnswer::Made);
    assert_eq!(write::handle(&ports, set(2, deadline, OTHER)).await, WriteAnswer::Made);
    assert_eq!(write::handle(&ports, set(1, deadline, OTHER)).await, WriteAnswer::Superseded);
    assert_eq!(world.live.entry_of(&AISYAH).password, NEW_PASSWORD);
    assert_eq!(outcome(&world, 2).await, ReadAnswer::Applied);
    assert_eq!(outcome(&world, 1).await, ReadAnswer::Applied, "a later one was");
    assert_eq!(outcome(&world, 3).await, ReadAnswer::CannotTell, "it may still come");
}

/// Lambda may deliver an invocation twice. The later function could set its password after a later change.
/// Controls: C-161.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_requests_with_same_number_write_once() {
    let world = world().await;
    let ports = Arc::new(writes(&world).await);
    let deadline = world.now() + Seconds(30);
    let tasks: Vec<_> = (0..8)
        .map(|request| {
            let (ports, password) = (ports.clone(), format!("{NEW_PASSWORD}{request}"));
            tokio::spawn(async move { write::handle(&ports, set(1, deadline, &password)).await })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        let answer = task.await.unwrap();
        assert!(matches!(answer, WriteAnswer::Made | WriteAnswer::Unknown), "{answer:?}");
        made += usize::from(answer == WriteAnswer::Made);
    }
    assert!(made >= 1);
    assert_eq!(world.live.entry_of(&AISYAH).password_version, 2, "the first one, and one more");
    assert_eq!(outcome(&world, 1).await, ReadAnswer::Applied);
}

/// `rekey forget` erases the registration, and with it the count of leases. The account stays, with the note.
/// Controls: C-161.
#[tokio::test]
async fn numbers_after_erasure_are_never_taken_for_earlier_ones() {
    let world = world().await;
    let ports = writes(&world).await;
    assert_eq!(
        write::handle(&ports, set(1, world.now() + Seconds(30), NEW_PASSWORD)).await,
        WriteAnswer::Made
    );
    world.clock.advance(60);
    let again = set(1, world.now() + Seconds(30), OTHER);
    assert_eq!(write::handle(&ports, again).await, WriteAnswer::NotApplied, "nobody reads that it was made");
    world.clock.advance(3_600);
    let deadline = world.now() + Seconds(30);
    assert_eq!(write::handle(&ports, set(1, deadline, OTHER)).await, WriteAnswer::Made);
    assert_eq!(world.live.entry_of(&AISYAH).password, OTHER);
}

/// Controls: C-161.
#[tokio::test]
async fn number_of_rejected_change_never_writes_again() {
    let world = world().await;
    let (ports, deadline) = (writes(&world).await, world.now() + Seconds(30));
    world.live.set(Mood::Rejects(Violation::Previous));
    let rejected = write::handle(&ports, set(1, deadline, NEW_PASSWORD)).await;
    assert!(matches!(rejected, WriteAnswer::Rejected { .. }), "{rejected:?}");
    world.live.set(Mood::Well);
    assert_eq!(write::handle(&ports, set(1, deadline, NEW_PASSWORD)).await, WriteAnswer::NotApplied);
    assert_eq!(world.live.entry_of(&AISYAH).password, Person::PASSWORD);
    assert_eq!(write::handle(&ports, set(2, deadline, NEW_PASSWORD)).await, WriteAnswer::Made);
}

/// Controls: C-161.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_leave_the_latest_password() {
    let world = world().await;
    let ports = Arc::new(writes(&world).await);
    let deadline = world.now() + Seconds(30);
    let tasks: Vec<_> = (1..=8)
        .map(|number| {
            let ports = ports.clone();
            let password = format!("{NEW_PASSWORD}{number}");
            tokio::spawn(async move { write::handle(&ports, set(number, deadline, &password)).await })
        })
        .collect();
    let mut latest = 0;
    for (number, task) in (1..).zip(tasks) {
        if task.await.unwrap() == WriteAnswer::Made {
            latest = number;
        }
    }
    assert_eq!(world.live.entry_of(&AISYAH).password, format!("{NEW_PASSWORD}{latest}"));
}

#[tokio::test]
async fn change_after_deadline_is_not_made() {
    let world = world().await;
    let answer = write::handle(&writes(&world).await, set(1, world.now(), NEW_PASSWORD)).await;
    assert_eq!(answer, WriteAnswer::NotApplied);
    assert_eq!(world.live.entry_of(&AISYAH).password, Person::PASSWORD);
    let unknown = AccountId::from_directory("ad:nobody").unwrap();
    let deadline = world.now() + Seconds(30);
    let unlock = WriteRequest::Unlock { account: unknown, number: 1, deadline, even_unlocked: false };
    assert_eq!(write::handle(&writes(&world).await, unlock).await, WriteAnswer::NotPermitted);
}

/// Controls: C-163.
#[tokio::test]
async fn stranger_never_locks_an_account() {
    let world = world().await;
    let (ports, id) = (reads(&world).await, AISYAH.account().id);
    for _ in 0..20 {
        assert_eq!(check(&ports, &id, WRONG).await, ReadAnswer::Refused);
    }
    let entry = world.live.entry_of(&AISYAH);
    assert_eq!((entry.wrong, entry.is_locked), (THRESHOLD - 1, false));
    // One attempt is left to its owner, in the organisation's applications.
    assert_eq!(check(&ports, &id, Person::PASSWORD).await, ReadAnswer::Refused, "it is not compared");
    world.live.change(&AISYAH, |entry| entry.wrong = 0);
    assert_eq!(check(&ports, &id, Person::PASSWORD).await, ReadAnswer::Accepted);
}

/// Controls: C-163.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_strangers_never_lock_an_account() {
    let world = world().await;
    let ports = Arc::new(reads(&world).await);
    let tasks: Vec<_> = (0..30)
        .map(|_| {
            let (ports, id) = (ports.clone(), AISYAH.account().id);
            tokio::spawn(async move { check(&ports, &id, WRONG).await })
        })
        .collect();
    for task in tasks {
        assert_ne!(task.await.unwrap(), ReadAnswer::Accepted);
    }
    let entry = world.live.entry_of(&AISYAH);
    assert!(entry.wrong < THRESHOLD && !entry.is_locked, "{entry:?}");
}

/// A bind without an answer may still be counted, so the next one waits until its lease has expired.
/// Controls: C-163.
#[tokio::test]
async fn failed_bind_keeps_its_lease() {
    let world = world().await;
    let (ports, id) = (reads(&world).await, AISYAH.account().id);
    world.live.set(Mood::Down);
    assert_eq!(check(&ports, &id, WRONG).await, ReadAnswer::Unavailable);
    world.live.set(Mood::Well);
    assert_eq!(check(&ports, &id, Person::PASSWORD).await, ReadAnswer::Unavailable);
    world.clock.advance(15);
    assert_eq!(check(&ports, &id, Person::PASSWORD).await, ReadAnswer::Accepted);
}

#[tokio::test]
async fn password_that_must_be_changed_signs_in() {
    let world = world().await;
    world.live.change(&AISYAH, |entry| entry.must_change = true);
    assert_eq!(world.browser().sign_in("aisyah").await.page(), "second-step");
    let state = ReadRequest::State { account: AISYAH.account().id };
    let ReadAnswer::State(Some(state)) = read::handle(&reads(&world).await, state).await else { panic!() };
    assert!(state.must_change && !state.is_locked);
}

/// Controls: C-157.
#[tokio::test]
async fn known_and_unknown_logins_make_same_calls_to_directory() {
    let world = world().await;
    world.live.change(&PRIYA, |entry| entry.is_locked = true);
    let mut seen = Vec::new();
    for (login, password) in
        [("aisyah", WRONG), ("nobody", WRONG), ("daniel", Person::PASSWORD), ("priya", Person::PASSWORD)]
    {
        let before = world.emulator.calls();
        let answer = world.browser().sign_in_with(login, password).await;
        assert_eq!(answer.problem(), (422, "sign-in-wrong".into()), "{login}");
        let live = world.live.take_calls();
        assert_eq!(live[0], "entry", "{login}");
        assert!(live[1].starts_with("bind ") && live.len() == 2, "{login}: {live:?}");
        seen.push((login, calls_since(&world, &before)));
    }
    let (_, first) = &seen[0];
    for (login, calls) in &seen[1..] {
        assert_eq!(calls, first, "{login}");
    }
    assert_eq!(world.live.entry_of(&DANIEL).wrong, 0);
}

/// Controls: C-157.
#[tokio::test]
async fn sign_in_tells_everybody_alike_that_directory_is_down() {
    let world = world().await;
    world.live.set(Mood::Down);
    for login in ["aisyah", "nobody"] {
        let answer = world.browser().sign_in(login).await;
        assert_eq!(answer.problem(), (503, "unavailable".into()), "{login}");
    }
}

/// Controls: C-156.
#[tokio::test]
async fn directory_sees_no_password_in_tables_or_queue() {
    let world = world().await;
    assert_eq!(verified(&world, "forgotten").await.password(NEW_PASSWORD).await.page(), "done");
    let dump = world.dump().await;
    assert!(!dump.contains(NEW_PASSWORD));
    let invoked = |call: &Call| call.principal != ADMINISTRATOR && call.action == "lambda:InvokeFunction";
    assert!(world.emulator.calls().keys().any(invoked));
}

/// Gives a person a fine-grained policy, as the sync copies it.
async fn set_policy(world: &World, person: &Person, policy: PublishedPolicy) {
    let key = AttributeValue::S(format!("account/{}", person.login));
    let text = serde_json::to_string(&policy).unwrap();
    let update = world.client.update_item().table_name("AccountsTable").key("account", key);
    update
        .update_expression("SET password_policy = :policy")
        .expression_attribute_values(":policy", AttributeValue::S(text))
        .send()
        .await
        .unwrap();
}

fn length(page: &Answer) -> String {
    page.json()["criteria"][0]["text"].as_str().unwrap().to_owned()
}

/// The page, the JSON of the function that verifies the last step, and what the function checks that sets it.
/// Controls: C-181.
#[tokio::test]
async fn policy_of_account_is_among_the_criteria_everywhere() {
    let world = world().await;
    let policy = PublishedPolicy { min_length: Some(18), ..PublishedPolicy::default() };
    set_policy(&world, &AISYAH, policy).await;
    let mut browser = world.browser();
    let verified = browser.verify_both_steps("forgotten").await;
    let page = browser.get("/password").await;
    assert!(length(&page).contains("18") && length(&verified) == length(&page), "{}", length(&verified));
    let mut owner = world.browser();
    let body = json!({ "login": "aisyah", "password": Person::PASSWORD, "next": "change-password" });
    owner.post("/security-info/sign-in", body).await;
    owner.second_step(&world.app_code(0)).await;
    assert_eq!(length(&owner.post("/change-password", json!({})).await), length(&page));
    let rejected = browser.password(NEW_PASSWORD).await;
    assert_eq!(rejected.problem(), (422, "password-rejected".into()));
    assert!(rejected.json()["violations"][0]["text"].as_str().unwrap().contains("18"));
    assert_eq!(world.live.entry_of(&AISYAH).password, Person::PASSWORD);
    assert_eq!(browser.password("Kancil-Lompat-42!-Merdeka").await.page(), "done");
}

/// A fine-grained policy may ask for less than the domain's. What the settings ask for always holds.
/// Controls: C-181.
#[tokio::test]
async fn other_people_and_settings_keep_their_own_criteria() {
    let world = world().await;
    let policy = |min| PublishedPolicy { min_length: Some(min), ..PublishedPolicy::default() };
    set_policy(&world, &AISYAH, policy(8)).await;
    set_policy(&world, &DANIEL, policy(20)).await;
    let page = verified(&world, "forgotten").await.get("/password").await;
    assert!(length(&page).contains("12"), "{}", length(&page));
}
