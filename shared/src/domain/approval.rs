//! Push approval on the authenticator app, by the number that the page shows (number matching).

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::account::AccountId;
use super::holder::HolderId;
use super::keys::{Keyring, Tag};
use super::time::{Seconds, Timestamp};

/// How long a request waits for its answer. A person has time to find the phone, and does not approve a
/// forgotten request.
pub const APPROVAL_LIFETIME: Seconds = Seconds(90);

/// How long a denial pauses the method for the account. Without the pause, an attacker could ask again at
/// once.
pub const PAUSE: Seconds = Seconds::DAY;

/// Names one request to a device: 128 random bits. The id alone does not allow anybody to answer the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// Returns the id with these bytes, which must be random.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, as the app's messages carry them.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads the hexadecimal form; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl TryFrom<String> for RequestId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not the id of a request")
    }
}

impl From<RequestId> for String {
    fn from(id: RequestId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The number that the page shows and the app asks for: two digits, 10 to 99. It verifies that the person who
/// approves sees the page (NIST 800-63B-4 §3.1.3.1, transfer of a secret; Microsoft's number matching).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ApprovalNumber(u8);

impl ApprovalNumber {
    /// Derives the number from a tag. A 128-bit number modulo 90 has a negligible bias.
    pub fn from_tag(tag: &Tag) -> Self {
        let (number, _) = tag.as_bytes().split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        let number = u128::from_be_bytes(*number) % 90;
        Self(u8::try_from(number).unwrap_or_default() + 10)
    }

    /// Reads the number that a person typed into the app.
    ///
    /// # Errors
    /// [`NumberError`] when it is not two digits from 10 to 99.
    pub fn parse(typed: &str) -> Result<Self, NumberError> {
        match typed.trim().as_bytes() {
            [tens @ b'1'..=b'9', ones @ b'0'..=b'9'] => Ok(Self((tens - b'0') * 10 + (ones - b'0'))),
            _ => Err(NumberError),
        }
    }

    /// Returns the tag to store for the number of one request. It uses the oldest key, which rotation keeps.
    pub fn tag(self, keys: &Keyring, request: RequestId) -> Option<Tag> {
        keys.tag(keys.oldest(), "rekey/approval", &[request.as_bytes(), &[self.0]])
    }

    /// Returns the two digits, for the page that shows them and for nothing else.
    pub fn expose(self) -> String {
        self.0.to_string()
    }
}

impl fmt::Debug for ApprovalNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApprovalNumber(..)")
    }
}

/// The text is not two digits from 10 to 99.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a number of two digits")]
pub struct NumberError;

/// The origin of a request, which the app shows so that a person recognises their own. It comes from fixed
/// lists and from the gateway, never in the client's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Requester {
    /// The network of the requester's address: `203.0.113.x`.
    pub network: String,
    /// The browser and system: see [`browser`](super::client::browser).
    pub browser: String,
    /// Whether the browser is a known device of the account. A request of an earlier version says nothing of it.
    #[serde(default)]
    pub known_device: bool,
}

/// A request for approval. An account has at most one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ApprovalRequest {
    /// Distinguishes it from an older request of the same account.
    pub id: RequestId,
    /// The flow or session that waits for the approval.
    pub flow: HolderId,
    /// The tag of the number on the page; the number itself is not stored.
    pub number: Tag,
    /// Network, browser and system of the requester.
    pub requester: Requester,
    /// Time of creation, in seconds since 1970.
    pub created_at: Timestamp,
    /// The request can't be answered from this time on.
    pub expires_at: Timestamp,
    /// Changes once, with the first answer.
    pub status: RequestStatus,
    /// Whether the device that answered was still in its waiting period.
    pub young: bool,
}

impl ApprovalRequest {
    /// Returns the key that an account's request is stored under. No flow has such a key.
    pub fn key(account: &AccountId) -> [u8; 32] {
        Sha256::new().chain_update(b"rekey/approval\n").chain_update(account.as_str()).finalize().into()
    }

    /// Returns whether it is pending and not expired.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.status == RequestStatus::Pending && self.expires_at.is_ahead(now, APPROVAL_LIFETIME)
    }

    /// Returns whether it is the request `id` of the holder `flow`.
    pub fn is_of(&self, flow: HolderId, id: RequestId) -> bool {
        self.flow == flow && self.id == id
    }
}

/// The result of a request. Only `Pending` can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestStatus {
    /// No device has answered.
    Pending,
    /// The person typed the number that the page shows.
    Approved,
    /// The person typed another number. The request has ended.
    Wrong,
    /// The person chose "It wasn't me". The request has ended, and so has its flow.
    Denied,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn approval_number_from_any_tag_round_trips() {
        for byte in 0..=255 {
            let number = ApprovalNumber::from_tag(&Tag::from_bytes([byte; 32]));
            assert_eq!(ApprovalNumber::parse(&number.expose()), Ok(number));
        }
        for typed in ["", "9", "09", "100", "4 2", "a1", "-5"] {
            assert_eq!(ApprovalNumber::parse(typed), Err(NumberError), "{typed}");
        }
        assert_eq!(format!("{:?}", ApprovalNumber(42)), "ApprovalNumber(..)");
    }

    /// Controls: C-048.
    #[test]
    fn approval_number_tag_is_bound_to_request() {
        let keys = Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap();
        let tag = |number, request| {
            ApprovalNumber(number).tag(&keys, RequestId::from_bytes([request; 16])).unwrap()
        };
        assert_eq!(tag(42, 1), tag(42, 1));
        assert!(tag(42, 1) != tag(43, 1) && tag(42, 1) != tag(42, 2));
    }

    /// Controls: C-034.
    #[test]
    fn approval_request_is_bound_to_holder_and_expires() {
        let key = |account: &str| ApprovalRequest::key(&AccountId::from_directory(account).unwrap());
        assert!(key("aisyah") == key("aisyah") && key("aisyah") != key("weiling"));
        let (flow, id) = (HolderId::from_bytes([1; 32]), RequestId::from_bytes([1; 16]));
        let at = Timestamp::from_seconds;
        let request = ApprovalRequest {
            id,
            flow,
            number: Tag::from_bytes([3; 32]),
            requester: Requester::default(),
            created_at: at(0),
            expires_at: at(90),
            status: RequestStatus::Pending,
            young: false,
        };
        assert!(request.is_open(at(89)) && !request.is_open(at(90)));
        assert!(request.is_of(flow, id));
        assert!(
            !request.is_of(HolderId::from_bytes([2; 32]), id)
                && !request.is_of(flow, RequestId::from_bytes([2; 16]))
        );
        assert!(!ApprovalRequest { status: RequestStatus::Approved, ..request }.is_open(at(89)));
    }
}
