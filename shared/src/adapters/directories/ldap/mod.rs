//! The organisation's own directory over LDAP: Active Directory, and `OpenLDAP` with the overlay `ppolicy`.
//!
//! A value opens a connection for each entry that it reads, and uses it for what is done with the entry next, so a
//! function has one connection an invocation: one that slept with the function may be dead.

mod active_directory;
mod connection;
mod found;
mod openldap;
mod pages;
mod people;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use ldap3::{ldap_escape, parse_filter};
use thiserror::Error;

pub use active_directory::ActiveDirectory;
pub use connection::TimeLimits;
pub use openldap::OpenLdap;

use connection::Servers;

use crate::domain::account::AccountId;
use crate::domain::directory_config::{DirectoryConfig, DirectoryConfigError, ServerKind, ServicePassword};
use crate::domain::directory_examination::Examination;
use crate::domain::time::{SKEW, Timestamp};
use crate::ports::{Clock, DirectoryError, DirectoryPeople, LiveDirectory, LivePasswordDirectory};

/// The common name of nobody. It is bound for logins without an account, so no directory may have it.
const NOBODY: &str = "rekey-nobody-8d1f3a52-6f0e-4f4f-9a57-1f1f0c4ce5b1";
/// The id of nobody.
const NOBODY_ID: &str = "00000000-0000-0000-0000-000000000000";

