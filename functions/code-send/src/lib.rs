//! Checks the number, takes from the budgets, makes the code and queues its message.
//!
//! Everything here happens alike for a decoy: the same reads and writes on its own keys, a message of the same
//! length. Only the code's tag is one that no code has, and the message says nothing.

mod budgets;
mod send;

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use shared::domain::keys::Keyring;
use shared::http::{HasSite, Site, serve};
use shared::ports::{ApprovalStore, BudgetStore, Clock, Entropy, FlowStore, MessageQueue, SecurityInfo};
use shared::process::{Process, StartError};
use shared::verification::outgoing::Outgoing;

/// What this function needs from outside.
pub struct Ports {
    /// Settings and the keys of flows.
    pub site: Site,
    /// The flows.
    pub flows: Arc<dyn FlowStore>,
    /// The budgets.
    pub budgets: Arc<dyn BudgetStore>,
    /// What is registered.
    pub security_info: Arc<dyn SecurityInfo>,
    /// The requests to devices.
    pub approvals: Arc<dyn ApprovalStore>,
    /// The queue to `delivery`.
    pub queue: Arc<dyn MessageQueue>,
    /// The keys of messages.
    pub messages: Arc<Keyring>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

impl Ports {
    /// The ports as the process fulfils them.
    ///
    /// # Errors
    /// [`StartError`] when template.yaml does not tell this function of something it needs, or that makes no sense.
    pub fn from_process(process: &Process) -> Result<Self, StartError> {
        Ok(Self {
            site: process.site()?,
            flows: process.flows()?,
            budgets: process.budgets()?,
            security_info: process.security_info()?,
            approvals: process.approvals()?,
            queue: process.queue()?,
            messages: process.keyring("REKEY_SECRET_MESSAGES")?,
            clock: process.clock(),
            entropy: process.entropy(),
        })
    }

    /// The way to `delivery`.
    fn outgoing(&self) -> Outgoing<'_> {
        Outgoing { queue: &*self.queue, messages: &self.messages, entropy: &*self.entropy }
    }
}

impl HasSite for Ports {
    fn site(&self) -> &Site {
        &self.site
    }
}

/// The route of this function.
pub fn router(ports: Ports) -> Router {
    serve(Router::new().route("/code/send", post(send::send)), ports)
}
