//! A recovery code.
//!
//! The order of the writes is the same as for a code from the app: the account's budget, which also bounds what the slow
//! hash costs; then the sheet, which each code is taken off once, for one flow; then the flow. A decoy, and an account
//! whose codes are gone, spend and hash alike and are never right.

use shared::domain::flow::{Choosing, Flow, FlowCookie};
use shared::domain::method::Method;
use shared::domain::recovery_code::{RecoveryCode, Sheet, TRIES_PER_DAY};
use shared::domain::time::Timestamp;
use shared::http::problem::{Code, Problem};
use shared::http::view::View;
use shared::http::{Failure, Incoming, Outcome, choice_of};
use shared::ports::Versioned;

use super::{Ports, proof};

/// Checks the code; the flow as it then is.
pub(crate) async fn verify(
    ports: &Ports,
    incoming: &mut Incoming,
    cookie: &FlowCookie,
    code: &RecoveryCode,
    now: Timestamp,
) -> Outcome<Flow> {
    let tag = cookie.recovery_tag(&ports.site.flows, code).ok_or(Code::FlowEnded)?;
    let (_, found) = match incoming.live_flow(&*ports.flows, now).await {
        Err(Failure::OlderCookie(flow)) => return Err(proof::again(ports, cookie, *flow, &tag, now).await?),
        read => read?,
    };
    let revision = found.revision;
    let flow = found.value.choosing()?;
    let refused = |flow: &Choosing, problem: Problem| {
        let problem = Problem { field: Some("code"), ..problem };
        Failure::on_page(problem, View::Method(choice_of(flow, Some(Method::RecoveryCode))))
    };
    let offer = flow.offer(Method::RecoveryCode).map_err(|refusal| refused(&flow, refusal.into()))?;
    let by = (Method::RecoveryCode, offer.young);

    if !proof::take(ports, &flow, "recovery", TRIES_PER_DAY, now).await? {
        return Err(refused(&flow, Problem::new(Code::MethodUnavailable)));
    }
    if !take_off(ports, &flow, cookie, code, now).await? {
        let tries_left = proof::spend(ports, cookie, now).await?;
        super::log_refused(cookie, "code-wrong");
        return Err(refused(
            &flow,
            Problem { tries_left: Some(tries_left), ..Problem::new(Code::CodeWrong) },
        ));
    }
    proof::prove(ports, cookie, Versioned { value: flow, revision }, by, tag, now).await
}

/// Takes the code off the account's sheet; `false` when it isn't on it. The store is asked even for a code that is not
/// on the sheet as it was read: it knows whether this flow took it a moment ago.
async fn take_off(
    ports: &Ports,
    flow: &Choosing,
    cookie: &FlowCookie,
    code: &RecoveryCode,
    now: Timestamp,
) -> Outcome<bool> {
    let account = &flow.facts.account;
    let sheet = ports.authenticators.recovery_sheet(account, now).await?;
    let sheet = sheet.filter(|_| !flow.facts.decoy).unwrap_or_else(Sheet::nobodys);
    let hash = sheet.hash(code)?;
    Ok(ports.authenticators.use_recovery_code(account, &hash, cookie.key(), now).await?)
}
