//! `POST /code/send`: creates the challenge of any method that needs one: a code, an approval or a passkey request.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use shared::domain::account::{Contact, Registration};
use shared::domain::account_limits::{Client, Use};
use shared::domain::approval::RequestStatus;
use shared::domain::contact::PhoneNumber;
use shared::domain::cookie::HolderCookie;
use shared::domain::decoy;
use shared::domain::flow::{
    APPROVAL_LIFETIME, AwaitingAnswer, Choosing, Flow, FlowContext, PASSKEY_LIFETIME, SendRefusal,
};
use shared::domain::message::{ApprovalPush, Message, Purpose, SmsShare};
use shared::domain::method::Method;
use shared::domain::time::{Seconds, Timestamp};
use shared::http::problem::Problem;
use shared::http::view::{Approval, ApprovalStatus, View};
use shared::http::{App, HandlerError, HandlerResult, IncomingRequest, NextPage, choice_of, respond};
use shared::verification::sent_code::NewCode;
use shared::verification::{self, Refusal, passkey};

use super::Ports;
use super::rate_limits::{self, Sender};

pub(crate) async fn send(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, try_send).await
}

async fn try_send(ports: &Ports, incoming: &mut IncomingRequest) -> HandlerResult {
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
        return Ok(incoming.next_page(&NextPage { view, location: "/code", cookie: None }));
    }
    let page = match (&before, page) {
        (Flow::AwaitingAnswer(state), Some(View::Approval(page))) => {
            Some(View::Approval(current_approval(ports, &cookie, state, page).await?))
        }
        (_, page) => page,
    };
    may_send(ports, &flow, method, page, now)?;
    if !method.is_phone() && typed.is_some() {
        return Err(on_methods(&flow, method, Problem::malformed("contact")));
    }
    let registration = registration(ports, &flow.context, now).await?;
    let step = Step { ports, incoming, cookie: &cookie, revision: found.revision, before, method, now };
    match method {
        Method::Push => step.request_approval(flow, &registration).await,
        Method::Passkey => step.request_passkey(flow, &registration).await,
        _ => step.send_code(flow, &registration, typed).await,
    }
}

/// Returns whether a passkey request is still open.
fn awaits_passkey(flow: &Flow, now: Timestamp) -> bool {
    matches!(flow, Flow::AwaitingAnswer(state)
        if state.sent.method == Method::Passkey
        && state.expires_at.is_ahead(now, PASSKEY_LIFETIME))
}

/// Returns the page of an approval request with its present status: a wrong number has ended it.
async fn current_approval(
    ports: &Ports,
    cookie: &HolderCookie,
    flow: &AwaitingAnswer,
    mut page: Approval,
) -> HandlerResult<Approval> {
    let account = &flow.context.account;
    let request = verification::approval::request(&*ports.approvals, cookie, account, flow.request).await?;
    if request.is_some_and(|request| request.status == RequestStatus::Wrong) {
        page.status = ApprovalStatus::Ended;
    }
    Ok(page)
}

/// Rejects a send that the limits of the flow don't allow, on `page` if the person only has to wait.
fn may_send(
    ports: &Ports,
    flow: &Choosing,
    method: Method,
    page: Option<View>,
    now: Timestamp,
) -> HandlerResult<()> {
    flow.may_send(method, now, &ports.app.settings.flow).map_err(|refusal| match (refusal, page) {
        (SendRefusal::TooEarly(wait), Some(page)) => HandlerError::on_page(Problem::SlowDown(wait), page),
        (refusal, _) => on_methods(flow, method, refusal.into()),
    })
}

/// Returns a problem on the page of methods, with one panel open.
fn on_methods(flow: &Choosing, method: Method, problem: Problem) -> HandlerError {
    HandlerError::on_page(problem, View::Method(choice_of(flow, Some(method))))
}

/// Returns the enrolled methods, or those of a decoy. Both cost one read.
async fn registration(ports: &Ports, context: &FlowContext, now: Timestamp) -> HandlerResult<Registration> {
    let registered = ports.security_info.registration(&context.account, now).await?;
    let decoy_methods = decoy::registration(&context.offers);
    if context.decoy {
        return Ok(decoy_methods);
    }
    // A newer generation means that another flow has succeeded since this one opened, so this one is over.
    if registered.generation == context.generation { Ok(registered) } else { Err(Problem::FlowEnded.into()) }
}

/// One send within a step of the flow.
struct Step<'a> {
    ports: &'a Ports,
    incoming: &'a IncomingRequest,
    cookie: &'a HolderCookie,
    /// The revision that was read, for optimistic locking.
    revision: u64,
    /// The flow that was read, perhaps with an open challenge.
    before: Flow,
    method: Method,
    now: Timestamp,
}

