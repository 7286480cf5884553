//! A challenge: a sent code, a request to a device, or a passkey request that a person must answer.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::approval::RequestId;
use super::keys::Tag;
use super::method::Method;
use super::time::{Seconds, Timestamp};

/// The upper bound of a sent code's validity (`REKEY_CODE_TTL_SECS`).
pub const CODE_LONGEST: Seconds = Seconds(600);
/// The validity of a passkey request: five minutes, as Web Authentication Level 3 §15.1 recommends.
pub const PASSKEY_LIFETIME: Seconds = Seconds(300);

/// The wait before the first resend; it doubles with each further one.
const FIRST_WAIT: Seconds = Seconds(30);

/// Returns the wait after `count` codes: 30 s after the first, 60 s after the second, and so on.
pub fn resend_wait(count: u8) -> Seconds {
    Seconds(FIRST_WAIT.0 << u32::from(count.saturating_sub(1)).min(6))
}

/// A challenge of a flow or session; a holder has at most one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// The method that the answer must use.
    pub method: Method,
    /// The request that the answer must name.
    pub request: RequestId,
    /// The tag of the sent code; none where a device answers.
    pub code: Option<Tag>,
    /// The wait before a resend begins at this time.
    pub asked_at: Timestamp,
    /// No answer is accepted from this time on.
    pub expires_at: Timestamp,
    /// Wrong answers so far; a limit ends the challenge.
    pub attempts: u8,
}

impl Challenge {
    /// Returns a challenge that begins now.
    pub fn new(
        method: Method,
        request: RequestId,
        code: Option<Tag>,
        now: Timestamp,
        lifetime: Seconds,
    ) -> Self {
        Self { method, request, code, asked_at: now, expires_at: now + lifetime, attempts: 0 }
    }

    /// Returns whether it may still be answered; `limit` wrong answers end it.
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

    /// Controls: C-073.
    #[test]
    fn resend_wait_doubles_up_to_32_minutes() {
        let waits: Vec<u32> = [0, 1, 2, 3, 4, 5, 6, 7, 8, 255].map(|count| resend_wait(count).0).to_vec();
        assert_eq!(waits, [30, 30, 60, 120, 240, 480, 960, 1_920, 1_920, 1_920]);
    }

    /// Controls: C-008.
    #[test]
    fn challenge_closes_on_expiry_or_exhausted_attempts() {
        let open = challenge();
        assert!(open.is_open(5, NOW + Seconds(599)) && !open.is_open(5, NOW + Seconds(600)));
        assert!(!Challenge { attempts: 5, ..open }.is_open(5, NOW));
    }

    /// Controls: C-092.
    #[test]
    fn stored_challenge_round_trips_and_debug_omits_tags() {
        let stored = serde_json::to_string(&challenge()).unwrap();
        assert!(serde_json::from_str::<Challenge>(&stored).unwrap() == challenge());
        assert_eq!(format!("{:?}", challenge()), "Challenge(Sms, attempts: 0)");
    }
}
