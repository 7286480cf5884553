//! The calls of a handler on its ports, and their answers, as values that can be compared and hashed.

use shared::adapters::memory::{Holder, StoredFlow, StoredRequest};
use shared::domain::account::{Account, AccountId, Registration};
use shared::domain::approval::{ApprovalRequest, RequestStatus};
use shared::domain::device::Device;
use shared::domain::flow::{Flow, FlowLimits, RequestId, StateName};
use shared::domain::holder::HolderId;
use shared::domain::name::CanonicalName;
use shared::domain::password::Violation;
use shared::domain::security_info::{Consumption, EntryId, Kind};
use shared::domain::time::Timestamp;
use shared::ports::{ActiveEntry, ChangeOutcome, CodeAttempt, DeviceAnswer, PasswordChange};

/// A call on a port. Each is one operation of the service, which is atomic there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    Insert { key: HolderId, flow: StoredFlow },
    Load { key: HolderId, at: Timestamp },
    Replace { key: HolderId, next: StoredFlow, at: Timestamp },
    CodeAttempt { key: HolderId, guess: CodeAttempt, limits: FlowLimits, at: Timestamp },
    Spend { key: HolderId, limits: FlowLimits, at: Timestamp },
    Increment { key: String, until: Timestamp },
    TryAcquire { key: String, limit: u64, until: Timestamp },
    LimitLog { account: AccountId },
    ReplaceLimitLog { account: AccountId, rev: u64, limit_log: String, at: Timestamp },
    Registration { account: AccountId, at: Timestamp },
    Active { account: AccountId, kind: Kind, at: Timestamp },
    Consume { account: AccountId, entry: EntryId, consumption: Consumption, flow: HolderId },
    RequestApproval { account: AccountId, request: ApprovalRequest, at: Timestamp },
    Newest { account: AccountId },
    Answer { account: AccountId, request: RequestId, answer: DeviceAnswer, at: Timestamp },
    MarkNotified { account: AccountId, request: RequestId },
    Device { device: Device },
    RecordUse { device: Device },
    RevokeKnownDevices { account: AccountId },
    Session { key: HolderId },
    PushTargets { account: AccountId, at: Timestamp },
    AcquireLease { account: AccountId, flow: HolderId, generation: u64, lease_until: Timestamp },
    ReleaseLease { account: AccountId, flow: HolderId, generation: u64 },
    Find { name: CanonicalName },
    Account { id: AccountId },
    Precheck { id: AccountId, password: String },
    Outcome { change: PasswordChange },
    Apply { change: PasswordChange, password: Option<String>, at: Timestamp },
    Enqueue { bodies: Vec<String>, delay: u32 },
    Notify { to: String },
}

impl Call {
    /// Returns the kind of the call, which is all that an observer of the services sees.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Insert { .. } => "insert",
            Self::Load { .. } => "load",
            Self::Replace { .. } => "replace",
            Self::CodeAttempt { .. } => "attempt-code",
            Self::Spend { .. } => "spend",
            Self::Increment { .. } => "count",
            Self::TryAcquire { .. } => "try-acquire",
            Self::LimitLog { .. } => "limit-log",
            Self::ReplaceLimitLog { .. } => "replace-limit-log",
            Self::Registration { .. } => "registration",
            Self::Active { kind, .. } => match kind {
                Kind::Totp => "totp",
                Kind::Passkey => "passkeys",
                Kind::RecoveryCodes => "sheet",
                other => panic!("no handler verifies by {other:?}"),
            },
            Self::Consume { consumption, .. } => match consumption {
                Consumption::TimeStep(_) => "accept-step",
                Consumption::Counter(_) => "accept-counter",
                Consumption::RecoveryCode(_) => "use-code",
            },
            Self::RequestApproval { .. } => "ask-devices",
            Self::Newest { .. } => "newest",
            Self::Answer { .. } => "answer",
            Self::MarkNotified { .. } => "mark-notified",
            Self::Device { .. } => "device",
            Self::RecordUse { .. } => "note-used",
            Self::RevokeKnownDevices { .. } => "revoke-known-devices",
            Self::Session { .. } => "session",
            Self::PushTargets { .. } => "push-targets",
            Self::AcquireLease { .. } => "acquire-lease",
            Self::ReleaseLease { .. } => "release-lease",
            Self::Find { .. } => "find",
            Self::Account { .. } => "account",
            Self::Precheck { .. } => "precheck",
            Self::Outcome { .. } => "outcome",
            Self::Apply { .. } => "apply",
            Self::Enqueue { .. } => "enqueue",
            Self::Notify { .. } => "notify",
        }
    }
}

