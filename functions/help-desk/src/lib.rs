//! The help desk. Agents invoke this function or use its page; it alone has the rights for their acts.
//!
//! An act comes by one of two doors: [`handle`] learns from AWS who asks, and `page` from the identity provider. Both ask
//! `carry_out`, which finds the person and hands the act to a file of its own. Its event is written to the log
//! of operators before the act takes effect, refusals too: an act whose event can't be written is not carried out.

mod activation;
mod attempt;
mod audit;
mod caller;
mod case;
mod decision;
mod open;
mod page;
mod pass;
mod release;
mod remove;
mod show;
mod sign_in;
mod unlock;
mod visit;

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use shared::domain::help_desk::Agent;
use shared::domain::help_desk_call::{Act, HelpAnswer, HelpRefusal, HelpRequest, What};
use shared::domain::keys::Keyring;
use shared::http::{AppContext, HasAppContext, serve};
use shared::ports::{
    AccountCopy, AgentIdentity, AuditLog, AuthenticatorStore, Clock, DeskRecordStore, EnrolmentStore,
    Entropy, HolderSearch, IdentityProvider, KnownDeviceStore, LeaseStore, MailFailureStore, MessageQueue,
    PassStore, PasswordDirectory, RateLimitStore, SecurityInfoStore, SignatureVerifier,
};
use shared::process::{Process, StartError};
use shared::settings::Settings;
use shared::verification::outgoing::Outgoing;

use crate::case::Stop;

/// The ports of `help-desk`.
pub struct Ports {
    /// The policy, and who may help whom.
    pub settings: Arc<Settings>,
    /// Settings and the keys of cookies, for the page.
    pub app: AppContext,
    /// Signs agents in, if the deployment has a page for them.
    pub identity_provider: Option<Arc<dyn IdentityProvider>>,
    /// Verifies signatures of the identity provider.
    pub signatures: Arc<dyn SignatureVerifier>,
    /// Names the agents.
    pub agents: Arc<dyn AgentIdentity>,
    /// Keeps the events of their acts.
    pub log: Arc<dyn AuditLog>,
    /// Finds people by a login, with their groups.
    pub accounts: Arc<dyn AccountCopy>,
    /// Finds attempts by their support code.
    pub holders: Arc<dyn HolderSearch>,
    /// What was done for each person lately.
    pub records: Arc<dyn DeskRecordStore>,
    /// The contacts and methods of a person.
    pub security_info: Arc<dyn SecurityInfoStore>,
    /// Lists and removes entries.
    pub enrolment: Arc<dyn EnrolmentStore>,
    /// Checks codes of apps.
    pub authenticators: Arc<dyn AuthenticatorStore>,
    /// Writes passes.
    pub passes: Arc<dyn PassStore>,
    /// Ends known devices.
    pub known_devices: Arc<dyn KnownDeviceStore>,
    /// Gives the right to change an account.
    pub leases: Arc<dyn LeaseStore>,
    /// Removes locks.
    pub directory: Arc<dyn PasswordDirectory>,
    /// Mail that did not arrive.
    pub mail_failures: Arc<dyn MailFailureStore>,
    /// The limits of accounts.
    pub rate_limits: Arc<dyn RateLimitStore>,
    /// Takes codes and notifications to `delivery`.
    pub queue: Arc<dyn MessageQueue>,
    /// Computes pseudonyms, and the tags of codes.
    pub flows: Arc<Keyring>,
    /// Opens the seeds of apps, and computes the tags of passes.
    pub seeds: Arc<Keyring>,
    /// Seals the messages in the queue.
    pub messages: Arc<Keyring>,
    /// Checks, passes and codes are compared with this clock.
    pub clock: Arc<dyn Clock>,
    /// Random bytes for codes, passes, ids and seals.
    pub entropy: Arc<dyn Entropy>,
}

