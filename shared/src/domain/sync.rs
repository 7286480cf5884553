//! The rules of a sync: when it removes nothing, what it remembers, and what it counts.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::account::AccountId;
use super::account_copy::Unusable;
use super::directory::SyncCursor;
use super::time::{Seconds, Timestamp};

/// The exclusive right to sync lasts for this long. No run lasts longer (template.yaml: `Timeout` of `directory-sync`),
/// so that a run that died is followed by another, and two never write at once.
pub const LEASE: Seconds = Seconds(16 * 60);

/// A delta becomes a full sync when the last one began this long ago. It is less than a day by less than the time
/// between two deltas, so that full syncs stay at the same time of the day.
const FULL_AFTER: Seconds = Seconds(Seconds::DAY.0 - 10 * 60);

/// Losses that are always accepted: somebody leaves every day, also from a small directory.
const ALWAYS: usize = 5;
/// Losses of one in this many accounts are accepted: 2 %.
const ONE_IN: usize = 50;

/// Bounds how many people a run may remove or disable, or take a contact from. A directory that answers with less
/// than it has (a moved subtree, a lost permission, a wrong filter) would otherwise lock out everybody.
#[derive(Clone, Copy, Debug)]
pub struct Brake {
    most: Option<usize>,
}

impl Brake {
    /// Returns the brake for a copy with `usable` accounts, released if an operator accepts all losses.
    pub fn new(usable: usize, is_accepted: bool) -> Self {
        Self { most: (!is_accepted).then_some(ALWAYS.max(usable / ONE_IN)) }
    }

    /// Returns whether so many losses are too many.
    pub fn holds(self, losses: usize) -> bool {
        self.most.is_some_and(|most| losses > most)
    }
}

/// The state of a directory's sync, kept between runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SyncState {
    /// Where the next delta begins; `None` before the first full sync.
    pub cursor: Option<SyncCursor>,
    /// When a full sync last began.
    pub full_began_at: Option<Timestamp>,
    /// When a full sync last came to its end.
    pub full_at: Option<Timestamp>,
    /// When any sync last came to its end.
    pub synced_at: Option<Timestamp>,
    /// Whether the next run must be a full one.
    pub is_full_due: bool,
    /// The usable accounts after the last full sync.
    pub usable: usize,
    /// The logins that two people or more have.
    pub ambiguous: usize,
}

impl SyncState {
    /// Returns whether a run at `now` has to read all people.
    pub fn needs_full(&self, now: Timestamp) -> bool {
        let is_late = self.full_began_at.is_none_or(|began| began + FULL_AFTER <= now);
        self.cursor.is_none() || self.is_full_due || is_late
    }
}

/// The people and logins that a full sync has seen, as hashes of 16 bytes: some megabytes for 100,000 people.
#[derive(Debug, Default)]
pub struct Seen {
    accounts: HashSet<[u8; 16]>,
    logins: HashSet<[u8; 16]>,
}

impl Seen {
    /// Adds a person with the logins that they have. Returns `false` for one who was there: subtrees may overlap.
    pub fn add(&mut self, id: &AccountId, logins: &[String]) -> bool {
        self.logins.extend(logins.iter().map(|login| hash(id, login)));
        self.accounts.insert(hash(id, ""))
    }

    /// Returns whether the directory has the person.
    pub fn has(&self, id: &AccountId) -> bool {
        self.accounts.contains(&hash(id, ""))
    }

    /// Returns whether the person has the login.
    pub fn has_login(&self, id: &AccountId, login: &str) -> bool {
        self.logins.contains(&hash(id, login))
    }
}

fn hash(id: &AccountId, login: &str) -> [u8; 16] {
    // An id has no control character.
    let digest = Sha256::new().chain_update(id.as_str()).chain_update([0]).chain_update(login).finalize();
    std::array::from_fn(|at| digest[at])
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncOutcome {
    /// Everything is copied.
    #[default]
    Completed,
    /// Additions and changes are copied; the losses are too many, so nothing was removed or disabled.
    RemovalsHeld,
    /// Another run has the lease, so this one did nothing.
    Busy,
}

/// The counts of a run, for the log and for the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SyncSummary {
    /// How the run ended.
    pub outcome: SyncOutcome,
    /// Whether all people were read.
    pub full: bool,
    /// People read.
    pub read: usize,
    /// Accounts that are new in the copy.
    pub new: usize,
    /// Accounts that changed.
    pub changed: usize,
    /// Accounts without a change.
    pub unchanged: usize,
    /// Accounts of `changed` that can no longer reset: disabled, excluded, or without a login.
    pub disabled: usize,
    /// Accounts whose people are gone.
    pub removed: usize,
    /// Accounts that were erased with their registrations, after the days that the settings keep them.
    pub erased: usize,
    /// Losses that the brake held back.
    pub held: usize,
    /// Logins that two people or more have, so that they find nobody.
    pub ambiguous: usize,
    /// Some of these logins, if the operator asked for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ambiguous_logins: Vec<String>,
    /// Contacts that were added or replaced.
    pub contacts_written: usize,
    /// Contacts that the directory no longer has.
    pub contacts_removed: usize,
    /// Contacts that were left out because the person enrolled another one.
    pub contacts_declined: usize,
    /// Values that can't be used, by reason.
    pub unusable: BTreeMap<&'static str, usize>,
}

impl SyncSummary {
    /// Counts a value that can't be used.
    pub fn count(&mut self, problem: Unusable) {
        *self.unusable.entry(problem.name()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);

    /// Controls: C-170.
    #[test]
    fn brake_holds_above_two_percent_and_five() {
        let holds = |usable, losses| Brake::new(usable, false).holds(losses);
        assert!(!holds(50_000, 1_000) && holds(50_000, 1_001));
        assert!(!holds(100, 5) && holds(100, 6), "2 % would be two");
        assert!(!holds(0, 5) && holds(0, 6), "an unknown number counts as none");
        assert!(!Brake::new(50_000, true).holds(50_000), "an operator accepted them");
    }

    #[test]
    fn full_sync_is_due_without_cursor_or_after_a_day() {
        let cursor = Some(SyncCursor { server: "dc1".to_owned(), position: "7".to_owned() });
        let state = SyncState { cursor, full_began_at: Some(NOW), ..SyncState::default() };
        assert!(!state.needs_full(NOW + Seconds(86_400 - 900)), "the last delta before");
        assert!(state.needs_full(NOW + Seconds(86_400 - 5)), "schedules are not exact");
        assert!(SyncState { is_full_due: true, ..state.clone() }.needs_full(NOW));
        assert!(SyncState { cursor: None, ..state }.needs_full(NOW));
    }

    #[test]
    fn seen_login_belongs_to_its_person() {
        let id = |text: &str| AccountId::from_directory(text).unwrap();
        let mut seen = Seen::default();
        assert!(seen.add(&id("ad:1"), &["aisyah".to_owned()]));
        assert!(!seen.add(&id("ad:1"), &["aisyah".to_owned()]), "in two subtrees");
        assert!(seen.has(&id("ad:1")) && seen.has_login(&id("ad:1"), "aisyah"));
        assert!(!seen.has(&id("ad:2")) && !seen.has_login(&id("ad:2"), "aisyah"));
        assert!(!seen.has_login(&id("ad:1"), "") && !seen.has_login(&id("ad:1"), "farid"));
    }
}
