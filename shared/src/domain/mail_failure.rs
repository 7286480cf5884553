//! Mail that a mailbox did not take, as the provider of mail reports it later.
//!
//! A failure is stored under a keyed tag of the address, so that no item leads from a mailbox to a person. It is read
//! where the owner of a contact or the help desk looks at it, and nowhere else: pages of a reset must not tell it.

use serde::{Deserialize, Serialize};

use super::account::Registration;
use super::contact::EmailAddress;
use super::keys::Keyring;
use super::security_info::{Entry, Kind};
use super::time::{Seconds, Timestamp};

/// A failure is forgotten after half a year without another one. Every mail to a dead mailbox renews it.
pub const KEPT: Seconds = Seconds(180 * Seconds::DAY.0);

/// How mail failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailFailureKind {
    /// It came back for good: the mailbox does not exist, or the provider no longer sends to it.
    Bounced,
    /// Its recipient reported it as spam.
    Complained,
}

impl MailFailureKind {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Bounced, Self::Complained];

    /// Returns the name, as it is stored and as pages have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bounced => "bounced",
            Self::Complained => "complained",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The last failure of a mailbox. It has nothing of the provider's text, which may quote the mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MailFailure {
    /// How.
    pub kind: MailFailureKind,
    /// When.
    pub at: Timestamp,
}

impl MailFailure {
    /// Returns the end of its time in the store.
    pub fn kept_until(&self) -> Timestamp {
        self.at + KEPT
    }

    /// Returns whether it is news about an entry. A reset that a code to the mailbox served later shows that mail
    /// arrives again.
    pub fn concerns(&self, entry: &Entry) -> bool {
        entry.id.kind() == Kind::AlternateEmail && entry.last_used_at.is_none_or(|used| used < self.at)
    }
}

/// A mailbox. Keyed: the store contains no addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FailedMailbox([u8; 16]);

impl FailedMailbox {
    /// Returns the tag of an address in canonical form, as factors are compared. It uses the oldest key, so that key
    /// rotation doesn't change it.
    pub fn of(address: &EmailAddress, messages: &Keyring) -> Option<Self> {
        let canonical = address.canonical();
        let tag = messages.tag(messages.oldest(), "rekey/mail failure", &[canonical.as_bytes()])?;
        tag.as_bytes().first_chunk().copied().map(Self)
    }

    /// Returns the tag of the mailbox that lists show: the one that waits to replace another, if there is one.
    pub fn listed(registration: &Registration, messages: &Keyring) -> Option<Self> {
        let waiting = registration.successors.alternate_email.as_ref();
        Self::of(waiting.or(registration.alternate_email.as_ref())?, messages)
    }

    /// Returns the key of the item. It is stored data.
    pub fn key(&self) -> String {
        format!("mail-failure#{}", hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::security_info::EntryId;

    const AT: Timestamp = Timestamp::from_seconds(1_795_492_800);

    fn keys() -> Keyring {
        Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
    }

    fn tag(address: &str) -> String {
        FailedMailbox::of(&EmailAddress::from_stored(address.into()), &keys()).unwrap().key()
    }

    /// Keys of items are stored data: a newer version must find an older one's failures.
    /// Controls: C-280.
    #[test]
    fn stored_mail_failure_key_is_unchanged() {
        assert_eq!(tag("aisyah@mail.example"), "mail-failure#48569e4c56507a8fef4bec15c0b54b87");
        assert_eq!(tag("Aisyah@MAIL.example"), tag("aisyah@mail.example"), "one mailbox");
        assert_ne!(
            tag("aisyah+1@mail.example"),
            tag("aisyah@mail.example"),
            "one may bounce without the other"
        );
    }

    #[test]
    fn mail_failure_is_superseded_by_later_use() {
        let entry = |kind, used: Option<i64>| Entry {
            id: EntryId::only(kind),
            shown: String::new(),
            added_at: AT,
            last_used_at: used.map(|after| Timestamp::from_seconds(AT.as_seconds() + after)),
            active_from: AT,
            old_from: AT,
            predecessor: None,
        };
        let failure = MailFailure { kind: MailFailureKind::Bounced, at: AT };
        for (kind, used, concerns) in [
            (Kind::AlternateEmail, None, true),
            (Kind::AlternateEmail, Some(-1), true),
            (Kind::AlternateEmail, Some(0), false),
            (Kind::Mobile, None, false),
        ] {
            assert_eq!(failure.concerns(&entry(kind, used)), concerns, "{kind:?} {used:?}");
        }
    }
}
