//! Information that a fully verified flow can get about the current password, and the possible answers of a
//! directory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rekey_local::emulator::roles::Call;
use rekey_tests::fixtures::{AISYAH, NEW_PASSWORD, Person};
use rekey_tests::{SignIn, World};
use serde_json::json;
use shared::adapters::directories::BuiltinDirectory;
use shared::domain::account::{Account, AccountId};
use shared::domain::name::CanonicalName;
use shared::domain::password::{NewPassword, Violation};
use shared::domain::time::Timestamp;
use shared::ports::{
    Capabilities, ChangeError, ChangeInspector, ChangeOutcome, Directory, DirectoryError, DirectoryWrite,
    PasswordChange, PasswordDirectory, SecurityInfoStore as _,
};

/// Counts how often `password-set` has read the data that a new password is compared with.
fn hash_reads(world: &World) -> u64 {
    let is_such =
        |call: &Call| call.principal == "password-set" && call.attributes.contains(&"password".into());
    world
        .emulator
        .calls()
        .iter()
        .filter(|(call, _)| is_such(call) && call.selects)
        .map(|(_, count)| count)
        .sum()
}

/// Counts the leases on Aisyah's account.
async fn lease_count(world: &World) -> u64 {
    world.security_info.registration(&AISYAH.account().id, world.now()).await.unwrap().generation
}

/// Controls: C-017.
#[tokio::test]
async fn wrong_confirmation_reveals_nothing_about_the_password() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    let mut responses = Vec::new();
    for password in [Person::PASSWORD, NEW_PASSWORD].repeat(10) {
        let body = json!({ "password": password, "confirmation": "other" });
        let answer = browser.post("/password", body).await;
        assert_eq!(answer.problem(), (422, "confirmation-differs".into()));
        responses.push(answer.text());
    }
    responses.dedup();
    assert_eq!(responses.len(), 1, "one response for the current password and for another");
    assert_eq!(hash_reads(&world), 0);
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done", "no check was spent");
}

/// Controls: C-017.
#[tokio::test]
async fn password_violating_rules_costs_no_history_check() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    for _ in 0..15 {
        assert_eq!(browser.password("Kancil").await.problem(), (422, "password-rejected".into()));
    }
    assert_eq!(hash_reads(&world), 0);
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done");
}

/// Controls: C-017.
#[tokio::test]
async fn eleventh_history_check_ends_the_flow() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    for _ in 0..10 {
        let answer = browser.password(Person::PASSWORD).await;
        assert_eq!(answer.json()["violations"][0]["id"], "previous");
    }
    let reads = hash_reads(&world);
    for password in [Person::PASSWORD, NEW_PASSWORD] {
        // A refusal deletes the cookie, so each try has its own copy.
        let answer = browser.clone().password(password).await;
        assert_eq!(answer.problem(), (410, "flow-ended".into()), "{password}");
    }
    assert_eq!(hash_reads(&world), reads);
    assert_eq!(world.sign_in("aisyah", Person::PASSWORD).await, SignIn::Accepted);
    world.clock.advance(3_600);
    browser.verify_both_steps("forgotten").await;
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done", "another flow has ten of its own");
}

/// Controls: C-017.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_history_checks_are_limited_to_ten() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let mut browser = browser.clone();
            tokio::spawn(async move { browser.password(Person::PASSWORD).await.status.as_u16() })
        })
        .collect();
    let mut checked = 0;
    for task in tasks {
        match task.await.unwrap() {
            422 => checked += 1,
            // No password change was left, or the others took too long.
            status => assert!([410, 503].contains(&status), "{status}"),
        }
    }
    assert_eq!(hash_reads(&world), checked);
    while browser.clone().password(Person::PASSWORD).await.status == 422 {
        checked += 1;
    }
    assert_eq!((checked, hash_reads(&world)), (10, 10));
}

