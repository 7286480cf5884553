//! The store of the changes that sessions made.

use async_trait::async_trait;

use super::{StoreError, Versioned};
use crate::domain::holder::HolderId;
use crate::domain::time::Timestamp;

/// Stores the sealed changes of sessions ([`SessionChanges`](crate::domain::session_changes::SessionChanges)), apart
/// from the sessions themselves: they outlive a sign-out, and `delivery` reads them without reading sessions.
#[async_trait]
pub trait SessionChangesStore: Send + Sync {
    /// Returns the sealed changes of a session; strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn changes(&self, session: HolderId) -> Result<Option<Versioned<String>>, StoreError>;

    /// Replaces the changes that were read as `revision`, 0 for none; `false` when another request replaced them
    /// first (optimistic locking). The store may delete them after `kept_until`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn replace_changes(
        &self,
        session: HolderId,
        revision: u64,
        sealed: &str,
        kept_until: Timestamp,
    ) -> Result<bool, StoreError>;
}
