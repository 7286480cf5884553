//! The note of an account's latest change in the organisation's directory.
//!
//! A directory keeps no number of ours. `directory-write` therefore notes in the account's item which change it begins
//! and what the entry's versions were before. A change whose function crashed was made if its note is open and the
//! version has moved since.

use serde::{Deserialize, Serialize};

use super::directory::{Entry, EntryVersion};
use super::time::{Seconds, Timestamp};

/// The longest run of `directory-write`: its timeout in template.yaml.
pub const LONGEST_RUN: Seconds = Seconds(10);

/// A change whose deadline is later by this than the noted one belongs to another series of numbers. The numbers of an
/// account begin anew when its registration is erased, or its table is restored to an earlier time. It is longer than a
/// flow lives, and than clocks differ.
const NEW_SERIES: Seconds = Seconds(3_600);

/// The latest change that was begun, and the latest that was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChangeNote {
    /// The number of the change that was begun last; 0 before the first.
    pub number: u64,
    /// The number of the change that was made last; 0 before the first.
    pub made: u64,
    /// The change that was begun last, until its result is known.
    pub open: Option<OpenChange>,
    /// The deadline of the change that was begun last; `None` before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// The deadline of the latest new password that was begun, made or not. Until the next sync, the copy has the expiry
    /// of the password before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_deadline: Option<Timestamp>,
}

/// A change whose result is not known yet, with the versions of the entry before it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OpenChange {
    /// Decides which version the change moves.
    pub kind: ChangeKind,
    /// See [`Entry::password_version`].
    pub password_version: EntryVersion,
    /// See [`Entry::lock_version`].
    pub lock_version: EntryVersion,
    /// The function that makes it has ended at this time.
    pub until: Timestamp,
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// A new password.
    Password,
    /// An unlock, which leaves the password.
    Unlock,
}

/// The way in which a change may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// It is new: this note is written before the directory is changed.
    New(ChangeNote),
    /// A request with its number began it, and may still make it. A second one that changed the entry too could be late,
    /// and undo a later change.
    Begun,
    /// A request with its number ended, and made nothing.
    Ended,
    /// It was made before; this note says so.
    Made(ChangeNote),
    /// A later change was begun.
    Superseded,
    /// An earlier change may still be made. If this one began, the earlier one could be the last to reach the directory.
    Busy,
}

impl OpenChange {
    fn of(kind: ChangeKind, entry: &Entry, deadline: Timestamp) -> Self {
        Self {
            kind,
            until: deadline + LONGEST_RUN,
            password_version: entry.password_version.clone(),
            lock_version: entry.lock_version.clone(),
        }
    }

    /// Returns whether the entry shows that the change was made. Another change in between shows the same: then the
    /// person is notified once too often. An unlock of an entry that nothing locks has nothing to show.
    pub fn is_made(&self, entry: &Entry) -> bool {
        match self.kind {
            ChangeKind::Password => entry.password_version != self.password_version,
            ChangeKind::Unlock => !entry.is_locked || entry.lock_version != self.lock_version,
        }
    }
}

impl ChangeNote {
    /// Returns how the change `number` may begin at `now` on the entry as it is. It does not begin after `deadline`. Each
    /// number begins once, so one function at most changes the entry for it.
    pub fn begin(
        &self,
        number: u64,
        kind: ChangeKind,
        entry: &Entry,
        now: Timestamp,
        deadline: Timestamp,
    ) -> Beginning {
        if number <= self.number && self.is_of_earlier_series(deadline) {
            let anew = Self { password_deadline: self.password_deadline, ..Self::default() };
            return anew.begin(number, kind, entry, now, deadline);
        }
        let open_was_made = self.is_made_by(Some(entry));
        let made = if open_was_made { self.number } else { self.made };
        if number < self.number {
            return Beginning::Superseded;
        }
        // Another change has the number, so the numbers began anew. The next number is free.
        if number == self.number && self.deadline.is_some_and(|noted| noted != deadline) {
            return Beginning::Busy;
        }
        if made >= number {
            return Beginning::Made(Self { number: self.number, made, open: None, ..*self });
        }
        match &self.open {
            Some(_) if number == self.number => Beginning::Begun,
            None if number == self.number => Beginning::Ended,
            Some(open) if !open_was_made && now < open.until => Beginning::Busy,
            _ => Beginning::New(Self {
                number,
                made,
                open: Some(OpenChange::of(kind, entry, deadline)),
                deadline: Some(deadline),
                password_deadline: match kind {
                    ChangeKind::Password => Some(deadline),
                    ChangeKind::Unlock => self.password_deadline,
                },
            }),
        }
    }

