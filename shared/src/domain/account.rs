//! Accounts, their enrolled methods, and who may reset.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::contact::{EmailAddress, PhoneNumber, canonical_domain};
use super::factor::FactorValue;
use super::holder::HolderId;
use super::keys::Keyring;
use super::language::Language;
use super::method::{Factor, Kind, Method};
use super::name::{NameRef, fold};
use super::published_policy::PublishedPolicy;
use super::time::{Seconds, Timestamp};

/// The longest id of an account in octets. The id is part of DynamoDB keys, which have at most 2048 octets.
pub const ACCOUNT_ID_MAX: usize = 1024;

/// Names one account in every table: the directory's own id, or a decoy id that no directory gives out. Both
/// kinds are looked up alike, so that a miss costs as much as a hit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(String);

impl AccountId {
    /// Reads an id that a directory gave: `objectGUID`, `entryUUID`, `sub`, `oid`, a login. It may hold any
    /// characters but control characters.
    ///
    /// # Errors
    /// [`AccountIdError`] when it is empty, has more than [`ACCOUNT_ID_MAX`] octets or a control character,
    /// or is a decoy id ([`Self::decoy`]).
    pub fn from_directory(id: impl Into<String>) -> Result<Self, AccountIdError> {
        let id = id.into();
        let fits = (1..=ACCOUNT_ID_MAX).contains(&id.len()) && !id.chars().any(char::is_control);
        if fits && !is_decoy(&id) { Ok(Self(id)) } else { Err(AccountIdError) }
    }

    /// Returns the decoy id of a name without an account: `~` and 32 hexadecimal digits.
    pub fn decoy(name: &NameRef) -> Self {
        Self(format!("~{}", hex::encode(&name.as_bytes()[..16])))
    }

    /// Returns the id as text, as tables use it in keys.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether this is the id of a name without an account.
    pub fn is_decoy(&self) -> bool {
        is_decoy(&self.0)
    }

    /// Returns the pseudonym that log events carry. It uses the oldest key, so key rotation doesn't change
    /// it.
    pub fn pseudonym(&self, flows: &Keyring) -> Pseudonym {
        let tag = flows.tag(flows.oldest(), "rekey/account-mark", &[self.0.as_bytes()]);
        Pseudonym(tag.and_then(|tag| tag.as_bytes().first_chunk().copied()).unwrap_or_default())
    }
}

fn is_decoy(id: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    id.strip_prefix('~').is_some_and(|digits| digits.len() == 32 && digits.bytes().all(is_digit))
}

/// The text can't be an account id: it is empty, too long, has a control character or is a decoy id.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not the id of an account")]
pub struct AccountIdError;

/// A keyed pseudonym of an account. Log events of one account can be correlated (ASVS 5.0 16.2.1), but only a
/// holder of the key can tell whose they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pseudonym([u8; 8]);

impl fmt::Debug for Pseudonym {
    /// Writes sixteen hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The state of an account in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountState {
    /// The person can sign in; a reset is allowed too.
    Active,
    /// Locked after failed sign-ins; a reset or an unlock removes the lock.
    Locked,
    /// Disabled by the organisation; self-service is refused.
    Disabled,
    /// Excluded from self-service (privileged, shared and functional accounts).
    Excluded,
}

impl AccountState {
    /// Returns whether self-service is open to the account: it is active or locked.
    pub const fn may_reset(self) -> bool {
        matches!(self, Self::Active | Self::Locked)
    }
}

/// An account as the directory returns it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// The directory's own id; every table uses it as a key.
    pub id: AccountId,
    /// The person's name; the password policy rejects passwords that contain a part of it.
    pub name: String,
    /// All logins, in canonical form.
    pub logins: Vec<String>,
    /// The organisation's own mailbox of the person. It receives notifications and never verifies anything:
    /// the forgotten password protects this mailbox.
    pub email: Option<EmailAddress>,
    /// The language for messages, if the directory has one.
    pub language: Option<Language>,
    /// The state in the directory; it decides whether self-service is open.
    pub state: AccountState,
    /// The directory's own rules for a password of this account, as far as they are known. Fine-grained policies give
    /// other people other rules.
    pub password_policy: Option<PublishedPolicy>,
}

