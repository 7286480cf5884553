//! Sets the password or unlocks the account. No other function writes to a directory.

use shared::domain::cookie::HolderCookie;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use shared::change::{AuthorizedChange, ChangeFailure, ChangePorts, FinishPorts};
use shared::domain::account::{Account, AccountId};
use shared::domain::flow::{AllVerified, Flow, Stage};
use shared::domain::keys::Keyring;
use shared::domain::password::{NewPassword, PasswordPolicy, Person, Violation};
use shared::domain::time::Timestamp;
use shared::http::problem::Problem;
use shared::http::view::View;
use shared::http::{
    App, AppContext, Format, HandlerError, HandlerResult, HasAppContext, IncomingRequest, NewCookie,
    NextPage, respond, serve, violation,
};
use shared::ports::{
    Clock, DirectoryError, DirectoryWrite, Entropy, EntropyExt as _, FlowStore, LeaseStore, MessageQueue,
    PasswordDirectory, SecurityInfoStore, Versioned,
};
use shared::process::{Process, StartError};
use shared::verification::outgoing::Outgoing;

/// Polls after a double click: how often it looks for the first click's result and requests the lease again. With the
/// pause between them they take two seconds of the function's ten.
const POLLS: u8 = 20;
const POLL_EVERY: Duration = Duration::from_millis(100);

/// The ports of `password-set`. No other function has a [`PasswordDirectory`].
pub struct Ports {
    /// Settings and the flow keys, which compute cookies and pseudonyms.
    pub app: AppContext,
    /// Stores the result of the change in its flow.
    pub flows: Arc<dyn FlowStore>,
    /// The contacts to notify, and the generation of the account.
    pub security_info: Arc<dyn SecurityInfoStore>,
    /// The lease: the exclusive right to change one account for 30 s.
    pub leases: Arc<dyn LeaseStore>,
    /// Writes passwords and unlocks accounts.
    pub directory: Arc<dyn PasswordDirectory>,
    /// Takes notifications, and the message to reconcile the change, to `delivery`.
    pub queue: Arc<dyn MessageQueue>,
    /// Seals the messages in the queue.
    pub messages: Arc<Keyring>,
    /// The rules for new passwords: length, classes, history, common and own words.
    pub policy: PasswordPolicy,
    /// Flow and lease expiry are compared with this clock.
    pub clock: Arc<dyn Clock>,
    /// Random bytes for message seals.
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
            security_info: process.security_info()?,
            leases: process.leases()?,
            directory: process.password_directory()?,
            queue: process.queue()?,
            messages: process.keyring("REKEY_SECRET_MESSAGES")?,
            policy: process.password_policy()?,
            clock: process.clock(),
            entropy: process.entropy(),
        })
    }
}

impl Ports {
    /// Groups the ports that a change needs.
    fn change_ports(&self) -> ChangePorts<'_> {
        ChangePorts {
            finish: FinishPorts {
                flows: &*self.flows,
                security_info: &*self.security_info,
                outgoing: Outgoing { queue: &*self.queue, messages: &self.messages, entropy: &*self.entropy },
            },
            leases: &*self.leases,
            directory: &*self.directory,
            keys: &self.app.flows,
            own_domains: &self.app.settings.login_domains,
            clock: &*self.clock,
        }
    }
}

impl HasAppContext for Ports {
    fn app_context(&self) -> &AppContext {
        &self.app
    }
}

/// Routes the pages that set a password or unlock.
pub fn router(ports: Ports) -> Router {
    let routes = Router::new()
        .route("/password", get(show_password).post(set_password))
        .route("/unlock", get(show_unlock).post(unlock))
        .route("/done", get(show_done).post(remember));
    serve(routes, ports)
}

async fn show_password(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| show(ports, incoming, Stage::Password).await).await
}

async fn show_unlock(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| show(ports, incoming, Stage::Unlock).await).await
}

async fn show_done(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| show(ports, incoming, Stage::Done).await).await
}

