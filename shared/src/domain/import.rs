//! The effect of an import on one contact of an account.

use super::account::Contact;
use super::security_info::Kind;
use super::time::{Seconds, Timestamp};

/// A contact that an account has when an import arrives. It has no `Debug`, since it contains the whole
/// value.
#[derive(Clone)]
pub struct StoredContactEntry {
    /// The kind that an import decides about.
    pub kind: Kind,
    /// The value as stored: E.164 or an email address.
    pub value: String,
    /// Whether an import wrote it; otherwise the person enrolled it.
    pub is_imported: bool,
    /// Active from this time on.
    pub active_from: Timestamp,
    /// Old from this time on: it has been active for the waiting period.
    pub old_from: Timestamp,
}

/// The decision about one kind of contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportAction {
    /// No change: the account already has the value.
    Keep,
    /// No change: the person enrolled another value, which stays.
    Decline,
    /// The contact is removed, if there is one.
    Remove,
    /// The contact is written.
    Put {
        /// Active from this time on.
        active_from: Timestamp,
        /// Old from this time on: it has been active for the waiting period.
        old_from: Timestamp,
        /// Whether it replaces another contact, which is then notified.
        replaces: bool,
    },
}

impl ImportAction {
    /// Returns whether the contact replaces another, which is then notified.
    pub const fn replaces(self) -> bool {
        matches!(self, Self::Put { replaces: true, .. })
    }
}

/// Returns the times from which an imported contact is active and old. An account's first contact is old at
/// once: the importer vouches for it.
pub fn active_from(is_first: bool, waiting_period: Seconds, now: Timestamp) -> (Timestamp, Timestamp) {
    if is_first { (now, now) } else { (now + waiting_period, now + waiting_period + waiting_period) }
}

/// Decides about an imported contact of `kind`. A value that the account already has, under any kind, keeps
/// its age; any other gets the times of [`active_from`]. A contact that the person enrolled stays.
pub fn import_contact(
    kind: Kind,
    contact: Option<Contact<'_>>,
    held: &[StoredContactEntry],
    is_first: bool,
    waiting_period: Seconds,
    now: Timestamp,
) -> ImportAction {
    let found = held.iter().find(|one| one.kind == kind);
    let is_own = found.is_some_and(|found| !found.is_imported);
    let Some(contact) = contact else {
        return if is_own { ImportAction::Keep } else { ImportAction::Remove };
    };
    let is_same = |one: &&StoredContactEntry| contact.is_stored_as(one.kind, one.value.clone());
    if found.as_ref().is_some_and(is_same) {
        return ImportAction::Keep;
    }
    if is_own {
        return ImportAction::Decline;
    }
    let replaces = found.is_some();
    let (active_from, old_from) = match held.iter().find(is_same) {
        Some(same) => (same.active_from, same.old_from),
        None => active_from(is_first, waiting_period, now),
    };
    ImportAction::Put { active_from, old_from, replaces: replaces && active_from > now }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contact::PhoneNumber;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
    const WAIT: Seconds = Seconds(72 * 3_600);

    fn held(kind: Kind, value: &str, is_imported: bool) -> StoredContactEntry {
        StoredContactEntry {
            kind,
            value: value.to_owned(),
            is_imported,
            active_from: NOW,
            old_from: NOW + WAIT,
        }
    }

    fn import(number: Option<&str>, held: &[StoredContactEntry], is_first: bool) -> ImportAction {
        let number = number.map(|number| PhoneNumber::from_stored(number.to_owned()));
        let contact = number.as_ref().map(Contact::Phone);
        import_contact(Kind::Mobile, contact, held, is_first, WAIT, NOW)
    }

    #[test]
    fn first_import_is_old_immediately() {
        let put = ImportAction::Put { active_from: NOW, old_from: NOW, replaces: false };
        assert_eq!(import(Some("+60123456798"), &[], true), put);
    }

    /// Controls: C-054.
    #[test]
    fn changed_import_waits_and_unchanged_import_is_kept() {
        let before = [held(Kind::Mobile, "+60123456798", true)];
        assert_eq!(import(Some("+60123456798"), &before, false), ImportAction::Keep);
        assert_eq!(import(None, &before, false), ImportAction::Remove);
        let waits =
            ImportAction::Put { active_from: NOW + WAIT, old_from: NOW + WAIT + WAIT, replaces: true };
        assert_eq!(import(Some("+60123456700"), &before, false), waits);
        let joins =
            ImportAction::Put { active_from: NOW + WAIT, old_from: NOW + WAIT + WAIT, replaces: false };
        assert_eq!(import(Some("+60123456700"), &[], false), joins);
        assert!(waits.replaces() && !joins.replaces() && !ImportAction::Keep.replaces());
    }

    #[test]
    fn value_moved_to_another_kind_keeps_age() {
        let before = [held(Kind::OfficePhone, "+60123456798", true)];
        let put = ImportAction::Put { active_from: NOW, old_from: NOW + WAIT, replaces: false };
        assert_eq!(import(Some("+60123456798"), &before, false), put);
    }

    #[test]
    fn import_keeps_contact_enrolled_by_person() {
        let own = [held(Kind::Mobile, "+60123456798", false)];
        assert_eq!(import(Some("+60123456700"), &own, false), ImportAction::Decline);
        assert_eq!(import(Some("+60123456798"), &own, false), ImportAction::Keep);
        assert_eq!(import(None, &own, false), ImportAction::Keep);
    }
}
