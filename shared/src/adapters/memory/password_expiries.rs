//! The warnings before passwords expire.

use async_trait::async_trait;

use super::Memory;
use crate::domain::account::AccountId;
use crate::domain::password_expiry::{ExpiringAccount, ExpiryWarning};
use crate::domain::time::Timestamp;
use crate::ports::{ExpiryPage, PasswordExpiryStore, StoreError};

#[async_trait]
impl PasswordExpiryStore for Memory {
    async fn expiring(
        &self,
        from: Timestamp,
        until: Timestamp,
        _page: Option<&str>,
    ) -> Result<ExpiryPage, StoreError> {
        Ok(self.with(|tables| {
            let stored = &tables.accounts;
            let expiring = stored.marks.iter().filter_map(|(id, marks)| {
                let expires_at = marks.password_expires_at.filter(|at| (from..=until).contains(at))?;
                let note = tables.directory.changes.get(id);
                Some(ExpiringAccount {
                    account: stored.accounts.get(id)?.read(id),
                    expires_at,
                    warned: marks.expiry_warning,
                    password_deadline: note.and_then(|(_, note)| note.password_deadline),
                })
            });
            ExpiryPage { accounts: expiring.collect(), next: None }
        }))
    }

    async fn note_warning(&self, account: &AccountId, warning: ExpiryWarning) -> Result<bool, StoreError> {
        Ok(self.with(|tables| {
            let Some(marks) = tables.accounts.marks.get_mut(account) else { return false };
            marks.expiry_warning.replace(warning) != Some(warning)
        }))
    }

    async fn take_back_warning(
        &self,
        account: &AccountId,
        warning: ExpiryWarning,
        earlier: Option<ExpiryWarning>,
    ) -> Result<(), StoreError> {
        self.with(|tables| {
            let marks = tables.accounts.marks.get_mut(account);
            if let Some(marks) = marks.filter(|marks| marks.expiry_warning == Some(warning)) {
                marks.expiry_warning = earlier;
            }
        });
        Ok(())
    }
}
