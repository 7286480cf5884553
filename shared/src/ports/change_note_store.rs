//! The store of the notes of `directory-write`.

use async_trait::async_trait;

use super::{StoreError, Versioned};
use crate::domain::account::AccountId;
use crate::domain::change_note::ChangeNote;

/// Keeps one note in the item of each account. `directory-write` writes it; `directory-read` has it to read.
#[async_trait]
pub trait ChangeNoteStore: Send + Sync {
    /// Returns the note of an account, strongly consistent; `None` if there is no such account.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn change_note(&self, account: &AccountId) -> Result<Option<Versioned<ChangeNote>>, StoreError>;

    /// Replaces the note that was read as `revision`; `false` if another request replaced it first, or the account is
    /// gone.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn replace_change_note(
        &self,
        account: &AccountId,
        revision: u64,
        note: &ChangeNote,
    ) -> Result<bool, StoreError>;
}
