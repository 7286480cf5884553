//! Where flows are kept.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::flow::{Flow, FlowLimits, Opened};
use crate::domain::holder::HolderId;
use crate::domain::keys::Tag;
use crate::domain::time::Timestamp;

/// A flow as it was read, with the revision that a replacement must name.
#[derive(Clone, Debug)]
pub struct Versioned<T> {
    /// What was read.
    pub value: T,
    /// Which write of it.
    pub revision: u64,
}

/// A guess at the code of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeAttempt {
    /// The step that the cookie may act in.
    pub step: u8,
    /// The tag of what was typed.
    pub tag: Tag,
}

/// What a guess turned out to be.
#[derive(Clone, Debug)]
pub enum AttemptOutcome {
    /// Right: the flow is a step further.
    Right(Flow),
    /// Wrong: a try is spent; the flow still awaits its code.
    Wrong(Flow),
    /// Not looked at: the code has expired or its tries are used up.
    Spent(Flow),
    /// Not looked at: no code is awaited in this step. The flow is as it was.
    NotAwaited(Flow),
    /// There is no such flow (any more).
    Gone,
}

/// Keeps flows. Every method treats an expired flow as gone, whether or not its item still lies in the table.
#[async_trait]
pub trait FlowStore: Send + Sync {
    /// Keeps a new flow.
    ///
    /// # Errors
    /// [`StoreError`]; a key that is taken (it never is, by 256 bits) counts as unavailable.
    async fn insert(&self, key: HolderId, flow: &Opened) -> Result<(), StoreError>;

    /// Reads a flow, strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn load(&self, key: HolderId, now: Timestamp) -> Result<Option<Versioned<Flow>>, StoreError>;

    /// Replaces the flow that was read as `revision`. `false` when it is another one by now, or gone.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn replace(
        &self,
        key: HolderId,
        revision: u64,
        next: &Flow,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Spends a try and looks, in one write: never more looks than tries, however many guesses come at once, and
    /// one of two right ones wins.
    ///
    /// # Errors
    /// [`StoreError`]; the try may then be spent.
    async fn guess(
        &self,
        key: HolderId,
        guess: CodeAttempt,
        limits: &FlowLimits,
        now: Timestamp,
    ) -> Result<AttemptOutcome, StoreError>;

    /// Spends one of the flow's tries on an answer that is not a sent code. The flow as it then is; `None` when
    /// none is left or the flow is gone.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn spend_try(
        &self,
        key: HolderId,
        limits: &FlowLimits,
        now: Timestamp,
    ) -> Result<Option<Flow>, StoreError>;
}