    /// Returns the note after its latest change was made.
    #[must_use]
    pub const fn with_made(&self) -> Self {
        Self { number: self.number, made: self.number, open: None, ..*self }
    }

    /// Returns the note after its latest change was surely not made.
    #[must_use]
    pub const fn with_nothing_made(&self) -> Self {
        Self { number: self.number, made: self.made, open: None, ..*self }
    }

    /// Returns whether all that is noted belongs to numbers before those of a change with this deadline.
    fn is_of_earlier_series(&self, deadline: Timestamp) -> bool {
        self.deadline.is_some_and(|noted| noted + NEW_SERIES <= deadline)
    }

    /// Returns whether the note says that exactly this change was made.
    pub fn is_made(&self, number: u64, deadline: Timestamp) -> bool {
        self.number == number && self.made == number && self.deadline.is_none_or(|noted| noted == deadline)
    }

    /// Returns whether the change `number`, or a later one, was made; `None` if only the entry can tell. Its deadline need
    /// not be exact.
    pub fn tells(&self, number: u64, deadline: Timestamp) -> Option<bool> {
        match &self.open {
            _ if self.is_of_earlier_series(deadline) => Some(false),
            _ if self.made >= number => Some(true),
            Some(_) if self.number >= number => None,
            _ => Some(false),
        }
    }

    /// Returns whether the open change was made, as the entry shows.
    pub fn is_made_by(&self, entry: Option<&Entry>) -> bool {
        self.open.as_ref().zip(entry).is_some_and(|(open, entry)| open.is_made(entry))
    }
}

#[cfg(test)]
mod tests {
    use super::super::account::AccountId;
    use super::super::directory::EntryStanding;
    use super::*;

    fn entry(password: &str, lock: &str, is_locked: bool) -> Entry {
        Entry {
            id: AccountId::from_directory("ad:1").unwrap(),
            standing: EntryStanding::Eligible,
            is_locked,
            must_change: false,
            password_version: EntryVersion(password.to_owned()),
            lock_version: EntryVersion(lock.to_owned()),
            attempts_left: None,
        }
    }

