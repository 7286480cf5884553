//! What a handler asks of its ports, and what it is answered, as values that can be compared and hashed.

use std::sync::Arc;

use shared::domain::account::AccountId;
use shared::domain::approval::{ApprovalRequest, RequestStatus};
use shared::domain::flow::{CodeSlot, Flow, FlowKey, FlowLimits, Record, RequestId, StateName};
use shared::domain::keys::Tag;
use shared::domain::security_info::EntryId;
use shared::domain::time::Timestamp;

use crate::people::Entries;

/// One call on a port. Each is one operation of the service behind it, which is atomic there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    Insert { key: FlowKey, flow: Stored },
    Load { key: FlowKey, at: Timestamp },
    Replace { key: FlowKey, next: Stored, at: Timestamp },
    Guess { key: FlowKey, step: u8, tag: [u8; 32], tries: Tries, at: Timestamp },
    Spend { key: FlowKey, tries: Tries, at: Timestamp },
    Count { key: String, until: Timestamp },
    Take { key: String, limit: u64, until: Timestamp },
    Ledger { account: AccountId },
    ReplaceLedger { account: AccountId, rev: u64, ledger: String, at: Timestamp },
    Registration { account: AccountId },
    Totp { account: AccountId },
    AcceptStep { account: AccountId, step: u64, flow: FlowKey },
    Passkeys { account: AccountId },
    AcceptCounter { account: AccountId, passkey: EntryId, counter: u32, flow: FlowKey },
    Sheet { account: AccountId },
    UseCode { account: AccountId, hash: String, flow: FlowKey },
    AskDevices { account: AccountId, request: Requested, at: Timestamp },
    Newest { account: AccountId },
    Answer { account: AccountId, request: [u8; 16], answer: Answering, at: Timestamp },
    NoteTold { account: AccountId, request: [u8; 16] },
    Device { account: AccountId, id: EntryId },
    NoteUsed { account: AccountId, id: EntryId },
    Session { key: FlowKey },
    PushTargets { account: AccountId },
    Claim { account: AccountId, flow: FlowKey, generation: u64, lease_until: Timestamp },
    Find { login: String },
    Account { id: AccountId },
    Reuse { id: AccountId, password: String },
    WasWritten { id: AccountId, generation: u64 },
    Write { id: AccountId, generation: u64, password: Option<String> },
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
            Self::Guess { .. } => "guess",
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
            Self::Find { .. } => "find",
            Self::Account { .. } => "account",
            Self::Reuse { .. } => "reuse",
            Self::WasWritten { .. } => "was-written",
            Self::Write { .. } => "write",
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
                | Self::Reuse { .. }
                | Self::WasWritten { .. }
        )
    }
}

/// The limits that a conditional write names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tries {
    pub code: u8,
    pub flow: u8,
}

impl From<&FlowLimits> for Tries {
    fn from(limits: &FlowLimits) -> Self {
        Self { code: limits.code_tries, flow: limits.flow_tries }
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
    Flow(Option<Stored>),
    /// The guess was looked at; the item as it is now.
    Looked(Stored),
    /// The guess was not looked at; the item as it is.
    Unlooked(Option<Stored>),
    Ledger {
        rev: u64,
        ledger: String,
    },
    Registration {
        generation: u64,
        claimed_by: Option<FlowKey>,
        entries: Entries,
    },
    /// Somebody's passkeys, by number.
    Passkeys(Vec<u8>),
    /// Somebody's sheet of recovery codes, by number, and the hashes that are left on it.
    Sheet(Option<(u8, Vec<String>)>),
    /// The newest request to somebody's devices.
    Newest(Option<Requested>),
    /// What a device's answer came to; nothing where it was not looked at.
    Answered(Option<Requested>),
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
            Self::Newest(found) | Self::Answered(found) => found.as_ref().map_or("none", Requested::outcome),
            Self::Flag(true) => "yes",
            Self::Flag(false) => "no",
            Self::Flow(Some(stored)) => stored.state,
            Self::Flow(None) => "none",
            Self::Looked(stored) if stored.is_proved() => "right",
            Self::Looked(_) => "wrong",
            Self::Unlooked(_) => "not looked at",
            Self::Claimed(None) => "held",
            Self::Claimed(Some(_)) => "held by another",
            Self::Written(Outcome::Made) => "made",
            Self::Written(Outcome::Superseded) => "superseded",
        }
    }
}