/// The longest login that names an account, in octets: it is part of a flow's item.
const SHOWN_LOGIN_MAX: usize = 64;

impl Account {
    /// Returns the login that pages and mails name the account by, since one mailbox may serve several accounts.
    /// `None` if the first login is longer than 64 octets.
    pub fn shown_login(&self) -> Option<String> {
        self.logins.first().filter(|login| login.len() <= SHOWN_LOGIN_MAX).cloned()
    }

    /// Returns whether the forgotten password opens this mailbox, however the address is spelt. These are the
    /// directory's address, a login of the account (with or without a `+tag`), and any address in or below
    /// one of the organisation's own domains. Such a mailbox verifies nothing.
    pub fn protects(&self, address: &EmailAddress, own_domains: &[String]) -> bool {
        let canonical = address.canonical();
        let Some((local, domain)) = canonical.rsplit_once('@') else { return false };
        let is_below = |own: &str| {
            let own = canonical_domain(own).unwrap_or_else(|| fold(own));
            domain.strip_suffix(own.as_str()).is_some_and(|above| above.is_empty() || above.ends_with('.'))
        };
        let untagged = local.split_once('+').map_or(local, |(local, _)| local);
        let is_login = |login: &String| {
            let login = EmailAddress::from_stored(login.clone()).canonical();
            *login == *canonical || login.rsplit_once('@') == Some((untagged, domain))
        };
        own_domains.iter().any(|own| is_below(own))
            || self.email.as_ref().is_some_and(|email| {
                let email = email.canonical();
                email == canonical || email.rsplit_once('@').is_some_and(|(_, own)| is_below(own))
            })
            || self.logins.iter().any(is_login)
    }
}

/// The methods enrolled for an account besides its directory entry. Of each contact kind it holds the
/// active one, or the waiting one where none is active.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Registration {
    /// A mailbox outside the organisation, for mailed codes.
    pub alternate_email: Option<EmailAddress>,
    /// The mobile phone, for texts and calls.
    pub mobile: Option<PhoneNumber>,
    /// The office phone, for calls only.
    pub office_phone: Option<PhoneNumber>,
    /// Waiting contacts that replace an active one later. Until then they only receive notifications.
    pub successors: Successors,
    /// Factors in their waiting period. They verify nothing yet and only receive notifications.
    pub pending_activation: Vec<Factor>,
    /// Those of `pending_activation` that were added without a verification. Until active, they don't protect
    /// `/security-info` either.
    pub unverified: Vec<Factor>,
    /// Whether the password protects the mailbox of the alternate address: see [`Self::as_evidence_for`].
    pub is_mailbox_protected: bool,
    /// The active methods without a contact: authenticator app, passkey, recovery code.
    pub holds: Vec<Method>,
    /// The active methods whose factor has not been active for the waiting period yet.
    pub young: Vec<Method>,
    /// The last use in a reset of each contact that serves now.
    pub last_used: Vec<(Factor, Timestamp)>,
    /// How often Rekey changed the account's password or lock. A flow stores the value at its start and can
    /// act only while it is unchanged, so the first flow to succeed ends all others.
    pub generation: u64,
    /// The flow that holds the lease or made the last change.
    pub lease_holder: Option<HolderId>,
    /// The epoch of its known devices: a cookie of an earlier one counts no more.
    pub device_epoch: u64,
}

/// A contact that redeemed a code within this time did so lately: a term. Most people who use it then still
/// have it.
const LATELY: Seconds = Seconds(90 * Seconds::DAY.0);

/// Waiting contacts that replace active ones when their waiting period ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Successors {
    /// Replaces the alternate address.
    pub alternate_email: Option<EmailAddress>,
    /// Replaces the mobile phone.
    pub mobile: Option<PhoneNumber>,
    /// Replaces the office phone.
    pub office_phone: Option<PhoneNumber>,
}