impl Step<'_> {
    /// Returns the one who takes from the account's limits.
    fn sender(&self, flow: &Choosing) -> Sender<'_> {
        let client = Client { network: self.incoming.network_tag(), known_device: flow.context.known_device };
        Sender { ports: self.ports, cookie: self.cookie, client, now: self.now }
    }

    /// Sends a code to a contact. For a phone the person must have typed the complete number.
    async fn send_code(
        &self,
        flow: Choosing,
        registration: &Registration,
        typed: Option<&str>,
    ) -> HandlerResult {
        let Self { ports, cookie, method, now, .. } = *self;
        let unavailable = || on_methods(&flow, method, Problem::MethodUnavailable("method"));
        let contact = registration.contact(method).ok_or_else(unavailable)?;
        let factor = registration.factor(method).ok_or_else(unavailable)?;
        let factor = cookie.factor_tag(&ports.app.flows, &factor).ok_or(Problem::FlowEnded)?;
        if flow.has_used(&factor) {
            return Err(unavailable());
        }
        // The last code went to the same number, so the person has typed it already (WCAG 2.2, 3.3.7).
        let is_known = matches!(&self.before, Flow::AwaitingCode(before) if before.contact == factor);
        let used = self.acquire(&flow, contact, typed, is_known).await?;

        let settings = Arc::clone(&ports.app.settings);
        let lifetime = settings.flow.code_lifetime.0.min(flow.context.expires_at.seconds_after(now));
        let code = NewCode {
            method,
            contact,
            purpose: Purpose::Reset,
            share: SmsShare::of_reset(
                flow.progress.step(),
                flow.context.known_device,
                registration.redeemed_lately(method, now),
            ),
            login: flow.context.login.as_deref(),
            requester: Some(self.incoming.requester(flow.context.known_device)),
            language: flow.context.language,
            digits: settings.code_digits,
            lifetime: Seconds(lifetime),
            decoy: flow.context.decoy,
        };
        let made = code.ask(&ports.app.flows, &*ports.entropy, cookie, now);
        let (challenge, message) = made.map_err(|refusal| match refusal {
            Refusal::Failed(error) => HandlerError::from(error),
            _ => unavailable(),
        })?;
        let code = challenge.code.ok_or(Problem::FlowEnded)?;
        let awaiting = Flow::AwaitingCode(flow.clone().send(method, code, factor, now, &settings.flow));
        let is_ours = |found: &Flow| matches!(found, Flow::AwaitingCode(state) if state.code == code);
        if let Err(found) = self.store_challenge(&awaiting, is_ours).await? {
            self.refund(&flow, used).await;
            return self.on_lost_race(&found);
        }
        ports.outgoing().send(cookie.id(), &[message], Seconds(0)).await?;
        let (step, decoy) = (flow.progress.step(), flow.context.decoy);
        tracing::info!(event = "code.sent", flow = ?cookie.id(), step, method = method.as_str(), decoy);
        self.challenge_page(&awaiting)
    }

    /// Acquires one message of the account's limits, and returns its use. For a phone, an attempt is spent before the
    /// numbers are compared, unless `is_known`.
    async fn acquire(
        &self,
        flow: &Choosing,
        contact: Contact<'_>,
        typed: Option<&str>,
        is_known: bool,
    ) -> HandlerResult<Use> {
        let Self { ports, cookie, method, .. } = *self;
        let typed_for = if is_known && typed.is_none() { None } else { Some(contact) };
        let acquired = if let Some(Contact::Phone(number)) = typed_for {
            let typed = typed.ok_or_else(|| on_methods(flow, method, Problem::malformed("contact")))?;
            // An invalid number was compared with nothing, so it costs no attempt.
            let typed = PhoneNumber::parse_without_extension(typed, ports.app.settings.home_country)
                .map_err(|_| on_methods(flow, method, Problem::ContactMismatch))?;
            self.sender(flow).try_acquire_for_number(flow, method, || number.matches(&typed)).await
        } else {
            self.sender(flow).try_acquire(flow, method).await
        };
        acquired.map_err(|refusal| {
            let problem = match refusal {
                rate_limits::AcquireError::Exhausted => Problem::MethodUnavailable("method"),
                rate_limits::AcquireError::Mismatch => Problem::ContactMismatch,
                rate_limits::AcquireError::Store(error) => return error.into(),
            };
            let (step, method, reason) = (cookie.step(), method.as_str(), problem.code().as_str());
            tracing::info!(event = "code.send_rejected", flow = ?cookie.id(), step, method, reason);
            on_methods(flow, self.method, problem)
        })
    }

    /// Asks the devices of an account to approve.
    ///
    /// The flow is written first: of two clicks one wins, and only its request is stored. The request is stored only
    /// if no other flow's request is waiting and the owner refused none within a day. Otherwise the flow is restored.
    async fn request_approval(&self, flow: Choosing, registration: &Registration) -> HandlerResult {
        let Self { ports, cookie, method, now, .. } = *self;
        let unavailable = || on_methods(&flow, method, Problem::MethodUnavailable("method"));
        if !registration.has(method) {
            return Err(unavailable());
        }
        let used = match self.sender(&flow).try_acquire(&flow, method).await {
            Ok(used) => used,
            Err(rate_limits::AcquireError::Store(error)) => return Err(error.into()),
            Err(_) => return Err(unavailable()),
        };
        let (keys, entropy) = (&ports.app.flows, &*ports.entropy);
        let requester = self.incoming.requester(flow.context.known_device);
        let lifetime = APPROVAL_LIFETIME.0.min(flow.context.expires_at.seconds_after(now));
        let (challenge, request) =
            verification::approval::ask(keys, entropy, cookie, requester, Seconds(lifetime), now)?;
        let id = challenge.request;
        let awaiting = Flow::AwaitingAnswer(flow.clone().ask(method, id, now, APPROVAL_LIFETIME));
        let is_ours = |found: &Flow| matches!(found, Flow::AwaitingAnswer(state) if state.request == id);
        if let Err(found) = self.store_challenge(&awaiting, is_ours).await? {
            self.refund(&flow, used).await;
            return self.on_lost_race(&found);
        }
        let account = &flow.context.account;
        if !ports.approvals.ask(account, &request, now).await? {
            self.refund(&flow, used).await;
            // A failed restore means that another request has moved the flow on already.
            let _ = ports.flows.replace(cookie.id(), self.revision + 1, &self.before, now).await?;
            return Err(unavailable());
        }
        let push = ApprovalPush { account: account.clone(), expires_at: challenge.expires_at };
        let message = if flow.context.decoy { Message::Decoy } else { Message::Push(push) };
        ports.outgoing().send(cookie.id(), &[message], Seconds(0)).await?;
        let (step, decoy) = (flow.progress.step(), flow.context.decoy);
        tracing::info!(event = "approval.requested", flow = ?cookie.id(), step, decoy);
        self.challenge_page(&awaiting)
    }

    /// Creates a passkey challenge; no message is sent.
    async fn request_passkey(&self, flow: Choosing, registration: &Registration) -> HandlerResult {
        let Self { ports, cookie, method, now, .. } = *self;
        if !registration.has(method) {
            return Err(on_methods(&flow, method, Problem::MethodUnavailable("method")));
        }
        let challenge = passkey::ask(&*ports.entropy, now);
        let (step, decoy) = (flow.progress.step(), flow.context.decoy);
        let awaiting = Flow::AwaitingAnswer(flow.ask(method, challenge.request, now, PASSKEY_LIFETIME));
        if let Err(found) = self.store_challenge(&awaiting, |_| false).await? {
            return self.on_lost_race(&found);
        }
        tracing::info!(event = "passkey.requested", flow = ?cookie.id(), step, decoy);
        self.challenge_page(&awaiting)
    }

    /// Stores the flow with its challenge. If another request changed the flow in between, returns what it became.
    /// `is_ours` recognises our own write after its response was lost.
    async fn store_challenge(
        &self,
        awaiting: &Flow,
        is_ours: impl Fn(&Flow) -> bool,
    ) -> HandlerResult<Result<(), Flow>> {
        let Self { ports, cookie, revision, now, .. } = *self;
        if ports.flows.replace(cookie.id(), revision, awaiting, now).await? {
            return Ok(Ok(()));
        }
        let found = ports.flows.load(cookie.id(), now).await?.ok_or(Problem::FlowEnded)?.value;
        Ok(if is_ours(&found) { Ok(()) } else { Err(found) })
    }

    /// Refunds the message that was taken and won't be sent.
    async fn refund(&self, flow: &Choosing, used: Use) {
        let refunded = self.sender(flow).refund(flow, self.method.factor(), used).await;
        if refunded.is_err() {
            tracing::warn!(event = "rate_limit.refund_failed", flow = ?self.cookie.id());
        }
    }

    /// Redirects to the page that waits for the answer.
    fn challenge_page(&self, awaiting: &Flow) -> HandlerResult {
        let view = self.incoming.view_of(awaiting, self.now).ok_or(Problem::FlowEnded)?;
        Ok(self.incoming.next_page(&NextPage { view, location: "/code", cookie: None }))
    }

    /// Handles a lost race, usually a double click. A code or request that is on its way already is what the person
    /// wanted.
    fn on_lost_race(&self, found: &Flow) -> HandlerResult {
        let is_awaiting = matches!(found, Flow::AwaitingCode(_) | Flow::AwaitingAnswer(_));
        if is_awaiting && found.verified() == self.cookie.verified() {
            return self.challenge_page(found);
        }
        Err(HandlerError::OutOfStep(found.stage(), None))
    }
}
