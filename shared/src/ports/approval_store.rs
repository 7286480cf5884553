//! Where requests to approve are kept.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::account::AccountId;
use crate::domain::approval::ApprovalRequest;
use crate::domain::flow::RequestId;
use crate::domain::keys::Tag;
use crate::domain::time::Timestamp;

/// An answer of a device.
#[derive(Clone, Copy, Debug)]
pub enum DeviceAnswer {
    /// A number was typed; its tag.
    Number(Tag),
    /// "It wasn't me": nothing can be asked until this moment.
    Denied(Timestamp),
}

/// What an answer came to.
#[derive(Clone, Debug)]
pub enum Answered {
    /// The right number.
    Approved,
    /// Another one: the request is over.
    Wrong,
    /// The request was refused, by this answer or, not `first`, by the same one before it.
    Denied {
        /// The request.
        request: Box<ApprovalRequest>,
        /// Whether this answer refused it.
        first: bool,
    },
    /// Not looked at: there is no such request, or it was answered, or it is too late.
    Gone,
}

/// Keeps one request for each account.
#[async_trait]
pub trait ApprovalStore: Send + Sync {
    /// Keeps a new request if none waits and the method is not paused. Its own earlier request a flow may replace.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn ask(
        &self,
        account: &AccountId,
        request: &ApprovalRequest,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// The newest request of an account, whatever became of it; strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn newest(&self, account: &AccountId) -> Result<Option<ApprovalRequest>, StoreError>;

    /// Answers a request that waits, and looks, in one write: of any number of answers one is looked at.
    ///
    /// # Errors
    /// [`StoreError`]; the answer may then count.
    async fn answer(
        &self,
        account: &AccountId,
        request: RequestId,
        answer: DeviceAnswer,
        now: Timestamp,
    ) -> Result<Answered, StoreError>;
}
