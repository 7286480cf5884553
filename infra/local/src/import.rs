//! Imports the people of the CSV file into the tables: adds new accounts and updates contacts of existing ones.

use std::error::Error;
use std::sync::Arc;

use shared::domain::account::{Account, AccountState};
use shared::domain::holder::HolderId;
use shared::domain::import::ImportAction;
use shared::domain::keys::Keyring;
use shared::domain::language::Language;
use shared::domain::message::Message;
use shared::domain::notice::{AccountChange, Event, notices};
use shared::domain::password::NewPassword;
use shared::domain::security_info::Kind;
use shared::domain::time::{Seconds, Timestamp};
use shared::domain::totp::TotpSeed;
use shared::ports::{
    AccountImport, Clock, ContactImport, Entropy, EntropyExt as _, MessageQueue, OrganisationSignIn,
    SecurityInfoStore,
};
use shared::process::{Process, StartError};
use shared::settings::DirectoryKind;
use shared::verification::outgoing::Outgoing;

use crate::dev_inbox::state_name;
use crate::failure::{Failure, with_causes};
use crate::people::{People, Person, place};

/// The reason why a person can't be imported.
type Failed = Box<dyn Error + Send + Sync>;

/// The tables that people are imported into, and the ports to notify them.
pub struct Tables {
    /// Writes accounts.
    pub accounts: Arc<dyn AccountImport>,
    /// Finds accounts and signs in.
    pub directory: Arc<dyn OrganisationSignIn>,
    /// Writes contacts.
    pub contacts: Arc<dyn ContactImport>,
    /// Reads contacts and enrolled methods.
    pub security_info: Arc<dyn SecurityInfoStore>,
    /// Seals TOTP seeds.
    pub seeds: Arc<Keyring>,
    /// Takes notifications to `delivery`.
    pub queue: Arc<dyn MessageQueue>,
    /// Seals the messages in the queue.
    pub messages: Arc<Keyring>,
    /// The language for people without one of their own.
    pub language: Language,
    /// The waiting period of a contact that replaces another.
    pub waiting_period: Seconds,
    /// Waiting periods start at this clock's time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes for entry ids and seals.
    pub entropy: Arc<dyn Entropy>,
    /// Counts the people afterwards, for decoys.
    pub housekeeping: housekeeping::Ports,
    /// Whether the accounts are a copy of another directory, so that an import adds none.
    pub is_copy: bool,
}

/// The result of an import.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// Number of new people.
    pub added: usize,
    /// Number of existing people with a change.
    pub changed: usize,
    /// Number of existing people without a change.
    pub unchanged: usize,
    /// Changes of existing people, and rows that were ignored: one line each, by row and column.
    pub lines: Vec<String>,
}

impl Tables {
    /// Builds the tables from a process that knows all of them.
    ///
    /// # Errors
    /// [`StartError`] if it doesn't.
    pub fn from_process(process: &Process) -> Result<Self, StartError> {
        let settings = process.settings();
        Ok(Self {
            accounts: process.account_import()?,
            directory: process.organisation_sign_in()?,
            contacts: process.contact_import()?,
            security_info: process.security_info()?,
            seeds: process.keyring("REKEY_SECRET_SEEDS")?,
            queue: process.queue()?,
            messages: process.keyring("REKEY_SECRET_MESSAGES")?,
            language: settings.languages.first().copied().unwrap_or(Language::English),
            waiting_period: settings.waiting_period,
            clock: process.clock(),
            entropy: process.entropy(),
            housekeeping: housekeeping::Ports::from_process(process)?,
            is_copy: settings.directory != DirectoryKind::Builtin,
        })
    }

    /// Adds new people. Of existing ones it takes over names, logins, address, language and state, and imports the
    /// contacts as [`ContactImport`] does. It notifies the contacts that are replaced. An existing person keeps the
    /// password, the lockout and the enrolled methods. Afterwards it counts the population that decoys are drawn from.
    ///
    /// # Errors
    /// [`Failure`] if the store rejects a person, or can't be read.
    pub async fn import(&self, people: &People) -> Result<Imported, Failure> {
        let mut imported = Imported::default();
        for person in &people.people {
            self.import_person(&people.file, person, &mut imported).await.map_err(|error| {
                let (file, row, login) = (&people.file, person.row, person.login());
                let why = with_causes(&*error);
                Failure::new(format!("{file}: row {row}: {login} can't be imported: {why}. Start again"))
            })?;
        }
        housekeeping::population::refresh(&self.housekeeping).await.map_err(|error| {
            Failure::new(format!("the people can't be counted: {}. Start again", with_causes(&*error)))
        })?;
        Ok(imported)
    }

