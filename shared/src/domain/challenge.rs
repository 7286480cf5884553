//! A challenge: what a person was asked to answer.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::approval::RequestId;
use super::keys::Tag;
use super::method::Method;
use super::time::{Seconds, Timestamp};

/// The longest that a sent code may be set to be good for (`REKEY_CODE_TTL_SECS`).
pub const CODE_LONGEST: Seconds = Seconds(600);
/// How long a request for a passkey waits: the five minutes that Web Authentication Level 3 §15.1 recommends.
pub const PASSKEY_LIFETIME: Seconds = Seconds(300);

/// A code that was sent, a request to a device, or a request for a passkey.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// How it was asked.
    pub method: Method,
    /// Which request it must be an answer to.
    pub request: RequestId,
    /// The tag of the awaited code; none where a device answers.
    pub code: Option<Tag>,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Wrong answers so far.
    pub attempts: u8,
}

impl Challenge {
    /// A challenge that begins now.
    pub fn new(
        method: Method,
        request: RequestId,
        code: Option<Tag>,
        now: Timestamp,
        lifetime: Seconds,
    ) -> Self {
        Self { method, request, code, asked_at: now, expires_at: now + lifetime, attempts: 0 }
    }

    /// Whether it may still be answered, where `limit` wrong answers end it.
    pub fn is_open(&self, limit: u8, now: Timestamp) -> bool {
        self.expires_at.is_ahead(now, CODE_LONGEST) && self.attempts < limit
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Challenge({:?}, attempts: {})", self.method, self.attempts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn challenge() -> Challenge {
        let code = Some(Tag::from_bytes([1; 32]));
        Challenge::new(Method::Sms, RequestId::from_bytes([1; 16]), code, NOW, Seconds(600))
    }

    #[test]
    fn challenge_closes_on_expiry_or_exhausted_attempts() {
        let open = challenge();
        assert!(open.is_open(5, NOW + Seconds(599)) && !open.is_open(5, NOW + Seconds(600)));
        assert!(!Challenge { attempts: 5, ..open }.is_open(5, NOW));
    }

    #[test]
    fn stored_challenge_round_trips_and_debug_omits_tags() {
        let stored = serde_json::to_string(&challenge()).unwrap();
        assert!(serde_json::from_str::<Challenge>(&stored).unwrap() == challenge());
        assert_eq!(format!("{:?}", challenge()), "Challenge(Sms, attempts: 0)");
    }
}
