//! The ports of `enrolment`.

use std::sync::Arc;

use shared::domain::keys::Keyring;
use shared::http::{AppContext, HasAppContext, IncomingRequest};
use shared::ports::{
    ApprovalStore, AuthenticatorStore, Clock, EnrolmentStore, Entropy, FlowStore, IdentityProvider,
    MailFailureStore, MessageQueue, PairingStore, RateLimitStore, RecentEventStore, SecurityInfoStore,
    SessionChangesStore, SessionStore, SignInDirectory, SignatureVerifier,
};
use shared::verification::Verifier;
use shared::verification::outgoing::Outgoing;

/// The ports of `enrolment`. It can check a password, but not set one.
pub struct Ports {
    /// Settings and the flow keys, which compute cookies, tags and pseudonyms.
    pub app: AppContext,
    /// Stores the flow that a change of a known password opens.
    pub flows: Arc<dyn FlowStore>,
    /// Stores signed-in visits of `/security-info`.
    pub sessions: Arc<dyn SessionStore>,
    /// The changes that a session made, to notify of them together.
    pub session_changes: Arc<dyn SessionChangesStore>,
    /// Checks passwords at sign-in; can't change them.
    pub directory: Arc<dyn SignInDirectory>,
    /// Signs people in elsewhere, if `REKEY_SIGN_IN` is `oidc`.
    pub identity_provider: Option<Arc<dyn IdentityProvider>>,
    /// The enrolled methods, for the step-up.
    pub security_info: Arc<dyn SecurityInfoStore>,
    /// Adds and removes enrolled methods.
    pub enrolment: Arc<dyn EnrolmentStore>,
    /// Holds TOTP seeds, passkeys and recovery codes, to verify answers.
    pub authenticators: Arc<dyn AuthenticatorStore>,
    /// Stores the approval requests to devices.
    pub approvals: Arc<dyn ApprovalStore>,
    /// Stores the pairings of devices until they are confirmed.
    pub pairings: Arc<dyn PairingStore>,
    /// Verifies signatures of passkeys and of the identity provider.
    pub signatures: Arc<dyn SignatureVerifier>,
    /// Holds the rate limits of sign-ins, codes and changes.
    pub rate_limits: Arc<dyn RateLimitStore>,
    /// The last events of the account, which `housekeeping` writes.
    pub recent_events: Arc<dyn RecentEventStore>,
    /// Mail that did not arrive, which `delivery` records.
    pub mail_failures: Arc<dyn MailFailureStore>,
    /// Takes codes and notifications to `delivery`.
    pub queue: Arc<dyn MessageQueue>,
    /// Seals the messages in the queue.
    pub messages: Arc<Keyring>,
    /// Seals TOTP seeds and waiting entries, and derives the hashes of recovery codes.
    pub seeds: Arc<Keyring>,
    /// Seals the CAPTCHA challenges of the sign-in page.
    pub captcha: Arc<Keyring>,
    /// Sessions, codes and waiting periods are compared with this clock.
    pub clock: Arc<dyn Clock>,
    /// Random bytes for cookies, codes, seeds and seals.
    pub entropy: Arc<dyn Entropy>,
}

impl Ports {
    /// Groups what is needed to check an answer of this request.
    pub(crate) fn verifier(&self, incoming: &IncomingRequest) -> Verifier<'_> {
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

    /// Groups what is needed to seal and queue a message.
    pub(crate) fn outgoing(&self) -> Outgoing<'_> {
        Outgoing { queue: &*self.queue, messages: &self.messages, entropy: &*self.entropy }
    }
}

impl HasAppContext for Ports {
    fn app_context(&self) -> &AppContext {
        &self.app
    }
}
