//! A row of a file, read column by column.

use csv::StringRecord;
use shared::domain::account::AccountState;
use shared::domain::contact::{Country, EmailAddress, PhoneNumber};
use shared::domain::language::Language;
use shared::domain::name::CanonicalName;
use shared::domain::password::NewPassword;
use shared::domain::totp::{SeedError, TotpSeed};
use shared::domain::typed::is_invisible;

use crate::person::{COLUMNS, Person, Rules};
use crate::remark::Remark;

/// The longest group, in characters: as in the copy of a directory.
const GROUP_MAX: usize = 256;

/// A row, with what there is to say about it.
pub(crate) struct Row<'a> {
    line: u64,
    header: &'a StringRecord,
    record: &'a StringRecord,
    rules: &'a Rules<'a>,
    pub(crate) errors: Vec<Remark>,
    pub(crate) warnings: Vec<Remark>,
}

impl<'a> Row<'a> {
    pub(crate) const fn new(
        line: u64,
        header: &'a StringRecord,
        record: &'a StringRecord,
        rules: &'a Rules<'a>,
    ) -> Self {
        Self { line, header, record, rules, errors: Vec::new(), warnings: Vec::new() }
    }

    pub(crate) fn error(&mut self, column: &'static str, why: impl Into<String>) {
        self.errors.push(Remark::new(self.line, column, why));
    }

    fn warning(&mut self, column: &'static str, why: &str) {
        self.warnings.push(Remark::new(self.line, column, why));
    }

    /// Removes contacts of a person that verify nothing, or nothing beyond another one.
    pub(crate) fn skip_redundant(&mut self, person: &mut Person) {
        // Another check reports a row without a login.
        let Ok(account) = person.account() else { return };
        if person.alternate_email.take_if(|email| account.protects(email, self.rules.own_domains)).is_some() {
            self.warning("alternate_email", "ignored: the password itself protects this mailbox");
        }
        if person.office_phone.take_if(|office| person.mobile.as_ref() == Some(office)).is_some() {
            self.warning("office_phone", "ignored: the number equals the mobile number");
        }
    }

    /// Warns of numbers that no code will be sent to. The page then offers as much as it would to a decoy.
    pub(crate) fn warn_of_unreachable(&mut self, person: &Person) {
        for (column, number) in [("mobile", &person.mobile), ("office_phone", &person.office_phone)] {
            let Some(number) = number else { continue };
            if !number.is_reachable_in(self.rules.countries) {
                let why = "the number can't be reached: its country is not in REKEY_SMS_COUNTRIES, or its range is \
                           no ordinary one";
                self.warning(column, why);
            } else if column == "mobile" && number.is_fixed_line() {
                self.warning(column, "the number is a fixed line: it can be called, and gets no texts");
            }
        }
    }

