//! Reconciliation: checks, some time after a lease, whether its change was made, finished and notified.
//!
//! `password-set` may die between any two steps of a change, and a directory may not answer. The
//! reconciliation completes the rest.

use std::error::Error;

use super::{FinishPorts, LEASE};
use crate::domain::flow::{Done, Flow};
use crate::domain::message::ReconcileChange;
use crate::domain::notice::{AccountChange, Event};
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
    NotifiedWithoutFlow,
    /// All contacts are notified; the person cancelled the flow during the change.
    NotifiedCancelled,
    /// All contacts are notified, and the flow is finished.
    FinishedHere,
    /// All contacts are notified, but another request changed the flow: the reconciliation must run again.
    FlowChanged,
    /// The directory can't tell the outcome: the reconciliation must run again.
    CannotTell,
    /// The directory can't tell, and this was the last run: all contacts are notified that the change may
    /// have been made.
    NotifiedUnconfirmed,
}

/// Finishes a change whose lease was acquired at `leased_at`, if the change was made. The `last` run also
/// notifies of a change with an unknown outcome: a needless notification is better than none.
///
/// # Errors
/// The error of a port; the reconciliation must run again.
pub async fn reconcile(
    ports: &FinishPorts<'_>,
    directory: &dyn ChangeInspector,
    lease: &ReconcileChange,
    leased_at: Timestamp,
    last: bool,
) -> Result<Reconciled, Box<dyn Error + Send + Sync>> {
    // The flow may have ended since, but it was active when it acquired the lease, so it is read as of that
    // time.
    let found = ports.flows.load(lease.flow, leased_at).await?;
    if let Some(Flow::Done(Done { notices_queued: true, .. })) = found.as_ref().map(|found| &found.value) {
        return Ok(Reconciled::Finished);
    }
    let is_done = found.as_ref().is_some_and(|found| matches!(found.value, Flow::Done(_)));
    let (account, number) = (lease.account.clone(), lease.generation);
    let change = PasswordChange { account, number, deadline: leased_at + LEASE };
    let event = match directory.outcome(&change).await? {
        ChangeOutcome::Applied => lease.outcome.into(),
        ChangeOutcome::NotApplied => return Ok(Reconciled::NotMade),
        // A flow is finished only after its change was made.
        ChangeOutcome::CannotTell if is_done => lease.outcome.into(),
        ChangeOutcome::CannotTell if last => Event::Unconfirmed,
        ChangeOutcome::CannotTell => return Ok(Reconciled::CannotTell),
    };
    let Some(account) = directory.account(&lease.account).await? else {
        return Ok(Reconciled::AccountGone);
    };
    let registration = ports.security_info.registration(&lease.account, leased_at).await?;
    // Only a finished flow has the time of the directory write; the lease preceded it by moments.
    let at = match found.as_ref().map(|found| &found.value) {
        Some(Flow::Done(done)) => done.at,
        _ => leased_at,
    };
    let change = AccountChange { event, methods: lease.methods.clone(), at, language: lease.language };
    // Queued before the flow is finished: two notifications are better than none.
    ports.outgoing.notify(lease.flow, &account, &registration, &change).await?;
    if event == Event::Unconfirmed {
        return Ok(Reconciled::NotifiedUnconfirmed);
    }
    let Some(found) = found else { return Ok(Reconciled::NotifiedWithoutFlow) };
    let notified = match found.value {
        Flow::Done(done) => Flow::Done(Done { notices_queued: true, ..done }),
        Flow::AllVerified(verified) => Flow::Done(verified.finish(at, true)),
        _ => return Ok(Reconciled::NotifiedCancelled),
    };
    let replaced = ports.flows.replace(lease.flow, found.revision, &notified, leased_at).await?;
    Ok(if replaced { Reconciled::FinishedHere } else { Reconciled::FlowChanged })
}
