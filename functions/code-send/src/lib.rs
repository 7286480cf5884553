//! Checks the typed number, applies the rate limits, makes the code and queues its message.
//!
//! A decoy costs the same reads and writes, on its own keys, and a message of the same length. Only the code's tag
//! matches no code, and the message has no content.

mod rate_limits;
mod send;

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use shared::domain::keys::Keyring;
use shared::http::{AppContext, HasAppContext, serve};
use shared::ports::{
    ApprovalStore, Clock, Entropy, FlowStore, MessageQueue, RateLimitStore, SecurityInfoStore,
};
use shared::process::{Process, StartError};
use shared::verification::outgoing::Outgoing;

/// The ports of `code-send`. It has no directory and no secrets of authenticators.
pub struct Ports {
    /// Settings and the flow keys, which compute the tags of codes and factors.
    pub app: AppContext,
    /// Stores the challenge that the flow waits for.
    pub flows: Arc<dyn FlowStore>,
    /// Holds the send limits of each account.
    pub rate_limits: Arc<dyn RateLimitStore>,
    /// The contacts that a code can go to, read again for every send.
    pub security_info: Arc<dyn SecurityInfoStore>,
    /// Stores the request that the account's devices show.
    pub approvals: Arc<dyn ApprovalStore>,
    /// Takes the code to `delivery`.
    pub queue: Arc<dyn MessageQueue>,
    /// Seals the messages in the queue.
    pub messages: Arc<Keyring>,
    /// Rate limit windows and code expiry are compared with this clock.
    pub clock: Arc<dyn Clock>,
    /// Random bytes for codes, requests and message seals.
    pub entropy: Arc<dyn Entropy>,
}

impl Ports {
    /// Builds the ports from the settings and clients of the process.
    ///
    /// # Errors
    /// [`StartError`] if template.yaml lacks a setting that this function needs, or sets one to an invalid value.
    pub fn from_process(process: &Process) -> Result<Self, StartError> {
        Ok(Self {
            app: process.app_context()?,
            flows: process.flows()?,
            rate_limits: process.rate_limits()?,
            security_info: process.security_info()?,
            approvals: process.approvals()?,
            queue: process.queue()?,
            messages: process.keyring("REKEY_SECRET_MESSAGES")?,
            clock: process.clock(),
            entropy: process.entropy(),
        })
    }

    /// Groups what is needed to seal and queue a message.
    fn outgoing(&self) -> Outgoing<'_> {
        Outgoing { queue: &*self.queue, messages: &self.messages, entropy: &*self.entropy }
    }
}

impl HasAppContext for Ports {
    fn app_context(&self) -> &AppContext {
        &self.app
    }
}

/// Routes `POST /code/send`.
pub fn router(ports: Ports) -> Router {
    serve(Router::new().route("/code/send", post(send::send)), ports)
}
