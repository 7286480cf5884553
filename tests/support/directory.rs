//! A directory whose people a test lists, and the sync of it into the stores of a test.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use directory::sync::{Failed, Ports, Request, handle};
use shared::adapters::memory::Memory;
use shared::domain::account::{AccountId, AccountState};
use shared::domain::account_copy::{CopiedAccount, CopyRules, LoginClaims};
use shared::domain::contact::Country;
use shared::domain::directory::{
    BindResult, DirectoryContacts, DirectoryPerson, Entry, PublishedPolicy, SyncCursor,
};
use shared::domain::directory_config::ServerKind;
use shared::domain::directory_examination::Examination;
use shared::domain::holder::HolderId;
use shared::domain::keys::Keyring;
use shared::domain::language::Language;
use shared::domain::security_info::Kind;
use shared::domain::sync::{SyncState, SyncSummary};
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{
    AccountCopy, BulkContactImport, ContactImport, CopyPage, CopyWrite, DirectoryError, DirectoryPeople,
    LiveDirectory, Metric, Metrics, PeopleSink, Principal, RegistrationErasure, SecurityInfoStore, SyncError,
};

use crate::test_doubles::{TestClock, TestEntropy};

/// What goes wrong while people are read.
#[derive(Clone, Copy, Debug)]
pub enum ReadFault {
    /// The server cuts the results off after a page.
    SizeLimit,
    /// The connection ends after a page.
    Unavailable,
}

/// A directory as a test lists it. It numbers its changes, as servers do.
pub struct ListedDirectory(Mutex<Listed>);

struct Listed {
    people: BTreeMap<AccountId, (DirectoryPerson, u64)>,
    server: String,
    changes: u64,
    page: usize,
    fault: Option<ReadFault>,
    policy: PublishedPolicy,
}

impl Default for ListedDirectory {
    fn default() -> Self {
        Self(Mutex::new(Listed {
            people: BTreeMap::new(),
            server: "dc1".to_owned(),
            changes: 0,
            page: 1_000,
            fault: None,
            policy: PublishedPolicy { min_length: Some(14), complexity: true, ..PublishedPolicy::default() },
        }))
    }
}

impl ListedDirectory {
    /// Adds a person, or changes one.
    pub fn put(&self, person: DirectoryPerson) {
        let mut listed = self.0.lock().unwrap();
        listed.changes += 1;
        let change = listed.changes;
        listed.people.insert(person.id.clone(), (person, change));
    }

    /// Changes a person who is there.
    pub fn edit(&self, number: u32, edit: impl FnOnce(&mut DirectoryPerson)) {
        let mut person = self.0.lock().unwrap().people[&person_id(number)].0.clone();
        edit(&mut person);
        self.put(person);
    }

    /// Deletes a person, which no delta tells.
    pub fn remove(&self, number: u32) {
        self.0.lock().unwrap().people.remove(&person_id(number));
    }

    /// Moves to another server, which numbers its changes anew.
    pub fn move_to(&self, server: &str) {
        server.clone_into(&mut self.0.lock().unwrap().server);
    }

    /// Sets the number of people in a page.
    pub fn set_page(&self, page: usize) {
        self.0.lock().unwrap().page = page;
    }

    /// Sets what goes wrong from now on.
    pub fn set_fault(&self, fault: Option<ReadFault>) {
        self.0.lock().unwrap().fault = fault;
    }
}

#[async_trait]
impl DirectoryPeople for ListedDirectory {
    async fn people(
        &self,
        cursor: Option<&SyncCursor>,
        pages: &dyn PeopleSink,
    ) -> Result<SyncCursor, SyncError> {
        let (found, page, fault, next) = {
            let listed = self.0.lock().unwrap();
            if cursor.is_some_and(|cursor| cursor.server != listed.server) {
                return Err(SyncError::CursorUnknown);
            }
            let after = cursor.map_or(0, |cursor| cursor.position.parse().unwrap());
            let changed = listed.people.values().filter(|(_, change)| *change > after);
            let found: Vec<DirectoryPerson> = changed.map(|(person, _)| person.clone()).collect();
            let next = SyncCursor { server: listed.server.clone(), position: listed.changes.to_string() };
            (found, listed.page, listed.fault, next)
        };
        for people in found.chunks(page) {
            pages.page(people.to_vec()).await?;
            match fault {
                Some(ReadFault::SizeLimit) => return Err(SyncError::SizeLimit(people.len())),
                Some(ReadFault::Unavailable) => {
                    return Err(DirectoryError("the connection ended".into()).into());
                }
                None => {}
            }
        }
        Ok(next)
    }
}

