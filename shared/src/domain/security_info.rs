//! The enrolled entries of a person, as `/security-info` lists and changes them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::account::Contact;
use super::holder::HolderId;
use super::method::Factor;
pub use super::method::Kind;
use super::passkey::Credential;
use super::recovery_code::Sheet;
use super::time::{Seconds, Timestamp};

/// Names one entry of an account: the kind and, for kinds with several entries, 64 random bits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryId(String);

impl EntryId {
    /// Returns the id of a new entry of `kind`. A kind with one entry is its own id.
    pub fn new(kind: Kind, entropy: [u8; 8]) -> Self {
        if kind.limit() == 1 {
            return Self(kind.as_str().to_owned());
        }
        Self(format!("{}.{}", kind.as_str(), hex::encode(entropy)))
    }

    /// Returns the id of the only entry of `kind`, for kinds with one entry.
    pub fn only(kind: Kind) -> Self {
        Self(kind.as_str().to_owned())
    }

    /// Reads an id; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, number) = match text.split_once('.') {
            Some((kind, number)) => (Kind::parse(kind)?, Some(number)),
            None => (Kind::parse(text)?, None),
        };
        let is_number = |number: &str| {
            number.len() == 16 && number.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let fits = match number {
            Some(number) => kind.limit() > 1 && is_number(number),
            None => kind.limit() == 1,
        };
        fits.then(|| Self(text.to_owned()))
    }

    /// Returns the kind of the entry.
    pub fn kind(&self) -> Kind {
        let kind = self.0.split('.').next().and_then(Kind::parse);
        kind.unwrap_or(Kind::RecoveryCodes)
    }

    /// Returns the id as text: a table's key and the contract's `id`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for EntryId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not the id of an entry")
    }
}

impl From<EntryId> for String {
    fn from(id: EntryId) -> Self {
        id.0
    }
}

/// The data of an entry that is never shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Secret<'a> {
    /// An address or a number, which the store seals for its owner.
    Contact(Contact<'a>),
    /// The seed of an app for codes, sealed for its owner.
    Totp {
        /// Opened only to check a code.
        sealed_seed: String,
        /// The last accepted time step; only later ones are accepted.
        step: u64,
    },
    /// A device with the authenticator app.
    Authenticator {
        /// Its public key (SEC 1 point on P-256, 65 bytes).
        public_key: Vec<u8>,
        /// The sealed push subscription; none without pushes.
        subscription: Option<String>,
    },
    /// A passkey's public half, which verifies assertions.
    Passkey(Credential),
    /// The hashes of a sheet of recovery codes.
    RecoveryCodes(Sheet),
}

/// The part of an entry that one verification uses up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Consumption {
    /// A time step of an app for codes: this and earlier ones are used up (RFC 6238 §5.2).
    TimeStep(u64),
    /// A passkey's counter: this and lower ones are used up (Web Authentication Level 3 §7.2 step 22). A
    /// passkey without a counter stays at 0.
    Counter(u32),
    /// The hash of a recovery code, which leaves its sheet.
    RecoveryCode(String),
}

/// An enrolled entry, with the text that may be shown of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Unique within the account.
    pub id: EntryId,
    /// The mask of a contact, the name of a device or passkey, or the number of unused recovery codes; else
    /// empty.
    pub shown: String,
    /// The time of its enrolment.
    pub added_at: Timestamp,
    /// The time of its last verification.
    pub last_used_at: Option<Timestamp>,
    /// Active from this time on, after its waiting period.
    pub active_from: Timestamp,
    /// Old from this time on: it has been active for the waiting period.
    pub old_from: Timestamp,
    /// The mask of the active contact that this one will replace.
    pub predecessor: Option<String>,
}

impl Entry {
    /// Returns whether nothing of it is left to verify with: a sheet without unused codes.
    pub fn is_used_up(&self) -> bool {
        self.id.kind() == Kind::RecoveryCodes && self.shown == "0"
    }
}

/// All enrolled entries of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registered {
    /// The entries, in the order of the page, the oldest of a kind first.
    pub entries: Vec<Entry>,
    /// How often the account was changed: see [`Registration::generation`](super::account::Registration).
    pub generation: u64,
    /// The session that made the last change, if a session made it. The session continues even if the function died
    /// before it updated the session's own item.
    pub changed_by: Option<HolderId>,
    /// The time at which the person last confirmed the list.
    pub confirmed_at: Option<Timestamp>,
    /// The time at which the person last removed an entry.
    pub removed_at: Option<Timestamp>,
    /// The epoch of the account's known devices.
    pub device_epoch: u64,
}

