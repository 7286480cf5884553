//! Where sessions are kept.

use async_trait::async_trait;

use super::{StoreError, Versioned};
use crate::domain::holder::HolderId;
use crate::domain::session::Session;
use crate::domain::time::Timestamp;

/// Keeps sessions of the page where people register. An expired one is gone, whether or not its item still lies in the
/// table.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Keeps a new session.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn begin(&self, key: HolderId, session: &Session) -> Result<(), StoreError>;

    /// Reads a session, strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn session(&self, key: HolderId, now: Timestamp) -> Result<Option<Versioned<Session>>, StoreError>;

    /// Replaces the session that was read as `revision`; `false` when another request has replaced it meanwhile, or it is
    /// gone. Of any number of requests that read one revision, one succeeds.
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

    /// Ends a session.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn end(&self, key: HolderId) -> Result<(), StoreError>;
}
