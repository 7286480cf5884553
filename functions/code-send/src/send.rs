//! `POST /code/send`: creates the challenge of any method that needs one: a code, an approval or a passkey request.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use shared::domain::account::{Contact, Registration};
use shared::domain::approval::Asker;
use shared::domain::contact::PhoneNumber;
use shared::domain::cookie::HolderCookie;
use shared::domain::decoy;
use shared::domain::flow::{APPROVAL_LIFETIME, Choosing, Facts, Flow, PASSKEY_LIFETIME, SendRefusal};
use shared::domain::message::{Message, Purpose, Push};
use shared::domain::method::Method;
use shared::domain::time::{Seconds, Timestamp};
use shared::http::problem::Problem;
use shared::http::view::View;
use shared::http::{App, Failure, Incoming, Next, Outcome, answer, choice_of};
use shared::verification::sent_code::NewCode;
use shared::verification::{self, Refusal, passkey};

use super::{Ports, budgets};

pub(crate) async fn send(app: State<App<Ports>>, incoming: Incoming) -> Response {
    answer(app, incoming, try_send).await
}

async fn try_send(ports: &Ports, incoming: &mut Incoming) -> Outcome {
    let now = ports.clock.now();
    let (cookie, found) = incoming.live_flow(&*ports.flows, now).await?;
    let page = incoming.view_of(&found.value, now);
    let before = found.value.clone();
    let flow = found.value.choosing()?;

    let mut fields = incoming.take_fields();
    let method = Method::parse(&fields.require("method")?).ok_or_else(|| Problem::malformed("method"))?;
    let typed = fields.take("contact");
    fields.finish()?;
    let typed = typed.as_deref().map(String::as_str);
    if let (Method::Passkey, None, true, Some(view)) =
        (method, typed, awaits_passkey(&before, now), page.clone())
    {
        // The challenge is still open, so the browser gets it again instead of a new one.
        return Ok(incoming.next(&Next { view, location: "/code", cookie: None }));
    }
    may_send(ports, &flow, method, page, now)?;
    if !method.is_phone() && typed.is_some() {
        return Err(on_methods(&flow, method, Problem::malformed("contact")));
    }
    let registration = registration(ports, &flow.facts, now).await?;
    let step = Step { ports, incoming, cookie: &cookie, revision: found.revision, before, method, now };
    match method {
        Method::Push => step.ask_device(flow, &registration).await,
        Method::Passkey => step.ask_passkey(flow, &registration).await,
        _ => step.send_code(flow, &registration, typed).await,
    }
}

/// Returns whether a passkey request is still open.
fn awaits_passkey(flow: &Flow, now: Timestamp) -> bool {
    matches!(flow, Flow::AwaitingAnswer(state)
        if state.sent.method == Method::Passkey
        && state.expires_at.is_ahead(now, PASSKEY_LIFETIME))
}

/// Rejects a send that the limits of the flow don't allow, on `page` if the person only has to wait.
fn may_send(
    ports: &Ports,
    flow: &Choosing,
    method: Method,
    page: Option<View>,
    now: Timestamp,
) -> Outcome<()> {
    flow.may_send(method, now, &ports.site.settings.flow).map_err(|refusal| match (refusal, page) {
        (SendRefusal::TooEarly(wait), Some(page)) => Failure::on_page(Problem::SlowDown(wait), page),
        (refusal, _) => on_methods(flow, method, refusal.into()),
    })
}

/// Returns a problem on the page of methods, with one panel open.
fn on_methods(flow: &Choosing, method: Method, problem: Problem) -> Failure {
    Failure::on_page(problem, View::Method(choice_of(flow, Some(method))))
}

/// Returns the enrolled methods, or those of a decoy. Both cost one read.
async fn registration(ports: &Ports, facts: &Facts, now: Timestamp) -> Outcome<Registration> {
    let settings = &ports.site.settings;
    let registered = ports.security_info.registration(&facts.account, now).await?;
    let seeming =
        decoy::registration(&ports.site.flows, &facts.account, None, &settings.methods, facts.steps);
    if facts.decoy {
        return Ok(seeming);
    }
    // A newer generation means that another flow has succeeded since this one opened, so this one is over.
    if registered.generation == facts.generation { Ok(registered) } else { Err(Problem::FlowEnded.into()) }
}

