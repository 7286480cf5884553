//! `POST /code`: checks an answer and moves the flow to its next step.

use axum::extract::State;
use axum::response::Response;
use shared::change::flow_ended;
use shared::domain::audit::FlowEnd;
use shared::domain::code::OneTimeCode;
use shared::domain::cookie::HolderCookie;
use shared::domain::flow::{Flow, Stage};
use shared::domain::keys::Tag;
use shared::domain::method::Method;
use shared::domain::time::Timestamp;
use shared::http::problem::Problem;
use shared::http::view::{ApprovalStatus, View};
use shared::http::{
    App, FormFields, HandlerError, HandlerResult, IncomingRequest, NewCookie, NextPage, choice_of, location,
    respond,
};
use shared::ports::{AttemptOutcome, CodeAttempt};
use shared::verification::{Answer, FlowHolder, Refusal};

use super::Ports;

pub(crate) async fn verify(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, try_verify).await
}

async fn try_verify(ports: &Ports, incoming: &mut IncomingRequest) -> HandlerResult {
    let now = ports.clock.now();
    let cookie = incoming.flow()?;
    if !incoming.take_at(&cookie) {
        let found = ports.flows.load(cookie.id(), now).await?.ok_or(Problem::FlowEnded)?;
        return Err(not_awaited(&cookie, found.value));
    }
    match read(incoming.take_fields())? {
        Submitted::Sent(code) => verify_sent(ports, incoming, &cookie, &code, now).await,
        Submitted::Answer(answer) => verify_answer(ports, incoming, &cookie, &answer, now).await,
        // An unreadable answer spends no attempt; its page is shown again.
        Submitted::Unreadable(method) => Err(malformed(ports, incoming, method, now).await?),
    }
}

/// The answer as it was typed.
enum Submitted {
    /// A code for the message sent last.
    Sent(OneTimeCode),
    /// An answer by a method that the request names.
    Answer(Answer),
    /// Text that no answer of this method could be.
    Unreadable(Option<Method>),
}

fn read(mut fields: FormFields) -> Result<Submitted, Problem> {
    let method = match fields.take("method") {
        None => None,
        Some(named) => {
            let method = Method::parse(&named).filter(|method| !method.is_sent());
            Some(method.ok_or_else(|| Problem::malformed("method"))?)
        }
    };
    let typed = method.map_or(Some("code"), Answer::field).and_then(|field| fields.take(field));
    fields.finish()?;
    let typed = typed.as_deref().map(String::as_str);
    let answer = match method {
        None => typed.and_then(|typed| OneTimeCode::parse(typed).ok()).map(Submitted::Sent),
        Some(method) => Answer::read(method, typed).map(Submitted::Answer),
    };
    Ok(answer.unwrap_or(Submitted::Unreadable(method)))
}

/// Checks a code that was sent. One write spends the attempt and returns the outcome.
async fn verify_sent(
    ports: &Ports,
    incoming: &IncomingRequest,
    cookie: &HolderCookie,
    code: &OneTimeCode,
    now: Timestamp,
) -> HandlerResult {
    let limits = &ports.app.settings.flow;
    let tag = cookie.code_tag(&ports.app.flows, None, code).ok_or(Problem::FlowEnded)?;
    let attempt = CodeAttempt { step: cookie.step(), tag };
    let refused = |problem: Problem, flow: &Flow| {
        log_rejected(cookie, problem.code().as_str());
        match incoming.view_of(flow, now) {
            Some(view) => HandlerError::on_page(problem, view),
            None => problem.into(),
        }
    };
    let outcome = ports.flows.attempt_code(cookie.id(), attempt, limits, now).await?;
    if let AttemptOutcome::Right(flow) | AttemptOutcome::Wrong(flow) | AttemptOutcome::Spent(flow) = &outcome
    {
        incoming.audit_account(&flow.context().account);
    }
    match outcome {
        AttemptOutcome::Right(flow) => advanced(incoming, cookie, &flow, now),
        AttemptOutcome::Wrong(flow) => {
            let attempts_left = match &flow {
                Flow::AwaitingCode(state) => Some(state.attempts_left(limits)),
                _ => None,
            };
            if flow.is_exhausted(limits) {
                blocked(ports, cookie, &flow, "attempts");
            }
            Err(refused(Problem::CodeWrong { attempts_left }, &flow))
        }
        AttemptOutcome::Spent(flow) if flow.is_exhausted(limits) => Err(Problem::FlowEnded.into()),
        AttemptOutcome::Spent(flow) => Err(refused(Problem::CodeSpent, &flow)),
        AttemptOutcome::NotAwaited(flow) if flow.verified() > cookie.verified() => {
            let is_counted = ports.verifier(incoming).try_acquire_older(cookie, flow.verified(), now).await?;
            Err(older(cookie, flow, is_counted.then_some(tag)))
        }
        AttemptOutcome::NotAwaited(flow) => Err(not_awaited(cookie, flow)),
        AttemptOutcome::Gone => Err(Problem::FlowEnded.into()),
    }
}

