//! Every store in memory, for tests and for a local environment that keeps nothing.
//!
//! Each call is atomic, as a conditional write of a table is: one lock is held from its first look to its last write, and
//! never while anything is waited for. Expiries, revisions and conditions are those of the tables, and the contract suite
//! asks both alike. Nothing is removed because of its age alone; what has expired is not found.
//!
//! What is stored is plain data ([`Tables`]), so that a test can copy, compare, hash and change it.

mod accounts;
mod approvals;
mod budgets;
mod contact;
mod enrolment;
mod flows;
mod pairings;
mod queue;
mod security_info;
mod sessions;

use std::sync::{Mutex, PoisonError};

pub use accounts::{Accounts, MemoryDirectory, StoredAccount, StoredPassword};
pub use approvals::{Approvals, StoredRequest};
pub use budgets::Budgets;
pub use contact::StoredContact;
pub use enrolment::{EntriesOf, SecurityInfoTable, StateOf, StoredEntry, StoredSecret};
pub use flows::{Flows, StoredFlow};
pub use pairings::{PairedDevice, Pairings, StoredPairing};
pub use queue::{Queue, Queued};
pub use security_info::Holder;
pub use sessions::{Sessions, StoredSession};

use crate::ports::StoreError;

/// Everything that is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tables {
    /// The flows.
    pub flows: Flows,
    /// The sessions of the page where people enrol.
    pub sessions: Sessions,
    /// The requests to approve.
    pub approvals: Approvals,
    /// The pairings.
    pub pairings: Pairings,
    /// The counters and ledgers.
    pub budgets: Budgets,
    /// What is enrolled.
    pub security_info: SecurityInfoTable,
    /// The accounts of the built-in directory.
    pub accounts: Accounts,
    /// The messages that wait.
    pub queue: Queue,
}

/// All store ports over [`Tables`].
#[derive(Debug, Default)]
pub struct Memory {
    tables: Mutex<Tables>,
}

impl Memory {
    /// A memory that begins with `tables`.
    pub const fn of(tables: Tables) -> Self {
        Self { tables: Mutex::new(tables) }
    }

    /// Looks at the tables, or changes them, in one step.
    pub fn with<R>(&self, act: impl FnOnce(&mut Tables) -> R) -> R {
        act(&mut self.tables.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a table answers to a key that is taken.
fn taken() -> StoreError {
    StoreError::Unavailable("the key is taken".into())
}
