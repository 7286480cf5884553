//! The audit event that ends a flow.

use crate::domain::account::Pseudonym;
use crate::domain::audit::FlowEnd;
use crate::domain::holder::HolderId;

/// Writes how a flow ended, whatever door it ended at. A function without the key of pseudonyms has no account: the
/// flow's earlier events name it.
pub fn flow_ended(flow: HolderId, account: Option<Pseudonym>, end: FlowEnd, reason: &str) {
    let outcome = end.as_str();
    tracing::info!(
        event = "flow.ended",
        ?flow,
        account = account.map(|account| format!("{account:?}")),
        outcome,
        reason
    );
}
