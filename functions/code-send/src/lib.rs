//! Checks the number, takes from the budgets, makes the code and queues its message.
//!
//! Everything here happens alike for a decoy: the same reads and writes on its own keys, a message of the same
//! length. Only the code's tag is one that no code has, and the message says nothing.

mod budgets;
mod passkey;
mod push;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use shared::domain::account::{Contact, Registration};
use shared::domain::budget::Pool;
use shared::domain::code::OneTimeCode;
use shared::domain::contact::PhoneNumber;
use shared::domain::decoy;
use shared::domain::flow::{Facts, Flow, FlowCookie};
use shared::domain::keys::{Keyring, Tag};
use shared::domain::message::{Message, Purpose};
use shared::domain::method::Method;
use shared::domain::time::{Seconds, Timestamp};
use shared::http::problem::Problem;
use shared::http::view::View;
use shared::http::{App, Failure, HasSite, Incoming, Next, Outcome, Site, answer, choice_of, code_of, serve};
use shared::ports::{
    ApprovalStore, BudgetStore, Clock, Entropy, EntropyExt as _, FlowStore, MessageQueue, SecurityInfo,
    Versioned,
};
use shared::process::{Process, StartError};
use shared::verification::outgoing::Outgoing;
use shared::verification::sent_code::NewCode;

/// What this function needs from outside.
pub struct Ports {
    /// Settings and the keys of flows.
    pub site: Site,
    /// The flows.
    pub flows: Arc<dyn FlowStore>,
    /// The budgets.
    pub budgets: Arc<dyn BudgetStore>,
    /// What is registered.
    pub security_info: Arc<dyn SecurityInfo>,
    /// The requests to devices.
    pub approvals: Arc<dyn ApprovalStore>,
    /// The queue to `delivery`.
    pub queue: Arc<dyn MessageQueue>,
    /// The keys of messages.
    pub messages: Arc<Keyring>,
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
            budgets: process.budgets()?,
            security_info: process.security_info()?,
            approvals: process.approvals()?,
            queue: process.queue()?,
            messages: process.keyring("REKEY_SECRET_MESSAGES")?,
            clock: process.clock(),
            entropy: process.entropy(),
        })
    }

    /// The way to `delivery`.
    fn outgoing(&self) -> Outgoing<'_> {
        Outgoing { queue: &*self.queue, messages: &self.messages, entropy: &*self.entropy }
    }
}

impl HasSite for Ports {
    fn site(&self) -> &Site {
        &self.site
    }
}

/// The route of this function.
pub fn router(ports: Ports) -> Router {
    serve(Router::new().route("/code/send", post(send)), ports)
}

async fn send(app: State<App<Ports>>, incoming: Incoming) -> Response {
    answer(app, incoming, try_send).await
}

