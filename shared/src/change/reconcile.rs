//! Reconciliation: checks, some time after a lease, whether its change was made, finished and notified.
//!
//! `password-set` may die between any two steps of a change, and a directory may not answer. The
//! reconciliation completes the rest.

use std::error::Error;

use super::{FinishPorts, LEASE};
use crate::domain::flow::{Done, Flow};
use crate::domain::message::ReconcileChange;
use crate::domain::notice::{Change, Event};
use crate::domain::time::Timestamp;
use crate::ports::{ChangeInspector, ChangeOutcome, PasswordChange};

/// The result of a reconciliation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconciled {
    /// The change was already finished and notified.
    Finished,
    /// The directory made no change.
    NotMade,
    /// The account was deleted, so there is nobody to notify.
    AccountGone,
    /// All contacts are notified; the flow no longer exists.
    ToldWithoutFlow,
    /// All contacts are notified; the person cancelled the flow during the change.
    ToldCancelled,
    /// All contacts are notified, and the flow is finished.
    FinishedHere,
    /// All contacts are notified, but another request changed the flow: the reconciliation must run again.
    FlowChanged,
    /// The directory can't tell the outcome: the reconciliation must run again.
    CannotTell,
    /// The directory can't tell, and this was the last run: all contacts are notified that the change may
    /// have been made.
    ToldUnconfirmed,
}

/// Finishes a change whose lease was acquired at `claimed_at`, if the change was made. The `last` run also
/// notifies of a change with an unknown outcome: a needless notification is better than none.
///
/// # Errors
/// The error of a port; the reconciliation must run again.
pub async fn reconcile(
    ports: &FinishPorts<'_>,
    directory: &dyn ChangeInspector,
    claimed: &ReconcileChange,
    claimed_at: Timestamp,
    last: bool,
) -> Result<Reconciled, Box<dyn Error + Send + Sync>> {
    // The flow may have ended since, but it was active when it acquired the lease, so it is read as of that
    // time.
    let found = ports.flows.load(claimed.flow, claimed_at).await?;
    if let Some(Flow::Done(Done { notices_queued: true, .. })) = found.as_ref().map(|found| &found.value) {
        return Ok(Reconciled::Finished);
    }
    let is_done = found.as_ref().is_some_and(|found| matches!(found.value, Flow::Done(_)));
    let (account, number) = (claimed.account.clone(), claimed.generation);
    let change = PasswordChange { account, number, deadline: claimed_at + LEASE };
    let event = match directory.outcome(&change).await? {
        ChangeOutcome::Applied => claimed.outcome.into(),
        ChangeOutcome::NotApplied => return Ok(Reconciled::NotMade),
        // A flow is finished only after its change was made.
        ChangeOutcome::CannotTell if is_done => claimed.outcome.into(),
        ChangeOutcome::CannotTell if last => Event::Unconfirmed,
        ChangeOutcome::CannotTell => return Ok(Reconciled::CannotTell),
    };
    let Some(account) = directory.account(&claimed.account).await? else {
        return Ok(Reconciled::AccountGone);
    };
    let registration = ports.security_info.registration(&claimed.account, claimed_at).await?;
    // Only a finished flow has the time of the directory write; the lease preceded it by moments.
    let at = match found.as_ref().map(|found| &found.value) {
        Some(Flow::Done(done)) => done.at,
        _ => claimed_at,
    };
    let change = Change { event, methods: claimed.methods.clone(), at, language: claimed.language };
    // Queued before the flow is finished: two notifications are better than none.
    ports.outgoing.notify(claimed.flow, &account, &registration, &change).await?;
    if event == Event::Unconfirmed {
        return Ok(Reconciled::ToldUnconfirmed);
    }
    let Some(found) = found else { return Ok(Reconciled::ToldWithoutFlow) };
    let told = match found.value {
        Flow::Done(done) => Flow::Done(Done { notices_queued: true, ..done }),
        Flow::Proven(proven) => Flow::Done(proven.finish(at, true)),
        _ => return Ok(Reconciled::ToldCancelled),
    };
    let replaced = ports.flows.replace(claimed.flow, found.revision, &told, claimed_at).await?;
    Ok(if replaced { Reconciled::FinishedHere } else { Reconciled::FlowChanged })
}
