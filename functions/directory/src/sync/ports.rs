//! What a sync needs: its ports, its request, its error.

use std::error::Error;
use std::sync::Arc;

use serde::Deserialize;
use shared::domain::account_copy::CopyRules;
use shared::domain::keys::Keyring;
use shared::domain::language::Language;
use shared::domain::time::Seconds;
use shared::ports::{
    AccountCopy, BulkContactImport, Clock, ContactImport, DirectoryPeople, Entropy, LiveDirectory,
    MessageQueue, Metrics, RegistrationErasure, SecurityInfoStore,
};

/// The ports of `directory-sync`. It alone writes the copy, and contacts from the directory.
pub struct Ports {
    /// The rules by which people are copied.
    pub rules: CopyRules,
    /// Reads the people.
    pub people: Arc<dyn DirectoryPeople>,
    /// Reads the directory's own rules for passwords.
    pub live: Arc<dyn LiveDirectory>,
    /// The copy.
    pub copy: Arc<dyn AccountCopy>,
    /// Writes contacts.
    pub contacts: Arc<dyn ContactImport>,
    /// Writes those of many people who hold nothing.
    pub bulk: Arc<dyn BulkContactImport>,
    /// Reads contacts, to notify those that are replaced.
    pub security_info: Arc<dyn SecurityInfoStore>,
    /// Erases the registrations of people who left.
    pub erasure: Arc<dyn RegistrationErasure>,
    /// Takes notifications to `delivery`.
    pub queue: Arc<dyn MessageQueue>,
    /// Seals the messages in the queue.
    pub messages: Arc<Keyring>,
    /// Makes the digests. It is the keyring of contacts, since digests are made of them.
    pub digests: Arc<Keyring>,
    /// The language for people without one of their own.
    pub language: Language,
    /// The waiting period of a contact that replaces another.
    pub waiting_period: Seconds,
    /// How long a registration is kept after its person has left.
    pub kept: Seconds,
    /// Counts the runs that held removals back.
    pub metrics: Arc<dyn Metrics>,
    /// The time of the run.
    pub clock: Arc<dyn Clock>,
    /// Random bytes for the run's id and for seals.
    pub entropy: Arc<dyn Entropy>,
}

/// The payload of an invocation, from the schedule or an operator.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// Read everybody.
    pub full: bool,
    /// Remove and disable however many are gone or disabled: an operator has looked at the directory.
    pub accept_removals: bool,
    /// List some of the logins that two people have. They are personal data, so no log has them.
    pub list_ambiguous: bool,
}

/// The reason why a run failed. The next one repeats it.
pub type Failed = Box<dyn Error + Send + Sync>;
