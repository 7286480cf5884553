//! Checks a code.

mod push;
mod totp;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::response::Response;
use axum::routing::get;
use shared::domain::code::OneTimeCode;
use shared::domain::flow::{Flow, FlowCookie};
use shared::domain::keys::Keyring;
use shared::domain::method::Method;
use shared::domain::time::Timestamp;
use shared::http::problem::{Code, Problem};
use shared::http::view::View;
use shared::http::{Failure, Incoming, NewCookie, Next, Outcome, Site, code_of, location, serve};
use shared::ports::{ApprovalStore, Authenticators, BudgetStore, Clock, FlowStore, Guess, Guessed};

/// What this function needs from outside.
pub struct Ports {
    /// Settings and the keys of flows.
    pub site: Site,
    /// The flows.
    pub flows: Arc<dyn FlowStore>,
    /// The budget of the authenticator app.
    pub budgets: Arc<dyn BudgetStore>,
    /// The requests to devices.
    pub approvals: Arc<dyn ApprovalStore>,
    /// The authenticators.
    pub authenticators: Arc<dyn Authenticators>,
    /// The keys of seeds.
    pub seeds: Arc<Keyring>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The ports as the handlers share them.
#[derive(Clone)]
struct Shared(Arc<Ports>);

impl FromRef<Shared> for Site {
    fn from_ref(ports: &Shared) -> Self {
        ports.0.site.clone()
    }
}

/// The routes of this function.
pub fn router(ports: Ports) -> Router {
    let routes = Router::new().route("/code", get(show).post(verify)).route("/code/send", get(show));
    serve(routes, Shared(Arc::new(ports)))
}

async fn show(State(Shared(ports)): State<Shared>, mut incoming: Incoming) -> Response {
    let now = ports.clock.now();
    let page = async {
        let (cookie, found) = incoming.live_flow(&*ports.flows, now).await?;
        match found.value {
            Flow::AwaitingCode(state) => Ok(View::Code(code_of(&state, &ports.site.settings, now))),
            Flow::AwaitingAnswer(state) if state.sent.method == Method::Push => {
                Ok(View::Approval(push::page(&ports, &incoming, &cookie, &state, now).await?))
            }
            elsewhere => Err(Failure::OutOfStep(elsewhere.stage(), None)),
        }
    };
    match page.await {
        Ok(view) => incoming.page(&view),
        Err(failure) => failure.answer(&incoming),
    }
}

async fn verify(State(Shared(ports)): State<Shared>, mut incoming: Incoming) -> Response {
    match try_verify(&ports, &mut incoming).await {
        Ok(response) => response,
        Err(failure) => failure.answer(&incoming),
    }
}

async fn try_verify(ports: &Ports, incoming: &mut Incoming) -> Outcome {
    let now = ports.clock.now();
    let cookie = incoming.flow()?;
    if !incoming.take_at(&cookie) {
        return Err(elsewhere(ports, &cookie, now).await?);
    }
    let mut fields = incoming.take_fields();
    let method = fields.take("method");
    let typed = fields.take("code");
    let is_totp = match method.as_deref().map(String::as_str) {
        None => false,
        Some("totp") => true,
        Some("push") if typed.is_none() => {
            fields.finish()?;
            let flow = push::verify(ports, incoming, &cookie, now).await?;
            return advanced(incoming, &cookie, &flow, now);
        }
        Some("push") => return Err(Problem::malformed("code").into()),
        Some("passkey" | "recovery_code" | "pass") => return Err(Code::MethodUnavailable.into()),
        Some(_) => return Err(Problem::malformed("method").into()),
    };
    fields.finish()?;
    let Some(Ok(code)) = typed.as_deref().map(|typed| OneTimeCode::parse(typed)) else {
        // What is no code spends no try; its page is shown again.
        return Err(malformed_code(ports, incoming, now).await?);
    };
    if is_totp {
        let flow = totp::verify(ports, incoming, &cookie, &code, now).await?;
        return advanced(incoming, &cookie, &flow, now);
    }
    let tag = cookie.code_tag(&ports.site.flows, &code).ok_or(Code::FlowEnded)?;
    let guess = Guess { step: cookie.step(), tag };
    let settings = &ports.site.settings;
    let guessed = ports.flows.guess(cookie.key(), guess, &settings.flow, now).await?;
    let refused = |code: Code, flow: &Flow| {
        let tries_left = match flow {
            Flow::AwaitingCode(state) if code == Code::CodeWrong => Some(state.tries_left(&settings.flow)),
            _ => None,
        };
        tracing::info!(event = "code-refused", flow = ?cookie.key(), step = cookie.step(), reason = code.as_str());
        let problem = Problem { tries_left, field: Some("code"), ..Problem::new(code) };
        match incoming.view_of(flow, now) {
            Some(view) => Failure::on_page(problem, view),
            None => problem.into(),
        }
    };
    match guessed {
        Guessed::Right(flow) => advanced(incoming, &cookie, &flow, now),
        Guessed::Wrong(flow) => Err(refused(Code::CodeWrong, &flow)),
        Guessed::Spent(flow) if flow.is_exhausted(&settings.flow) => Err(Code::FlowEnded.into()),
        Guessed::Spent(flow) => Err(refused(Code::CodeSpent, &flow)),
        Guessed::Again(flow) => {
            let newer = cookie.with_proofs(flow.proofs());
            Err(Failure::OutOfStep(flow.stage(), Some(newer)))
        }
        Guessed::NotAwaited(flow) => Err(not_awaited(&cookie, flow)),
        Guessed::Gone => Err(Code::FlowEnded.into()),
    }
}

/// A step is proved: on to the next, with the cookie that says so.
fn advanced(incoming: &Incoming, cookie: &FlowCookie, flow: &Flow, now: Timestamp) -> Outcome {
    let newer = cookie.with_proofs(flow.proofs());
    tracing::info!(event = "step-proved", flow = ?cookie.key(), step = cookie.step());
    let view = incoming.view_of(flow, now).ok_or(Code::FlowEnded)?;
    Ok(incoming.next(&Next { view, location: location(flow.stage()), cookie: Some(NewCookie::Flow(&newer)) }))
}

/// Where a flow is for which no code was awaited.
fn not_awaited(cookie: &FlowCookie, flow: Flow) -> Failure {
    match flow {
        Flow::Cancelled(_) => Code::FlowEnded.into(),
        flow if flow.proofs() != cookie.proofs() => Failure::OlderCookie(Box::new(flow)),
        flow => Failure::OutOfStep(flow.stage(), None),
    }
}

async fn elsewhere(ports: &Ports, cookie: &FlowCookie, now: Timestamp) -> Outcome<Failure> {
    let found = ports.flows.load(cookie.key(), now).await?.ok_or(Code::FlowEnded)?;
    Ok(not_awaited(cookie, found.value))
}

async fn malformed_code(ports: &Ports, incoming: &mut Incoming, now: Timestamp) -> Outcome<Failure> {
    let (_, found) = incoming.live_flow(&*ports.flows, now).await?;
    Ok(match incoming.view_of(&found.value, now) {
        Some(view @ (View::Code(_) | View::Method(_))) => Failure::on_page(Problem::malformed("code"), view),
        _ => Failure::OutOfStep(found.value.stage(), None),
    })
}
