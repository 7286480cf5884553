//! Sets the password or unlocks the account: the only function that writes to a directory.

use shared::domain::cookie::HolderCookie;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use shared::change::{AuthorizedChange, ChangeFailure, ChangePorts, FinishPorts};
use shared::domain::account::Account;
use shared::domain::flow::{Flow, Proven, Stage};
use shared::domain::keys::Keyring;
use shared::domain::password::{NewPassword, PasswordPolicy, Person, Violation};
use shared::http::problem::Problem;
use shared::http::view::View;
use shared::http::{App, Failure, HasSite, Incoming, Next, Outcome, Site, answer, serve, violation};
use shared::ports::{
    ClaimStore, Clock, Entropy, FlowStore, MessageQueue, PasswordDirectory, SecurityInfo, Write,
};
use shared::process::{Process, StartError};
use shared::verification::outgoing::Outgoing;

/// How often a double click looks for the first click's answer and claims again, and how long it waits before: two
/// seconds in all, of the ten that a function has.
const POLLS: u8 = 20;
const POLL_EVERY: Duration = Duration::from_millis(100);

/// What this function needs from outside.
pub struct Ports {
    /// Settings and the keys of flows.
    pub site: Site,
    /// The flows.
    pub flows: Arc<dyn FlowStore>,
    /// What is registered.
    pub security_info: Arc<dyn SecurityInfo>,
    /// The right to change an account.
    pub claims: Arc<dyn ClaimStore>,
    /// The directory, to be written to.
    pub directory: Arc<dyn PasswordDirectory>,
    /// The queue to `delivery`.
    pub queue: Arc<dyn MessageQueue>,
    /// The keys of messages.
    pub messages: Arc<Keyring>,
    /// What is asked of a password.
    pub policy: PasswordPolicy,
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
            security_info: process.security_info()?,
            claims: process.claims()?,
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
    /// Those over which a change is made.
    fn of_change(&self) -> ChangePorts<'_> {
        ChangePorts {
            finish: FinishPorts {
                flows: &*self.flows,
                security_info: &*self.security_info,
                outgoing: Outgoing { queue: &*self.queue, messages: &self.messages, entropy: &*self.entropy },
            },
            claims: &*self.claims,
            directory: &*self.directory,
            keys: &self.site.flows,
            own_domains: &self.site.settings.login_domains,
            clock: &*self.clock,
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
    let routes = Router::new()
        .route("/password", get(show_password).post(set_password))
        .route("/unlock", get(show_unlock).post(unlock))
        .route("/done", get(show_done));
    serve(routes, ports)
}

async fn show_password(app: State<App<Ports>>, incoming: Incoming) -> Response {
    answer(app, incoming, async |ports, incoming| show(ports, incoming, Stage::Password).await).await
}

async fn show_unlock(app: State<App<Ports>>, incoming: Incoming) -> Response {
    answer(app, incoming, async |ports, incoming| show(ports, incoming, Stage::Unlock).await).await
}

async fn show_done(app: State<App<Ports>>, incoming: Incoming) -> Response {
    answer(app, incoming, async |ports, incoming| show(ports, incoming, Stage::Done).await).await
}

/// The page of `stage`, if the flow is there.
async fn show(ports: &Ports, incoming: &mut Incoming, stage: Stage) -> Outcome {
    let now = ports.clock.now();
    let (_, found) = incoming.live_flow(&*ports.flows, now).await?;
    if found.value.stage() != stage {
        return Err(Failure::OutOfStep(found.value.stage(), None));
    }
    let view = incoming.view_of(&found.value, now).ok_or(Problem::FlowEnded)?;
    Ok(incoming.page(&view))
}

async fn set_password(app: State<App<Ports>>, incoming: Incoming) -> Response {
    answer(app, incoming, try_set_password).await
}

async fn try_set_password(ports: &Ports, incoming: &mut Incoming) -> Outcome {
    let now = ports.clock.now();
    let (cookie, found) = incoming.live_flow(&*ports.flows, now).await?;
    let page = incoming.view_of(&found.value, now);
    let flow = found.value.proven(Stage::Password)?;
    let on_page = |problem: Problem| match &page {
        Some(page) => Failure::on_page(problem, page.clone()),
        None => problem.into(),
    };

    let mut fields = incoming.take_fields();
    let typed = fields.require("password").map_err(on_page)?;
    let confirmation = fields.require("confirmation").map_err(on_page)?;
    fields.finish()?;

    let reject = |violations: &[Violation]| {
        let of = |one| violation(one, &ports.site.settings, incoming.language);
        let violations = violations.iter().map(of).collect();
        on_page(Problem::PasswordRejected(violations))
    };
    // What needs no look at the account comes first. Of what a password is compared with, earlier ones come last: that
    // tells whether a guess is the present password, and takes one of the flow's claims.
    let password = NewPassword::parse(&typed).map_err(|error| reject(&[ports.policy.explain(error)]))?;
    if !password.is_confirmed_by(&confirmation) {
        return Err(on_page(Problem::ConfirmationDiffers));
    }
    let change = AuthorizedChange::authorize(ports.of_change(), &cookie, found.revision, flow, now).await;
    let change = change.map_err(failure)?;
    let violations = ports.policy.violations(&password, &person(change.account()));
    if !violations.is_empty() {
        return Err(reject(&violations));
    }
    match apply(ports, &cookie, &change, Write::Password(&password)).await {
        Ok(done) => Ok(finished(ports, incoming, &done)),
        Err(ChangeFailure::Rejected(violations)) => Err(reject(&violations)),
        Err(other) => Err(failure(other)),
    }
}

async fn unlock(app: State<App<Ports>>, incoming: Incoming) -> Response {
    answer(app, incoming, try_unlock).await
}

async fn try_unlock(ports: &Ports, incoming: &mut Incoming) -> Outcome {
    let now = ports.clock.now();
    let (cookie, found) = incoming.live_flow(&*ports.flows, now).await?;
    let flow: Proven = found.value.proven(Stage::Unlock)?;
    incoming.take_fields().finish()?;
    let change = AuthorizedChange::authorize(ports.of_change(), &cookie, found.revision, flow, now).await;
    let done = apply(ports, &cookie, &change.map_err(failure)?, Write::Unlock).await.map_err(failure)?;
    Ok(finished(ports, incoming, &done))
}

/// Makes the change. While another request of the same flow is at it (a double click), waits for what comes of it; where
/// that one has given up, makes the change itself.
async fn apply(
    ports: &Ports,
    cookie: &HolderCookie,
    change: &AuthorizedChange<'_>,
    write: Write<'_>,
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

/// What a change that was not made is told as.
fn failure(failure: ChangeFailure) -> Failure {
    match failure {
        ChangeFailure::Ended => Problem::FlowEnded.into(),
        ChangeFailure::Done => Failure::OutOfStep(Stage::Done, None),
        ChangeFailure::Rejected(_) => Problem::PasswordRejected(Vec::new()).into(),
        ChangeFailure::Busy => Problem::Unavailable.into(),
        ChangeFailure::Outside(what, cause) => Failure::Outside(what, cause),
    }
}

fn finished(ports: &Ports, incoming: &Incoming, done: &Flow) -> Response {
    let now = ports.clock.now();
    match incoming.view_of(done, now) {
        Some(view @ View::Done(_)) => incoming.next(&Next { view, location: "/done", cookie: None }),
        _ => incoming.out_of_step(done.stage(), None),
    }
}

fn person(account: &Account) -> Person {
    let email = account.email.iter().filter_map(|email| email.expose().split('@').next());
    Person::new([&account.name], account.logins.iter().map(String::as_str).chain(email))
}
