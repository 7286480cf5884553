//! The organisation's own directory, which only `functions/directory` reaches, over the network and with a service
//! account of its own.

use async_trait::async_trait;

use super::{ChangeError, DirectoryError};
use crate::domain::account::AccountId;
use crate::domain::directory::{BindResult, DirectoryPerson, Entry, PublishedPolicy, SyncCursor};
use crate::domain::directory_examination::Examination;
use crate::domain::password::NewPassword;

/// Who a bind is for. Both kinds take the same calls.
#[derive(Clone, Copy, Debug)]
pub enum Principal<'a> {
    /// This entry.
    Entry(&'a Entry),
    /// The fixed name that no entry has: for unknown logins, and for entries that one more wrong password might lock.
    Nobody,
}

/// Reads entries and checks passwords, with the service account that may only read.
#[async_trait]
pub trait LiveDirectory: Send + Sync {
    /// Returns the entry with this id, read from the server that counts wrong passwords for all (Active Directory's
    /// PDC emulator). An id without an entry, and one that two entries have, is `None` after the same calls.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn entry(&self, id: &AccountId) -> Result<Option<Entry>, DirectoryError>;

    /// Checks a password by a bind. The caller has read [`Entry::attempts_left`] from the same server just before. An
    /// empty password is refused without a bind (RFC 4513 §5.1.2).
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn bind(&self, principal: Principal<'_>, password: &str) -> Result<BindResult, DirectoryError>;

    /// Returns the directory's published rules for passwords.
    ///
    /// # Errors
    /// [`DirectoryError`].
    async fn policy(&self) -> Result<PublishedPolicy, DirectoryError>;

    /// Returns what the service account sees of the servers, and of the people who have one of these logins. It reads
    /// only. A failure is in the result, with what was found before it.
    async fn examine(&self, logins: &[String]) -> Examination;
}

/// Changes entries, with the service account that may set passwords and remove locks, and nothing else.
#[async_trait]
pub trait LivePasswordDirectory: LiveDirectory {
    /// Sets the password and removes a lock, in one operation where the directory has one. The entry is eligible.
    ///
    /// # Errors
    /// [`ChangeError`]: `Unknown` where the connection ended after the request was sent, `NotApplied` where it was
    /// not.
    async fn set_password(&self, entry: &Entry, password: &NewPassword) -> Result<(), ChangeError>;

    /// Removes a lock after wrong passwords. An entry that is not locked stays as it is.
    ///
    /// # Errors
    /// As [`Self::set_password`].
    async fn unlock(&self, entry: &Entry) -> Result<(), ChangeError>;
}

/// Reads all people, with the service account of the sync.
#[async_trait]
pub trait DirectoryPeople: Send + Sync {
    /// Gives the people that changed since `cursor`, or all without one, page by page to `pages`, and returns where the
    /// next delta begins. Deleted people are in no page: a full sync finds them missing.
    ///
    /// # Errors
    /// [`SyncError`]: nothing that was given may be taken for the whole directory.
    async fn people(
        &self,
        cursor: Option<&SyncCursor>,
        pages: &dyn PeopleSink,
    ) -> Result<SyncCursor, SyncError>;
}

/// Takes pages of people.
#[async_trait]
pub trait PeopleSink: Send + Sync {
    /// Takes one page.
    ///
    /// # Errors
    /// Ends the sync.
    async fn page(&self, people: Vec<DirectoryPerson>) -> Result<(), DirectoryError>;
}

/// The reason why a sync did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The cursor is of another server, or of one that was restored. A full sync is needed.
    #[error("the cursor is of another server")]
    CursorUnknown,
    /// The server cut the results off. The service account needs a higher limit.
    #[error("the directory's size limit cut the results off after {0} people")]
    SizeLimit(usize),
    /// See [`DirectoryError`].
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}
