//! Reconciles a directory write: finds out later whether it was made.

use shared::change::{self, FinishPorts, Reconciled};
use shared::domain::message::ReconcileChange;

use crate::{End, Ports, Receipt, Verdict};

/// Reconciles a change that began when its message was queued.
pub(crate) async fn reconcile(ports: &Ports, claimed: &ReconcileChange, receipt: &Receipt<'_>) -> Verdict {
    let finish = FinishPorts {
        flows: &*ports.flows,
        security_info: &*ports.security_info,
        outgoing: ports.outgoing(),
    };
    let settled = |reason| Verdict::ended(End::Settled, reason);
    match change::reconcile(&finish, &*ports.directory, claimed, receipt.sent_at, receipt.is_last()).await {
        Ok(Reconciled::Finished) => settled("it was finished and told"),
        Ok(Reconciled::NotMade) => settled("nothing was changed"),
        Ok(Reconciled::AccountGone) => settled("the account is gone"),
        Ok(Reconciled::ToldWithoutFlow) => settled("told; its flow is gone"),
        Ok(Reconciled::ToldCancelled) => settled("told; its flow has ended"),
        Ok(Reconciled::FinishedHere) => settled("finished and told here"),
        Ok(Reconciled::FlowChanged) => Verdict::again("the flow was changed meanwhile"),
        Ok(Reconciled::CannotTell) => Verdict::again("the directory can't tell what became of it"),
        // The retry ends in the dead-letter queue, whose alarm calls an operator.
        Ok(Reconciled::ToldUnconfirmed) => Verdict::again("told that it may have been made"),
        Err(error) => Verdict::failed(End::Again, error.as_ref()),
    }
}
