//! The directory that holds accounts and passwords.

use async_trait::async_trait;
use thiserror::Error;

use crate::domain::account::{Account, AccountId};
use crate::domain::name::CanonicalName;
use crate::domain::time::Timestamp;

/// Reads accounts.
#[async_trait]
pub trait Directory: Send + Sync {
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

    /// Whether the write that a claim made `generation` for has been carried out.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn was_written(&self, id: &AccountId, generation: u64) -> Result<bool, DirectoryError>;
}

/// What a sign-in came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// The password is right.
    Accepted,
    /// The name or the password is wrong.
    Wrong,
    /// Too many failures, for a while, or locked by the organisation; an unlock or a reset ends either.
    Locked,
    /// Switched off by the organisation.
    Disabled,
}

/// Tries passwords. Only `enrolment` has it.
#[async_trait]
pub trait SignInDirectory: Directory {
    /// Tries a password (in NFC). The directory's own lockout holds. Whatever a sign-in fails by, it takes the same calls
    /// and the same work, also for a name that nobody has.
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

/// A change to an account.
#[derive(Clone, Copy)]
pub enum Write<'a> {
    /// A new password, in NFC; it unlocks as well.
    Password(&'a str),
    /// Unlock; the password stays.
    Unlock,
}

/// Changes accounts. Only `password-set` has it.
#[async_trait]
pub trait DirectoryWriter: Directory {
    /// The account by its id, and whether `password` (in NFC) is its present one or one of the `history - 1` before it:
    /// one question, since both are asked for each password that is tried.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn account_and_reuse(
        &self,
        id: &AccountId,
        password: &str,
        history: u8,
    ) -> Result<Option<(Account, bool)>, DirectoryError>;

    /// Carries out a change under the claim that made `generation`. Repeating it changes nothing more; a change
    /// under an older claim than the last one is refused as [`DirectoryError::Superseded`].
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn write(
        &self,
        id: &AccountId,
        generation: u64,
        write: Write<'_>,
        history: u8,
        now: Timestamp,
    ) -> Result<(), DirectoryError>;
}

/// The directory did not do what it was asked to.
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// It is slow, throttled or gone. Nothing is known about a write.
    #[error("the directory is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The account is gone, or was switched off meanwhile.
    #[error("the account can't be changed any more")]
    Refused,
    /// A later claim has written already.
    #[error("a later change was made already")]
    Superseded,
}
