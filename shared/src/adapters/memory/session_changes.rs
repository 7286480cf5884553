//! The changes of sessions in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::Memory;
use crate::domain::holder::HolderId;
use crate::domain::time::Timestamp;
use crate::ports::{SessionChangesStore, StoreError, Versioned};

/// The revision and the sealed changes of each session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StoredSessionChanges(pub BTreeMap<[u8; 32], (u64, String)>);

#[async_trait]
impl SessionChangesStore for Memory {
    async fn changes(&self, session: HolderId) -> Result<Option<Versioned<String>>, StoreError> {
        let found = self.with(|tables| tables.session_changes.0.get(session.as_bytes()).cloned());
        Ok(found.map(|(revision, value)| Versioned { value, revision }))
    }

    async fn replace_changes(
        &self,
        session: HolderId,
        revision: u64,
        sealed: &str,
        _: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.with(|tables| {
            let stored = &mut tables.session_changes.0;
            let is_it = stored.get(session.as_bytes()).map_or(0, |(revision, _)| *revision) == revision;
            if is_it {
                stored.insert(*session.as_bytes(), (revision + 1, sealed.to_owned()));
            }
            is_it
        }))
    }
}
