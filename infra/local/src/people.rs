//! Reads the example people from a CSV file. It is strict and reports every error by row and column.

use std::collections::{BTreeMap, BTreeSet};

use shared::domain::account::{Account, AccountId, AccountIdError, AccountState, Registration};
use shared::domain::contact::{Country, EmailAddress, PhoneNumber};
use shared::domain::language::Language;
use shared::domain::name::CanonicalName;
use shared::domain::totp::TotpSeed;

use crate::failure::Failure;

/// The example people that are built in.
pub const DEMO: &str = include_str!("../people.csv");

/// A file without people, for a directory that has its own.
pub const NOBODY: &str = "login,name\n";

const COLUMNS: [&str; 10] = [
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
];

/// A row of the file. It has no `Debug`, because it holds a password and a TOTP secret.
#[derive(Clone)]
pub struct Person {
    /// The number of the row, for errors and warnings.
    pub row: u64,
    /// Every login as written; the first one names the account.
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
}

/// The content of a file.
pub struct People {
    /// The name of the file in errors and warnings.
    pub file: String,
    /// The people, in the order of the file.
    pub people: Vec<Person>,
    /// Values that were ignored, with the reason: one line each, by row and column.
    pub warnings: Vec<String>,
}

impl Person {
    /// Returns the person's account in the directory.
    ///
    /// # Errors
    /// [`AccountIdError`] if the first login can't name an account.
    pub fn account(&self) -> Result<Account, AccountIdError> {
        Ok(Account {
            id: AccountId::from_directory(self.names.first().map_or("", CanonicalName::as_str))?,
            name: self.name.clone(),
            logins: self.names.iter().map(|name| name.as_str().to_owned()).collect(),
            email: self.email.clone(),
            language: self.language,
            state: self.state,
        })
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

/// Parses people. `domains` are the organisation's own, in canonical form; `file` names the source in errors.
///
/// # Errors
/// [`Failure`] with one line for every error.
pub fn parse(file: &str, text: &str, domains: &[String]) -> Result<People, Failure> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text.as_bytes());
    let header = match reader.headers() {
        Ok(header) if !header.is_empty() => header.clone(),
        _ => {
            return Err(Failure::new(format!(
                "{file}: row 1 must name the columns, such as login,name,alternate_email,mobile"
            )));
        }
    };
    let mut errors = header_errors(&header);
    if !errors.is_empty() {
        for error in &mut errors {
            *error = format!("{file}: {error}");
        }
        return Err(Failure::all(errors));
    }
    let (mut people, mut warnings) = (Vec::new(), Vec::new());
    let mut taken = BTreeMap::new();
    for record in reader.records() {
        let (line, record) = match record {
            Ok(record) => (record.position().map_or(0, csv::Position::line), record),
            Err(error) => {
                errors.push(format!("{file}: {}. Correct this row", error.to_string().replace('\n', " ")));
                continue;
            }
        };
        if record.len() != header.len() {
            let (found, expected) = (record.len(), header.len());
            errors.push(format!(
                "{file}: row {line}: {found} fields instead of {expected}. Quote a field that contains a comma"
            ));
            continue;
        }
        let mut row = Row {
            file,
            line,
            header: &header,
            record: &record,
            errors: &mut errors,
            warnings: &mut warnings,
        };
        let mut person = row.person(domains);
        row.skip_redundant(&mut person, domains);
        for name in &person.names {
            if let Some(first) = taken.insert(name.clone(), line) {
                row.error("login", &format!("`{}` is a login in row {first} too. Remove one", name.as_str()));
            }
        }
        people.push(person);
    }
    if people.is_empty() && errors.is_empty() {
        errors.push(format!("{file}: no people. Add a row for each person"));
    }
    if errors.is_empty() {
        Ok(People { file: file.to_owned(), people, warnings })
    } else {
        Err(Failure::all(errors))
    }
}

/// Formats a line about a field of the file.
pub(crate) fn place(file: &str, row: u64, column: &str, why: &str) -> String {
    format!("{file}: row {row}, column {column}: {why}")
}

fn header_errors(header: &csv::StringRecord) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut errors = Vec::new();
    for column in header {
        if !COLUMNS.contains(&column) {
            // A quoted name may have line breaks, and an error is one line.
            let column = column.replace(char::is_control, " ");
            errors
                .push(format!("row 1: unknown column `{column}`. Known columns are {}", COLUMNS.join(", ")));
        } else if !seen.insert(column) {
            errors.push(format!("row 1: column `{column}` appears twice. Remove one"));
        }
    }
    for needed in ["login", "name"] {
        if !seen.contains(needed) {
            errors.push(format!("row 1: column `{needed}` is missing. Add it"));
        }
    }
    errors
}

