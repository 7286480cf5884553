//! The change of a password or a lock, from the right to make it to the notices that it was made.
//!
//! 1. The right: nothing about the account or its contacts has changed since the flow proved who acts.
//! 2. The claim: one conditional bump of the account's generation, with a lease. Of two flows one gets it, and the
//!    others are over. It counts the comparison that follows.
//! 3. The directory says what it has against a new password. A refusal ends the lease, so that another password can
//!    be tried at once.
//! 4. A delayed "settle" goes into the queue. Whatever happens from here on, it looks later whether the change was
//!    made, finished and told, and does what is missing ([`reconcile`]).
//! 5. The directory makes the change, under the claim's generation: a straggler with an older one is refused there.
//! 6. The notices go into the queue, and the flow is finished.
//!
//! Each step survives a crash right after it.

mod authorized;
mod finish;
mod reconcile;

pub use authorized::{AuthorizedChange, ChangeFailure, ChangePorts};
pub use finish::FinishPorts;
pub use reconcile::{Reconciled, reconcile};

use crate::domain::time::Seconds;

/// How long a claim is held for its flow alone: longer than the function may run, so that a second request never
/// meets the first one still at work.
const LEASE: Seconds = Seconds(30);
/// When to look whether a change was finished: after the lease has run out.
const RECONCILE_AFTER: Seconds = Seconds(45);
/// How often a flow may claim its account, and so have a new password compared with earlier ones. An answer tells
/// whether a guess is the present password; whoever has proved two factors and knows it already loses nothing, and
/// ten guesses tell nobody else.
const CLAIMS: u64 = 10;
