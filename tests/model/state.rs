//! A state of the search: stored items, queued messages, clients, and the records of an omniscient observer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shared::domain::method::Method;

use crate::product::Running;
use crate::tables::Tables;

/// A complete state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub now: i64,
    pub tables: Tables,
    pub queue: Vec<Queued>,
    /// Running handlers, each with its invoker.
    pub handlers: Vec<(Invoker, Running)>,
    /// Handlers that timed out and whose last call is still delayed.
    pub late: Vec<(Invoker, Running)>,
    pub clients: Vec<Client>,
    /// Remaining uses of each menu item.
    pub left: Vec<u8>,
    /// Remaining uses of each clock step.
    pub ticks: Vec<u8>,
    pub faults: u8,
    pub enrolment_progress: EnrolmentProgress,
    pub observed: Observations,
}

/// The progress of the scope's enrolment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EnrolmentProgress {
    /// Index of the next step.
    pub next: usize,
    /// The generation that was read.
    pub generation: u64,
    /// Whether another change of the account has interfered.
    pub overtaken: bool,
}

/// The invoker of a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Invoker {
    /// A client and its request, by their places in the scope.
    Client(usize, usize),
    /// The queue, with the id of the message.
    Queue(u64),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// The login that it submits.
    pub login: &'static str,
    /// Whether its user isn't the owner of the login.
    pub attacks: bool,
    pub cookie: Option<Arc<str>>,
    pub flow: Option<[u8; 32]>,
    /// Number of requests sent.
    pub serial: u8,
    /// The number that its page shows for a phone.
    pub number: Option<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Queued {
    pub id: u64,
    pub kind: &'static str,
    pub sent_at: i64,
    pub visible_at: i64,
    pub receives: u8,
    pub busy: bool,
    pub body: Arc<str>,
}

/// The records of an omniscient observer. It reads messages, requests and replies, and uses no check of Rekey.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Observations {
    /// Codes in the order of queueing.
    pub codes: Vec<Code>,
    pub flows: BTreeMap<[u8; 32], FlowHistory>,
    /// Accepted TOTP codes, each with its flow.
    pub app_codes: Vec<(String, [u8; 32])>,
    /// Wrong answers against each attempt limit, by method, account and step.
    pub wrong_attempts: BTreeMap<(Method, &'static str, u8), u8>,
    /// Requests to devices, in order of creation.
    pub requests: Vec<DeviceRequest>,
    /// Flows whose request was refused and whose owner must be notified.
    pub refused: BTreeSet<[u8; 32]>,
    /// Passkey challenges, in the order in which pages showed them.
    pub challenges: Vec<Challenge>,
    /// Assertions of the passkey.
    pub assertions: Vec<Assertion>,
    /// Signature count of the passkey.
    pub counted: u32,
    /// Accepted recovery codes.
    pub recovery_codes: Vec<String>,
    /// Number of generations that enrolments made.
    pub enrolments: u8,
    pub changes: Vec<Change>,
    /// Notified contacts, each with the flow of the change.
    pub notified: BTreeSet<([u8; 32], String)>,
    /// Violated invariants.
    pub violated: BTreeSet<&'static str>,
}

/// A code that was made and queued.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Code {
    pub flow: [u8; 32],
    pub login: &'static str,
    pub step: u8,
    pub method: Method,
    pub text: String,
    /// The tag that the flow would store.
    pub tag: [u8; 32],
    pub sent_at: i64,
    pub expires_at: i64,
    /// Whether it has reached its owner.
    pub delivered: bool,
    pub used: bool,
}

/// A request to the devices of an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeviceRequest {
    pub flow: [u8; 32],
    pub login: &'static str,
    pub step: u8,
    pub id: [u8; 16],
    /// The number on the page.
    pub number: String,
    pub asked_at: i64,
    /// Whether the owner typed the number in time.
    pub approved: bool,
    pub used: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Challenge {
    pub flow: [u8; 32],
    pub text: String,
    pub expires_at: i64,
}

/// An assertion of the owner's passkey.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Assertion {
    pub text: Arc<str>,
    /// The place of the challenge that it answers.
    pub challenge: usize,
    /// The signature count.
    pub counter: u32,
    pub used: bool,
}

/// The history of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FlowHistory {
    pub client: usize,
    pub expires_at: i64,
    /// Methods of verified steps.
    pub verified_methods: Vec<Method>,
    /// Methods that waited for a code, with their step, whether or not the code was sent.
    pub challenged: BTreeSet<(u8, Method)>,
    pub wrong: u8,
    /// Wrong answers other than TOTP codes.
    pub wrong_codes: u8,
    /// Whether it was finished or cancelled.
    pub ended: bool,
    /// Number of changes of the account when it opened.
    pub changes_before: usize,
    /// Number of generations by enrolments when it opened.
    pub enrolments_before: u8,
}

/// A password change in the directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    pub flow: [u8; 32],
    pub login: &'static str,
    pub password: Option<String>,
    /// Whether its client got the success response.
    pub acknowledged: bool,
}
