//! The people, and the organisation's own directory.

use rekey_people::failure::with_causes;
use rekey_people::import::ReadinessCount;
use shared::domain::account::{Account, AccountState};
use shared::domain::time::Seconds;
use shared::ports::{SecurityInfoStore, StoreError};
use shared::settings::DirectoryKind;
use tokio::task::JoinSet;

use super::Context;
use crate::checks::{Checks, Verdict};
use crate::commands::directory::examine_sample;
use crate::commands::failed;
use crate::deployment::{DIRECTORY, Deployment, PEOPLE};
use crate::find;
use crate::outcome::Problem;

const GROUP: &str = "People";
/// The accounts whose methods are read at once.
const AT_ONCE: usize = 32;
/// The part of the people who can reset, in percent, below which somebody should invite the others.
const CAPABLE_PERCENT: usize = 90;
/// The age of the copy that is too old: a sync runs every quarter of an hour.
const COPY_AGE: Seconds = Seconds(Seconds::HOUR.0);

/// Returns how many people there are, if they can be counted, and the checks.
pub(super) async fn checks(context: &Context<'_>) -> (Option<u32>, Checks) {
    let mut checks = Checks::default();
    if context.settings(GROUP, "ready", &mut checks).is_none() {
        return (None, checks);
    }
    let deployment = match Deployment::of(context.found.clone(), &[PEOPLE, DIRECTORY]).await {
        Ok(deployment) => deployment,
        Err(problem) => {
            unknown("ready", &problem, &mut checks);
            return (None, checks);
        }
    };
    let counted = match count(deployment).await {
        Ok(counted) => counted,
        Err((deployment, problem)) => {
            if let DirectoryKind::Remote(_) = &deployment.settings.directory {
                unknown("directory", &problem, &mut checks);
            }
            unknown("ready", &problem, &mut checks);
            return (None, checks);
        }
    };
    let Counted { deployment, ready, unreadable, sample } = counted;
    if let DirectoryKind::Remote(name) = &deployment.settings.directory {
        directory(&deployment, name, sample.as_deref(), &mut checks).await;
    } else {
        checks.good("Directory", "kind", "built in");
    }
    readiness(context, ready, unreadable, &mut checks);
    (u32::try_from(ready.capable + ready.partly + ready.none).ok(), checks)
}

/// The people of a deployment.
struct Counted {
    deployment: Deployment,
    ready: ReadinessCount,
    /// The people whose stored methods can't be read.
    unreadable: usize,
    /// A login of somebody with whom the directory can be tested.
    sample: Option<String>,
}

async fn count(deployment: Deployment) -> Result<Counted, (Deployment, Problem)> {
    let mut found = Counted { deployment, ready: ReadinessCount::default(), unreadable: 0, sample: None };
    match scan(&mut found).await {
        Ok(()) => Ok(found),
        Err(problem) => Err((found.deployment, problem)),
    }
}

async fn scan(found: &mut Counted) -> Result<(), Problem> {
    let process = &found.deployment.process;
    let accounts = process.account_scan().map_err(|error| Problem::failed(with_causes(&error)))?;
    let info = process.security_info().map_err(|error| Problem::failed(with_causes(&error)))?;
    let (settings, now) = (found.deployment.settings.clone(), process.clock().now());
    let mut after = None;
    loop {
        let page = accounts.page(after.as_deref()).await.map_err(|error| failed(&error))?;
        let usable = |account: &&Account| account.state == AccountState::Active;
        if found.sample.is_none() {
            found.sample = page
                .accounts
                .iter()
                .find(usable)
                .and_then(|account| account.logins.first())
                .map(|login| login.as_str().to_owned());
        }
        for accounts in page.accounts.chunks(AT_ONCE) {
            let mut reads = JoinSet::new();
            for account in accounts {
                let (info, account) = (info.clone(), account.clone());
                reads.spawn(async move {
                    let registration = SecurityInfoStore::registration(&*info, &account.id, now).await;
                    (account, registration)
                });
            }
            while let Some(read) = reads.join_next().await {
                let (account, registration) = read.map_err(|error| Problem::failed(error.to_string()))?;
                match registration {
                    Ok(registration) => found.ready.add(settings.readiness(&account, &registration)),
                    Err(StoreError::Unreadable(_)) => found.unreadable += 1,
                    Err(error) => return Err(failed(&error)),
                }
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

fn readiness(context: &Context<'_>, ready: ReadinessCount, unreadable: usize, checks: &mut Checks) {
    let all = ready.capable + ready.partly + ready.none;
    let which = match context.stack() {
        Some(_) => format!("--stack {}", context.found.name),
        None => format!("--local={}", context.found.name),
    };
    let percent = (ready.capable * 100).checked_div(all);
    if let Some(percent) = percent {
        let says = format!(
            "{} of {all} ({percent} %) can reset; {} have too few methods, {} none",
            ready.capable, ready.partly, ready.none
        );
        let next = format!("rekey {which} import contacts.csv, or invite the others to /security-info");
        match percent {
            _ if ready.capable == 0 => checks.add(Verdict::Bad, GROUP, "ready", says, next),
            CAPABLE_PERCENT.. => checks.good(GROUP, "ready", says),
            _ => checks.add(Verdict::Attention, GROUP, "ready", says, next),
        }
    } else {
        let says = "nobody: every login is a decoy";
        let next = format!("rekey {which} import people.csv");
        checks.add(Verdict::Bad, GROUP, "ready", says, next);
    }
    if unreadable > 0 {
        checks.add(
            Verdict::Bad,
            GROUP,
            "methods",
            format!("the methods of {unreadable} people can't be read"),
            "Follow \"Directory or store unavailable\" in infra/security/runbooks.md",
        );
    }
}

async fn directory(deployment: &Deployment, name: &str, sample: Option<&str>, checks: &mut Checks) {
    const GROUP: &str = "Directory";
    let state = match find::accounts(deployment) {
        Ok(accounts) => accounts.state(name).await.map_err(|error| failed(&error)),
        Err(problem) => Err(problem),
    };
    match state {
        Err(problem) => unknown("copy", &problem, checks),
        Ok(state) => match state.synced_at {
            Some(at) if at.is_within(COPY_AGE, deployment.process.clock().now()) => {
                checks.good(GROUP, "sync", format!("of {at}, with {} people", state.usable));
            }
            synced => {
                let says = synced.map_or("no sync has come to its end".to_owned(), |at| {
                    format!("the last sync is of {at}, so changes since then are unknown here")
                });
                let next = "Follow \"Sync of the directory\" in infra/security/runbooks.md";
                let verdict = if synced.is_some() { Verdict::Attention } else { Verdict::Bad };
                checks.add(verdict, GROUP, "sync", says, next);
            }
        },
    }
    let Some(login) = sample else {
        return checks.skip(GROUP, "rights", "nobody to test with; rekey directory test LOGIN does it");
    };
    let mut examined = Checks::default();
    match examine_sample(deployment, name, login, &mut examined).await {
        Ok(()) => {
            // OpenLDAP tells no account's rights: only a write test does.
            examined.unknown_as_attention();
            checks.append(examined);
        }
        Err(problem) => unknown("directory", &problem, checks),
    }
}

fn unknown(name: &'static str, problem: &Problem, checks: &mut Checks) {
    let next = "Check your role: infra/guides/rekey.md lists the rights of doctor";
    checks.add(Verdict::Unknown, GROUP, name, problem.lines().join("; "), next);
}
