//! Scheduled work, one file for each task: [`handle`] every day, [`audit::handle`] every hour. `EventBridge` may deliver an event twice, so every task is idempotent. A
//! failed task stops no other one. It fails the invocation, which Lambda retries and an alarm reports.

pub mod audit;
pub mod password_expiry;
pub mod population;

use std::error::Error;
use std::sync::Arc;

use futures_util::future::join;
use shared::domain::keys::Keyring;
use shared::ports::{
    AccountScan, Clock, Entropy, MessageQueue, PasswordExpiryStore, PopulationStore, SecurityInfoStore,
};
use shared::process::{Process, StartError};
use shared::settings::Settings;

/// The ports of `housekeeping`. It reads all accounts, and writes only the population and the notes of warnings.
pub struct Ports {
    /// The policy, which decides who can reset.
    pub settings: Arc<Settings>,
    /// Reads all accounts, page by page.
    pub accounts: Arc<dyn AccountScan>,
    /// The enrolled methods and contacts of each account.
    pub security_info: Arc<dyn SecurityInfoStore>,
    /// Stores the population.
    pub population: Arc<dyn PopulationStore>,
    /// The accounts whose password expires soon, with their warnings.
    pub expiries: Arc<dyn PasswordExpiryStore>,
    /// Takes warnings to `delivery`.
    pub queue: Arc<dyn MessageQueue>,
    /// Seals the messages in the queue.
    pub messages: Arc<Keyring>,
    /// The age of the present population, and expiries, are compared with this clock.
    pub clock: Arc<dyn Clock>,
    /// Random bytes to seal warnings.
    pub entropy: Arc<dyn Entropy>,
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
            expiries: process.password_expiries()?,
            queue: process.queue()?,
            messages: process.keyring("REKEY_SECRET_MESSAGES")?,
            clock: process.clock(),
            entropy: process.entropy(),
        })
    }
}

impl audit::Ports {
    /// Builds the ports from the settings and clients of the process.
    ///
    /// # Errors
    /// [`StartError`] if template.yaml lacks a setting that this function needs.
    pub fn from_process(process: &Process) -> Result<Self, StartError> {
        Ok(Self {
            settings: process.settings(),
            trail: process.audit_trail()?,
            anchors: process.anchors()?,
            recent: process.recent_events()?,
            clock: process.clock(),
        })
    }
}

/// The reason why a task failed. The next invocation repeats it.
pub type Failed = Box<dyn Error + Send + Sync>;

/// Runs every task, whatever becomes of the others. They run at once, so that a slow one takes no other's time.
///
/// # Errors
/// [`Failed`] of the first task that failed. The log has all.
pub async fn handle(ports: &Ports) -> Result<(), Failed> {
    let (population, password_expiry) = join(population::refresh(ports), password_expiry::warn(ports)).await;
    let mut first = Ok(());
    for (task, result) in [("population", population), ("password_expiry", password_expiry)] {
        let Err(error) = result else { continue };
        log_failure(task, &*error);
        first = first.and(Err(error));
    }
    first
}

fn log_failure(task: &str, error: &(dyn Error + 'static)) {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let causes = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    tracing::error!(event = "housekeeping.failed", task, causes);
}