    async fn import_person(
        &self,
        file: &str,
        person: &Person,
        imported: &mut Imported,
    ) -> Result<(), Failed> {
        let mut account = person.account()?;
        if self.is_copy {
            let found = match person.names.first() {
                Some(name) => self.directory.find(name).await?,
                None => None,
            };
            let Some(found) = found else {
                let why = "row ignored: the directory has no such login";
                imported.lines.push(place(file, person.row, "login", why));
                return Ok(());
            };
            account = found;
        }
        for (name, login) in person.names.iter().zip(&person.logins) {
            let owner = self.directory.find(name).await?;
            if owner.is_some_and(|owner| owner.id != account.id) {
                let why = format!("row ignored: `{login}` is a login of another person");
                imported.lines.push(place(file, person.row, "login", &why));
                return Ok(());
            }
        }
        if let Some(found) = self.directory.account(&account.id).await? {
            let (given, mut lines) = changed_columns(&found, account);
            if !lines.is_empty() {
                self.accounts.update_account(&found, &given).await?;
            }
            let (contacts_changed, others) = self.import_contacts(person, &given).await?;
            let is_changed = contacts_changed || !lines.is_empty();
            *(if is_changed { &mut imported.changed } else { &mut imported.unchanged }) += 1;
            lines.extend(others);
            let lines = lines.into_iter();
            imported.lines.extend(lines.map(|(column, why)| place(file, person.row, column, &why)));
            return Ok(());
        }
        self.write_contacts(person, &account, self.clock.now()).await?;
        // The account is written last: its presence means that the import of the person is complete.
        let password = person.password.as_deref().map(NewPassword::parse).transpose()?;
        self.accounts.put(&account, password.as_ref()).await?;
        imported.added += 1;
        Ok(())
    }

    async fn write_contacts(
        &self,
        person: &Person,
        account: &Account,
        now: Timestamp,
    ) -> Result<Vec<(Kind, ImportAction)>, Failed> {
        let sealed = match &person.totp_secret {
            Some(secret) => {
                let nonce = self.entropy.bytes();
                Some(TotpSeed::from_other_system(secret)?.seal(&self.seeds, account.id.as_str(), nonce)?)
            }
            None => None,
        };
        let (contacts, wait) = (person.registration(), self.waiting_period);
        Ok(self.contacts.import(&account.id, &contacts, sealed.as_deref(), wait, now).await?)
    }

    /// Imports the contacts of an existing person. Returns whether anything changed, and the lines to report by
    /// column.
    async fn import_contacts(&self, person: &Person, account: &Account) -> Result<(bool, Lines), Failed> {
        let now = self.clock.now();
        let before = self.security_info.registration(&account.id, now).await?;
        let (mut is_changed, mut lines, mut messages) = (false, Lines::new(), Vec::new());
        for (kind, action) in self.write_contacts(person, account, now).await? {
            let earlier = before.only(kind);
            let mask = earlier.contacts().into_iter().find_map(|(_, contact)| Some(contact?.masked()));
            let why = match (action, mask) {
                (ImportAction::Keep, _) | (ImportAction::Remove, None) => continue,
                (ImportAction::Decline, _) => {
                    lines.push((
                        column(kind),
                        "ignored: the person enrolled another one, which stays".to_owned(),
                    ));
                    continue;
                }
                (ImportAction::Remove, Some(mask)) => format!("removed: {mask}"),
                (ImportAction::Put { active_from, replaces: true, .. }, Some(mask)) => {
                    let language = account.language.unwrap_or(self.language);
                    let change =
                        AccountChange { event: Event::Added(kind), methods: Vec::new(), at: now, language };
                    let notices_to_send =
                        notices(&Account { email: None, ..account.clone() }, &earlier, &change);
                    messages.extend(notices_to_send.into_iter().map(Message::Notice));
                    format!("changed: active from {active_from}; it replaces {mask}, which is notified")
                }
                (ImportAction::Put { active_from, .. }, _) => format!("added: active from {active_from}"),
            };
            is_changed = true;
            lines.push((column(kind), why));
        }
        let (queue, keys, entropy) = (&*self.queue, &*self.messages, &*self.entropy);
        let outgoing = Outgoing { queue, messages: keys, entropy };
        let holder = HolderId::from_bytes(self.entropy.bytes());
        outgoing.send(holder, &messages, Seconds(0)).await?;
        Ok((is_changed, lines))
    }
}

/// Report lines by column.
type Lines = Vec<(&'static str, String)>;

const fn column(kind: Kind) -> &'static str {
    match kind {
        Kind::Totp => "totp_secret",
        kind => kind.as_str(),
    }
}

/// Returns the account that an existing one becomes, and a line for each column that differs. A person who is locked in
/// the file may be active here: an unlock did that, and it stays.
fn changed_columns(found: &Account, mut given: Account) -> (Account, Lines) {
    if (found.state, given.state) == (AccountState::Active, AccountState::Locked) {
        given.state = AccountState::Active;
    }
    let (before, after) = (state_name(found.state), state_name(given.state));
    let differs = [
        ("login", found.logins != given.logins, "changed".to_owned()),
        ("name", found.name != given.name, "changed".to_owned()),
        ("email", found.email != given.email, "changed".to_owned()),
        ("language", found.language != given.language, "changed".to_owned()),
        ("state", found.state != given.state, format!("changed: {before} becomes {after}")),
    ];
    let lines =
        differs.into_iter().filter(|(_, differs, _)| *differs).map(|(column, _, line)| (column, line));
    (given, lines.collect())
}
