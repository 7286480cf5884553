//! The people of the CSV file in the tables, and the built-in directory as the outbox uses it.

use std::sync::Arc;

use async_trait::async_trait;
use shared::adapters::directories::BuiltinDirectory;
use shared::adapters::dynamodb::{DynamoEnrolment, DynamoSecurityInfo};
use shared::domain::account::{Registration, Standing};
use shared::domain::keys::Keyring;
use shared::domain::name::CanonicalName;
use shared::domain::time::{Seconds, Timestamp};
use shared::domain::totp::TotpSeed;
use shared::ports::{self, Clock, Directory as _, Entropy, EntropyExt as _, SignInDirectory};

use crate::failure::Failure;
use crate::outbox::{Accounts, SignIn, Unreadable};
use crate::people::Person;

/// The tables that people are written to, and the keys of their authenticators.
pub struct Tables {
    /// The accounts.
    pub accounts: BuiltinDirectory,
    /// What is registered, to be read.
    pub security_info: DynamoSecurityInfo,
    /// What is registered, to be written.
    pub enrolment: DynamoEnrolment,
    /// The keys of seeds.
    pub seeds: Arc<Keyring>,
    /// How long a contact waits that takes the place of another.
    pub waiting_period: Seconds,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

impl Tables {
    /// Writes the people who are not there yet. Whoever is there stays as they are: their password may have been
    /// changed, their account locked.
    ///
    /// # Errors
    /// [`Failure`] when the store does not take somebody.
    pub async fn seed(&self, people: &[Person]) -> Result<(), Failure> {
        for person in people {
            self.seed_one(person).await.map_err(|error| {
                Failure::new(format!("{} can't be written to the store: {error}", person.login()))
            })?;
        }
        Ok(())
    }

    async fn seed_one(&self, person: &Person) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let Some(name) = person.names.first() else { return Ok(()) };
        if self.accounts.find(name).await?.is_some() {
            return Ok(());
        }
        let account = person.account()?;
        let id = &account.id;
        let sealed = match &person.totp_secret {
            Some(secret) => {
                let nonce = self.entropy.bytes();
                Some(TotpSeed::parse(secret)?.seal(&self.seeds, id.as_str(), nonce)?)
            }
            None => None,
        };
        let registration = Registration {
            alternate_email: person.alternate_email.clone(),
            mobile: person.mobile.clone(),
            office_phone: person.office_phone.clone(),
            ..Registration::default()
        };
        let now = self.clock.now();
        self.enrolment.import(id, &registration, sealed.as_deref(), self.waiting_period, now).await?;
        // Last, since its presence means that the person is complete.
        Ok(self.accounts.create(&account, person.password.as_deref()).await?)
    }
}

#[async_trait]
impl Accounts for BuiltinDirectory {
    async fn standing(&self, name: &CanonicalName) -> Result<Option<Standing>, Unreadable> {
        let found = self.find(name).await.map_err(unreadable)?;
        Ok(found.map(|account| account.standing))
    }

    async fn sign_in(
        &self,
        name: &CanonicalName,
        password: &str,
        now: Timestamp,
    ) -> Result<SignIn, Unreadable> {
        Ok(match SignInDirectory::sign_in(self, name, password, now).await.map_err(unreadable)? {
            ports::SignIn::Accepted => SignIn::SignedIn,
            ports::SignIn::Wrong => SignIn::Wrong,
            ports::SignIn::Locked => SignIn::Locked,
            ports::SignIn::Disabled => SignIn::Disabled,
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn unreadable(error: ports::DirectoryError) -> Unreadable {
    Unreadable(error.to_string())
}
