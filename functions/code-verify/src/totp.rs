//! A code from the authenticator app.
//!
//! The order of the writes is the rule: the account's budget first, so that no number of flows looks more often
//! than it allows; then the account's time step, which moves forward once for each code, ever, and remembers for which
//! flow; then the flow. The answer is given after all of them. A decoy spends alike and is never right.

use shared::domain::code::OneTimeCode;
use shared::domain::flow::{Choosing, Flow, FlowCookie};
use shared::domain::method::Method;
use shared::domain::rate_limit::{Bucket, RateLimit};
use shared::domain::time::Timestamp;
use shared::http::problem::Problem;
use shared::http::view::View;
use shared::http::{Failure, Incoming, Outcome, choice_of};
use shared::ports::Versioned;
use shared::verification::Subject;
use shared::verification::totp::Totp;

use super::{Ports, proof};

/// Checks the code; the flow as it then is.
pub(crate) async fn verify(
    ports: &Ports,
    incoming: &mut Incoming,
    cookie: &FlowCookie,
    code: &OneTimeCode,
    now: Timestamp,
) -> Outcome<Flow> {
    let settings = &ports.site.settings;
    let tag = cookie.code_tag(&ports.site.flows, code).ok_or(Problem::FlowEnded)?;
    let (_, found) = match incoming.live_flow(&*ports.flows, now).await {
        Err(Failure::OlderCookie(flow)) => return Err(proof::again(ports, cookie, *flow, &tag, now).await?),
        read => read?,
    };
    let revision = found.revision;
    let flow = found.value.choosing()?;
    let refused = |flow: &Choosing, problem: Problem| {
        Failure::on_page(problem, View::Method(choice_of(flow, Some(Method::Totp))))
    };
    let unavailable = |flow: &Choosing| refused(flow, Problem::MethodUnavailable("code"));
    let offer = flow.offer(Method::Totp).map_err(|_| unavailable(&flow))?;
    let by = (Method::Totp, offer.young);

    let attempts = RateLimit::TotpAttempts(flow.facts.account.clone(), Bucket::of_step(flow.progress.step()));
    if !ports.budgets.take(&attempts, settings.totp_tries_per_day.into(), now).await? {
        return Err(unavailable(&flow));
    }
    let subject = Subject { account: &flow.facts.account, decoy: flow.facts.decoy, used_for: cookie.key() };
    let totp = Totp { authenticators: &*ports.authenticators, seeds: &ports.seeds };
    let accepted = totp.check(subject, code, now).await?;
    if !accepted {
        let attempts_left = proof::spend(ports, cookie, now).await?;
        super::log_refused(cookie, "code-wrong");
        return Err(refused(&flow, Problem::CodeWrong { attempts_left: Some(attempts_left) }));
    }
    proof::prove(ports, cookie, Versioned { value: flow, revision }, by, tag, now).await
}
