//! The end of a change: notices, and a flow that is done.

use crate::ports::{FlowStore, SecurityInfo};
use crate::verification::outgoing::Outgoing;

/// The ports over which a change is finished.
#[derive(Clone, Copy)]
pub struct FinishPorts<'a> {
    /// The flows.
    pub flows: &'a dyn FlowStore,
    /// The contacts that are notified.
    pub security_info: &'a dyn SecurityInfo,
    /// The way to `delivery`.
    pub outgoing: Outgoing<'a>,
}
