//! The holder of a verification, and what an answer comes to.

use async_trait::async_trait;
use thiserror::Error;

use crate::domain::account::{AccountId, Offer};
use crate::domain::challenge::Challenge;
use crate::domain::cookie::HolderCookie;
use crate::domain::holder::HolderId;
use crate::domain::keys::{Keyring, SealError, Tag};
use crate::domain::message::MessageError;
use crate::domain::method::Method;
use crate::domain::passkey;
use crate::domain::rate_limit::Bucket;
use crate::domain::recovery_code::HashError;
use crate::domain::time::Timestamp;
use crate::ports::{QueueError, StoreError};

/// The flow or session that an answer is to verify.
#[async_trait]
pub trait Holder: Send + Sync {
    /// Its cookie, as the request brought it.
    fn cookie(&self) -> &HolderCookie;

    /// Whose possession is checked.
    fn subject(&self) -> Subject<'_>;

    /// The same, for what stands for the person and not for something registered: also where a decoy stands before an
    /// account.
    fn person(&self) -> Subject<'_> {
        self.subject()
    }

    /// Which attempts at the account's codes count together with those of this holder.
    fn bucket(&self) -> Bucket;

    /// The offer of a method here.
    fn offer(&self, method: Method) -> Option<&Offer>;

    /// The challenge by `method` that awaits its answer.
    fn challenge(&self, method: Method, now: Timestamp) -> Option<Challenge>;

    /// Spends one of the holder's attempts, before anything is compared.
    ///
    /// # Errors
    /// [`Refusal::Ended`] when none is left, [`Refusal::NotAwaited`] when the holder is elsewhere by now.
    async fn spend(&mut self, method: Method, now: Timestamp) -> Result<(), Refusal>;
}

/// Whose possession is checked, and for which verification.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The account, or the stand-in of a name without one.
    pub account: &'a AccountId,
    /// Whether there is no usable account: then nothing is ever right, at the same cost.
    pub decoy: bool,
    /// What an accepted answer is used up for: the flow, or one verification of a session. For the same one it is accepted
    /// again, so that a lost answer or a double click costs nothing.
    pub used_for: HolderId,
}

/// A step that was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// By which method.
    pub method: Method,
    /// Whether its factor has not been active for the waiting period yet.
    pub young: bool,
    /// The tag of the answer.
    pub answer: Tag,
}

impl Verified {
    /// The step of `cookie`, passed by `answer`.
    pub(super) fn by(
        method: Method,
        young: bool,
        flows: &Keyring,
        cookie: &HolderCookie,
        answer: &[u8],
    ) -> Result<Self, Refusal> {
        let answer = cookie.answer_tag(flows, method, answer).ok_or(VerificationError::KeyLost)?;
        Ok(Self { method, young, answer })
    }
}

/// Why an answer verified nothing.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The method is not offered here, or its limit is used up.
    #[error("the method is not available")]
    Unavailable,
    /// Something else was typed or signed.
    #[error("{0}")]
    Wrong(Mismatch),
    /// The challenge is over: another one must be asked for.
    #[error("the challenge is over")]
    Spent,
    /// The device has not answered yet.
    #[error("the device has not answered yet")]
    Pending,
    /// The owner of the device says that it wasn't them.
    #[error("the owner refused")]
    Denied,
    /// No answer by this method is awaited, or the holder is elsewhere by now.
    #[error("no such answer is awaited")]
    NotAwaited,
    /// The same answer verified this step a moment ago.
    #[error("the answer verified this step already")]
    Repeated,
    /// The holder is over.
    #[error("the flow or session is over")]
    Ended,
    /// Something outside failed.
    #[error(transparent)]
    Failed(#[from] VerificationError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// What was wrong with an answer, for the log.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Mismatch {
    /// Another code.
    #[error("code-wrong")]
    Code,
    /// A passkey's answer.
    #[error(transparent)]
    Passkey(#[from] passkey::Refusal),
}

/// Something outside did not do what verification asked of it.
#[derive(Debug, Error)]
pub enum VerificationError {
    /// A store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A sealed secret does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A message can't be sealed.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A recovery code can't be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The ring lost the key under which a flow or session began.
    #[error("a key is lost")]
    KeyLost,
    /// Others changed the flow faster, each time.
    #[error("the flow changes too often")]
    Contended,
}
