//! The directory: the authority for accounts and passwords.

use std::error::Error;

use async_trait::async_trait;
use thiserror::Error;

use crate::domain::account::{Account, AccountId};
use crate::domain::name::CanonicalName;
use crate::domain::password::{NewPassword, Violation};
use crate::domain::time::Timestamp;

/// The capabilities of a directory. They are constant for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// It can unlock an account without changing the password.
    pub unlock: bool,
    /// It can check a password ([`SignInDirectory`]).
    pub sign_in: bool,
    /// It can check whether a password was used before, without setting it ([`PasswordDirectory::precheck`]).
    pub history: bool,
}

/// Reads accounts, and never writes.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Returns the capabilities of this directory.
    fn capabilities(&self) -> Capabilities;

    /// Returns the account of a name. A miss costs as much as a hit.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn find(&self, name: &CanonicalName) -> Result<Option<Account>, DirectoryError>;

    /// Returns the account with this id.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn account(&self, id: &AccountId) -> Result<Option<Account>, DirectoryError>;
}

/// The result of a sign-in.
#[derive(Clone, Debug)]
pub enum SignInResult {
    /// The password is right for this account.
    Accepted(Account),
    /// The name or the password is wrong; the caller can't tell which.
    Wrong,
    /// Locked for a while after failed sign-ins, or by the organisation; an unlock or a reset removes either
    /// lock.
    Locked,
    /// The organisation disabled the account.
    Disabled,
}

/// Checks passwords. Only `enrolment` has it.
#[async_trait]
pub trait SignInDirectory: Directory {
    /// Checks a password (in NFC). It counts nothing, so that nobody can lock an account by it: the caller
    /// limits the attempts. Every failure takes the same calls and the same work, whatever the cause, also for
    /// an id without an account.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn check_password(
        &self,
        account: &AccountId,
        password: &str,
        now: Timestamp,
    ) -> Result<SignInResult, DirectoryError>;
}

/// The sign-in of the organisation's other applications, which locks an account after failed attempts. Only
/// the local environment has it, so that people can see a lock and its removal.
#[async_trait]
pub trait OrganisationSignIn: Directory {
    /// Checks a password (in NFC), and counts a failure towards the lock.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn sign_in(
        &self,
        name: &CanonicalName,
        password: &str,
        now: Timestamp,
    ) -> Result<SignInResult, DirectoryError>;
}

/// One try to write to a directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PasswordChange {
    /// The account to change.
    pub account: AccountId,
    /// The number that the lease gave: later changes of the account have greater ones.
    pub number: u64,
    /// The change must not begin at or after this time, when its lease has expired.
    pub deadline: Timestamp,
}

/// The content of a change.
#[derive(Clone, Copy, Debug)]
pub enum DirectoryWrite<'a> {
    /// A new password; setting it also unlocks the account.
    Password(&'a NewPassword),
    /// Unlocks; the password is unchanged.
    Unlock,
}

/// The outcome of a change whose response was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeOutcome {
    /// It was made, or a later change was.
    Applied,
    /// It was not made, and will not be.
    NotApplied,
    /// The directory can't tell, now or later.
    CannotTell,
}

/// Reads the outcome of a change. `delivery` and `password-set` have it.
#[async_trait]
pub trait ChangeInspector: Directory {
    /// Returns the outcome of a change whose response was lost.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn outcome(&self, change: &PasswordChange) -> Result<ChangeOutcome, DirectoryError>;
}

/// Changes accounts. Only `password-set` has it.
#[async_trait]
pub trait PasswordDirectory: ChangeInspector {
    /// Returns the directory's objections to a password before it is set; none where it can't tell.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn precheck(
        &self,
        account: &AccountId,
        password: &NewPassword,
    ) -> Result<Vec<Violation>, DirectoryError>;

    /// Makes a change at most once, if its deadline is after `now`. It is idempotent.
    ///
    /// # Errors
    /// [`ChangeError`].
    async fn apply(
        &self,
        change: &PasswordChange,
        write: DirectoryWrite<'_>,
        now: Timestamp,
    ) -> Result<(), ChangeError>;
}

/// Imports accounts. Only the built-in directory has it.
#[async_trait]
pub trait AccountImport: Send + Sync {
    /// Writes an account with its logins and its password, and replaces an existing one.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn put(&self, account: &Account, password: Option<&NewPassword>) -> Result<(), DirectoryError>;

    /// Replaces names, logins, address, language and state of the existing account `found`. Its password and the
    /// count of its failed sign-ins stay.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn update_account(&self, found: &Account, account: &Account) -> Result<(), DirectoryError>;
}

/// Some accounts of a directory.
#[derive(Clone, Debug, Default)]
pub struct AccountPage {
    /// The accounts, in no particular order. Unreadable ones are left out.
    pub accounts: Vec<Account>,
    /// Names the next page; `None` after the last one.
    pub next: Option<String>,
}

/// Reads all accounts, page by page. Only `housekeeping` and imports have it.
#[async_trait]
pub trait AccountScan: Send + Sync {
    /// Returns the first page, or the one that an earlier page names. Accounts that change meanwhile may be missing
    /// or come twice.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn page(&self, after: Option<&str>) -> Result<AccountPage, DirectoryError>;
}

/// The directory is slow, throttled or unreachable, or has unreadable data.
#[derive(Debug, Error)]
#[error("the directory is unavailable")]
pub struct DirectoryError(#[source] pub Box<dyn Error + Send + Sync>);

/// The reason why a change was not made, as far as the directory knows.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// The directory rejects this password; another may be accepted.
    #[error("the directory refuses the password")]
    Rejected(Vec<Violation>),
    /// The account was deleted or disabled meanwhile, or may not be changed by Rekey.
    #[error("the account can't be changed")]
    NotPermitted,
    /// The directory has made a later change, so this one must not follow.
    #[error("a later change was made already")]
    Superseded,
    /// The directory changed nothing; the flow may try again.
    #[error("the change was not made")]
    NotApplied(#[source] Box<dyn Error + Send + Sync>),
    /// Whether the directory made the change is unknown.
    #[error("whether the change was made is unknown")]
    Unknown(#[source] Box<dyn Error + Send + Sync>),
}
