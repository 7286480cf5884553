//! The audit trail: its lines, its anchors, and the last events of accounts.

use std::error::Error;

use async_trait::async_trait;
use thiserror::Error;

use super::{StoreError, Versioned};
use crate::domain::audit::Fields;
use crate::domain::audit::recent::RecentEvent;
use crate::domain::audit::verify::Anchor;
use crate::domain::time::Timestamp;

/// Reads the lines that all functions, agents and operators wrote.
#[async_trait]
pub trait AuditTrail: Send + Sync {
    /// Returns the lines of this time, in any order; some may come twice.
    ///
    /// # Errors
    /// [`TrailError`].
    async fn lines(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Fields>, TrailError>;
}

/// The trail can't be read.
#[derive(Debug, Error)]
#[error("the audit trail can't be read")]
pub struct TrailError(#[source] pub Box<dyn Error + Send + Sync>);

/// Stores anchors. None is ever replaced.
#[async_trait]
pub trait AnchorStore: Send + Sync {
    /// Returns the newest anchor.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn last_anchor(&self) -> Result<Option<Anchor>, StoreError>;

    /// Stores an anchor; `false` when there is one with its number.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn add_anchor(&self, anchor: &Anchor) -> Result<bool, StoreError>;

    /// Returns the anchors since a time, the earliest first.
    ///
    /// # Errors
    /// [`StoreError`]; also for an unreadable anchor.
    async fn anchors_since(&self, since: Timestamp) -> Result<Vec<Anchor>, StoreError>;
}

/// Stores the last events of each account in one item, by the account's pseudonym.
#[async_trait]
pub trait RecentEventStore: Send + Sync {
    /// Returns the events, the newest first. An unreadable item counts as none: a page shows it, and nothing else uses it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn recent_events(&self, account: &str) -> Result<Versioned<Vec<RecentEvent>>, StoreError>;

    /// Replaces the events of `revision`; `false` when others were written meanwhile. The store may delete them after
    /// `kept_until`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn replace_recent_events(
        &self,
        account: &str,
        revision: u64,
        events: &[RecentEvent],
        kept_until: Timestamp,
    ) -> Result<bool, StoreError>;
}
