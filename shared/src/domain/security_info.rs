//! What a person has registered, entry by entry, as the page about it lists and changes it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::holder::HolderId;
use super::method::{Factor, Method};
use super::time::{Seconds, Timestamp};

/// A kind of entry, as the HTTP contract names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A mailbox that is not the one the password protects.
    AlternateEmail,
    /// The mobile phone.
    Mobile,
    /// The phone in the office.
    OfficePhone,
    /// An app that shows codes (RFC 6238).
    Totp,
    /// A device with the authenticator app, which approves.
    Authenticator,
    /// A passkey.
    Passkey,
    /// A sheet of recovery codes.
    RecoveryCodes,
}

impl Kind {
    /// Every kind, in the order of the page.
    pub const ALL: [Self; 7] = [
        Self::AlternateEmail,
        Self::Mobile,
        Self::OfficePhone,
        Self::Totp,
        Self::Authenticator,
        Self::Passkey,
        Self::RecoveryCodes,
    ];

    /// The contract's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AlternateEmail => "alternate_email",
            Self::Mobile => "mobile",
            Self::OfficePhone => "office_phone",
            Self::Totp => "totp",
            Self::Authenticator => "authenticator",
            Self::Passkey => "passkey",
            Self::RecoveryCodes => "recovery_codes",
        }
    }

    /// Reads the contract's name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// What it proves possession of.
    pub const fn factor(self) -> Factor {
        match self {
            Self::AlternateEmail => Factor::AlternateEmail,
            Self::Mobile => Factor::MobilePhone,
            Self::OfficePhone => Factor::OfficePhone,
            Self::Totp | Self::Authenticator => Factor::AuthenticatorApp,
            Self::Passkey => Factor::Passkey,
            Self::RecoveryCodes => Factor::RecoveryCodes,
        }
    }

    /// The methods that it serves.
    pub const fn methods(self) -> &'static [Method] {
        match self {
            Self::AlternateEmail => &[Method::Email],
            Self::Mobile => &[Method::Sms, Method::MobileCall],
            Self::OfficePhone => &[Method::OfficeCall],
            Self::Totp => &[Method::Totp],
            Self::Authenticator => &[Method::Push],
            Self::Passkey => &[Method::Passkey],
            Self::RecoveryCodes => &[Method::RecoveryCode],
        }
    }

    /// How many a person may have: devices and passkeys as many as Microsoft's service allows (5 and 10), of everything
    /// else one. It keeps an account's items within one read unit, and a stolen session from filling the page.
    pub const fn limit(self) -> usize {
        match self {
            Self::Authenticator => 5,
            Self::Passkey => 10,
            _ => 1,
        }
    }

    /// Whether it is an address or a number that messages go to.
    pub const fn is_contact(self) -> bool {
        matches!(self, Self::AlternateEmail | Self::Mobile | Self::OfficePhone)
    }
}

/// Names one entry of an account: the kind, and where there may be several, a number of 64 random bits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryId(String);

impl EntryId {
    /// The id of a new entry of `kind`. What there is only one of is named by its kind alone.
    pub fn new(kind: Kind, entropy: [u8; 8]) -> Self {
        if kind.limit() == 1 {
            return Self(kind.as_str().to_owned());
        }
        Self(format!("{}.{}", kind.as_str(), hex::encode(entropy)))
    }

    /// The id of the one entry of `kind`, where there is only one.
    pub fn only(kind: Kind) -> Self {
        Self(kind.as_str().to_owned())
    }

    /// Reads an id.
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

    /// The kind that it names an entry of.
    pub fn kind(&self) -> Kind {
        let kind = self.0.split('.').next().and_then(Kind::parse);
        kind.unwrap_or(Kind::RecoveryCodes)
    }

    /// The id as text, a table's key and the contract's `id`.
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

/// One thing that is registered, with what may be shown of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// The mask of a contact, the name of a device or passkey, how many recovery codes are left; else empty.
    pub shown: String,
    /// When it was registered.
    pub added_at: Timestamp,
    /// When it last proved something.
    pub last_used_at: Option<Timestamp>,
    /// From when on it counts.
    pub usable_from: Timestamp,
    /// From when on it has been active for the waiting period.
    pub old_from: Timestamp,
    /// The mask of the contact that serves until then, where this one takes its place.
    pub predecessor: Option<String>,
}

/// Everything that an account has registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registered {
    /// The entries, in the order of the page, the oldest of a kind first.
    pub entries: Vec<Entry>,
    /// How often the account was changed: see [`Registration::generation`](super::account::Registration).
    pub generation: u64,
    /// The session that changed it last, if it was one: it knows of that change even where its own item does not say so,
    /// since the function died in between.
    pub changed_by: Option<HolderId>,
    /// When the person last looked through all of it and found it right.
    pub confirmed_at: Option<Timestamp>,
    /// When the person last removed something.
    pub removed_at: Option<Timestamp>,
}

impl Registered {
    /// The entries of a kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.id.kind() == kind)
    }

    /// The factors of the kinds that serve, whether or not they count yet; a sheet of recovery codes while it has some.
    pub fn factors(&self, serves: impl Fn(Kind) -> bool) -> Vec<Factor> {
        let counts = |entry: &&Entry| {
            let kind = entry.id.kind();
            serves(kind) && !(kind == Kind::RecoveryCodes && entry.shown == "0")
        };
        let mut factors: Vec<_> =
            self.entries.iter().filter(counts).map(|entry| entry.id.kind().factor()).collect();
        factors.sort_unstable();
        factors.dedup();
        factors
    }

    /// Whether the person should look through it again: after `days` without, and never for 0.
    pub fn is_due(&self, days: u16, now: Timestamp) -> bool {
        let latest = self.entries.iter().map(|entry| entry.added_at).chain(self.confirmed_at).max();
        days > 0 && latest.is_some_and(|latest| latest + Seconds(u32::from(days) * Seconds::DAY.0) <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, usable_from: i64) -> Entry {
        let at = Timestamp::from_seconds(1_790_000_000);
        Entry {
            id: EntryId::parse(id).unwrap(),
            shown: String::new(),
            added_at: at,
            last_used_at: None,
            usable_from: Timestamp::from_seconds(1_790_000_000 + usable_from),
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
        let of = |kind| registered.of(kind).map(|entry| entry.id.as_str()).collect::<Vec<_>>();
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
