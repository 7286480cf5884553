//! Anchors the audit trail, finds abandoned flows, and keeps the last events of each account.
//!
//! All three need the same lines, so one run reads them once. Only the run that wrote the anchor does the rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::domain::audit::flows::{RECONCILED_WITHIN, flows};
use shared::domain::audit::recent::{KEPT, RecentEvent, keep};
use shared::domain::audit::verify::Anchor;
use shared::domain::audit::{Fields, FlowEnd, time_of};
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{AnchorStore, AuditTrail, Clock, RecentEventStore, StoreError};
use shared::settings::Settings;

use super::{Failed, log_failure};

/// How late a line may reach the log.
const LATE: Seconds = Seconds(120);
/// How far the first run reads back.
const FIRST: Seconds = Seconds(86_400);
/// Attempts to replace the events of an account that another run writes, too.
const ATTEMPTS: u8 = 3;

/// The ports of the audit task.
pub struct Ports {
    /// The lifetime of flows.
    pub settings: Arc<Settings>,
    /// The lines of all functions and operators.
    pub trail: Arc<dyn AuditTrail>,
    /// Stores the anchors.
    pub anchors: Arc<dyn AnchorStore>,
    /// Stores the last events of accounts.
    pub recent: Arc<dyn RecentEventStore>,
    /// The time of the anchor.
    pub clock: Arc<dyn Clock>,
}

/// Runs the task.
///
/// # Errors
/// [`Failed`] if the trail or a store failed. The next run reads the same time again, unless the anchor was written.
pub async fn handle(ports: &Ports) -> Result<(), Failed> {
    let result = run(ports).await;
    if let Err(error) = &result {
        log_failure("audit", &**error);
    }
    result
}

async fn run(ports: &Ports) -> Result<(), Failed> {
    let now = ports.clock.now();
    let last = ports.anchors.last_anchor().await?;
    let since = last.as_ref().map_or_else(|| before(now, FIRST), |last| last.at);
    let longest = Seconds(ports.settings.flow.lifetime.0 + RECONCILED_WITHIN.0);
    // A flow that was abandoned since the last run began this much earlier.
    let lines = ports.trail.lines(before(since, Seconds(longest.0 + LATE.0)), now).await?;
    let anchor = Anchor::after(last.as_ref(), &lines, now);
    // Nothing happened, or another run was faster and does the rest.
    if lines.is_empty() || !ports.anchors.add_anchor(&anchor).await? {
        return Ok(());
    }
    let mut recent: BTreeMap<String, Vec<RecentEvent>> = BTreeMap::new();
    for (flow, story) in flows(&lines) {
        let expired = |at: Timestamp| before(before(at, longest), LATE);
        let Some(started) = story.started_at.filter(|at| expired(since) < *at && *at <= expired(now)) else {
            continue;
        };
        if story.end.is_none() {
            let (account, outcome) = (story.account, FlowEnd::Abandoned.as_str());
            let (reason, step, decoy) = (story.last_event, story.step, story.is_decoy);
            tracing::info!(event = "flow.ended", flow, account, outcome, reason, step, decoy, started = %started);
        }
    }
    let is_new =
        |line: &&Fields| time_of(line).is_some_and(|at| before(since, LATE) < at && at <= before(now, LATE));
    let mut new: Vec<&Fields> = lines.iter().filter(is_new).collect();
    new.sort_by_key(|line| time_of(line));
    for (account, event) in new.into_iter().filter_map(RecentEvent::of) {
        recent.entry(account.to_owned()).or_default().push(event);
    }
    for (account, events) in recent {
        add(ports, &account, events, now).await?;
    }
    Ok(())
}

async fn add(ports: &Ports, account: &str, more: Vec<RecentEvent>, now: Timestamp) -> Result<(), StoreError> {
    for _ in 0..ATTEMPTS {
        let found = ports.recent.recent_events(account).await?;
        let events = keep(found.value, more.clone());
        if ports.recent.replace_recent_events(account, found.revision, &events, now + KEPT).await? {
            break;
        }
    }
    Ok(())
}

fn before(at: Timestamp, span: Seconds) -> Timestamp {
    Timestamp::from_seconds(at.as_seconds() - i64::from(span.0))
}
