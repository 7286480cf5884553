//! What an import does to one contact of an account.

use super::account::Contact;
use super::security_info::Kind;
use super::time::{Seconds, Timestamp};

/// A contact that an account holds when an import comes. It has no `Debug`: the whole value is in it.
#[derive(Clone)]
pub struct HeldContact {
    /// Its kind.
    pub kind: Kind,
    /// Its value, as it is stored.
    pub value: String,
    /// Whether an import wrote it, and not the person.
    pub is_imported: bool,
    /// From when on it counts.
    pub usable_from: Timestamp,
    /// From when on it has been active for the waiting period.
    pub old_from: Timestamp,
}

/// The decision about one kind of contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportAction {
    /// Nothing: the value is there.
    Keep,
    /// Nothing: the person enrolled another value, which stays.
    Decline,
    /// The contact is taken away, if there is one.
    Remove,
    /// The contact is written.
    Put {
        /// From when on it counts.
        usable_from: Timestamp,
        /// From when on it has been active for the waiting period.
        old_from: Timestamp,
        /// Whether it takes the place of another, which is to be notified.
        replaces: bool,
    },
}

impl ImportAction {
    /// Whether a contact waits to take the place of another, which is to be notified.
    pub const fn replaces(self) -> bool {
        matches!(self, Self::Put { replaces: true, .. })
    }
}

/// From when on something that an import adds counts, and from when on as old. What an account that never held anything
/// gets is old at once: whoever imports vouches for it.
pub fn active_from(is_first: bool, waiting_period: Seconds, now: Timestamp) -> (Timestamp, Timestamp) {
    if is_first { (now, now) } else { (now + waiting_period, now + waiting_period + waiting_period) }
}

/// Decides about the contact of `kind` that an import brings. A value that is there already, under whatever kind, keeps
/// its age; any other is active as [`active_from`] says. What the person enrolled stays.
pub fn import_contact(
    kind: Kind,
    contact: Option<Contact<'_>>,
    held: &[HeldContact],
    is_first: bool,
    waiting_period: Seconds,
    now: Timestamp,
) -> ImportAction {
    let found = held.iter().find(|one| one.kind == kind);
    let is_own = found.is_some_and(|found| !found.is_imported);
    let Some(contact) = contact else {
        return if is_own { ImportAction::Keep } else { ImportAction::Remove };
    };
    let is_same = |one: &&HeldContact| contact.is_stored_as(one.kind, one.value.clone());
    if found.as_ref().is_some_and(is_same) {
        return ImportAction::Keep;
    }
    if is_own {
        return ImportAction::Decline;
    }
    let replaces = found.is_some();
    let (usable_from, old_from) = match held.iter().find(is_same) {
        Some(same) => (same.usable_from, same.old_from),
        None => active_from(is_first, waiting_period, now),
    };
    ImportAction::Put { usable_from, old_from, replaces: replaces && usable_from > now }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contact::PhoneNumber;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
    const WAIT: Seconds = Seconds(72 * 3_600);

    fn held(kind: Kind, value: &str, is_imported: bool) -> HeldContact {
        HeldContact { kind, value: value.to_owned(), is_imported, usable_from: NOW, old_from: NOW + WAIT }
    }

    fn import(number: Option<&str>, held: &[HeldContact], is_first: bool) -> ImportAction {
        let number = number.map(|number| PhoneNumber::from_stored(number.to_owned()));
        let contact = number.as_ref().map(Contact::Phone);
        import_contact(Kind::Mobile, contact, held, is_first, WAIT, NOW)
    }

    #[test]
    fn first_import_is_old_immediately() {
        let put = ImportAction::Put { usable_from: NOW, old_from: NOW, replaces: false };
        assert_eq!(import(Some("+60123456798"), &[], true), put);
    }

    #[test]
    fn changed_import_waits_and_unchanged_import_is_kept() {
        let before = [held(Kind::Mobile, "+60123456798", true)];
        assert_eq!(import(Some("+60123456798"), &before, false), ImportAction::Keep);
        assert_eq!(import(None, &before, false), ImportAction::Remove);
        let waits =
            ImportAction::Put { usable_from: NOW + WAIT, old_from: NOW + WAIT + WAIT, replaces: true };
        assert_eq!(import(Some("+60123456700"), &before, false), waits);
        let joins =
            ImportAction::Put { usable_from: NOW + WAIT, old_from: NOW + WAIT + WAIT, replaces: false };
        assert_eq!(import(Some("+60123456700"), &[], false), joins);
        assert!(waits.replaces() && !joins.replaces() && !ImportAction::Keep.replaces());
    }

    #[test]
    fn value_moved_to_another_kind_keeps_age() {
        let before = [held(Kind::OfficePhone, "+60123456798", true)];
        let put = ImportAction::Put { usable_from: NOW, old_from: NOW + WAIT, replaces: false };
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
