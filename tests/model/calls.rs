//! What a handler asks of its ports, and what it is answered, as values that can be compared and hashed.

use shared::adapters::memory::{StoredFlow, StoredRequest};
use shared::domain::account::AccountId;
use shared::domain::approval::{ApprovalRequest, RequestStatus};
use shared::domain::flow::{Flow, FlowLimits, RequestId, StateName};
use shared::domain::holder::HolderId;
use shared::domain::security_info::EntryId;
use shared::domain::time::Timestamp;
use shared::ports::{CodeAttempt, DeviceAnswer};

use crate::people::Entries;

/// One call on a port. Each is one operation of the service behind it, which is atomic there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    Insert { key: HolderId, flow: StoredFlow },
    Load { key: HolderId, at: Timestamp },
    Replace { key: HolderId, next: StoredFlow, at: Timestamp },
    CodeAttempt { key: HolderId, guess: CodeAttempt, limits: FlowLimits, at: Timestamp },
    Spend { key: HolderId, limits: FlowLimits, at: Timestamp },
    Count { key: String, until: Timestamp },
    Take { key: String, limit: u64, until: Timestamp },
    Ledger { account: AccountId },
    ReplaceLedger { account: AccountId, rev: u64, ledger: String, at: Timestamp },
    Registration { account: AccountId },
    Totp { account: AccountId },
    AcceptStep { account: AccountId, step: u64, flow: HolderId },
    Passkeys { account: AccountId },
    AcceptCounter { account: AccountId, passkey: EntryId, counter: u32, flow: HolderId },
    Sheet { account: AccountId },
    UseCode { account: AccountId, hash: String, flow: HolderId },
    AskDevices { account: AccountId, request: ApprovalRequest, at: Timestamp },
    Newest { account: AccountId },
    Answer { account: AccountId, request: RequestId, answer: DeviceAnswer, at: Timestamp },
    NoteTold { account: AccountId, request: RequestId },
    Device { account: AccountId, id: EntryId },
    NoteUsed { account: AccountId, id: EntryId },
    Session { key: HolderId },
    PushTargets { account: AccountId },
    Claim { account: AccountId, flow: HolderId, generation: u64, lease_until: Timestamp },
    Release { account: AccountId, flow: HolderId, generation: u64 },
    Find { login: String },
    Account { id: AccountId },
    Precheck { id: AccountId, password: String },
    Outcome { id: AccountId, number: u64 },
    Apply { id: AccountId, number: u64, password: Option<String> },
    Enqueue { bodies: Vec<String>, delay: u32 },
    Tell { to: String },
}

impl Call {
    /// Its kind, which is what somebody who watches the services sees of it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Insert { .. } => "insert",
            Self::Load { .. } => "load",
            Self::Replace { .. } => "replace",
            Self::CodeAttempt { .. } => "guess",
            Self::Spend { .. } => "spend",
            Self::Count { .. } => "count",
            Self::Take { .. } => "take",
            Self::Ledger { .. } => "ledger",
            Self::ReplaceLedger { .. } => "replace-ledger",
            Self::Registration { .. } => "registration",
            Self::Totp { .. } => "totp",
            Self::AcceptStep { .. } => "accept-step",
            Self::Passkeys { .. } => "passkeys",
            Self::AcceptCounter { .. } => "accept-counter",
            Self::Sheet { .. } => "sheet",
            Self::UseCode { .. } => "use-code",
            Self::AskDevices { .. } => "ask-devices",
            Self::Newest { .. } => "newest",
            Self::Answer { .. } => "answer",
            Self::NoteTold { .. } => "note-told",
            Self::Device { .. } => "device",
            Self::NoteUsed { .. } => "note-used",
            Self::Session { .. } => "session",
            Self::PushTargets { .. } => "push-targets",
            Self::Claim { .. } => "claim",
            Self::Release { .. } => "release",
            Self::Find { .. } => "find",
            Self::Account { .. } => "account",
            Self::Precheck { .. } => "precheck",
            Self::Outcome { .. } => "outcome",
            Self::Apply { .. } => "apply",
            Self::Enqueue { .. } => "enqueue",
            Self::Tell { .. } => "tell",
        }
    }
}

