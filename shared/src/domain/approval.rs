//! Approving on the authenticator app, by the number that the page shows (number matching).

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::account::AccountId;
use super::holder::HolderId;
use super::keys::{Keyring, Tag};
use super::time::{Seconds, Timestamp};

/// How long a request to the authenticator app waits for its answer: long enough to find the phone, short enough that
/// nobody approves what they no longer remember having asked for.
pub const APPROVAL_LIFETIME: Seconds = Seconds(90);

/// How long a refusal pauses the method for the account: whoever asked without being its owner may ask again at once.
pub const PAUSE: Seconds = Seconds::DAY;

/// Names one request to a device: 128 random bits. Whoever knows it can't answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// The request of these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads the hexadecimal form.
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

/// The number that the page shows and the app asks for: two digits, 10 to 99. Without it an approval proves nothing: who
/// approves has to see the page (NIST 800-63B-4 §3.1.3.1, transfer of a secret; Microsoft's number matching).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ApprovalNumber(u8);

impl ApprovalNumber {
    /// The number that a tag stands for. A 128-bit number modulo 90 has no bias that anybody could notice.
    pub fn from_tag(tag: &Tag) -> Self {
        let (number, _) = tag.as_bytes().split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        let number = u128::from_be_bytes(*number) % 90;
        Self(u8::try_from(number).unwrap_or_default() + 10)
    }

    /// Reads what was typed into the app.
    ///
    /// # Errors
    /// [`NumberError`] when it is not of two digits, 10 to 99.
    pub fn parse(typed: &str) -> Result<Self, NumberError> {
        match typed.trim().as_bytes() {
            [tens @ b'1'..=b'9', ones @ b'0'..=b'9'] => Ok(Self((tens - b'0') * 10 + (ones - b'0'))),
            _ => Err(NumberError),
        }
    }

    /// The tag of the number in one request, to be stored. Under the oldest key, which rotation keeps.
    pub fn tag(self, keys: &Keyring, request: RequestId) -> Option<Tag> {
        keys.tag(keys.oldest(), "rekey/approval", &[request.as_bytes(), &[self.0]])
    }

    /// The two digits, for the page that shows them. Nothing else has a use for them.
    pub fn expose(self) -> String {
        self.0.to_string()
    }
}

impl fmt::Debug for ApprovalNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApprovalNumber(..)")
    }
}

/// A text that is no number of an approval.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a number of two digits")]
pub struct NumberError;

/// What the app shows of who asks, so that one knows one's own request. From fixed lists and the gateway's own word, none
/// of it in the client's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Asker {
    /// The network that its address lies in: `203.0.113.x`.
    pub network: String,
    /// Browser and system: see [`browser`](super::client::browser).
    pub browser: String,
}

/// A request to approve. An account has one at most.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ApprovalRequest {
    /// Which.
    pub id: RequestId,
    /// The flow that asks.
    pub flow: HolderId,
    /// The tag of the number that its page shows.
    pub number: Tag,
    /// Who asks.
    pub asker: Asker,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What became of it.
    pub status: RequestStatus,
    /// Whether the device that answered had not been active for the waiting period yet.
    pub young: bool,
}

impl ApprovalRequest {
    /// Where the request of an account is kept: among flows, under a name that no flow has.
    pub fn key(account: &AccountId) -> [u8; 32] {
        Sha256::new().chain_update(b"rekey/approval\n").chain_update(account.as_str()).finalize().into()
    }

    /// Whether it still waits for its answer.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.status == RequestStatus::Pending && self.expires_at.is_ahead(now, APPROVAL_LIFETIME)
    }

    /// Whether it is the request `id` of `flow`.
    pub fn is_of(&self, flow: HolderId, id: RequestId) -> bool {
        self.flow == flow && self.id == id
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestStatus {
    /// Nobody has answered.
    Pending,
    /// The right number was typed.
    Approved,
    /// Another number was typed: it is over.
    Wrong,
    /// "It wasn't me": it is over, and so is its flow.
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

    #[test]
    fn approval_number_tag_is_bound_to_request() {
        let keys = Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap();
        let tag = |number, request| {
            ApprovalNumber(number).tag(&keys, RequestId::from_bytes([request; 16])).unwrap()
        };
        assert_eq!(tag(42, 1), tag(42, 1));
        assert!(tag(42, 1) != tag(43, 1) && tag(42, 1) != tag(42, 2));
    }

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
            asker: Asker::default(),
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
