//! Histories of concurrent calls on the real store. Each must be linearizable: some sequential order that respects
//! real time explains it (Herlihy and Wing, "Linearizability", 1990).

mod attempts;
mod leases;
mod rate_limits;
mod steps;

use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};
use stateright::semantics::{ConsistencyTester as _, LinearizabilityTester, SequentialSpec};
use tokio::sync::Barrier;

/// Runs of the ordinary test, each with other random calls.
const SEEDS: u32 = 12;

/// The recorded calls.
struct History<S: SequentialSpec>(Arc<Mutex<LinearizabilityTester<usize, S>>>);

impl<S> History<S>
where
    S: SequentialSpec + Clone + Debug + Send + 'static,
    S::Op: Clone + Debug + Send,
    S::Ret: Clone + Debug + Send,
{
    /// Starts an empty history from the state `spec`.
    fn of(spec: S) -> Self {
        Self(Arc::new(Mutex::new(LinearizabilityTester::new(spec))))
    }

    /// Runs the calls of all callers concurrently and records when each began and ended.
    async fn record<F>(&self, callers: Vec<Vec<S::Op>>, call: impl Fn(usize, S::Op) -> F)
    where
        F: Future<Output = S::Ret> + Send + 'static,
    {
        let start = Arc::new(Barrier::new(callers.len()));
        let mut tasks = Vec::new();
        for (caller, calls) in callers.into_iter().enumerate() {
            let (history, start) = (self.0.clone(), start.clone());
            let calls: Vec<_> = calls.into_iter().map(|op| (op.clone(), call(caller, op))).collect();
            tasks.push(tokio::spawn(async move {
                start.wait().await;
                for (op, call) in calls {
                    history.lock().unwrap().on_invoke(caller, op).unwrap();
                    let returned = call.await;
                    history.lock().unwrap().on_return(caller, returned).unwrap();
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    }

    /// Returns whether a sequential order explains the history.
    fn is_linearizable(&self) -> bool {
        self.0.lock().unwrap().is_consistent()
    }

    fn assert_linearizable(&self, seed: u32) {
        assert!(self.is_linearizable(), "seed {seed}: no order explains {:#?}", self.0.lock().unwrap());
    }
}

/// Returns the `nth` pseudorandom number below `below` of `seed`.
fn draw(seed: u32, nth: u32, below: u32) -> u32 {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(nth.to_be_bytes());
    let hash: [u8; 32] = hash.finalize().into();
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) % below
}
