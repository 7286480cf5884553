//! The organisation's own directory, behind Lambda's Invoke: `password-set` and `enrolment` reach `directory-write` and
//! `directory-read` by their roles, and these a test double of the directory.

use std::sync::Arc;

use async_trait::async_trait;
use rekey_tests::World;
use rekey_tests::fixtures::{self, Person};
use shared::domain::account::{Account, AccountId};
use shared::domain::change_note::LONGEST_RUN;
use shared::domain::directory::EntryStanding;
use shared::domain::name::CanonicalName;
use shared::domain::password::{NewPassword, Violation};
use shared::domain::time::Timestamp;
use shared::ports::{
    Capabilities, ChangeError, ChangeInspector, ChangeOutcome, Directory, DirectoryError, DirectoryWrite,
    OrganisationSignIn, PasswordChange, PasswordDirectory, SignInDirectory, SignInResult,
};

use super::{Fixture, LEASE};

/// The fixture: a world for each directory.
pub struct Remote(tokio::sync::Mutex<Option<Arc<World>>>);

impl Remote {
    pub fn new() -> Self {
        Self(tokio::sync::Mutex::default())
    }
}

#[async_trait]
impl Fixture for Remote {
    type Directory = RemotePorts;

    /// The directory itself decides how many earlier passwords it refuses.
    async fn given(&self, _history: u8) -> Arc<RemotePorts> {
        let world = World::with(&[("REKEY_DIRECTORY", "ad")]).await;
        let passwords = world.process("password-set").await.password_directory().unwrap();
        let sign_ins = world.process("enrolment").await.sign_in_directory().unwrap();
        *self.0.lock().await = Some(world.clone());
        Arc::new(RemotePorts { world, passwords, sign_ins })
    }

    async fn pass_deadline(&self) {
        let world = self.0.lock().await;
        world.as_ref().unwrap().clock.advance((LEASE.0 + LONGEST_RUN.0).into());
    }
}

/// The ports, as the functions that have them build them.
pub struct RemotePorts {
    world: Arc<World>,
    passwords: Arc<dyn PasswordDirectory>,
    sign_ins: Arc<dyn SignInDirectory>,
}

#[async_trait]
impl Directory for RemotePorts {
    fn capabilities(&self) -> Capabilities {
        self.passwords.capabilities()
    }

    async fn find(&self, name: &CanonicalName) -> Result<Option<Account>, DirectoryError> {
        self.passwords.find(name).await
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, DirectoryError> {
        self.passwords.account(id).await
    }
}

#[async_trait]
impl SignInDirectory for RemotePorts {
    async fn check_password(
        &self,
        account: &AccountId,
        password: &str,
        now: Timestamp,
    ) -> Result<SignInResult, DirectoryError> {
        self.sign_ins.check_password(account, password, now).await
    }
}

#[async_trait]
impl ChangeInspector for RemotePorts {
    async fn outcome(&self, change: &PasswordChange) -> Result<ChangeOutcome, DirectoryError> {
        self.passwords.outcome(change).await
    }
}

#[async_trait]
impl PasswordDirectory for RemotePorts {
    async fn precheck(
        &self,
        account: &AccountId,
        password: &NewPassword,
    ) -> Result<Vec<Violation>, DirectoryError> {
        self.passwords.precheck(account, password).await
    }

    async fn apply(
        &self,
        change: &PasswordChange,
        write: DirectoryWrite<'_>,
        now: Timestamp,
    ) -> Result<(), ChangeError> {
        self.passwords.apply(change, write, now).await
    }
}

/// Another application tells a disabled account from a wrong password; Rekey does not.
#[async_trait]
impl OrganisationSignIn for RemotePorts {
    async fn sign_in(
        &self,
        name: &CanonicalName,
        password: &str,
        now: Timestamp,
    ) -> Result<SignInResult, DirectoryError> {
        let Some(account) = self.find(name).await? else { return Ok(SignInResult::Wrong) };
        let is_person = |person: &&&Person| person.account().id == account.id;
        let person = fixtures::ALL.iter().find(is_person).unwrap();
        let checked = self.check_password(&account.id, password, now).await?;
        Ok(match self.world.live.entry_of(person).standing {
            EntryStanding::Disabled => {
                assert!(matches!(checked, SignInResult::Wrong), "{checked:?}");
                SignInResult::Disabled
            }
            _ => checked,
        })
    }
}
