//! The erasure of what an account enrolled.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::account::AccountId;

/// Erases registrations. Only `directory-sync` has it, for people who left.
#[async_trait]
pub trait RegistrationErasure: Send + Sync {
    /// Removes everything that the account enrolled or imported: contacts, authenticators, passes, its state. An
    /// account without a registration is no error.
    ///
    /// # Errors
    /// [`StoreError`]; some of it may then be removed. The same erasure again removes the rest.
    async fn erase(&self, account: &AccountId) -> Result<(), StoreError>;
}