async fn try_send(ports: &Ports, incoming: &mut Incoming) -> Outcome {
    let now = ports.clock.now();
    let settings = Arc::clone(&ports.site.settings);
    let (cookie, found) = incoming.live_flow(&*ports.flows, now).await?;
    let page = incoming.view_of(&found.value, now);
    let asked = passkey::is_asked(&found.value, now);
    let revision = found.revision;
    let before = found.value.clone();
    let flow = found.value.choosing()?;

    let mut fields = incoming.take_fields();
    let method = Method::parse(&fields.require("method")?).ok_or_else(|| Problem::malformed("method"))?;
    let typed = fields.take("contact");
    fields.finish()?;

    if let (true, Method::Passkey, None, Some(View::Passkey(page))) = (asked, method, &typed, &page) {
        // The browser comes back for what it was given: there is nothing to ask anew.
        return Ok(incoming.next(&Next {
            view: View::Passkey(page.clone()),
            location: "/code",
            cookie: None,
        }));
    }
    let on_methods =
        |problem: Problem| Failure::on_page(problem, View::Method(choice_of(&flow, Some(method))));
    flow.may_send(method, now, &settings.flow).map_err(|refusal| {
        let problem = Problem::from(refusal);
        match (&page, &problem) {
            (Some(page), Problem::SlowDown(_)) => Failure::on_page(problem, page.clone()),
            _ => on_methods(problem),
        }
    })?;
    if !method.is_phone() && typed.is_some() {
        return Err(on_methods(Problem::malformed("contact")));
    }
    let registration = registration(ports, &flow.facts, now).await?;
    if method == Method::Push {
        let read = push::Read { cookie: &cookie, revision, flow: before };
        return push::ask(ports, incoming, read, flow, &registration, now).await;
    }
    if method == Method::Passkey {
        if !registration.has(method) {
            return Err(on_methods(Problem::MethodUnavailable("method")));
        }
        return passkey::ask(ports, incoming, &cookie, Versioned { value: flow, revision }, now).await;
    }
    let unavailable = || on_methods(Problem::MethodUnavailable("method"));
    let contact = registration.contact(method).ok_or_else(unavailable)?;
    let fingerprint =
        cookie.contact_tag(&ports.site.flows, &contact.canonical()).ok_or(Problem::FlowEnded)?;
    if flow.has_used(&fingerprint) {
        return Err(unavailable());
    }

    let sent = if let Contact::Phone(number) = contact {
        let typed = typed.ok_or_else(|| on_methods(Problem::malformed("contact")))?;
        let mismatch = || on_methods(Problem::ContactMismatch);
        // What is no number was not compared with anything, so it costs nothing.
        let typed = PhoneNumber::parse(&typed, settings.home_country).map_err(|_| mismatch())?;
        budgets::take_for_number(ports, &cookie, &flow, method, || number.matches(&typed), now).await
    } else {
        budgets::take(ports, &cookie, &flow, method, now).await
    };
    sent.map_err(|refusal| {
        let problem = match refusal {
            budgets::Refusal::Exhausted => Problem::MethodUnavailable("method"),
            budgets::Refusal::Mismatch => Problem::ContactMismatch,
            budgets::Refusal::Store(error) => return error.into(),
        };
        let (step, method, reason) = (cookie.step(), method.as_str(), problem.code().as_str());
        tracing::info!(event = "send-refused", flow = ?cookie.key(), step, method, reason);
        on_methods(problem)
    })?;

    let code = OneTimeCode::generate(settings.code_digits, ports.entropy.bytes());
    let (message, tag) = message(ports, &flow.facts, &cookie, method, contact, &code, now)?;
    let awaiting = flow.send(method, tag, fingerprint, now, &settings.flow);
    let view = View::Code(code_of(&awaiting, &settings, now));
    let (step, decoy) = (awaiting.progress.step(), awaiting.facts.decoy);
    let account = awaiting.facts.account.clone();
    if !ports.flows.replace(cookie.key(), revision, &Flow::AwaitingCode(awaiting), now).await? {
        // Somebody changed the flow between our read and our write, or our own write's answer was lost and it was
        // tried again: then our code is there, and its message must follow.
        let found = ports.flows.load(cookie.key(), now).await?.ok_or(Problem::FlowEnded)?.value;
        if !matches!(&found, Flow::AwaitingCode(state) if state.code == tag) {
            let given = budgets::give_back(ports, &account, method.factor(), Pool::of_step(step), now).await;
            if given.is_err() {
                tracing::warn!(event = "budget-not-returned", flow = ?cookie.key());
            }
            return overtaken(incoming, &cookie, &found, now);
        }
    }
    ports.outgoing().send(cookie.key(), &[message], Seconds(0)).await?;
    tracing::info!(event = "code-sent", flow = ?cookie.key(), step, method = method.as_str(), decoy);
    Ok(incoming.next(&Next { view, location: "/code", cookie: None }))
}

/// What is registered now, or what a decoy seems to have. Both cost one read.
async fn registration(ports: &Ports, facts: &Facts, now: Timestamp) -> Outcome<Registration> {
    let settings = &ports.site.settings;
    let registered = ports.security_info.registration(&facts.account, now).await?;
    let seeming =
        decoy::registration(&ports.site.flows, &facts.account, None, &settings.methods, facts.steps);
    if facts.decoy {
        return Ok(seeming);
    }
    // Another flow has succeeded since this one was opened: it is over.
    if registered.generation == facts.generation { Ok(registered) } else { Err(Problem::FlowEnded.into()) }
}

fn message(
    ports: &Ports,
    facts: &Facts,
    cookie: &FlowCookie,
    method: Method,
    contact: Contact<'_>,
    code: &OneTimeCode,
    now: Timestamp,
) -> Outcome<(Message, Tag)> {
    let tag = cookie.code_tag(&ports.site.flows, code).ok_or(Problem::FlowEnded)?;
    let nobodys = Tag::from_bytes(ports.entropy.bytes());
    if facts.decoy {
        return Ok((Message::Decoy, nobodys));
    }
    let settings = &ports.site.settings;
    let expires_at = facts.expires_at.min(now + settings.flow.code_lifetime);
    let (purpose, language) = (Purpose::Reset, facts.language);
    let code = NewCode { code, method, contact, purpose, language, expires_at };
    Ok((code.message(now).ok_or(Problem::MethodUnavailable("method"))?, tag))
}

/// Somebody else was faster: a double click on the same button, most likely. If a code or a request is on its way, that
/// is what was asked for.
fn overtaken(incoming: &Incoming, cookie: &FlowCookie, found: &Flow, now: Timestamp) -> Outcome {
    let is_awaiting = matches!(found, Flow::AwaitingCode(_) | Flow::AwaitingAnswer(_));
    match incoming.view_of(found, now) {
        Some(view) if is_awaiting && found.proofs() == cookie.proofs() => {
            Ok(incoming.next(&Next { view, location: "/code", cookie: None }))
        }
        _ => Err(Failure::OutOfStep(found.stage(), None)),
    }
}
