//! The effect of an import on the contacts of an account.

use super::account::{AccountId, Contact, Registration};
use super::method::Method;
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
    /// Whether the person has used it in a reset, or confirmed the list, since it was written.
    pub is_confirmed: bool,
    /// Active from this time on.
    pub active_from: Timestamp,
    /// Old from this time on: it has been active for the waiting period.
    pub old_from: Timestamp,
}

/// The contacts of an account that an import may replace or remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// Those that an import wrote: a directory is the authority for what it gave.
    Imported,
    /// Those that an import wrote and the person has neither used nor confirmed.
    Unconfirmed,
    /// All of them. An enrolled contact is replaced, and never removed.
    All,
}

impl Overwrite {
    /// Returns whether another value may take the place of this contact.
    fn replaces(self, held: &StoredContactEntry) -> bool {
        self == Self::All || self.removes(held)
    }

    /// Returns whether the contact may be removed.
    fn removes(self, held: &StoredContactEntry) -> bool {
        held.is_imported && (self != Self::Unconfirmed || !held.is_confirmed)
    }
}

/// The decision about one kind of contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportAction {
    /// No change: the account already has the value.
    Keep,
    /// No change: another value of the person stays, as [`Overwrite`] says.
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
/// its age; any other gets the times of [`active_from`]. `overwrite` names the contacts that stay.
pub fn import_contact(
    kind: Kind,
    contact: Option<Contact<'_>>,
    held: &[StoredContactEntry],
    overwrite: Overwrite,
    is_first: bool,
    waiting_period: Seconds,
    now: Timestamp,
) -> ImportAction {
    let found = held.iter().find(|one| one.kind == kind);
    let Some(contact) = contact else {
        let stays = found.is_some_and(|found| !overwrite.removes(found));
        return if stays { ImportAction::Keep } else { ImportAction::Remove };
    };
    let is_same = |one: &&StoredContactEntry| contact.is_stored_as(one.kind, one.value.clone());
    if found.as_ref().is_some_and(is_same) {
        return ImportAction::Keep;
    }
    if found.is_some_and(|found| !overwrite.replaces(found)) {
        return ImportAction::Decline;
    }
    let replaces = found.is_some();
    let (active_from, old_from) = match held.iter().find(is_same) {
        Some(same) => (same.active_from, same.old_from),
        None => active_from(is_first, waiting_period, now),
    };
    ImportAction::Put { active_from, old_from, replaces: replaces && active_from > now }
}

/// What an account has when an import arrives. It has no `Debug`, since it contains whole contacts.
#[derive(Clone, Default)]
pub struct HeldRegistration {
    /// What is enrolled, as every function reads it.
    pub registration: Registration,
    /// The contacts.
    pub contacts: Vec<StoredContactEntry>,
    /// Whether the account never held anything: its first contacts are old at once.
    pub is_first: bool,
    /// Whether it has an app for codes, which an import never replaces.
    pub has_app: bool,
    /// Whether an import or an enrolment was completed before.
    pub is_begun: bool,
}

impl HeldRegistration {
    /// Returns what an account without any item has.
    pub fn none() -> Self {
        Self { is_first: true, ..Self::default() }
    }

    /// Decides about every kind of contact, and about the app if there is a seed for one and the account has none.
    pub fn decide(
        &self,
        imported: &Registration,
        has_seed: bool,
        overwrite: Overwrite,
        waiting_period: Seconds,
        now: Timestamp,
    ) -> Vec<(Kind, ImportAction)> {
        let contact = |(kind, contact)| {
            let held = &self.contacts[..];
            (kind, import_contact(kind, contact, held, overwrite, self.is_first, waiting_period, now))
        };
        let mut decisions: Vec<(Kind, ImportAction)> = imported.contacts().into_iter().map(contact).collect();
        if has_seed && !self.has_app {
            let (active_from, old_from) = active_from(self.is_first, waiting_period, now);
            decisions.push((Kind::Totp, ImportAction::Put { active_from, old_from, replaces: false }));
        }
        decisions
    }

    /// Returns what is enrolled once these decisions are carried out.
    pub fn after(
        &self,
        imported: &Registration,
        decisions: &[(Kind, ImportAction)],
        now: Timestamp,
    ) -> Registration {
        let mut after = self.registration.clone();
        for (kind, action) in decisions {
            let is_removed = *action == ImportAction::Remove;
            let serves = matches!(action, ImportAction::Put { active_from, .. } if *active_from <= now);
            if !is_removed && !serves {
                continue;
            }
            // A removed contact is none of the import's.
            match kind {
                Kind::AlternateEmail => after.alternate_email.clone_from(&imported.alternate_email),
                Kind::Mobile => after.mobile.clone_from(&imported.mobile),
                Kind::OfficePhone => after.office_phone.clone_from(&imported.office_phone),
                _ => after.holds.push(Method::Totp),
            }
        }
        after
    }

    /// Returns whether the account has one of these contacts, or has a private one of them waiting. An office phone
    /// proves nobody to be the same person: colleagues share one.
    pub fn shares_contact(&self, imported: &Registration) -> bool {
        let private = imported.contacts().into_iter().filter(|(kind, _)| *kind != Kind::OfficePhone);
        private.filter_map(|(_, contact)| contact).any(|contact| {
            self.contacts.iter().any(|held| contact.is_stored_as(held.kind, held.value.clone()))
        })
    }
}

