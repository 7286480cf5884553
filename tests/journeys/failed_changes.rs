//! The audit end state `failed`: everything was verified, and the change was not allowed. `delivery` tests
//! the one that can't be confirmed.

use std::sync::Arc;

use rekey_tests::fixtures::{AISYAH, NEW_PASSWORD, Person};
use rekey_tests::live_directory::Mood;
use rekey_tests::{Browser, World};
use serde_json::{Value, json};
use shared::domain::directory::EntryStanding;

use crate::audit::write_line;
use crate::log::Lines;

/// Returns a world with the organisation's own directory, and a browser that has verified both steps.
async fn verified() -> (Arc<World>, Browser) {
    let world = World::with(&[("REKEY_DIRECTORY", "ad")]).await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    (world, browser)
}

/// Delivers until the queue is empty or a quarter of an hour has passed.
async fn reconcile(world: &World) {
    for _ in 0..30 {
        world.clock.advance(30);
        world.deliver().await;
    }
    assert!(world.messages().is_empty(), "a message is left");
}

/// Returns outcome and reason of each end, and checks that every line names the flow and the account of its start.
fn ends(lines: &Lines) -> Vec<(String, String)> {
    let flow = &lines.field("flow.started", "flow")[0];
    let ended = lines.of("flow.ended");
    assert!(ended.iter().all(|line| line["flow"] == flow.as_str()), "{ended:?}");
    let text = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
    ended.iter().map(|line| (text(line, "outcome"), text(line, "reason"))).collect()
}

fn failed(reason: &str) -> Vec<(String, String)> {
    vec![("failed".to_owned(), reason.to_owned())]
}

/// Controls: C-232.
#[tokio::test]
async fn refused_change_ends_failed() {
    for privileged in [false, true] {
        let lines = Lines::default();
        let _guard = lines.keep();
        let (world, mut browser) = verified().await;
        if privileged {
            world.live.change(&AISYAH, |entry| entry.standing = EntryStanding::Privileged);
        } else {
            world.live.set(Mood::Refuses);
        }
        assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (403, "change-not-permitted".into()));
        world.live.set(Mood::Well);
        reconcile(&world).await;
        assert_eq!(ends(&lines), failed("not_permitted"), "once: nothing else ends the flow");
        let ended = &lines.of("flow.ended")[0];
        assert_eq!(ended["account"], lines.of("flow.started")[0]["account"]);
        assert_eq!(world.live.entry_of(&AISYAH).password, Person::PASSWORD);
    }
}

/// Rejected passwords, and a directory that is down before the change, end nothing.
/// Controls: C-232.
#[tokio::test]
async fn failure_that_can_be_repeated_ends_nothing() {
    let lines = Lines::default();
    let _guard = lines.keep();
    let (world, mut browser) = verified().await;
    world.live.set(Mood::Down);
    assert_eq!(browser.password(NEW_PASSWORD).await.problem().0, 503);
    world.live.set(Mood::Well);
    world.clock.advance(31);
    assert_eq!(ends(&lines), []);
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done");
    assert_eq!(ends(&lines), [("succeeded".to_owned(), "reset".to_owned())]);
}

/// Controls: C-234.
#[tokio::test]
async fn owner_reads_of_the_failed_change() {
    let world = World::new().await;
    let account = format!("{:?}", AISYAH.account().id.pseudonym(&world.keyring("REKEY_SECRET_FLOWS")));
    let ended = json!({
        "event": "flow.ended", "flow": "0a", "account": account, "outcome": "failed", "reason": "not_permitted",
        "network": "203.0.113.x", "client": "Firefox, Linux", "decoy": false,
    });
    write_line(&world, ended);
    world.clock.advance(600);
    world.anchor().await.unwrap();
    let mut owner = world.browser();
    owner.sign_in("aisyah").await;
    let list = owner.second_step(&world.app_code(0)).await.json();
    assert_eq!(list["recent_events"][0]["event"], "failed", "{list:#}");
}
