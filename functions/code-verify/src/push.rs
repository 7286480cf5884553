//! An approval on the authenticator app.
//!
//! The device's answer is a fact of the request, which `approval` wrote. Here it is read, and the flow that asked goes on:
//! the browser that asked, with its cookie, and no other.

use shared::domain::approval::{ApprovalRequest, RequestStatus};
use shared::domain::flow::{APPROVAL_LIFETIME, AwaitingAnswer, Flow, FlowCookie, Stage};
use shared::domain::method::Method;
use shared::domain::time::{Seconds, Timestamp};
use shared::http::problem::Problem;
use shared::http::view::{Approval, ApprovalStatus, View};
use shared::http::{Failure, Incoming, Outcome, choice_of};

use super::{Ports, proof};

/// For so long after its end a request helps a browser that missed the answer (a double click) to its newer cookie.
const REMEMBERED: Seconds = Seconds(60);
/// How often a flow that changes meanwhile is tried.
const ATTEMPTS: u8 = 5;

/// The page of a request, with what became of it. A decoy reads the like, which nobody answers.
pub(crate) async fn page(
    ports: &Ports,
    incoming: &Incoming,
    cookie: &FlowCookie,
    flow: &AwaitingAnswer,
    now: Timestamp,
) -> Outcome<Approval> {
    Ok(read(ports, incoming, cookie, flow, now).await?.0)
}

/// The page, and whether the device that answered is young.
async fn read(
    ports: &Ports,
    incoming: &Incoming,
    cookie: &FlowCookie,
    flow: &AwaitingAnswer,
    now: Timestamp,
) -> Outcome<(Approval, bool)> {
    let request = newest(ports, cookie, flow).await?;
    let young = request.as_ref().is_none_or(|request| request.young);
    let mut page = incoming.approval_of(flow, now).ok_or(Problem::FlowEnded)?;
    match request.map(|request| request.status) {
        Some(RequestStatus::Approved) => page.status = ApprovalStatus::Approved,
        Some(RequestStatus::Wrong) => page.status = ApprovalStatus::Ended,
        // The flow ends with it, if not by that hand then here.
        Some(RequestStatus::Denied) => return Err(Problem::FlowEnded.into()),
        Some(RequestStatus::Pending) | None => {}
    }
    Ok((page, young))
}

/// Goes on if the request was approved; the flow as it then is.
pub(crate) async fn verify(
    ports: &Ports,
    incoming: &mut Incoming,
    cookie: &FlowCookie,
    now: Timestamp,
) -> Outcome<Flow> {
    let (_, found) = match incoming.live_flow(&*ports.flows, now).await {
        Err(Failure::OlderCookie(flow)) => return Err(again(ports, cookie, *flow, now).await?),
        read => read?,
    };
    let (mut revision, mut flow) = (found.revision, awaiting(found.value)?);
    let (page, young) = read(ports, incoming, cookie, &flow, now).await?;
    match page.status {
        ApprovalStatus::Pending => return Err(Failure::OutOfStep(Stage::Approval, None)),
        ApprovalStatus::Ended => {
            let problem = Problem::CodeSpent;
            let reason = problem.code().as_str();
            tracing::info!(event = "code-refused", flow = ?cookie.key(), step = cookie.step(), reason);
            return Err(Failure::on_page(problem, View::Approval(page)));
        }
        ApprovalStatus::Approved => {}
    }
    let request = flow.request;
    let tag = cookie.answer_tag(&ports.site.flows, request).ok_or(Problem::FlowEnded)?;
    for _ in 0..ATTEMPTS {
        let choosing = flow.give_up();
        let choice = choice_of(&choosing, Some(Method::Push));
        let next = choosing.prove(Method::Push, young, tag);
        let next = next.map_err(|refusal| Failure::on_page(refusal.into(), View::Method(choice)))?;
        if ports.flows.replace(cookie.key(), revision, &next, now).await? {
            return Ok(next);
        }
        let found = ports.flows.load(cookie.key(), now).await?.ok_or(Problem::FlowEnded)?;
        if found.value.was_proved_by(cookie.step(), &tag) {
            let newer = cookie.with_proofs(found.value.proofs());
            return Err(Failure::OutOfStep(found.value.stage(), Some(newer)));
        }
        if found.value.proofs() != cookie.proofs() {
            return Err(super::not_awaited(cookie, found.value));
        }
        revision = found.revision;
        flow = awaiting(found.value)?;
        if flow.request != request {
            return Err(Failure::OutOfStep(Stage::Approval, None));
        }
    }
    Err(Problem::Unavailable.into())
}

fn awaiting(flow: Flow) -> Outcome<AwaitingAnswer> {
    match flow {
        Flow::AwaitingAnswer(state) if state.sent.method == Method::Push => Ok(state),
        Flow::Cancelled(_) => Err(Problem::FlowEnded.into()),
        elsewhere => Err(Failure::OutOfStep(elsewhere.stage(), None)),
    }
}

async fn newest(
    ports: &Ports,
    cookie: &FlowCookie,
    flow: &AwaitingAnswer,
) -> Outcome<Option<ApprovalRequest>> {
    let newest = ports.approvals.newest(&flow.facts.account).await?;
    Ok(newest.filter(|request| request.is_of(cookie.key(), flow.request)))
}

/// The older cookie once more (a double click, a lost answer): where the request that it asked for proved the last step,
/// it gets the newer cookie.
async fn again(ports: &Ports, cookie: &FlowCookie, flow: Flow, now: Timestamp) -> Outcome<Failure> {
    if !proof::take_older(ports, cookie, &flow, now).await? {
        return Ok(Failure::OlderCookie(Box::new(flow)));
    }
    let request = ports.approvals.newest(&flow.facts().account).await?;
    let proved = request.is_some_and(|request| {
        let tag = cookie.answer_tag(&ports.site.flows, request.id);
        let is_fresh = request.expires_at.is_ahead(now, APPROVAL_LIFETIME)
            || request.expires_at.is_within(REMEMBERED, now);
        let is_ours = request.status == RequestStatus::Approved && request.is_of(cookie.key(), request.id);
        is_fresh && is_ours && tag.is_some_and(|tag| flow.was_proved_by(cookie.step(), &tag))
    });
    if proved {
        return Ok(Failure::OutOfStep(flow.stage(), Some(cookie.with_proofs(flow.proofs()))));
    }
    Ok(Failure::OlderCookie(Box::new(flow)))
}