impl Registration {
    /// Returns the contact of each kind, without waiting successors.
    pub fn contacts(&self) -> [(Kind, Option<Contact<'_>>); 3] {
        [
            (Kind::AlternateEmail, self.alternate_email.as_ref().map(Contact::Email)),
            (Kind::Mobile, self.mobile.as_ref().map(Contact::Phone)),
            (Kind::OfficePhone, self.office_phone.as_ref().map(Contact::Phone)),
        ]
    }

    /// Returns a copy with only the contact of one kind and its waiting successor.
    #[must_use]
    pub fn only(&self, kind: Kind) -> Self {
        let mut only = Self::default();
        let next = &self.successors;
        match kind {
            Kind::AlternateEmail => {
                only.alternate_email.clone_from(&self.alternate_email);
                only.successors.alternate_email.clone_from(&next.alternate_email);
            }
            Kind::Mobile => {
                only.mobile.clone_from(&self.mobile);
                only.successors.mobile.clone_from(&next.mobile);
            }
            Kind::OfficePhone => {
                only.office_phone.clone_from(&self.office_phone);
                only.successors.office_phone.clone_from(&next.office_phone);
            }
            _ => {}
        }
        only
    }

    /// Returns the contact of a method, if the method has one and it is enrolled.
    pub fn contact(&self, method: Method) -> Option<Contact<'_>> {
        match method.factor() {
            Factor::AlternateEmail if self.is_mailbox_protected => None,
            factor if self.pending_activation.contains(&factor) || self.unverified.contains(&factor) => None,
            Factor::AlternateEmail => self.alternate_email.as_ref().map(Contact::Email),
            Factor::MobilePhone => self.mobile.as_ref().map(Contact::Phone),
            Factor::OfficePhone => self.office_phone.as_ref().map(Contact::Phone),
            _ => None,
        }
    }

    /// Returns whether this address or number is enrolled, under any kind, active or waiting.
    pub fn holds_contact(&self, contact: Contact<'_>) -> bool {
        let next = &self.successors;
        let emails = [&self.alternate_email, &next.alternate_email];
        let emails = emails.into_iter().flatten().map(Contact::Email);
        let phones = [&self.mobile, &self.office_phone, &next.mobile, &next.office_phone];
        let phones = phones.into_iter().flatten().map(Contact::Phone);
        emails.chain(phones).any(|held| held == contact)
    }

    /// Returns the registration as evidence for `account`. A mailbox that the account's password protects is
    /// notified and verifies nothing, even if an import or an earlier version stored it.
    #[must_use]
    pub fn as_evidence_for(mut self, account: &Account, own_domains: &[String]) -> Self {
        let mailbox = self.alternate_email.as_ref();
        self.is_mailbox_protected = mailbox.is_some_and(|address| account.protects(address, own_domains));
        self
    }

    /// Returns whether `method` is enrolled and active.
    pub fn has(&self, method: Method) -> bool {
        self.holds.contains(&method) || self.contact(method).is_some()
    }

    /// Returns whether the contact of `method` redeemed a code of a completed reset within the last 90 days.
    pub fn redeemed_lately(&self, method: Method, now: Timestamp) -> bool {
        self.last_used.iter().any(|(factor, at)| *factor == method.factor() && at.is_within(LATELY, now))
    }

