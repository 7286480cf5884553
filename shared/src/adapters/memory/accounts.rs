//! The built-in directory's accounts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use async_trait::async_trait;

use super::Memory;
use super::contact::StoredContact;
use crate::domain::account::{Account, AccountId, AccountState, Contact};
use crate::domain::contact::EmailAddress;
use crate::domain::directory::PublishedPolicy;
use crate::domain::holder::HolderId;
use crate::domain::keys::Tag;
use crate::domain::language::Language;
use crate::domain::name::CanonicalName;
use crate::domain::password::{NewPassword, Violation};
use crate::domain::password_expiry::ExpiryWarning;
use crate::domain::security_info::Kind;
use crate::domain::slow_hash;
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::{
    AccountImport, AccountPage, AccountScan, Capabilities, ChangeError, ChangeInspector, ChangeOutcome,
    Directory, DirectoryError, DirectoryWrite, Entropy, EntropyExt as _, OrganisationSignIn, PasswordChange,
    PasswordDirectory, SignInDirectory, SignInResult,
};

/// The failed sign-ins that lock an account, each within [`LOCKOUT`] of the one before.
const FAILURES_MAX: u32 = 5;
/// The duration of a lockout, as in DynamoDB.
const LOCKOUT: Seconds = Seconds(15 * 60);

/// A slow hash of a password, as its PHC string.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StoredPassword(String);

impl StoredPassword {
    /// Returns whether it is the hash of `password`.
    pub fn verifies(&self, password: &str) -> bool {
        PasswordHash::new(&self.0)
            .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    }
}

impl fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredPassword(..)")
    }
}

/// A stored account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredAccount {
    /// The directory's name, for the password policy.
    pub name: String,
    /// In canonical form.
    pub logins: Vec<String>,
    /// The organisation's own mailbox of the person.
    pub email: Option<StoredContact>,
    /// The language for messages, if it is known.
    pub language: Option<Language>,
    /// The state that the organisation set; failed sign-ins don't change it.
    pub state: AccountState,
    /// The directory's own rules for the password.
    pub password_policy: Option<PublishedPolicy>,
    /// The current password's hash; an account may have none.
    pub password: Option<StoredPassword>,
    /// The previous hashes, the latest first.
    pub previous: Vec<StoredPassword>,
    /// Failed sign-ins in a row, each within the lockout's duration of the one before.
    pub failures: u32,
    /// The time of the last failure; the lockout ends relative to it.
    pub failed_at: Timestamp,
    /// The number of the last change; an earlier one is rejected.
    pub number: u64,
}

impl StoredAccount {
    pub(super) fn read(&self, id: &AccountId) -> Account {
        Account {
            id: id.clone(),
            name: self.name.clone(),
            logins: self.logins.clone(),
            email: self.email.as_ref().map(|email| EmailAddress::from_stored(email.expose())),
            language: self.language,
            state: self.state,
            password_policy: self.password_policy,
        }
    }

    /// Counts a sign-in as failed; `false` when the password may not be compared.
    fn count_attempt(&mut self, now: Timestamp) -> bool {
        let is_new = !self.failed_at.is_within(LOCKOUT, now);
        let counts = matches!(self.state, AccountState::Active | AccountState::Excluded);
        let may_try = counts && (is_new || self.failures < FAILURES_MAX);
        if may_try {
            self.failures = if is_new { 1 } else { self.failures + 1 };
            self.failed_at = now;
        }
        may_try
    }

    /// Returns whether failed sign-ins of other applications lock the account now.
    fn is_locked_out(&self, now: Timestamp) -> bool {
        self.failed_at.is_within(LOCKOUT, now) && self.failures >= FAILURES_MAX
    }

    fn latest_passwords(&self, count: u8) -> Vec<StoredPassword> {
        self.password.iter().chain(&self.previous).take(usize::from(count)).cloned().collect()
    }
}

/// What a sync noted about an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StoredMarks {
    /// The group of people that the help desk's rights go by.
    pub group: Option<String>,
    /// When the password expires.
    pub password_expires_at: Option<Timestamp>,
    /// The tag of what was written last.
    pub digest: Option<Tag>,
    /// The tag of the contacts, and their kinds.
    pub contacts: Option<(Tag, BTreeSet<Kind>)>,
    /// Since when the directory no longer has the person.
    pub departed_at: Option<Timestamp>,
    /// The latest warning before the password expires. A sync leaves it.
    pub expiry_warning: Option<ExpiryWarning>,
}

/// The syncs of directories.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StoredSync {
    /// The run that may write, and until when.
    pub lease: Option<(HolderId, Timestamp)>,
    /// State and policy of each directory, as JSON.
    pub states: BTreeMap<String, (String, String)>,
}