impl Registered {
    /// Returns whether the person has never been here: nothing was changed, confirmed, removed or used.
    pub fn is_unused(&self) -> bool {
        self.generation == 0
            && self.confirmed_at.is_none()
            && self.removed_at.is_none()
            && self.entries.iter().all(|entry| entry.last_used_at.is_none())
    }

    /// Returns the entries of a kind.
    pub fn entries_of(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.id.kind() == kind)
    }

    /// Returns the factors of the kinds that `serves` accepts, active or waiting; a sheet of recovery codes
    /// only with unused codes.
    pub fn factors(&self, serves: impl Fn(Kind) -> bool) -> Vec<Factor> {
        let counts = |entry: &&Entry| serves(entry.id.kind()) && !entry.is_used_up();
        let mut factors: Vec<_> =
            self.entries.iter().filter(counts).map(|entry| entry.id.kind().factor()).collect();
        factors.sort_unstable();
        factors.dedup();
        factors
    }

    /// Returns whether the person should confirm the list again: `days` after the last time, and never for 0.
    pub fn is_due(&self, days: u16, now: Timestamp) -> bool {
        let latest = self.entries.iter().map(|entry| entry.added_at).chain(self.confirmed_at).max();
        days > 0 && latest.is_some_and(|latest| latest + Seconds(u32::from(days) * Seconds::DAY.0) <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, active_from: i64) -> Entry {
        let at = Timestamp::from_seconds(1_790_000_000);
        Entry {
            id: EntryId::parse(id).unwrap(),
            shown: String::new(),
            added_at: at,
            last_used_at: None,
            active_from: Timestamp::from_seconds(1_790_000_000 + active_from),
            old_from: at,
            predecessor: None,
        }
    }

    #[test]
    fn entry_id_round_trips_and_rejects_malformed_text() {
        for kind in Kind::ALL {
            let id = EntryId::new(kind, [0xab; 8]);
            assert_eq!(EntryId::parse(id.as_str()), Some(id.clone()));
            assert_eq!(id.kind(), kind);
        }
        for text in
            ["", "mobile.0123456789abcdef", "passkey", "passkey.XYZ", "passkey.0123456789ABCDEF", "state"]
        {
            assert!(EntryId::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn entry_id_is_stored_and_logged_verbatim() {
        let id = EntryId::new(Kind::Passkey, [0xab; 8]);
        let stored = serde_json::to_string(&id).unwrap();
        assert_eq!(stored, "\"passkey.abababababababab\"");
        assert_eq!(serde_json::from_str::<EntryId>(&stored).unwrap(), id);
        assert_eq!(format!("{id:?}"), "passkey.abababababababab");
    }

    #[test]
    fn entries_are_found_by_kind() {
        let entries = vec![entry("mobile", 0), entry("totp", 0)];
        let registered = Registered { entries, ..Registered::default() };
        let of = |kind| registered.entries_of(kind).map(|entry| entry.id.as_str()).collect::<Vec<_>>();
        assert_eq!((of(Kind::Totp), of(Kind::Passkey)), (vec!["totp"], vec![]));
    }

    #[test]
    fn factors_merge_apps_and_omit_empty_sheet() {
        let sheet = |left: &str| Entry { shown: left.into(), ..entry("recovery_codes", 0) };
        let registered = |left| Registered {
            entries: vec![
                entry("alternate_email", 0),
                entry("totp", 0),
                entry("authenticator.0123456789abcdef", 0),
                sheet(left),
            ],
            ..Registered::default()
        };
        let two = [Factor::AlternateEmail, Factor::AuthenticatorApp];
        assert_eq!(registered("0").factors(|_| true), two);
        assert_eq!(registered("1").factors(|_| true).len(), 3);
        assert_eq!(registered("1").factors(|kind| kind == Kind::Totp), [Factor::AuthenticatorApp]);
    }

    #[test]
    fn confirmation_is_due_after_interval() {
        let now = Timestamp::from_seconds(1_790_000_000);
        let mut registered = Registered { entries: vec![entry("mobile", 0)], ..Registered::default() };
        let day = |days: u32| now + Seconds(days * Seconds::DAY.0);
        assert!(!registered.is_due(180, day(179)) && registered.is_due(180, day(180)));
        assert!(!registered.is_due(0, day(9_999)), "never");
        registered.confirmed_at = Some(day(180));
        assert!(!registered.is_due(180, day(359)) && registered.is_due(180, day(360)));
        assert!(!Registered::default().is_due(180, day(9_999)), "there is nothing to look at");
    }
}
