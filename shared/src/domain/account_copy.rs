//! The copy of a directory's people: accounts as strangers' requests read them, and who has which login.

use std::collections::{BTreeMap, BTreeSet};

use super::account::{Account, AccountId, AccountState, Contact, Registration};
use super::contact::{Country, EmailAddress, PhoneNumber};
use super::directory::DirectoryPerson;
use super::directory_config::AttributeNames;
use super::keys::{Keyring, Tag};
use super::name::CanonicalName;
use super::security_info::Kind;
use super::time::Timestamp;

/// The claimants that a login keeps. With more, it is ambiguous whoever they are, and the item stays below 4 KiB: a
/// read of it costs what any other costs.
pub const CLAIMANTS_MAX: usize = 64;

/// The logins of one person.
const LOGINS_MAX: usize = 64;
/// The characters of a name or a group.
const TEXT_MAX: usize = 256;
/// The form of the tags of accounts. Another form writes every account anew.
const FORM: &[u8] = b"2";
/// The form of the tags of contacts. Another form imports all contacts anew.
const CONTACTS_FORM: &[u8] = b"1";

/// An account as the copy has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedAccount {
    /// The account, as every other function reads it.
    pub account: Account,
    /// The group of people that the help desk's rights go by.
    pub group: Option<String>,
    /// When the password expires, if it does.
    pub password_expires_at: Option<Timestamp>,
    /// The tag of what was written last; `None` for an account that the sync must write again.
    pub digest: Option<Tag>,
    /// The contacts that the directory had last; `None` before the first import of contacts.
    pub contacts: Option<CopiedContacts>,
    /// Since when the directory no longer has the person.
    pub departed_at: Option<Timestamp>,
}

/// The contacts that were imported last. It holds no contact: the tag is keyed, since there are few phone numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedContacts {
    /// The tag of the contacts.
    pub digest: Tag,
    /// The kinds that were there.
    pub kinds: BTreeSet<Kind>,
}

impl CopiedAccount {
    /// Returns whether the person can reset: somebody finds the account, and self-service is open to it.
    pub const fn is_usable(&self) -> bool {
        self.account.state.may_reset() && !self.account.logins.is_empty()
    }

    /// Returns whether the copy is as wanted, so that nothing has to be written.
    pub fn is_as(&self, wanted: &Self) -> bool {
        let has_contacts = wanted.contacts.is_none() || self.contacts == wanted.contacts;
        self.departed_at.is_none() && self.digest == wanted.digest && has_contacts
    }

    /// Returns whether `wanted` takes something away: self-service, or a contact of one of the `named` kinds. A mistake
    /// in the directory or in its permissions shows itself by many of these.
    pub fn loses(&self, wanted: &Self, named: &BTreeSet<Kind>) -> bool {
        let loses_contact = match (&self.contacts, &wanted.contacts) {
            (Some(before), Some(after)) => {
                before.kinds.difference(&after.kinds).any(|kind| named.contains(kind))
            }
            _ => false,
        };
        (self.is_usable() && !wanted.is_usable()) || loses_contact
    }

    /// Returns the account of a person who is no longer in the directory: without logins and disabled. Without a
    /// digest, it is written again if the person returns.
    #[must_use]
    pub fn departed(mut self, now: Timestamp) -> Self {
        self.account.logins.clear();
        self.account.state = AccountState::Disabled;
        self.digest = None;
        self.departed_at = Some(now);
        self
    }
}

/// A login with all accounts that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginClaims {
    /// The login in canonical form.
    pub login: String,
    /// The accounts, [`CLAIMANTS_MAX`] at most.
    pub claimants: BTreeSet<AccountId>,
}

impl LoginClaims {
    /// Returns the account that the login finds: its only claimant. A login that two people have finds nobody,
    /// because nobody can tell whose password a reset would set.
    pub fn owner(&self) -> Option<&AccountId> {
        self.claimants.first().filter(|_| self.claimants.len() == 1)
    }

    /// Returns whether two accounts or more have the login.
    pub fn is_ambiguous(&self) -> bool {
        self.claimants.len() > 1
    }

