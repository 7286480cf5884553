//! Checks a code, or whatever else verifies a step.

mod show;
mod verify;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use shared::domain::keys::Keyring;
use shared::http::{HasSite, Incoming, Site, serve};
use shared::ports::{ApprovalStore, Authenticators, BudgetStore, Clock, FlowStore, SignatureVerifier};
use shared::process::{Process, StartError};
use shared::verification::Verifier;

/// What this function needs from outside.
pub struct Ports {
    /// Settings and the keys of flows.
    pub site: Site,
    /// The flows.
    pub flows: Arc<dyn FlowStore>,
    /// The budgets of app codes, and of answers with an older cookie.
    pub budgets: Arc<dyn BudgetStore>,
    /// The requests to devices.
    pub approvals: Arc<dyn ApprovalStore>,
    /// The authenticators.
    pub authenticators: Arc<dyn Authenticators>,
    /// The keys of seeds.
    pub seeds: Arc<Keyring>,
    /// The signatures of passkeys.
    pub signatures: Arc<dyn SignatureVerifier>,
    /// The time.
    pub clock: Arc<dyn Clock>,
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
            approvals: process.approvals()?,
            authenticators: process.authenticators()?,
            seeds: process.keyring("REKEY_SECRET_SEEDS")?,
            signatures: process.signatures(),
            clock: process.clock(),
        })
    }

    /// What checks an answer of this request.
    fn verifier(&self, incoming: &Incoming) -> Verifier<'_> {
        Verifier {
            flows: &self.site.flows,
            seeds: &self.seeds,
            authenticators: &*self.authenticators,
            approvals: &*self.approvals,
            signatures: &*self.signatures,
            limits: &*self.budgets,
            party: self.site.settings.relying_party(),
            totp_per_day: self.site.settings.totp_tries_per_day,
            network: incoming.address_block(),
        }
    }
}

impl HasSite for Ports {
    fn site(&self) -> &Site {
        &self.site
    }
}

/// The routes of this function.
pub fn router(ports: Ports) -> Router {
    let routes = Router::new().route("/code", get(show::show).post(verify::verify));
    let routes = routes.route("/code/send", get(show::show));
    serve(routes, ports)
}
