//! The people of the CSV file as the dev inbox shows them.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use shared::domain::account::AccountState;
use shared::domain::language::Language;
use shared::domain::name::CanonicalName;
use shared::domain::time::Timestamp;
use totp_rs::{Builder, Secret};

use crate::people::Person;

/// Seconds that a TOTP code is valid (RFC 6238's default).
const TOTP_STEP: u64 = 30;

/// The built-in directory, as far as the dev inbox needs it.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Returns the state of an account now; `None` if it doesn't exist.
    ///
    /// # Errors
    /// [`Unreadable`].
    async fn state(&self, name: &CanonicalName) -> Result<Option<AccountState>, Unreadable>;

    /// Signs in with a password, as the organisation's sign-in page would. The fifth failure in a row locks the
    /// account for a while; a success resets the count.
    ///
    /// # Errors
    /// [`Unreadable`].
    async fn sign_in(
        &self,
        name: &CanonicalName,
        password: &str,
        now: Timestamp,
    ) -> Result<SignInOutcome, Unreadable>;
}

/// The result of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInOutcome {
    /// Name and password are correct.
    SignedIn,
    /// No such account, or a wrong password.
    Wrong,
    /// Locked, whether or not the password is correct.
    Locked,
    /// Disabled by the organisation.
    Disabled,
}

/// The directory can't be read.
#[derive(Debug, Clone)]
pub struct Unreadable(pub String);

/// Returns the answer of a genuine CAPTCHA token.
pub type Captchas = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The people of the CSV file, and secrets that only a test environment may show.
#[derive(Clone)]
pub struct Demo {
    /// The name of the CSV file.
    pub file: String,
    /// The people of the CSV file.
    pub people: Arc<Vec<Person>>,
    /// The organisation's own domains, in canonical form.
    pub domains: Arc<Vec<String>>,
    /// Reads the current state of accounts, and signs in.
    pub accounts: Arc<dyn Accounts>,
    /// Shows the answer of a CAPTCHA token to a tester.
    pub captchas: Captchas,
}

impl Demo {
    /// Returns all people with the current state of their accounts.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub(super) async fn views(&self, now: Timestamp) -> Result<Vec<PersonView>, Unreadable> {
        let mut views = Vec::with_capacity(self.people.len());
        for person in self.people.iter() {
            let state = match person.names.first() {
                Some(name) => self.accounts.state(name).await?,
                None => None,
            };
            views.push(PersonView::new(person, state, now));
        }
        Ok(views)
    }

    /// Signs in with a login as it was typed.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub(super) async fn sign_in(
        &self,
        login: &str,
        password: &str,
        now: Timestamp,
    ) -> Result<SignInOutcome, Unreadable> {
        match CanonicalName::parse(login, &self.domains) {
            Ok(name) => self.accounts.sign_in(&name, password, now).await,
            Err(_) => Ok(SignInOutcome::Wrong),
        }
    }
}

/// A person with all values unmasked.
#[derive(Serialize)]
pub(super) struct PersonView {
    pub(super) login: String,
    pub(super) name: String,
    pub(super) email: Option<String>,
    pub(super) alternate_email: Option<String>,
    pub(super) mobile: Option<String>,
    pub(super) office_phone: Option<String>,
    pub(super) totp_secret: Option<String>,
    pub(super) totp_code: Option<String>,
    pub(super) password: Option<String>,
    pub(super) language: Option<Language>,
    pub(super) state: Option<AccountState>,
    #[serde(skip)]
    pub(super) other_logins: String,
    #[serde(skip)]
    pub(super) seconds_left: u64,
}

impl PersonView {
    fn new(person: &Person, state: Option<AccountState>, now: Timestamp) -> Self {
        let email = |address: &Option<shared::domain::contact::EmailAddress>| {
            address.as_ref().map(|address| address.expose().to_owned())
        };
        let phone = |number: &Option<shared::domain::contact::PhoneNumber>| {
            number.as_ref().map(|number| number.expose().to_owned())
        };
        Self {
            login: person.login().to_owned(),
            name: person.name.clone(),
            email: email(&person.email),
            alternate_email: email(&person.alternate_email),
            mobile: phone(&person.mobile),
            office_phone: phone(&person.office_phone),
            totp_code: person.totp_secret.as_deref().and_then(|secret| totp_code(secret, now)),
            totp_secret: person.totp_secret.clone(),
            password: person.password.clone(),
            language: person.language,
            state,
            other_logins: person.logins.get(1..).unwrap_or_default().join(", "),
            seconds_left: TOTP_STEP - now.as_unsigned() % TOTP_STEP,
        }
    }

    pub(super) fn state_word(&self) -> &'static str {
        self.state.map_or("missing", state_name)
    }

    pub(super) fn language_tag(&self) -> &'static str {
        self.language.map_or("", Language::tag)
    }
}

/// Returns an account state as one word.
pub(crate) const fn state_name(state: AccountState) -> &'static str {
    match state {
        AccountState::Active => "active",
        AccountState::Locked => "locked",
        AccountState::Disabled => "disabled",
        AccountState::Excluded => "excluded",
    }
}

fn totp_code(secret: &str, now: Timestamp) -> Option<String> {
    let secret: String = secret.chars().filter(|c| !c.is_whitespace() && *c != '=').collect();
    let secret = Secret::try_from_base32(secret.to_ascii_uppercase()).ok()?;
    Some(Builder::new().with_secret(secret).build().ok()?.generate(now.as_unsigned()).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totp_code_matches_rfc_6238() {
        // RFC 6238 appendix B, the last six of its eight digits.
        let code = totp_code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", Timestamp::from_seconds(59));
        assert_eq!(code.as_deref(), Some("287082"));
    }
}
