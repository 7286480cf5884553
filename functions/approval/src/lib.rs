//! The authenticator app: the page that is installed on a phone, and what it asks and answers.
//!
//! No cookie is read here. A device says who it is by a handle, and proves it by a signature over a nonce of ours; which
//! account, which request and which number are looked up, never believed.

mod answer;
mod app;
mod caller;
mod pair;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use shared::domain::keys::Keyring;
use shared::http::{HasSite, Site, serve};
use shared::ports::{
    ApprovalStore, Clock, Devices, Entropy, FlowStore, MessageQueue, PairingStore, SessionStore,
};
use shared::process::{Process, StartError};

/// What this function needs from outside.
pub struct Ports {
    /// Settings and the keys of flows.
    pub site: Site,
    /// The devices.
    pub devices: Arc<dyn Devices>,
    /// The requests that they answer.
    pub approvals: Arc<dyn ApprovalStore>,
    /// The pairings that make them.
    pub pairings: Arc<dyn PairingStore>,
    /// The flows, to end the one that was refused.
    pub flows: Arc<dyn FlowStore>,
    /// The sessions of the page where people register, likewise.
    pub sessions: Arc<dyn SessionStore>,
    /// The queue to `delivery`.
    pub queue: Arc<dyn MessageQueue>,
    /// The keys of messages.
    pub messages: Arc<Keyring>,
    /// The keys of devices, subscriptions and pushes.
    pub push: Arc<Keyring>,
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
            devices: process.devices()?,
            approvals: process.approvals()?,
            pairings: process.pairings()?,
            flows: process.flows()?,
            sessions: process.sessions()?,
            queue: process.queue()?,
            messages: process.keyring("REKEY_SECRET_MESSAGES")?,
            push: process.keyring("REKEY_SECRET_PUSH")?,
            clock: process.clock(),
            entropy: process.entropy(),
        })
    }
}

impl HasSite for Ports {
    fn site(&self) -> &Site {
        &self.site
    }
}

/// The routes of this function.
pub fn router(ports: Ports) -> Router {
    let routes = Router::new()
        .route("/authenticator", get(app::page))
        .route("/authenticator/manifest.webmanifest", get(app::manifest))
        .route("/authenticator/sw.js", get(app::service_worker))
        .route("/authenticator/pair", post(pair::pair))
        .route("/authenticator/requests", get(answer::requests))
        .route("/authenticator/answer", post(answer::answer));
    serve(routes, ports)
}
