//! The end of a full sync: finds in the copy who is gone, and takes away what is theirs.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use shared::domain::account::AccountId;
use shared::domain::account_copy::{CopiedAccount, LoginClaims};
use shared::domain::sync::Brake;
use shared::domain::time::Timestamp;
use shared::ports::CopyWrite;

use super::claims;
use super::ports::{Failed, Ports};
use super::progress::{BATCH, Progress};

/// The registrations that are erased at once.
const AT_ONCE: usize = 8;
/// The ambiguous logins that an operator gets to see.
const LISTED: usize = 100;

/// What a full sync found in the copy.
#[derive(Default)]
pub(super) struct Sweep {
    /// Accounts whose people are gone, while they are not too many.
    gone: Vec<CopiedAccount>,
    /// The number of all of them.
    pub(super) gone_count: usize,
    /// Accounts whose people left longer ago than registrations are kept.
    due: Vec<AccountId>,
    /// Logins that the copy gives to accounts of this directory, and the directory doesn't.
    stale: BTreeMap<AccountId, Vec<String>>,
    /// The number of logins that two people or more have.
    pub(super) ambiguous: usize,
    /// Some of them.
    pub(super) ambiguous_logins: Vec<String>,
}

impl Sweep {
    /// Returns what is known without a look at the copy.
    pub(super) fn of_delta(ambiguous: usize) -> Self {
        Self { ambiguous, ..Self::default() }
    }
}

/// Reads the copy and compares it with what the run has seen.
pub(super) async fn find(
    ports: &Ports,
    progress: &Progress,
    brake: Brake,
    now: Timestamp,
) -> Result<Sweep, Failed> {
    let seen = &progress.seen;
    let (mut sweep, mut after) = (Sweep::default(), None);
    // The pages' own changes are in the copy already.
    let (became, ceased) = progress.ambiguous;
    loop {
        let page = ports.copy.page(after.as_deref()).await?;
        let unseen =
            |copied: &CopiedAccount| ports.rules.is_own(&copied.account.id) && !seen.has(&copied.account.id);
        for copied in page.accounts.into_iter().filter(unseen) {
            match copied.departed_at {
                None => {
                    sweep.gone_count += 1;
                    if !brake.holds(progress.losses + sweep.gone_count) {
                        sweep.gone.push(copied);
                    }
                }
                Some(at) if at + ports.kept <= now => sweep.due.push(copied.account.id),
                Some(_) => {}
            }
        }
        for claims in page.logins {
            if claims.is_ambiguous() {
                sweep.ambiguous += 1;
                if sweep.ambiguous_logins.len() < LISTED {
                    sweep.ambiguous_logins.push(claims.login.clone());
                }
            }
            if brake.holds(progress.losses + sweep.gone_count) {
                continue;
            }
            let is_stale = |id: &&AccountId| ports.rules.is_own(id) && !seen.has_login(id, &claims.login);
            for id in claims.claimants.iter().filter(is_stale) {
                sweep.stale.entry(id.clone()).or_default().push(claims.login.clone());
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    sweep.ambiguous = (sweep.ambiguous + ceased).saturating_sub(became);
    Ok(sweep)
}

/// Takes the logins of those who are gone, disables their accounts, and erases those who left long ago.
pub(super) async fn remove(
    ports: &Ports,
    progress: &mut Progress,
    sweep: &Sweep,
    now: Timestamp,
) -> Result<(), Failed> {
    let stale: Vec<(&AccountId, &[String])> =
        sweep.stale.iter().map(|(id, logins)| (id, &logins[..])).collect();
    for some in stale.chunks(BATCH) {
        claims::change(ports, progress, [], some.iter().copied()).await?;
    }
    for gone in sweep.gone.chunks(BATCH) {
        let departed = gone.iter().cloned().map(|copied| copied.departed(now));
        let writes: Vec<CopyWrite> = departed.map(|account| CopyWrite { account, exists: true }).collect();
        ports.copy.put_accounts(&writes).await?;
        progress.summary.removed += writes.len();
    }
    let erase = sweep.due.iter().map(|id| async move {
        ports.erasure.erase(id).await?;
        // The account goes last: it names the registration.
        Ok::<_, Failed>(ports.copy.remove_account(id).await?)
    });
    let erase: Vec<_> = erase.collect();
    progress.summary.erased += erase.len();
    stream::iter(erase).buffer_unordered(AT_ONCE).try_collect().await
}

/// Returns those of the logins that two people have after the run.
pub(super) async fn still_ambiguous(ports: &Ports, logins: Vec<String>) -> Result<Vec<String>, Failed> {
    let found = ports.copy.logins(&logins).await?;
    let mut still: Vec<String> =
        found.into_iter().filter(LoginClaims::is_ambiguous).map(|claims| claims.login).collect();
    still.sort();
    Ok(still)
}