impl Call {
    /// Whether it changes anything.
    pub fn is_write(&self) -> bool {
        !matches!(
            self,
            Self::Load { .. }
                | Self::Ledger { .. }
                | Self::Registration { .. }
                | Self::Totp { .. }
                | Self::Passkeys { .. }
                | Self::Sheet { .. }
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

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The service is out of order, or its answer was lost.
    Failed,
    Done,
    Flag(bool),
    Number(u64),
    Flow(Option<StoredFlow>),
    /// The guess was looked at; the item as it is now.
    Looked(StoredFlow),
    /// The guess was not looked at; the item as it is.
    Unlooked(Option<StoredFlow>),
    Ledger {
        rev: u64,
        ledger: String,
    },
    Registration {
        generation: u64,
        claimed_by: Option<HolderId>,
        entries: Entries,
    },
    /// Somebody's passkeys, by number.
    Passkeys(Vec<u8>),
    /// Somebody's sheet of recovery codes, by number, and the hashes that are left on it.
    Sheet(Option<(u8, Vec<String>)>),
    /// The newest request to somebody's devices.
    Newest(Option<ApprovalRequest>),
    /// What a device's answer came to; nothing where it was not looked at.
    Answered(Option<StoredRequest>),
    /// Who holds the account, under which generation and until when; nobody else if the claim was made.
    Claimed(Option<Holder>),
    Written(Outcome),
}

impl Answer {
    /// Its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Done
            | Self::Number(_)
            | Self::Ledger { .. }
            | Self::Registration { .. }
            | Self::Passkeys(_)
            | Self::Sheet(_) => "done",
            Self::Newest(found) => outcome(found.as_ref()),
            Self::Answered(found) => outcome(found.as_ref().map(|found| &found.request)),
            Self::Flag(true) => "yes",
            Self::Flag(false) => "no",
            Self::Flow(Some(stored)) => stored.record.state.as_str(),
            Self::Flow(None) => "none",
            Self::Looked(stored) if is_proved(stored) => "right",
            Self::Looked(_) => "wrong",
            Self::Unlooked(_) => "not looked at",
            Self::Claimed(None) => "held",
            Self::Claimed(Some(_)) => "held by another",
            Self::Written(Outcome::Made) => "made",
            Self::Written(Outcome::Superseded) => "superseded",
        }
    }
}

/// What became of a request to somebody's devices.
fn outcome(request: Option<&ApprovalRequest>) -> &'static str {
    match request.map(|request| request.status) {
        None => "none",
        Some(RequestStatus::Pending) => "pending",
        Some(RequestStatus::Approved) => "approved",
        Some(RequestStatus::Wrong) => "answered wrongly",
        Some(RequestStatus::Denied) => "denied",
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    pub flow: Option<HolderId>,
    pub generation: u64,
    pub lease_until: Timestamp,
}

/// What came of a write to the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Made,
    Superseded,
}

/// The flow that a store keeps.
pub fn flow_of(stored: &StoredFlow) -> Flow {
    stored.read().unwrap().value
}

/// How many steps of it are proved.
pub fn proofs(stored: &StoredFlow) -> u8 {
    stored.record.step.saturating_sub(1) + u8::from(is_proved(stored))
}

/// Whether the last guess was the code.
pub fn is_proved(stored: &StoredFlow) -> bool {
    stored.record.slot.as_ref().is_some_and(|slot| slot.guess == Some(slot.code))
}

/// Whether it was done or cancelled.
pub fn has_ended(stored: &StoredFlow) -> bool {
    matches!(stored.record.state, StateName::Done | StateName::Cancelled)
}
