//! A look, some time after a claim, at whether the change it was for was made, finished and told.

use shared::change::{FinishPorts, Reconciled, reconcile};
use shared::domain::message::Settle;

use crate::{End, Ports, Receipt, Verdict};

/// Settles a claim, which was made when its message was queued.
pub(crate) async fn settle(ports: &Ports, settle: &Settle, receipt: &Receipt<'_>) -> Verdict {
    let finish = FinishPorts {
        flows: &*ports.flows,
        security_info: &*ports.security_info,
        outgoing: ports.outgoing(),
    };
    let settled = |reason| Verdict::ended(End::Settled, reason);
    match reconcile(&finish, &*ports.directory, settle, receipt.sent_at, receipt.is_last()).await {
        Ok(Reconciled::Finished) => settled("it was finished and told"),
        Ok(Reconciled::NotMade) => settled("nothing was changed"),
        Ok(Reconciled::AccountGone) => settled("the account is gone"),
        Ok(Reconciled::ToldWithoutFlow) => settled("told; its flow is gone"),
        Ok(Reconciled::ToldCancelled) => settled("told; its flow has ended"),
        Ok(Reconciled::FinishedHere) => settled("finished and told here"),
        Ok(Reconciled::FlowChanged) => Verdict::again("the flow was changed meanwhile"),
        Ok(Reconciled::CannotTell) => Verdict::again("the directory can't tell what became of it"),
        // Into the dead-letter queue, whose alarm calls somebody.
        Ok(Reconciled::ToldUnconfirmed) => Verdict::again("told that it may have been made"),
        Err(error) => Verdict::failed(End::Again, error.as_ref()),
    }
}
