//! Where the organisation's own records of contacts are written.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::account::{AccountId, Registration};
use crate::domain::import::ImportAction;
use crate::domain::security_info::Kind;
use crate::domain::time::{Seconds, Timestamp};

/// Takes contacts over from elsewhere. No function has it: an import is an operator's.
#[async_trait]
pub trait ContactImport: Send + Sync {
    /// Writes the contacts of an account as `imported` has them, each as [`import_contact`] decides, and its code app if
    /// there is a seed and the account has none. Returns the decision about each kind of contact, and the one about the
    /// app where one is written; whoever imports notifies the contacts that others take the place of. A code app, a
    /// generation and a claim that are there stay, so that open flows and sessions go on.
    ///
    /// [`import_contact`]: crate::domain::import::import_contact
    ///
    /// # Errors
    /// [`StoreError`]; some of the contacts may then be written. The same import once more writes the others.
    async fn import(
        &self,
        account: &AccountId,
        imported: &Registration,
        sealed_seed: Option<&str>,
        waiting_period: Seconds,
        now: Timestamp,
    ) -> Result<Vec<(Kind, ImportAction)>, StoreError>;
}