/// Controls: C-023.
#[tokio::test(flavor = "multi_thread")]
async fn double_click_on_refused_password_is_refused_twice() {
    let world = world_of([], Duration::from_millis(250)).await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    let clicks = [(); 2].map(|()| {
        let mut browser = browser.clone();
        tokio::spawn(async move { browser.password(Person::PASSWORD).await })
    });
    for click in clicks {
        let answer = click.await.unwrap();
        assert_eq!(answer.problem(), (422, "password-rejected".into()));
        assert_eq!(answer.json()["violations"][0]["id"], "previous");
    }
    assert_eq!(lease_count(&world).await, 2, "each click made one");
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done");
    world.clock.advance(60);
    world.deliver().await;
    assert_eq!(notified_contacts(&world), 4, "of the one change");
}

/// Controls: C-023.
#[tokio::test(flavor = "multi_thread")]
async fn double_click_on_new_password_changes_it_once() {
    let world = world_of([], Duration::from_millis(250)).await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    let clicks = [(); 2].map(|()| {
        let mut browser = browser.clone();
        tokio::spawn(async move { browser.password(NEW_PASSWORD).await })
    });
    let mut statuses = Vec::new();
    for click in clicks {
        let answer = click.await.unwrap();
        assert_eq!(answer.json()["page"], "done", "{}", answer.text());
        statuses.push(answer.status.as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    assert_eq!(lease_count(&world).await, 1, "what was set is compared with nothing");
}

#[tokio::test]
async fn refused_password_queues_nothing_and_keeps_the_flow() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    world.deliver().await;
    let answer = browser.password(Person::PASSWORD).await;
    assert_eq!(answer.json()["violations"][0]["id"], "previous");
    assert!(world.messages().is_empty(), "{:?}", world.messages());
    assert_eq!(browser.get("/password").await.page(), "password");
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done");
}

/// The response to the tenth lease may be the one that is lost.
#[tokio::test]
async fn change_by_last_lease_is_reported_as_done() {
    let rejections = [DirectoryFault::Rejected; 9].into_iter();
    let world = world(rejections.chain([DirectoryFault::ResponseLost])).await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    for _ in 0..9 {
        assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (422, "password-rejected".into()));
    }
    assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (503, "change-unconfirmed".into()));
    world.clock.advance(31);
    let again = browser.password("Merdeka-Wau-Bulan-57").await;
    assert_eq!((again.status.as_u16(), again.json()["page"].as_str()), (409, Some("done")));
    assert_eq!(browser.get("/done").await.json()["result"], "reset");
    assert_eq!(world.sign_in("aisyah", NEW_PASSWORD).await, SignIn::Accepted);
    world.clock.advance(60);
    world.deliver().await;
    assert_eq!(notified_contacts(&world), 4, "once");
}

/// The directory's answer to a password change.
#[derive(Clone, Copy, Debug)]
enum DirectoryFault {
    Rejected,
    /// Makes the change, but the response is lost.
    ResponseLost,
    /// Doesn't make the change, and the response is lost.
    RequestLost,
    /// Doesn't make the change and reports it.
    NotApplied,
}

/// A test double in front of the built-in directory.
struct FaultyDirectory {
    builtin: BuiltinDirectory,
    faults: Mutex<VecDeque<DirectoryFault>>,
    /// Duration of a comparison with earlier passwords.
    comparison_time: Duration,
}

#[async_trait]
impl Directory for FaultyDirectory {
    fn capabilities(&self) -> Capabilities {
        self.builtin.capabilities()
    }

    async fn find(&self, name: &CanonicalName) -> Result<Option<Account>, DirectoryError> {
        self.builtin.find(name).await
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, DirectoryError> {
        self.builtin.account(id).await
    }
}

#[async_trait]
impl ChangeInspector for FaultyDirectory {
    async fn outcome(&self, change: &PasswordChange) -> Result<ChangeOutcome, DirectoryError> {
        self.builtin.outcome(change).await
    }
}

#[async_trait]
impl PasswordDirectory for FaultyDirectory {
    async fn precheck(
        &self,
        account: &AccountId,
        password: &NewPassword,
    ) -> Result<Vec<Violation>, DirectoryError> {
        tokio::time::sleep(self.comparison_time).await;
        self.builtin.precheck(account, password).await
    }

