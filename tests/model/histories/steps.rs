//! The time step of a TOTP code: one flow can use it, and the same flow may repeat it.

use std::sync::Arc;

use rekey_tests::World;
use shared::domain::account::AccountId;
use shared::domain::holder::HolderId;
use shared::domain::security_info::{Consumption, EntryId, Kind};
use shared::ports::AuthenticatorStore as _;
use stateright::semantics::SequentialSpec;
use tokio::sync::{Barrier, Mutex};

use super::{History, SEEDS, draw};

/// The last accepted step and its flow.
#[derive(Clone, Debug, Default)]
struct LastStep(u64, Option<u8>);

#[derive(Clone, Debug)]
struct Accept {
    step: u64,
    flow: u8,
}

impl SequentialSpec for LastStep {
    type Op = Accept;
    type Ret = bool;

    fn invoke(&mut self, op: &Accept) -> bool {
        let accepted = self.0 < op.step || (self.0 == op.step && self.1 == Some(op.flow));
        if accepted {
            *self = Self(op.step, Some(op.flow));
        }
        accepted
    }
}

fn key(flow: u8) -> HolderId {
    HolderId::from_bytes([flow; 32])
}

/// Controls: C-029.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_time_steps_are_linearizable() {
    let world = World::new().await;
    let account = AccountId::from_directory("aisyah").unwrap();
    for seed in 0..SEEDS {
        // Each run uses later steps than the run before.
        let base = u64::from(seed) * 10 + 10;
        let app = EntryId::only(Kind::Totp);
        let first = Consumption::TimeStep(base);
        assert!(world.authenticators.consume(&account, &app, &first, key(9), world.now()).await.unwrap());
        let history = History::of(LastStep(base, Some(9)));
        let op = |nth| Accept {
            step: base + u64::from(draw(seed, nth, 3)),
            flow: u8::try_from(draw(seed, nth + 100, 2)).unwrap(),
        };
        let callers = (0..5).map(|caller| vec![op(caller * 2), op(caller * 2 + 1)]).collect();
        let store = |_, op: Accept| {
            let (store, account, app) = (world.authenticators.clone(), account.clone(), app.clone());
            let (step, now) = (Consumption::TimeStep(op.step), world.now());
            async move { store.consume(&account, &app, &step, key(op.flow), now).await.unwrap() }
        };
        history.record(callers, store).await;
        history.assert_linearizable(seed);
    }
}

/// Reading the last step, deciding and then writing lets one code serve several flows; the test must detect that.
#[tokio::test(flavor = "multi_thread")]
async fn nonatomic_time_step_is_not_linearizable() {
    let history = History::of(LastStep::default());
    let (last, all_have_read) = (Arc::new(Mutex::new(LastStep::default())), Arc::new(Barrier::new(3)));
    let callers = (0..3).map(|flow| vec![Accept { step: 7, flow }]).collect();
    let read_then_write = |_, op: Accept| {
        let (last, all_have_read) = (last.clone(), all_have_read.clone());
        async move {
            let mut read = last.lock().await.clone();
            all_have_read.wait().await;
            let accepted = read.invoke(&op);
            *last.lock().await = read;
            accepted
        }
    };
    history.record(callers, read_then_write).await;
    assert!(!history.is_linearizable());
}
