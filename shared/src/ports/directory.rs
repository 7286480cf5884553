//! The directory: where accounts and passwords are authoritative.

use std::error::Error;

use async_trait::async_trait;
use thiserror::Error;

use crate::domain::account::{Account, AccountId};
use crate::domain::name::CanonicalName;
use crate::domain::password::{NewPassword, Violation};
use crate::domain::time::Timestamp;

/// What a directory can do. It stays as it is for as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// It can unlock an account and leave the password as it is.
    pub unlock: bool,
    /// It can check a password ([`SignInDirectory`]).
    pub sign_in: bool,
    /// It can say of a password, before it is set, that it was used before ([`PasswordDirectory::precheck`]).
    pub history: bool,
}

/// Reads accounts.
#[async_trait]
pub trait Directory: Send + Sync {
    /// What this directory can do.
    fn capabilities(&self) -> Capabilities;

    /// The account that a name belongs to. A miss costs what a hit costs.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn find(&self, name: &CanonicalName) -> Result<Option<Account>, DirectoryError>;

    /// The account by its id.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn account(&self, id: &AccountId) -> Result<Option<Account>, DirectoryError>;
}

/// What a sign-in came to.
#[derive(Clone, Debug)]
pub enum SignIn {
    /// The password is right, and this is the account.
    Accepted(Account),
    /// The name or the password is wrong.
    Wrong,
    /// Too many failures, for a while, or locked by the organisation; an unlock or a reset ends either.
    Locked,
    /// Switched off by the organisation.
    Disabled,
}

/// Checks passwords. Only `enrolment` has it.
#[async_trait]
pub trait SignInDirectory: Directory {
    /// Checks a password (in NFC). The directory's own lockout holds. Every failed sign-in takes the same calls and the
    /// same work, whatever it fails by, also for a name that nobody has.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn sign_in(
        &self,
        name: &CanonicalName,
        password: &str,
        now: Timestamp,
    ) -> Result<SignIn, DirectoryError>;
}

/// One try to change an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordChange {
    /// The account.
    pub account: AccountId,
    /// The number that the lease gave: a later change of the account has a greater one.
    pub number: u64,
    /// The change must not begin at this moment or later: the lease that it is made under is over then.
    pub deadline: Timestamp,
}

/// What a change writes.
#[derive(Clone, Copy, Debug)]
pub enum Write<'a> {
    /// A new password; it unlocks as well.
    Password(&'a NewPassword),
    /// Unlock; the password stays.
    Unlock,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// It was made, or a later one was.
    Applied,
    /// It was not made, and will not be.
    NotApplied,
    /// The directory can't tell, now or ever.
    CannotTell,
}

/// Finds out what became of a change. `delivery` has it, and `password-set`.
#[async_trait]
pub trait ChangeInspector: Directory {
    /// What became of a change whose answer was lost.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn outcome(&self, change: &PasswordChange) -> Result<ChangeOutcome, DirectoryError>;
}

/// Changes accounts. Only `password-set` has it.
#[async_trait]
pub trait PasswordDirectory: ChangeInspector {
    /// What the directory can say against a password before it is set; nothing where it can't say anything.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn precheck(
        &self,
        account: &AccountId,
        password: &NewPassword,
    ) -> Result<Vec<Violation>, DirectoryError>;

    /// Makes a change at most once, if its deadline lies after `now`. Repeating it changes nothing more.
    ///
    /// # Errors
    /// [`ChangeError`].
    async fn apply(
        &self,
        change: &PasswordChange,
        write: Write<'_>,
        now: Timestamp,
    ) -> Result<(), ChangeError>;
}

/// Takes accounts over from elsewhere. Only the built-in directory has it.
#[async_trait]
pub trait AccountImport: Send + Sync {
    /// Writes an account with its logins and its password, in the place of one that is there.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn put(&self, account: &Account, password: Option<&NewPassword>) -> Result<(), DirectoryError>;
}

/// The directory is slow, throttled or gone, or holds something that can't be read.
#[derive(Debug, Error)]
#[error("the directory is unavailable")]
pub struct DirectoryError(#[source] pub Box<dyn Error + Send + Sync>);

/// Why a change was not made, as far as the directory knows.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// The directory refuses this password; another may do.
    #[error("the directory refuses the password")]
    Rejected(Vec<Violation>),
    /// The account is gone, was switched off meanwhile, or is not to be changed from here.
    #[error("the account can't be changed")]
    NotPermitted,
    /// A later change was made already.
    #[error("a later change was made already")]
    Superseded,
    /// Nothing was changed.
    #[error("the change was not made")]
    NotApplied(#[source] Box<dyn Error + Send + Sync>),
    /// Nobody knows whether something was changed.
    #[error("whether the change was made is unknown")]
    Unknown(#[source] Box<dyn Error + Send + Sync>),
}
