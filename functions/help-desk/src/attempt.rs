//! The attempt that a support code belongs to: how far the person came, and why not further.

use shared::domain::account::AccountId;
use shared::domain::flow::{Flow, FlowLimits, StepProgress};
use shared::domain::help_desk_call::{AttemptEnd, ShownAttempt};
use shared::domain::support_code::SupportCode;
use shared::domain::time::Timestamp;
use shared::ports::Found;

use crate::Ports;
use crate::case::Stop;

/// Finds what a support code belongs to: the account, and the flow if it is one's. A flow for nobody, or a code that two
/// flows share, finds nothing.
pub(crate) async fn find(
    ports: &Ports,
    typed: &str,
    now: Timestamp,
) -> Result<Option<(AccountId, Option<Flow>)>, Stop> {
    let Some(code) = SupportCode::parse(typed) else { return Ok(None) };
    let mut found = ports.holders.find_by_code(code, now).await?.into_iter();
    let (Some(found), None) = (found.next(), found.next()) else { return Ok(None) };
    Ok(match found {
        Found::Session(account) => Some((account, None)),
        Found::Flow(flow) => owner(&flow).map(|account| (account, Some(*flow))),
    })
}

/// Returns the account of a flow, or the one behind a decoy.
fn owner(flow: &Flow) -> Option<AccountId> {
    let context = flow.context();
    let behind = context.behind.as_ref().map(|behind| behind.account.clone());
    if context.decoy { behind } else { Some(context.account.clone()) }
}

/// Returns a flow as the agent sees it. `generation` is the account's of today.
pub(crate) fn shown(flow: &Flow, generation: u64, limits: &FlowLimits, now: Timestamp) -> ShownAttempt {
    let (context, progress) = (flow.context(), progress(flow));
    let verified: Vec<_> = progress.iter().flat_map(|progress| &progress.verified_steps).collect();
    let started = context.behind.as_ref().map_or(context.generation, |behind| behind.generation);
    let end = match flow {
        Flow::Done(_) => AttemptEnd::Succeeded,
        Flow::Cancelled(_) => AttemptEnd::Cancelled,
        _ if flow.is_exhausted(limits) => AttemptEnd::AttemptsUsed,
        _ if context.decoy => AttemptEnd::TooFewMethods,
        _ if started != generation => AttemptEnd::Overtaken,
        _ if context.expires_at <= now => AttemptEnd::Expired,
        _ => AttemptEnd::Runs,
    };
    let awaited = match flow {
        Flow::AwaitingCode(state) => Some(state.sent.method),
        Flow::AwaitingAnswer(state) => Some(state.sent.method),
        Flow::Choosing(state) => {
            let last = state.progress.sent.iter().max_by_key(|sent| sent.last_at);
            last.map(|sent| sent.method)
        }
        _ => None,
    };
    ShownAttempt {
        opened_at: context.opened_at,
        reason: progress.map(|progress| progress.reason),
        step: progress.map_or(1, StepProgress::step).min(context.steps),
        steps: context.steps,
        verified: verified.into_iter().map(|step| step.method).collect(),
        awaited,
        wrong_answers: flow.flow_attempts(),
        end,
    }
}

const fn progress(flow: &Flow) -> Option<&StepProgress> {
    match flow {
        Flow::Choosing(state) => Some(&state.progress),
        Flow::AwaitingCode(state) => Some(&state.progress),
        Flow::AwaitingAnswer(state) => Some(&state.progress),
        Flow::AllVerified(state) => Some(&state.progress),
        Flow::Done(state) => Some(&state.progress),
        Flow::Opened(_) | Flow::Cancelled(_) => None,
    }
}
