//! `directory-sync`: copies the directory's people into the table that strangers' requests read.
//!
//! A delta reads who changed, every few minutes. A full sync reads everybody, once a day, and finds who is gone. Each
//! step may be repeated: an account's digest is written last, after its contacts and logins, so that the next run
//! does again what an interrupted one left undone. See ADR-025.

mod claims;
mod contacts;
mod ports;
mod progress;
mod run;
mod sweep;

use std::error::Error;

use shared::domain::directory::PublishedPolicy;
use shared::domain::holder::HolderId;
use shared::domain::sync::{LEASE, SyncOutcome, SyncState, SyncSummary};
use shared::domain::time::Timestamp;
use shared::ports::{EntropyExt as _, SyncError};

pub use self::ports::{Failed, Ports, Request};
use self::run::Run;

/// Syncs once, unless another run is under way.
///
/// # Errors
/// [`Failed`]: nothing was removed or disabled, or not all of it.
pub async fn handle(ports: &Ports, request: Request) -> Result<SyncSummary, Failed> {
    let directory = ports.rules.directory.as_str();
    let synced = exclusive(ports, request).await;
    match &synced {
        Ok(summary) if summary.outcome == SyncOutcome::Busy => {
            tracing::warn!(event = "sync.skipped", directory, reason = "another run is under way");
        }
        Ok(summary) => log(directory, summary),
        Err(error) => {
            let error: &(dyn Error + 'static) = &**error;
            let causes = std::iter::successors(Some(error), |error| (*error).source());
            let causes = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
            tracing::error!(event = "sync.failed", directory, causes);
        }
    }
    synced
}

async fn exclusive(ports: &Ports, request: Request) -> Result<SyncSummary, Failed> {
    let (id, now) = (HolderId::from_bytes(ports.entropy.bytes()), ports.clock.now());
    if !ports.copy.acquire(id, now + LEASE, now).await? {
        return Ok(SyncSummary { outcome: SyncOutcome::Busy, ..SyncSummary::default() });
    }
    let synced = sync(ports, request, now).await;
    // A lease that stays ends by itself.
    if let Err(error) = ports.copy.release(id).await {
        tracing::warn!(event = "sync.release_failed", %error);
    }
    synced
}

async fn sync(ports: &Ports, request: Request, now: Timestamp) -> Result<SyncSummary, Failed> {
    let directory = ports.rules.directory.as_str();
    let mut state = ports.copy.state(directory).await?;
    let policy = ports.live.policy().await?;
    let cursor = state.cursor.clone().filter(|_| !request.full && !state.needs_full(now));
    if let Some(cursor) = cursor {
        tracing::info!(event = "sync.started", directory, full = false);
        let run = Run::new(ports, request, state.clone(), false, None, now);
        match ports.people.people(Some(&cursor), &run).await {
            Ok(next) => return run.finish(next, &policy).await,
            Err(SyncError::CursorUnknown) => {}
            Err(error) => return Err(error.into()),
        }
        // The server's own changes are numbered anew, so only a full sync finds them.
        tracing::warn!(event = "sync.cursor_unknown", directory);
        state = ports.copy.state(directory).await?;
    }
    full(ports, request, state, &policy, now).await
}

async fn full(
    ports: &Ports,
    request: Request,
    mut state: SyncState,
    policy: &PublishedPolicy,
    now: Timestamp,
) -> Result<SyncSummary, Failed> {
    let directory = ports.rules.directory.as_str();
    tracing::info!(event = "sync.started", directory, full = true);
    // Before the run: one that fails every time must not be tried by every delta.
    (state.full_began_at, state.is_full_due) = (Some(now), false);
    ports.copy.put_state(directory, &state, policy).await?;
    // Nearly everybody of a first load is new, and one query for each of them would take most of its time.
    let holders = if state.synced_at.is_none() { Some(ports.bulk.holders().await?) } else { None };
    let run = Run::new(ports, request, state, true, holders, now);
    let next = ports.people.people(None, &run).await?;
    run.finish(next, policy).await
}

fn log(directory: &str, summary: &SyncSummary) {
    let SyncSummary {
        full, read, new, changed, unchanged, disabled, removed, erased, held, ambiguous, ..
    } = *summary;
    let (contacts, unusable) = (summary.contacts_written, summary.unusable.values().sum::<usize>());
    if summary.outcome == SyncOutcome::RemovalsHeld {
        tracing::error!(event = "sync.removals_held", directory, full, read, held);
    }
    tracing::info!(
        event = "sync.finished",
        directory,
        full,
        read,
        new,
        changed,
        unchanged,
        disabled,
        removed,
        erased,
        held,
        ambiguous,
        contacts,
        unusable
    );
}
