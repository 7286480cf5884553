//! `directory-write`: sets passwords and removes locks.
//!
//! A change has five steps. The function may die after any of them, and its answer may get lost. The outcome, which
//! `directory-read` finds out later, is right after each:
//!
//! | after step | note of the account | entry | outcome |
//! |---|---|---|---|
//! | 1. read the note | of an earlier change | unchanged | not applied, once the deadline has passed |
//! | 2. read the entry | of an earlier change | unchanged | not applied, once the deadline has passed |
//! | 3. write the note: number, versions | open | unchanged: the versions are those of the note | not applied, once the deadline has passed |
//! | 4. change the entry | open | changed: its version has moved | applied |
//! | 5. write that it was made | made | changed | applied, without a look at the entry |
//!
//! - A request with an older number than the note's is superseded. A second one with the same number changes nothing: it
//!   succeeds if the note or the entry shows that the first one did. Of two at the same time, one writes the note. A
//!   request is the same if its deadline is, too: numbers begin anew when a registration was erased.
//! - A later change begins while the note is open only if the version has moved, or the earlier function has surely
//!   ended. It settles the earlier change, before the versions of the note are replaced.
//! - Where the directory surely changed nothing, step 5 closes the note.
//! - A change of the entry by somebody else between steps 3 and 5 looks like ours. Then the person is notified once
//!   too often.

use std::sync::Arc;

use shared::domain::account::AccountId;
use shared::domain::change_note::{Beginning, ChangeKind, ChangeNote};
use shared::domain::directory::{Entry, EntryStanding};
use shared::domain::directory_call::{WriteAnswer, WriteRequest};
use shared::domain::time::Timestamp;
use shared::ports::{ChangeError, ChangeNoteStore, Clock, DirectoryWrite, LivePasswordDirectory};

use crate::causes;

/// The ports of `directory-write`.
pub struct Ports {
    /// Changes entries, with the service account that may set passwords and remove locks.
    pub live: Arc<dyn LivePasswordDirectory>,
    /// Keeps the note of the latest change of each account.
    pub notes: Arc<dyn ChangeNoteStore>,
    /// Deadlines are compared with this clock.
    pub clock: Arc<dyn Clock>,
}

/// Answers a request. The log has what failed.
pub async fn handle(ports: &Ports, request: WriteRequest) -> WriteAnswer {
    let answer = match &request {
        WriteRequest::Set { account, number, deadline, password } => match password.parse() {
            Ok(password) => {
                let change = Change { account, number: *number, deadline: *deadline, even_unlocked: false };
                change.make(ports, DirectoryWrite::Password(&password)).await
            }
            Err(error) => Err(ChangeError::NotApplied(error.into())),
        },
        WriteRequest::Unlock { account, number, deadline, even_unlocked } => {
            let change =
                Change { account, number: *number, deadline: *deadline, even_unlocked: *even_unlocked };
            change.make(ports, DirectoryWrite::Unlock).await
        }
        WriteRequest::Examine { logins } => {
            return WriteAnswer::Examined(Box::new(ports.live.examine(logins).await));
        }
    };
    let Err(error) = answer else { return WriteAnswer::Made };
    // A rejected password is the person's matter, and no failure.
    if !matches!(error, ChangeError::Rejected(_)) {
        tracing::warn!(event = "directory.change_failed", reason = causes(&error));
    }
    match error {
        ChangeError::Rejected(violations) => WriteAnswer::Rejected { violations },
        ChangeError::NotPermitted => WriteAnswer::NotPermitted,
        ChangeError::Superseded => WriteAnswer::Superseded,
        ChangeError::NotApplied(_) => WriteAnswer::NotApplied,
        ChangeError::Unknown(_) => WriteAnswer::Unknown,
    }
}

/// A requested change.
struct Change<'a> {
    account: &'a AccountId,
    number: u64,
    deadline: Timestamp,
    /// Whether an unlock is asked of the directory even where nothing is locked.
    even_unlocked: bool,
}

impl Change<'_> {
    async fn make(&self, ports: &Ports, write: DirectoryWrite<'_>) -> Result<(), ChangeError> {
        let kind = match write {
            DirectoryWrite::Password(_) => ChangeKind::Password,
            DirectoryWrite::Unlock => ChangeKind::Unlock,
        };
        let found = ports.notes.change_note(self.account).await.map_err(not_applied)?;
        let found = found.ok_or(ChangeError::NotPermitted)?;
        if found.value.is_made(self.number, self.deadline) {
            return Ok(());
        }
        let entry = ports.live.entry(self.account).await.map_err(not_applied)?;
        let entry = entry.filter(|entry| entry.standing == EntryStanding::Eligible);
        let entry = entry.ok_or(ChangeError::NotPermitted)?;
        self.in_time(ports)?;
        let begun = found.value.begin(self.number, kind, &entry, ports.clock.now(), self.deadline);
        let note = match begun {
            Beginning::Superseded => return Err(ChangeError::Superseded),
            Beginning::Busy => {
                return Err(ChangeError::NotApplied("an earlier change may still be made".into()));
            }
            Beginning::Begun => {
                return Err(ChangeError::Unknown("a request with this number may still make it".into()));
            }
            Beginning::Ended => {
                return Err(ChangeError::NotApplied("a request with this number made nothing".into()));
            }
            Beginning::Made(note) => {
                self.settle(ports, found.revision, &note).await;
                return Ok(());
            }
            Beginning::New(note) => note,
        };
        let replaced = ports.notes.replace_change_note(self.account, found.revision, &note).await;
        // The note may have been written. It is open, and the entry shows that nothing was changed.
        if !replaced.map_err(not_applied)? {
            return Err(ChangeError::Unknown("another request changes the account".into()));
        }
        let revision = found.revision + 1;
        let entry = Entry { is_locked: entry.is_locked || self.even_unlocked, ..entry };
        let result = match self.in_time(ports) {
            Ok(()) => apply(ports, &entry, write).await,
            Err(late) => Err(late),
        };
        match result {
            Ok(()) => self.settle(ports, revision, &note.with_made()).await,
            Err(ChangeError::Unknown(_)) => {}
            Err(_) => self.settle(ports, revision, &note.with_nothing_made()).await,
        }
        result
    }

    /// Returns an error once the deadline has passed.
    fn in_time(&self, ports: &Ports) -> Result<(), ChangeError> {
        if ports.clock.now() < self.deadline {
            Ok(())
        } else {
            Err(ChangeError::NotApplied("the deadline has passed".into()))
        }
    }

    /// Notes the result. If that fails, the versions of the entry still tell it.
    async fn settle(&self, ports: &Ports, revision: u64, note: &ChangeNote) {
        match ports.notes.replace_change_note(self.account, revision, note).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(event = "directory.note_failed", reason = "a later change began"),
            Err(error) => tracing::warn!(event = "directory.note_failed", reason = causes(&error)),
        }
    }
}

async fn apply(ports: &Ports, entry: &Entry, write: DirectoryWrite<'_>) -> Result<(), ChangeError> {
    match write {
        DirectoryWrite::Password(password) => ports.live.set_password(entry, password).await,
        DirectoryWrite::Unlock => ports.live.unlock(entry).await,
    }
}

/// The directory was not asked to change anything.
fn not_applied(error: impl std::error::Error + Send + Sync + 'static) -> ChangeError {
    ChangeError::NotApplied(Box::new(error))
}
