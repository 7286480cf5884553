//! Factors by value: a person's possessions, and the evidence of possession.
//!
//! A factor is the thing itself, not the entry that names it. A number that is enrolled as mobile and as
//! office phone is one factor. A mailbox that verified a session twice counts once.

use serde::{Deserialize, Serialize};

use super::contact::{EmailAddress, PhoneNumber};
use super::keys::Tag;
use super::method::{Factor, Method};

/// The value of a factor, in a form that can be compared.
#[derive(Clone, Copy, Debug)]
pub enum FactorValue<'a> {
    /// An email address, compared in canonical form.
    Mailbox(&'a EmailAddress),
    /// A phone number, compared in canonical form.
    Phone(&'a PhoneNumber),
    /// Any other factor, of which an account has one: its authenticator app (codes and approvals are one
    /// registration), its passkeys (a password manager may have all), its sheet of recovery codes.
    Held(Factor),
}

impl FactorValue<'_> {
    /// Returns the canonical text, unique over all kinds. It may contain a whole contact, so only its tag may
    /// be stored.
    pub fn canonical(&self) -> String {
        match self {
            Self::Mailbox(address) => format!("mailto:{}", *address.canonical()),
            Self::Phone(number) => format!("tel:{}", *number.canonical()),
            Self::Held(factor) => format!("{factor:?}"),
        }
    }

    /// Returns the value of a factor without a contact; `None` for a contact.
    pub fn without_contact(factor: Factor) -> Option<Self> {
        (!factor.is_contact()).then_some(Self::Held(factor))
    }
}

/// One verification of a session by a factor that also serves in resets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedFactor {
    /// The method that the person chose.
    pub method: Method,
    /// The tag of the factor's value, keyed and bound to the session.
    pub factor: Tag,
    /// Whether the factor had been active for the waiting period at the verification.
    pub old: bool,
}

/// Returns whether `verified` has two different old factors. Entries of the session then have no waiting
/// period.
pub fn waives_waiting_period(verified: &[VerifiedFactor]) -> bool {
    let mut old = verified.iter().filter(|one| one.old && one.method.vouches());
    let first = old.next();
    first.is_some_and(|first| old.any(|other| other.factor != first.factor))
}

/// Returns whether an account has fewer factors than a reset `needs`, and all of them are verified. `held`
/// has the tags of all its factors. An account without factors has verified none.
pub fn has_verified_too_few(held: &[Tag], verified: &[VerifiedFactor], needs: u8) -> bool {
    let is_verified = |tag: &Tag| verified.iter().any(|one| one.method.vouches() && one.factor == *tag);
    !held.is_empty() && held.len() < usize::from(needs) && held.iter().all(is_verified)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a tag that represents a factor of this name.
    fn tag(factor: &str) -> Tag {
        let mut bytes = [0; 32];
        bytes[..factor.len()].copy_from_slice(factor.as_bytes());
        Tag::from_bytes(bytes)
    }

    fn verified(method: Method, factor: &str, old: bool) -> VerifiedFactor {
        VerifiedFactor { method, factor: tag(factor), old }
    }

    #[test]
    fn factor_without_contact_belongs_to_the_account() {
        let held = |factor| FactorValue::without_contact(factor).is_some();
        assert!(held(Factor::AuthenticatorApp) && held(Factor::Passkey) && held(Factor::RecoveryCodes));
        assert!(!held(Factor::AlternateEmail) && !held(Factor::MobilePhone) && !held(Factor::OfficePhone));
    }

    /// Controls: C-055.
    #[test]
    fn two_different_old_factors_waive_waiting_period() {
        let mail = verified(Method::Email, "mail", true);
        let app = verified(Method::Totp, "app", true);
        assert!(waives_waiting_period(&[mail.clone(), app.clone()]));
        assert!(!waives_waiting_period(&[mail.clone(), mail.clone()]), "the same factor twice");
        assert!(!waives_waiting_period(&[mail.clone(), verified(Method::Totp, "app", false)]), "a young one");
        let sheet = verified(Method::RecoveryCode, "sheet", true);
        assert!(!waives_waiting_period(&[mail, sheet]), "a sheet never counts");
        assert!(!waives_waiting_period(&[app]) && !waives_waiting_period(&[]));
    }

    /// Controls: C-043.
    #[test]
    fn too_few_factors_require_all_verified() {
        let held = |tags: &[&str]| tags.iter().map(|name| tag(name)).collect::<Vec<_>>();
        let mail = [verified(Method::Email, "mail", false)];
        assert!(has_verified_too_few(&held(&["mail"]), &mail, 2));
        assert!(!has_verified_too_few(&held(&["mail"]), &mail, 1), "one is enough for a reset");
        assert!(!has_verified_too_few(&held(&["mail", "app"]), &mail, 2));
        assert!(!has_verified_too_few(&held(&["app"]), &mail, 2), "another one");
        assert!(!has_verified_too_few(&[], &mail, 2), "an emptied account");
        let sheet = [verified(Method::RecoveryCode, "sheet", true)];
        assert!(!has_verified_too_few(&held(&["sheet"]), &sheet, 2));
    }

    #[test]
    fn canonical_values_of_different_kinds_differ() {
        let (address, number) =
            (EmailAddress::from_stored("app".into()), PhoneNumber::from_stored("app".into()));
        let all = [
            FactorValue::Mailbox(&address),
            FactorValue::Phone(&number),
            FactorValue::Held(Factor::AuthenticatorApp),
            FactorValue::Held(Factor::Passkey),
            FactorValue::Held(Factor::RecoveryCodes),
        ];
        let values: std::collections::BTreeSet<String> = all.iter().map(FactorValue::canonical).collect();
        assert_eq!(values.len(), all.len());
    }
}
