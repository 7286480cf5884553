//! One run: compares each page with the copy, writes what differs, and holds losses back until all is read.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;
use shared::domain::account::AccountId;
use shared::domain::account_copy::{CopiedAccount, Unusable};
use shared::domain::directory::{DirectoryPerson, PublishedPolicy, SyncCursor};
use shared::domain::sync::{Brake, LEASE, SyncOutcome, SyncState, SyncSummary};
use shared::domain::time::Timestamp;
use shared::ports::{CopyWrite, DirectoryError, Metric, PeopleSink};
use tokio::sync::Mutex;

use super::ports::{Failed, Ports, Request};
use super::progress::{BATCH, Change, Progress};
use super::sweep::Sweep;
use super::{claims, contacts, sweep};

/// People between two log events.
const REPORT: usize = 10_000;

/// A run, while it takes pages.
pub(super) struct Run<'a> {
    ports: &'a Ports,
    request: Request,
    brake: Brake,
    now: Timestamp,
    state: SyncState,
    is_full: bool,
    /// Who held something before a first load; `None` in later runs.
    holders: Option<HashSet<AccountId>>,
    progress: Mutex<Progress>,
}

#[async_trait]
impl PeopleSink for Run<'_> {
    async fn page(&self, people: Vec<DirectoryPerson>) -> Result<(), DirectoryError> {
        if self.now + LEASE <= self.ports.clock.now() {
            return Err(DirectoryError("the run has lasted longer than its lease".into()));
        }
        let mut progress = self.progress.lock().await;
        self.take(&mut progress, people).await.map_err(DirectoryError)
    }
}

impl<'a> Run<'a> {
    pub(super) fn new(
        ports: &'a Ports,
        request: Request,
        state: SyncState,
        is_full: bool,
        holders: Option<HashSet<AccountId>>,
        now: Timestamp,
    ) -> Self {
        let brake = Brake::new(state.usable, request.accept_removals);
        let summary = SyncSummary { full: is_full, ..SyncSummary::default() };
        let progress = Mutex::new(Progress { summary, ..Progress::default() });
        Self { ports, request, brake, now, state, is_full, holders, progress }
    }

    async fn take(&self, progress: &mut Progress, people: Vec<DirectoryPerson>) -> Result<(), Failed> {
        let mut copies = BTreeMap::new();
        for person in people {
            progress.summary.read += 1;
            if progress.summary.read.is_multiple_of(REPORT) {
                let SyncSummary { read, new, changed, .. } = progress.summary;
                tracing::info!(event = "sync.progressed", read, new, changed);
            }
            if !self.ports.rules.is_own(&person.id) {
                progress.summary.count(Unusable::Id);
                continue;
            }
            // Subtrees that overlap give a person twice.
            let copy = self.ports.rules.copy(person, &self.ports.digests);
            copies.insert(copy.account.account.id.clone(), copy);
        }
        let ids: Vec<AccountId> = copies.keys().cloned().collect();
        let found = self.ports.copy.accounts(&ids).await?;
        let mut found: HashMap<AccountId, CopiedAccount> =
            found.into_iter().map(|account| (account.account.id.clone(), account)).collect();
        let (mut changes, mut unchanged) = (Vec::new(), Vec::new());
        for (id, mut copy) in copies {
            copy.unusable.iter().for_each(|problem| progress.summary.count(*problem));
            let account = &copy.account.account;
            if self.is_full {
                let is_first = progress.seen.add(&id, &account.logins);
                progress.usable += usize::from(is_first && copy.account.is_usable());
            }
            let before = found.remove(&id);
            if copy.account.contacts.is_none() {
                copy.account.contacts = before.as_ref().and_then(|before| before.contacts.clone());
            }
            match before {
                Some(before) if before.is_as(&copy.account) => {
                    progress.summary.unchanged += 1;
                    unchanged.push(copy.account);
                }
                Some(before)
                    if !self.request.accept_removals
                        && before.loses(&copy.account, &self.ports.rules.contact_kinds) =>
                {
                    progress.hold(Change { before: Some(before), copy }, self.brake);
                }
                before => changes.push(Change { before, copy }),
            }
        }
        if self.is_full {
            // A full sync repairs the logins of those who did not change.
            let repair = unchanged.iter().map(|copied| (&copied.account.id, &copied.account.logins[..]));
            claims::change(self.ports, progress, repair, []).await?;
        }
        self.apply(progress, changes).await
    }

    /// Writes changes: contacts, then logins, then the accounts with their digests.
    async fn apply(&self, progress: &mut Progress, mut changes: Vec<Change>) -> Result<(), Failed> {
        contacts::import(self.ports, progress, &mut changes, self.holders.as_ref(), self.now).await?;
        let added = changes.iter().map(|change| {
            let account = &change.copy.account.account;
            (&account.id, &account.logins[..])
        });
        let released: Vec<(&AccountId, Vec<String>)> = changes.iter().filter_map(Change::released).collect();
        let released = released.iter().map(|(id, logins)| (*id, &logins[..]));
        claims::change(self.ports, progress, added, released).await?;
        for Change { before, copy } in &changes {
            match before {
                None => progress.summary.new += 1,
                Some(_) => progress.summary.changed += 1,
            }
            let is_disabled =
                before.as_ref().is_some_and(CopiedAccount::is_usable) && !copy.account.is_usable();
            progress.summary.disabled += usize::from(is_disabled);
        }
        let writes: Vec<CopyWrite> = changes
            .into_iter()
            .map(|change| CopyWrite { exists: change.before.is_some(), account: change.copy.account })
            .collect();
        Ok(self.ports.copy.put_accounts(&writes).await?)
    }

    /// Ends the run: removes and disables, unless these are too many, and remembers where the next run begins.
    pub(super) async fn finish(
        self,
        next: SyncCursor,
        policy: &PublishedPolicy,
    ) -> Result<SyncSummary, Failed> {
        let mut progress = std::mem::take(&mut *self.progress.lock().await);
        let sweep = if self.is_full {
            sweep::find(self.ports, &progress, self.brake, self.now).await?
        } else {
            Sweep::of_delta(self.state.ambiguous)
        };
        let losses = progress.losses + sweep.gone_count;
        let is_held = self.brake.holds(losses);
        if is_held {
            self.ports.metrics.count(Metric::SyncRemovalsHeld, self.now);
            (progress.summary.outcome, progress.summary.held) = (SyncOutcome::RemovalsHeld, losses);
        } else {
            let held = std::mem::take(&mut progress.held);
            let mut held = held.into_iter().peekable();
            while held.peek().is_some() {
                self.apply(&mut progress, held.by_ref().take(BATCH).collect()).await?;
            }
            sweep::remove(self.ports, &mut progress, &sweep, self.now).await?;
        }
        let (became, ceased) = progress.ambiguous;
        let mut state = self.state;
        state.ambiguous = (sweep.ambiguous + became).saturating_sub(ceased);
        // Somebody else had the login. Only a full sync finds out whether that person is gone.
        state.is_full_due |= !self.is_full && !progress.newly_ambiguous.is_empty();
        if !is_held {
            (state.cursor, state.synced_at) = (Some(next), Some(self.now));
            if self.is_full {
                (state.full_at, state.usable) = (Some(self.now), progress.usable);
            }
        }
        progress.summary.ambiguous = state.ambiguous;
        if self.request.list_ambiguous {
            progress.summary.ambiguous_logins =
                sweep::still_ambiguous(self.ports, sweep.ambiguous_logins).await?;
        }
        self.ports.copy.put_state(&self.ports.rules.directory, &state, policy).await?;
        Ok(progress.summary)
    }
}
