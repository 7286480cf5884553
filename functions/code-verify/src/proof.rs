//! What every answer comes to that is checked against something of the account's: a proof noted in the flow, or the
//! newer cookie for whoever sends the same answer twice.

use shared::domain::flow::{Choosing, Flow, FlowCookie, OLDER_ANSWERS};
use shared::domain::keys::Tag;
use shared::domain::method::Method;
use shared::domain::rate_limit::RateLimit;
use shared::domain::time::Timestamp;
use shared::http::problem::Problem;
use shared::http::view::View;
use shared::http::{Failure, Outcome, choice_of};
use shared::ports::Versioned;

use super::Ports;

/// Notes the proof. What proved it is this flow's by now. Another request may change the flow meanwhile (a guess, a
/// double click), so it is noted on whatever the flow has become, as often as tries can have been spent. A `young` factor
/// is refused where only an old one serves.
pub(crate) async fn prove(
    ports: &Ports,
    cookie: &FlowCookie,
    mut read: Versioned<Choosing>,
    (method, young): (Method, bool),
    tag: Tag,
    now: Timestamp,
) -> Outcome<Flow> {
    for _ in 0..=ports.site.settings.flow.flow_tries {
        let page = choice_of(&read.value, Some(method));
        let next = read.value.prove(method, young, tag);
        let next = next.map_err(|refusal| Failure::on_page(refusal.into(), View::Method(page)))?;
        if ports.flows.replace(cookie.key(), read.revision, &next, now).await? {
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
        read = Versioned { value: found.value.choosing()?, revision: found.revision };
    }
    Err(Problem::Unavailable.into())
}

/// The same answer once more with an older cookie (a double click, a lost answer): it gets the newer cookie again. Such
/// answers have a count of their own; beyond it nothing is compared. None of them touches the flow.
pub(crate) async fn again(
    ports: &Ports,
    cookie: &FlowCookie,
    flow: Flow,
    tag: &Tag,
    now: Timestamp,
) -> Outcome<Failure> {
    if take_older(ports, cookie, &flow, now).await? && flow.was_proved_by(cookie.step(), tag) {
        return Ok(Failure::OutOfStep(flow.stage(), Some(cookie.with_proofs(flow.proofs()))));
    }
    Ok(Failure::OlderCookie(Box::new(flow)))
}

/// Takes an answer with an older cookie, before it is compared.
pub(crate) async fn take_older(
    ports: &Ports,
    cookie: &FlowCookie,
    flow: &Flow,
    now: Timestamp,
) -> Outcome<bool> {
    let limit = RateLimit::OlderAnswers { holder: cookie.key(), verified: flow.proofs() };
    Ok(ports.budgets.take(&limit, OLDER_ANSWERS, now).await?)
}

/// The tries that a wrong answer leaves: it spends one.
pub(crate) async fn spend(ports: &Ports, cookie: &FlowCookie, now: Timestamp) -> Outcome<u8> {
    let limits = &ports.site.settings.flow;
    let tries = match ports.flows.spend_try(cookie.key(), limits, now).await? {
        Some(Flow::Choosing(state)) => state.progress.flow_tries,
        Some(Flow::AwaitingCode(state)) => state.progress.flow_tries,
        Some(Flow::AwaitingAnswer(state)) => state.progress.flow_tries,
        _ => return Err(Problem::FlowEnded.into()),
    };
    Ok(limits.flow_tries.saturating_sub(tries))
}
