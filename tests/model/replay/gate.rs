//! Stops the real functions at each of their calls, so that a trace decides what happens next.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};

use rekey_local::cloud::Disturbance;
use rekey_local::cloud::roles::{ADMINISTRATOR, Call};
use rekey_tests::World;

/// Where calls wait.
#[derive(Default)]
pub struct Gate {
    inner: Mutex<Inner>,
    opened: Condvar,
}

#[derive(Default)]
struct Inner {
    next: u64,
    /// Calls that have come and that nobody has asked for yet.
    arrived: Vec<(u64, Call)>,
    passes: BTreeMap<u64, Disturbance>,
    /// Whether nothing is stopped any more.
    over: bool,
}

impl Gate {
    /// Lets every call of a function of this world wait here.
    pub fn before(world: &World) -> Arc<Self> {
        let gate = Arc::new(Self::default());
        let stopping = gate.clone();
        world.cloud.disturb(Some(Arc::new(move |call: &Call| {
            if call.principal == ADMINISTRATOR {
                return Disturbance::None;
            }
            // The thread waits, so another takes over what else it had to do.
            tokio::task::block_in_place(|| stopping.wait(call))
        })));
        gate
    }

    fn wait(&self, call: &Call) -> Disturbance {
        let mut inner = self.inner.lock().unwrap();
        let ticket = inner.next;
        inner.next += 1;
        inner.arrived.push((ticket, call.clone()));
        loop {
            if let Some(pass) = inner.passes.remove(&ticket) {
                return pass;
            }
            if inner.over {
                return Disturbance::Refused;
            }
            inner = self.opened.wait(inner).unwrap();
        }
    }

    /// A call that has come since the last one was asked for.
    pub fn arrival(&self) -> Option<(u64, Call)> {
        let mut inner = self.inner.lock().unwrap();
        (!inner.arrived.is_empty()).then(|| inner.arrived.remove(0))
    }

    /// Lets a call pass.
    pub fn pass(&self, ticket: u64, how: Disturbance) {
        self.inner.lock().unwrap().passes.insert(ticket, how);
        self.opened.notify_all();
    }

    /// Refuses whatever waits or comes, so that no thread is left behind.
    pub fn close(&self) {
        self.inner.lock().unwrap().over = true;
        self.opened.notify_all();
    }
}
