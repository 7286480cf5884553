//! Checks a code, or whatever else proves a step.

mod passkey;
mod proof;
mod push;
mod recovery;
mod totp;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use shared::domain::code::OneTimeCode;
use shared::domain::flow::{Flow, FlowCookie};
use shared::domain::keys::Keyring;
use shared::domain::method::Method;
use shared::domain::passkey::Assertion;
use shared::domain::recovery_code::RecoveryCode;
use shared::domain::time::Timestamp;
use shared::http::problem::Problem;
use shared::http::view::View;
use shared::http::{
    App, Failure, Fields, HasSite, Incoming, NewCookie, Next, Outcome, Site, answer, choice_of, location,
    serve,
};
use shared::ports::{
    ApprovalStore, Authenticators, BudgetStore, Clock, FlowStore, Guess, Guessed, SignatureVerifier,
};
use shared::process::{Process, StartError};

/// What this function needs from outside.
pub struct Ports {
    /// Settings and the keys of flows.
    pub site: Site,
    /// The flows.
    pub flows: Arc<dyn FlowStore>,
    /// The budgets of app codes, and of answers with an older cookie.
    pub budgets: Arc<dyn BudgetStore>,
    /// The requests to devices.
    pub approvals: Arc<dyn ApprovalStore>,
    /// The authenticators.
    pub authenticators: Arc<dyn Authenticators>,
    /// The keys of seeds.
    pub seeds: Arc<Keyring>,
    /// The signatures of passkeys.
    pub signatures: Arc<dyn SignatureVerifier>,
    /// The time.
    pub clock: Arc<dyn Clock>,
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
            approvals: process.approvals()?,
            authenticators: process.authenticators()?,
            seeds: process.keyring("REKEY_SECRET_SEEDS")?,
            signatures: process.signatures(),
            clock: process.clock(),
        })
    }
}

impl HasSite for Ports {
    fn site(&self) -> &Site {
        &self.site
    }
}

/// The routes of this function.
pub fn router(ports: Ports) -> Router {
    let routes = Router::new().route("/code", get(show).post(verify)).route("/code/send", get(show));
    serve(routes, ports)
}

async fn show(app: State<App<Ports>>, incoming: Incoming) -> Response {
    answer(app, incoming, try_show).await
}

async fn try_show(ports: &Ports, incoming: &mut Incoming) -> Outcome {
    let now = ports.clock.now();
    let (cookie, found) = incoming.live_flow(&*ports.flows, now).await?;
    if let Flow::AwaitingAnswer(state) = &found.value
        && state.sent.method == Method::Push
    {
        let view = push::page(ports, incoming, &cookie, state, now).await?;
        return Ok(incoming.page(&View::Approval(view)));
    }
    match incoming.view_of(&found.value, now) {
        Some(view @ (View::Code(_) | View::Passkey(_))) => Ok(incoming.page(&view)),
        _ => Err(Failure::OutOfStep(found.value.stage(), None)),
    }
}

async fn verify(app: State<App<Ports>>, incoming: Incoming) -> Response {
    answer(app, incoming, try_verify).await
}

async fn try_verify(ports: &Ports, incoming: &mut Incoming) -> Outcome {
    let now = ports.clock.now();
    let cookie = incoming.flow()?;
    if !incoming.take_at(&cookie) {
        return Err(elsewhere(ports, &cookie, now).await?);
    }
    let code = match read_answer(incoming.take_fields())? {
        Answer::Sent(code) => code,
        Answer::Totp(code) => {
            let flow = totp::verify(ports, incoming, &cookie, &code, now).await?;
            return advanced(incoming, &cookie, &flow, now);
        }
        Answer::Recovery(code) => {
            let flow = recovery::verify(ports, incoming, &cookie, &code, now).await?;
            return advanced(incoming, &cookie, &flow, now);
        }
        Answer::Passkey(assertion) => {
            let flow = passkey::verify(ports, incoming, &cookie, &assertion, now).await?;
            return advanced(incoming, &cookie, &flow, now);
        }
        Answer::Approval => {
            let flow = push::verify(ports, incoming, &cookie, now).await?;
            return advanced(incoming, &cookie, &flow, now);
        }
        // What is no answer spends no try; its page is shown again.
        Answer::None(method) => return Err(malformed(ports, incoming, method, now).await?),
    };
    let tag = cookie.code_tag(&ports.site.flows, &code).ok_or(Problem::FlowEnded)?;
    let guess = Guess { step: cookie.step(), tag };
    let settings = &ports.site.settings;
    let guessed = ports.flows.guess(cookie.key(), guess, &settings.flow, now).await?;
    let refused = |problem: Problem, flow: &Flow| {
        log_refused(&cookie, problem.code().as_str());
        match incoming.view_of(flow, now) {
            Some(view) => Failure::on_page(problem, view),
            None => problem.into(),
        }
    };
    match guessed {
        Guessed::Right(flow) => advanced(incoming, &cookie, &flow, now),
        Guessed::Wrong(flow) => {
            let attempts_left = match &flow {
                Flow::AwaitingCode(state) => Some(state.tries_left(&settings.flow)),
                _ => None,
            };
            Err(refused(Problem::CodeWrong { attempts_left }, &flow))
        }
        Guessed::Spent(flow) if flow.is_exhausted(&settings.flow) => Err(Problem::FlowEnded.into()),
        Guessed::Spent(flow) => Err(refused(Problem::CodeSpent, &flow)),
        Guessed::NotAwaited(flow) if flow.proofs() > cookie.proofs() => {
            Err(proof::again(ports, &cookie, flow, &tag, now).await?)
        }
        Guessed::NotAwaited(flow) => Err(not_awaited(&cookie, flow)),
        Guessed::Gone => Err(Problem::FlowEnded.into()),
    }
}

