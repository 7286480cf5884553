//! Pages 2 to 4: asks for reset or unlock and the method of the current step, and cancels flows.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use shared::change::flow_ended;
use shared::domain::audit::FlowEnd;
use shared::domain::flow::{Flow, Reason, Stage};
use shared::http::problem::Problem;
use shared::http::view::{self, Ended, View, Why};
use shared::http::{
    App, AppContext, Format, HandlerError, HandlerResult, HasAppContext, IncomingRequest, NextPage,
    choice_of, respond, serve,
};
use shared::ports::{Clock, FlowStore};
use shared::process::{Process, StartError};

/// The ports of `method-selection`. It needs nothing but flows.
pub struct Ports {
    /// Settings and the flow keys, which check that a form belongs to the flow of its cookie.
    pub app: AppContext,
    /// Stores the choices of a flow, or cancels it.
    pub flows: Arc<dyn FlowStore>,
    /// Flow expiry is compared with this clock.
    pub clock: Arc<dyn Clock>,
}

impl Ports {
    /// Builds the ports from the settings and clients of the process.
    ///
    /// # Errors
    /// [`StartError`] if template.yaml lacks a setting that this function needs, or sets one to an invalid value.
    pub fn from_process(process: &Process) -> Result<Self, StartError> {
        Ok(Self { app: process.app_context()?, flows: process.flows()?, clock: process.clock() })
    }
}

impl HasAppContext for Ports {
    fn app_context(&self) -> &AppContext {
        &self.app
    }
}

/// Routes pages 2 to 4 and the cancel form.
pub fn router(ports: Ports) -> Router {
    let routes = Router::new()
        .route("/reason", get(show_reason).post(select_reason))
        .route("/method", get(show_methods))
        .route("/cancel", post(cancel));
    serve(routes, ports)
}

async fn show_reason(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| {
        let (_, found) = incoming.live_flow(&*ports.flows, ports.clock.now()).await?;
        match found.value {
            Flow::Opened(_) | Flow::Choosing(_) | Flow::AwaitingCode(_) | Flow::AwaitingAnswer(_) => {
                Ok(incoming.page(&View::Reason(view::Reason {})))
            }
            other => Err(HandlerError::OutOfStep(other.stage(), None)),
        }
    })
    .await
}

async fn select_reason(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, try_select_reason).await
}

async fn try_select_reason(ports: &Ports, incoming: &mut IncomingRequest) -> HandlerResult {
    let now = ports.clock.now();
    let (cookie, found) = incoming.live_flow(&*ports.flows, now).await?;
    let mut fields = incoming.take_fields();
    let reason = fields
        .take("reason")
        .and_then(|word| Reason::parse(&word))
        .ok_or_else(|| HandlerError::on_page(Problem::malformed("reason"), View::Reason(view::Reason {})))?;
    fields.finish()?;
    let next = found.value.choose_reason(reason)?;
    if !ports.flows.replace(cookie.id(), found.revision, &next, now).await? {
        // Another request won the race (double click), so the flow's current stage is shown.
        return Ok(incoming.out_of_step(next.stage(), None));
    }
    tracing::info!(event = "flow.reason_selected", flow = ?cookie.id(), ?reason);
    let view = View::Method(choice_of(&next.choosing()?, None));
    Ok(incoming.next_page(&NextPage { view, location: "/method", cookie: None }))
}

async fn show_methods(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| {
        let (_, found) = incoming.live_flow(&*ports.flows, ports.clock.now()).await?;
        // Viewing this page doesn't drop a pending code; only asking for another one does.
        Ok(incoming.page(&View::Method(choice_of(&found.value.choosing()?, None))))
    })
    .await
}

/// Shows `ended`, whatever the state of the flow, also without one. A browser whose flow has finished sees that page
/// instead, because the password was changed and stays changed.
async fn cancel(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| {
        let ended = View::Ended(Ended { why: Why::Cancelled });
        Ok(match try_cancel(ports, incoming).await? {
            Remaining::Nothing => incoming.last(&ended),
            Remaining::FinishedFlow if incoming.format == Format::Html => {
                incoming.out_of_step(Stage::Done, None)
            }
            Remaining::AnotherFlow | Remaining::FinishedFlow => incoming.page(&ended),
        })
    })
    .await
}

/// The flow that the browser still has after a cancel.
enum Remaining {
    /// None.
    Nothing,
    /// A newer flow, opened in another tab, that replaced the one of the form.
    AnotherFlow,
    /// A finished flow.
    FinishedFlow,
}

/// Cancels the flow if the cookie is its newest. An older cookie has no rights any more, so the flow goes on.
async fn try_cancel(ports: &Ports, incoming: &mut IncomingRequest) -> HandlerResult<Remaining> {
    let mut fields = incoming.take_fields();
    let at = fields.take("at");
    fields.finish()?;
    let Some(cookie) = incoming.cookie.clone() else { return Ok(Remaining::Nothing) };
    if at.is_some_and(|at| !cookie.is_of_this_flow(&ports.app.flows, &at)) {
        return Ok(Remaining::AnotherFlow);
    }
    let now = ports.clock.now();
    // A write that loses a race is repeated on the newer flow.
    for _ in 0..5 {
        let Some(found) = ports.flows.load(cookie.id(), now).await? else { break };
        match found.value.stage() {
            Stage::Done => return Ok(Remaining::FinishedFlow),
            Stage::Ended => break,
            _ if found.value.verified() != cookie.verified() => break,
            _ => {}
        }
        let next = found.value.cancel();
        if ports.flows.replace(cookie.id(), found.revision, &next, now).await? {
            incoming.audit_account(&next.context().account);
            let account = next.context().account.pseudonym(&ports.app.flows);
            flow_ended(cookie.id(), Some(account), FlowEnd::Cancelled, "cancelled");
            break;
        }
    }
    Ok(Remaining::Nothing)
}
