//! Concurrent leases on one account: at most one flow holds it.

use std::sync::Arc;

use rekey_tests::World;
use rekey_tests::test_doubles::START;
use shared::domain::account::AccountId;
use shared::domain::holder::HolderId;
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{LeaseHolder, LeaseOutcome, LeaseStore as _, SecurityInfoStore as _};
use stateright::semantics::SequentialSpec;
use tokio::sync::{Barrier, Mutex};

use super::{History, SEEDS, draw};

const LEASE: u32 = 30;

/// The sequential specification of an account's lease.
#[derive(Clone, Debug)]
struct Account {
    generation: u64,
    holder: Option<u8>,
    lease_until: Timestamp,
}

/// A flow that knows the account at `generation` asks for the lease, at most `limit` times.
#[derive(Clone, Debug)]
struct Attempt {
    flow: u8,
    generation: u64,
    limit: u64,
    now: Timestamp,
}

impl SequentialSpec for Account {
    type Op = Attempt;
    type Ret = LeaseOutcome;

    fn invoke(&mut self, op: &Attempt) -> LeaseOutcome {
        let ours = self.holder == Some(op.flow);
        if self.generation != op.generation && !ours {
            return LeaseOutcome::Lost;
        }
        if self.generation != op.generation && self.lease_until > op.now {
            return LeaseOutcome::Busy;
        }
        if self.generation - op.generation >= op.limit {
            return LeaseOutcome::Spent;
        }
        self.generation += 1;
        self.holder = Some(op.flow);
        self.lease_until = op.now + Seconds(LEASE);
        LeaseOutcome::Acquired(self.generation)
    }
}

fn key(flow: u8) -> HolderId {
    HolderId::from_bytes([flow; 32])
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(START + seconds)
}

/// A flow with an expired lease asks again, twice at once. Flows from before and after its lease ask too.
/// Controls: C-022.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_leases_are_linearizable() {
    let world = World::new().await;
    let account = AccountId::from_directory("aisyah").unwrap();
    for seed in 0..SEEDS {
        let first = world.security_info.registration(&account, at(0)).await.unwrap().generation;
        let start = i64::from(seed) * 100;
        let lease = |op: Attempt| {
            let (store, account) = (world.leases.clone(), account.clone());
            let until = op.now + Seconds(LEASE);
            async move {
                let Attempt { generation, limit, .. } = op;
                let lease_holder = LeaseHolder {
                    flow: key(op.flow),
                    generation,
                    limit,
                    verified_factors: &[],
                    revokes_known_devices: false,
                };
                store.acquire(&account, &lease_holder, op.now, until).await.unwrap()
            }
        };
        // In every second run the returning flow has no password change left.
        let limit = 1 + u64::from(seed % 2);
        let holder = Attempt { flow: 1, generation: first, limit, now: at(start) };
        assert_eq!(lease(holder).await, LeaseOutcome::Acquired(first + 1));
        let history = History::of(Account {
            generation: first + 1,
            holder: Some(1),
            lease_until: at(start) + Seconds(LEASE),
        });
        let attempt = |nth| {
            let flow = u8::try_from(1 + draw(seed, nth, 3)).unwrap();
            // The third flow opened after the first lease.
            let generation = if flow == 3 { first + 1 } else { first };
            // Clocks differ: for some processes the lease is still valid.
            let late = if draw(seed, nth + 100, 4) == 0 { 20 } else { 40 };
            Attempt { flow, generation, limit, now: at(start + late) }
        };
        let callers = (0..5).map(|caller| vec![attempt(caller * 2), attempt(caller * 2 + 1)]).collect();
        history.record(callers, |_, op| lease(op)).await;
        history.assert_linearizable(seed);
    }
}

/// Reading, comparing and then writing the generation grants the lease to two flows.
#[tokio::test(flavor = "multi_thread")]
async fn nonatomic_lease_is_not_linearizable() {
    let account = Account { generation: 0, holder: None, lease_until: at(0) };
    let history = History::of(account.clone());
    let (stored, all_have_read) = (Arc::new(Mutex::new(account)), Arc::new(Barrier::new(3)));
    let callers = (0..3).map(|flow| vec![Attempt { flow, generation: 0, limit: 1, now: at(0) }]).collect();
    let read_then_write = |_, op: Attempt| {
        let (stored, all_have_read) = (stored.clone(), all_have_read.clone());
        async move {
            let mut read = stored.lock().await.clone();
            all_have_read.wait().await;
            let lease = read.invoke(&op);
            *stored.lock().await = read;
            lease
        }
    };
    history.record(callers, read_then_write).await;
    assert!(!history.is_linearizable());
}
