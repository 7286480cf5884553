//! The holder of a verification, and the result of an answer.

use async_trait::async_trait;
use thiserror::Error;

use crate::domain::account::{AccountId, Offer};
use crate::domain::account_limits::{Bucket, RateLimitExceeded};
use crate::domain::challenge::Challenge;
use crate::domain::cookie::HolderCookie;
use crate::domain::holder::HolderId;
use crate::domain::keys::{Keyring, SealError, Tag};
use crate::domain::message::MessageError;
use crate::domain::method::Method;
use crate::domain::passkey;
use crate::domain::recovery_code::HashError;
use crate::domain::time::Timestamp;
use crate::ports::{QueueError, StoreError};

/// The flow or session that an answer verifies.
#[async_trait]
pub trait Holder: Send + Sync {
    /// Returns its cookie, as the request contained it.
    fn cookie(&self) -> &HolderCookie;

    /// Returns the account whose factors are checked.
    fn subject(&self) -> Subject<'_>;

    /// Returns the person for methods that don't need a registration, such as a pass: the account behind a
    /// decoy, where there is one.
    fn person(&self) -> Subject<'_> {
        self.subject()
    }

    /// Returns the bucket that counts its attempts at the account's codes.
    fn bucket(&self) -> Bucket;

    /// Returns whether its client is a known device of the account.
    fn is_on_known_device(&self) -> bool;

    /// Returns the offer of a method in its current step.
    fn offer(&self, method: Method) -> Option<&Offer>;

    /// Returns its challenge by `method`, if one awaits an answer.
    fn challenge(&self, method: Method, now: Timestamp) -> Option<Challenge>;

    /// Counts one of the holder's attempts, before anything is compared.
    ///
    /// # Errors
    /// [`Refusal::Ended`] when none is left, [`Refusal::NotAwaited`] when the holder awaits something else
    /// now.
    async fn spend(&mut self, method: Method, now: Timestamp) -> Result<(), Refusal>;
}

/// The account whose factors are checked, and the verification that consumes them.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The account, or the decoy id of a name without one.
    pub account: &'a AccountId,
    /// Whether there is no usable account. Then no answer is right, at the same cost.
    pub decoy: bool,
    /// The consumer of an accepted answer: the flow, or one verification of a session. The same one may use
    /// the answer again, so that a lost response or a double click costs nothing.
    pub used_for: HolderId,
}

/// A verified step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The method of the accepted answer; it determines the factor.
    pub method: Method,
    /// Whether its factor has not been active for the waiting period yet.
    pub young: bool,
    /// The tag of the answer, to recognise its repetition.
    pub answer: Tag,
    /// Whether it was the pass of a letter, which verifies one step.
    pub is_activation: bool,
}

impl Verified {
    /// Returns the step of `cookie`, verified by `answer`.
    pub(super) fn by(
        method: Method,
        young: bool,
        flows: &Keyring,
        cookie: &HolderCookie,
        answer: &[u8],
    ) -> Result<Self, Refusal> {
        let answer = cookie.answer_tag(flows, method, answer).ok_or(VerificationError::KeyLost)?;
        Ok(Self { method, young, answer, is_activation: false })
    }
}

/// The reason why an answer verified nothing.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The method is not offered here, or its limit is used up.
    #[error("the method is not available")]
    Unavailable,
    /// The code or the signature is wrong; the cause is for the log only.
    #[error("{0}")]
    Wrong(Mismatch),
    /// The challenge has expired or its attempts are used up: the person must request another.
    #[error("the challenge is over")]
    Spent,
    /// The device has not answered yet.
    #[error("the device has not answered yet")]
    Pending,
    /// The owner of the device chose "It wasn't me".
    #[error("the owner refused")]
    Denied,
    /// No answer by this method is awaited, or the holder awaits something else now.
    #[error("no such answer is awaited")]
    NotAwaited,
    /// The same answer verified this step recently.
    #[error("the answer verified this step already")]
    Repeated,
    /// The flow or session has ended.
    #[error("the flow or session is over")]
    Ended,
    /// A store, the queue or a key failed; nothing is known about the answer.
    #[error(transparent)]
    Failed(#[from] VerificationError),
}

impl From<RateLimitExceeded> for Refusal {
    fn from(_: RateLimitExceeded) -> Self {
        Self::Unavailable
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// The difference of a wrong answer, for the log.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Mismatch {
    /// A code or number that is not the awaited one.
    #[error("code-wrong")]
    Code,
    /// The rule that a passkey's answer violates.
    #[error(transparent)]
    Passkey(#[from] passkey::Refusal),
}

/// A failure outside the verification.
#[derive(Debug, Error)]
pub enum VerificationError {
    /// A store failed or has unreadable data.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue did not accept the message.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A sealed secret does not open: it is damaged or its key was removed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The message can't be sealed.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The sheet of recovery codes is unreadable.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The ring lost the key that a flow or session began with.
    #[error("a key is lost")]
    KeyLost,
    /// Concurrent requests changed the flow in every retry.
    #[error("the flow changes too often")]
    Contended,
}
