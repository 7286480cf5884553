//! The accounts that tests use.

use shared::domain::account::{Account, AccountId, AccountState, Registration};
use shared::domain::contact::{EmailAddress, PhoneNumber};
use shared::domain::language::Language;
use shared::domain::method::Method;

/// The TOTP seed of every person's authenticator app, in base32.
pub const SEED: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

/// A new password that the policy accepts.
pub const NEW_PASSWORD: &str = "Kancil-Lompat-42!";

/// A number that no account has enrolled yet.
pub const NEW_NUMBER: &str = "+60123459900";

/// A person with the enrolled methods.
pub struct Person {
    /// The login, which also names the account.
    pub login: &'static str,
    /// The display name, which a password must not contain.
    pub name: &'static str,
    /// An email address outside the organisation.
    pub alternate_email: Option<&'static str>,
    /// A mobile phone, E.164.
    pub mobile: Option<&'static str>,
    /// An office phone, E.164.
    pub office_phone: Option<&'static str>,
    /// Whether an authenticator app is enrolled.
    pub totp: bool,
    /// The account state in the directory.
    pub state: AccountState,
}

/// Has every method.
pub const AISYAH: Person = Person {
    login: "aisyah",
    name: "Nur Aisyah binti Rahman",
    alternate_email: Some("aisyah.rahman@mail.example"),
    mobile: Some("+60123456798"),
    office_phone: Some("+60327317272"),
    totp: true,
    state: AccountState::Active,
};

/// Is locked out after failed sign-ins.
pub const PRIYA: Person = Person {
    login: "priya",
    name: "Priya Devi Subramaniam",
    alternate_email: Some("priya.s@mail.example"),
    mobile: Some("+60172223344"),
    office_phone: None,
    totp: false,
    state: AccountState::Locked,
};

/// Has one factor only, too few for two steps.
pub const MEI: Person = Person {
    login: "mei",
    name: "Lim Mei Hua",
    alternate_email: None,
    mobile: Some("+60162345678"),
    office_phone: None,
    totp: false,
    state: AccountState::Active,
};

/// Is disabled by the organisation.
pub const DANIEL: Person = Person {
    login: "daniel",
    name: "Daniel Wong",
    alternate_email: Some("daniel.w@mail.example"),
    mobile: Some("+60145556677"),
    office_phone: None,
    totp: false,
    state: AccountState::Disabled,
};

/// Is excluded from self-service.
pub const REGISTRAR: Person = Person {
    login: "registrar",
    name: "Registrar Office",
    alternate_email: Some("registrar@mail.example"),
    mobile: Some("+60199998888"),
    office_phone: None,
    totp: false,
    state: AccountState::Excluded,
};

/// Has enrolled nothing yet. A world doesn't have this account until a test registers it.
pub const NEWCOMER: Person = Person {
    login: "newcomer",
    alternate_email: None,
    mobile: None,
    office_phone: None,
    totp: false,
    ..AISYAH
};

/// The accounts that every world has.
pub const ALL: [&Person; 5] = [&AISYAH, &PRIYA, &MEI, &DANIEL, &REGISTRAR];

impl Person {
    /// The initial password of every person.
    pub const PASSWORD: &'static str = "Harimau-Malaya-2019";

    /// Returns the person's directory account.
    pub fn account(&self) -> Account {
        Account {
            id: AccountId::from_directory(self.login).unwrap(),
            name: self.name.to_owned(),
            logins: vec![self.login.to_owned()],
            email: Some(EmailAddress::from_stored(format!("{}@student.contoh.example", self.login))),
            language: Some(Language::English),
            state: self.state,
            password_policy: None,
        }
    }

    /// Returns the person's enrolled methods.
    pub fn registration(&self) -> Registration {
        let number = |text: &str| PhoneNumber::from_stored(text.to_owned());
        Registration {
            alternate_email: self.alternate_email.map(|text| EmailAddress::from_stored(text.to_owned())),
            mobile: self.mobile.map(number),
            office_phone: self.office_phone.map(number),
            holds: self.totp.then_some(Method::Totp).into_iter().collect(),
            ..Registration::default()
        }
    }
}
