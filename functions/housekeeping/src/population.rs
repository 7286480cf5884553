//! Counts the population that decoys are drawn from.

use futures_util::future::join_all;
use shared::domain::account::{Account, Registration};
use shared::domain::population::{Census, PopulationVersions, ResetPolicy};
use shared::domain::time::Timestamp;
use shared::ports::StoreError;

use super::{Failed, Ports};

/// The accounts whose methods are read at once.
const AT_ONCE: usize = 16;

/// Counts all accounts, and replaces the stored population if a new version is due. It reads page by page, so its
/// memory does not grow with the number of accounts.
///
/// # Errors
/// [`Failed`] if a store failed, so that nothing was replaced.
pub async fn refresh(ports: &Ports) -> Result<(), Failed> {
    let now = ports.clock.now();
    let found = ports.population.population().await?;
    let population = census(ports, now).await?.population(found.value.as_ref());
    let Some(next) = PopulationVersions::after(found.value.as_ref(), &population, now) else { return Ok(()) };
    // Another count that was faster has written the same.
    if ports.population.replace_population(found.revision, &next).await? {
        tracing::info!(event = "population.replaced", version = next.number());
    }
    Ok(())
}

async fn census(ports: &Ports, now: Timestamp) -> Result<Census, Failed> {
    let settings = &ports.settings;
    let policy =
        ResetPolicy { methods: &settings.methods, steps: settings.steps, countries: &settings.sms_countries };
    let mut census = Census::default();
    let mut after = None;
    loop {
        let page = ports.accounts.page(after.as_deref()).await?;
        for accounts in page.accounts.chunks(AT_ONCE) {
            let registrations = accounts.iter().map(|account| registration(ports, account, now));
            for (account, registration) in accounts.iter().zip(join_all(registrations).await) {
                if let Some(registration) = registration? {
                    census.count(account, &registration, &policy);
                }
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(census);
        }
    }
}

/// Returns the methods of an account as evidence; `None` for one with an unreadable item, which can't reset either.
async fn registration(
    ports: &Ports,
    account: &Account,
    now: Timestamp,
) -> Result<Option<Registration>, StoreError> {
    match ports.security_info.registration(&account.id, now).await {
        Ok(registration) => Ok(Some(registration.as_evidence_for(account, &ports.settings.login_domains))),
        Err(StoreError::Unreadable(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
