//! A code from the authenticator app.
//!
//! The order of the writes is the rule: the account's budget first, so that no number of flows looks more often
//! than it allows; then the account's time step, which moves forward once for each code, ever, and remembers for which
//! flow; then the flow. The answer is given after all of them. A decoy spends alike and is never right.

use shared::domain::code::OneTimeCode;
use shared::domain::flow::{Choosing, Flow, FlowCookie};
use shared::domain::method::Method;
use shared::domain::time::{Seconds, Timestamp};
use shared::domain::totp::TotpSeed;
use shared::http::problem::{Code, Problem};
use shared::http::view::View;
use shared::http::{Failure, Incoming, Outcome, choice_of};

use super::Ports;

/// Checks the code; the flow as it then is.
pub(crate) async fn verify(
    ports: &Ports,
    incoming: &mut Incoming,
    cookie: &FlowCookie,
    code: &OneTimeCode,
    now: Timestamp,
) -> Outcome<Flow> {
    let settings = &ports.site.settings;
    let tag = cookie.code_tag(&ports.site.flows, code).ok_or(Code::FlowEnded)?;
    let (_, found) = match incoming.live_flow(&*ports.flows, now).await {
        Err(Failure::OlderCookie(flow)) => return Err(again(ports, cookie, *flow, &tag, now).await?),
        read => read?,
    };
    let mut revision = found.revision;
    let mut flow = found.value.choosing()?;
    let refused = |flow: &Choosing, problem: Problem| {
        let problem = Problem { field: Some("code"), ..problem };
        Failure::on_page(problem, View::Method(choice_of(flow, Some(Method::Totp))))
    };
    flow.offer(Method::Totp).map_err(|refusal| refused(&flow, refusal.into()))?;

    let step = matching_step(ports, &flow, code, now).await?;
    if !take(ports, &flow, now).await? {
        return Err(refused(&flow, Problem::new(Code::MethodUnavailable)));
    }
    let accepted = match step {
        Some(step) => ports.authenticators.accept_step(&flow.facts.account, step, cookie.key(), now).await?,
        None => false,
    };
    if !accepted {
        let spent = ports.flows.spend_try(cookie.key(), &settings.flow, now).await?;
        tracing::info!(event = "code-refused", flow = ?cookie.key(), step = cookie.step(), reason = "code-wrong");
        let tries = match spent {
            Some(Flow::Choosing(state)) => state.progress.flow_tries,
            Some(Flow::AwaitingCode(state)) => state.progress.flow_tries,
            _ => return Err(Code::FlowEnded.into()),
        };
        let tries_left = Some(settings.flow.flow_tries.saturating_sub(tries));
        return Err(refused(&flow, Problem { tries_left, ..Problem::new(Code::CodeWrong) }));
    }
    // The step is this flow's now. Another request may change the flow meanwhile (a guess, a double click), so the
    // proof is noted on whatever it has become, as often as tries can have been spent.
    for _ in 0..=settings.flow.flow_tries {
        let next = flow.prove(Method::Totp, tag);
        if ports.flows.replace(cookie.key(), revision, &next, now).await? {
            return Ok(next);
        }
        let found = ports.flows.load(cookie.key(), now).await?.ok_or(Code::FlowEnded)?;
        if found.value.was_proved_by(cookie.step(), &tag) {
            let newer = cookie.with_proofs(found.value.proofs());
            return Err(Failure::OutOfStep(found.value.stage(), Some(newer)));
        }
        if found.value.proofs() != cookie.proofs() {
            return Err(super::not_awaited(cookie, found.value));
        }
        revision = found.revision;
        flow = found.value.choosing()?;
    }
    Err(Code::Unavailable.into())
}

/// The time step of the code, if it is the account's. An account without an app, and a decoy, read alike.
async fn matching_step(
    ports: &Ports,
    flow: &Choosing,
    code: &OneTimeCode,
    now: Timestamp,
) -> Outcome<Option<u64>> {
    let account = &flow.facts.account;
    let stored = ports.authenticators.totp(account, now).await?;
    let Some(stored) = stored.filter(|_| !flow.facts.decoy) else { return Ok(None) };
    let seed = TotpSeed::open(&ports.seeds, account.as_str(), &stored.sealed_seed)?;
    Ok(seed.matching_step(code, now))
}

/// Takes a look from the account's daily budget, one pool for each step: a stranger can drain the first only.
async fn take(ports: &Ports, flow: &Choosing, now: Timestamp) -> Outcome<bool> {
    let day = now.as_seconds().div_euclid(i64::from(Seconds::DAY.0));
    let pool = flow.progress.step().min(2);
    let key = format!("totp#{}#{day}#{pool}", flow.facts.account.as_str());
    let limit = u64::from(ports.site.settings.totp_tries_per_day);
    Ok(ports.budgets.take(&key, limit, now + Seconds(2 * Seconds::DAY.0)).await?)
}

/// The same code once more with the older cookie (a double click): it gets the newer cookie again. Looking costs a
/// try, as everywhere.
async fn again(
    ports: &Ports,
    cookie: &FlowCookie,
    flow: Flow,
    tag: &shared::domain::keys::Tag,
    now: Timestamp,
) -> Outcome<Failure> {
    let spent = ports.flows.spend_try(cookie.key(), &ports.site.settings.flow, now).await?;
    Ok(match spent {
        Some(flow) if flow.was_proved_by(cookie.step(), tag) => {
            Failure::OutOfStep(flow.stage(), Some(cookie.with_proofs(flow.proofs())))
        }
        _ => Failure::OlderCookie(Box::new(flow)),
    })
}