    /// Returns the factor of an active method, compared by value.
    pub fn factor(&self, method: Method) -> Option<FactorValue<'_>> {
        match self.contact(method) {
            Some(Contact::Email(address)) => Some(FactorValue::Mailbox(address)),
            Some(Contact::Phone(number)) => Some(FactorValue::Phone(number)),
            None => FactorValue::without_contact(method.factor()).filter(|_| self.holds.contains(&method)),
        }
    }

    /// Returns the methods to offer: enrolled and allowed by policy, in the order of the page. A number
    /// enrolled as mobile and as office phone is offered once, as the mobile, with the older age.
    pub fn offers(&self, allowed: &[Method]) -> Vec<Offer> {
        let masked = |method| self.contact(method).map(|contact| contact.masked()).unwrap_or_default();
        let is_one_phone = self.is_one_phone(allowed);
        let is_young = |method: Method| {
            let is_old_elsewhere =
                is_one_phone && method.is_phone() && !self.young.contains(&Method::OfficeCall);
            self.young.contains(&method) && !is_old_elsewhere
        };
        Method::ALL
            .into_iter()
            .filter(|method| allowed.contains(method) && self.has(*method))
            .filter(|method| *method != Method::OfficeCall || !is_one_phone)
            .map(|method| Offer { method, masked: masked(method), young: is_young(method) })
            .collect()
    }

    /// Returns whether the office phone equals the mobile and a method of the mobile is `allowed`.
    fn is_one_phone(&self, allowed: &[Method]) -> bool {
        let mobile = [Method::Sms, Method::MobileCall].into_iter().find(|method| allowed.contains(method));
        match (mobile.and_then(|method| self.contact(method)), self.contact(Method::OfficeCall)) {
            (Some(Contact::Phone(mobile)), Some(Contact::Phone(office))) => mobile == office,
            _ => false,
        }
    }
}

/// An email address or a phone number, borrowed from a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Contact<'a> {
    /// Receives mailed codes and notifications.
    Email(&'a EmailAddress),
    /// Receives texts and calls.
    Phone(&'a PhoneNumber),
}

impl Contact<'_> {
    /// Returns the mask, the only form that pages and logs may show.
    pub fn masked(&self) -> String {
        match self {
            Self::Email(address) => address.masked(),
            Self::Phone(number) => number.masked(),
        }
    }

    /// Returns whether it equals a stored contact of `kind`.
    pub fn is_stored_as(&self, kind: Kind, stored: String) -> bool {
        let is_mailbox = kind == Kind::AlternateEmail;
        match self {
            Self::Email(address) => is_mailbox && **address == EmailAddress::from_stored(stored),
            Self::Phone(number) => !is_mailbox && **number == PhoneNumber::from_stored(stored),
        }
    }

    /// Returns the canonical form, which contacts of a kind are compared by and fingerprints are made of.
    pub fn canonical(&self) -> Zeroizing<String> {
        match self {
            Self::Email(address) => address.canonical(),
            Self::Phone(number) => number.canonical(),
        }
    }

    /// Returns the whole contact. Only the message to it may use it.
    pub fn expose(&self) -> &str {
        match self {
            Self::Email(address) => address.expose(),
            Self::Phone(number) => number.expose(),
        }
    }
}

/// A method that a flow offers, with the mask of its contact (empty for a method without one).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The method that a person can choose.
    pub method: Method,
    /// For example `*****98`.
    pub masked: String,
    /// Whether its factor has not been active for the waiting period yet. The browser never learns this.
    #[serde(default, rename = "y", skip_serializing_if = "is_false")]
    pub young: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_false(young: &bool) -> bool {
    !*young
}

impl Offer {
    /// Returns the offer as a page shows it. It hides how long the factor has been active.
    #[must_use]
    pub fn shown(&self) -> Self {
        Self { young: false, ..self.clone() }
    }
}

