//! Gives a pass to a caller whose identity was checked.

use shared::domain::event::{AccountChange, Event};
use shared::domain::help_desk::{PassMinutes, Remark};
use shared::domain::help_desk_call::{HelpAnswer, SecretText};
use shared::domain::message::Message;
use shared::domain::notice::notices;
use shared::domain::pass::{Pass, PassKind};
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{EntropyExt as _, StoreError};

use crate::case::{Case, Stop};
use crate::{audit, decision};

/// Counts the pass, writes its event, notifies every contact, and only then writes the pass. After a crash in between a
/// pass is counted or notified that was not given.
pub(crate) async fn give(case: &Case<'_>, minutes: PassMinutes, reason: &Remark) -> Result<HelpAnswer, Stop> {
    let (ports, now) = (case.ports, case.now);
    let mut record = case.record().await?;
    let decision = record.value.give_pass(&case.agent, now);
    let check = decision::write(case, &record, decision).await?;
    audit::pass_issued(case, &check, minutes.into(), reason).await?;
    let registration = ports.security_info.registration(case.id(), now).await?;
    let change =
        AccountChange { event: Event::PassIssued, methods: Vec::new(), at: now, language: case.language() };
    let notices = notices(&case.account, &registration, &change);
    let notified = notices.len();
    let notices: Vec<Message> = notices.into_iter().map(Message::Notice).collect();
    ports.outgoing().send(case.holder(), &notices, Seconds(0)).await?;
    write(case, PassKind::Caller, now + minutes.seconds(), notified).await
}

/// Writes a new pass, and answers with it.
pub(crate) async fn write(
    case: &Case<'_>,
    kind: PassKind,
    expires_at: Timestamp,
    notified: usize,
) -> Result<HelpAnswer, Stop> {
    let ports = case.ports;
    let pass = Pass::generate(&ports.entropy.bytes());
    let tag = pass.tag(kind, &ports.seeds, case.id()).ok_or(StoreError::Unreadable("keyring"))?;
    ports.passes.put_pass(case.id(), kind, &tag, expires_at).await?;
    Ok(HelpAnswer::Passed { pass: SecretText::new(pass.code().expose().as_str()), expires_at, notified })
}
