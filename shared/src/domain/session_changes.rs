//! The changes that a session at `/security-info` made, and the contacts that are notified of them.
//!
//! The first change is notified at once. Later ones are gathered for at most five minutes, so that a person who
//! enrols three methods gets two messages on each contact. Every notification goes to each contact that stood at any
//! time in the session, removed and replaced ones too: an attacker who removes a contact does not silence it.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::event::{AccountChange, Change};
use super::holder::HolderId;
use super::keys::Keyring;
use super::language::Language;
use super::message::{FURTHER_CHANGES, MessageError, Notice, Recipient, WrittenContact};
use super::method::Method;
use super::notice::{add_contact, has_calls_only, notices_to};
use super::time::{Seconds, Timestamp};

/// The longest time for which a change is gathered.
pub const GATHERED: Seconds = Seconds(300);
/// Changes that wait for their notification are kept for this long: one day more than a message in the dead-letter
/// queue, from which an operator may send it again.
const KEPT_PENDING: Seconds = Seconds(15 * Seconds::DAY.0);
/// Changes that were notified are kept for longer than the session may still make others.
const KEPT_NOTIFIED: Seconds = Seconds::HOUR;
/// The changes that one notification reports.
const REPORTED: usize = FURTHER_CHANGES + 1;
/// The purpose in the key derivation of the sealing key.
const PURPOSE: &str = "rekey/session-changes";

/// The changes of one session. It outlives the session, so that no end of the session loses a notification. It is
/// stored sealed, since it has whole contacts.
#[derive(Clone, Debug)]
pub struct SessionChanges {
    /// Every contact that stood at any time in the session.
    contacts: Vec<Recipient>,
    /// Whether only calls reached the person before the first change.
    calls_only: bool,
    /// All methods that verified the person.
    methods: Vec<Method>,
    /// The login of the account, which mails name.
    login: Option<String>,
    /// The language of the notifications.
    language: Language,
    /// All changes, in order.
    changes: Vec<Change>,
    /// How many of them were notified.
    notified: usize,
    /// The others are notified at this time.
    due_at: Timestamp,
}

/// How a change that was added is notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notification {
    /// At once: it is the first of the session.
    AtOnce,
    /// By a message to `delivery` that is to be queued with this delay.
    In(Seconds),
    /// By a message that is queued already.
    Queued,
}

impl SessionChanges {
    /// Returns the changes of a session that has made none, for the account with this login.
    pub const fn new(login: Option<String>, language: Language) -> Self {
        Self {
            contacts: Vec::new(),
            calls_only: false,
            methods: Vec::new(),
            login,
            language,
            changes: Vec::new(),
            notified: 0,
            due_at: Timestamp::from_seconds(0),
        }
    }

    /// Adds a change that is about to be made, with the contacts from `before` it and those that it adds (`new`).
    pub fn add(
        &mut self,
        change: &AccountChange,
        before: Vec<Recipient>,
        new: Vec<Recipient>,
        now: Timestamp,
    ) -> Notification {
        let is_first = self.changes.is_empty();
        if is_first {
            self.calls_only = has_calls_only(&before);
        }
        for contact in before.into_iter().chain(new) {
            add_contact(&mut self.contacts, contact);
        }
        for method in &change.methods {
            if !self.methods.contains(method) {
                self.methods.push(*method);
            }
        }
        let waiting = self.pending().len();
        self.changes.push(Change { event: change.event, at: change.at });
        if is_first {
            return Notification::AtOnce;
        }
        if waiting == 0 {
            self.due_at = now + GATHERED;
            return Notification::In(GATHERED);
        }
        if waiting + 1 >= REPORTED {
            self.due_at = self.due_at.min(now);
        }
        // Late ones get a further message: the one that was queued may lie in the dead-letter queue.
        if self.wait(now).is_none() { Notification::In(Seconds(0)) } else { Notification::Queued }
    }

    /// Returns the time until the gathered changes are notified; `None` if it is over.
    pub fn wait(&self, now: Timestamp) -> Option<Seconds> {
        self.due_at.is_ahead(now, GATHERED).then(|| Seconds(self.due_at.seconds_after(now)))
    }

    /// Returns the changes that were not notified.
    pub fn pending(&self) -> &[Change] {
        self.changes.get(self.notified..).unwrap_or_default()
    }

