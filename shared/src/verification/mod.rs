//! The one engine that asks for proof and checks it, for flows and sessions alike: one file per method, over the ports
//! that it needs. What a wrong or right answer does to its holder is the caller's.

pub mod approval;
pub mod outgoing;
pub mod passkey;
pub mod recovery_code;
pub mod sent_code;
pub mod totp;

use thiserror::Error;

use crate::domain::account::AccountId;
use crate::domain::holder::HolderId;
use crate::domain::keys::SealError;
use crate::domain::message::MessageError;
use crate::domain::recovery_code::HashError;
use crate::ports::{QueueError, StoreError};

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
}
