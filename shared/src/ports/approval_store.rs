//! Where requests to approve are kept.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::account::AccountId;
use crate::domain::approval::ApprovalRequest;
use crate::domain::flow::RequestId;
use crate::domain::keys::Tag;
use crate::domain::time::Timestamp;

/// An answer of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceAnswer {
    /// A number was typed.
    Number {
        /// Its tag.
        tag: Tag,
        /// Whether the device has not been active for the waiting period yet.
        young: bool,
    },
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
    /// The request was refused.
    Denied {
        /// The request.
        request: Box<ApprovalRequest>,
        /// Whether the notices of it are in the queue: see [`ApprovalStore::note_told`].
        told: bool,
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

    /// Answers a request that waits, and looks, in one write: of any number of answers one is looked at. The same answer
    /// to the same request once more (a lost answer) comes to what it came to.
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

    /// Notes that the notices of a refused request are in the queue, so that the same refusal once more makes no others.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn note_told(&self, account: &AccountId, request: RequestId) -> Result<(), StoreError>;
}