/// Checks an answer by any other method.
async fn verify_answer(
    ports: &Ports,
    incoming: &mut IncomingRequest,
    cookie: &HolderCookie,
    answer: &Answer,
    now: Timestamp,
) -> HandlerResult {
    let found = incoming.live_flow(&*ports.flows, now).await;
    let verifier = ports.verifier(incoming);
    let found = match found {
        Err(HandlerError::OlderCookie(flow)) => {
            let is_counted = verifier.try_acquire_older(cookie, flow.verified(), now).await?;
            let account = &flow.context().account;
            let tag = if is_counted { verifier.tag_of(cookie, account, answer, now).await? } else { None };
            return Err(older(cookie, *flow, tag));
        }
        read => read?.1,
    };
    let limits = &ports.app.settings.flow;
    let mut holder = FlowHolder::new(&*ports.flows, limits, cookie.clone(), found);
    let outcome = match verifier.check(&mut holder, answer, now).await {
        Ok(passed) => {
            let (advanced, activation) = (holder.advance(passed, now).await, passed.is_activation);
            if advanced.is_ok() && passed.method == Method::Pass {
                let account = holder.flow().context().account.pseudonym(&ports.app.flows);
                tracing::info!(event = "pass.redeemed", flow = ?cookie.id(), ?account, activation);
            }
            advanced
        }
        Err(refusal) => Err(refusal),
    };
    match outcome {
        Ok(()) => advanced(incoming, cookie, holder.flow(), now),
        Err(refusal) => {
            match &refusal {
                Refusal::Wrong(_) if holder.flow().is_exhausted(limits) => {
                    blocked(ports, cookie, holder.flow(), "attempts");
                }
                Refusal::Denied => blocked(ports, cookie, holder.flow(), "denied"),
                _ => {}
            }
            Err(refused(incoming, cookie, holder, answer.method(), refusal, now)?)
        }
    }
}

/// Returns the page of an answer that verified nothing.
fn refused(
    incoming: &IncomingRequest,
    cookie: &HolderCookie,
    holder: FlowHolder<'_>,
    method: Method,
    refusal: Refusal,
    now: Timestamp,
) -> HandlerResult<HandlerError> {
    let problem = match refusal {
        Refusal::Unavailable => Problem::MethodUnavailable(field(method)),
        Refusal::Wrong(_) => Problem::CodeWrong { attempts_left: Some(holder.attempts_left()) },
        Refusal::Spent => Problem::CodeSpent,
        Refusal::Pending => return Ok(HandlerError::OutOfStep(Stage::Approval, None)),
        Refusal::NotAwaited => return Ok(not_awaited(cookie, holder.into_flow())),
        Refusal::Repeated => return Ok(repeated(cookie, holder.flow())),
        Refusal::Denied | Refusal::Ended => return Ok(Problem::FlowEnded.into()),
        Refusal::Failed(error) => return Ok(error.into()),
    };
    match &refusal {
        Refusal::Wrong(mismatch) => log_rejected(cookie, mismatch),
        Refusal::Spent => log_rejected(cookie, problem.code().as_str()),
        _ => {}
    }
    let mut view = page(incoming, holder.into_flow(), method, now)?;
    if let (Refusal::Spent, View::Approval(page)) = (&refusal, &mut view) {
        page.status = ApprovalStatus::Ended;
    }
    Ok(HandlerError::on_page(problem, view))
}