    async fn apply(
        &self,
        change: &PasswordChange,
        write: DirectoryWrite<'_>,
        now: Timestamp,
    ) -> Result<(), ChangeError> {
        let faults = self.faults.lock().unwrap().pop_front();
        match faults {
            None => self.builtin.apply(change, write, now).await,
            Some(DirectoryFault::Rejected) => Err(ChangeError::Rejected(vec![Violation::Previous])),
            Some(DirectoryFault::ResponseLost) => {
                self.builtin.apply(change, write, now).await?;
                Err(ChangeError::Unknown("the answer is lost".into()))
            }
            Some(DirectoryFault::RequestLost) => Err(ChangeError::Unknown("the question is lost".into())),
            Some(DirectoryFault::NotApplied) => Err(ChangeError::NotApplied("it is busy".into())),
        }
    }
}

/// Creates a world whose directory gives these answers first.
async fn world(faults: impl IntoIterator<Item = DirectoryFault>) -> Arc<World> {
    world_of(faults, Duration::ZERO).await
}

/// The same with a duration for password comparisons.
async fn world_of(faults: impl IntoIterator<Item = DirectoryFault>, comparison_time: Duration) -> Arc<World> {
    let world = World::new().await;
    let directory = FaultyDirectory {
        builtin: world.directory.clone(),
        faults: Mutex::new(faults.into_iter().collect()),
        comparison_time,
    };
    let process = world.process("password-set").await;
    let ports = password_set::Ports {
        directory: Arc::new(directory),
        ..password_set::Ports::from_process(&process).unwrap()
    };
    world.replace_function("password-set", password_set::router(ports));
    world
}

/// Counts the notified contacts.
fn notified_contacts(world: &World) -> usize {
    world.dev_inbox.messages().iter().filter(|message| message.code.is_none()).count()
}

/// Controls: C-025.
#[tokio::test]
async fn directory_rejection_allows_another_password_immediately() {
    let world = world([DirectoryFault::Rejected, DirectoryFault::Rejected]).await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    for _ in 0..2 {
        let rejected = browser.password("Merdeka-Wau-Bulan-57").await;
        assert_eq!(rejected.problem(), (422, "password-rejected".into()));
        assert_eq!(rejected.json()["violations"][0]["id"], "previous");
        assert_eq!(browser.get("/password").await.page(), "password", "no verification is lost");
    }
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done");
    assert_eq!(world.sign_in("aisyah", NEW_PASSWORD).await, SignIn::Accepted);
    world.clock.advance(60);
    world.deliver().await;
    assert_eq!(notified_contacts(&world), 4, "of the one change");
}

/// Controls: C-017.
#[tokio::test]
async fn rejected_passwords_count_as_history_checks() {
    let world = world([DirectoryFault::Rejected; 11]).await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    for _ in 0..10 {
        assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (422, "password-rejected".into()));
    }
    assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (410, "flow-ended".into()));
    world.clock.advance(60);
    world.deliver().await;
    assert_eq!(notified_contacts(&world), 0, "nothing was changed");
}

/// Controls: C-025.
#[tokio::test]
async fn lost_directory_response_is_reconciled() {
    let world = world([DirectoryFault::ResponseLost]).await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (503, "change-unconfirmed".into()));
    assert_eq!(browser.get("/password").await.page(), "password", "the flow stays");
    world.clock.advance(60);
    world.deliver().await;
    assert_eq!(notified_contacts(&world), 4);
    assert_eq!(browser.get("/done").await.json()["result"], "reset");
    assert_eq!(world.sign_in("aisyah", NEW_PASSWORD).await, SignIn::Accepted);
}

/// Controls: C-025.
#[tokio::test]
async fn lost_directory_change_can_be_repeated() {
    let world = world([DirectoryFault::RequestLost]).await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (503, "change-unconfirmed".into()));
    world.clock.advance(60);
    world.deliver().await;
    assert_eq!(notified_contacts(&world), 0);
    assert_eq!(browser.password("Merdeka-Wau-Bulan-57").await.page(), "done");
    assert_eq!(world.sign_in("aisyah", "Merdeka-Wau-Bulan-57").await, SignIn::Accepted);
}

/// Controls: C-025.
#[tokio::test]
async fn change_not_applied_can_be_repeated_at_once() {
    let world = world([DirectoryFault::NotApplied]).await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (503, "unavailable".into()));
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done");
    assert_eq!(world.sign_in("aisyah", NEW_PASSWORD).await, SignIn::Accepted);
}
