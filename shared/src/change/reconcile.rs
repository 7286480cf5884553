//! A look, some time after a claim, at whether the change that it was for was made, finished and told.
//!
//! `password-set` may die between any two steps of a change, and a directory may not answer. Whatever is left open then
//! is done here.

use std::error::Error;

use super::{FinishPorts, LEASE};
use crate::domain::flow::{Done, Flow};
use crate::domain::message::ReconcileChange;
use crate::domain::notice::{Change, Event};
use crate::domain::time::Timestamp;
use crate::ports::{ChangeInspector, ChangeOutcome, PasswordChange};

/// What was found, and done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconciled {
    /// The change was finished and told already.
    Finished,
    /// Nothing was changed.
    NotMade,
    /// The account is gone, and nobody is left to be told.
    AccountGone,
    /// Everybody is told; the flow is gone.
    ToldWithoutFlow,
    /// Everybody is told; the flow was cancelled while the change was made.
    ToldCancelled,
    /// Everybody is told, and the flow is finished.
    FinishedHere,
    /// Everybody is told, but the flow was changed meanwhile: another look has to follow.
    FlowChanged,
    /// The directory can't tell what became of the change: another look has to follow.
    CannotTell,
    /// The directory can't tell, and no other look follows: everybody is told that the change may have been made.
    ToldUnconfirmed,
}

/// Finishes a change whose claim was made at `claimed_at`, as far as it was made. On the `last` look people are told also
/// of a change that the directory can't tell of: told in vain is better than never.
///
/// # Errors
/// Whatever a port says; another look has to follow.
pub async fn reconcile(
    ports: &FinishPorts<'_>,
    directory: &dyn ChangeInspector,
    claimed: &ReconcileChange,
    claimed_at: Timestamp,
    last: bool,
) -> Result<Reconciled, Box<dyn Error + Send + Sync>> {
    // The flow may have ended since, but it was alive when it claimed, and is looked at as it was then.
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
        // A flow is done only after its change was made.
        ChangeOutcome::CannotTell if is_done => claimed.outcome.into(),
        ChangeOutcome::CannotTell if last => Event::Unconfirmed,
        ChangeOutcome::CannotTell => return Ok(Reconciled::CannotTell),
    };
    let Some(account) = directory.account(&claimed.account).await? else {
        return Ok(Reconciled::AccountGone);
    };
    let registration = ports.security_info.registration(&claimed.account, claimed_at).await?;
    // When exactly the directory was written only a finished flow knows; the claim came right before.
    let at = match found.as_ref().map(|found| &found.value) {
        Some(Flow::Done(done)) => done.at,
        _ => claimed_at,
    };
    let change = Change { event, methods: claimed.methods.clone(), at, language: claimed.language };
    // Queued before the flow says so: told twice is better than never.
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
