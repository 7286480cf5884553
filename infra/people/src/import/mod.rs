//! The import of a file's people: first a plan that tells everything, then the writes.
//!
//! The file wins for names, logins, address, language, state and group, and for those contacts that [`Policy`] lets it
//! replace. What it has no column for stays. Each write may be repeated, and an account is written last: after an
//! interruption the same file goes on where the first run stopped, and a row that is stored already costs no write.

mod apply;
mod decide;
mod plan;
mod report;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use shared::domain::import::Overwrite;
use shared::domain::keys::Keyring;
use shared::ports::{
    AccountCopy, AccountImport, BulkContactImport, Clock, ContactImport, Entropy, MessageQueue,
    RegistrationErasure,
};
use shared::process::{Process, StartError};
use shared::settings::{DirectoryKind, Settings};

pub use self::apply::Unhashed;
pub use self::plan::Plan;
pub use self::report::{Readiness, ReadinessCount, Summary};

/// The reason why an import can't go on.
pub type Failed = Box<dyn Error + Send + Sync>;

/// Somebody stopped the import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the import was stopped")
    }
}

impl Error for Interrupted {}

/// The ports of an import.
pub struct Importer {
    /// Reads and writes accounts and logins.
    pub accounts: Arc<dyn AccountCopy>,
    /// Writes new accounts that have a password.
    pub passwords: Arc<dyn AccountImport>,
    /// Writes contacts of existing accounts.
    pub contacts: Arc<dyn ContactImport>,
    /// Reads contacts, and writes those of new accounts.
    pub bulk: Arc<dyn BulkContactImport>,
    /// Erases what a person enrolled whose login another person has now.
    pub erasure: Arc<dyn RegistrationErasure>,
    /// Seals TOTP seeds.
    pub seeds: Arc<Keyring>,
    /// Takes notifications to `delivery`.
    pub queue: Arc<dyn MessageQueue>,
    /// Seals the messages in the queue.
    pub messages: Arc<Keyring>,
    /// The parameters of the deployment.
    pub settings: Arc<Settings>,
    /// Waiting periods start at this clock's time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes for ids and seals.
    pub entropy: Arc<dyn Entropy>,
}

/// What an import may do.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// The contacts that the file may replace or remove.
    pub overwrite: Overwrite,
    /// Whether a contact that is replaced is notified.
    pub notifies: bool,
    /// Whether any number of people may be disabled, lose a contact or be replaced by others.
    pub accepts_losses: bool,
    /// Whether a name without any likeness is taken as a correction, and not as another person.
    pub keeps_people: bool,
    /// When the passwords of new accounts are hashed, which takes most of the time.
    pub hashing: Hashing,
}

/// When the passwords of new accounts are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hashing {
    /// An account is written together with its password, so that an interrupted import loses none.
    WithAccount,
    /// The caller hashes them afterwards, by [`Importer::put_passwords`].
    Later,
}

impl Importer {
    /// Takes the ports from a process.
    ///
    /// # Errors
    /// [`StartError`] if it knows not all of them.
    pub fn from_process(process: &Process) -> Result<Self, StartError> {
        Ok(Self {
            accounts: process.account_copy()?,
            passwords: process.account_import()?,
            contacts: process.contact_import()?,
            bulk: process.bulk_contact_import()?,
            erasure: process.registration_erasure()?,
            seeds: process.keyring("REKEY_SECRET_SEEDS")?,
            queue: process.queue()?,
            messages: process.keyring("REKEY_SECRET_MESSAGES")?,
            settings: process.settings(),
            clock: process.clock(),
            entropy: process.entropy(),
        })
    }

    /// Returns whether the accounts are a copy of another directory, so that an import adds and changes none.
    fn is_copy(&self) -> bool {
        self.settings.directory != DirectoryKind::Builtin
    }
}
