//! The people of the model: the victim has everything, the attacker an account of their own, anybody else is nobody.

use rekey_tests::people::{AISYAH, PRIYA, Person, SEED};
use shared::domain::account::{Account, AccountId, Registration, Standing};
use shared::domain::keys::Keyring;
use shared::domain::message::Recipient;
use shared::domain::time::Timestamp;
use shared::domain::totp::TotpSeed;

pub const VICTIM: &str = "aisyah";
pub const ATTACKER: &str = "priya";
/// What is typed as the mobile's number, as the victim knows it.
pub const MOBILE: &str = "012-345 6798";

pub fn person(login: &str) -> Option<&'static Person> {
    [&AISYAH, &PRIYA].into_iter().find(|person| person.login == login)
}

pub fn account(login: &str) -> Account {
    Account { standing: Standing::Active, ..person(login).unwrap().account() }
}

/// What is registered, without generation and claim.
pub fn registration(account: &AccountId) -> Registration {
    person(account.as_str()).map(Person::registration).unwrap_or_default()
}

/// Every contact that is told of a change.
pub fn contacts(account: &str) -> Vec<String> {
    let registration = registration(&AccountId::from_directory(account));
    let phones = [registration.mobile, registration.office_phone].into_iter().flatten();
    let mails = [self::account(account).email, registration.alternate_email].into_iter().flatten();
    let mut all: Vec<String> = phones.map(|phone| phone.expose().to_owned()).collect();
    all.extend(mails.map(|mail| mail.expose().to_owned()));
    all.sort();
    all
}

/// One ring serves every purpose here.
pub fn keys() -> Keyring {
    Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
}

pub fn sealed_seed(account: &AccountId) -> String {
    TotpSeed::parse(SEED).unwrap().seal(&keys(), account.as_str(), [7; 24]).unwrap()
}

/// What an authenticator app shows.
pub fn app_code(now: Timestamp) -> String {
    let secret = totp_rs::Secret::try_from_base32(SEED).unwrap();
    let app = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    app.generate(now.as_unsigned()).to_string()
}

/// A recipient as the provider gets it.
pub fn exposed(to: &Recipient) -> String {
    match to {
        Recipient::Email(address) => address.expose().to_owned(),
        Recipient::Sms(number) | Recipient::Voice(number) => number.expose().to_owned(),
    }
}
