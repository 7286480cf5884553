//! Concurrent attempts at one code: never more comparisons than allowed attempts, and only one correct attempt
//! succeeds.

use std::sync::Arc;

use rekey_tests::World;
use rekey_tests::test_doubles::START;
use shared::adapters::dynamodb::DynamoFlows;
use shared::domain::account::{AccountId, Offer};
use shared::domain::flow::{Flow, FlowContext, FlowLimits, Opened, Reason};
use shared::domain::holder::HolderId;
use shared::domain::keys::Tag;
use shared::domain::language::Language;
use shared::domain::method::Method;
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{AttemptOutcome, CodeAttempt, FlowStore as _};
use stateright::semantics::SequentialSpec;
use tokio::sync::{Barrier, Mutex};

use super::{History, SEEDS, draw};

const NOW: Timestamp = Timestamp::from_seconds(START);
const LIMITS: FlowLimits = FlowLimits {
    lifetime: Seconds(900),
    code_lifetime: Seconds(600),
    code_attempts: 3,
    flow_attempts: 6,
    sends_per_step: 3,
};
const RIGHT: Tag = Tag::from_bytes([1; 32]);

/// The sequential specification: a code and its flow.
#[derive(Clone, Debug, Default)]
struct Code {
    /// Used attempts of the code.
    attempts: u8,
    /// Used attempts of the flow.
    spent: u8,
    verified: bool,
}

/// The result that the client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AttemptResult {
    Right,
    Wrong { attempts_left: u8 },
    Spent,
    NotAwaited,
}

impl SequentialSpec for Code {
    /// Whether the attempt has the correct code.
    type Op = bool;
    type Ret = AttemptResult;

    fn invoke(&mut self, right: &bool) -> AttemptResult {
        if self.verified {
            return AttemptResult::NotAwaited;
        }
        if self.attempts == LIMITS.code_attempts || self.spent == LIMITS.flow_attempts {
            return AttemptResult::Spent;
        }
        self.spent += 1;
        if *right {
            self.verified = true;
            return AttemptResult::Right;
        }
        self.attempts += 1;
        let of_flow = LIMITS.flow_attempts - self.spent;
        AttemptResult::Wrong { attempts_left: of_flow.min(LIMITS.code_attempts - self.attempts) }
    }
}

async fn start_code_step(flows: &DynamoFlows, key: HolderId) {
    let opened = Opened {
        context: FlowContext {
            account: AccountId::from_directory("aisyah").unwrap(),
            decoy: false,
            generation: 0,
            behind: None,
            steps: 2,
            opened_at: NOW,
            expires_at: NOW + LIMITS.lifetime,
            offers: vec![Offer { method: Method::Email, masked: "a*****@*****".into(), young: false }],
            language: Language::English,
            login: None,
            password_policy: None,
            known_device: false,
        },
    };
    flows.insert(key, &opened).await.unwrap();
    let choosing = Flow::Opened(opened).choose_reason(Reason::Forgotten).unwrap().choosing().unwrap();
    let awaiting = choosing.send(Method::Email, RIGHT, Tag::from_bytes([2; 32]), NOW, &LIMITS);
    assert!(flows.replace(key, 1, &Flow::AwaitingCode(awaiting), NOW).await.unwrap());
}

async fn submit(flows: &DynamoFlows, key: HolderId, right: bool) -> AttemptResult {
    let tag = if right { RIGHT } else { Tag::from_bytes([3; 32]) };
    match flows.attempt_code(key, CodeAttempt { step: 1, tag }, &LIMITS, NOW).await.unwrap() {
        AttemptOutcome::Right(_) => AttemptResult::Right,
        AttemptOutcome::Wrong(Flow::AwaitingCode(state)) => {
            AttemptResult::Wrong { attempts_left: state.attempts_left(&LIMITS) }
        }
        AttemptOutcome::Spent(_) => AttemptResult::Spent,
        AttemptOutcome::NotAwaited(_) => AttemptResult::NotAwaited,
        other => panic!("{other:?}"),
    }
}

/// Controls: C-021.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_attempts_are_linearizable() {
    let world = World::new().await;
    let flows = DynamoFlows::new(world.client.clone(), "FlowsTable");
    for seed in 0..SEEDS {
        let key = HolderId::from_bytes([u8::try_from(seed).unwrap(); 32]);
        start_code_step(&flows, key).await;
        let history = History::of(Code::default());
        let right = |nth| draw(seed, nth, 6) == 0;
        let callers = (0..5).map(|caller| vec![right(caller * 2), right(caller * 2 + 1)]).collect();
        history
            .record(callers, |_, right| {
                let flows = flows.clone();
                async move { submit(&flows, key, right).await }
            })
            .await;
        history.assert_linearizable(seed);
    }
}

/// Compares first and counts afterwards, a known race condition, to show that the test detects it.
#[tokio::test(flavor = "multi_thread")]
async fn nonatomic_attempt_is_not_linearizable() {
    let history = History::of(Code::default());
    let (stored, all_have_read) = (Arc::new(Mutex::new(Code::default())), Arc::new(Barrier::new(4)));
    let read_then_write = |_, right: bool| {
        let (stored, all_have_read) = (stored.clone(), all_have_read.clone());
        async move {
            let mut read = stored.lock().await.clone();
            all_have_read.wait().await;
            let result = read.invoke(&right);
            *stored.lock().await = read;
            result
        }
    };
    history.record(vec![vec![false]; 4], read_then_write).await;
    assert!(!history.is_linearizable());
}
