//! The store of sessions.

use async_trait::async_trait;

use super::{StoreError, Versioned};
use crate::domain::holder::HolderId;
use crate::domain::session::Session;
use crate::domain::time::Timestamp;

/// Stores sessions of `/security-info`. Every method treats an expired session as missing, even if its item
/// is still in the table.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Stores a new session.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn begin(&self, key: HolderId, session: &Session) -> Result<(), StoreError>;

    /// Reads a session, strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn session(&self, key: HolderId, now: Timestamp) -> Result<Option<Versioned<Session>>, StoreError>;

    /// Replaces the session that was read as `revision`; `false` when another request replaced it, or it is
    /// missing. Of concurrent requests that read one revision, one succeeds.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn update(
        &self,
        key: HolderId,
        revision: u64,
        next: &Session,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Ends a session: its cookie is invalid from now on.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn end(&self, key: HolderId) -> Result<(), StoreError>;
}
