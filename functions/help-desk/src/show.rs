//! Shows a person: masks, and whole values only for a reason.

use shared::domain::account::Registration;
use shared::domain::contact::EmailAddress;
use shared::domain::help_desk::{Remark, masked_name};
use shared::domain::help_desk_call::{HelpAnswer, ShownCheck, ShownMethod, ShownPerson};
use shared::domain::mail_failure::FailedMailbox;
use shared::domain::security_info::Entry;

use crate::case::{Case, Stop};
use crate::{attempt, audit};

pub(crate) async fn show(case: &Case<'_>, reveal: Option<Remark>) -> Result<HelpAnswer, Stop> {
    audit::shown(case, reveal.as_ref()).await?;
    let (ports, account) = (case.ports, &case.account);
    let registration = ports.security_info.registration(&account.id, case.now).await?;
    let registered = ports.enrolment.registered(&account.id).await?;
    let record = case.record().await?.value;
    // Without the note of a failure the rest is still of use.
    let failure = match FailedMailbox::listed(&registration, &ports.messages) {
        Some(mailbox) => ports.mail_failures.mail_failure(&mailbox, case.now).await.unwrap_or_default(),
        None => None,
    };
    let is_whole = reveal.is_some();
    let email = |address: &EmailAddress| {
        if is_whole { address.expose().to_owned() } else { address.masked() }
    };
    let methods = registered.entries.into_iter().map(|entry| {
        let whole = contact(&entry, &registration).filter(|_| is_whole);
        ShownMethod {
            mail_failure: failure.filter(|failure| failure.concerns(&entry)),
            shown: whole.unwrap_or(entry.shown),
            id: entry.id,
            added_at: entry.added_at,
            last_used_at: entry.last_used_at,
            active_from: entry.active_from,
            old_from: entry.old_from,
            replaces: entry.predecessor.filter(|_| entry.active_from > case.now),
        }
    });
    let attempt = case.attempt.as_ref();
    let attempt =
        attempt.map(|flow| attempt::shown(flow, registration.generation, &ports.settings.flow, case.now));
    Ok(HelpAnswer::Shown(Box::new(ShownPerson {
        login: account.shown_login(),
        name: if is_whole { account.name.clone() } else { masked_name(&account.name) },
        email: account.email.as_ref().map(email),
        state: account.state,
        group: case.group.clone(),
        readiness: ports.settings.readiness(account, &registration),
        methods: methods.collect(),
        confirmed_at: registered.confirmed_at,
        checked: record.check(case.now).ok().map(|check| ShownCheck {
            by: check.by.clone(),
            agent: check.agent.as_str().to_owned(),
            at: check.at,
        }),
        attempt,
    })))
}

/// Returns the whole contact of an entry. While a contact waits to replace another, the entry is the waiting one.
fn contact(entry: &Entry, registration: &Registration) -> Option<String> {
    let kind = entry.id.kind();
    let next = &registration.successors;
    let waiting = Registration {
        alternate_email: next.alternate_email.clone(),
        mobile: next.mobile.clone(),
        office_phone: next.office_phone.clone(),
        ..Registration::default()
    };
    [&waiting, registration].into_iter().find_map(|held| {
        let contacts = held.contacts();
        let found = contacts.iter().find(|(of, _)| *of == kind).and_then(|(_, contact)| *contact);
        found.map(|contact| contact.expose().to_owned())
    })
}
