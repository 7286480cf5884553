//! A passkey's answer.
//!
//! The flow's try is spent first, by a write that tells what is awaited; then the answer is looked at; then the passkey's
//! counter moves forward, for one flow; then the flow. Its challenge is this flow's, step's and request's, so that it
//! can't be used a second time. A decoy has no passkey: it spends alike and is never right.

use shared::domain::flow::{AwaitingAnswer, Facts, Flow, FlowCookie, PASSKEY_LIFETIME};
use shared::domain::method::Method;
use shared::domain::passkey::{Assertion, Expected, Refusal};
use shared::domain::time::Timestamp;
use shared::http::problem::Problem;
use shared::http::view::View;
use shared::http::{Failure, Incoming, Outcome};
use shared::ports::Versioned;
use shared::verification::Subject;
use shared::verification::passkey::{Passkeys, UsedPasskey};

use super::{Ports, proof};

/// Checks the answer; the flow as it then is.
pub(crate) async fn verify(
    ports: &Ports,
    incoming: &mut Incoming,
    cookie: &FlowCookie,
    assertion: &Assertion,
    now: Timestamp,
) -> Outcome<Flow> {
    let settings = &ports.site.settings;
    let tag = cookie.assertion_tag(&ports.site.flows, assertion.signature()).ok_or(Problem::FlowEnded)?;
    let (_, found) = match incoming.live_flow(&*ports.flows, now).await {
        Err(Failure::OlderCookie(flow)) => return Err(proof::again(ports, cookie, *flow, &tag, now).await?),
        read => read?,
    };
    let asked = awaiting(cookie, found.value)?;
    let refused = |asked: &AwaitingAnswer, problem: Problem| match incoming.passkey_of(asked) {
        Some(view) => Failure::on_page(problem, View::Passkey(view)),
        None => problem.into(),
    };
    if !asked.expires_at.is_ahead(now, PASSKEY_LIFETIME) {
        return Err(refused(&asked, Problem::CodeSpent));
    }
    let spent = ports.flows.spend_try(cookie.key(), &settings.flow, now).await?.ok_or(Problem::FlowEnded)?;
    if spent.proofs() != cookie.proofs() {
        return Err(super::not_awaited(cookie, spent));
    }
    let asked = awaiting(cookie, spent)?;

    match check(ports, &asked, cookie, assertion, now).await? {
        Ok(UsedPasskey { young }) => {
            // The revision is the one after ours, if nobody came between.
            let revision = found.revision + 1;
            let read = Versioned { value: asked.give_up(), revision };
            proof::prove(ports, cookie, read, (Method::Passkey, young), tag, now).await
        }
        Err(refusal) => {
            super::log_refused(cookie, refusal);
            let attempts_left = settings.flow.flow_tries.saturating_sub(asked.progress.flow_tries);
            let problem = Problem::CodeWrong { attempts_left: Some(attempts_left) };
            Err(refused(&asked, problem))
        }
    }
}

/// The request that a passkey was asked by.
fn awaiting(cookie: &FlowCookie, flow: Flow) -> Outcome<AwaitingAnswer> {
    match flow {
        Flow::AwaitingAnswer(state) if state.sent.method == Method::Passkey => Ok(state),
        elsewhere => Err(super::not_awaited(cookie, elsewhere)),
    }
}

/// The account's passkey whose answer to this request it is.
async fn check(
    ports: &Ports,
    asked: &AwaitingAnswer,
    cookie: &FlowCookie,
    assertion: &Assertion,
    now: Timestamp,
) -> Outcome<Result<UsedPasskey, Refusal>> {
    let party = ports.site.settings.relying_party();
    let challenge = cookie.passkey_challenge(&ports.site.flows, asked.request).ok_or(Problem::FlowEnded)?;
    let expected = Expected { party: &party, challenge: &challenge };
    let Facts { account, decoy, .. } = &asked.facts;
    let subject = Subject { account, decoy: *decoy, used_for: cookie.key() };
    let passkeys = Passkeys { authenticators: &*ports.authenticators, signatures: &*ports.signatures };
    Ok(passkeys.check(subject, assertion, &expected, now).await?)
}
