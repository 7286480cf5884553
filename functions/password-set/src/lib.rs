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

/// How often a double click looks for the first click's answer, and how long it waits before each look: two seconds
/// in all, of the ten that a function has.
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
    // What needs no look at the account comes first. Of what a password is compared with, the dearest comes last: it
    // tells whether a guess is the present password, so it is spent from what the flow has.
    let password = NewPassword::parse(&typed).map_err(|error| reject(&[ports.policy.explain(error)]))?;
    if !password.is_confirmed_by(&confirmation) {
        return Err(on_page(Problem::ConfirmationDiffers));
    }
    let change = AuthorizedChange::authorize(ports.of_change(), &cookie, found.revision, flow, now).await;
    let change = change.map_err(failure)?;
    // After a double click, or a lost answer, the rules would find the password used already.
    if !change.is_made().await.map_err(failure)? {
        let violations = ports.policy.violations(&password, &person(change.account()));
        if !violations.is_empty() {
            return Err(reject(&violations));
        }
        let violations = change.check(&password).await.map_err(failure)?;
        if !violations.is_empty() {
            return Err(reject(&violations));
        }
    }
    match change.apply(Write::Password(&password)).await {
        Ok(done) => Ok(finished(ports, incoming, &done)),
        Err(ChangeFailure::Rejected(violations)) => Err(reject(&violations)),
        Err(ChangeFailure::Busy) => Err(doubled(ports, &cookie).await),
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
    match change.map_err(failure)?.apply(Write::Unlock).await {
        Ok(done) => Ok(finished(ports, incoming, &done)),
        Err(ChangeFailure::Busy) => Err(doubled(ports, &cookie).await),
        Err(other) => Err(failure(other)),
    }
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

/// The same flow is already at it (a double click): waits for what comes of it.
async fn doubled(ports: &Ports, cookie: &HolderCookie) -> Failure {
    for _ in 0..POLLS {
        tokio::time::sleep(POLL_EVERY).await;
        match ports.flows.load(cookie.id(), ports.clock.now()).await {
            Ok(Some(found)) if found.value.stage() == Stage::Done => {
                return Failure::OutOfStep(Stage::Done, None);
            }
            Ok(Some(_)) => {}
            Ok(None) => return Problem::FlowEnded.into(),
            Err(error) => return error.into(),
        }
    }
    Problem::Unavailable.into()
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