/// Returns whether the offers have enough distinct factors for `steps` verification steps.
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
    fn account_id_from_directory_is_validated() {
        let longest = "a".repeat(ACCOUNT_ID_MAX);
        for id in ["aisyah", "0b5c2f3e-9a1d", "a#1#20781", "~aisyah", "ஆயிஷா", longest.as_str()] {
            assert_eq!(AccountId::from_directory(id).unwrap().as_str(), id);
        }
        for id in ["", "a\nb", "a\0", &format!("{longest}a")] {
            assert_eq!(AccountId::from_directory(id), Err(AccountIdError), "{id:?}");
        }
    }

    /// Controls: C-001.
    #[test]
    fn decoy_account_id_is_rejected_from_directory() {
        let nobody = AccountId::decoy(&NameRef::from_bytes([0xab; 32]));
        assert_eq!(AccountId::from_directory(nobody.as_str()), Err(AccountIdError));
        let stored = serde_json::to_string(&nobody).unwrap();
        assert_eq!(serde_json::from_str::<AccountId>(&stored).unwrap(), nobody, "flows of decoys are read");
    }

    #[test]
    fn registration_of_one_kind_keeps_contact_and_successor() {
        let phone = |text: &str| Some(PhoneNumber::from_stored(text.to_owned()));
        let email = |text: &str| Some(EmailAddress::from_stored(text.to_owned()));
        let all = Registration {
            alternate_email: email("a@mail.example"),
            mobile: phone("+60123456798"),
            office_phone: phone("+60327317272"),
            successors: Successors {
                alternate_email: email("b@mail.example"),
                mobile: phone("+60123456700"),
                office_phone: phone("+60327317200"),
            },
            generation: 3,
            ..Registration::default()
        };
        let exposed = |registration: &Registration| -> Vec<String> {
            let Successors { alternate_email, mobile, office_phone } = registration.successors.clone();
            let next = Registration { alternate_email, mobile, office_phone, ..Registration::default() };
            let contacts = [registration.contacts(), next.contacts()].concat();
            contacts.iter().filter_map(|(_, contact)| Some(contact.as_ref()?.expose().to_owned())).collect()
        };
        for (kind, contacts) in [
            (Kind::AlternateEmail, &["a@mail.example", "b@mail.example"][..]),
            (Kind::Mobile, &["+60123456798", "+60123456700"]),
            (Kind::OfficePhone, &["+60327317272", "+60327317200"]),
            (Kind::Totp, &[]),
        ] {
            let only = all.only(kind);
            assert_eq!(
                (exposed(&only), only.generation),
                (contacts.iter().map(ToString::to_string).collect(), 0)
            );
        }
        let kinds = all.contacts().map(|(kind, _)| kind);
        assert_eq!(kinds, [Kind::AlternateEmail, Kind::Mobile, Kind::OfficePhone]);
    }

    #[test]
    fn mobile_with_two_methods_counts_as_one_factor() {
        let offers = registration().offers(&Method::ALL);
        assert_eq!(offers.iter().map(|o| o.method).collect::<Vec<_>>(), [Method::Sms, Method::MobileCall]);
        assert!(suffices(&offers, 1));
        assert!(!suffices(&offers, 2));
    }

    fn account() -> Account {
        Account {
            id: AccountId::from_directory("aisyah").unwrap(),
            name: "Nur Aisyah".into(),
            logins: vec!["aisyah".into(), "aisyah@club.example".into()],
            email: Some(EmailAddress::from_stored("aisyah@Mail.Contoh.example".into())),
            language: None,
            state: AccountState::Active,
            password_policy: None,
        }
    }

    /// Controls: C-058.
    #[test]
    fn account_mailbox_in_any_spelling_is_protected() {
        let own = ["student.contoh.example".to_owned(), "b\u{fc}cher.example".to_owned()];
        for spelt in [
            "aisyah@student.contoh.example",
            "somebody@student.contoh.example.",
            "AISYAH@Student\u{3002}Contoh\u{ff0e}Example",
            "ai\u{ad}syah@stu\u{ad}dent.contoh.example",
            "aisyah@student\u{200b}.contoh.example",
            "aisyah@lab.student.contoh.example",
            "aisyah@\u{202d}mail.contoh.example",
            "x@deep.below.mail.contoh.example",
            "x@B\u{dc}CHER.example",
            "x@xn--bcher-kva.example",
            "Aisyah@Club.example.",
            "aisyah+reset@club.example",
        ] {
            let address = EmailAddress::parse(spelt).unwrap();
            assert!(account().protects(&address, &own), "{spelt:?}");
            assert!(
                account().protects(&EmailAddress::from_stored(spelt.to_owned()), &own),
                "stored: {spelt:?}"
            );
        }
        for other in [
            "aisyah@mail.example",
            "aisyah@contoh.example",
            "aisyah@notstudent.contoh.example",
            "aisyah@student.contoh.example.org",
            "siti@club.example",
            "aisyah@sub.club.example",
        ] {
            assert!(!account().protects(&EmailAddress::parse(other).unwrap(), &own), "{other}");
        }
        let nobodys = Account { email: None, logins: Vec::new(), ..account() };
        assert!(!nobodys.protects(&EmailAddress::parse("aisyah@mail.contoh.example").unwrap(), &[]));
    }

    #[test]
    fn registration_holds_contact_by_value_under_any_kind() {
        let registration = Registration {
            alternate_email: EmailAddress::parse("aisyah@mail.example").ok(),
            office_phone: PhoneNumber::parse("+60327317272", Country::MALAYSIA).ok(),
            ..registration()
        };
        for typed in ["012-345 6798", "03-2731 7272"] {
            let number = PhoneNumber::parse(typed, Country::MALAYSIA).unwrap();
            assert!(registration.holds_contact(Contact::Phone(&number)), "{typed}");
        }
        let held = |text| registration.holds_contact(Contact::Email(&EmailAddress::parse(text).unwrap()));
        assert!(held("AISYAH@mail\u{3002}example.") && !held("siti@mail.example"));
        let other = PhoneNumber::parse("012-345 6799", Country::MALAYSIA).unwrap();
        assert!(!registration.holds_contact(Contact::Phone(&other)));
    }

    /// Controls: C-043.
    #[test]
    fn equal_mobile_and_office_numbers_are_one_factor() {
        let mut twice = Registration { office_phone: registration().mobile, ..registration() };
        let methods = |registration: &Registration, allowed: &[Method]| {
            registration.offers(allowed).iter().map(|offer| offer.method).collect::<Vec<_>>()
        };
        assert_eq!(methods(&twice, &Method::ALL), [Method::Sms, Method::MobileCall]);
        assert!(!suffices(&twice.offers(&Method::ALL), 2));
        assert_eq!(methods(&twice, &[Method::OfficeCall]), [Method::OfficeCall], "the mobile is not allowed");
        twice.young = vec![Method::Sms, Method::MobileCall];
        assert!(twice.offers(&Method::ALL).iter().all(|offer| !offer.young), "the number is old");
        twice.young.push(Method::OfficeCall);
        assert!(twice.offers(&Method::ALL).iter().all(|offer| offer.young));
    }

    /// Controls: C-058.
    #[test]
    fn protected_mailbox_is_notified_but_offers_no_method() {
        let address = EmailAddress::from_stored("aisyah@lab.contoh.example.".into());
        let registration = Registration { alternate_email: Some(address), ..registration() };
        let own = ["contoh.example".to_owned()];
        let evidence = registration.clone().as_evidence_for(&account(), &own);
        assert!(!evidence.has(Method::Email) && evidence.alternate_email.is_some());
        assert!(registration.as_evidence_for(&account(), &[]).has(Method::Email));
    }

    #[test]
    fn shown_offer_omits_factor_age() {
        let young = Registration { young: vec![Method::Sms], ..registration() };
        let offer = &young.offers(&[Method::Sms])[0];
        assert!(offer.young && !offer.shown().young);
        let shown = serde_json::to_string(&offer.shown()).unwrap();
        assert_eq!(shown, r#"{"method":"sms","masked":"*****98"}"#);
    }

    /// Controls: C-044.
    #[test]
    fn methods_outside_policy_are_not_offered() {
        assert!(registration().offers(&[Method::Email, Method::Totp]).is_empty());
    }

    /// Controls: C-046.
    #[test]
    fn only_active_and_locked_accounts_may_reset() {
        assert!(AccountState::Active.may_reset() && AccountState::Locked.may_reset());
        assert!(!AccountState::Disabled.may_reset() && !AccountState::Excluded.may_reset());
    }
}