/// Returns the page that an answer by `method` was given on. It is the waiting page after an approval request, else
/// the choice of methods, whatever challenge is open meanwhile.
fn page(incoming: &IncomingRequest, flow: Flow, method: Method, now: Timestamp) -> HandlerResult<View> {
    let is_challenged = matches!(&flow, Flow::AwaitingAnswer(state) if state.sent.method == method);
    match incoming.view_of(&flow, now).filter(|_| is_challenged) {
        Some(view) => Ok(view),
        None => Ok(View::Method(choice_of(&flow.choosing()?, Some(method)))),
    }
}

/// Redirects to the next step, with the newer cookie that carries it.
fn advanced(incoming: &IncomingRequest, cookie: &HolderCookie, flow: &Flow, now: Timestamp) -> HandlerResult {
    let newer = cookie.with_verified(flow.verified());
    let method = flow.verified_steps().last().map(|verified| verified.method.as_str());
    tracing::info!(event = "step.verified", flow = ?cookie.id(), step = cookie.step(), method);
    let view = incoming.view_of(flow, now).ok_or(Problem::FlowEnded)?;
    Ok(incoming.next_page(&NextPage {
        view,
        location: location(flow.stage()),
        cookie: Some(NewCookie::Flow(&newer)),
    }))
}

/// Handles an older cookie. It gets the newer one if `answer` is the one that verified its step (double click, lost
/// response).
fn older(cookie: &HolderCookie, flow: Flow, answer: Option<Tag>) -> HandlerError {
    match answer {
        Some(tag) if flow.was_verified_by(cookie.step(), &tag) => repeated(cookie, &flow),
        _ => HandlerError::OlderCookie(Box::new(flow)),
    }
}

fn repeated(cookie: &HolderCookie, flow: &Flow) -> HandlerError {
    HandlerError::OutOfStep(flow.stage(), Some(cookie.with_verified(flow.verified())))
}

/// Redirects to the current step of a flow that waits for no such answer.
fn not_awaited(cookie: &HolderCookie, flow: Flow) -> HandlerError {
    match flow {
        Flow::Cancelled(_) => Problem::FlowEnded.into(),
        flow if flow.verified() != cookie.verified() => HandlerError::OlderCookie(Box::new(flow)),
        flow => HandlerError::OutOfStep(flow.stage(), None),
    }
}

/// Returns the page on which an unreadable answer was typed.
async fn malformed(
    ports: &Ports,
    incoming: &mut IncomingRequest,
    method: Option<Method>,
    now: Timestamp,
) -> HandlerResult<HandlerError> {
    let (_, found) = incoming.live_flow(&*ports.flows, now).await?;
    let stage = found.value.stage();
    let view = match method {
        Some(method) if !method.is_asked() => Some(page(incoming, found.value, method, now)?),
        _ => incoming.view_of(&found.value, now),
    };
    Ok(match view {
        Some(view @ (View::Code(_) | View::Method(_) | View::Passkey(_))) => {
            HandlerError::on_page(Problem::malformed(method.map_or("code", field)), view)
        }
        _ => HandlerError::OutOfStep(stage, None),
    })
}

/// The name of the form field, so that the page marks it as invalid.
fn field(method: Method) -> &'static str {
    Answer::field(method).unwrap_or("method")
}

/// Logs one event per rejected answer, never the answer itself.
fn log_rejected(cookie: &HolderCookie, reason: impl std::fmt::Display) {
    tracing::info!(event = "code.rejected", flow = ?cookie.id(), step = cookie.step(), %reason);
}

/// Logs that the flow ended without the person's will.
fn blocked(ports: &Ports, cookie: &HolderCookie, flow: &Flow, reason: &str) {
    let account = flow.context().account.pseudonym(&ports.app.flows);
    flow_ended(cookie.id(), Some(account), FlowEnd::Blocked, reason);
}