/// A device's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answering {
    Number([u8; 32]),
    Denied(Timestamp),
}

/// A request to somebody's devices as its item holds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requested {
    pub state: &'static str,
    pub request: [u8; 16],
    pub of_flow: [u8; 32],
    pub number: [u8; 32],
    pub answer: Option<[u8; 32]>,
    pub asker: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub blocked_until: Timestamp,
    pub told: bool,
}

impl Requested {
    /// The request as it is written.
    pub fn of(request: &ApprovalRequest) -> Self {
        Self {
            state: "pending",
            request: *request.id.as_bytes(),
            of_flow: *request.flow.as_bytes(),
            number: *request.number.as_bytes(),
            answer: None,
            asker: serde_json::to_string(&request.asker).unwrap(),
            created_at: request.created_at,
            expires_at: request.expires_at,
            blocked_until: request.expires_at,
            told: false,
        }
    }

    /// The request as it is read.
    pub fn request(&self) -> ApprovalRequest {
        let status = match self.state {
            "pending" => RequestStatus::Pending,
            "denied" => RequestStatus::Denied,
            _ if self.answer == Some(self.number) => RequestStatus::Approved,
            _ => RequestStatus::Wrong,
        };
        ApprovalRequest {
            id: RequestId::from_bytes(self.request),
            flow: FlowKey::from_bytes(self.of_flow),
            number: Tag::from_bytes(self.number),
            asker: serde_json::from_str(&self.asker).unwrap(),
            created_at: self.created_at,
            expires_at: self.expires_at,
            status,
            young: false,
        }
    }

    /// What became of it.
    pub fn outcome(&self) -> &'static str {
        match self.request().status {
            RequestStatus::Pending => "pending",
            RequestStatus::Approved => "approved",
            RequestStatus::Wrong => "answered wrongly",
            RequestStatus::Denied => "denied",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    pub flow: Option<FlowKey>,
    pub generation: u64,
    pub lease_until: Timestamp,
}

/// What came of a write to the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Made,
    Superseded,
}

/// A flow as its item holds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    pub rev: u64,
    pub state: &'static str,
    pub step: u8,
    pub expires_at: Timestamp,
    pub flow_tries: u8,
    pub slot: Option<Slot>,
    pub body: Arc<str>,
}

/// The awaited code in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    pub code: [u8; 32],
    pub guess: Option<[u8; 32]>,
    pub tries: u8,
    pub expires_at: Timestamp,
}

impl Stored {
    /// The flow as it is written.
    pub fn of(rev: u64, flow: &Flow) -> Self {
        let record = Record::from(flow);
        let slot = record.slot.map(|slot| Slot {
            code: *slot.code.as_bytes(),
            guess: slot.guess.map(|guess| *guess.as_bytes()),
            tries: slot.tries,
            expires_at: slot.expires_at,
        });
        Self {
            rev,
            state: record.state.as_str(),
            step: record.step,
            expires_at: record.expires_at,
            flow_tries: record.flow_tries,
            slot,
            body: record.body.into(),
        }
    }

    /// The flow as it is read.
    pub fn flow(&self) -> Flow {
        let slot = self.slot.as_ref().map(|slot| CodeSlot {
            code: Tag::from_bytes(slot.code),
            guess: slot.guess.map(Tag::from_bytes),
            tries: slot.tries,
            expires_at: slot.expires_at,
        });
        let record = Record {
            state: StateName::parse(self.state).unwrap(),
            step: self.step,
            expires_at: self.expires_at,
            flow_tries: self.flow_tries,
            slot,
            body: self.body.to_string(),
        };
        Flow::try_from(record).unwrap()
    }

    /// How many steps are proved.
    pub fn proofs(&self) -> u8 {
        self.step.saturating_sub(1) + u8::from(self.is_proved())
    }

    /// Whether the last guess was the code.
    pub fn is_proved(&self) -> bool {
        self.slot.as_ref().is_some_and(|slot| slot.guess == Some(slot.code))
    }
}