    /// Adds a claimant. Returns `false` if there are too many to keep.
    pub fn add(&mut self, account: &AccountId) -> bool {
        let fits = self.claimants.len() < CLAIMANTS_MAX || self.claimants.contains(account);
        if fits {
            self.claimants.insert(account.clone());
        }
        fits
    }
}

/// A value of the directory that can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unusable {
    /// The id is not of this directory.
    Id,
    /// The person has no usable login, so nobody finds the account.
    NoLogin,
    /// A login is empty, too long, or has a control character.
    Login,
    /// The person has more logins than are kept.
    Logins,
    /// More people have the login than are kept.
    SharedLogin,
    /// The name is too long and was cut.
    Name,
    /// The group is too long and was left out.
    Group,
    /// The organisation's mailbox is no email address.
    Email,
    /// The private mailbox is no email address.
    AlternateEmail,
    /// The password protects the private mailbox.
    ProtectedMailbox,
    /// The mobile number is no phone number.
    Mobile,
    /// The office number is no phone number that can be called without an extension.
    OfficePhone,
}

impl Unusable {
    /// Returns its name in logs and results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::NoLogin => "no_login",
            Self::Login => "login",
            Self::Logins => "logins",
            Self::SharedLogin => "shared_login",
            Self::Name => "name",
            Self::Group => "group",
            Self::Email => "email",
            Self::AlternateEmail => "alternate_email",
            Self::ProtectedMailbox => "protected_mailbox",
            Self::Mobile => "mobile",
            Self::OfficePhone => "office_phone",
        }
    }
}

/// The rules by which people are copied.
#[derive(Clone, Debug)]
pub struct CopyRules {
    /// The directory's name, with which its ids begin.
    pub directory: String,
    /// The organisation's own domains, in canonical form.
    pub login_domains: Vec<String>,
    /// The country whose national number form is understood.
    pub home_country: Country,
    /// The kinds of contacts that the configuration names attributes for. Others are left as they are.
    pub contact_kinds: BTreeSet<Kind>,
}

impl CopyRules {
    /// Returns the kinds of contacts that the configuration names attributes for.
    pub fn contact_kinds(attributes: &AttributeNames) -> BTreeSet<Kind> {
        let named = [
            (Kind::AlternateEmail, &attributes.alternate_email),
            (Kind::Mobile, &attributes.mobile),
            (Kind::OfficePhone, &attributes.office_phone),
        ];
        named.into_iter().filter(|(_, name)| name.is_some()).map(|(kind, _)| kind).collect()
    }

    /// Returns whether an id is one of this directory.
    pub fn is_own(&self, id: &AccountId) -> bool {
        id.as_str().strip_prefix(&self.directory).is_some_and(|rest| rest.starts_with(':'))
    }

