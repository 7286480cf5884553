//! Scheduled work, one file for each task. `EventBridge` may deliver an event twice, so every task is idempotent. A
//! failed task fails the invocation, which Lambda retries and an alarm reports.

pub mod population;

use std::error::Error;
use std::sync::Arc;

use shared::ports::{AccountScan, Clock, PopulationStore, SecurityInfoStore};
use shared::process::{Process, StartError};
use shared::settings::Settings;

/// The ports of `housekeeping`. It reads all accounts, and writes only the population.
pub struct Ports {
    /// The policy, which decides who can reset.
    pub settings: Arc<Settings>,
    /// Reads all accounts, page by page.
    pub accounts: Arc<dyn AccountScan>,
    /// The enrolled methods of each account.
    pub security_info: Arc<dyn SecurityInfoStore>,
    /// Stores the population.
    pub population: Arc<dyn PopulationStore>,
    /// The age of the present population is compared with this clock.
    pub clock: Arc<dyn Clock>,
}

impl Ports {
    /// Builds the ports from the settings and clients of the process.
    ///
    /// # Errors
    /// [`StartError`] if template.yaml lacks a setting that this function needs, or sets one to an invalid value.
    pub fn from_process(process: &Process) -> Result<Self, StartError> {
        Ok(Self {
            settings: process.settings(),
            accounts: process.account_scan()?,
            security_info: process.security_info()?,
            population: process.population()?,
            clock: process.clock(),
        })
    }
}

/// Runs every task.
///
/// # Errors
/// [`population::Failed`].
pub async fn handle(ports: &Ports) -> Result<(), population::Failed> {
    population::refresh(ports).await.inspect_err(|error| {
        let error: &(dyn Error + 'static) = &**error;
        let causes = std::iter::successors(Some(error), |error| (*error).source());
        let causes = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        tracing::error!(event = "housekeeping.failed", task = "population", causes);
    })
}
