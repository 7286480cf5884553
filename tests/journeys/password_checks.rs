//! Information that a fully verified flow can get about the current password, and the possible answers of a
//! directory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rekey_local::cloud::roles::Call;
use rekey_tests::people::{AISYAH, NEW_PASSWORD, Person};
use rekey_tests::{SignIn, World};
use serde_json::json;
use shared::adapters::directories::BuiltinDirectory;
use shared::domain::account::{Account, AccountId};
use shared::domain::name::CanonicalName;
use shared::domain::password::{NewPassword, Violation};
use shared::domain::time::Timestamp;
use shared::ports::{
    Capabilities, ChangeError, ChangeInspector, ChangeOutcome, Directory, DirectoryError, PasswordChange,
    PasswordDirectory, SecurityInfo as _, Write,
};

/// Counts how often `password-set` has read the data that a new password is compared with.
fn hash_reads(world: &World) -> u64 {
    let is_such =
        |call: &Call| call.principal == "password-set" && call.attributes.contains(&"password".into());
    world.cloud.calls().iter().filter(|(call, _)| is_such(call) && call.selects).map(|(_, count)| count).sum()
}

/// Counts the leases on Aisyah's account.
async fn claims(world: &World) -> u64 {
    world.security_info.registration(&AISYAH.account().id, world.now()).await.unwrap().generation
}

/// Controls: C-017.
#[tokio::test]
async fn wrong_confirmation_reveals_nothing_about_the_password() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.prove_both("forgotten").await;
    let mut told = Vec::new();
    for password in [Person::PASSWORD, NEW_PASSWORD].repeat(10) {
        let body = json!({ "password": password, "confirmation": "other" });
        let answer = browser.post("/password", body).await;
        assert_eq!(answer.problem(), (422, "confirmation-differs".into()));
        told.push(answer.text());
    }
    told.dedup();
    assert_eq!(told.len(), 1, "one answer for the right guess and the wrong one");
    assert_eq!(hash_reads(&world), 0);
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done", "no check was spent");
}

/// Controls: C-017.
#[tokio::test]
async fn password_violating_rules_costs_no_history_check() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.prove_both("forgotten").await;
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
    browser.prove_both("forgotten").await;
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
    browser.prove_both("forgotten").await;
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done", "another flow has ten of its own");
}

/// Controls: C-017.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_history_checks_are_limited_to_ten() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.prove_both("forgotten").await;
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
    browser.prove_both("forgotten").await;
    let clicks = [(); 2].map(|()| {
        let mut browser = browser.clone();
        tokio::spawn(async move { browser.password(Person::PASSWORD).await })
    });
    for click in clicks {
        let answer = click.await.unwrap();
        assert_eq!(answer.problem(), (422, "password-rejected".into()));
        assert_eq!(answer.json()["violations"][0]["id"], "previous");
    }
    assert_eq!(claims(&world).await, 2, "each click made one");
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done");
    world.clock.advance(60);
    world.deliver().await;
    assert_eq!(told(&world), 4, "of the one change");
}

/// Controls: C-023.
#[tokio::test(flavor = "multi_thread")]
async fn double_click_on_new_password_changes_it_once() {
    let world = world_of([], Duration::from_millis(250)).await;
    let mut browser = world.browser();
    browser.prove_both("forgotten").await;
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
    assert_eq!(claims(&world).await, 1, "what was set is compared with nothing");
}

#[tokio::test]
async fn refused_password_queues_nothing_and_keeps_the_flow() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.prove_both("forgotten").await;
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
    let rejections = [Instead::Rejects; 9].into_iter();
    let world = world(rejections.chain([Instead::LosesItsAnswer])).await;
    let mut browser = world.browser();
    browser.prove_both("forgotten").await;
    for _ in 0..9 {
        assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (422, "password-rejected".into()));
    }
    assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (503, "unavailable".into()));
    world.clock.advance(31);
    let again = browser.password("Merdeka-Wau-Bulan-57").await;
    assert_eq!((again.status.as_u16(), again.json()["page"].as_str()), (409, Some("done")));
    assert_eq!(browser.get("/done").await.json()["result"], "reset");
    assert_eq!(world.sign_in("aisyah", NEW_PASSWORD).await, SignIn::Accepted);
    world.clock.advance(60);
    world.deliver().await;
    assert_eq!(told(&world), 4, "once");
}

/// The directory's answer to a password change.
#[derive(Clone, Copy, Debug)]
enum Instead {
    Rejects,
    /// Makes the change, but the response is lost.
    LosesItsAnswer,
    /// Doesn't make the change, and the response is lost.
    LosesTheChange,
    /// Doesn't make the change and reports it.
    DoesNotApply,
}

/// A test double in front of the built-in directory.
struct Another {
    builtin: BuiltinDirectory,
    instead: Mutex<VecDeque<Instead>>,
    /// Duration of a comparison with earlier passwords.
    compares_for: Duration,
}

