//! Reconciles a directory write: finds out later whether it was made.

use shared::change::{self, FinishPorts, Reconciled, flow_ended};
use shared::domain::audit::FlowEnd;
use shared::domain::message::ReconcileChange;

use crate::{End, Ports, Receipt, Verdict};

/// Reconciles a change that began when its message was queued.
pub(crate) async fn reconcile(ports: &Ports, change: &ReconcileChange, receipt: &Receipt<'_>) -> Verdict {
    let finish = FinishPorts {
        flows: &*ports.flows,
        security_info: &*ports.security_info,
        outgoing: ports.outgoing(),
    };
    let completed = |reason| Verdict::ended(End::Completed, reason);
    let reconciled =
        change::reconcile(&finish, &*ports.directory, change, receipt.sent_at, receipt.is_last()).await;
    if let Some((end, reason)) = reconciled.as_ref().ok().and_then(|reconciled| end_of(*reconciled, change)) {
        flow_ended(change.flow, None, end, reason);
    }
    match reconciled {
        Ok(Reconciled::Finished) => completed("finished and notified"),
        Ok(Reconciled::NotMade) => completed("nothing was changed"),
        Ok(Reconciled::AccountGone) => completed("the account is gone"),
        Ok(Reconciled::NotifiedWithoutFlow) => completed("notified; its flow is gone"),
        Ok(Reconciled::NotifiedCancelled) => completed("notified; its flow has ended"),
        Ok(Reconciled::FinishedHere) => completed("finished and notified here"),
        Ok(Reconciled::FlowChanged) => Verdict::retry("the flow was changed meanwhile"),
        Ok(Reconciled::CannotTell) => Verdict::retry("the directory can't tell what became of it"),
        // The retry ends in the dead-letter queue, whose alarm calls an operator.
        Ok(Reconciled::NotifiedUnconfirmed) => Verdict::retry("notified that it may have been made"),
        Err(error) => Verdict::failed(End::Retry, error.as_ref()),
    }
}

/// Returns the end of the flow that a reconciliation found out first.
fn end_of(reconciled: Reconciled, change: &ReconcileChange) -> Option<(FlowEnd, &'static str)> {
    match reconciled {
        Reconciled::FinishedHere | Reconciled::NotifiedWithoutFlow | Reconciled::NotifiedCancelled => {
            Some((FlowEnd::Succeeded, change.outcome.as_str()))
        }
        Reconciled::NotifiedUnconfirmed => Some((FlowEnd::Failed, "unconfirmed")),
        Reconciled::Finished
        | Reconciled::NotMade
        | Reconciled::AccountGone
        | Reconciled::FlowChanged
        | Reconciled::CannotTell => None,
    }
}
