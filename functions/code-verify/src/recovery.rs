//! A recovery code.
//!
//! The flow's try is spent first; then the code is taken off the sheet, once, for one flow; then the flow goes on. Nothing of
//! the account's is used up by guesses, which 80 bits stand against, so that no stranger closes the method to its owner. A
//! decoy, and an account whose codes are gone, spend and hash alike and are never right.

use shared::domain::flow::{Choosing, Flow, FlowCookie};
use shared::domain::method::Method;
use shared::domain::rate_limit::RateLimit;
use shared::domain::recovery_code::{RecoveryCode, SLOW_LOOKS_PER_DAY};
use shared::domain::time::Timestamp;
use shared::http::problem::Problem;
use shared::http::view::View;
use shared::http::{Failure, Incoming, Outcome, choice_of};
use shared::ports::Versioned;
use shared::verification::Subject;
use shared::verification::recovery_code::RecoverySheets;

use super::{Ports, proof};

/// Checks the code; the flow as it then is.
pub(crate) async fn verify(
    ports: &Ports,
    incoming: &mut Incoming,
    cookie: &FlowCookie,
    code: &RecoveryCode,
    now: Timestamp,
) -> Outcome<Flow> {
    let tag = cookie.recovery_tag(&ports.site.flows, code).ok_or(Problem::FlowEnded)?;
    let (_, found) = match incoming.live_flow(&*ports.flows, now).await {
        Err(Failure::OlderCookie(flow)) => return Err(proof::again(ports, cookie, *flow, &tag, now).await?),
        read => read?,
    };
    // The revision is the one after the try is spent, if nobody comes between.
    let revision = found.revision + 1;
    let flow = found.value.choosing()?;
    let refused = |flow: &Choosing, problem: Problem| {
        Failure::on_page(problem, View::Method(choice_of(flow, Some(Method::RecoveryCode))))
    };
    let unavailable = |flow: &Choosing| refused(flow, Problem::MethodUnavailable("code"));
    let offer = flow.offer(Method::RecoveryCode).map_err(|_| unavailable(&flow))?;
    let by = (Method::RecoveryCode, offer.young);

    let sheets = RecoverySheets { authenticators: &*ports.authenticators, seeds: &ports.seeds };
    let account = flow.facts.account.clone();
    let subject = Subject { account: &account, decoy: flow.facts.decoy, used_for: cookie.key() };
    let sheet = sheets.sheet(subject, now).await?;
    if sheet.is_slow() && !take_slow(ports, incoming, &flow, now).await? {
        return Err(unavailable(&flow));
    }
    let limits = &ports.site.settings.flow;
    let spent = ports.flows.spend_try(cookie.key(), limits, now).await?.ok_or(Problem::FlowEnded)?;
    if spent.proofs() != cookie.proofs() {
        return Err(super::not_awaited(cookie, spent));
    }
    let flow = spent.choosing()?;
    if !sheets.check(subject, &sheet, code, now).await? {
        super::log_refused(cookie, "code-wrong");
        let attempts_left = Some(limits.flow_tries.saturating_sub(flow.progress.flow_tries));
        return Err(refused(&flow, Problem::CodeWrong { attempts_left }));
    }
    proof::prove(ports, cookie, Versioned { value: flow, revision }, by, tag, now).await
}

/// Takes a look at a sheet that costs a slow hash: so many from one network, so that nobody elsewhere closes the method to
/// its owner.
async fn take_slow(ports: &Ports, incoming: &Incoming, flow: &Choosing, now: Timestamp) -> Outcome<bool> {
    let attempts = RateLimit::SlowRecoveryAttempts(flow.facts.account.clone(), incoming.address_block());
    Ok(ports.budgets.take(&attempts, SLOW_LOOKS_PER_DAY, now).await?)
}
