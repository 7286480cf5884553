//! Reconciles a directory write: finds out later whether it was made.

use shared::change::{self, FinishPorts, Reconciled};
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
    match change::reconcile(&finish, &*ports.directory, change, receipt.sent_at, receipt.is_last()).await {
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