struct Row<'a> {
    file: &'a str,
    line: u64,
    header: &'a csv::StringRecord,
    record: &'a csv::StringRecord,
    errors: &'a mut Vec<String>,
    warnings: &'a mut Vec<String>,
}

impl<'a> Row<'a> {
    fn error(&mut self, column: &str, why: &str) {
        self.errors.push(place(self.file, self.line, column, why));
    }

    fn warning(&mut self, column: &str, why: &str) {
        self.warnings.push(place(self.file, self.line, column, why));
    }

    /// Removes contacts of a person that verify nothing, or nothing beyond another one.
    fn skip_redundant(&mut self, person: &mut Person, domains: &[String]) {
        // Another check reports a row without a login.
        let Ok(account) = person.account() else { return };
        if person.alternate_email.take_if(|email| account.protects(email, domains)).is_some() {
            self.warning("alternate_email", "ignored: the password itself protects this mailbox");
        }
        if person.office_phone.take_if(|office| person.mobile.as_ref() == Some(office)).is_some() {
            self.warning("office_phone", "ignored: the number equals the mobile number");
        }
    }

    fn field(&self, column: &str) -> Option<&'a str> {
        let at = self.header.iter().position(|name| name == column)?;
        self.record.get(at).filter(|text| !text.is_empty())
    }

    /// Parses a field that may be empty. An error never shows the value, which may be a secret.
    fn optional<T>(&mut self, column: &str, read: impl Fn(&str) -> Result<T, &'static str>) -> Option<T> {
        match read(self.field(column)?) {
            Ok(value) => Some(value),
            Err(why) => {
                self.error(column, why);
                None
            }
        }
    }

    fn person(&mut self, domains: &[String]) -> Person {
        let mut names: Vec<CanonicalName> = Vec::new();
        let mut logins = Vec::new();
        for login in self.field("login").unwrap_or_default().split(';').map(str::trim) {
            match CanonicalName::parse(login, domains) {
                Ok(name) if names.contains(&name) => {
                    self.error(
                        "login",
                        &format!("`{login}` is the same name as another login of this row. Remove one"),
                    );
                }
                Ok(name) => {
                    names.push(name);
                    logins.push(login.to_owned());
                }
                Err(error) => self.error("login", &format!("{error}. Use a login such as aisyah")),
            }
        }
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
            mobile: self.optional("mobile", phone),
            office_phone: self.optional("office_phone", phone),
            totp_secret: self.optional("totp_secret", |secret| {
                TotpSeed::parse(secret)
                    .map(|_| secret.to_owned())
                    .map_err(|_| "not a TOTP secret. Use at least 26 base32 characters (128 bits)")
            }),
            password: self.field("password").map(str::to_owned),
            language: self.optional("language", |tag| {
                Language::ALL
                    .into_iter()
                    .find(|language| language.tag() == tag)
                    .ok_or("not a language of Rekey. Use en, ms, zh-Hans or ta")
            }),
            state: self
                .optional("state", |state| match state {
                    "active" => Ok(AccountState::Active),
                    "locked" => Ok(AccountState::Locked),
                    "disabled" => Ok(AccountState::Disabled),
                    "excluded" => Ok(AccountState::Excluded),
                    _ => Err("not a state. Use active, locked, disabled or excluded"),
                })
                .unwrap_or(AccountState::Active),
        }
    }
}

fn email(text: &str) -> Result<EmailAddress, &'static str> {
    EmailAddress::parse(text).map_err(|_| "not an email address. Use one such as aisyah@mail.example")
}

const NO_PHONE: &str = "not a phone number in E.164 form. Use one such as +60123456789";

