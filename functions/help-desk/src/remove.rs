//! Removes a method that the caller lost.

use shared::domain::event::{AccountChange, Event};
use shared::domain::help_desk::Remark;
use shared::domain::help_desk_call::{HelpAnswer, HelpRefusal};
use shared::domain::message::Message;
use shared::domain::notice::notices;
use shared::domain::security_info::EntryId;
use shared::domain::time::Seconds;

use crate::case::{Case, Stop};
use crate::{audit, decision};

/// Ends what relied on the entry, notifies every contact, the removed one too, and then removes it. Known devices end,
/// since a lost telephone may be one. A crash in between leaves a removal that was notified and must be repeated.
pub(crate) async fn remove(case: &Case<'_>, entry: &EntryId, reason: &Remark) -> Result<HelpAnswer, Stop> {
    let (ports, account, now) = (case.ports, case.id(), case.now);
    let registered = ports.enrolment.registered(account).await?;
    if registered.entries.iter().all(|held| held.id != *entry) {
        return Err(Stop::Refused(HelpRefusal::NoSuchMethod));
    }
    let mut record = case.record().await?;
    let decision = record.value.remove(entry, &registered, &case.agent, now);
    let check = decision::write(case, &record, decision).await?;
    audit::removed(case, &check, entry, reason).await?;
    let overtaken = || Stop::Refused(HelpRefusal::Overtaken);
    let holder = case.holder();
    let generation = ports.enrolment.change(account, registered.generation, holder).await?;
    let generation = generation.ok_or_else(overtaken)?;
    ports.known_devices.revoke(account).await?;
    let registration = ports.security_info.registration(account, now).await?;
    let event = Event::Removed(entry.kind());
    let change = AccountChange { event, methods: Vec::new(), at: now, language: case.language() };
    let notices = notices(&case.account, &registration, &change);
    let notified = notices.len();
    let notices: Vec<Message> = notices.into_iter().map(Message::Notice).collect();
    ports.outgoing().send(holder, &notices, Seconds(0)).await?;
    let removed = ports.enrolment.remove(account, generation, holder, entry, now).await?;
    removed.ok_or_else(overtaken)?;
    Ok(HelpAnswer::Removed { notified })
}
