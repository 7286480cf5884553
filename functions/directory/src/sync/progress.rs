//! What a run has found so far.

use std::collections::HashSet;

use shared::domain::account::AccountId;
use shared::domain::account_copy::{CopiedAccount, Copy, LoginClaims};
use shared::domain::sync::{Brake, Seen, SyncSummary};

/// Accounts that are written at once.
pub(super) const BATCH: usize = 1_000;
/// The newly ambiguous logins that are remembered.
const REMEMBERED: usize = 1_000;

/// What a run has found so far. It grows with the number of people by hashes only.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) summary: SyncSummary,
    pub(super) seen: Seen,
    /// Changes that take something away, while they are not too many.
    pub(super) held: Vec<Change>,
    /// All of them.
    pub(super) losses: usize,
    /// The people who can reset.
    pub(super) usable: usize,
    /// Logins that became ambiguous in this run, some of them if there are many.
    pub(super) newly_ambiguous: HashSet<String>,
    /// Logins that became ambiguous, and those that no longer are.
    pub(super) ambiguous: (usize, usize),
}

/// An account that differs from the copy.
pub(super) struct Change {
    pub(super) before: Option<CopiedAccount>,
    pub(super) copy: Copy,
}

impl Progress {
    /// Counts a login that became ambiguous, or no longer is.
    pub(super) fn note_ambiguity(&mut self, before: &LoginClaims, after: &LoginClaims) {
        match (before.is_ambiguous(), after.is_ambiguous()) {
            (false, true) => {
                self.ambiguous.0 += 1;
                if self.newly_ambiguous.len() < REMEMBERED {
                    self.newly_ambiguous.insert(after.login.clone());
                }
            }
            (true, false) => {
                self.ambiguous.1 += 1;
                self.newly_ambiguous.remove(&after.login);
            }
            _ => {}
        }
    }

    /// Holds a loss back. If there are too many, none of them will be written, so none is kept.
    pub(super) fn hold(&mut self, change: Change, brake: Brake) {
        self.losses += 1;
        self.held.push(change);
        if brake.holds(self.losses) {
            self.held.clear();
        }
    }
}

impl Change {
    /// Returns the logins that the person no longer has.
    pub(super) fn released(&self) -> Option<(&AccountId, Vec<String>)> {
        let before = &self.before.as_ref()?.account;
        let kept = &self.copy.account.account.logins;
        Some((&before.id, before.logins.iter().filter(|login| !kept.contains(login)).cloned().collect()))
    }
}