#[async_trait]
impl Directory for Another {
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
impl ChangeInspector for Another {
    async fn outcome(&self, change: &PasswordChange) -> Result<ChangeOutcome, DirectoryError> {
        self.builtin.outcome(change).await
    }
}

#[async_trait]
impl PasswordDirectory for Another {
    async fn precheck(
        &self,
        account: &AccountId,
        password: &NewPassword,
    ) -> Result<Vec<Violation>, DirectoryError> {
        tokio::time::sleep(self.compares_for).await;
        self.builtin.precheck(account, password).await
    }

    async fn apply(
        &self,
        change: &PasswordChange,
        write: Write<'_>,
        now: Timestamp,
    ) -> Result<(), ChangeError> {
        let instead = self.instead.lock().unwrap().pop_front();
        match instead {
            None => self.builtin.apply(change, write, now).await,
            Some(Instead::Rejects) => Err(ChangeError::Rejected(vec![Violation::Previous])),
            Some(Instead::LosesItsAnswer) => {
                self.builtin.apply(change, write, now).await?;
                Err(ChangeError::Unknown("the answer is lost".into()))
            }
            Some(Instead::LosesTheChange) => Err(ChangeError::Unknown("the question is lost".into())),
            Some(Instead::DoesNotApply) => Err(ChangeError::NotApplied("it is busy".into())),
        }
    }
}

/// Creates a world whose directory gives these answers first.
async fn world(instead: impl IntoIterator<Item = Instead>) -> Arc<World> {
    world_of(instead, Duration::ZERO).await
}

/// The same with a duration for password comparisons.
async fn world_of(instead: impl IntoIterator<Item = Instead>, compares_for: Duration) -> Arc<World> {
    let world = World::new().await;
    let directory = Another {
        builtin: world.directory.clone(),
        instead: Mutex::new(instead.into_iter().collect()),
        compares_for,
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
fn told(world: &World) -> usize {
    world.outbox.messages().iter().filter(|message| message.code.is_none()).count()
}

/// Controls: C-025.
#[tokio::test]
async fn directory_rejection_allows_another_password_immediately() {
    let world = world([Instead::Rejects, Instead::Rejects]).await;
    let mut browser = world.browser();
    browser.prove_both("forgotten").await;
    for _ in 0..2 {
        let rejected = browser.password("Merdeka-Wau-Bulan-57").await;
        assert_eq!(rejected.problem(), (422, "password-rejected".into()));
        assert_eq!(rejected.json()["violations"][0]["id"], "previous");
        assert_eq!(browser.get("/password").await.page(), "password", "no proof is lost");
    }
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done");
    assert_eq!(world.sign_in("aisyah", NEW_PASSWORD).await, SignIn::Accepted);
    world.clock.advance(60);
    world.deliver().await;
    assert_eq!(told(&world), 4, "of the one change");
}

/// Controls: C-017.
#[tokio::test]
async fn rejected_passwords_count_as_history_checks() {
    let world = world([Instead::Rejects; 11]).await;
    let mut browser = world.browser();
    browser.prove_both("forgotten").await;
    for _ in 0..10 {
        assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (422, "password-rejected".into()));
    }
    assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (410, "flow-ended".into()));
    world.clock.advance(60);
    world.deliver().await;
    assert_eq!(told(&world), 0, "nothing was changed");
}

/// Controls: C-025.
#[tokio::test]
async fn lost_directory_response_is_reconciled() {
    let world = world([Instead::LosesItsAnswer]).await;
    let mut browser = world.browser();
    browser.prove_both("forgotten").await;
    assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (503, "unavailable".into()));
    assert_eq!(browser.get("/password").await.page(), "password", "the flow stays");
    world.clock.advance(60);
    world.deliver().await;
    assert_eq!(told(&world), 4);
    assert_eq!(browser.get("/done").await.json()["result"], "reset");
    assert_eq!(world.sign_in("aisyah", NEW_PASSWORD).await, SignIn::Accepted);
}

/// Controls: C-025.
#[tokio::test]
async fn lost_directory_change_can_be_repeated() {
    let world = world([Instead::LosesTheChange]).await;
    let mut browser = world.browser();
    browser.prove_both("forgotten").await;
    assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (503, "unavailable".into()));
    world.clock.advance(60);
    world.deliver().await;
    assert_eq!(told(&world), 0);
    assert_eq!(browser.password("Merdeka-Wau-Bulan-57").await.page(), "done");
    assert_eq!(world.sign_in("aisyah", "Merdeka-Wau-Bulan-57").await, SignIn::Accepted);
}

/// Controls: C-025.
#[tokio::test]
async fn change_not_applied_can_be_repeated_at_once() {
    let world = world([Instead::DoesNotApply]).await;
    let mut browser = world.browser();
    browser.prove_both("forgotten").await;
    assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (503, "unavailable".into()));
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done");
    assert_eq!(world.sign_in("aisyah", NEW_PASSWORD).await, SignIn::Accepted);
}
