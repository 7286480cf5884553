//! The search for a flow or session by its support code.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::account::AccountId;
use crate::domain::flow::Flow;
use crate::domain::support_code::SupportCode;
use crate::domain::time::Timestamp;

/// What a support code belongs to.
#[derive(Clone, Debug)]
pub enum Found {
    /// A flow. It may have ended.
    Flow(Box<Flow>),
    /// A session of this account.
    Session(AccountId),
}

/// Finds flows and sessions by their support code. Only `help-desk` has it.
#[async_trait]
pub trait HolderSearch: Send + Sync {
    /// Returns the flows and sessions with this code, of those that ended less than a day ago or run. The store reads
    /// eventually consistent: a flow that began this second may be missing.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_by_code(&self, code: SupportCode, now: Timestamp) -> Result<Vec<Found>, StoreError>;
}
