//! The organisation's own directory. Three functions of this crate reach it, each with a service account and a role of
//! its own: `directory-read` checks passwords, `directory-write` changes them, and `directory-sync` copies the people.

pub mod read;
pub mod sync;
pub mod write;

use std::error::Error;

use shared::domain::account_copy::CopyRules;
use shared::domain::language::Language;
use shared::process::{Process, StartError};

/// Returns an error with its causes, for the log. The port's errors quote no password.
fn causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl read::Ports {
    /// Builds the ports from the settings and clients of the process.
    ///
    /// # Errors
    /// [`StartError`] if template.yaml lacks a setting that this function needs, or the directory's document or secret
    /// is invalid.
    pub async fn from_process(process: &Process) -> Result<Self, StartError> {
        Ok(Self {
            live: process.live_directory().await?,
            notes: process.change_notes()?,
            binds: process.bind_leases()?,
            clock: process.clock(),
            timer: process.timer(),
            entropy: process.entropy(),
        })
    }
}

impl write::Ports {
    /// Builds the ports from the settings and clients of the process.
    ///
    /// # Errors
    /// [`StartError`] if template.yaml lacks a setting that this function needs, or the directory's document or secret
    /// is invalid.
    pub async fn from_process(process: &Process) -> Result<Self, StartError> {
        Ok(Self {
            live: process.live_password_directory().await?,
            notes: process.change_notes()?,
            clock: process.clock(),
        })
    }
}

impl sync::Ports {
    /// Builds the ports from the settings and clients of the process.
    ///
    /// # Errors
    /// [`StartError`] if template.yaml lacks a setting that this function needs, or the directory's document or secret
    /// is invalid.
    pub async fn from_process(process: &Process) -> Result<Self, StartError> {
        let (config, people, live) = process.directory_people().await?;
        let settings = process.settings();
        Ok(Self {
            rules: CopyRules {
                contact_kinds: CopyRules::contact_kinds(&config.attributes),
                directory: config.name,
                login_domains: settings.login_domains.clone(),
                home_country: settings.home_country,
            },
            people,
            live,
            copy: process.account_copy()?,
            contacts: process.contact_import()?,
            bulk: process.bulk_contact_import()?,
            security_info: process.security_info()?,
            erasure: process.registration_erasure()?,
            queue: process.queue()?,
            messages: process.keyring("REKEY_SECRET_MESSAGES")?,
            digests: process.keyring("REKEY_SECRET_CONTACTS")?,
            language: settings.languages.first().copied().unwrap_or(Language::English),
            waiting_period: settings.waiting_period,
            kept: settings.forget_after,
            metrics: process.metrics(),
            clock: process.clock(),
            entropy: process.entropy(),
        })
    }
}
