//! The organisation's own directory (Active Directory, OpenLDAP): its entries, and what the functions say about them.
//!
//! Strangers reach only the copy of the accounts ([`crate::domain::account::Account`]). An [`Entry`] is the
//! directory itself, read at the moment of a change or a sign-in.

use serde::{Deserialize, Serialize};

pub use super::published_policy::PublishedPolicy;

use super::account::{AccountId, AccountState};
use super::language::Language;
use super::time::Timestamp;

/// One person's entry in the directory, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// `<directory>:<objectGUID or entryUUID>`. It survives a move and a rename.
    pub id: AccountId,
    /// Whether Rekey may change it.
    pub standing: EntryStanding,
    /// Whether too many wrong passwords locked it. An unlock or a new password removes this lock.
    pub is_locked: bool,
    /// Whether its password has expired or must be changed at the next sign-in.
    pub must_change: bool,
    /// When its password was last set.
    pub password_version: EntryVersion,
    /// When it was last locked or unlocked.
    pub lock_version: EntryVersion,
    /// The wrong passwords that are left within the directory's own window before it locks the entry; `None` where it
    /// never locks.
    pub attempts_left: Option<u32>,
}

/// Whether Rekey may change an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryStanding {
    /// It may be changed.
    Eligible,
    /// The organisation disabled it.
    Disabled,
    /// Its end date has passed.
    Expired,
    /// An administrator locked it for good (`OpenLDAP`: `pwdAccountLockedTime` of the year 0).
    LockedByAdministrator,
    /// It is or was privileged (`adminCount`), or a member of a group that the settings deny.
    Privileged,
    /// It is outside the settings' bases, or no person.
    OutOfScope,
}

impl EntryStanding {
    /// Returns the state that the copy of the accounts has for such an entry.
    pub const fn account_state(self, is_locked: bool) -> AccountState {
        match self {
            Self::Eligible if is_locked => AccountState::Locked,
            Self::Eligible => AccountState::Active,
            Self::Disabled | Self::Expired | Self::LockedByAdministrator => AccountState::Disabled,
            Self::Privileged | Self::OutOfScope => AccountState::Excluded,
        }
    }
}

/// A value of the directory that changes with every change of a password or a lock (`pwdLastSet`,
/// `pwdChangedTime`, `lockoutTime`). It is compared and never interpreted; empty where the entry has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryVersion(pub String);

/// The result of a bind with a person's password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BindResult {
    /// The password is right.
    Accepted,
    /// The password is right and has expired, or must be changed at the next sign-in.
    MustChange,
    /// The password is wrong, or the entry is locked or disabled; the directory may not tell which.
    Refused,
}

/// A person as the directory has them, for the copy of the accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryPerson {
    /// As [`Entry::id`].
    pub id: AccountId,
    /// The person's name.
    pub name: String,
    /// The logins as written in the directory; the sync makes them canonical.
    pub logins: Vec<String>,
    /// The organisation's own mailbox of the person.
    pub email: Option<String>,
    /// The language for messages.
    pub language: Option<Language>,
    /// The group of people that the help desk's rights go by.
    pub group: Option<String>,
    /// The state for the copy.
    pub state: AccountState,
    /// When the password expires, if it does.
    pub password_expires_at: Option<Timestamp>,
    /// Contacts, where the settings name attributes for them.
    pub contacts: DirectoryContacts,
    /// The rules for the person's password, as far as they can be read: a fine-grained policy, or the directory's.
    pub password_policy: Option<PublishedPolicy>,
}

/// Contacts of a person as the directory has them, unchecked.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DirectoryContacts {
    /// A private mailbox.
    pub alternate_email: Option<String>,
    /// A mobile number.
    pub mobile: Option<String>,
    /// An office number.
    pub office_phone: Option<String>,
}

impl std::fmt::Debug for DirectoryContacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DirectoryContacts(***)")
    }
}

/// Where a delta sync begins: the server that gave it, and its highest change so far (`invocationId` and
/// `highestCommittedUSN`; a server and `modifyTimestamp`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncCursor {
    /// The server's own identity. Another server, or a restored one, needs a full sync.
    pub server: String,
    /// The highest change that was read.
    pub position: String,
}
