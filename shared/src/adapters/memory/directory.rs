//! The notes and leases of the organisation's directory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::Memory;
use crate::domain::account::AccountId;
use crate::domain::change_note::ChangeNote;
use crate::domain::time::Timestamp;
use crate::ports::{BindHolder, BindLeaseStore, ChangeNoteStore, StoreError, Versioned};

/// Notes of changes with their revisions, and leases for binds with their ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DirectoryNotes {
    /// The note of each account that was changed.
    pub changes: BTreeMap<AccountId, (u64, ChangeNote)>,
    /// The holder and the end of each lease.
    pub binds: BTreeMap<AccountId, (BindHolder, Timestamp)>,
}

#[async_trait]
impl ChangeNoteStore for Memory {
    async fn change_note(&self, account: &AccountId) -> Result<Option<Versioned<ChangeNote>>, StoreError> {
        Ok(self.with(|tables| {
            tables.accounts.accounts.contains_key(account).then(|| {
                let (revision, value) = tables.directory.changes.get(account).cloned().unwrap_or_default();
                Versioned { value, revision }
            })
        }))
    }

    async fn replace_change_note(
        &self,
        account: &AccountId,
        revision: u64,
        note: &ChangeNote,
    ) -> Result<bool, StoreError> {
        Ok(self.with(|tables| {
            let stored = tables.directory.changes.get(account).map_or(0, |(revision, _)| *revision);
            let is_current = stored == revision && tables.accounts.accounts.contains_key(account);
            if is_current {
                tables.directory.changes.insert(account.clone(), (revision + 1, note.clone()));
            }
            is_current
        }))
    }
}

#[async_trait]
impl BindLeaseStore for Memory {
    async fn acquire_bind(
        &self,
        account: &AccountId,
        holder: BindHolder,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.with(|tables| {
            let is_free = tables
                .directory
                .binds
                .get(account)
                .is_none_or(|(holds, end)| *holds == holder || *end <= now || *end > until);
            if is_free {
                tables.directory.binds.insert(account.clone(), (holder, until));
            }
            is_free
        }))
    }

    async fn release_bind(&self, account: &AccountId, holder: BindHolder) -> Result<(), StoreError> {
        self.with(|tables| {
            if tables.directory.binds.get(account).is_some_and(|(holds, _)| *holds == holder) {
                tables.directory.binds.remove(account);
            }
        });
        Ok(())
    }
}
