//! The authenticator app: its page, the approval requests that it fetches, and the answers that it sends.
//!
//! No handler here reads a cookie. A device identifies itself by a handle and authenticates by a signature over a
//! nonce of the server. The server looks up the account, the request and the number, and never trusts the device for
//! them.

mod answer;
mod app;
mod caller;
mod pair;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use shared::domain::keys::Keyring;
use shared::http::{AppContext, HasAppContext, serve};
use shared::ports::{
    ApprovalStore, Clock, DeviceStore, Entropy, FlowStore, KnownDeviceStore, MessageQueue, PairingStore,
    SessionStore,
};
use shared::process::{Process, StartError};

/// The ports of `approval`. It has no directory and no contacts, so a device learns nothing else about its owner.
pub struct Ports {
    /// Settings and the flow keys, which compute the tags of numbers and codes.
    pub app: AppContext,
    /// Looks up a device's public key and records when it was last used.
    pub devices: Arc<dyn DeviceStore>,
    /// Holds the newest approval request of each account.
    pub approvals: Arc<dyn ApprovalStore>,
    /// Ends the account's known devices after a refusal.
    pub known_devices: Arc<dyn KnownDeviceStore>,
    /// Turns a pairing token and a device key into a pending device.
    pub pairings: Arc<dyn PairingStore>,
    /// Cancels the flow of a refused request.
    pub flows: Arc<dyn FlowStore>,
    /// Ends the session of a refused request.
    pub sessions: Arc<dyn SessionStore>,
    /// Takes the notification of a refusal to `delivery`.
    pub queue: Arc<dyn MessageQueue>,
    /// Seals the messages in the queue.
    pub messages: Arc<Keyring>,
    /// Seals device handles and push subscriptions, and derives the nonces and the VAPID key (RFC 8292).
    pub push: Arc<Keyring>,
    /// Expiry of nonces, pairings and requests is compared with this clock.
    pub clock: Arc<dyn Clock>,
    /// Random bytes for pairing codes, device handles and message seals.
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
            devices: process.devices()?,
            approvals: process.approvals()?,
            known_devices: process.known_devices()?,
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

impl HasAppContext for Ports {
    fn app_context(&self) -> &AppContext {
        &self.app
    }
}

/// Routes `/authenticator` and the paths below it.
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