impl Ports {
    /// Builds the ports from the settings and clients of the process.
    ///
    /// # Errors
    /// [`StartError`] if template.yaml lacks a setting that this function needs, or sets one to an invalid value.
    pub fn from_process(process: &Process) -> Result<Self, StartError> {
        Ok(Self {
            settings: process.settings(),
            app: process.app_context()?,
            identity_provider: process.help_desk_provider(),
            signatures: process.signatures(),
            agents: process.agents()?,
            log: process.operator_log()?,
            accounts: process.account_copy()?,
            holders: process.holder_search()?,
            records: process.desk_records()?,
            security_info: process.security_info()?,
            enrolment: process.enrolment()?,
            authenticators: process.authenticators()?,
            passes: process.passes()?,
            known_devices: process.known_devices()?,
            leases: process.leases()?,
            directory: process.password_directory()?,
            mail_failures: process.mail_failures()?,
            rate_limits: process.rate_limits()?,
            queue: process.queue()?,
            flows: process.keyring("REKEY_SECRET_FLOWS")?,
            seeds: process.keyring("REKEY_SECRET_SEEDS")?,
            messages: process.keyring("REKEY_SECRET_MESSAGES")?,
            clock: process.clock(),
            entropy: process.entropy(),
        })
    }

    fn outgoing(&self) -> Outgoing<'_> {
        Outgoing { queue: &*self.queue, messages: &self.messages, entropy: &*self.entropy }
    }
}

impl HasAppContext for Ports {
    fn app_context(&self) -> &AppContext {
        &self.app
    }
}

/// Routes `/help-desk` and the paths below it.
pub fn router(ports: Ports) -> Router {
    let routes = Router::new()
        .route("/help-desk", get(page::show).post(page::act))
        .route("/help-desk/oidc/start", get(sign_in::start))
        .route("/help-desk/oidc", get(sign_in::callback))
        .route("/help-desk/sign-out", post(sign_in::sign_out));
    serve(routes, ports)
}

/// The door that an agent comes by. It decides what limits them to groups of people.
#[derive(Clone, Copy)]
pub(crate) enum Door<'a> {
    /// The command: `REKEY_HELPERS`.
    Command,
    /// The page, with the agent's groups at the identity provider: `REKEY_HELP_DESK_AGENTS`.
    Page(&'a [String]),
}

/// Answers the request of a command. The log has what failed.
pub async fn handle(ports: &Ports, request: HelpRequest) -> HelpAnswer {
    let agent = match ports.agents.agent(&request.caller, request.act.expose()).await {
        Ok(Some(agent)) => agent,
        Ok(None) => {
            tracing::warn!(event = "help_desk.caller_rejected");
            return HelpAnswer::Refused(HelpRefusal::UnknownCaller);
        }
        Err(error) => return failed(&error),
    };
    // The error may quote what was typed.
    let Ok(act) = serde_json::from_str(request.act.expose()) else {
        return HelpAnswer::Refused(HelpRefusal::Malformed);
    };
    carry_out(ports, agent, Door::Command, act).await
}

/// Carries out an act of an agent, by the rules. The log has what failed.
pub(crate) async fn carry_out(ports: &Ports, agent: Agent, door: Door<'_>, act: Act) -> HelpAnswer {
    match answer(ports, agent, door, act).await {
        Ok(answer) => answer,
        Err(Stop::Refused(refusal)) => HelpAnswer::Refused(refusal),
        Err(Stop::NeedsAnotherAgent(until)) => HelpAnswer::NeedsAnotherAgent { until },
        Err(Stop::Failed(error)) => failed(&*error),
    }
}

fn failed(error: &(dyn Error + 'static)) -> HelpAnswer {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let causes = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    tracing::error!(event = "help_desk.failed", causes);
    HelpAnswer::Refused(HelpRefusal::Unavailable)
}

async fn answer(ports: &Ports, agent: Agent, door: Door<'_>, act: Act) -> Result<HelpAnswer, Stop> {
    let Act { login, what } = act;
    let case = open::open(ports, agent, door, &login, &what).await?;
    let done = match what {
        What::Show { reveal } => show::show(&case, reveal).await,
        What::SendCode { method } => caller::send_code(&case, method).await,
        What::CheckCode { code } => caller::check_code(&case, code.expose()).await,
        What::CheckApp { code } => caller::check_app(&case, code.expose()).await,
        What::SeeDocument { document } => caller::see_document(&case, document).await,
        What::Pass { minutes, reason } => pass::give(&case, minutes, &reason).await,
        What::ActivationPass { again, reason } => activation::give(&case, again, &reason).await,
        What::Remove { entry, reason } => remove::remove(&case, &entry, &reason).await,
        What::Unlock { reason } => unlock::unlock(&case, &reason).await,
        What::Release { known_devices, reason } => release::release(&case, known_devices, &reason).await,
    };
    match done {
        Err(Stop::Refused(refusal)) => {
            audit::refused(&case, refusal).await?;
            Err(Stop::Refused(refusal))
        }
        other => other,
    }
}