    /// Returns the notices of the changes that were not notified: one for each contact, or several if there are more
    /// changes than one can report.
    pub fn notices(&self) -> Vec<Notice> {
        let parts = self.pending().chunks(REPORTED);
        let login = self.login.as_deref();
        let to_each =
            |part| notices_to(&self.contacts, self.calls_only, part, &self.methods, login, self.language);
        parts.flat_map(to_each).collect()
    }

    /// Returns how many changes there are, for [`Self::note_notified`].
    pub fn count(&self) -> usize {
        self.changes.len()
    }

    /// Records that the first `count` changes were notified. A repeated record changes nothing.
    pub fn note_notified(&mut self, count: usize) {
        self.notified = self.notified.max(count.min(self.changes.len()));
    }

    /// Returns the time until which the store keeps them.
    pub fn kept_until(&self, now: Timestamp) -> Timestamp {
        now + if self.pending().is_empty() { KEPT_NOTIFIED } else { KEPT_PENDING }
    }

    /// Seals the changes for their session.
    ///
    /// # Errors
    /// [`MessageError`] when the key is missing.
    pub fn seal(
        &self,
        messages: &Keyring,
        session: HolderId,
        nonce: [u8; 24],
    ) -> Result<String, MessageError> {
        let written = Written {
            contacts: self.contacts.iter().map(WrittenContact::from).collect(),
            calls_only: self.calls_only,
            methods: self.methods.clone(),
            login: self.login.clone(),
            language: self.language,
            changes: self.changes.clone(),
            notified: self.notified,
            due_at: self.due_at,
        };
        let plain = Zeroizing::new(serde_json::to_vec(&written).map_err(|_| MessageError)?);
        Ok(messages.seal(PURPOSE, session.as_bytes(), &plain, nonce)?)
    }

    /// Opens the changes of a session.
    ///
    /// # Errors
    /// [`MessageError`] when they were not sealed with these keys for this session.
    pub fn open(messages: &Keyring, session: HolderId, sealed: &str) -> Result<Self, MessageError> {
        let plain = messages.open(PURPOSE, session.as_bytes(), sealed)?;
        let written: Written = serde_json::from_slice(&plain).map_err(|_| MessageError)?;
        Ok(Self {
            contacts: written.contacts.into_iter().map(Recipient::from).collect(),
            calls_only: written.calls_only,
            methods: written.methods,
            login: written.login,
            language: written.language,
            changes: written.changes,
            notified: written.notified,
            due_at: written.due_at,
        })
    }
}