/// All accounts, and the owners of logins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Accounts {
    /// The account of each canonical login.
    pub logins: BTreeMap<String, AccountId>,
    /// Stored accounts by id.
    pub accounts: BTreeMap<AccountId, StoredAccount>,
    /// The accounts of each login that two or more have; such a login has no owner.
    pub claims: BTreeMap<String, BTreeSet<AccountId>>,
    /// What a sync noted about accounts.
    pub marks: BTreeMap<AccountId, StoredMarks>,
    /// The syncs of directories.
    pub sync: StoredSync,
}

impl Accounts {
    fn named(&self, name: &CanonicalName) -> Option<(&AccountId, &StoredAccount)> {
        self.accounts.get_key_value(self.logins.get(name.as_str())?)
    }
}

/// The built-in directory over in-memory tables.
#[derive(Clone)]
pub struct MemoryDirectory {
    memory: Arc<Memory>,
    entropy: Arc<dyn Entropy>,
    hasher: Hasher,
    history: u8,
}

/// Makes the function that hashes passwords: [`slow_hash::hasher`], or a cheap one for model checking.
pub type Hasher = fn() -> Result<Argon2<'static>, argon2::Error>;

impl MemoryDirectory {
    /// Returns the directory in `memory`. `entropy` yields salts. The current password and `history` previous
    /// ones are rejected as new passwords.
    pub fn new(memory: Arc<Memory>, entropy: Arc<dyn Entropy>, history: u8) -> Self {
        Self { memory, entropy, hasher: slow_hash::hasher, history }
    }

    /// Returns the directory with another hash for passwords.
    #[must_use]
    pub fn with_hasher(self, hasher: Hasher) -> Self {
        Self { hasher, ..self }
    }

    fn hash(&self, password: &str) -> Result<StoredPassword, DirectoryError> {
        let salt: [u8; 16] = self.entropy.bytes();
        let hasher = (self.hasher)().map_err(failed)?;
        let hash = hasher.hash_password_with_salt(password.as_bytes(), &salt).map_err(failed)?;
        Ok(StoredPassword(hash.to_string()))
    }

