//! The copy of a directory's people, which strangers' requests read.

use async_trait::async_trait;

use super::DirectoryError;
use crate::domain::account::AccountId;
use crate::domain::account_copy::{CopiedAccount, LoginClaims};
use crate::domain::directory::PublishedPolicy;
use crate::domain::holder::HolderId;
use crate::domain::sync::SyncState;
use crate::domain::time::Timestamp;

/// An account to write.
#[derive(Clone, Debug)]
pub struct CopyWrite {
    /// The account after the write.
    pub account: CopiedAccount,
    /// Whether the copy has it already. What other functions noted there stays.
    pub exists: bool,
}

/// A part of the copy.
#[derive(Clone, Debug, Default)]
pub struct CopyPage {
    /// Accounts, in no particular order. Unreadable ones are left out.
    pub accounts: Vec<CopiedAccount>,
    /// Logins, in no particular order.
    pub logins: Vec<LoginClaims>,
    /// Names the next page; `None` after the last one.
    pub next: Option<String>,
}

/// Reads and writes the copy. Only `directory-sync` has it. Reads are strongly consistent: two people of one run may
/// have the same login.
#[async_trait]
pub trait AccountCopy: Send + Sync {
    /// Takes the exclusive right to write until `until`; returns `false` while another run has it.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn acquire(&self, run: HolderId, until: Timestamp, now: Timestamp) -> Result<bool, DirectoryError>;

    /// Gives the right back, if this run has it.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn release(&self, run: HolderId) -> Result<(), DirectoryError>;

    /// Returns the state of a directory's sync; the initial one before the first run, and if it is unreadable.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn state(&self, directory: &str) -> Result<SyncState, DirectoryError>;

    /// Writes the state of a directory's sync, and the directory's own rules for passwords.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn put_state(
        &self,
        directory: &str,
        state: &SyncState,
        policy: &PublishedPolicy,
    ) -> Result<(), DirectoryError>;

    /// Returns those of the accounts that the copy has, in no particular order. No id is there twice.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn accounts(&self, ids: &[AccountId]) -> Result<Vec<CopiedAccount>, DirectoryError>;

    /// Returns the claims of those logins that somebody has, in no particular order. No login is there twice.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn logins(&self, logins: &[String]) -> Result<Vec<LoginClaims>, DirectoryError>;

    /// Writes logins with all their claimants; one without a claimant is removed. No login is there twice.
    ///
    /// # Errors
    /// [`DirectoryError`]; some may then be written.
    async fn put_logins(&self, logins: &[LoginClaims]) -> Result<(), DirectoryError>;

    /// Writes accounts. No account is there twice.
    ///
    /// # Errors
    /// [`DirectoryError`]; some may then be written.
    async fn put_accounts(&self, writes: &[CopyWrite]) -> Result<(), DirectoryError>;

    /// Removes an account. A missing one is no error.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn remove_account(&self, id: &AccountId) -> Result<(), DirectoryError>;

    /// Returns the first page of the copy, or the one that an earlier page names.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn page(&self, after: Option<&str>) -> Result<CopyPage, DirectoryError>;
}
