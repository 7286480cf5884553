//! Sets the password or unlocks the account: the only function that writes to a directory.

mod change;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use shared::domain::account::Account;
use shared::domain::flow::{Flow, Proven, Stage};
use shared::domain::keys::Keyring;
use shared::domain::password::{NewPassword, PasswordPolicy, Person, Violation};
use shared::http::problem::{Code, Problem};
use shared::http::view::View;
use shared::http::{App, Failure, HasSite, Incoming, Next, Outcome, Site, answer, serve, violation};
use shared::ports::{ClaimStore, Clock, DirectoryWriter, Entropy, FlowStore, MessageQueue, SecurityInfo};

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
    pub directory: Arc<dyn DirectoryWriter>,
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
    let view = incoming.view_of(&found.value, now).ok_or(Code::FlowEnded)?;
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
        on_page(Problem { violations, field: Some("password"), ..Problem::new(Code::PasswordRejected) })
    };
    let password = NewPassword::parse(&typed).map_err(|error| reject(&[ports.policy.explain(error)]))?;
    let (id, history) = (&flow.facts.account, ports.policy.history());
    let account = ports.directory.account_and_reuse(id, password.expose(), history).await?;
    let (account, reused) = account.ok_or(Code::FlowEnded)?;
    let owner = change::owner(ports, &cookie, &flow, account, now).await?;
    if change::is_made(ports, &cookie, &flow, &owner).await? {
        // A double click, or a second attempt after a lost answer: the rules would find the password used already.
        let change = change::Change::Password(&password);
        let done = change::carry_out(ports, &cookie, found.revision, flow, &owner, change, now).await?;
        return Ok(finished(ports, incoming, &done));
    }
    let mut violations = ports.policy.violations(&password, &person(&owner.account));
    if reused {
        violations.push(Violation::Previous);
    }
    if !violations.is_empty() {
        return Err(reject(&violations));
    }
    if !password.is_confirmed_by(&confirmation) {
        let field = Some("confirmation");
        return Err(on_page(Problem { field, ..Problem::new(Code::ConfirmationDiffers) }));
    }
    let change = change::Change::Password(&password);
    let done = change::carry_out(ports, &cookie, found.revision, flow, &owner, change, now).await?;
    Ok(finished(ports, incoming, &done))
}

async fn unlock(app: State<App<Ports>>, incoming: Incoming) -> Response {
    answer(app, incoming, try_unlock).await
}

async fn try_unlock(ports: &Ports, incoming: &mut Incoming) -> Outcome {
    let now = ports.clock.now();
    let (cookie, found) = incoming.live_flow(&*ports.flows, now).await?;
    let flow: Proven = found.value.proven(Stage::Unlock)?;
    incoming.take_fields().finish()?;
    let account = ports.directory.account(&flow.facts.account).await?.ok_or(Code::FlowEnded)?;
    let owner = change::owner(ports, &cookie, &flow, account, now).await?;
    let change = change::Change::Unlock;
    let done = change::carry_out(ports, &cookie, found.revision, flow, &owner, change, now).await?;
    Ok(finished(ports, incoming, &done))
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