/// Returns the page of `stage` if the flow has reached it.
async fn show(ports: &Ports, incoming: &mut IncomingRequest, stage: Stage) -> HandlerResult {
    let now = ports.clock.now();
    let (_, found) = incoming.live_flow(&*ports.flows, now).await?;
    if found.value.stage() != stage {
        return Err(HandlerError::OutOfStep(found.value.stage(), None));
    }
    let mut view = incoming.view_of(&found.value, now).ok_or(Problem::FlowEnded)?;
    add_own_words(ports, incoming.format, &found.value.context().account, &mut view).await;
    Ok(incoming.page(&view))
}

/// Adds the person's own words to the page of a new password, so that it suggests none with them. The page is complete
/// without: a submitted password is checked whether it was suggested or not.
async fn add_own_words(ports: &Ports, format: Format, account: &AccountId, view: &mut View) {
    let (View::Password(page), Format::Html) = (view, format) else { return };
    match ports.directory.account(account).await {
        Ok(Some(account)) => page.own_words = person(&account).words().to_vec(),
        Ok(None) => {}
        Err(DirectoryError(cause)) => {
            tracing::warn!(event = "directory.read_failed", operation = "own words", reason = %cause);
        }
    }
}

async fn set_password(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, try_set_password).await
}

async fn try_set_password(ports: &Ports, incoming: &mut IncomingRequest) -> HandlerResult {
    let now = ports.clock.now();
    let (cookie, found) = incoming.live_flow(&*ports.flows, now).await?;
    let account = found.value.context().account.clone();
    let mut result = set_password_of(ports, incoming, cookie, found, now).await;
    if let Err(HandlerError::Problem(_, Some(page))) = &mut result {
        add_own_words(ports, incoming.format, &account, page).await;
    }
    result
}

async fn set_password_of(
    ports: &Ports,
    incoming: &mut IncomingRequest,
    cookie: HolderCookie,
    found: Versioned<Flow>,
    now: Timestamp,
) -> HandlerResult {
    let page = incoming.view_of(&found.value, now);
    let flow = found.value.all_verified(Stage::Password)?;
    let rules = ports.app.settings.password.of_account(flow.context.password_policy.as_ref());
    let on_page = |problem: Problem| match &page {
        Some(page) => HandlerError::on_page(problem, page.clone()),
        None => problem.into(),
    };

    let mut fields = incoming.take_fields();
    let typed = fields.require("password").map_err(on_page)?;
    let confirmation = fields.require("confirmation").map_err(on_page)?;
    fields.finish()?;

    let reject = |violations: &[Violation]| {
        let of = |one| violation(one, &rules, incoming.language);
        let violations = violations.iter().map(of).collect();
        on_page(Problem::PasswordRejected(violations))
    };
    // Checks without the account come first. The comparison with earlier passwords comes last. It reveals whether
    // the submitted password is the current one, and costs one of the flow's password changes.
    let policy = rules.applied_to(&ports.policy);
    let password = NewPassword::parse(&typed).map_err(|error| reject(&[policy.explain(error)]))?;
    if !password.is_confirmed_by(&confirmation) {
        return Err(on_page(Problem::ConfirmationDiffers));
    }
    let change = AuthorizedChange::authorize(ports.change_ports(), &cookie, found.revision, flow, now).await;
    let change = change.map_err(failure)?;
    let violations = policy.violations(&password, &person(change.account()));
    if !violations.is_empty() {
        return Err(reject(&violations));
    }
    match apply(ports, &cookie, &change, DirectoryWrite::Password(&password)).await {
        Ok(done) => Ok(finished(ports, incoming, &done)),
        Err(ChangeFailure::Rejected(violations)) => Err(reject(&violations)),
        Err(other) => Err(failure(other)),
    }
}

async fn unlock(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, try_unlock).await
}

