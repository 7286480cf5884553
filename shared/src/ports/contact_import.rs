//! The import of contacts from the organisation's records.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;

use super::StoreError;
use crate::domain::account::{AccountId, Registration};
use crate::domain::import::{HeldRegistration, ImportAction, NewRegistration, Overwrite};
use crate::domain::security_info::Kind;
use crate::domain::time::{Seconds, Timestamp};

/// Imports contacts. No function has it: only operators import.
#[async_trait]
pub trait ContactImport: Send + Sync {
    /// Writes the contacts of an account from `imported`, each as [`import_contact`] decides by `overwrite`. It also writes
    /// its app for codes if there is a seed and the account has none. Returns the decision about each kind of
    /// contact, and the one about the app where one is written; the caller notifies the contacts that are
    /// replaced. An existing app, generation and lease stay, so that open flows and sessions continue.
    ///
    /// [`import_contact`]: crate::domain::import::import_contact
    ///
    /// # Errors
    /// [`StoreError`]; some of the contacts may then be written. The same import again writes the others.
    async fn import(
        &self,
        account: &AccountId,
        imported: &Registration,
        sealed_seed: Option<&str>,
        overwrite: Overwrite,
        waiting_period: Seconds,
        now: Timestamp,
    ) -> Result<Vec<(Kind, ImportAction)>, StoreError>;
}

/// Imports the registrations of many people. No function has it: only operators import.
#[async_trait]
pub trait BulkContactImport: Send + Sync {
    /// Returns what these accounts have at `now`, strongly consistent. An account without any item is left out; one
    /// with an unreadable item has `None`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn held(
        &self,
        accounts: &[AccountId],
        now: Timestamp,
    ) -> Result<HashMap<AccountId, Option<HeldRegistration>>, StoreError>;

    /// Returns the accounts that have any item, strongly consistent: one read of the whole table, for a first load.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn holders(&self) -> Result<HashSet<AccountId>, StoreError>;

    /// Writes the registrations of accounts that hold nothing, active and old at once. No account is there twice, and
    /// nobody finds any of them yet: the writes have no condition.
    ///
    /// # Errors
    /// [`StoreError`]; some may then be written. The same import again writes the others.
    async fn put_new(&self, new: &[NewRegistration], now: Timestamp) -> Result<(), StoreError>;
}