    /// Returns a person's account and contacts for the copy, and what of them can't be used.
    pub fn copy(&self, person: DirectoryPerson, keys: &Keyring) -> Copy {
        let mut unusable = Vec::new();
        let mut note = |problem| unusable.push(problem);
        let mut logins: Vec<String> = Vec::new();
        for login in &person.logins {
            match CanonicalName::parse(login, &self.login_domains) {
                Ok(name) if logins.iter().any(|login| login == name.as_str()) => {}
                Ok(_) if logins.len() == LOGINS_MAX => note(Unusable::Logins),
                Ok(name) => logins.push(name.as_str().to_owned()),
                Err(_) => note(Unusable::Login),
            }
        }
        if logins.is_empty() {
            note(Unusable::NoLogin);
        }
        let mut name = person.name;
        if let Some((end, _)) = name.char_indices().nth(TEXT_MAX) {
            name.truncate(end);
            note(Unusable::Name);
        }
        let group = person.group.filter(|group| {
            let fits = group.chars().count() <= TEXT_MAX;
            if !fits {
                note(Unusable::Group);
            }
            fits
        });
        let email = person
            .email
            .and_then(|email| EmailAddress::parse(&email).inspect_err(|_| note(Unusable::Email)).ok());
        let account = Account {
            id: person.id,
            name,
            logins,
            email,
            language: person.language,
            state: person.state,
            password_policy: person.password_policy,
        };
        let mut contacts = Registration::default();
        if self.contact_kinds.contains(&Kind::AlternateEmail) {
            let read = |text: String| {
                EmailAddress::parse(&text).inspect_err(|_| note(Unusable::AlternateEmail)).ok()
            };
            contacts.alternate_email = person.contacts.alternate_email.and_then(read);
        }
        let protects = |email: &mut EmailAddress| account.protects(email, &self.login_domains);
        if contacts.alternate_email.take_if(protects).is_some() {
            note(Unusable::ProtectedMailbox);
        }
        let number = |text: &str| PhoneNumber::parse(text, self.home_country);
        if self.contact_kinds.contains(&Kind::Mobile) {
            let read = |text: String| number(&text).inspect_err(|_| note(Unusable::Mobile)).ok();
            contacts.mobile = person.contacts.mobile.and_then(read);
        }
        if self.contact_kinds.contains(&Kind::OfficePhone) {
            let read = |text: String| number(&text).inspect_err(|_| note(Unusable::OfficePhone)).ok();
            contacts.office_phone = person.contacts.office_phone.and_then(read);
        }
        // A number that stands in two columns is one factor.
        contacts.office_phone.take_if(|office| contacts.mobile.as_ref() == Some(office));
        let copied = CopiedAccount {
            digest: digest(keys, &account, group.as_deref(), person.password_expires_at),
            contacts: (!self.contact_kinds.is_empty()).then(|| copied_contacts(keys, &account.id, &contacts)),
            group,
            password_expires_at: person.password_expires_at,
            departed_at: None,
            account,
        };
        Copy { account: copied, contacts, unusable }
    }
}

/// A person as the copy wants them.
#[derive(Clone, Debug)]
pub struct Copy {
    /// The account.
    pub account: CopiedAccount,
    /// The contacts of the kinds that are named.
    pub contacts: Registration,
    /// The values that can't be used.
    pub unusable: Vec<Unusable>,
}

/// Returns the tag of an account. Logins count as a set: directories return the values of an attribute in any order.
fn digest(
    keys: &Keyring,
    account: &Account,
    group: Option<&str>,
    expires_at: Option<Timestamp>,
) -> Option<Tag> {
    let state = match account.state {
        AccountState::Active => "active",
        AccountState::Locked => "locked",
        AccountState::Disabled => "disabled",
        AccountState::Excluded => "excluded",
    };
    let expires_at = expires_at.map_or(String::new(), |at| at.as_seconds().to_string());
    let policy = account.password_policy.and_then(|policy| serde_json::to_string(&policy).ok());
    let mut parts: Vec<&[u8]> = vec![
        FORM,
        account.id.as_str().as_bytes(),
        account.name.as_bytes(),
        account.email.as_ref().map_or("", EmailAddress::expose).as_bytes(),
        account.language.map_or("", super::language::Language::tag).as_bytes(),
        state.as_bytes(),
        group.unwrap_or_default().as_bytes(),
        expires_at.as_bytes(),
        policy.as_deref().unwrap_or_default().as_bytes(),
    ];
    let logins: BTreeSet<&str> = account.logins.iter().map(String::as_str).collect();
    parts.extend(logins.into_iter().map(str::as_bytes));
    keys.tag(keys.oldest(), "rekey/copied-account", &parts)
}

fn copied_contacts(keys: &Keyring, id: &AccountId, contacts: &Registration) -> CopiedContacts {
    let found: BTreeMap<Kind, Contact<'_>> =
        contacts.contacts().into_iter().filter_map(|(kind, contact)| Some((kind, contact?))).collect();
    let mut parts: Vec<&[u8]> = vec![CONTACTS_FORM, id.as_str().as_bytes()];
    for (kind, contact) in &found {
        parts.extend([kind.as_str().as_bytes(), contact.expose().as_bytes()]);
    }
    let digest = keys.tag(keys.oldest(), "rekey/copied-contacts", &parts);
    CopiedContacts { digest: digest.unwrap_or(Tag::from_bytes([0; 32])), kinds: found.into_keys().collect() }
}

#[cfg(test)]
mod tests;
