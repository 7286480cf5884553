//! A double of the organisation's own directory, whose answers a test chooses. It counts wrong passwords and locks as
//! directories do.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use shared::domain::account::{AccountId, AccountState};
use shared::domain::directory::{BindResult, Entry, EntryStanding, EntryVersion, PublishedPolicy};
use shared::domain::directory_config::ServerKind;
use shared::domain::directory_examination::Examination;
use shared::domain::password::{NewPassword, Violation};
use shared::ports::{ChangeError, DirectoryError, LiveDirectory, LivePasswordDirectory, Principal};

use crate::fixtures::{self, Person};

/// The wrong passwords that lock an entry.
pub const THRESHOLD: u32 = 5;

/// What the directory does with a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// It answers.
    #[default]
    Well,
    /// No connection can be made.
    Down,
    /// Every call takes this long.
    Slow(Duration),
    /// It rejects every new password.
    Rejects(Violation),
    /// It refuses every change.
    Refuses,
    /// It makes a change, and the connection ends before its answer.
    DropsAfterWrite,
    /// The connection ends before a change is made.
    DropsBeforeWrite,
}

/// One person's entry.
#[derive(Clone, Debug)]
pub struct DoubleEntry {
    /// The password now.
    pub password: String,
    /// How often the password was set.
    pub password_version: u64,
    /// How often the entry was locked or unlocked.
    pub lock_version: u64,
    /// Wrong passwords in a row.
    pub wrong: u32,
    /// Whether the entry is locked.
    pub is_locked: bool,
    /// Whether the password must be changed at the next sign-in.
    pub must_change: bool,
    /// Whether it may be changed.
    pub standing: EntryStanding,
}

/// The directory.
#[derive(Default)]
pub struct LiveDouble {
    entries: Mutex<BTreeMap<AccountId, DoubleEntry>>,
    mood: Mutex<Mood>,
    calls: Mutex<Vec<&'static str>>,
}

impl LiveDouble {
    /// Returns a directory with the people of every world.
    pub fn of_fixtures() -> Self {
        let double = Self::default();
        for person in fixtures::ALL {
            double.put(person);
        }
        double
    }

    /// Adds a person with the initial password.
    pub fn put(&self, person: &Person) {
        let entry = DoubleEntry {
            password: Person::PASSWORD.to_owned(),
            password_version: 1,
            lock_version: 0,
            wrong: 0,
            is_locked: person.state == AccountState::Locked,
            must_change: false,
            standing: match person.state {
                AccountState::Active | AccountState::Locked => EntryStanding::Eligible,
                AccountState::Disabled => EntryStanding::Disabled,
                AccountState::Excluded => EntryStanding::Privileged,
            },
        };
        self.entries.lock().unwrap().insert(person.account().id, entry);
    }

    /// Sets what the directory does from now on.
    pub fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Changes an entry, as somebody else does.
    pub fn change(&self, person: &Person, change: impl FnOnce(&mut DoubleEntry)) {
        change(self.entries.lock().unwrap().get_mut(&person.account().id).unwrap());
    }

    /// Returns an entry.
    pub fn entry_of(&self, person: &Person) -> DoubleEntry {
        self.entries.lock().unwrap()[&person.account().id].clone()
    }

    /// Returns the calls since the last look.
    pub fn take_calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    async fn call(&self, name: &'static str) -> Result<Mood, DirectoryError> {
        self.calls.lock().unwrap().push(name);
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Down => return Err(DirectoryError("no connection".into())),
            Mood::Slow(wait) => tokio::time::sleep(wait).await,
            // Other requests run meanwhile.
            _ => tokio::task::yield_now().await,
        }
        Ok(mood)
    }

    async fn write(
        &self,
        name: &'static str,
        entry: &Entry,
        change: impl FnOnce(&mut DoubleEntry) + Send,
    ) -> Result<(), ChangeError> {
        let mood = self.call(name).await.map_err(|error| ChangeError::NotApplied(Box::new(error)))?;
        match mood {
            Mood::Rejects(violation) => return Err(ChangeError::Rejected(vec![violation])),
            Mood::Refuses => return Err(ChangeError::NotPermitted),
            Mood::DropsBeforeWrite => return Err(ChangeError::Unknown("the connection ended".into())),
            _ => {}
        }
        change(self.entries.lock().unwrap().get_mut(&entry.id).ok_or(ChangeError::NotPermitted)?);
        if mood == Mood::DropsAfterWrite {
            return Err(ChangeError::Unknown("the connection ended".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl LiveDirectory for LiveDouble {
    async fn entry(&self, id: &AccountId) -> Result<Option<Entry>, DirectoryError> {
        self.call("entry").await?;
        Ok(self.entries.lock().unwrap().get(id).map(|entry| Entry {
            id: id.clone(),
            standing: entry.standing,
            is_locked: entry.is_locked,
            must_change: entry.must_change,
            password_version: EntryVersion(entry.password_version.to_string()),
            lock_version: EntryVersion(entry.lock_version.to_string()),
            attempts_left: Some(THRESHOLD - entry.wrong),
        }))
    }

    async fn bind(&self, principal: Principal<'_>, password: &str) -> Result<BindResult, DirectoryError> {
        let Principal::Entry(entry) = principal else {
            self.call("bind nobody").await?;
            return Ok(BindResult::Refused);
        };
        self.call("bind entry").await?;
        let mut entries = self.entries.lock().unwrap();
        let entry = entries.get_mut(&entry.id).unwrap();
        if entry.is_locked || entry.standing != EntryStanding::Eligible {
            return Ok(BindResult::Refused);
        }
        if entry.password == password {
            entry.wrong = 0;
            return Ok(if entry.must_change { BindResult::MustChange } else { BindResult::Accepted });
        }
        entry.wrong += 1;
        if entry.wrong >= THRESHOLD {
            entry.is_locked = true;
            entry.lock_version += 1;
        }
        Ok(BindResult::Refused)
    }

    async fn examine(&self, _: &[String]) -> Examination {
        Examination::new(ServerKind::ActiveDirectory, "svc-read".to_owned())
    }

    async fn policy(&self) -> Result<PublishedPolicy, DirectoryError> {
        self.call("policy").await?;
        Ok(PublishedPolicy { lockout_threshold: Some(THRESHOLD), ..PublishedPolicy::default() })
    }
}

#[async_trait]
impl LivePasswordDirectory for LiveDouble {
    async fn set_password(&self, entry: &Entry, password: &NewPassword) -> Result<(), ChangeError> {
        let password = password.expose().to_owned();
        let set = |entry: &mut DoubleEntry| {
            entry.password = password;
            entry.password_version += 1;
            entry.lock_version += u64::from(entry.is_locked);
            (entry.is_locked, entry.wrong) = (false, 0);
        };
        self.write("set", entry, set).await
    }

    async fn unlock(&self, entry: &Entry) -> Result<(), ChangeError> {
        let unlock = |entry: &mut DoubleEntry| {
            entry.lock_version += u64::from(entry.is_locked);
            (entry.is_locked, entry.wrong) = (false, 0);
        };
        self.write("unlock", entry, unlock).await
    }
}
