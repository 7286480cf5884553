//! Any sequence of changes and syncs ends in the same copy as one full sync of the directory as it is then.

use std::sync::Arc;

use directory::sync::Request;
use proptest::prelude::*;
use rekey_tests::Syncing;
use rekey_tests::directory::person;
use serde::{Deserialize, Serialize};
use shared::adapters::memory::{Accounts, Memory, StoredSync};
use shared::domain::account::AccountState;
use shared::domain::security_info::Kind;
use shared::domain::sync::LEASE;

use crate::harness::Property;

/// A few people and logins, so that they meet often.
const PEOPLE: u32 = 5;
const LOGINS: [&str; 4] = ["aisyah", "farid", "mei", "priya"];
const STATES: [AccountState; 4] =
    [AccountState::Active, AccountState::Locked, AccountState::Disabled, AccountState::Excluded];

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Step {
    /// Adds a person or changes one: the logins as bits, the state, and whether there is a mobile.
    Put { number: u32, logins: u8, state: usize, has_mobile: bool },
    /// Deletes a person.
    Remove { number: u32 },
    /// Runs a sync to its end.
    Sync { full: bool },
    /// Runs a sync that fails at a write. The lease ends before the next step.
    Interrupted { full: bool, after: usize },
    /// Lets days pass.
    Wait { days: u8 },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct History {
    steps: Vec<Step>,
    page: usize,
    /// Whether a full sync ends it. A delta finds neither deleted people nor what an interrupted run left.
    ends_full: bool,
}

fn histories() -> impl Strategy<Value = History> {
    let put = (0..PEOPLE, 0..16_u8, 0..STATES.len(), any::<bool>())
        .prop_map(|(number, logins, state, has_mobile)| Step::Put { number, logins, state, has_mobile });
    let step = prop_oneof![
        6 => put,
        1 => (0..PEOPLE).prop_map(|number| Step::Remove { number }),
        3 => any::<bool>().prop_map(|full| Step::Sync { full }),
        1 => (any::<bool>(), 0..6_usize).prop_map(|(full, after)| Step::Interrupted { full, after }),
        1 => (1..100_u8).prop_map(|days| Step::Wait { days }),
    ];
    (prop::collection::vec(step, 1..25), 1..4_usize, any::<bool>())
        .prop_map(|(steps, page, ends_full)| History { steps, page, ends_full })
}

fn apply(sync: &Syncing, step: &Step) {
    match *step {
        Step::Put { number, logins, state, has_mobile } => {
            let mut listed = person(number, "someone");
            listed.logins =
                (0..4).filter(|bit| logins & (1 << bit) != 0).map(|bit| LOGINS[bit].to_owned()).collect();
            listed.state = STATES[state];
            listed.contacts.mobile = has_mobile.then(|| format!("012-345 67{number:02}"));
            sync.directory.put(listed);
        }
        Step::Remove { number } => sync.directory.remove(number),
        Step::Wait { days } => sync.clock.advance(i64::from(days) * 86_400),
        Step::Sync { .. } | Step::Interrupted { .. } => {}
    }
}

/// Returns the copy without those who left.
fn present(memory: &Memory) -> Accounts {
    memory.with(|tables| {
        let mut accounts = tables.accounts.clone();
        let left: Vec<_> = accounts
            .marks
            .iter()
            .filter(|(_, marks)| marks.departed_at.is_some())
            .map(|(id, _)| id.clone())
            .collect();
        for id in left {
            accounts.accounts.remove(&id);
            accounts.marks.remove(&id);
        }
        accounts.sync = StoredSync::default();
        accounts
    })
}

async fn check(history: History) -> String {
    let memory = Arc::new(Memory::default());
    let sync = Syncing::in_memory(&memory, &[Kind::Mobile]);
    sync.directory.set_page(history.page);
    let request = |full| Request { full, accept_removals: true, ..Request::default() };
    let mut interrupted = false;
    for step in &history.steps {
        match *step {
            Step::Remove { .. } | Step::Interrupted { .. } if !history.ends_full => {}
            Step::Sync { full } => drop(sync.run(request(full)).await.unwrap()),
            Step::Interrupted { full, after } => {
                sync.copy.fail_after(after);
                interrupted |= sync.run(request(full)).await.is_err();
                sync.copy.recover();
                sync.clock.advance(i64::from(LEASE.0));
            }
            _ => apply(&sync, step),
        }
    }
    let summary = sync.run(request(history.ends_full)).await.unwrap();
    let found = present(&memory);

    let fresh = Arc::new(Memory::default());
    let once = Syncing { directory: sync.directory.clone(), ..Syncing::in_memory(&fresh, &[Kind::Mobile]) };
    let once = Syncing {
        ports: directory::sync::Ports {
            people: sync.directory.clone(),
            live: sync.directory.clone(),
            ..once.ports
        },
        ..once
    };
    let whole = once.run(request(true)).await.unwrap();
    assert_eq!(found, present(&fresh));
    assert_eq!(summary.ambiguous, whole.ambiguous);
    assert_eq!(summary.ambiguous, found.claims.len());
    match (summary.full, interrupted, whole.ambiguous) {
        (false, _, 0) => "ended with a delta",
        (false, _, _) => "ended with a delta, with ambiguous logins",
        (true, true, _) => "was interrupted",
        (true, false, 0) => "ended with a full sync",
        (true, false, _) => "ended with a full sync, with ambiguous logins",
    }
    .to_owned()
}

/// Controls: C-171, C-172.
#[test]
fn every_history_ends_in_copy_of_directory() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let property = Property {
        name: "copy",
        cases: 400,
        reaches: &[
            "ended with a delta",
            "ended with a delta, with ambiguous logins",
            "was interrupted",
            "ended with a full sync",
            "ended with a full sync, with ambiguous logins",
        ],
    };
    property.run(&histories(), |history| runtime.block_on(check(history)));
}
