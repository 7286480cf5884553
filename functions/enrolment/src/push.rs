//! Approving a second step on the authenticator app.

use axum::response::Response;
use shared::domain::approval::{Asker, RequestStatus};
use shared::domain::factor::FactorValue;
use shared::domain::flow::{APPROVAL_LIFETIME, RequestId};
use shared::domain::message::{Message, Push};
use shared::domain::method::Method;
use shared::domain::session::{Asked, Session, SessionCookie};
use shared::domain::time::Timestamp;
use shared::http::problem::Problem;
use shared::http::security_info::VERIFY;
use shared::http::{Incoming, Next, Outcome};
use shared::ports::{EntropyExt as _, Versioned};
use shared::verification::approval::NewRequest;

use super::{Ports, budgets, keep, second_step, sending};

/// Asks the devices of the account, or, while they are asked, looks what they answered.
pub(crate) async fn ask_or_look(
    ports: &Ports,
    incoming: &Incoming,
    cookie: &SessionCookie,
    found: Versioned<Session>,
    now: Timestamp,
) -> Outcome {
    let tag = |request: RequestId| {
        let tag = cookie.answer_tag(&ports.site.flows, Method::Push, request.as_bytes());
        tag.ok_or(Problem::FlowEnded)
    };
    if found.value.is_ahead_of(cookie) {
        // An older cookie gets no more than the newer one, by the approval that proved: it neither asks nor takes what the
        // newest cookie asked for.
        if budgets::older(ports, cookie, &found.value, now).await?
            && let Some(newest) = ports.approvals.newest(&found.value.account).await?
            && found.value.was_proved_by(&tag(newest.id)?, now)
        {
            return second_step::again(ports, incoming, cookie, &found.value, now).await;
        }
        return Err(Problem::FlowEnded.into());
    }
    let asked = found.value.asked.clone().filter(|asked| asked.method == Method::Push && asked.is_open(now));
    let Some(request) = asked.and_then(|asked| asked.request()) else {
        return ask(ports, incoming, cookie, found, now).await;
    };
    let newest = ports.approvals.newest(&found.value.account).await?;
    let newest = newest.filter(|newest| newest.is_of(cookie.key(), request));
    match newest.as_ref().map(|newest| newest.status) {
        Some(RequestStatus::Approved) => {
            let young = newest.is_none_or(|newest| newest.young);
            let factor = cookie.factor_tag(&ports.site.flows, &FactorValue::App);
            let by = second_step::By { method: Method::Push, factor, young };
            second_step::proved(ports, incoming, cookie, found, by, &tag(request)?, now).await
        }
        // "It wasn't me": whoever holds this session is not the owner.
        Some(RequestStatus::Denied) => {
            ports.sessions.end(cookie.key()).await?;
            tracing::info!(event = "second-step-refused", session = ?cookie.key(), method = "push");
            Err(Problem::FlowEnded.into())
        }
        Some(RequestStatus::Wrong) | None => {
            let mut session = found.value;
            session.asked = None;
            keep(ports, cookie, found.revision, &session, now).await?;
            let problem = Problem::CodeSpent;
            Err(second_step::on_page(ports, incoming, &session, Some(Method::Push), problem, now).await?)
        }
        Some(RequestStatus::Pending) => waiting(ports, incoming, &found.value, now).await,
    }
}

async fn ask(
    ports: &Ports,
    incoming: &Incoming,
    cookie: &SessionCookie,
    found: Versioned<Session>,
    now: Timestamp,
) -> Outcome {
    let mut session = found.value;
    if !budgets::push(ports, &session.account, now).await? {
        let problem = Problem::MethodUnavailable("method");
        return Err(second_step::on_page(ports, incoming, &session, Some(Method::Push), problem, now).await?);
    }
    let id = RequestId::from_bytes(ports.entropy.bytes());
    let flows = &ports.site.flows;
    let number = cookie.approval_number(flows, id).ok_or(Problem::FlowEnded)?;
    let asked = Asked::new(Method::Push, id, None, now, APPROVAL_LIFETIME);
    let request = NewRequest {
        id,
        holder: cookie.key(),
        number,
        asker: Asker { network: incoming.network(), browser: incoming.browser.clone() },
        expires_at: asked.expires_at,
    };
    let request = request.pending(flows, now).ok_or(Problem::FlowEnded)?;
    session.asked = Some(asked);
    keep(ports, cookie, found.revision, &session, now).await?;
    if !ports.approvals.ask(&session.account, &request, now).await? {
        let problem = Problem::MethodUnavailable("method");
        return Err(second_step::on_page(ports, incoming, &session, Some(Method::Push), problem, now).await?);
    }
    let push = Push { account: session.account.clone(), expires_at: request.expires_at };
    sending::queue(ports, cookie, &[Message::Push(push)]).await?;
    tracing::info!(event = "second-step-sent", session = ?cookie.key(), method = "push");
    waiting(ports, incoming, &session, now).await
}

async fn waiting(ports: &Ports, incoming: &Incoming, session: &Session, now: Timestamp) -> Outcome<Response> {
    let view = second_step::view(ports, incoming, session, Some(Method::Push), now).await?;
    Ok(incoming.next(&Next { view, location: VERIFY, cookie: None }))
}
