//! Reads people from a CSV file, as spreadsheets and other systems write it. Every error and every value that is
//! ignored is reported by row and column.

mod file;

use std::collections::{BTreeMap, BTreeSet};

use shared::domain::account::{Account, AccountId, AccountIdError, AccountState, Registration};
use shared::domain::contact::{Country, EmailAddress, PhoneNumber};
use shared::domain::language::Language;
use shared::domain::name::CanonicalName;
use shared::domain::totp::{SeedError, TotpSeed};
use shared::domain::typed::is_invisible;
use shared::settings::Settings;

use crate::failure::Failure;

/// The example people that are built in.
pub const DEMO: &str = include_str!("../../people.csv");

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
            password_policy: None,
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

/// Reads people from the bytes of a file; `file` names it in errors. Commas, semicolons or tabs separate the fields;
/// the text is in UTF-8, UTF-16 or Windows-1252.
///
/// # Errors
/// [`Failure`] with one line for every error.
pub fn parse(file: &str, bytes: &[u8], rules: &Rules<'_>) -> Result<People, Failure> {
    let decoded = file::decode(bytes).map_err(|file::NotText { row, byte }| {
        Failure::new(format!(
            "{file}: row {row}: the byte 0x{byte:02x} is no character in UTF-8, UTF-16 or Windows-1252. Save the file \
             as CSV in UTF-8"
        ))
    })?;
    let mut warnings = Vec::new();
    if let Some(row) = decoded.windows_1252_from {
        let why = "not UTF-8, so the file was read as Windows-1252. Check the names in it";
        warnings.push(format!("{file}: row {row}: {why}"));
    }
    let rows = file::rows(&decoded.text);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(rows.separator)
        .trim(csv::Trim::Headers)
        .flexible(true)
        .from_reader(rows.text.as_bytes());
    let header = match reader.headers() {
        Ok(header) if !header.is_empty() => {
            header.iter().map(str::to_ascii_lowercase).collect::<csv::StringRecord>()
        }
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
    let mut people = Vec::new();
    let mut taken = BTreeMap::new();
    for record in reader.records() {
        let (line, record) = match record {
            Ok(record) => (rows.skipped + record.position().map_or(0, csv::Position::line), record),
            Err(error) => {
                errors.push(format!("{file}: {}. Correct this row", error.to_string().replace('\n', " ")));
                continue;
            }
        };
        // Spreadsheets write emptied rows as separators.
        if record.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        if record.len() != header.len() {
            let (found, expected) = (record.len(), header.len());
            errors.push(format!(
                "{file}: row {line}: {found} fields instead of {expected}. Quote a field that contains the separator"
            ));
            continue;
        }
        let mut row = Row {
            file,
            line,
            header: &header,
            record: &record,
            rules,
            errors: &mut errors,
            warnings: &mut warnings,
        };
        let mut person = row.person();
        let typed = person.names.len();
        add_own_address(&mut person, rules.own_domains);
        row.skip_redundant(&mut person);
        row.warn_of_unreachable(&person);
        for (number, name) in person.names.iter().enumerate() {
            if let Some(first) = taken.insert(name.clone(), line) {
                let column = if number < typed { "login" } else { "email" };
                row.error(column, &format!("`{}` is a login in row {first} too. Remove one", name.as_str()));
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

/// Makes the address that the organisation gives a person a login, since people type it as their name.
fn add_own_address(person: &mut Person, own_domains: &[String]) {
    let Some(address) = person.email.as_ref().map(EmailAddress::expose) else { return };
    if let Ok(name) = CanonicalName::parse(address, own_domains)
        && !person.names.contains(&name)
    {
        person.logins.push(address.to_owned());
        person.names.push(name);
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
    rules: &'a Rules<'a>,
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
    fn skip_redundant(&mut self, person: &mut Person) {
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
    fn warn_of_unreachable(&mut self, person: &Person) {
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
            }
        }
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

    fn person(&mut self) -> Person {
        self.check_characters();
        let mut names: Vec<CanonicalName> = Vec::new();
        let mut logins = Vec::new();
        for login in self.field("login").unwrap_or_default().split(';').map(str::trim) {
            match CanonicalName::parse(login, self.rules.own_domains) {
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
            password: self.raw("password").map(str::to_owned),
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

/// Reads an address. A full stop at its end is a slip that no mail would reach.
fn email(text: &str) -> Result<EmailAddress, &'static str> {
    let read = Some(text).filter(|text| !text.ends_with('.')).and_then(|text| EmailAddress::parse(text).ok());
    read.ok_or("not an email address. Use one such as aisyah@mail.example")
}

const NO_PHONE: &str = "not a phone number. Use one such as +60123456789";

fn phone(text: &str, home: Country) -> Result<PhoneNumber, &'static str> {
    PhoneNumber::parse(text, home).map_err(|_| NO_PHONE)
}

#[cfg(test)]
impl Rules<'_> {
    /// Returns the rules of the demo university.
    pub(crate) fn demo() -> Self {
        static DOMAINS: std::sync::LazyLock<Vec<String>> =
            std::sync::LazyLock::new(|| vec!["student.contoh.example".to_owned()]);
        Self { own_domains: &DOMAINS, home_country: Country::MALAYSIA, countries: &[Country::MALAYSIA] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<People, Failure> {
        parse("people.csv", text.as_bytes(), &Rules::demo())
    }

    fn errors(text: &str) -> Vec<String> {
        read(text).err().map(|f| f.lines().to_vec()).unwrap_or_default()
    }

    #[test]
    fn demo_accounts_cover_every_account_state() {
        let People { people, warnings, .. } = read(DEMO).unwrap();
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
        let people = read(text).unwrap().people;
        assert_eq!(people[0].logins, ["aisyah", "nur@student.contoh.example"]);
        assert_eq!(people[0].names[1].as_str(), "nur");
        assert_eq!(people[0].state, AccountState::Active);
        assert!(people[0].password.is_none() && people[0].mobile.is_none());
    }

    #[test]
    fn every_error_names_its_row_and_column() {
        let text = "login,name,mobile,totp_secret,language,state,email\n\
                    a,A,by pigeon,,,,\n\
                    b,,+60123456798,ABC,xx,gone,nobody\n\
                    A@student.contoh.example,Again,,,,,\n\
                    c,C\n";
        let found = errors(text);
        for expected in [
            "people.csv: row 2, column mobile: not a phone number. Use one such as +60123456789",
            "people.csv: row 3, column name: the field is empty. Enter the person's full name",
            "people.csv: row 3, column totp_secret: too short for a TOTP secret. Use at least 16 base32 characters (80 bits)",
            "people.csv: row 3, column language: not a language of Rekey. Use en, ms, zh-Hans or ta",
            "people.csv: row 3, column state: not a state. Use active, locked, disabled or excluded",
            "people.csv: row 3, column email: not an email address. Use one such as aisyah@mail.example",
            "people.csv: row 4, column login: `a` is a login in row 2 too. Remove one",
            "people.csv: row 5: 2 fields instead of 7. Quote a field that contains the separator",
        ] {
            assert!(found.iter().any(|line| line == expected), "{expected}\n{found:#?}");
        }
        assert_eq!(found.len(), 8, "{found:#?}");
    }

    #[test]
    fn protected_mailbox_and_duplicate_number_are_skipped() {
        let text = "login,name,email,alternate_email,mobile,office_phone\n\
                    a,A,a@mail.contoh.example,a@mail.example,+60123456798,+60327317272\n\
                    b,B,b@mail.contoh.example,B@Mail\u{3002}Contoh.example,+60123456799,+60123456799\n\
                    c,C,,c@lab.student.contoh.example,,+60327317272\n\
                    d;d@club.example,D,,D@club.example,,\n";
        let People { people, warnings, .. } = read(text).unwrap();
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
    fn own_address_is_a_login() {
        let text = "login,name,email\na21ec0001,Siti,siti.rahmah@student.contoh.example\n\
                    b,B,b@student.contoh.example\nc,C,c@elsewhere.example\n";
        let people = read(text).unwrap().people;
        let names = |at: usize| people[at].names.iter().map(CanonicalName::as_str).collect::<Vec<_>>();
        assert_eq!(names(0), ["a21ec0001", "siti.rahmah"]);
        assert_eq!((names(1), names(2)), (vec!["b"], vec!["c", "c@elsewhere.example"]));
        assert_eq!(
            errors("login,name,email\na,A,\nb,B,a@student.contoh.example\n"),
            ["people.csv: row 3, column email: `a` is a login in row 2 too. Remove one"]
        );
    }

    #[test]
    fn files_of_spreadsheets_are_read() {
        let plain = "login,name,password\na,René, x y \n,,\nb,B,\n";
        let wide: Vec<u8> = format!("\u{feff}{plain}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let latin: Vec<u8> = plain.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        for bytes in [
            plain.as_bytes(),
            plain.replace(',', ";").as_bytes(),
            plain.replace(',', "\t").replace('\n', "\r\n").as_bytes(),
            format!("sep=;\n{}", plain.replace(',', ";")).as_bytes(),
            plain.replace("login,name", "Login, NAME ").as_bytes(),
            &wide,
            &latin,
        ] {
            let people = parse("people.csv", bytes, &Rules::demo()).unwrap().people;
            assert_eq!((people.len(), people[0].name.as_str()), (2, "René"), "{bytes:?}");
            assert_eq!(people[0].password.as_deref(), Some(" x y "), "a password is taken to the letter");
        }
        let warnings = parse("people.csv", &latin, &Rules::demo()).unwrap().warnings;
        let expected =
            "people.csv: row 2: not UTF-8, so the file was read as Windows-1252. Check the names in it";
        assert_eq!(warnings, [expected]);
        let row = errors("sep=,\nlogin,name\na,\n");
        assert_eq!(row, ["people.csv: row 3, column name: the field is empty. Enter the person's full name"]);
    }

    #[test]
    fn unusable_characters_are_reported() {
        for (text, column) in [
            ("login,name\na\u{200b}1,A\n", "login"),
            ("login,name,email\na,A,a@mail.exam\u{200b}ple\n", "email"),
            ("login,name,alternate_email\na,A,a@mail.example.\n", "alternate_email"),
            ("login,name\na,A\0B\n", "name"),
        ] {
            let found = errors(text);
            assert!(found[0].starts_with(&format!("people.csv: row 2, column {column}: ")), "{found:?}");
            assert_eq!(found.len(), 1, "{found:?}");
        }
        assert!(errors("login,name\na,ப\u{200d}ரியா\n").is_empty(), "a joiner is part of a name");
    }

    #[test]
    fn numbers_are_read_in_any_form_and_unreachable_ones_reported() {
        let text = "login,name,mobile,office_phone\n\
                    a,A,012-345 6798,03-2731 7272 ext 12\n\
                    b,B,+6591234567,+60111222333\n\
                    c,C,03-2731 7272,\n";
        let People { people, warnings, .. } = read(text).unwrap();
        assert_eq!(people[0].mobile.as_ref().unwrap().expose(), "+60123456798");
        assert_eq!(people[0].office_phone.as_ref().unwrap().expose(), "+60327317272");
        let starts = [
            "people.csv: row 2, column office_phone: the extension is ignored",
            "people.csv: row 3, column mobile: the number can't be reached",
            "people.csv: row 3, column office_phone: the number can't be reached",
            "people.csv: row 4, column mobile: the number is a fixed line",
        ];
        assert_eq!(warnings.len(), starts.len(), "{warnings:#?}");
        for (warning, start) in warnings.iter().zip(starts) {
            assert!(warning.starts_with(start), "{warning}");
        }
    }

    #[test]
    fn short_seed_is_imported_with_warning() {
        let read = read("login,name,totp_secret\na,A,jbsw y3dp ehpk 3pxp\n").unwrap();
        assert_eq!(read.people[0].totp_secret.as_deref(), Some("JBSWY3DPEHPK3PXP"));
        assert!(read.warnings[0].contains("column totp_secret: the secret has fewer"), "{:?}", read.warnings);
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
