//! `GET /code` and `GET /code/send`: the page of the open challenge.

use axum::extract::State;
use axum::response::Response;
use shared::domain::approval::RequestStatus;
use shared::domain::cookie::HolderCookie;
use shared::domain::flow::{AwaitingAnswer, Flow};
use shared::domain::method::Method;
use shared::domain::time::Timestamp;
use shared::http::problem::Problem;
use shared::http::view::{Approval, ApprovalStatus, View};
use shared::http::{App, HandlerError, HandlerResult, IncomingRequest, respond};
use shared::verification;

use super::Ports;

pub(crate) async fn show(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, try_show).await
}

async fn try_show(ports: &Ports, incoming: &mut IncomingRequest) -> HandlerResult {
    let now = ports.clock.now();
    let (cookie, found) = incoming.live_flow(&*ports.flows, now).await?;
    if let Flow::AwaitingAnswer(state) = &found.value
        && state.sent.method == Method::Push
    {
        let page = approval_page(ports, incoming, &cookie, state, now).await?;
        return Ok(incoming.page(&View::Approval(page)));
    }
    match incoming.view_of(&found.value, now) {
        Some(view @ (View::Code(_) | View::Passkey(_))) => Ok(incoming.page(&view)),
        _ => Err(HandlerError::OutOfStep(found.value.stage(), None)),
    }
}

/// Returns the page of an approval request and its state. It changes nothing.
async fn approval_page(
    ports: &Ports,
    incoming: &IncomingRequest,
    cookie: &HolderCookie,
    flow: &AwaitingAnswer,
    now: Timestamp,
) -> HandlerResult<Approval> {
    let mut page = incoming.approval_of(flow, now).ok_or(Problem::FlowEnded)?;
    let request =
        verification::approval::request(&*ports.approvals, cookie, &flow.context.account, flow.request)
            .await?;
    match request.map(|request| request.status) {
        Some(RequestStatus::Approved) => page.status = ApprovalStatus::Approved,
        Some(RequestStatus::Wrong) => page.status = ApprovalStatus::Ended,
        // The refusal cancels the flow. If that write is still missing, this page treats the flow as over too.
        Some(RequestStatus::Denied) => return Err(Problem::FlowEnded.into()),
        Some(RequestStatus::Pending) | None => {}
    }
    Ok(page)
}
