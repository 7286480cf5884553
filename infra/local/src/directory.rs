//! Adapts directories to the dev inbox.

use std::sync::Arc;

use async_trait::async_trait;
use shared::domain::account::AccountState;
use shared::domain::name::CanonicalName;
use shared::domain::time::Timestamp;
use shared::ports::{self, OrganisationSignIn, SignInDirectory};

use crate::dev_inbox::{Accounts, SignInOutcome, Unreadable};
use crate::stored_passwords::StoredPasswords;

/// The built-in directory as the dev inbox uses it.
pub struct DemoAccounts {
    /// Finds accounts and signs in.
    pub directory: Arc<dyn OrganisationSignIn>,
    /// Whether the passwords of the file are stored.
    pub passwords: StoredPasswords,
}

#[async_trait]
impl Accounts for DemoAccounts {
    async fn state(&self, name: &CanonicalName) -> Result<Option<AccountState>, Unreadable> {
        let found = self.directory.find(name).await.map_err(unreadable)?;
        Ok(found.map(|account| account.state))
    }

    async fn sign_in(
        &self,
        name: &CanonicalName,
        password: &str,
        now: Timestamp,
    ) -> Result<SignInOutcome, Unreadable> {
        self.passwords.wait().await;
        Ok(match self.directory.sign_in(name, password, now).await.map_err(unreadable)? {
            ports::SignInResult::Accepted(_) => SignInOutcome::SignedIn,
            ports::SignInResult::Wrong => SignInOutcome::Wrong,
            ports::SignInResult::Locked => SignInOutcome::Locked,
            ports::SignInResult::Disabled => SignInOutcome::Disabled,
        })
    }
}

/// The organisation's own directory as the dev inbox uses it. A sign-in here locks nobody, unlike one elsewhere.
pub struct DirectoryAccounts(pub Arc<dyn SignInDirectory>);

#[async_trait]
impl Accounts for DirectoryAccounts {
    async fn state(&self, name: &CanonicalName) -> Result<Option<AccountState>, Unreadable> {
        let found = self.0.find(name).await.map_err(unreadable)?;
        Ok(found.map(|account| account.state))
    }

    async fn sign_in(
        &self,
        name: &CanonicalName,
        password: &str,
        now: Timestamp,
    ) -> Result<SignInOutcome, Unreadable> {
        let Some(account) = self.0.find(name).await.map_err(unreadable)? else {
            return Ok(SignInOutcome::Wrong);
        };
        Ok(match self.0.check_password(&account.id, password, now).await.map_err(unreadable)? {
            ports::SignInResult::Accepted(_) => SignInOutcome::SignedIn,
            _ => SignInOutcome::Wrong,
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn unreadable(error: ports::DirectoryError) -> Unreadable {
    Unreadable(error.to_string())
}
