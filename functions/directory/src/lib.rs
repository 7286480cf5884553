//! The organisation's own directory. Three functions of this crate reach it, each with a service account and a role of
//! its own: `directory-read` checks passwords, `directory-write` changes them, and `directory-sync` copies the people.

pub mod read;
pub mod sync;
pub mod write;

use std::error::Error;

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
