//! What the help desk did for each person lately, in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::Memory;
use crate::domain::account::AccountId;
use crate::domain::help_desk::DeskRecord;
use crate::domain::keys::Tag;
use crate::domain::pass::{HeldPass, PassKind};
use crate::domain::time::Timestamp;
use crate::ports::{DeskRecordStore, PassStore, StoreError, Versioned};

/// The revision and the JSON of each account's record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StoredDeskRecords(pub BTreeMap<AccountId, (u64, String)>);

#[async_trait]
impl DeskRecordStore for Memory {
    async fn desk_record(&self, account: &AccountId) -> Result<Versioned<DeskRecord>, StoreError> {
        let found = self.with(|tables| tables.desk_records.0.get(account).cloned());
        let Some((revision, text)) = found else {
            return Ok(Versioned { value: DeskRecord::default(), revision: 0 });
        };
        let value = serde_json::from_str(&text).map_err(|_| StoreError::Unreadable("record"))?;
        Ok(Versioned { value, revision })
    }

    async fn replace_desk_record(
        &self,
        account: &AccountId,
        revision: u64,
        record: &DeskRecord,
        _: Timestamp,
    ) -> Result<bool, StoreError> {
        let text = serde_json::to_string(record).map_err(|_| StoreError::Unreadable("record"))?;
        Ok(self.with(|tables| {
            let records = &mut tables.desk_records.0;
            let is_it = records.get(account).map_or(0, |(revision, _)| *revision) == revision;
            if is_it {
                records.insert(account.clone(), (revision + 1, text));
            }
            is_it
        }))
    }
}

#[async_trait]
impl PassStore for Memory {
    async fn put_pass(
        &self,
        account: &AccountId,
        kind: PassKind,
        pass: &Tag,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.with(|tables| tables.security_info.put_pass(account, kind, pass, expires_at));
        Ok(())
    }

    async fn held_pass(&self, account: &AccountId) -> Result<Option<HeldPass>, StoreError> {
        Ok(self.with(|tables| tables.security_info.held_pass(account)))
    }
}
