//! All stores in memory, for tests and for a local environment without persistence.
//!
//! Each call is atomic, as a conditional write of a table is: one lock covers it from its first read to its
//! last write, and is never held across an await. Expiries, revisions and conditions are those of the tables,
//! and one contract suite tests both. No item is deleted because of its age; reads don't find expired ones.
//!
//! The content is plain data ([`Tables`]), so that a test can copy, compare, hash and change it.

mod account_copy;
mod accounts;
mod approvals;
mod audit;
mod contact;
mod desk_records;
mod directory;
mod enrolment;
mod flows;
mod holder_search;
mod mail_failures;
mod pairings;
mod password_expiries;
mod population;
mod queue;
mod rate_limits;
mod secrets;
mod security_info;
mod session_changes;
mod sessions;

use std::sync::{Mutex, PoisonError};

pub use accounts::{Accounts, MemoryDirectory, StoredAccount, StoredMarks, StoredPassword, StoredSync};
pub use approvals::{Approvals, StoredRequest};
pub use audit::StoredAudit;
pub use contact::StoredContact;
pub use desk_records::StoredDeskRecords;
pub use directory::DirectoryNotes;
pub use enrolment::{AccountEntries, EntriesState, SecurityInfoTable, StoredEntry};
pub use flows::{Flows, StoredFlow};
pub use holder_search::MemoryHolderSearch;
pub use mail_failures::StoredMailFailures;
pub use pairings::{PairedDevice, Pairings, StoredPairing};
pub use population::StoredPopulation;
pub use queue::{Queue, Queued};
pub use rate_limits::RateLimits;
pub use secrets::StoredSecret;
pub use security_info::Holder;
pub use session_changes::StoredSessionChanges;
pub use sessions::{Sessions, StoredSession};

use crate::ports::StoreError;

/// The content of all tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tables {
    /// DynamoDB's table `flows` has these, the sessions, approvals and pairings.
    pub flows: Flows,
    /// Sessions at `/security-info`.
    pub sessions: Sessions,
    /// The sealed changes that sessions made.
    pub session_changes: StoredSessionChanges,
    /// The newest approval request of each account.
    pub approvals: Approvals,
    /// Pairings of devices with the authenticator app.
    pub pairings: Pairings,
    /// Counters of rate limits, and limit logs.
    pub rate_limits: RateLimits,
    /// What the help desk did for each person.
    pub desk_records: StoredDeskRecords,
    /// Mail that did not arrive.
    pub mail_failures: StoredMailFailures,
    /// Anchors of the audit trail, and the last events of accounts.
    pub audit: StoredAudit,
    /// Enrolled entries, generations, leases and passes.
    pub security_info: SecurityInfoTable,
    /// Accounts of the built-in directory.
    pub accounts: Accounts,
    /// The notes of changes and the leases for binds of the organisation's directory.
    pub directory: DirectoryNotes,
    /// The population that decoys are drawn from.
    pub population: StoredPopulation,
    /// Queued messages, as SQS would have them.
    pub queue: Queue,
}

/// All store ports over [`Tables`].
#[derive(Debug, Default)]
pub struct Memory {
    tables: Mutex<Tables>,
}

impl Memory {
    /// Returns a memory with the content of `tables`.
    pub const fn of(tables: Tables) -> Self {
        Self { tables: Mutex::new(tables) }
    }

    /// Reads or changes the tables under one lock.
    pub fn with<R>(&self, act: impl FnOnce(&mut Tables) -> R) -> R {
        act(&mut self.tables.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Returns the error for a key that is used.
fn taken() -> StoreError {
    StoreError::Unavailable("the key is taken".into())
}
