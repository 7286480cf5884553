//! What this function needs from outside.

use std::sync::Arc;

use shared::domain::keys::Keyring;
use shared::http::{HasSite, Incoming, Site};
use shared::ports::{
    ApprovalStore, Authenticators, BudgetStore, Clock, EnrolmentStore, Entropy, MessageQueue, PairingStore,
    SecurityInfo, SessionStore, SignInDirectory, SignatureVerifier,
};
use shared::verification::Verifier;
use shared::verification::outgoing::Outgoing;

/// What this function needs from outside.
pub struct Ports {
    /// Settings and the keys of cookies and names.
    pub site: Site,
    /// The sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// The directory, to sign in with.
    pub directory: Arc<dyn SignInDirectory>,
    /// What is registered, to be proved with.
    pub security_info: Arc<dyn SecurityInfo>,
    /// What is registered, to be changed.
    pub enrolment: Arc<dyn EnrolmentStore>,
    /// The authenticators.
    pub authenticators: Arc<dyn Authenticators>,
    /// The requests to devices.
    pub approvals: Arc<dyn ApprovalStore>,
    /// The pairings of devices.
    pub pairings: Arc<dyn PairingStore>,
    /// The arithmetic of passkeys.
    pub signatures: Arc<dyn SignatureVerifier>,
    /// The budgets.
    pub budgets: Arc<dyn BudgetStore>,
    /// The queue to `delivery`.
    pub queue: Arc<dyn MessageQueue>,
    /// The keys of messages.
    pub messages: Arc<Keyring>,
    /// The keys of seeds.
    pub seeds: Arc<Keyring>,
    /// The keys of CAPTCHAs.
    pub captcha: Arc<Keyring>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

impl Ports {
    /// What checks an answer of this request.
    pub(crate) fn verifier(&self, incoming: &Incoming) -> Verifier<'_> {
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

    /// The way to `delivery`.
    pub(crate) fn outgoing(&self) -> Outgoing<'_> {
        Outgoing { queue: &*self.queue, messages: &self.messages, entropy: &*self.entropy }
    }
}

impl HasSite for Ports {
    fn site(&self) -> &Site {
        &self.site
    }
}
