//! The store of approval requests.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::account::AccountId;
use crate::domain::approval::ApprovalRequest;
use crate::domain::flow::RequestId;
use crate::domain::keys::Tag;
use crate::domain::time::Timestamp;

/// A device's answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceAnswer {
    /// The person typed a number.
    Number {
        /// The tag of the number.
        tag: Tag,
        /// Whether the device is still in its waiting period.
        young: bool,
    },
    /// The person chose "It wasn't me". No request is accepted until this time.
    Denied(Timestamp),
}

/// The result of a device's answer.
#[derive(Clone, Debug)]
pub enum Answered {
    /// The number was right.
    Approved,
    /// The number was wrong: the request has ended.
    Wrong,
    /// The person denied the request.
    Denied {
        /// Its holder and requester, for the notifications.
        request: Box<ApprovalRequest>,
        /// Whether its notifications are in the queue: see [`ApprovalStore::note_notified`].
        notified: bool,
    },
    /// Not compared: the request does not exist, was answered, or has expired.
    Gone,
}

/// Stores at most one request per account.
#[async_trait]
pub trait ApprovalStore: Send + Sync {
    /// Stores a new request if none is pending and the method is not paused. A flow may replace its own
    /// earlier request.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn ask(
        &self,
        account: &AccountId,
        request: &ApprovalRequest,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Returns the newest request of an account, whatever its status; strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn newest(&self, account: &AccountId) -> Result<Option<ApprovalRequest>, StoreError>;

    /// Answers a pending request and compares, in one write: of concurrent answers, one is compared. The same
    /// answer to the same request again (a lost response) returns the same result.
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

    /// Records that the notifications of a denied request are in the queue, so that the same denial again
    /// queues no others.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn note_notified(&self, account: &AccountId, request: RequestId) -> Result<(), StoreError>;
}
