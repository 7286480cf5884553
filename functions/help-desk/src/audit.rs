//! The events of agents, in the form of the operators' events.

use serde_json::{Value, json};
use shared::domain::help_desk::{Agent, CallerCheck, CheckedBy, Remark};
use shared::domain::help_desk_call::HelpRefusal;
use shared::domain::method::Method;
use shared::domain::security_info::EntryId;
use shared::domain::time::Timestamp;
use shared::http::{HandlerError, HandlerResult};

use crate::Ports;
use crate::case::{Case, Stop};

/// Writes that somebody who is no agent signed in. `who` is nobody where the provider gave no id.
pub(crate) async fn agent_rejected(ports: &Ports, who: Option<&Agent>, now: Timestamp) -> HandlerResult<()> {
    visit(ports, json!({ "event": "agent.rejected" }), who, now).await
}

pub(crate) async fn signed_in(ports: &Ports, agent: &Agent, now: Timestamp) -> HandlerResult<()> {
    visit(ports, json!({ "event": "agent.signed_in" }), Some(agent), now).await
}

pub(crate) async fn signed_out(ports: &Ports, agent: &Agent, now: Timestamp) -> HandlerResult<()> {
    visit(ports, json!({ "event": "agent.signed_out" }), Some(agent), now).await
}

async fn visit(ports: &Ports, mut event: Value, who: Option<&Agent>, now: Timestamp) -> HandlerResult<()> {
    if let Some(event) = event.as_object_mut() {
        event.insert("timestamp".to_owned(), now.to_string().into());
        event.insert("level".to_owned(), "INFO".into());
        event.extend(who.map(|who| ("actor".to_owned(), who.as_str().into())));
    }
    let written = ports.log.write(&event).await;
    written.map_err(|error| HandlerError::PortFailed("operator log", Box::new(error)))
}

/// Writes that an act for nobody was refused, and returns the refusal.
pub(crate) async fn stranger(
    ports: &Ports,
    agent: &Agent,
    act: &str,
    refusal: HelpRefusal,
    now: Timestamp,
) -> Result<Stop, Stop> {
    let event = json!({ "event": "help.refused", "act": act, "reason": refusal });
    ports.log.write(&with_common(event, agent, now)).await?;
    Ok(Stop::Refused(refusal))
}

pub(crate) async fn refused(case: &Case<'_>, refusal: HelpRefusal) -> Result<(), Stop> {
    write(case, json!({ "event": "help.refused", "act": case.act, "reason": refusal })).await
}

pub(crate) async fn second_agent_awaited(case: &Case<'_>) -> Result<(), Stop> {
    write(case, json!({ "event": "second_agent.awaited", "act": case.act })).await
}

pub(crate) async fn shown(case: &Case<'_>, reveal: Option<&Remark>) -> Result<(), Stop> {
    write(case, json!({ "event": "person.shown", "revealed": reveal.is_some(), "remark": reveal })).await
}

pub(crate) async fn code_sent(case: &Case<'_>, method: Method) -> Result<(), Stop> {
    write(case, json!({ "event": "caller.code_sent", "method": method })).await
}

pub(crate) async fn checked(case: &Case<'_>, by: &CheckedBy) -> Result<(), Stop> {
    write(case, json!({ "event": "caller.checked", "by": by })).await
}

pub(crate) async fn wrong_code(case: &Case<'_>) -> Result<(), Stop> {
    write(case, json!({ "event": "caller.rejected", "act": case.act })).await
}

pub(crate) async fn pass_issued(
    case: &Case<'_>,
    check: &CallerCheck,
    minutes: u32,
    reason: &Remark,
) -> Result<(), Stop> {
    let event = json!({ "event": "pass.issued", "minutes": minutes, "check": check, "remark": reason });
    write(case, event).await
}

pub(crate) async fn activation_pass_issued(case: &Case<'_>, reason: &Remark) -> Result<(), Stop> {
    write(case, json!({ "event": "activation_pass.issued", "remark": reason })).await
}

pub(crate) async fn removed(
    case: &Case<'_>,
    check: &CallerCheck,
    entry: &EntryId,
    reason: &Remark,
) -> Result<(), Stop> {
    write(case, json!({ "event": "method.removed", "entry": entry, "check": check, "remark": reason })).await
}

pub(crate) async fn unlocked(case: &Case<'_>, reason: &Remark) -> Result<(), Stop> {
    write(case, json!({ "event": "lock.removed", "remark": reason })).await
}

pub(crate) async fn released(case: &Case<'_>, known_devices: bool, reason: &Remark) -> Result<(), Stop> {
    let event = json!({ "event": "limits.lifted", "known_devices": known_devices, "remark": reason });
    write(case, event).await
}

/// Writes an event about a person. It is written before the act, so that none goes unseen.
async fn write(case: &Case<'_>, mut event: Value) -> Result<(), Stop> {
    let account = format!("{:?}", case.id().pseudonym(&case.ports.flows));
    if let Some(event) = event.as_object_mut() {
        event.insert("account".to_owned(), account.into());
    }
    Ok(case.ports.log.write(&with_common(event, &case.agent, case.now)).await?)
}

fn with_common(mut event: Value, agent: &Agent, now: Timestamp) -> Value {
    if let Some(event) = event.as_object_mut() {
        event.insert("timestamp".to_owned(), now.to_string().into());
        event.insert("level".to_owned(), "INFO".into());
        event.insert("actor".to_owned(), agent.as_str().into());
    }
    event
}