/// The reason why a configuration can't be used.
#[derive(Debug, Error)]
pub enum LdapConfigError {
    /// See [`DirectoryConfigError`].
    #[error(transparent)]
    Config(#[from] DirectoryConfigError),
    /// `ca` has no certificate, or one that can't be read.
    #[error("ca has no certificate in PEM, or one that can't be read")]
    Certificate,
    /// `people_filter` is no filter.
    #[error("people_filter is no filter of RFC 4515")]
    Filter,
}

/// Returns the directory that `directory-read` reaches, with the account `read`.
///
/// # Errors
/// [`LdapConfigError`].
pub fn directory(
    config: &DirectoryConfig,
    password: ServicePassword,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn LiveDirectory>, LdapConfigError> {
    let account = &config.service_accounts.read;
    Ok(match config.kind {
        ServerKind::ActiveDirectory => {
            Arc::new(ActiveDirectory::new(config, account, password, clock, TimeLimits::default())?)
        }
        ServerKind::OpenLdap => {
            Arc::new(OpenLdap::new(config, account, password, clock, TimeLimits::default())?)
        }
    })
}

/// Returns the directory that `directory-write` reaches, with the account `write`.
///
/// # Errors
/// [`LdapConfigError`].
pub fn password_directory(
    config: &DirectoryConfig,
    password: ServicePassword,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn LivePasswordDirectory>, LdapConfigError> {
    let account = &config.service_accounts.write;
    Ok(match config.kind {
        ServerKind::ActiveDirectory => {
            Arc::new(ActiveDirectory::new(config, account, password, clock, TimeLimits::default())?)
        }
        ServerKind::OpenLdap => {
            Arc::new(OpenLdap::new(config, account, password, clock, TimeLimits::default())?)
        }
    })
}

/// The parts of a directory that a sync reads: its people, and its rules for passwords.
pub type SyncedDirectory = (Arc<dyn DirectoryPeople>, Arc<dyn LiveDirectory>);

/// Returns the people that `directory-sync` reads, and the directory for its rules, with the account `sync`.
///
/// # Errors
/// [`LdapConfigError`].
pub fn people(
    config: &DirectoryConfig,
    password: ServicePassword,
    clock: Arc<dyn Clock>,
) -> Result<SyncedDirectory, LdapConfigError> {
    let (account, limits) = (&config.service_accounts.sync, TimeLimits::default());
    Ok(match config.kind {
        ServerKind::ActiveDirectory => {
            let directory = Arc::new(ActiveDirectory::new(config, account, password, clock, limits)?);
            (directory.clone(), directory)
        }
        ServerKind::OpenLdap => {
            let directory = Arc::new(OpenLdap::new(config, account, password, clock, limits)?);
            (directory.clone(), directory)
        }
    })
}

/// The common part of both kinds.
struct Directory {
    config: DirectoryConfig,
    servers: Servers,
    clock: Arc<dyn Clock>,
}

impl Directory {
    fn new(
        config: &DirectoryConfig,
        account: &str,
        password: ServicePassword,
        clock: Arc<dyn Clock>,
        limits: TimeLimits,
    ) -> Result<Self, LdapConfigError> {
        config.check()?;
        if config.people_filter.as_ref().is_some_and(|filter| parse_filter(filter).is_err()) {
            return Err(LdapConfigError::Filter);
        }
        let servers = Servers::new(config, account, password, limits)?;
        Ok(Self { config: config.clone(), servers, clock })
    }

    /// Tries each server, and returns an examination without people.
    async fn examine_servers(&self) -> Examination {
        let mut examination = Examination::new(self.config.kind, self.servers.account().to_owned());
        examination.servers = self.servers.examine().await;
        examination
    }

    /// Returns the base of the configuration that a name is below.
    fn base_of(&self, dn: &str) -> Option<String> {
        let plain = |name: &str| name.to_lowercase().replace(", ", ",");
        let dn = plain(dn);
        let is_above = |base: &&String| dn.ends_with(&format!(",{}", plain(base)));
        self.config.bases.iter().find(is_above).cloned()
    }

    /// Returns whether a name is neither a base nor below one.
    fn is_outside(&self, dn: &str) -> bool {
        let plain = |name: &str| name.to_lowercase().replace(", ", ",");
        self.base_of(dn).is_none() && !self.config.bases.iter().any(|base| plain(base) == plain(dn))
    }

    /// Returns the directory's own part of an account's id, and the one of nobody for the id of another directory.
    fn own_id<'a>(&self, id: &'a AccountId) -> &'a str {
        let own = id.as_str().strip_prefix(self.config.name.as_str()).and_then(|rest| rest.strip_prefix(':'));
        own.filter(|own| found::guid_octets(own).is_some()).unwrap_or(NOBODY_ID)
    }

    fn account_id(&self, own: &str) -> Result<AccountId, DirectoryError> {
        AccountId::from_directory(format!("{}:{own}", self.config.name))
            .map_err(|error| DirectoryError(Box::new(error)))
    }

    /// Returns a filter for people, which all of `conditions` restrict.
    fn people_filter(&self, conditions: &str) -> String {
        let of_kind = match self.config.kind {
            ServerKind::ActiveDirectory => "(objectCategory=person)(objectClass=user)",
            ServerKind::OpenLdap => "(objectClass=person)",
        };
        format!("(&{of_kind}{}{conditions})", self.config.people_filter.as_deref().unwrap_or_default())
    }

    /// Returns the name that no entry has.
    fn nobody(&self) -> String {
        format!("CN={NOBODY},{}", self.config.bases.first().map_or("", String::as_str))
    }
}

/// Returns a condition for each of these values, escaped (RFC 4515 §3), for an "or".
fn conditions(attribute: &str, values: &[String]) -> String {
    let mut text = String::new();
    for value in values {
        let _ = write!(text, "({attribute}={})", ldap_escape(value.as_str()));
    }
    text
}

/// Returns whether a failure counts towards a lock. The clocks of function and server may differ, so it counts for a
/// while longer, and one in the future always does.
fn counts_towards_lock(failed_at: Timestamp, window_seconds: i64, now: Timestamp) -> bool {
    let end = failed_at.as_seconds().saturating_add(window_seconds).saturating_add(i64::from(SKEW.0));
    now.as_seconds() < end
}

/// A connection that waits for what is done next with the entry that was read by it.
struct Kept<T>(Mutex<Option<T>>);

impl<T> Kept<T> {
    const fn new() -> Self {
        Self(Mutex::new(None))
    }

    fn keep(&self, connection: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
    }

    fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
