//! Checks the answer to a challenge: a code, an approval, a passkey or a recovery code.

mod show;
mod verify;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use shared::domain::keys::Keyring;
use shared::http::{AppContext, HasAppContext, IncomingRequest, serve};
use shared::ports::{ApprovalStore, AuthenticatorStore, Clock, FlowStore, RateLimitStore, SignatureVerifier};
use shared::process::{Process, StartError};
use shared::verification::Verifier;

/// The ports of `code-verify`. It has no directory, no contacts and no queue.
pub struct Ports {
    /// Settings and the flow keys, which compute the tags of codes.
    pub app: AppContext,
    /// Counts the attempts of a flow and stores the verified step.
    pub flows: Arc<dyn FlowStore>,
    /// Limits app codes by account, and answers with an older cookie.
    pub rate_limits: Arc<dyn RateLimitStore>,
    /// Holds the answers of devices: approved or refused.
    pub approvals: Arc<dyn ApprovalStore>,
    /// Holds TOTP seeds, passkeys and recovery codes, and marks them as used.
    pub authenticators: Arc<dyn AuthenticatorStore>,
    /// Opens the sealed TOTP seeds and derives the hashes of recovery codes.
    pub seeds: Arc<Keyring>,
    /// Verifies passkey signatures.
    pub signatures: Arc<dyn SignatureVerifier>,
    /// Expiry of codes and requests is compared with this clock.
    pub clock: Arc<dyn Clock>,
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
            approvals: process.approvals()?,
            authenticators: process.authenticators()?,
            seeds: process.keyring("REKEY_SECRET_SEEDS")?,
            signatures: process.signatures(),
            clock: process.clock(),
        })
    }

    /// Groups what is needed to check an answer of this request.
    fn verifier(&self, incoming: &IncomingRequest) -> Verifier<'_> {
        Verifier {
            flows: &self.app.flows,
            seeds: &self.seeds,
            authenticators: &*self.authenticators,
            approvals: &*self.approvals,
            signatures: &*self.signatures,
            limits: &*self.rate_limits,
            party: self.app.settings.relying_party(),
            generated_codes_per_day: self.app.settings.totp_attempts(),
            network: incoming.network_tag(),
            address: incoming.address_block(),
        }
    }
}

impl HasAppContext for Ports {
    fn app_context(&self) -> &AppContext {
        &self.app
    }
}

/// Routes `/code` and the pages below it.
pub fn router(ports: Ports) -> Router {
    let routes = Router::new().route("/code", get(show::show).post(verify::verify));
    let routes = routes.route("/code/send", get(show::show));
    serve(routes, ports)
}