/// Checks E.164: a plus, a country code, 15 digits at most (ITU-T E.164 §6.1).
fn phone(text: &str) -> Result<PhoneNumber, &'static str> {
    let digits = text.strip_prefix('+').unwrap_or_default();
    let shaped = (7..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    let number = PhoneNumber::parse(text, Country::MALAYSIA).map_err(|_| NO_PHONE)?;
    let same = number.expose() == text;
    if shaped && same { Ok(number) } else { Err(NO_PHONE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domains() -> Vec<String> {
        vec!["student.contoh.example".to_owned()]
    }

    fn errors(text: &str) -> Vec<String> {
        parse("people.csv", text, &domains()).err().map(|f| f.lines().to_vec()).unwrap_or_default()
    }

    #[test]
    fn demo_accounts_cover_every_account_state() {
        let People { people, warnings, .. } = parse("people.csv", DEMO, &domains()).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        let logins: Vec<_> = people.iter().map(Person::login).collect();
        assert!(logins.contains(&"aisyah") && logins.contains(&"registrar"));
        for state in
            [AccountState::Active, AccountState::Locked, AccountState::Disabled, AccountState::Excluded]
        {
            assert!(people.iter().any(|person| person.state == state), "{state:?}");
        }
    }

    #[test]
    fn two_columns_in_any_order_are_sufficient() {
        let text = "\u{feff}name,login\nNur Aisyah,aisyah;nur@student.contoh.example\n";
        let people = parse("people.csv", text, &domains()).unwrap().people;
        assert_eq!(people[0].logins, ["aisyah", "nur@student.contoh.example"]);
        assert_eq!(people[0].names[1].as_str(), "nur");
        assert_eq!(people[0].state, AccountState::Active);
        assert!(people[0].password.is_none() && people[0].mobile.is_none());
    }

    #[test]
    fn every_error_names_its_row_and_column() {
        let text = "login,name,mobile,totp_secret,language,state,email\n\
                    a,A,012-3456789,,,,\n\
                    b,,+60123456798,ABC,xx,gone,nobody\n\
                    A@student.contoh.example,Again,,,,,\n\
                    c,C\n";
        let found = errors(text);
        for expected in [
            "people.csv: row 2, column mobile: not a phone number in E.164 form. Use one such as +60123456789",
            "people.csv: row 3, column name: the field is empty. Enter the person's full name",
            "people.csv: row 3, column totp_secret: not a TOTP secret. Use at least 26 base32 characters (128 bits)",
            "people.csv: row 3, column language: not a language of Rekey. Use en, ms, zh-Hans or ta",
            "people.csv: row 3, column state: not a state. Use active, locked, disabled or excluded",
            "people.csv: row 3, column email: not an email address. Use one such as aisyah@mail.example",
            "people.csv: row 4, column login: `a` is a login in row 2 too. Remove one",
            "people.csv: row 5: 2 fields instead of 7. Quote a field that contains a comma",
        ] {
            assert!(found.iter().any(|line| line == expected), "{expected}\n{found:#?}");
        }
        assert_eq!(found.len(), 8, "{found:#?}");
    }

    #[test]
    fn protected_mailbox_and_duplicate_number_are_skipped() {
        let text = "login,name,email,alternate_email,mobile,office_phone\n\
                    a,A,a@mail.contoh.example,a@mail.example,+60123456798,+60327317272\n\
                    b,B,b@mail.contoh.example,B@Mail\u{3002}Contoh.example.,+60123456799,+60123456799\n\
                    c,C,,c@lab.student\u{ad}.contoh.example,,+60327317272\n\
                    d;d@club.example,D,,D@club.example,,\n";
        let People { people, warnings, .. } = parse("people.csv", text, &domains()).unwrap();
        assert!(people[0].alternate_email.is_some() && people[0].office_phone.is_some());
        assert!(people[1..].iter().all(|person| person.alternate_email.is_none()));
        assert!(people[1].mobile.is_some() && people[1].office_phone.is_none());
        assert!(people[2].office_phone.is_some(), "another person's number is another matter");
        assert_eq!(
            warnings,
            [
                "people.csv: row 3, column alternate_email: ignored: the password itself protects this mailbox",
                "people.csv: row 3, column office_phone: ignored: the number equals the mobile number",
                "people.csv: row 4, column alternate_email: ignored: the password itself protects this mailbox",
                "people.csv: row 5, column alternate_email: ignored: the password itself protects this mailbox",
            ]
        );
    }

    #[test]
    fn invalid_header_is_reported_before_rows() {
        assert_eq!(errors("login,name,fax\na,A,1\n").len(), 1);
        assert!(!errors("login,name,\"f\nax\"\na,A,1\n")[0].contains('\n'));
        assert!(errors("login,name,login\n")[0].contains("twice"));
        assert!(errors("login\na\n")[0].contains("`name` is missing"));
        assert!(errors("").len() == 1);
        assert!(errors("login,name\n")[0].contains("no people"));
    }
}
