//! A request for a passkey: a challenge and no message.

use shared::domain::flow::{Choosing, Flow, FlowCookie, PASSKEY_LIFETIME, RequestId};
use shared::domain::method::Method;
use shared::domain::time::Timestamp;
use shared::http::problem::Problem;
use shared::http::{Incoming, Next, Outcome};
use shared::ports::{EntropyExt as _, Versioned};

use super::{Ports, overtaken};

/// Whether a passkey was asked for and may still answer.
pub(crate) fn is_asked(flow: &Flow, now: Timestamp) -> bool {
    matches!(flow, Flow::AwaitingAnswer(state)
        if state.sent.method == Method::Passkey
        && state.expires_at.is_ahead(now, PASSKEY_LIFETIME))
}

/// Asks for one. The challenge follows from flow, step and request, so nothing but the request is kept.
pub(crate) async fn ask(
    ports: &Ports,
    incoming: &Incoming,
    cookie: &FlowCookie,
    flow: Versioned<Choosing>,
    now: Timestamp,
) -> Outcome {
    let request = RequestId::from_bytes(ports.entropy.bytes());
    let asked = flow.value.ask(Method::Passkey, request, now, PASSKEY_LIFETIME);
    let (step, decoy) = (asked.progress.step(), asked.facts.decoy);
    let asked = Flow::AwaitingAnswer(asked);
    let view = incoming.view_of(&asked, now).ok_or(Problem::FlowEnded)?;
    if !ports.flows.replace(cookie.key(), flow.revision, &asked, now).await? {
        let found = ports.flows.load(cookie.key(), now).await?.ok_or(Problem::FlowEnded)?.value;
        return overtaken(incoming, cookie, &found, now);
    }
    tracing::info!(event = "passkey-asked", flow = ?cookie.key(), step, decoy);
    Ok(incoming.next(&Next { view, location: "/code", cookie: None }))
}