async fn try_unlock(ports: &Ports, incoming: &mut IncomingRequest) -> HandlerResult {
    let now = ports.clock.now();
    let (cookie, found) = incoming.live_flow(&*ports.flows, now).await?;
    let flow: AllVerified = found.value.all_verified(Stage::Unlock)?;
    incoming.take_fields().finish()?;
    let change = AuthorizedChange::authorize(ports.change_ports(), &cookie, found.revision, flow, now).await;
    let done =
        apply(ports, &cookie, &change.map_err(failure)?, DirectoryWrite::Unlock).await.map_err(failure)?;
    Ok(finished(ports, incoming, &done))
}

/// `POST /done`: makes the browser a known device of the account.
async fn remember(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, try_remember).await
}

async fn try_remember(ports: &Ports, incoming: &mut IncomingRequest) -> HandlerResult {
    let now = ports.clock.now();
    let (cookie, found) = incoming.live_flow(&*ports.flows, now).await?;
    let Flow::Done(mut done) = found.value else {
        return Err(HandlerError::OutOfStep(found.value.stage(), None));
    };
    incoming.take_remember()?;
    let account = &done.context.account;
    let epoch = ports.security_info.registration(account, now).await?.device_epoch;
    // The epoch has moved since, by a reset elsewhere or by "It wasn't me": this browser is no device of the owner.
    if done.device_epoch != Some(epoch) {
        return Err(Problem::FlowEnded.into());
    }
    let value = incoming.remember_device(account, epoch, ports.entropy.bytes(), now)?;
    done.context.known_device = true;
    let done = Flow::Done(done);
    // The page of a later visit says so. After a lost race the other request has written the same.
    let _ = ports.flows.replace(cookie.id(), found.revision, &done, now).await?;
    tracing::info!(event = "known_device.added", flow = ?cookie.id());
    let view = incoming.view_of(&done, now).ok_or(Problem::FlowEnded)?;
    Ok(incoming.next_page(&NextPage { view, location: "/done", cookie: Some(NewCookie::Device(&value)) }))
}

/// Makes the change. While another request of the same flow makes it (double click), waits for that result. If the
/// other request gave up, makes the change itself.
async fn apply(
    ports: &Ports,
    cookie: &HolderCookie,
    change: &AuthorizedChange<'_>,
    write: DirectoryWrite<'_>,
) -> Result<Flow, ChangeFailure> {
    let mut applied = change.apply(write).await;
    for _ in 0..POLLS {
        if !matches!(applied, Err(ChangeFailure::Busy)) {
            break;
        }
        tokio::time::sleep(POLL_EVERY).await;
        let found = ports.flows.load(cookie.id(), ports.clock.now()).await?;
        match found.map(|found| found.value.stage()) {
            Some(Stage::Done) => return Err(ChangeFailure::Done),
            Some(Stage::Password | Stage::Unlock) => applied = change.apply(write).await,
            _ => return Err(ChangeFailure::Ended),
        }
    }
    applied
}

/// Maps a failed change to the problem that the page shows.
fn failure(failure: ChangeFailure) -> HandlerError {
    match failure {
        ChangeFailure::Ended => Problem::FlowEnded.into(),
        ChangeFailure::Done => HandlerError::OutOfStep(Stage::Done, None),
        ChangeFailure::Rejected(_) => Problem::PasswordRejected(Vec::new()).into(),
        ChangeFailure::Busy => Problem::Unavailable.into(),
        ChangeFailure::NotPermitted => Problem::ChangeNotPermitted.into(),
        ChangeFailure::Unconfirmed => Problem::ChangeUnconfirmed.into(),
        ChangeFailure::PortFailed(what, cause) => HandlerError::PortFailed(what, cause),
    }
}

fn finished(ports: &Ports, incoming: &IncomingRequest, done: &Flow) -> Response {
    let now = ports.clock.now();
    match incoming.view_of(done, now) {
        Some(view @ View::Done(_)) => incoming.next_page(&NextPage { view, location: "/done", cookie: None }),
        _ => incoming.out_of_step(done.stage(), None),
    }
}

fn person(account: &Account) -> Person {
    let email = account.email.iter().filter_map(|email| email.expose().split('@').next());
    Person::new([&account.name], account.logins.iter().map(String::as_str).chain(email))
}
