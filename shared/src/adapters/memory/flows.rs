//! Flows in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Memory, taken};
use crate::domain::flow::{CODE_LONGEST, FLOW_LONGEST, Flow, FlowLimits, Opened, Record, StateName};
use crate::domain::holder::HolderId;
use crate::domain::time::Timestamp;
use crate::ports::{AttemptOutcome, CodeAttempt, FlowStore, StoreError, Versioned};

/// A stored flow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredFlow {
    /// Incremented by each write.
    pub revision: u64,
    /// The written record, shared: copies of whole tables mostly have the same flows.
    pub record: Arc<Record>,
}

impl StoredFlow {
    /// Returns a flow as a write of `revision` stores it.
    pub fn of(revision: u64, flow: &Flow) -> Self {
        Self { revision, record: Arc::new(Record::from(flow)) }
    }

    /// Reads the flow. An unreadable one counts as missing, and the person starts again.
    pub fn read(&self) -> Option<Versioned<Flow>> {
        let value = Flow::try_from((*self.record).clone()).ok()?;
        Some(Versioned { value, revision: self.revision })
    }

    fn is_live(&self, now: Timestamp) -> bool {
        self.record.expires_at.is_ahead(now, FLOW_LONGEST)
    }
}

/// Stored flows by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flows(pub BTreeMap<[u8; 32], StoredFlow>);

impl Flows {
    /// Stores a new flow; `false` where the key is used.
    pub fn insert(&mut self, key: HolderId, flow: StoredFlow) -> bool {
        let is_free = !self.0.contains_key(key.as_bytes());
        if is_free {
            self.0.insert(*key.as_bytes(), flow);
        }
        is_free
    }

    /// Returns the flow of a key, if it has not expired.
    pub fn live(&self, key: HolderId, now: Timestamp) -> Option<&StoredFlow> {
        self.0.get(key.as_bytes()).filter(|flow| flow.is_live(now))
    }

    /// Replaces the flow that was read as the revision before that of `next`; `false` when another request
    /// replaced it, or it is missing.
    pub fn replace(&mut self, key: HolderId, next: StoredFlow, now: Timestamp) -> bool {
        let is_it = self.live(key, now).is_some_and(|found| found.revision + 1 == next.revision);
        if is_it {
            self.0.insert(*key.as_bytes(), next);
        }
        is_it
    }

    /// Counts an attempt and stores it beside the code, if a code is awaited and no attempt was right.
    ///
    /// # Errors
    /// The flow, if it exists and has not expired, when the attempt is not compared.
    pub fn try_attempt_code(
        &mut self,
        key: HolderId,
        attempt: &CodeAttempt,
        limits: &FlowLimits,
        now: Timestamp,
    ) -> Result<StoredFlow, Option<StoredFlow>> {
        let found = self.0.get_mut(key.as_bytes()).filter(|flow| flow.is_live(now));
        let Some(found) = found else { return Err(None) };
        let record = Arc::make_mut(&mut found.record);
        let is_awaited = record.state == StateName::AwaitingCode && record.step == attempt.step;
        match record.slot.as_mut() {
            Some(slot)
                if is_awaited
                    && slot.expires_at.is_ahead(now, CODE_LONGEST)
                    && slot.attempts < limits.code_attempts
                    && record.flow_attempts < limits.flow_attempts
                    && slot.last_attempt != Some(slot.code) =>
            {
                slot.last_attempt = Some(attempt.tag);
                slot.attempts += 1;
                record.flow_attempts += 1;
                found.revision += 1;
                Ok(found.clone())
            }
            _ => Err(Some(found.clone())),
        }
    }

    /// Counts one of the flow's attempts and returns the flow; `None` when no attempt is left or the flow is
    /// missing.
    pub fn spend_attempt(
        &mut self,
        key: HolderId,
        limits: &FlowLimits,
        now: Timestamp,
    ) -> Option<&StoredFlow> {
        let found = self.0.get_mut(key.as_bytes())?;
        if !found.is_live(now) || found.record.flow_attempts >= limits.flow_attempts {
            return None;
        }
        Arc::make_mut(&mut found.record).flow_attempts += 1;
        found.revision += 1;
        Some(found)
    }
}

#[async_trait]
impl FlowStore for Memory {
    async fn insert(&self, key: HolderId, flow: &Opened) -> Result<(), StoreError> {
        let flow = StoredFlow::of(1, &Flow::Opened(flow.clone()));
        if self.with(|tables| tables.flows.insert(key, flow)) { Ok(()) } else { Err(taken()) }
    }

    async fn load(&self, key: HolderId, now: Timestamp) -> Result<Option<Versioned<Flow>>, StoreError> {
        Ok(self.with(|tables| tables.flows.live(key, now).and_then(StoredFlow::read)))
    }

    async fn replace(
        &self,
        key: HolderId,
        revision: u64,
        next: &Flow,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let next = StoredFlow::of(revision + 1, next);
        Ok(self.with(|tables| tables.flows.replace(key, next, now)))
    }

    async fn attempt_code(
        &self,
        key: HolderId,
        attempt: CodeAttempt,
        limits: &FlowLimits,
        now: Timestamp,
    ) -> Result<AttemptOutcome, StoreError> {
        let value = |found: &StoredFlow| found.read().map(|read| read.value);
        Ok(self.with(|tables| match tables.flows.try_attempt_code(key, &attempt, limits, now) {
            Ok(found) => match value(&found) {
                None => AttemptOutcome::Gone,
                Some(flow @ Flow::AwaitingCode(_)) => AttemptOutcome::Wrong(flow),
                Some(flow) => AttemptOutcome::Right(flow),
            },
            Err(found) => {
                let Some(flow) = found.as_ref().and_then(value) else { return AttemptOutcome::Gone };
                if matches!(flow, Flow::AwaitingCode(_)) && flow.verified().saturating_add(1) == attempt.step
                {
                    return AttemptOutcome::Spent(flow);
                }
                AttemptOutcome::NotAwaited(flow)
            }
        }))
    }

    async fn spend_attempt(
        &self,
        key: HolderId,
        limits: &FlowLimits,
        now: Timestamp,
    ) -> Result<Option<Flow>, StoreError> {
        let read = |found: &StoredFlow| found.read().map(|read| read.value);
        Ok(self.with(|tables| tables.flows.spend_attempt(key, limits, now).and_then(read)))
    }
}
