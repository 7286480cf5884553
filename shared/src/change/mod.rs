//! The change of a password or a lock, from its authorization to the notifications.
//!
//! 1. Authorization: the account and its contacts have not changed since the flow verified its person.
//! 2. The lease: one conditional increment of the account's generation. Of two flows one gets it, and the
//!    others end. It counts the comparison that follows.
//! 3. The directory checks the new password. A rejection releases the lease, so that another password can be
//!    tried at once.
//! 4. A delayed message goes into the queue. Later it makes `delivery` check whether the change was made,
//!    finished and notified, and complete the rest ([`reconcile`]).
//! 5. The directory makes the change under the lease's generation, and rejects a late write with an older
//!    one.
//! 6. The notifications go into the queue, and the flow is finished.
//!
//! A crash after any step leaves a state that the reconciliation completes.

mod authorized;
mod finish;
mod flow_end;
mod reconcile;

pub use authorized::{AuthorizedChange, ChangeFailure, ChangePorts};
pub use finish::FinishPorts;
pub use flow_end::flow_ended;
pub use reconcile::{Reconciled, reconcile};

use crate::domain::time::Seconds;

/// The length of a lease: longer than the function's timeout, so that a second request never meets a first
/// one that still writes.
pub const LEASE: Seconds = Seconds(30);
/// The delay of the reconciliation: after the end of the lease.
pub const RECONCILE_AFTER: Seconds = Seconds(45);
/// How often a flow may acquire the lease, and so have a new password compared with earlier ones. A rejection
/// reveals whether the submitted password is the current one. A person who verified two factors and knows it
/// loses nothing, and ten comparisons reveal nothing to others.
const LEASES_MAX: u64 = 10;