    /// Returns a field as written, a password to the letter.
    fn raw(&self, column: &str) -> Option<&'a str> {
        let at = self.header.iter().position(|name| name == column)?;
        self.record.get(at).filter(|text| !text.is_empty())
    }

    fn field(&self, column: &str) -> Option<&'a str> {
        self.raw(column).map(str::trim).filter(|text| !text.is_empty())
    }

    /// Reports characters that nobody can see or type in a login, an address or a name.
    fn check_characters(&mut self) {
        for column in COLUMNS {
            let Some(text) = self.field(column).filter(|_| column != "password") else { continue };
            if text.chars().any(char::is_control) {
                self.error(column, "the field has a control character. Remove it");
            } else if ["login", "email", "alternate_email"].contains(&column)
                && text.chars().any(is_invisible)
            {
                self.error(column, "the field has a character that can't be seen. Type the value anew");
            } else if is_formula(column, text) {
                self.error(column, "the field begins as a formula of a spreadsheet. Type the value anew");
            }
        }
    }

    /// Parses a field that may be empty. An error never shows the value, which may be a secret.
    fn optional<T>(
        &mut self,
        column: &'static str,
        read: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        match read(self.field(column)?) {
            Ok(value) => Some(value),
            Err(why) => {
                self.error(column, why);
                None
            }
        }
    }

    pub(crate) fn person(&mut self) -> Person {
        self.check_characters();
        let mut names: Vec<CanonicalName> = Vec::new();
        let mut logins = Vec::new();
        for login in self.field("login").unwrap_or_default().split(';').map(str::trim) {
            match CanonicalName::parse(login, self.rules.own_domains) {
                Ok(name) if names.contains(&name) => {
                    self.error(
                        "login",
                        format!("`{login}` is the same name as another login of this row. Remove one"),
                    );
                }
                Ok(name) => {
                    names.push(name);
                    logins.push(login.to_owned());
                }
                Err(error) => self.error("login", format!("{error}. Use a login such as aisyah")),
            }
        }
        let home = self.rules.home_country;
        if self.field("name").is_none() {
            self.error("name", "the field is empty. Enter the person's full name");
        }
        Person {
            row: self.line,
            logins,
            names,
            name: self.field("name").unwrap_or_default().to_owned(),
            email: self.optional("email", email),
            alternate_email: self.optional("alternate_email", email),
            mobile: self.optional("mobile", |text| phone(text, home)),
            office_phone: self.office_phone(),
            totp_secret: self.seed(),
            password: self.password(),
            language: self.optional("language", |tag| {
                Language::ALL
                    .into_iter()
                    .find(|language| language.tag().eq_ignore_ascii_case(tag))
                    .ok_or("not a language of Rekey. Use en, ms, zh-Hans or ta")
            }),
            state: self
                .optional("state", |state| match state.to_ascii_lowercase().as_str() {
                    "active" => Ok(AccountState::Active),
                    "locked" => Ok(AccountState::Locked),
                    "disabled" => Ok(AccountState::Disabled),
                    "excluded" => Ok(AccountState::Excluded),
                    _ => Err("not a state. Use active, locked, disabled or excluded"),
                })
                .unwrap_or(AccountState::Active),
            group: self.optional("group", |group| {
                let fits = group.chars().count() <= GROUP_MAX;
                fits.then(|| group.to_owned()).ok_or("the group is longer than 256 characters. Shorten it")
            }),
            cells: self.record.iter().map(str::to_owned).collect(),
        }
    }

    /// Reads the password to the letter.
    fn password(&mut self) -> Option<String> {
        let text = self.raw("password")?;
        match NewPassword::parse(text) {
            Ok(_) => Some(text.to_owned()),
            Err(error) => {
                self.error("password", format!("{error}. Use another one, or leave the field empty"));
                None
            }
        }
    }

    /// Reads the office phone. An extension is part of no stored number.
    fn office_phone(&mut self) -> Option<PhoneNumber> {
        let text = self.field("office_phone")?;
        let home = self.rules.home_country;
        if let Ok(number) = PhoneNumber::parse(text, home) {
            return Some(number);
        }
        if let Ok(number) = PhoneNumber::parse_without_extension(text, home) {
            self.warning("office_phone", "the extension is ignored: calls ring at the number before it");
            return Some(number);
        }
        self.error("office_phone", NO_PHONE);
        None
    }

    /// Reads the secret of a code app, as other systems issue it.
    fn seed(&mut self) -> Option<String> {
        let text = self.field("totp_secret")?;
        match TotpSeed::from_other_system(text) {
            Ok(seed) => {
                if seed.is_short() {
                    let why = "the secret has fewer than the 128 bits of RFC 4226 §4. Ask the person to set up the app \
                               anew";
                    self.warning("totp_secret", why);
                }
                Some(seed.expose().to_owned())
            }
            Err(error) => {
                let why = match error {
                    SeedError::NotBase32 => "not a TOTP secret. Use base32, or an otpauth: address",
                    SeedError::Short => {
                        "too short for a TOTP secret. Use at least 16 base32 characters (80 bits)"
                    }
                    SeedError::Counter => {
                        "a secret of codes by counter (HOTP). Only codes by time are supported"
                    }
                    SeedError::Algorithm => {
                        "a secret of another algorithm than SHA1, which alone is supported"
                    }
                    SeedError::Digits => {
                        "a secret of codes that have not six digits, which alone are supported"
                    }
                    SeedError::Period => {
                        "a secret of another period than 30 seconds, which alone is supported"
                    }
                };
                self.error("totp_secret", why);
                None
            }
        }
    }
}

/// Returns whether a spreadsheet would take the text for a formula. A number may begin with a plus sign.
fn is_formula(column: &str, text: &str) -> bool {
    let is_text = ["login", "name", "email", "alternate_email", "group"].contains(&column);
    text.starts_with('=') || (is_text && text.starts_with(['+', '-', '@']))
}

/// Reads an address. A full stop at its end is a slip that no mail would reach.
fn email(text: &str) -> Result<EmailAddress, &'static str> {
    let read = Some(text).filter(|text| !text.ends_with('.')).and_then(|text| EmailAddress::parse(text).ok());
    read.ok_or("not an email address. Use one such as aisyah@mail.example")
}

const NO_PHONE: &str = "not a phone number. Use one such as +60123456789";

fn phone(text: &str, home: Country) -> Result<PhoneNumber, &'static str> {
    PhoneNumber::parse(text, home).map_err(|_| NO_PHONE)
}
