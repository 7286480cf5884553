//! Concurrent sends of several flows against the limits of their account, through the routers.

use std::sync::Arc;

use rekey_tests::{Answer, Browser, World};
use shared::adapters::dynamodb::DynamoBudgets;
use shared::domain::account::AccountId;
use shared::domain::budget::{FlowMark, Pool, Send, SendLedger, SendLimits};
use shared::domain::method::Factor;
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{BudgetStore as _, Clock as _};
use stateright::semantics::SequentialSpec;
use tokio::sync::Barrier;

use super::{History, draw};

/// Fewer than elsewhere, because each run opens its flows anew.
const SEEDS: u32 = 5;
const CALLERS: u32 = 5;

/// The sequential specification: the send ledger, called one by one. A caller is a flow.
#[derive(Clone, Debug)]
struct Budget {
    ledger: SendLedger,
    limits: SendLimits,
    now: Timestamp,
}

impl SequentialSpec for Budget {
    /// The factor that a flow requests a code for.
    type Op = Factor;
    /// Whether a code is sent.
    type Ret = bool;

    fn invoke(&mut self, factor: &Factor) -> bool {
        let send = Send { factor: *factor, pool: Pool::First, flow: FlowMark(0), generation: 0, proved: &[] };
        self.ledger.take(&send, self.now, &self.limits).is_ok()
    }
}

fn is_sent(answer: &Answer) -> bool {
    match answer.status.as_u16() {
        200 => true,
        422 => {
            assert_eq!(answer.problem().1, "method-unavailable");
            false
        }
        _ => panic!("{}", answer.text()),
    }
}

/// Controls: C-024.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_sends_are_linearizable() {
    let world = World::with(&[("REKEY_SENDS_PER_HOUR", "3")]).await;
    for seed in 0..SEEDS {
        // After two days no message of the previous run counts.
        world.clock.advance(2 * 86_400);
        let mut browsers: Vec<Browser> = Vec::new();
        for _ in 0..CALLERS {
            let mut browser = world.browser();
            browser.open("aisyah", "forgotten").await;
            browsers.push(browser);
        }
        let (limits, now) = (world.settings.sends, world.clock.now());
        let history = History::of(Budget { ledger: SendLedger::default(), limits, now });
        let factor = |nth| {
            if draw(seed, nth, 4) == 0 { Factor::MobilePhone } else { Factor::AlternateEmail }
        };
        let callers = (0..CALLERS).map(|caller| vec![factor(caller)]).collect();
        history
            .record(callers, |caller, factor| {
                let mut browser = browsers[caller].clone();
                async move {
                    let answer = match factor {
                        Factor::MobilePhone => browser.send_phone("sms", "012-345 6798").await,
                        _ => browser.send_email().await,
                    };
                    is_sent(&answer)
                }
            })
            .await;
        history.assert_linearizable(seed);
    }
}

/// A ledger written without a revision check allows too many sends.
#[tokio::test(flavor = "multi_thread")]
async fn nonatomic_rate_limit_is_not_linearizable() {
    let world = World::new().await;
    let budgets = DynamoBudgets::new(world.client.clone(), "BudgetsTable");
    let account = AccountId::from_directory("aisyah").unwrap();
    let (limits, now) = (SendLimits { per_hour: 2, ..world.settings.sends }, world.clock.now());
    let spec = Budget { ledger: SendLedger::default(), limits, now };
    let history = History::of(spec.clone());
    let all_have_read = Arc::new(Barrier::new(3));
    let read_then_write = |_, factor: Factor| {
        let (budgets, account, all_have_read) = (budgets.clone(), account.clone(), all_have_read.clone());
        let mut spec = spec.clone();
        async move {
            spec.ledger = budgets.ledger(&account).await.unwrap().value;
            all_have_read.wait().await;
            let taken = spec.invoke(&factor);
            // Uses the current revision, whatever it is.
            let revision = budgets.ledger(&account).await.unwrap().revision;
            let _ = budgets.replace_ledger(&account, revision, &spec.ledger, now + Seconds(0)).await.unwrap();
            taken
        }
    };
    history.record(vec![vec![Factor::AlternateEmail]; 3], read_then_write).await;
    assert!(!history.is_linearizable());
}