#[async_trait]
impl LiveDirectory for ListedDirectory {
    async fn entry(&self, _: &AccountId) -> Result<Option<Entry>, DirectoryError> {
        Err(DirectoryError("a sync reads no single entry".into()))
    }

    async fn bind(&self, _: Principal<'_>, _: &str) -> Result<BindResult, DirectoryError> {
        Err(DirectoryError("a sync checks no password".into()))
    }

    async fn examine(&self, _: &[String]) -> Examination {
        Examination::new(ServerKind::ActiveDirectory, "svc-sync".to_owned())
    }

    async fn policy(&self) -> Result<PublishedPolicy, DirectoryError> {
        Ok(self.0.lock().unwrap().policy)
    }
}

/// Returns the id of the person with this number.
pub fn person_id(number: u32) -> AccountId {
    AccountId::from_directory(format!("ad:{number:08}")).unwrap()
}

/// Returns a person of the directory `ad`, with one login and no contact.
pub fn person(number: u32, login: &str) -> DirectoryPerson {
    DirectoryPerson {
        id: person_id(number),
        name: format!("Person {number}"),
        logins: vec![login.to_owned()],
        email: Some(format!("{login}@student.contoh.example")),
        language: Some(Language::Malay),
        group: Some("students".to_owned()),
        state: AccountState::Active,
        password_expires_at: None,
        password_policy: None,
        contacts: DirectoryContacts::default(),
    }
}

/// Counts the writes of a copy, and fails from a given one on.
pub struct CopyDouble {
    copy: Arc<dyn AccountCopy>,
    accounts: AtomicUsize,
    logins: AtomicUsize,
    calls_left: AtomicUsize,
}

impl CopyDouble {
    fn new(copy: Arc<dyn AccountCopy>) -> Self {
        let zero = || AtomicUsize::new(0);
        Self { copy, accounts: zero(), logins: zero(), calls_left: AtomicUsize::new(usize::MAX) }
    }

    /// Returns how many accounts and logins were written since the last call.
    pub fn take_writes(&self) -> (usize, usize) {
        (self.accounts.swap(0, Ordering::SeqCst), self.logins.swap(0, Ordering::SeqCst))
    }

    /// Lets this many writing calls succeed, and none after them.
    pub fn fail_after(&self, calls: usize) {
        self.calls_left.store(calls, Ordering::SeqCst);
    }

    /// Lets every call succeed again. Returns whether one failed.
    pub fn recover(&self) -> bool {
        self.calls_left.swap(usize::MAX, Ordering::SeqCst) == 0
    }

    fn spend(&self) -> Result<(), DirectoryError> {
        let spent = self.calls_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| match left {
            0 => None,
            usize::MAX => Some(usize::MAX),
            left => Some(left - 1),
        });
        spent.map(drop).map_err(|_| DirectoryError("the table is unavailable".into()))
    }
}

#[async_trait]
impl AccountCopy for CopyDouble {
    async fn acquire(&self, run: HolderId, until: Timestamp, now: Timestamp) -> Result<bool, DirectoryError> {
        self.copy.acquire(run, until, now).await
    }

    async fn release(&self, run: HolderId) -> Result<(), DirectoryError> {
        self.spend()?;
        self.copy.release(run).await
    }

    async fn state(&self, directory: &str) -> Result<SyncState, DirectoryError> {
        self.copy.state(directory).await
    }

    async fn put_state(
        &self,
        directory: &str,
        state: &SyncState,
        policy: &PublishedPolicy,
    ) -> Result<(), DirectoryError> {
        self.spend()?;
        self.copy.put_state(directory, state, policy).await
    }

    async fn accounts(&self, ids: &[AccountId]) -> Result<Vec<CopiedAccount>, DirectoryError> {
        self.copy.accounts(ids).await
    }

    async fn logins(&self, logins: &[String]) -> Result<Vec<LoginClaims>, DirectoryError> {
        self.copy.logins(logins).await
    }

    /// Writes half of the logins before it fails, as a table may.
    async fn put_logins(&self, logins: &[LoginClaims]) -> Result<(), DirectoryError> {
        if let Err(error) = self.spend() {
            self.copy.put_logins(&logins[..logins.len() / 2]).await?;
            return Err(error);
        }
        self.logins.fetch_add(logins.len(), Ordering::SeqCst);
        self.copy.put_logins(logins).await
    }

    async fn put_accounts(&self, writes: &[CopyWrite]) -> Result<(), DirectoryError> {
        if let Err(error) = self.spend() {
            self.copy.put_accounts(&writes[..writes.len() / 2]).await?;
            return Err(error);
        }
        self.accounts.fetch_add(writes.len(), Ordering::SeqCst);
        self.copy.put_accounts(writes).await
    }