/// One send within a step of the flow.
struct Step<'a> {
    ports: &'a Ports,
    incoming: &'a Incoming,
    cookie: &'a HolderCookie,
    /// The revision that was read, for optimistic locking.
    revision: u64,
    /// The flow that was read, perhaps with an open challenge.
    before: Flow,
    method: Method,
    now: Timestamp,
}

impl Step<'_> {
    /// Sends a code to a contact. For a phone the person must have typed the complete number.
    async fn send_code(&self, flow: Choosing, registration: &Registration, typed: Option<&str>) -> Outcome {
        let Self { ports, cookie, method, now, .. } = *self;
        let unavailable = || on_methods(&flow, method, Problem::MethodUnavailable("method"));
        let contact = registration.contact(method).ok_or_else(unavailable)?;
        let factor = registration.factor(method).ok_or_else(unavailable)?;
        let factor = cookie.factor_tag(&ports.site.flows, &factor).ok_or(Problem::FlowEnded)?;
        if flow.has_used(&factor) {
            return Err(unavailable());
        }
        self.take(&flow, contact, typed).await?;

        let settings = Arc::clone(&ports.site.settings);
        let lifetime = settings.flow.code_lifetime.0.min(flow.facts.expires_at.seconds_after(now));
        let code = NewCode {
            method,
            contact,
            purpose: Purpose::Reset,
            language: flow.facts.language,
            digits: settings.code_digits,
            lifetime: Seconds(lifetime),
            decoy: flow.facts.decoy,
        };
        let made = code.ask(&ports.site.flows, &*ports.entropy, cookie, now);
        let (challenge, message) = made.map_err(|refusal| match refusal {
            Refusal::Failed(error) => Failure::from(error),
            _ => unavailable(),
        })?;
        let code = challenge.code.ok_or(Problem::FlowEnded)?;
        let awaiting = Flow::AwaitingCode(flow.clone().send(method, code, factor, now, &settings.flow));
        let is_ours = |found: &Flow| matches!(found, Flow::AwaitingCode(state) if state.code == code);
        if let Err(found) = self.keep(&awaiting, is_ours).await? {
            self.give_back(&flow).await;
            return self.overtaken(&found);
        }
        ports.outgoing().send(cookie.id(), &[message], Seconds(0)).await?;
        let (step, decoy) = (flow.progress.step(), flow.facts.decoy);
        tracing::info!(event = "code-sent", flow = ?cookie.id(), step, method = method.as_str(), decoy);
        self.asked(&awaiting)
    }

    /// Takes one message from the account's limits. For a phone, an attempt is spent before the numbers are compared.
    async fn take(&self, flow: &Choosing, contact: Contact<'_>, typed: Option<&str>) -> Outcome<()> {
        let Self { ports, cookie, method, now, .. } = *self;
        let taken = if let Contact::Phone(number) = contact {
            let typed = typed.ok_or_else(|| on_methods(flow, method, Problem::malformed("contact")))?;
            // An invalid number was compared with nothing, so it costs no attempt.
            let typed = PhoneNumber::parse(typed, ports.site.settings.home_country)
                .map_err(|_| on_methods(flow, method, Problem::ContactMismatch))?;
            budgets::take_for_number(ports, cookie, flow, method, || number.matches(&typed), now).await
        } else {
            budgets::take(ports, cookie, flow, method, now).await
        };
        taken.map_err(|refusal| {
            let problem = match refusal {
                budgets::Refusal::Exhausted => Problem::MethodUnavailable("method"),
                budgets::Refusal::Mismatch => Problem::ContactMismatch,
                budgets::Refusal::Store(error) => return error.into(),
            };
            let (step, method, reason) = (cookie.step(), method.as_str(), problem.code().as_str());
            tracing::info!(event = "send-refused", flow = ?cookie.id(), step, method, reason);
            on_methods(flow, self.method, problem)
        })
    }

    /// Asks the devices of an account to approve.
    ///
    /// The flow is written first: of two clicks one wins, and only its request is stored. The request is stored only
    /// if no other flow's request is waiting and the owner refused none within a day. Otherwise the flow is restored.
    async fn ask_device(&self, flow: Choosing, registration: &Registration) -> Outcome {
        let Self { ports, cookie, method, now, .. } = *self;
        let unavailable = || on_methods(&flow, method, Problem::MethodUnavailable("method"));
        if !registration.has(method) {
            return Err(unavailable());
        }
        match budgets::take(ports, cookie, &flow, method, now).await {
            Ok(()) => {}
            Err(budgets::Refusal::Store(error)) => return Err(error.into()),
            Err(_) => return Err(unavailable()),
        }
        let (keys, entropy) = (&ports.site.flows, &*ports.entropy);
        let asker = Asker { network: self.incoming.network(), browser: self.incoming.browser.clone() };
        let lifetime = APPROVAL_LIFETIME.0.min(flow.facts.expires_at.seconds_after(now));
        let (challenge, request) =
            verification::approval::ask(keys, entropy, cookie, asker, Seconds(lifetime), now)?;
        let id = challenge.request;
        let awaiting = Flow::AwaitingAnswer(flow.clone().ask(method, id, now, APPROVAL_LIFETIME));
        let is_ours = |found: &Flow| matches!(found, Flow::AwaitingAnswer(state) if state.request == id);
        if let Err(found) = self.keep(&awaiting, is_ours).await? {
            self.give_back(&flow).await;
            return self.overtaken(&found);
        }
        let account = &flow.facts.account;
        if !ports.approvals.ask(account, &request, now).await? {
            self.give_back(&flow).await;
            // A failed restore means that another request has moved the flow on already.
            let _ = ports.flows.replace(cookie.id(), self.revision + 1, &self.before, now).await?;
            return Err(unavailable());
        }
        let push = Push { account: account.clone(), expires_at: challenge.expires_at };
        let message = if flow.facts.decoy { Message::Decoy } else { Message::Push(push) };
        ports.outgoing().send(cookie.id(), &[message], Seconds(0)).await?;
        let (step, decoy) = (flow.progress.step(), flow.facts.decoy);
        tracing::info!(event = "approval-asked", flow = ?cookie.id(), step, decoy);
        self.asked(&awaiting)
    }

    /// Creates a passkey challenge; no message is sent.
    async fn ask_passkey(&self, flow: Choosing, registration: &Registration) -> Outcome {
        let Self { ports, cookie, method, now, .. } = *self;
        if !registration.has(method) {
            return Err(on_methods(&flow, method, Problem::MethodUnavailable("method")));
        }
        let challenge = passkey::ask(&*ports.entropy, now);
        let (step, decoy) = (flow.progress.step(), flow.facts.decoy);
        let awaiting = Flow::AwaitingAnswer(flow.ask(method, challenge.request, now, PASSKEY_LIFETIME));
        if let Err(found) = self.keep(&awaiting, |_| false).await? {
            return self.overtaken(&found);
        }
        tracing::info!(event = "passkey-asked", flow = ?cookie.id(), step, decoy);
        self.asked(&awaiting)
    }

    /// Stores the flow with its challenge. If another request changed the flow in between, returns what it became.
    /// `is_ours` recognises our own write after its response was lost.
    async fn keep(&self, awaiting: &Flow, is_ours: impl Fn(&Flow) -> bool) -> Outcome<Result<(), Flow>> {
        let Self { ports, cookie, revision, now, .. } = *self;
        if ports.flows.replace(cookie.id(), revision, awaiting, now).await? {
            return Ok(Ok(()));
        }
        let found = ports.flows.load(cookie.id(), now).await?.ok_or(Problem::FlowEnded)?.value;
        Ok(if is_ours(&found) { Ok(()) } else { Err(found) })
    }

    /// Refunds the message that was taken and won't be sent.
    async fn give_back(&self, flow: &Choosing) {
        let given = budgets::give_back(self.ports, flow, self.method.factor(), self.now).await;
        if given.is_err() {
            tracing::warn!(event = "budget-not-returned", flow = ?self.cookie.id());
        }
    }

    /// Redirects to the page that waits for the answer.
    fn asked(&self, awaiting: &Flow) -> Outcome {
        let view = self.incoming.view_of(awaiting, self.now).ok_or(Problem::FlowEnded)?;
        Ok(self.incoming.next(&Next { view, location: "/code", cookie: None }))
    }

    /// Handles a lost race, usually a double click. A code or request that is on its way already is what the person
    /// wanted.
    fn overtaken(&self, found: &Flow) -> Outcome {
        let is_awaiting = matches!(found, Flow::AwaitingCode(_) | Flow::AwaitingAnswer(_));
        if is_awaiting && found.proofs() == self.cookie.verified() {
            return self.asked(found);
        }
        Err(Failure::OutOfStep(found.stage(), None))
    }
}
