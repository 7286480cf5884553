//! A person of a file, and the rules for the values.

use shared::domain::account::{Account, AccountId, AccountIdError, AccountState, Registration};
use shared::domain::contact::{Country, EmailAddress, PhoneNumber};
use shared::domain::language::Language;
use shared::domain::name::CanonicalName;
use shared::settings::Settings;

/// The columns of a file, in the order of the documentation.
pub const COLUMNS: [&str; 11] = [
    "login",
    "name",
    "email",
    "alternate_email",
    "mobile",
    "office_phone",
    "totp_secret",
    "password",
    "language",
    "state",
    "group",
];

/// A row of the file. It has no `Debug`, because it holds a password and a TOTP secret.
#[derive(Clone)]
pub struct Person {
    /// The number of the row, for errors and warnings.
    pub row: u64,
    /// Every login as written; the first one names the account. The person's own address is one too.
    pub logins: Vec<String>,
    /// The same logins in canonical form.
    pub names: Vec<CanonicalName>,
    /// The display name, for the directory and for password checks.
    pub name: String,
    /// The email address that the organisation provides.
    pub email: Option<EmailAddress>,
    /// The email address outside the organisation.
    pub alternate_email: Option<EmailAddress>,
    /// A mobile phone, for texts and calls.
    pub mobile: Option<PhoneNumber>,
    /// An office phone, for calls.
    pub office_phone: Option<PhoneNumber>,
    /// The TOTP secret, in base32.
    pub totp_secret: Option<String>,
    /// The initial password, in clear.
    pub password: Option<String>,
    /// The language of messages; `None` for the default.
    pub language: Option<Language>,
    /// The initial account state.
    pub state: AccountState,
    /// The group of people that the help desk's rights go by.
    pub group: Option<String>,
    /// The cells as written, for the file of rows that are not taken.
    pub cells: Vec<String>,
}

impl Person {
    /// Returns the person's account in the directory, with the first login as its id.
    ///
    /// # Errors
    /// [`AccountIdError`] if the first login can't name an account.
    pub fn account(&self) -> Result<Account, AccountIdError> {
        let id = AccountId::from_directory(self.names.first().map_or("", CanonicalName::as_str))?;
        Ok(self.account_as(id))
    }

    /// Returns the person's account in the directory under this id.
    pub fn account_as(&self, id: AccountId) -> Account {
        Account {
            id,
            name: self.name.clone(),
            logins: self.names.iter().map(|name| name.as_str().to_owned()).collect(),
            email: self.email.clone(),
            language: self.language,
            state: self.state,
            password_policy: None,
        }
    }

    /// Returns the person's contacts.
    pub fn registration(&self) -> Registration {
        Registration {
            alternate_email: self.alternate_email.clone(),
            mobile: self.mobile.clone(),
            office_phone: self.office_phone.clone(),
            ..Registration::default()
        }
    }

    /// Returns the login that names the account.
    pub fn login(&self) -> &str {
        self.logins.first().map_or("", String::as_str)
    }
}

/// The settings that decide about the values of a file.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The organisation's own domains, in canonical form.
    pub own_domains: &'a [String],
    /// The country whose national form of numbers is understood.
    pub home_country: Country,
    /// The countries that texts and calls may go to.
    pub countries: &'a [Country],
}

impl<'a> From<&'a Settings> for Rules<'a> {
    fn from(settings: &'a Settings) -> Self {
        Self {
            own_domains: &settings.login_domains,
            home_country: settings.home_country,
            countries: &settings.sms_countries,
        }
    }
}
