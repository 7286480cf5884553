//! Contacts from the attributes that the configuration names, by the rules of every import.

use std::collections::HashSet;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use shared::domain::account::{Account, AccountId, Contact, Registration};
use shared::domain::account_copy::CopiedContacts;
use shared::domain::holder::HolderId;
use shared::domain::import::{ImportAction, NewRegistration, Overwrite, with_unnamed};
use shared::domain::message::Message;
use shared::domain::notice::{AccountChange, Event, notices};
use shared::domain::security_info::Kind;
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{EntropyExt as _, StoreError};
use shared::verification::outgoing::Outgoing;

use super::ports::{Failed, Ports};
use super::progress::{Change, Progress};

/// Accounts whose contacts are written at once.
const AT_ONCE: usize = 16;
/// New people whose contacts are written together.
const TOGETHER: usize = 500;

/// Imports the contacts of those accounts whose contacts changed in the directory. `holders` are those who hold
/// something, where that is known of everybody.
pub(super) async fn import(
    ports: &Ports,
    progress: &mut Progress,
    changes: &mut [Change],
    holders: Option<&HashSet<AccountId>>,
    now: Timestamp,
) -> Result<(), Failed> {
    let differs = |(_, change): &(usize, &Change)| {
        let before = change.before.as_ref().and_then(|before| before.contacts.as_ref());
        match &change.copy.account.contacts {
            // Somebody who never had a contact gets none.
            Some(after) if before.is_none() => !after.kinds.is_empty(),
            Some(after) => before != Some(after),
            None => false,
        }
    };
    let differing: Vec<(usize, &Change)> = changes.iter().enumerate().filter(differs).collect();
    let (new, others): (Vec<_>, Vec<_>) =
        differing.into_iter().partition(|(_, change)| change.before.is_none());
    let held = import_new(ports, progress, &new, holders, now).await?;
    let imports: Vec<_> = held
        .into_iter()
        .chain(others)
        .map(|(at, change)| async move { Ok::<_, Failed>((at, import_one(ports, change, now).await?)) })
        .collect();
    let imported: Vec<(usize, Option<Vec<ImportAction>>)> =
        stream::iter(imports).buffer_unordered(AT_ONCE).try_collect().await?;
    for (at, actions) in imported {
        let Some(actions) = actions else {
            // Another run tries again.
            let before = changes[at].before.as_ref();
            let contacts: Option<CopiedContacts> = before.and_then(|before| before.contacts.clone());
            changes[at].copy.account.contacts = contacts;
            *progress.summary.unusable.entry("registration").or_default() += 1;
            continue;
        };
        for action in actions {
            match action {
                ImportAction::Put { .. } => progress.summary.contacts_written += 1,
                ImportAction::Remove => progress.summary.contacts_removed += 1,
                ImportAction::Decline => progress.summary.contacts_declined += 1,
                ImportAction::Keep => {}
            }
        }
    }
    Ok(())
}

/// Imports the contacts of people whom the copy does not have yet, and who hold nothing: all of them together, since a
/// first load has everybody. Returns the others.
async fn import_new<'a>(
    ports: &Ports,
    progress: &mut Progress,
    new: &[(usize, &'a Change)],
    holders: Option<&HashSet<AccountId>>,
    now: Timestamp,
) -> Result<Vec<(usize, &'a Change)>, Failed> {
    let mut others = Vec::new();
    for part in new.chunks(TOGETHER) {
        let ids: Vec<AccountId> =
            part.iter().map(|(_, change)| change.copy.account.account.id.clone()).collect();
        let held: HashSet<AccountId> = match holders {
            Some(holders) => ids.iter().filter(|id| holders.contains(*id)).cloned().collect(),
            None => ports.bulk.held(&ids, now).await?.into_keys().collect(),
        };
        let (with, without): (Vec<_>, Vec<_>) = part.iter().zip(&ids).partition(|(_, id)| held.contains(*id));
        others.extend(with.into_iter().map(|(change, _)| *change));
        let registrations: Vec<NewRegistration> = without
            .into_iter()
            .map(|((_, change), id)| NewRegistration {
                account: id.clone(),
                contacts: change.copy.contacts.clone(),
                sealed_seed: None,
            })
            .collect();
        ports.bulk.put_new(&registrations, now).await?;
        for registration in &registrations {
            let contacts = registration.contacts.contacts();
            let named = |kind: &Kind| ports.rules.contact_kinds.contains(kind);
            progress.summary.contacts_written +=
                contacts.iter().filter(|(kind, contact)| contact.is_some() && named(kind)).count();
        }
    }
    Ok(others)
}

/// Imports the contacts of an account, and notifies those that are replaced. Returns what became of them; `None` if
/// what is enrolled can't be read.
async fn import_one(
    ports: &Ports,
    change: &Change,
    now: Timestamp,
) -> Result<Option<Vec<ImportAction>>, Failed> {
    let account = &change.copy.account.account;
    let earlier = match ports.security_info.registration(&account.id, now).await {
        Ok(earlier) => earlier,
        Err(StoreError::Unreadable(attribute)) => {
            tracing::warn!(event = "sync.registration_unreadable", attribute);
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let named = &ports.rules.contact_kinds;
    let wanted = with_unnamed(&change.copy.contacts, &earlier, |kind| named.contains(&kind));
    let (overwrite, wait) = (Overwrite::Imported, ports.waiting_period);
    let imported = ports.contacts.import(&account.id, &wanted, None, overwrite, wait, now).await?;
    let (mut actions, mut messages) = (Vec::new(), Vec::new());
    for (kind, action) in imported.into_iter().filter(|(kind, _)| named.contains(kind)) {
        let earlier = earlier.only(kind);
        // A run that ended between the write and the notice finds its own contact waiting.
        let was_replaced = action == ImportAction::Keep && is_waiting(&earlier, &wanted, kind);
        if action.replaces() || was_replaced {
            let language = account.language.unwrap_or(ports.language);
            let added = AccountChange { event: Event::Added(kind), methods: Vec::new(), at: now, language };
            let account = Account { email: None, ..account.clone() };
            messages.extend(notices(&account, &earlier, &added).into_iter().map(Message::Notice));
        }
        let is_removed = action == ImportAction::Remove;
        let had = earlier.contacts().iter().any(|(_, contact)| contact.is_some());
        actions.extend((!is_removed || had).then_some(action));
    }
    let (queue, keys, entropy) = (&*ports.queue, &*ports.messages, &*ports.entropy);
    let outgoing = Outgoing { queue, messages: keys, entropy };
    outgoing.send(HolderId::from_bytes(entropy.bytes()), &messages, Seconds(0)).await?;
    Ok(Some(actions))
}

/// Returns whether the contact of `kind` that the directory has waits to replace another.
fn is_waiting(earlier: &Registration, wanted: &Registration, kind: Kind) -> bool {
    let next = &earlier.successors;
    let next = match kind {
        Kind::AlternateEmail => next.alternate_email.as_ref().map(Contact::Email),
        Kind::Mobile => next.mobile.as_ref().map(Contact::Phone),
        Kind::OfficePhone => next.office_phone.as_ref().map(Contact::Phone),
        _ => None,
    };
    let wanted = wanted.contacts().into_iter().find(|(of, _)| *of == kind).and_then(|(_, contact)| contact);
    next.is_some() && next == wanted
}
