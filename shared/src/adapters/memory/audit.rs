//! The anchors of the audit trail, and the last events of accounts, in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::Memory;
use crate::domain::audit::recent::RecentEvent;
use crate::domain::audit::verify::Anchor;
use crate::domain::time::Timestamp;
use crate::ports::{AnchorStore, RecentEventStore, StoreError, Versioned};

/// The JSON of each anchor, and the revision and the JSON of each account's events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StoredAudit {
    anchors: BTreeMap<u64, String>,
    recent: BTreeMap<String, (u64, String)>,
}

fn read(text: &str) -> Result<Anchor, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Unreadable("anchor"))
}

#[async_trait]
impl AnchorStore for Memory {
    async fn last_anchor(&self) -> Result<Option<Anchor>, StoreError> {
        let last = self.with(|tables| tables.audit.anchors.values().next_back().cloned());
        last.map(|text| read(&text)).transpose()
    }

    async fn add_anchor(&self, anchor: &Anchor) -> Result<bool, StoreError> {
        let text = serde_json::to_string(anchor).map_err(|_| StoreError::Unreadable("anchor"))?;
        Ok(self.with(|tables| {
            let is_free = !tables.audit.anchors.contains_key(&anchor.number);
            tables.audit.anchors.entry(anchor.number).or_insert(text);
            is_free
        }))
    }

    async fn anchors_since(&self, since: Timestamp) -> Result<Vec<Anchor>, StoreError> {
        let texts: Vec<String> = self.with(|tables| tables.audit.anchors.values().cloned().collect());
        let anchors: Result<Vec<Anchor>, StoreError> = texts.iter().map(|text| read(text)).collect();
        Ok(anchors?.into_iter().filter(|anchor| anchor.at >= since).collect())
    }
}

#[async_trait]
impl RecentEventStore for Memory {
    async fn recent_events(&self, account: &str) -> Result<Versioned<Vec<RecentEvent>>, StoreError> {
        let found = self.with(|tables| tables.audit.recent.get(account).cloned());
        let (revision, text) = found.unwrap_or_default();
        Ok(Versioned { value: serde_json::from_str(&text).unwrap_or_default(), revision })
    }

    async fn replace_recent_events(
        &self,
        account: &str,
        revision: u64,
        events: &[RecentEvent],
        _: Timestamp,
    ) -> Result<bool, StoreError> {
        let text = serde_json::to_string(events).map_err(|_| StoreError::Unreadable("events"))?;
        Ok(self.with(|tables| {
            let recent = &mut tables.audit.recent;
            let is_it = recent.get(account).map_or(0, |(revision, _)| *revision) == revision;
            if is_it {
                recent.insert(account.to_owned(), (revision + 1, text));
            }
            is_it
        }))
    }
}