    const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);
    const DEADLINE: Timestamp = Timestamp::from_seconds(1_795_492_830);
    const ENDED: Timestamp = Timestamp::from_seconds(1_795_492_840);

    fn begin(note: &ChangeNote, number: u64, entry: &Entry, now: Timestamp) -> Beginning {
        note.begin(number, ChangeKind::Password, entry, now, DEADLINE)
    }

    fn begun(note: &ChangeNote, number: u64, entry: &Entry) -> ChangeNote {
        match begin(note, number, entry, ENDED) {
            Beginning::New(note) => note,
            other => panic!("{other:?}"),
        }
    }

    /// Controls: C-161.
    #[test]
    fn repeated_change_never_begins_again() {
        let before = entry("1", "0", false);
        let note = begun(&ChangeNote::default(), 1, &before);
        for now in [NOW, ENDED] {
            assert_eq!(begin(&note, 1, &before, now), Beginning::Begun);
        }
        let made = Beginning::Made(note.with_made());
        assert_eq!(begin(&note, 1, &entry("2", "0", false), NOW), made);
        assert_eq!(begin(&note.with_made(), 1, &before, NOW), made);
        let rejected = note.with_nothing_made();
        assert_eq!(begin(&rejected, 1, &before, NOW), Beginning::Ended);
        assert!(matches!(begin(&rejected, 2, &before, NOW), Beginning::New(_)), "the next number");
    }

    /// Controls: C-161.
    #[test]
    fn older_change_is_superseded_by_begun_one() {
        let before = entry("1", "0", false);
        let note = begun(&ChangeNote::default(), 2, &before);
        assert_eq!(begin(&note, 1, &before, NOW), Beginning::Superseded);
        let made = note.with_made();
        assert_eq!(begin(&made, 1, &before, NOW), Beginning::Superseded);
    }

    /// The registration was erased, and the person registered anew: the leases count from one again.
    /// Controls: C-161.
    #[test]
    fn erased_registration_begins_numbers_anew() {
        let before = entry("1", "0", false);
        let made = begun(&ChangeNote::default(), 5, &before).with_made();
        for number in [1, 4, 5] {
            let (soon, later) = (DEADLINE + Seconds(3_599), DEADLINE + NEW_SERIES);
            let begin = |deadline| made.begin(number, ChangeKind::Password, &before, ENDED, deadline);
            let held = if number == 5 { Beginning::Busy } else { Beginning::Superseded };
            assert_eq!(begin(soon), held, "{number}: never taken for the earlier change");
            let Beginning::New(anew) = begin(later) else { panic!("{number}") };
            assert_eq!((anew.number, anew.made, anew.deadline), (number, 0, Some(later)));
            assert_eq!(made.tells(number, later), Some(false), "{number}");
            assert_eq!(anew.with_made().tells(number, later), Some(true));
        }
        assert!(matches!(made.begin(6, ChangeKind::Unlock, &before, ENDED, DEADLINE), Beginning::New(_)));
        assert!(made.is_made(5, DEADLINE) && !made.is_made(5, ENDED) && !made.is_made(4, DEADLINE));
    }

    /// The later note has other versions, so the earlier result is settled before they are lost.
    #[test]
    fn later_change_settles_open_one() {
        let before = entry("1", "0", false);
        let first = begun(&ChangeNote::default(), 1, &before);
        assert_eq!(begin(&first, 2, &before, NOW), Beginning::Busy, "it may still be made");
        assert!(matches!(begin(&first, 2, &entry("2", "0", false), NOW), Beginning::New(_)));
        assert_eq!(begun(&first, 2, &before).made, 0);
        assert_eq!(begun(&first, 2, &entry("2", "0", false)).made, 1);
    }

    #[test]
    fn outcome_is_told_by_note_or_entry() {
        let before = entry("1", "0", false);
        let none = ChangeNote::default();
        assert_eq!(none.tells(1, DEADLINE), Some(false));
        let open = begun(&none, 1, &before);
        assert_eq!((open.tells(1, DEADLINE), open.tells(2, DEADLINE)), (None, Some(false)));
        assert!(!open.is_made_by(Some(&before)) && !open.is_made_by(None));
        assert!(open.is_made_by(Some(&entry("2", "0", false))));
        assert_eq!(open.with_made().tells(1, DEADLINE), Some(true));
        assert_eq!(open.with_nothing_made().tells(1, DEADLINE), Some(false));
        assert_eq!(begun(&open.with_made(), 2, &before).tells(1, DEADLINE), Some(true));
    }

    #[test]
    fn deadline_of_password_outlives_its_result_and_unlocks() {
        let before = entry("1", "0", false);
        let set = begun(&ChangeNote::default(), 1, &before).with_made();
        assert_eq!(set.password_deadline, Some(DEADLINE));
        let later = DEADLINE + Seconds(60);
        let unlock = set.begin(2, ChangeKind::Unlock, &before, ENDED, later);
        let Beginning::New(unlock) = unlock else { panic!("{unlock:?}") };
        assert_eq!(unlock.with_nothing_made().password_deadline, Some(DEADLINE));
        let text = r#"{"number":1,"made":1,"open":null}"#;
        let earlier: ChangeNote = serde_json::from_str(text).unwrap();
        assert_eq!(earlier.password_deadline, None, "a note of an earlier version");
        assert_eq!(serde_json::to_string(&earlier).unwrap(), text);
    }

    #[test]
    fn unlock_is_made_when_nothing_locks() {
        let locked = entry("1", "7", true);
        let open = OpenChange::of(ChangeKind::Unlock, &locked, DEADLINE);
        assert!(!open.is_made(&locked));
        assert!(open.is_made(&entry("1", "0", false)));
        assert!(open.is_made(&entry("1", "9", true)), "locked again since");
        assert!(!OpenChange::of(ChangeKind::Password, &locked, DEADLINE).is_made(&entry("1", "0", false)));
    }
}