impl Call {
    pub fn is_write(&self) -> bool {
        !matches!(
            self,
            Self::Load { .. }
                | Self::LimitLog { .. }
                | Self::Registration { .. }
                | Self::Active { .. }
                | Self::Newest { .. }
                | Self::Device { .. }
                | Self::Session { .. }
                | Self::PushTargets { .. }
                | Self::Find { .. }
                | Self::Account { .. }
                | Self::Precheck { .. }
                | Self::Outcome { .. }
        )
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The service failed, or its response was lost.
    Failed,
    Done,
    Flag(bool),
    Number(u64),
    Flow(Option<StoredFlow>),
    /// The attempt was compared; the updated item.
    Compared(StoredFlow),
    /// The attempt was not compared; the unchanged item.
    NotCompared(Option<StoredFlow>),
    LimitLog {
        rev: u64,
        limit_log: String,
    },
    Registration(Box<Registration>),
    Active(Vec<ActiveEntry>),
    /// The public key of a device, and the times from which it is active and old.
    Device(Option<(Vec<u8>, Timestamp, Timestamp)>),
    PushTargets(Vec<(Device, String)>),
    /// The newest request to the devices of an account.
    Newest(Option<ApprovalRequest>),
    /// The request after a device's answer; `None` if the answer was not compared.
    Answered(Option<StoredRequest>),
    /// The generation of the lease, or the flow that has another one.
    Leased(Result<u64, Option<Holder>>),
    Account(Option<Account>),
    Violations(Vec<Violation>),
    Outcome(ChangeOutcome),
    Written(Result<(), Refused>),
}

impl Answer {
    /// Returns the kind of the answer.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Done
            | Self::Number(_)
            | Self::LimitLog { .. }
            | Self::Registration { .. }
            | Self::Active(_)
            | Self::Device(_)
            | Self::PushTargets(_)
            | Self::Account(_)
            | Self::Violations(_)
            | Self::Outcome(_) => "done",
            Self::Newest(found) => outcome(found.as_ref()),
            Self::Answered(found) => outcome(found.as_ref().map(|found| &found.request)),
            Self::Flag(true) => "yes",
            Self::Flag(false) => "no",
            Self::Flow(Some(stored)) => stored.record.state.as_str(),
            Self::Flow(None) => "none",
            Self::Compared(stored) if is_verified(stored) => "right",
            Self::Compared(_) => "wrong",
            Self::NotCompared(_) => "not looked at",
            Self::Leased(Ok(_)) => "held",
            Self::Leased(Err(_)) => "held by another",
            Self::Written(Ok(())) => "made",
            Self::Written(Err(Refused::Superseded)) => "superseded",
            Self::Written(Err(Refused::NotApplied)) => "not applied",
            Self::Written(Err(Refused::NotPermitted)) => "not permitted",
        }
    }
}

/// Returns the state of a request to devices as a word.
fn outcome(request: Option<&ApprovalRequest>) -> &'static str {
    match request.map(|request| request.status) {
        None => "none",
        Some(RequestStatus::Pending) => "pending",
        Some(RequestStatus::Approved) => "approved",
        Some(RequestStatus::Wrong) => "answered wrongly",
        Some(RequestStatus::Denied) => "denied",
    }
}

/// The reason why the directory did not make a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    Superseded,
    NotApplied,
    NotPermitted,
}

/// Parses the flow in a store's item.
pub fn flow_of(stored: &StoredFlow) -> Flow {
    stored.read().unwrap().value
}

/// Returns the number of verified steps.
pub fn verified_steps(stored: &StoredFlow) -> u8 {
    stored.record.step.saturating_sub(1) + u8::from(is_verified(stored))
}

/// Returns whether the last attempt was correct.
pub fn is_verified(stored: &StoredFlow) -> bool {
    stored.record.slot.as_ref().is_some_and(|slot| slot.last_attempt == Some(slot.code))
}

/// Returns whether the flow was finished or cancelled.
pub fn has_ended(stored: &StoredFlow) -> bool {
    matches!(stored.record.state, StateName::Done | StateName::Cancelled)
}
