//! Accounts, what is registered for them, and who may reset.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::contact::{EmailAddress, PhoneNumber};
use super::holder::FlowKey;
use super::keys::Keyring;
use super::language::Language;
use super::method::{Factor, Method};
use super::name::NameRef;

/// Names one account in every table: the directory's own id, or, where there is no account, a text that no
/// directory gives out. Both kinds are looked up alike, so that a miss costs what a hit costs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(String);

impl AccountId {
    /// The id that a directory gave.
    pub fn from_directory(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id that stands for a name without an account. `~` sorts and reads as nothing a directory issues.
    pub fn of_nobody(name: &NameRef) -> Self {
        Self(format!("~{}", hex::encode(&name.as_bytes()[..16])))
    }

    /// The id as text, a table's key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the log calls the account. Stable over key rotation (it hangs on the eldest key).
    pub fn mark(&self, flows: &Keyring) -> AccountMark {
        let tag = flows.tag(flows.eldest(), "rekey/account-mark", &[self.0.as_bytes()]);
        AccountMark(tag.and_then(|tag| tag.as_bytes().first_chunk().copied()).unwrap_or_default())
    }
}

/// A keyed pseudonym: the lines of one account are found together (ASVS 5.0 16.2.1), and nobody without the key knows
/// whose they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AccountMark([u8; 8]);

impl fmt::Debug for AccountMark {
    /// Sixteen hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// What the directory says of an account's standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Can sign in.
    Active,
    /// Locked after failed sign-ins; a reset or an unlock ends it.
    Locked,
    /// Switched off by the organisation; no self-service.
    Disabled,
    /// Kept out of self-service (privileged, shared, functional accounts).
    Excluded,
}

impl Standing {
    /// Whether the person may help themselves.
    pub const fn may_reset(self) -> bool {
        matches!(self, Self::Active | Self::Locked)
    }
}

/// An account as the directory has it.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The person's name, for the rule that no part of it may be in the password.
    pub name: String,
    /// All logins, in canonical form.
    pub logins: Vec<String>,
    /// The organisation's own address of the person, told of a reset, never used to prove anything: the
    /// forgotten password protects this mailbox.
    pub email: Option<EmailAddress>,
    /// The language for messages.
    pub language: Option<Language>,
    /// Whether it may be reset.
    pub standing: Standing,
}

/// What is registered for an account besides its directory entry.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    /// The alternate address.
    pub alternate_email: Option<EmailAddress>,
    /// The mobile phone.
    pub mobile: Option<PhoneNumber>,
    /// The phone in the office.
    pub office_phone: Option<PhoneNumber>,
    /// Contacts that prove nothing yet: they replaced or joined others a short while ago. They are told of changes.
    pub not_yet: Vec<Factor>,
    /// The same, of those that were added without any proof: meanwhile they don't guard the page either.
    pub unproved: Vec<Factor>,
    /// The methods without a contact that count: an app for codes or approvals, a passkey, a recovery code.
    pub holds: Vec<Method>,
    /// How often the account's password or lock was changed here. A flow remembers the value of its opening and
    /// can act only while it still stands, so the first flow to succeed ends all others.
    pub generation: u64,
    /// The flow that made the last change, or is at it.
    pub claimed_by: Option<FlowKey>,
}

impl Registration {
    /// The contact behind a method that it counts for, as the text that a fingerprint is made of.
    pub fn contact(&self, method: Method) -> Option<Contact<'_>> {
        match method.factor() {
            factor if self.not_yet.contains(&factor) || self.unproved.contains(&factor) => None,
            Factor::AlternateEmail => self.alternate_email.as_ref().map(Contact::Email),
            Factor::MobilePhone => self.mobile.as_ref().map(Contact::Phone),
            Factor::OfficePhone => self.office_phone.as_ref().map(Contact::Phone),
            Factor::AuthenticatorApp | Factor::Passkey | Factor::RecoveryCodes => None,
        }
    }

    /// Whether `method` is registered.
    pub fn has(&self, method: Method) -> bool {
        self.holds.contains(&method) || self.contact(method).is_some()
    }

    /// What the person can be offered: registered here and allowed by policy, in the order of the page.
    pub fn offers(&self, allowed: &[Method]) -> Vec<Offer> {
        let masked = |method| self.contact(method).map(|contact| contact.masked()).unwrap_or_default();
        Method::ALL
            .into_iter()
            .filter(|method| allowed.contains(method) && self.has(*method))
            .map(|method| Offer { method, masked: masked(method) })
            .collect()
    }
}

/// A contact of either kind.
#[derive(Clone, Copy, Debug)]
pub enum Contact<'a> {
    /// A mailbox.
    Email(&'a EmailAddress),
    /// A telephone.
    Phone(&'a PhoneNumber),
}

impl Contact<'_> {
    /// What may be shown of it.
    pub fn masked(&self) -> String {
        match self {
            Self::Email(address) => address.masked(),
            Self::Phone(number) => number.masked(),
        }
    }

    /// The whole contact, for the message to it and for its fingerprint.
    pub fn expose(&self) -> &str {
        match self {
            Self::Email(address) => address.expose(),
            Self::Phone(number) => number.expose(),
        }
    }
}

/// A method that a flow offers, with what may be shown of its contact (empty where it has none).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The method.
    pub method: Method,
    /// The mask of its contact.
    pub masked: String,
}

/// Whether the offers hold enough distinct factors for `steps` verification steps.
pub fn suffices(offers: &[Offer], steps: u8) -> bool {
    let mut factors: Vec<Factor> = offers.iter().map(|offer| offer.method.factor()).collect();
    factors.sort_unstable();
    factors.dedup();
    factors.len() >= usize::from(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contact::Country;

    fn registration() -> Registration {
        let phone = |text| PhoneNumber::parse(text, Country::MALAYSIA).ok();
        Registration { mobile: phone("+60123456798"), ..Registration::default() }
    }

    #[test]
    fn one_phone_is_one_factor_though_it_offers_two_methods() {
        let offers = registration().offers(&Method::ALL);
        assert_eq!(offers.iter().map(|o| o.method).collect::<Vec<_>>(), [Method::Sms, Method::MobileCall]);
        assert!(suffices(&offers, 1));
        assert!(!suffices(&offers, 2));
    }

    #[test]
    fn policy_leaves_methods_out() {
        assert!(registration().offers(&[Method::Email, Method::Totp]).is_empty());
    }

    #[test]
    fn only_active_and_locked_accounts_may_reset() {
        assert!(Standing::Active.may_reset() && Standing::Locked.may_reset());
        assert!(!Standing::Disabled.may_reset() && !Standing::Excluded.may_reset());
    }
}
