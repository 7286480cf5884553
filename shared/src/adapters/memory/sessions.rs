//! Sessions of `/security-info` in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Memory, taken};
use crate::domain::holder::HolderId;
use crate::domain::session::{LIFETIME, Session};
use crate::domain::time::Timestamp;
use crate::ports::{SessionStore, StoreError, Versioned};

/// A stored session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredSession {
    /// Incremented by each write.
    pub revision: u64,
    /// The session ends at this time.
    pub expires_at: Timestamp,
    /// The whole session as JSON.
    pub body: String,
}

impl StoredSession {
    fn of(revision: u64, session: &Session) -> Result<Self, StoreError> {
        let body = serde_json::to_string(session).map_err(|_| StoreError::Unreadable("session"))?;
        Ok(Self { revision, expires_at: session.context().expires_at, body })
    }
}

/// Stored sessions by the hash of their cookie's secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sessions(pub BTreeMap<[u8; 32], StoredSession>);

impl Sessions {
    fn live(&self, key: HolderId, now: Timestamp) -> Option<&StoredSession> {
        self.0.get(key.as_bytes()).filter(|session| session.expires_at.is_ahead(now, LIFETIME))
    }
}

#[async_trait]
impl SessionStore for Memory {
    async fn begin(&self, key: HolderId, session: &Session) -> Result<(), StoreError> {
        let session = StoredSession::of(1, session)?;
        self.with(|tables| {
            let sessions = &mut tables.sessions.0;
            if sessions.contains_key(key.as_bytes()) {
                return Err(taken());
            }
            sessions.insert(*key.as_bytes(), session);
            Ok(())
        })
    }

    async fn session(&self, key: HolderId, now: Timestamp) -> Result<Option<Versioned<Session>>, StoreError> {
        let found = self.with(|tables| tables.sessions.live(key, now).cloned());
        Ok(found.and_then(|found| {
            let value = serde_json::from_str(&found.body).ok()?;
            Some(Versioned { value, revision: found.revision })
        }))
    }

    async fn update(
        &self,
        key: HolderId,
        revision: u64,
        next: &Session,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let next = StoredSession::of(revision + 1, next)?;
        Ok(self.with(|tables| {
            let is_it = tables.sessions.live(key, now).is_some_and(|found| found.revision == revision);
            if is_it {
                tables.sessions.0.insert(*key.as_bytes(), next);
            }
            is_it
        }))
    }

    async fn end(&self, key: HolderId) -> Result<(), StoreError> {
        self.with(|tables| tables.sessions.0.remove(key.as_bytes()));
        Ok(())
    }
}
