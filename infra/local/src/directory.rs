//! The people of the CSV file in the tables, and the directory as the outbox uses it.

use std::sync::Arc;

use async_trait::async_trait;
use shared::domain::account::{Registration, Standing};
use shared::domain::keys::Keyring;
use shared::domain::name::CanonicalName;
use shared::domain::password::NewPassword;
use shared::domain::time::{Seconds, Timestamp};
use shared::domain::totp::TotpSeed;
use shared::ports::{self, AccountImport, Clock, ContactImport, Entropy, EntropyExt as _, SignInDirectory};
use shared::process::{Process, StartError};

use crate::failure::Failure;
use crate::outbox::{Accounts, SignIn, Unreadable};
use crate::people::Person;

/// The tables that people are written to, and the keys of their authenticators.
pub struct Tables {
    /// The accounts, to be written.
    pub accounts: Arc<dyn AccountImport>,
    /// The same, to be found and signed in to.
    pub directory: Arc<dyn SignInDirectory>,
    /// What is registered, to be written.
    pub contacts: Arc<dyn ContactImport>,
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
    /// The tables of a process that is told of all of them.
    ///
    /// # Errors
    /// [`StartError`] when it isn't.
    pub fn from_process(process: &Process) -> Result<Self, StartError> {
        Ok(Self {
            accounts: process.account_import()?,
            directory: process.sign_in_directory()?,
            contacts: process.contact_import()?,
            seeds: process.keyring("REKEY_SECRET_SEEDS")?,
            waiting_period: process.settings().cool_down,
            clock: process.clock(),
            entropy: process.entropy(),
        })
    }

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
        if self.directory.find(name).await?.is_some() {
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
        self.contacts.import(id, &registration, sealed.as_deref(), self.waiting_period, now).await?;
        // Last, since its presence means that the person is complete.
        let password = person.password.as_deref().map(NewPassword::parse).transpose()?;
        Ok(self.accounts.put(&account, password.as_ref()).await?)
    }
}

/// The directory as the outbox uses it.
pub struct DemoAccounts(pub Arc<dyn SignInDirectory>);

#[async_trait]
impl Accounts for DemoAccounts {
    async fn standing(&self, name: &CanonicalName) -> Result<Option<Standing>, Unreadable> {
        let found = self.0.find(name).await.map_err(unreadable)?;
        Ok(found.map(|account| account.standing))
    }

    async fn sign_in(
        &self,
        name: &CanonicalName,
        password: &str,
        now: Timestamp,
    ) -> Result<SignIn, Unreadable> {
        Ok(match self.0.sign_in(name, password, now).await.map_err(unreadable)? {
            ports::SignIn::Accepted(_) => SignIn::SignedIn,
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