    /// Returns whether a password is the stored one. It computes one hash even if none is stored.
    fn is_right(&self, stored: Option<&StoredPassword>, password: &str) -> Result<bool, DirectoryError> {
        match stored {
            Some(stored) => Ok(stored.verifies(password)),
            None => self.hash(password).map(|_| false),
        }
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> DirectoryError {
    DirectoryError(Box::new(error))
}

#[async_trait]
impl Directory for MemoryDirectory {
    fn capabilities(&self) -> Capabilities {
        Capabilities { unlock: true, sign_in: true, history: self.history > 0 }
    }

    async fn find(&self, name: &CanonicalName) -> Result<Option<Account>, DirectoryError> {
        let read = |(id, found): (&AccountId, &StoredAccount)| found.read(id);
        Ok(self.memory.with(|tables| tables.accounts.named(name).map(read)))
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, DirectoryError> {
        Ok(self.memory.with(|tables| tables.accounts.accounts.get(id).map(|found| found.read(id))))
    }
}

#[async_trait]
impl AccountScan for MemoryDirectory {
    async fn page(&self, _after: Option<&str>) -> Result<AccountPage, DirectoryError> {
        let read = |(id, found): (&AccountId, &StoredAccount)| found.read(id);
        let accounts = self.memory.with(|tables| tables.accounts.accounts.iter().map(read).collect());
        Ok(AccountPage { accounts, next: None })
    }
}

#[async_trait]
impl AccountImport for MemoryDirectory {
    async fn put(&self, account: &Account, password: Option<&NewPassword>) -> Result<(), DirectoryError> {
        let password = password.map(|password| self.hash(password.expose())).transpose()?;
        let stored = StoredAccount {
            name: account.name.clone(),
            logins: account.logins.clone(),
            email: account.email.as_ref().map(|email| StoredContact::from_contact(&Contact::Email(email))),
            language: account.language,
            state: account.state,
            password_policy: account.password_policy,
            password,
            previous: Vec::new(),
            failures: 0,
            failed_at: Timestamp::from_seconds(0),
            number: 0,
        };
        self.memory.with(|tables| {
            let owned = account.logins.iter().map(|login| (login.clone(), account.id.clone()));
            tables.accounts.logins.extend(owned);
            tables.accounts.accounts.insert(account.id.clone(), stored);
        });
        Ok(())
    }

    async fn update_account(&self, found: &Account, account: &Account) -> Result<(), DirectoryError> {
        let email = account.email.as_ref().map(|email| StoredContact::from_contact(&Contact::Email(email)));
        self.memory.with(|tables| {
            let Some(stored) = tables.accounts.accounts.get_mut(&account.id) else { return };
            stored.name.clone_from(&account.name);
            stored.logins.clone_from(&account.logins);
            stored.email = email;
            stored.language = account.language;
            stored.state = account.state;
            for login in found.logins.iter().filter(|login| !account.logins.contains(login)) {
                tables.accounts.logins.remove(login);
            }
            let owned = account.logins.iter().map(|login| (login.clone(), account.id.clone()));
            tables.accounts.logins.extend(owned);
        });
        Ok(())
    }
}

#[async_trait]
impl SignInDirectory for MemoryDirectory {
    async fn check_password(
        &self,
        account: &AccountId,
        password: &str,
        now: Timestamp,
    ) -> Result<SignInResult, DirectoryError> {
        let found = self.memory.with(|tables| tables.accounts.accounts.get(account).cloned());
        let is_right = self.is_right(found.as_ref().and_then(|found| found.password.as_ref()), password)?;
        let Some(found) = found else { return Ok(SignInResult::Wrong) };
        Ok(match found.state {
            AccountState::Disabled => SignInResult::Disabled,
            AccountState::Locked => SignInResult::Locked,
            AccountState::Active | AccountState::Excluded if found.is_locked_out(now) => SignInResult::Locked,
            AccountState::Active | AccountState::Excluded if is_right => {
                SignInResult::Accepted(found.read(account))
            }
            AccountState::Active | AccountState::Excluded => SignInResult::Wrong,
        })
    }
}

#[async_trait]
impl OrganisationSignIn for MemoryDirectory {
    async fn sign_in(
        &self,
        name: &CanonicalName,
        password: &str,
        now: Timestamp,
    ) -> Result<SignInResult, DirectoryError> {
        let attempted = self.memory.with(|tables| {
            let id = tables.accounts.logins.get(name.as_str())?.clone();
            let found = tables.accounts.accounts.get_mut(&id)?;
            let may_try = found.count_attempt(now);
            Some((id, found.clone(), may_try))
        });
        // Outside the lock, since a hash takes long.
        let Some((id, found, may_try)) = attempted else {
            self.is_right(None, password)?;
            return Ok(SignInResult::Wrong);
        };
        let is_right = self.is_right(found.password.as_ref(), password)?;
        Ok(match found.state {
            _ if may_try && is_right => {
                self.memory.with(|tables| {
                    if let Some(found) = tables.accounts.accounts.get_mut(&id) {
                        found.failures = 0;
                    }
                });
                SignInResult::Accepted(found.read(&id))
            }
            _ if may_try && found.failures < FAILURES_MAX => SignInResult::Wrong,
            AccountState::Disabled => SignInResult::Disabled,
            _ => SignInResult::Locked,
        })
    }
}

#[async_trait]
impl ChangeInspector for MemoryDirectory {
    async fn outcome(&self, change: &PasswordChange) -> Result<ChangeOutcome, DirectoryError> {
        let is_made = self.memory.with(|tables| {
            let found = tables.accounts.accounts.get(&change.account);
            found.is_some_and(|found| found.number >= change.number)
        });
        Ok(if is_made { ChangeOutcome::Applied } else { ChangeOutcome::NotApplied })
    }
}

#[async_trait]
impl PasswordDirectory for MemoryDirectory {
    async fn precheck(
        &self,
        account: &AccountId,
        password: &NewPassword,
    ) -> Result<Vec<Violation>, DirectoryError> {
        let earlier = self.memory.with(|tables| {
            let found = tables.accounts.accounts.get(account);
            found.map(|found| found.latest_passwords(self.history)).unwrap_or_default()
        });
        let is_reused = earlier.iter().any(|stored| stored.verifies(password.expose()));
        Ok(is_reused.then_some(Violation::Previous).into_iter().collect())
    }

    async fn apply(
        &self,
        change: &PasswordChange,
        write: DirectoryWrite<'_>,
        now: Timestamp,
    ) -> Result<(), ChangeError> {
        if now >= change.deadline {
            return Err(ChangeError::NotApplied("the deadline has passed".into()));
        }
        let password = match write {
            DirectoryWrite::Password(password) => {
                let hash = self.hash(password.expose());
                Some(hash.map_err(|error| ChangeError::NotApplied(Box::new(error)))?)
            }
            DirectoryWrite::Unlock => None,
        };
        self.memory.with(|tables| {
            let found = tables.accounts.accounts.get_mut(&change.account);
            let found = found.ok_or(ChangeError::NotPermitted)?;
            match found.number.cmp(&change.number) {
                std::cmp::Ordering::Equal => return Ok(()),
                std::cmp::Ordering::Greater => return Err(ChangeError::Superseded),
                std::cmp::Ordering::Less if !found.state.may_reset() => {
                    return Err(ChangeError::NotPermitted);
                }
                std::cmp::Ordering::Less => {}
            }
            (found.number, found.state, found.failures) = (change.number, AccountState::Active, 0);
            if let Some(password) = password {
                // The new password counts as one of those that are kept.
                found.previous = found.latest_passwords(self.history.saturating_sub(1));
                found.password = Some(password);
            }
            Ok(())
        })
    }
}
