//! The search for a flow or session by its support code, in memory.

use std::sync::Arc;

use async_trait::async_trait;

use super::Memory;
use crate::domain::holder::HolderId;
use crate::domain::keys::Keyring;
use crate::domain::session::Session;
use crate::domain::support_code::{FOUND_FOR, SupportCode};
use crate::domain::time::Timestamp;
use crate::ports::{Found, HolderSearch, StoreError};

/// Computes the code of every flow and session.
#[derive(Debug)]
pub struct MemoryHolderSearch {
    memory: Arc<Memory>,
    keys: Arc<Keyring>,
}

impl MemoryHolderSearch {
    /// Returns the search in `memory`; `keys` are those of the codes.
    pub const fn new(memory: Arc<Memory>, keys: Arc<Keyring>) -> Self {
        Self { memory, keys }
    }
}

#[async_trait]
impl HolderSearch for MemoryHolderSearch {
    async fn find_by_code(&self, code: SupportCode, now: Timestamp) -> Result<Vec<Found>, StoreError> {
        let is_meant = |key: &[u8; 32], end: Timestamp| {
            end + FOUND_FOR > now
                && SupportCode::of_holder(HolderId::from_bytes(*key), &self.keys) == Some(code)
        };
        Ok(self.memory.with(|tables| {
            let flows = tables.flows.0.iter().filter(|(key, flow)| is_meant(key, flow.record.expires_at));
            let flows = flows.filter_map(|(_, flow)| Some(Found::Flow(Box::new(flow.read()?.value))));
            let sessions =
                tables.sessions.0.iter().filter(|(key, session)| is_meant(key, session.expires_at));
            let sessions = sessions.filter_map(|(_, session)| {
                let session: Session = serde_json::from_str(&session.body).ok()?;
                Some(Found::Session(session.context().account.clone()))
            });
            flows.chain(sessions).collect()
        }))
    }
}