    async fn remove_account(&self, id: &AccountId) -> Result<(), DirectoryError> {
        self.spend()?;
        self.copy.remove_account(id).await
    }

    async fn page(&self, after: Option<&str>) -> Result<CopyPage, DirectoryError> {
        self.copy.page(after).await
    }
}

/// Counts metrics.
#[derive(Debug, Default)]
pub struct CountedMetrics(Mutex<Vec<Metric>>);

impl CountedMetrics {
    /// Returns the metrics since the last call.
    pub fn take(&self) -> Vec<Metric> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Metrics for CountedMetrics {
    fn count(&self, metric: Metric, _: Timestamp) {
        self.0.lock().unwrap().push(metric);
    }
}

/// The stores that a sync writes.
pub struct SyncStores {
    /// The copy.
    pub copy: Arc<dyn AccountCopy>,
    /// Writes contacts.
    pub contacts: Arc<dyn ContactImport>,
    /// Writes those of many people.
    pub bulk: Arc<dyn BulkContactImport>,
    /// Reads contacts.
    pub security_info: Arc<dyn SecurityInfoStore>,
    /// Erases registrations.
    pub erasure: Arc<dyn RegistrationErasure>,
}

/// The waiting period of contacts.
pub const WAIT: Seconds = Seconds(72 * 3_600);
/// How long registrations of people who left are kept.
pub const KEPT: Seconds = Seconds(90 * 86_400);

/// A sync of a listed directory into the stores of a test.
pub struct Syncing {
    /// The ports. A test may change the rules.
    pub ports: Ports,
    /// The directory.
    pub directory: Arc<ListedDirectory>,
    /// The copy, counted.
    pub copy: Arc<CopyDouble>,
    /// The clock.
    pub clock: Arc<TestClock>,
    /// The metrics, counted.
    pub metrics: Arc<CountedMetrics>,
    /// The queue of notifications.
    pub queue: Arc<Memory>,
}

impl Syncing {
    /// Returns the sync of an empty directory. `kinds` are the contacts that its configuration names.
    pub fn new(stores: SyncStores, kinds: &[Kind]) -> Self {
        let secret = r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#;
        let keys = Arc::new(Keyring::from_secret(secret).unwrap());
        let directory = Arc::new(ListedDirectory::default());
        let copy = Arc::new(CopyDouble::new(stores.copy));
        let (clock, metrics) = (Arc::new(TestClock::default()), Arc::new(CountedMetrics::default()));
        let queue = Arc::new(Memory::default());
        let ports = Ports {
            rules: CopyRules {
                directory: "ad".to_owned(),
                login_domains: vec!["student.contoh.example".to_owned()],
                home_country: Country::MALAYSIA,
                contact_kinds: kinds.iter().copied().collect(),
            },
            people: directory.clone(),
            live: directory.clone(),
            copy: copy.clone(),
            contacts: stores.contacts,
            bulk: stores.bulk,
            security_info: stores.security_info,
            erasure: stores.erasure,
            queue: queue.clone(),
            messages: keys.clone(),
            digests: keys,
            language: Language::English,
            waiting_period: WAIT,
            kept: KEPT,
            metrics: metrics.clone(),
            clock: clock.clone(),
            entropy: Arc::new(TestEntropy::default()),
        };
        Self { ports, directory, copy, clock, metrics, queue }
    }

    /// Returns the sync of an empty directory into one memory.
    pub fn in_memory(memory: &Arc<Memory>, kinds: &[Kind]) -> Self {
        let stores = SyncStores {
            copy: memory.clone(),
            contacts: memory.clone(),
            bulk: memory.clone(),
            security_info: memory.clone(),
            erasure: memory.clone(),
        };
        Self::new(stores, kinds)
    }

    /// Runs the sync with this payload.
    ///
    /// # Errors
    /// As the sync does.
    pub async fn run(&self, request: Request) -> Result<SyncSummary, Failed> {
        handle(&self.ports, request).await
    }

    /// Runs what is due.
    pub async fn delta(&self) -> SyncSummary {
        self.run(Request::default()).await.unwrap()
    }

    /// Runs a full sync.
    pub async fn full(&self) -> SyncSummary {
        self.run(Request { full: true, ..Request::default() }).await.unwrap()
    }

    /// Returns the number of notifications since the last call.
    pub fn take_notices(&self) -> usize {
        self.queue.with(|tables| std::mem::take(&mut tables.queue.0).len())
    }
}
