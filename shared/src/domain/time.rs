//! Times and durations, in whole seconds like DynamoDB's TTL.

use std::fmt;
use std::ops::Add;

use serde::{Deserialize, Serialize};

/// The largest accepted clock difference between two functions. It only rejects stored times that were never
/// valid.
pub const SKEW: Seconds = Seconds(300);

/// A time in seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Returns the time `seconds` after the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Reads RFC 3339, as [`Display`](fmt::Display) writes it.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|at| Self(at.as_second()))
    }

    /// Returns the seconds since the epoch.
    pub const fn as_seconds(self) -> i64 {
        self.0
    }

    /// Returns the seconds since the epoch as TOTP counts them (RFC 6238 §4.2); 0 before the epoch.
    pub fn as_unsigned(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0)
    }

    /// Returns whether this end is in the future, by at most `longest`. A later end was never valid
    /// (milliseconds for seconds, say) and counts as past.
    pub fn is_ahead(self, now: Self, longest: Seconds) -> bool {
        now < self && self <= Self::latest_end(now, longest)
    }

    /// Returns the latest valid end of an item that lives no longer than `longest`.
    pub fn latest_end(now: Self, longest: Seconds) -> Self {
        now + longest + SKEW
    }

    /// Returns whether this time is less than `span` ago. A time in the future is invalid and returns false.
    pub fn is_within(self, span: Seconds, now: Self) -> bool {
        self <= now + SKEW && now < self + span
    }

    /// Returns the seconds from now until this time, at least zero.
    pub fn seconds_after(self, now: Self) -> u32 {
        u32::try_from(self.0.saturating_sub(now.0).max(0)).unwrap_or(u32::MAX)
    }
}

impl Add<Seconds> for Timestamp {
    type Output = Self;

    fn add(self, span: Seconds) -> Self {
        Self(self.0.saturating_add(i64::from(span.0)))
    }
}

impl fmt::Display for Timestamp {
    /// Writes RFC 3339 in UTC, as the HTTP contract and the messages do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = jiff::Timestamp::from_second(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{moment}")
    }
}

/// A duration in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(pub u32);

impl Seconds {
    /// 60 minutes.
    pub const HOUR: Self = Self(3_600);
    /// 24 hours; no calendar day.
    pub const DAY: Self = Self(86_400);

    /// Returns the whole minutes, rounded down, so that no text promises more time than there is.
    pub const fn whole_minutes(self) -> u32 {
        self.0 / 60
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Controls: C-064.
    #[test]
    fn timestamp_displays_as_rfc_3339() {
        let at = Timestamp::from_seconds(1_790_000_000);
        assert_eq!(at.to_string(), "2026-09-21T14:13:20Z");
        assert_eq!((Timestamp::parse("2026-09-21T14:13:20Z"), Timestamp::parse("soon")), (Some(at), None));
    }

    #[test]
    fn seconds_after_later_time_is_zero() {
        let now = Timestamp::from_seconds(100);
        assert_eq!((now + Seconds(30)).seconds_after(now), 30);
        assert_eq!(now.seconds_after(now + Seconds(30)), 0);
    }

    /// Controls: C-039.
    #[test]
    fn expiry_too_far_ahead_counts_as_past() {
        let (now, longest) = (Timestamp::from_seconds(1_790_000_000), Seconds(900));
        for seconds in [1, 900, 1_200] {
            assert!((now + Seconds(seconds)).is_ahead(now, longest), "{seconds}");
        }
        assert!(!now.is_ahead(now, longest) && !(now + Seconds(1_201)).is_ahead(now, longest));
        assert!(!Timestamp::from_seconds(1_790_000_900_000).is_ahead(now, longest), "milliseconds");
        assert!(!Timestamp::from_seconds(i64::MAX).is_ahead(now, longest));
    }

    #[test]
    fn future_timestamp_is_not_within_past_span() {
        let (now, span) = (Timestamp::from_seconds(1_790_000_000), Seconds(600));
        let ago = |seconds: i64| Timestamp::from_seconds(now.as_seconds() - seconds);
        assert!(
            ago(0).is_within(span, now) && ago(599).is_within(span, now) && ago(-300).is_within(span, now)
        );
        assert!(!ago(600).is_within(span, now) && !ago(-301).is_within(span, now));
        assert!(!Timestamp::from_seconds(1_790_000_000_000).is_within(span, now), "milliseconds");
    }
}