/// The form that is sealed.
#[derive(Serialize, Deserialize)]
struct Written {
    contacts: Vec<WrittenContact>,
    calls_only: bool,
    methods: Vec<Method>,
    #[serde(default)]
    login: Option<String>,
    language: Language,
    changes: Vec<Change>,
    notified: usize,
    due_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contact::{EmailAddress, PhoneNumber};
    use crate::domain::event::Event;
    use crate::domain::security_info::Kind;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);

    fn keys() -> Keyring {
        Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
    }

    fn session(byte: u8) -> HolderId {
        HolderId::from_bytes([byte; 32])
    }

    fn mail(address: &str) -> Recipient {
        Recipient::Email(EmailAddress::from_stored(address.into()))
    }

    fn office() -> Recipient {
        Recipient::Voice(PhoneNumber::from_stored("+60327317272".into()))
    }

    fn add(changes: &mut SessionChanges, event: Event, before: Vec<Recipient>, seconds: u32) -> Notification {
        let at = NOW + Seconds(seconds);
        let change = AccountChange { event, methods: vec![Method::Totp], at, language: Language::English };
        changes.add(&change, before, vec![mail("new@mail.example")], at)
    }

    fn first(before: Vec<Recipient>) -> SessionChanges {
        let mut changes = SessionChanges::new(Some("aisyah".to_owned()), Language::English);
        assert_eq!(add(&mut changes, Event::Added(Kind::Totp), before, 0), Notification::AtOnce);
        changes.note_notified(1);
        changes
    }

    /// Controls: C-063.
    #[test]
    fn later_changes_are_gathered_for_five_minutes() {
        let mut changes = first(vec![mail("a@mail.example")]);
        assert_eq!(add(&mut changes, Event::Added(Kind::Mobile), Vec::new(), 10), Notification::In(GATHERED));
        assert_eq!(add(&mut changes, Event::Removed(Kind::Totp), Vec::new(), 309), Notification::Queued);
        assert_eq!(changes.wait(NOW + Seconds(309)), Some(Seconds(1)));
        assert_eq!(changes.wait(NOW + Seconds(310)), None);
        assert_eq!(
            add(&mut changes, Event::Added(Kind::Totp), Vec::new(), 310),
            Notification::In(Seconds(0)),
            "what is late gets a further message"
        );
        changes.note_notified(4);
        assert_eq!(add(&mut changes, Event::Added(Kind::Totp), Vec::new(), 400), Notification::In(GATHERED));
    }

    /// Controls: C-063.
    #[test]
    fn full_notification_is_sent_at_once() {
        let mut changes = first(vec![mail("a@mail.example")]);
        for nth in 0..REPORTED {
            let queued = add(&mut changes, Event::Added(Kind::Passkey), Vec::new(), 1);
            let expected = match nth {
                0 => Notification::In(GATHERED),
                nth if nth + 1 == REPORTED => Notification::In(Seconds(0)),
                _ => Notification::Queued,
            };
            assert_eq!(queued, expected, "{nth}");
        }
        add(&mut changes, Event::Added(Kind::Passkey), Vec::new(), 1);
        let reported: Vec<usize> = changes.notices().iter().map(|notice| notice.further.len() + 1).collect();
        assert_eq!(reported, [10, 10, 1, 1], "two contacts");
    }

    /// Controls: C-063.
    #[test]
    fn removed_contact_is_notified_of_later_changes() {
        let mut changes = first(vec![mail("a@mail.example"), office()]);
        add(&mut changes, Event::Removed(Kind::AlternateEmail), vec![mail("a@mail.example"), office()], 1);
        changes.note_notified(2);
        add(&mut changes, Event::Added(Kind::Totp), vec![office()], 2);
        let notices = changes.notices();
        assert_eq!(notices.len(), 2, "no call for an app");
        assert!(notices[0].to.is_same_contact(&mail("a@mail.example")), "the removed one");
        assert!(notices[1].to.is_same_contact(&mail("new@mail.example")));
        add(&mut changes, Event::Removed(Kind::Mobile), vec![office()], 3);
        assert_eq!(changes.notices().len(), 3, "a call for a removed contact");
    }

    /// An attacker who adds a contact of their own must not silence the only one of the owner.
    /// Controls: C-063.
    #[test]
    fn only_contact_from_before_is_called() {
        let mut changes = first(vec![office()]);
        add(&mut changes, Event::Added(Kind::Totp), vec![office(), mail("new@mail.example")], 1);
        assert_eq!(changes.notices().iter().filter(|notice| notice.to.is_same_contact(&office())).count(), 1);
    }

    #[test]
    fn repeated_record_notifies_nothing_twice() {
        let mut changes = first(vec![mail("a@mail.example")]);
        add(&mut changes, Event::Added(Kind::Mobile), Vec::new(), 1);
        for _ in 0..2 {
            changes.note_notified(2);
            assert!(changes.pending().is_empty() && changes.notices().is_empty());
        }
        changes.note_notified(9);
        add(&mut changes, Event::Added(Kind::Totp), Vec::new(), 2);
        assert_eq!(changes.pending().len(), 1);
    }

    #[test]
    fn pending_changes_are_kept_longer() {
        let mut changes = first(vec![mail("a@mail.example")]);
        assert_eq!(changes.kept_until(NOW), NOW + Seconds::HOUR);
        add(&mut changes, Event::Added(Kind::Mobile), Vec::new(), 1);
        assert_eq!(changes.kept_until(NOW), NOW + KEPT_PENDING);
    }

    /// Controls: C-089, C-092.
    #[test]
    fn sealed_changes_open_for_their_session_only() {
        let mut changes = first(vec![mail("a@mail.example"), office()]);
        add(&mut changes, Event::Removed(Kind::Mobile), Vec::new(), 1);
        let sealed = changes.seal(&keys(), session(1), [1; 24]).unwrap();
        assert!(SessionChanges::open(&keys(), session(2), &sealed).is_err());
        let read = SessionChanges::open(&keys(), session(1), &sealed).unwrap();
        assert_eq!(read.seal(&keys(), session(1), [1; 24]).unwrap(), sealed);
        let shown = format!("{read:?}");
        assert!(!shown.contains("a@mail") && !shown.contains("27317272"), "{shown}");
    }
}