/// A step is proved: on to the next, with the cookie that says so.
fn advanced(incoming: &Incoming, cookie: &FlowCookie, flow: &Flow, now: Timestamp) -> Outcome {
    let newer = cookie.with_proofs(flow.proofs());
    tracing::info!(event = "step-proved", flow = ?cookie.key(), step = cookie.step());
    let view = incoming.view_of(flow, now).ok_or(Problem::FlowEnded)?;
    Ok(incoming.next(&Next { view, location: location(flow.stage()), cookie: Some(NewCookie::Flow(&newer)) }))
}

/// Where a flow is for which no code was awaited.
fn not_awaited(cookie: &FlowCookie, flow: Flow) -> Failure {
    match flow {
        Flow::Cancelled(_) => Problem::FlowEnded.into(),
        flow if flow.proofs() != cookie.proofs() => Failure::OlderCookie(Box::new(flow)),
        flow => Failure::OutOfStep(flow.stage(), None),
    }
}

async fn elsewhere(ports: &Ports, cookie: &FlowCookie, now: Timestamp) -> Outcome<Failure> {
    let found = ports.flows.load(cookie.key(), now).await?.ok_or(Problem::FlowEnded)?;
    Ok(not_awaited(cookie, found.value))
}

/// What was sent to prove a step.
enum Answer {
    /// A code that was sent.
    Sent(OneTimeCode),
    /// A code from the app.
    Totp(OneTimeCode),
    /// A recovery code.
    Recovery(RecoveryCode),
    /// A passkey's answer.
    Passkey(Assertion),
    /// Word that the app has approved.
    Approval,
    /// Nothing that this method could have.
    None(Option<Method>),
}

fn read_answer(mut fields: Fields) -> Result<Answer, Problem> {
    let method = fields.take("method");
    let method = method.as_deref().map(String::as_str);
    let answer = match method {
        None => fields.take("code").and_then(|typed| OneTimeCode::parse(&typed).ok()).map(Answer::Sent),
        Some("totp") => {
            fields.take("code").and_then(|typed| OneTimeCode::parse(&typed).ok()).map(Answer::Totp)
        }
        Some("recovery_code") => {
            fields.take("code").and_then(|typed| RecoveryCode::parse(&typed).ok()).map(Answer::Recovery)
        }
        Some("passkey") => {
            fields.take("assertion").and_then(|json| Assertion::parse(&json).ok()).map(Answer::Passkey)
        }
        Some("push") => Some(Answer::Approval),
        Some(_) => return Err(Problem::malformed("method")),
    };
    fields.finish()?;
    Ok(answer.unwrap_or(Answer::None(method.and_then(Method::parse))))
}

/// The page that the answer was typed on, with what is wrong.
async fn malformed(
    ports: &Ports,
    incoming: &mut Incoming,
    method: Option<Method>,
    now: Timestamp,
) -> Outcome<Failure> {
    let (_, found) = incoming.live_flow(&*ports.flows, now).await?;
    let stage = found.value.stage();
    let view = match method {
        // Its field is on the page of methods, whatever is awaited meanwhile.
        Some(method @ (Method::Totp | Method::RecoveryCode)) => {
            Some(View::Method(choice_of(&found.value.choosing()?, Some(method))))
        }
        _ => incoming.view_of(&found.value, now),
    };
    let field = if method == Some(Method::Passkey) { "assertion" } else { "code" };
    Ok(match view {
        Some(view @ (View::Code(_) | View::Method(_) | View::Passkey(_))) => {
            Failure::on_page(Problem::malformed(field), view)
        }
        _ => Failure::OutOfStep(stage, None),
    })
}

/// One line for each answer that proves nothing. Never the answer itself.
fn log_refused(cookie: &FlowCookie, reason: impl std::fmt::Display) {
    tracing::info!(event = "code-refused", flow = ?cookie.key(), step = cookie.step(), %reason);
}