/// The registration of a new account.
#[derive(Clone)]
pub struct NewRegistration {
    /// The account, which holds nothing yet.
    pub account: AccountId,
    /// Its contacts.
    pub contacts: Registration,
    /// The seed of its app for codes, sealed for the account.
    pub sealed_seed: Option<String>,
}

/// Adds to the contacts those of the kinds that the source says nothing about, as they are, so that an import keeps
/// them.
#[must_use]
pub fn with_unnamed(
    contacts: &Registration,
    earlier: &Registration,
    is_named: impl Fn(Kind) -> bool,
) -> Registration {
    let next = &earlier.successors;
    let mut all = contacts.clone();
    if !is_named(Kind::AlternateEmail) {
        all.alternate_email = next.alternate_email.clone().or_else(|| earlier.alternate_email.clone());
    }
    if !is_named(Kind::Mobile) {
        all.mobile = next.mobile.clone().or_else(|| earlier.mobile.clone());
    }
    if !is_named(Kind::OfficePhone) {
        all.office_phone = next.office_phone.clone().or_else(|| earlier.office_phone.clone());
    }
    all
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
            is_confirmed: false,
            active_from: NOW,
            old_from: NOW + WAIT,
        }
    }

    fn import(number: Option<&str>, held: &[StoredContactEntry], is_first: bool) -> ImportAction {
        import_over(Overwrite::Imported, number, held, is_first)
    }

    fn import_over(
        overwrite: Overwrite,
        number: Option<&str>,
        held: &[StoredContactEntry],
        is_first: bool,
    ) -> ImportAction {
        let number = number.map(|number| PhoneNumber::from_stored(number.to_owned()));
        let contact = number.as_ref().map(Contact::Phone);
        import_contact(Kind::Mobile, contact, held, overwrite, is_first, WAIT, NOW)
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

    /// Controls: C-054.
    #[test]
    fn operator_replaces_confirmed_contacts_only_on_request() {
        const OTHER: Option<&str> = Some("+60123456700");
        let unconfirmed = held(Kind::Mobile, "+60123456798", true);
        let confirmed = StoredContactEntry { is_confirmed: true, ..unconfirmed.clone() };
        let enrolled = held(Kind::Mobile, "+60123456798", false);
        let waits =
            ImportAction::Put { active_from: NOW + WAIT, old_from: NOW + WAIT + WAIT, replaces: true };
        for (overwrite, one, other, empty) in [
            (Overwrite::Imported, &confirmed, waits, ImportAction::Remove),
            (Overwrite::Unconfirmed, &unconfirmed, waits, ImportAction::Remove),
            (Overwrite::Unconfirmed, &confirmed, ImportAction::Decline, ImportAction::Keep),
            (Overwrite::Unconfirmed, &enrolled, ImportAction::Decline, ImportAction::Keep),
            (Overwrite::All, &confirmed, waits, ImportAction::Remove),
            (Overwrite::All, &enrolled, waits, ImportAction::Keep),
        ] {
            let held = std::slice::from_ref(one);
            assert_eq!(import_over(overwrite, OTHER, held, false), other, "{overwrite:?}");
            assert_eq!(import_over(overwrite, None, held, false), empty, "{overwrite:?}");
            assert_eq!(import_over(overwrite, Some("+60123456798"), held, false), ImportAction::Keep);
        }
    }

    #[test]
    fn registration_after_import_has_what_serves() {
        let phone = |text: &str| Some(PhoneNumber::from_stored(text.to_owned()));
        let imported = Registration { mobile: phone("+60123456700"), ..Registration::default() };
        let new = HeldRegistration::none();
        let decisions = new.decide(&imported, true, Overwrite::Unconfirmed, WAIT, NOW);
        let after = new.after(&imported, &decisions, NOW);
        assert!(after.has(Method::Sms) && after.has(Method::Totp));
        let existing = HeldRegistration {
            registration: Registration { mobile: phone("+60123456798"), ..Registration::default() },
            contacts: vec![held(Kind::Mobile, "+60123456798", true)],
            has_app: true,
            is_begun: true,
            is_first: false,
        };
        let decisions = existing.decide(&imported, true, Overwrite::Unconfirmed, WAIT, NOW);
        assert_eq!(decisions.len(), 3, "an app stays");
        let after = existing.after(&imported, &decisions, NOW);
        assert_eq!(after.mobile, phone("+60123456798"), "the earlier one serves while the new one waits");
        let none = Registration::default();
        let decisions = existing.decide(&none, false, Overwrite::Unconfirmed, WAIT, NOW);
        assert_eq!(existing.after(&none, &decisions, NOW).mobile, None);
    }

    #[test]
    fn shared_contact_is_found_by_value_but_not_in_the_office() {
        let phone = |text: &str| Some(PhoneNumber::from_stored(text.to_owned()));
        let held = HeldRegistration {
            contacts: vec![
                held(Kind::Mobile, "+60123456798", true),
                held(Kind::OfficePhone, "+60327317272", true),
            ],
            ..HeldRegistration::none()
        };
        let shares = |imported: Registration| held.shares_contact(&imported);
        assert!(shares(Registration { mobile: phone("+60123456798"), ..Registration::default() }));
        assert!(!shares(Registration { mobile: phone("+60123456700"), ..Registration::default() }));
        assert!(!shares(Registration { office_phone: phone("+60327317272"), ..Registration::default() }));
    }
}
