//! What a function of the directory finds out for an operator, by reading only.
//!
//! Each function has a service account of its own, and only the function reaches the directory. So it tells what that
//! account sees and may do. Texts of servers are in none of it, since they are not ours to show.

use serde::{Deserialize, Serialize};

use super::account::AccountId;
use super::directory::{Entry, PublishedPolicy};
use super::directory_config::ServerKind;
use super::time::Timestamp;

/// The most people that one login finds.
pub const PEOPLE_MAX: usize = 5;
/// The most entries of one kind that a service account must not change, and that are looked at.
pub const FENCE_MAX: usize = 2;

/// What a service account sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examination {
    /// The kind of the directory.
    pub kind: ServerKind,
    /// The service account, as the document names it.
    pub service_account: String,
    /// The servers of the document in its order, and Active Directory's PDC emulator.
    pub servers: Vec<ExaminedServer>,
    /// Whether a reset obeys the history of passwords; `None` where no server answered.
    pub checks_history: Option<bool>,
    /// The people who have one of the logins. Several are found by none of them.
    pub people: Vec<ExaminedPerson>,
    /// Some entries that the service account must not change. An earlier version of the function tells none.
    #[serde(default)]
    pub fence: Vec<FencedEntry>,
    /// The reason why the directory could not be read to the end.
    pub fault: Option<Fault>,
}

impl Examination {
    /// Returns an examination that has found nothing yet.
    pub const fn new(kind: ServerKind, service_account: String) -> Self {
        Self {
            kind,
            service_account,
            servers: Vec::new(),
            checks_history: None,
            people: Vec::new(),
            fence: Vec::new(),
            fault: None,
        }
    }
}

/// A server of the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExaminedServer {
    /// Its host and port.
    pub address: String,
    /// Whether it is the PDC emulator, which counts the wrong passwords of all domain controllers.
    pub is_primary: bool,
    /// What became of a connection to it.
    pub state: ServerState,
}

/// What became of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerState {
    /// The service account is bound.
    Reached,
    /// It failed.
    Failed(Fault),
    /// The time was up, or an earlier server had refused the service account: one more wrong password could lock it.
    NotTried,
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Decides what the operator does.
    pub kind: FaultKind,
    /// The operation and its codes, or the reason of the system.
    pub reason: String,
}

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// No connection.
    Unreachable,
    /// The server's certificate is of another authority, or names another host.
    Certificate,
    /// The service account was refused.
    ServiceAccount,
    /// The directory is not as the document says.
    Misconfigured,
    /// Anything else.
    Other,
}

/// A person who has one of the logins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExaminedPerson {
    /// The entry's name now.
    pub dn: String,
    /// The entry.
    pub entry: Entry,
    /// The base of the document that the entry is below.
    pub base: Option<String>,
    /// When the password expires, if it does.
    pub password_expires_at: Option<Timestamp>,
    /// The rules for the person's password; `None` where the account can't read them.
    pub policy: Option<PublishedPolicy>,
    /// What the service account may do with the entry.
    pub rights: Rights,
}

impl ExaminedPerson {
    /// Returns the account's id.
    pub const fn id(&self) -> &AccountId {
        &self.entry.id
    }
}

/// An entry that a service account must not change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FencedEntry {
    /// Its name.
    pub dn: String,
    /// Why not.
    pub reason: FencedReason,
    /// What the account may do with it.
    pub rights: Rights,
}

/// The reason why an entry is none of Rekey's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FencedReason {
    /// It is or was in a protected group.
    Privileged,
    /// It is outside all bases.
    Outside,
}

/// The rights of a service account on an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// Setting a password.
    pub set_password: Right,
    /// Removing a lock.
    pub remove_lock: Right,
    /// Further attributes that it may write, though Rekey needs none of them.
    pub further: Vec<String>,
    /// Whether it may change the rights to the entry, and so give itself any other.
    pub changes_rights: bool,
    /// Whether it can read the hash of the password.
    pub reads_hash: bool,
}

impl Rights {
    /// Returns what the account may do to the entry, in words; `None` where the directory does not tell, and an empty text
    /// where it may do nothing.
    pub fn changes(&self) -> Option<String> {
        let mut changes = Vec::new();
        for (right, what) in [(self.set_password, "set the password"), (self.remove_lock, "remove the lock")]
        {
            if right == Right::Granted {
                changes.push(what.to_owned());
            }
        }
        if let Some(attribute) = self.further.first() {
            changes.push(format!("write {} attributes, such as {attribute}", self.further.len()));
        }
        if self.changes_rights {
            changes.push("change its rights or owner".to_owned());
        }
        let is_told = self.set_password != Right::Unknown && self.remove_lock != Right::Unknown;
        (is_told || !changes.is_empty()).then(|| changes.join(" and "))
    }

    /// Returns the rights of a directory that tells none.
    pub const fn unknown() -> Self {
        Self {
            set_password: Right::Unknown,
            remove_lock: Right::Unknown,
            further: Vec::new(),
            changes_rights: false,
            reads_hash: false,
        }
    }
}

/// Whether a right is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// The directory would allow it.
    Granted,
    /// The directory would refuse it.
    Denied,
    /// The directory does not tell.
    Unknown,
}

impl From<bool> for Right {
    fn from(is_granted: bool) -> Self {
        if is_granted { Self::Granted } else { Self::Denied }
    }
}
