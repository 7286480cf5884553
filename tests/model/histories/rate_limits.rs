//! Concurrent sends of several flows against the limits of their account, through the routers.

use std::sync::Arc;

use rekey_tests::{Answer, Browser, World};
use shared::adapters::dynamodb::DynamoRateLimits;
use shared::domain::account::AccountId;
use shared::domain::account_limits::{Bucket, Client, LimitLog, SendLimits, SendRequest};
use shared::domain::client::NetworkTag;
use shared::domain::method::Factor;
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{Clock as _, RateLimitStore as _};
use stateright::semantics::SequentialSpec;
use tokio::sync::Barrier;

use super::{History, draw};

/// Fewer than elsewhere, because each run opens its flows anew.
const SEEDS: u32 = 5;
const CALLERS: u32 = 5;

/// The sequential specification: the limit log, called one by one. A caller is a flow.
#[derive(Clone, Debug)]
struct SendLimitModel {
    send_limits: LimitLog,
    limits: SendLimits,
    now: Timestamp,
}

impl SequentialSpec for SendLimitModel {
    /// The factor that a flow requests a code for.
    type Op = Factor;
    /// Whether a code is sent.
    type Ret = bool;

    fn invoke(&mut self, factor: &Factor) -> bool {
        let send = SendRequest {
            factor: *factor,
            bucket: Bucket::FirstStep,
            // Every caller is on one network.
            client: Client { network: NetworkTag::from_stored(1).unwrap(), known_device: false },
            generation: 0,
            verified_factors: &[],
        };
        self.send_limits.try_acquire_send(&send, self.now, &self.limits).is_ok()
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
        let history = History::of(SendLimitModel { send_limits: LimitLog::default(), limits, now });
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

/// A limit log written without a revision check allows too many sends.
#[tokio::test(flavor = "multi_thread")]
async fn nonatomic_rate_limit_is_not_linearizable() {
    let world = World::new().await;
    let rate_limits = DynamoRateLimits::new(world.client.clone(), "BudgetsTable");
    let account = AccountId::from_directory("aisyah").unwrap();
    let (limits, now) = (SendLimits { per_hour: 2, ..world.settings.sends }, world.clock.now());
    let spec = SendLimitModel { send_limits: LimitLog::default(), limits, now };
    let history = History::of(spec.clone());
    let all_have_read = Arc::new(Barrier::new(3));
    let read_then_write = |_, factor: Factor| {
        let (rate_limits, account, all_have_read) =
            (rate_limits.clone(), account.clone(), all_have_read.clone());
        let mut spec = spec.clone();
        async move {
            spec.send_limits = rate_limits.limit_log(&account).await.unwrap().value;
            all_have_read.wait().await;
            let taken = spec.invoke(&factor);
            // Uses the current revision, whatever it is.
            let revision = rate_limits.limit_log(&account).await.unwrap().revision;
            let _ = rate_limits
                .replace_limit_log(&account, revision, &spec.send_limits, now + Seconds(0))
                .await
                .unwrap();
            taken
        }
    };
    history.record(vec![vec![Factor::AlternateEmail]; 3], read_then_write).await;
    assert!(!history.is_linearizable());
}
