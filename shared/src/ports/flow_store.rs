//! The store of flows.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::flow::{Flow, FlowLimits, Opened};
use crate::domain::holder::HolderId;
use crate::domain::keys::Tag;
use crate::domain::time::Timestamp;

/// A value with the revision that a replacement must name (optimistic locking).
#[derive(Clone, Debug)]
pub struct Versioned<T> {
    /// The value as read.
    pub value: T,
    /// Incremented by each write of the value.
    pub revision: u64,
}

/// An attempt at the code of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeAttempt {
    /// The step that the cookie may act in.
    pub step: u8,
    /// The tag of the typed code.
    pub tag: Tag,
}

/// The result of an attempt.
#[derive(Clone, Debug)]
pub enum AttemptOutcome {
    /// Right: the flow is one step further.
    Right(Flow),
    /// Wrong: an attempt is used up, and the flow still awaits its code.
    Wrong(Flow),
    /// Not compared: the code has expired or its attempts are used up.
    Spent(Flow),
    /// Not compared: this step awaits no code. The flow is unchanged.
    NotAwaited(Flow),
    /// The flow does not exist or has ended.
    Gone,
}

/// Stores flows. Every method treats an expired flow as missing, even if its item is still in the table.
#[async_trait]
pub trait FlowStore: Send + Sync {
    /// Stores a new flow.
    ///
    /// # Errors
    /// [`StoreError`]; a used key (improbable with 256 bits) counts as unavailable.
    async fn insert(&self, key: HolderId, flow: &Opened) -> Result<(), StoreError>;

    /// Reads a flow, strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn load(&self, key: HolderId, now: Timestamp) -> Result<Option<Versioned<Flow>>, StoreError>;

    /// Replaces the flow that was read as `revision`. `false` when another request replaced it, or it is
    /// missing.
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

    /// Counts an attempt and compares, in one write. So there are never more comparisons than attempts,
    /// however many requests arrive at once, and one of two right codes wins.
    ///
    /// # Errors
    /// [`StoreError`]; the attempt may then be counted.
    async fn attempt_code(
        &self,
        key: HolderId,
        attempt: CodeAttempt,
        limits: &FlowLimits,
        now: Timestamp,
    ) -> Result<AttemptOutcome, StoreError>;

    /// Counts one of the flow's attempts for an answer that is not a sent code. Returns the flow after it;
    /// `None` when no attempt is left or the flow is missing.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn spend_attempt(
        &self,
        key: HolderId,
        limits: &FlowLimits,
        now: Timestamp,
    ) -> Result<Option<Flow>, StoreError>;
}
