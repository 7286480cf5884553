//! The end of a change: notifications, and a finished flow.

use crate::ports::{FlowStore, SecurityInfoStore};
use crate::verification::outgoing::Outgoing;

/// The ports for finishing a change.
#[derive(Clone, Copy)]
pub struct FinishPorts<'a> {
    /// Stores the finished flow.
    pub flows: &'a dyn FlowStore,
    /// Reads the contacts to notify.
    pub security_info: &'a dyn SecurityInfoStore,
    /// Queues the notifications.
    pub outgoing: Outgoing<'a>,
}
