//! Asks the devices of an account to approve.
//!
//! The flow is changed first: of two clicks one wins, and only its request is made. The request comes next, and only
//! where none of another flow waits and the owner has refused none for a day; else the flow goes back to where it was.

use shared::domain::account::Registration;
use shared::domain::approval::Asker;
use shared::domain::budget::Pool;
use shared::domain::flow::{APPROVAL_LIFETIME, Choosing, Flow, FlowCookie, RequestId};
use shared::domain::message::{Message, Push};
use shared::domain::method::Method;
use shared::domain::time::{Seconds, Timestamp};
use shared::http::problem::Problem;
use shared::http::view::View;
use shared::http::{Failure, Incoming, Next, Outcome, choice_of};
use shared::ports::EntropyExt as _;
use shared::verification::approval::NewRequest;

use crate::{Ports, budgets};

/// A flow as it was read.
pub(crate) struct Read<'a> {
    /// Its cookie.
    pub(crate) cookie: &'a FlowCookie,
    /// Which write of it.
    pub(crate) revision: u64,
    /// What it was, perhaps with a code that is awaited.
    pub(crate) flow: Flow,
}

/// Asks.
pub(crate) async fn ask(
    ports: &Ports,
    incoming: &Incoming,
    read: Read<'_>,
    flow: Choosing,
    registration: &Registration,
    now: Timestamp,
) -> Outcome {
    let Read { cookie, revision, flow: before } = read;
    let unavailable = |flow: &Choosing| {
        let view = View::Method(choice_of(flow, Some(Method::Push)));
        Failure::on_page(Problem::MethodUnavailable("method"), view)
    };
    if !registration.has(Method::Push) {
        return Err(unavailable(&flow));
    }
    match budgets::take(ports, cookie, &flow, Method::Push, now).await {
        Ok(()) => {}
        Err(budgets::Refusal::Store(error)) => return Err(error.into()),
        Err(_) => return Err(unavailable(&flow)),
    }
    let id = RequestId::from_bytes(ports.entropy.bytes());
    let awaiting = flow.clone().ask(Method::Push, id, now, APPROVAL_LIFETIME);
    let view = View::Approval(incoming.approval_of(&awaiting, now).ok_or(Problem::FlowEnded)?);
    let (facts, expires_at) = (awaiting.facts.clone(), awaiting.expires_at);
    if !ports.flows.replace(cookie.key(), revision, &Flow::AwaitingAnswer(awaiting), now).await? {
        let found = ports.flows.load(cookie.key(), now).await?.ok_or(Problem::FlowEnded)?.value;
        if !matches!(&found, Flow::AwaitingAnswer(state) if state.request == id) {
            give_back(ports, cookie, &flow, now).await;
            return crate::overtaken(incoming, cookie, &found, now);
        }
    }
    let number = cookie.approval_number(&ports.site.flows, id).ok_or(Problem::FlowEnded)?;
    let request = NewRequest {
        id,
        holder: cookie.key(),
        number,
        asker: Asker { network: incoming.network(), browser: incoming.browser.clone() },
        expires_at,
    };
    let request = request.pending(&ports.site.flows, now).ok_or(Problem::FlowEnded)?;
    if !ports.approvals.ask(&facts.account, &request, now).await? {
        give_back(ports, cookie, &flow, now).await;
        // Somebody who changed the flow meanwhile has left it elsewhere already.
        let _ = ports.flows.replace(cookie.key(), revision + 1, &before, now).await?;
        return Err(unavailable(&flow));
    }
    let message =
        if facts.decoy { Message::Decoy } else { Message::Push(Push { account: facts.account, expires_at }) };
    ports.outgoing().send(cookie.key(), &[message], Seconds(0)).await?;
    let (step, decoy) = (flow.progress.step(), facts.decoy);
    tracing::info!(event = "approval-asked", flow = ?cookie.key(), step, decoy);
    Ok(incoming.next(&Next { view, location: "/code", cookie: None }))
}

async fn give_back(ports: &Ports, cookie: &FlowCookie, flow: &Choosing, now: Timestamp) {
    let pool = Pool::of_step(flow.progress.step());
    let given = budgets::give_back(ports, &flow.facts.account, Method::Push.factor(), pool, now).await;
    if given.is_err() {
        tracing::warn!(event = "budget-not-returned", flow = ?cookie.key());
    }
}
