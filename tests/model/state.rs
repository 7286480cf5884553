//! The state that is searched: what is stored and queued, who is where, and what an omniscient observer wrote down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shared::domain::method::Method;

use crate::product::Running;
use crate::tables::Tables;

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub now: i64,
    pub tables: Tables,
    pub queue: Vec<Queued>,
    /// Handlers on their way, with whoever waits for them.
    pub handlers: Vec<(By, Running)>,
    /// Handlers that were cut off, whose last call is still on its way.
    pub late: Vec<(By, Running)>,
    pub clients: Vec<Client>,
    /// How often each item of the scope's menu may still be asked for.
    pub left: Vec<u8>,
    /// How often each step of the clock may still be made.
    pub ticks: Vec<u8>,
    /// How many faults may still happen.
    pub faults: u8,
    pub registering: Registering,
    pub seen: Seen,
}

/// How far whoever registers has come with what the scope says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Registering {
    /// The next thing to do.
    pub next: usize,
    /// The generation that was read.
    pub generation: u64,
    /// Whether somebody else has changed the account meanwhile.
    pub overtaken: bool,
}

/// Who invoked a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum By {
    /// A client, by its place, with what it asked, by its place in the menu.
    Client(usize, usize),
    /// The queue, with the message of this id.
    Queue(u64),
}

/// A browser.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// Whom it names.
    pub login: &'static str,
    /// Whether it is somebody else than the one it names.
    pub attacks: bool,
    pub cookie: Option<Arc<str>>,
    pub flow: Option<[u8; 32]>,
    /// How many requests it has sent.
    pub serial: u8,
    /// The number that its page shows for a phone.
    pub number: Option<Arc<str>>,
}

/// A message in the queue.
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

/// What an omniscient observer knows. It reads messages, requests and replies, and asks the product nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Codes in the order in which their messages were queued.
    pub codes: Vec<Code>,
    pub flows: BTreeMap<[u8; 32], Course>,
    /// App codes that proved something, each with its flow.
    pub app_codes: Vec<(String, [u8; 32])>,
    /// Wrong answers by what the account has a budget of looks at, by account and step.
    pub looks: BTreeMap<(Method, &'static str, u8), u8>,
    /// Requests to devices in the order in which they were made.
    pub requests: Vec<Asking>,
    /// Flows whose request was refused and whose owner is to be told of it.
    pub refused: BTreeSet<[u8; 32]>,
    /// Challenges for passkeys in the order in which pages showed them.
    pub challenges: Vec<Challenge>,
    /// What was made with the passkey.
    pub assertions: Vec<Assertion>,
    /// How often the passkey has signed.
    pub counted: u32,
    /// Recovery codes that proved something.
    pub recovery_codes: Vec<String>,
    /// How often somebody who registers moved the generation on.
    pub registered: u8,
    /// Changes that were made, in order.
    pub changes: Vec<Change>,
    /// Who was told of whose change.
    pub told: BTreeSet<([u8; 32], String)>,
    /// Rules that a step has broken.
    pub broken: BTreeSet<&'static str>,
}

/// A code that was made and queued.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Code {
    pub flow: [u8; 32],
    pub login: &'static str,
    pub step: u8,
    pub method: Method,
    pub text: String,
    /// As the flow would store it.
    pub tag: [u8; 32],
    pub sent_at: i64,
    pub expires_at: i64,
    /// Whether it has reached its owner.
    pub delivered: bool,
    pub used: bool,
}

/// A request to somebody's devices.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Asking {
    pub flow: [u8; 32],
    pub login: &'static str,
    pub step: u8,
    pub id: [u8; 16],
    /// As the page shows it.
    pub number: String,
    pub asked_at: i64,
    /// Whether its owner typed the number in time.
    pub approved: bool,
    pub used: bool,
}

/// A challenge for a passkey.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Challenge {
    pub flow: [u8; 32],
    pub text: String,
    pub expires_at: i64,
}

/// An answer of the owner's passkey.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Assertion {
    pub text: Arc<str>,
    /// The place of the challenge that it answers.
    pub challenge: usize,
    /// What the passkey had counted to.
    pub counter: u32,
    pub used: bool,
}

/// What became of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Course {
    pub client: usize,
    pub expires_at: i64,
    /// Methods that proved something.
    pub proofs: Vec<Method>,
    /// Ways by which a code was awaited, each with its step; whether it was ever sent is another matter.
    pub awaited: BTreeSet<(u8, Method)>,
    /// Wrong answers.
    pub wrong: u8,
    /// Those of them that were not the app's.
    pub wrong_codes: u8,
    /// Whether it was done or cancelled.
    pub ended: bool,
    /// How many changes had been made to the account when it was opened.
    pub opened_after: usize,
    /// How often whoever registers had moved the generation on.
    pub registered_before: u8,
}

/// A change in the directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    pub flow: [u8; 32],
    pub login: &'static str,
    pub password: Option<String>,
    /// Whether its client was told that it is done.
    pub acknowledged: bool,
}
