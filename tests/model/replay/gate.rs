//! Blocks the real functions at each of their calls, so that a trace decides the order.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};

use rekey_local::emulator::CallFault;
use rekey_local::emulator::roles::{ADMINISTRATOR, Call};
use rekey_tests::World;

/// Holds the calls that wait.
#[derive(Default)]
pub struct Gate {
    inner: Mutex<Inner>,
    opened: Condvar,
}

#[derive(Default)]
struct Inner {
    next: u64,
    /// Calls that have arrived and that the replay hasn't fetched yet.
    arrived: Vec<(u64, Call)>,
    passes: BTreeMap<u64, CallFault>,
    /// Whether the gate is closed and blocks no calls any more.
    over: bool,
}

impl Gate {
    /// Makes every call of a function of this world wait here.
    pub fn before(world: &World) -> Arc<Self> {
        let gate = Arc::new(Self::default());
        let stopping = gate.clone();
        world.emulator.inject_faults(Some(Arc::new(move |call: &Call| {
            if call.principal == ADMINISTRATOR {
                return CallFault::None;
            }
            // The thread blocks, so Tokio moves its other tasks to another one.
            tokio::task::block_in_place(|| stopping.wait(call))
        })));
        gate
    }

    fn wait(&self, call: &Call) -> CallFault {
        let mut inner = self.inner.lock().unwrap();
        let ticket = inner.next;
        inner.next += 1;
        inner.arrived.push((ticket, call.clone()));
        loop {
            if let Some(pass) = inner.passes.remove(&ticket) {
                return pass;
            }
            if inner.over {
                return CallFault::Unavailable;
            }
            inner = self.opened.wait(inner).unwrap();
        }
    }

    /// Returns the next call that has arrived.
    pub fn arrival(&self) -> Option<(u64, Call)> {
        let mut inner = self.inner.lock().unwrap();
        (!inner.arrived.is_empty()).then(|| inner.arrived.remove(0))
    }

    /// Releases a call, perhaps with a fault.
    pub fn pass(&self, ticket: u64, how: CallFault) {
        self.inner.lock().unwrap().passes.insert(ticket, how);
        self.opened.notify_all();
    }

    /// Refuses all waiting and later calls, so that no thread stays blocked.
    pub fn close(&self) {
        self.inner.lock().unwrap().over = true;
        self.opened.notify_all();
    }
}
