//! Factors by value: what a person possesses, and the evidence that they possess it.
//!
//! A factor is the thing itself, not the column that it stands in: a number that is registered as mobile and as office
//! phone is one factor, and the mailbox that verified a session twice has verified it once.

use serde::{Deserialize, Serialize};

use super::contact::{EmailAddress, PhoneNumber};
use super::keys::Tag;
use super::method::{Factor, Method};

/// The value of a factor, in the form in which two of them are compared.
#[derive(Clone, Copy, Debug)]
pub enum FactorValue<'a> {
    /// A mailbox.
    Mailbox(&'a EmailAddress),
    /// A telephone, by its number.
    Phone(&'a PhoneNumber),
    /// Anything else, of which an account has one: its authenticator app (codes and approvals are one registration), its
    /// passkeys (a password manager may hold all), its sheet of recovery codes.
    Held(Factor),
}

impl FactorValue<'_> {
    /// The canonical text, unique over all kinds. It may hold a whole contact: it is made into a tag, never stored.
    pub fn canonical(&self) -> String {
        match self {
            Self::Mailbox(address) => format!("mailto:{}", *address.canonical()),
            Self::Phone(number) => format!("tel:{}", *number.canonical()),
            Self::Held(factor) => format!("{factor:?}"),
        }
    }

    /// The value of a factor that is no contact.
    pub fn without_contact(factor: Factor) -> Option<Self> {
        (!factor.is_contact()).then_some(Self::Held(factor))
    }
}

/// One verification of a session by a factor that serves in resets too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedFactor {
    /// How it was verified.
    pub method: Method,
    /// The tag of the factor's value, keyed and bound to the session.
    pub factor: Tag,
    /// Whether the factor had been active for the waiting period when it was verified.
    pub old: bool,
}

/// Whether `verified` holds two different factors that are old: then nothing that the session enrols has to wait.
pub fn waives_waiting_period(verified: &[VerifiedFactor]) -> bool {
    let mut old = verified.iter().filter(|one| one.old && one.method.vouches());
    let first = old.next();
    first.is_some_and(|first| old.any(|other| other.factor != first.factor))
}

/// Whether `held`, the tags of every factor that an account holds, are fewer than a reset `needs`, and all of them are
/// verified. An account that holds none has not verified any.
pub fn has_verified_too_few(held: &[Tag], verified: &[VerifiedFactor], needs: u8) -> bool {
    let is_verified = |tag: &Tag| verified.iter().any(|one| one.method.vouches() && one.factor == *tag);
    !held.is_empty() && held.len() < usize::from(needs) && held.iter().all(is_verified)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tag that stands for a factor of this name.
    fn tag(factor: &str) -> Tag {
        let mut bytes = [0; 32];
        bytes[..factor.len()].copy_from_slice(factor.as_bytes());
        Tag::from_bytes(bytes)
    }

    fn verified(method: Method, factor: &str, old: bool) -> VerifiedFactor {
        VerifiedFactor { method, factor: tag(factor), old }
    }

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
