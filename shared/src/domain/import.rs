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

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportAction {
    /// Nothing: the value is there, or the person enrolled another.
    Keep,
    /// The contact is taken away.
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

/// Decides about the contact of `kind` that an import brings. What an account that never held anything gets is old at
/// once: whoever imports vouches for it. Later a value that is there already, under whatever kind, keeps its age, and any
/// other waits. What the person enrolled stays.
pub fn import_contact(
    kind: Kind,
    contact: Option<Contact<'_>>,
    held: &[HeldContact],
    is_first: bool,
    waiting_period: Seconds,
    now: Timestamp,
) -> ImportAction {
    let found = held.iter().find(|one| one.kind == kind);
    if found.is_some_and(|found| !found.is_imported) {
        return ImportAction::Keep;
    }
    let Some(contact) = contact else { return ImportAction::Remove };
    let is_same = |one: &&HeldContact| contact.is_stored_as(one.kind, one.value.clone());
    if found.as_ref().is_some_and(is_same) {
        return ImportAction::Keep;
    }
    let replaces = found.is_some();
    let (usable_from, old_from) = match held.iter().find(is_same) {
        Some(same) => (same.usable_from, same.old_from),
        None if is_first => (now, now),
        None => (now + waiting_period, now + waiting_period + waiting_period),
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
    fn first_import_is_old_at_once() {
        let put = ImportAction::Put { usable_from: NOW, old_from: NOW, replaces: false };
        assert_eq!(import(Some("+60123456798"), &[], true), put);
    }

    #[test]
    fn changed_value_waits_and_unchanged_one_stays() {
        let before = [held(Kind::Mobile, "+60123456798", true)];
        assert_eq!(import(Some("+60123456798"), &before, false), ImportAction::Keep);
        assert_eq!(import(None, &before, false), ImportAction::Remove);
        let waits =
            ImportAction::Put { usable_from: NOW + WAIT, old_from: NOW + WAIT + WAIT, replaces: true };
        assert_eq!(import(Some("+60123456700"), &before, false), waits);
        let joins =
            ImportAction::Put { usable_from: NOW + WAIT, old_from: NOW + WAIT + WAIT, replaces: false };
        assert_eq!(import(Some("+60123456700"), &[], false), joins);
    }

    #[test]
    fn value_under_another_kind_keeps_its_age() {
        let before = [held(Kind::OfficePhone, "+60123456798", true)];
        let put = ImportAction::Put { usable_from: NOW, old_from: NOW + WAIT, replaces: false };
        assert_eq!(import(Some("+60123456798"), &before, false), put);
    }

    #[test]
    fn contact_that_the_person_enrolled_stays() {
        let own = [held(Kind::Mobile, "+60123456798", false)];
        assert_eq!(import(Some("+60123456700"), &own, false), ImportAction::Keep);
        assert_eq!(import(None, &own, false), ImportAction::Keep);
    }
}
