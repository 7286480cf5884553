//! Approval requests: one per account.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::Memory;
use crate::domain::account::AccountId;
use crate::domain::approval::{ApprovalRequest, PAUSE, RequestStatus};
use crate::domain::flow::RequestId;
use crate::domain::keys::Tag;
use crate::domain::time::Timestamp;
use crate::ports::{Answered, ApprovalStore, DeviceAnswer, StoreError};

/// A stored approval request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredRequest {
    /// Its `status` has the result of the answer.
    pub request: ApprovalRequest,
    /// The tag of the number that the person typed.
    pub answer: Option<Tag>,
    /// No other flow can make a request until this time.
    pub blocked_until: Timestamp,
    /// Whether the notifications of its denial are in the queue.
    pub notified: bool,
}

impl StoredRequest {
    /// Returns an unanswered request.
    pub fn new(request: ApprovalRequest) -> Self {
        Self { blocked_until: request.expires_at, request, answer: None, notified: false }
    }

    fn came_to(&self) -> Answered {
        match self.request.status {
            RequestStatus::Approved => Answered::Approved,
            RequestStatus::Denied => {
                Answered::Denied { request: Box::new(self.request.clone()), notified: self.notified }
            }
            RequestStatus::Wrong | RequestStatus::Pending => Answered::Wrong,
        }
    }
}

/// The newest request of each account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Approvals(pub BTreeMap<AccountId, StoredRequest>);

impl Approvals {
    /// Stores a new request if none is pending and the method is not paused. A flow may replace its own
    /// request unless it was denied.
    pub fn ask(&mut self, account: &AccountId, request: ApprovalRequest, now: Timestamp) -> bool {
        let is_free = self.0.get(account).is_none_or(|found| {
            let is_own = found.request.flow == request.flow && found.request.status != RequestStatus::Denied;
            !found.blocked_until.is_ahead(now, PAUSE) || is_own
        });
        if is_free {
            self.0.insert(account.clone(), StoredRequest::new(request));
        }
        is_free
    }

    /// Answers a pending request, and returns it. The same answer again returns the same result.
    pub fn answer(
        &mut self,
        account: &AccountId,
        request: RequestId,
        answer: DeviceAnswer,
        now: Timestamp,
    ) -> Option<&StoredRequest> {
        let found = self.0.get_mut(account).filter(|found| found.request.id == request)?;
        if found.request.is_open(now) {
            match answer {
                DeviceAnswer::Number { tag, young } => {
                    let is_right = tag == found.request.number;
                    found.request.status =
                        if is_right { RequestStatus::Approved } else { RequestStatus::Wrong };
                    found.answer = Some(tag);
                    found.request.young = is_right && young;
                }
                DeviceAnswer::Denied(until) => {
                    found.request.status = RequestStatus::Denied;
                    found.blocked_until = until;
                }
            }
            return Some(found);
        }
        let is_same = match answer {
            DeviceAnswer::Number { tag, .. } => found.answer == Some(tag),
            DeviceAnswer::Denied(_) => found.request.status == RequestStatus::Denied,
        };
        is_same.then_some(found)
    }

    /// Records that the notifications of a denied request are in the queue.
    pub fn note_notified(&mut self, account: &AccountId, request: RequestId) {
        if let Some(found) = self.0.get_mut(account).filter(|found| found.request.id == request) {
            found.notified = true;
        }
    }
}

#[async_trait]
impl ApprovalStore for Memory {
    async fn ask(
        &self,
        account: &AccountId,
        request: &ApprovalRequest,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let request = ApprovalRequest { status: RequestStatus::Pending, ..request.clone() };
        Ok(self.with(|tables| tables.approvals.ask(account, request, now)))
    }

    async fn newest(&self, account: &AccountId) -> Result<Option<ApprovalRequest>, StoreError> {
        Ok(self.with(|tables| tables.approvals.0.get(account).map(|found| found.request.clone())))
    }

    async fn answer(
        &self,
        account: &AccountId,
        request: RequestId,
        answer: DeviceAnswer,
        now: Timestamp,
    ) -> Result<Answered, StoreError> {
        Ok(self.with(|tables| {
            let found = tables.approvals.answer(account, request, answer, now);
            found.map_or(Answered::Gone, StoredRequest::came_to)
        }))
    }

    async fn note_notified(&self, account: &AccountId, request: RequestId) -> Result<(), StoreError> {
        self.with(|tables| tables.approvals.note_notified(account, request));
        Ok(())
    }
}
