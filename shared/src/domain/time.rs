//! Moments and spans, in whole seconds as DynamoDB's TTL counts them.

use std::fmt;
use std::ops::Add;

use serde::{Deserialize, Serialize};

/// How far apart the clocks of two functions may be, at the very most. It only keeps apart what was never an end.
pub const SKEW: Seconds = Seconds(300);

/// A moment: seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `seconds` after the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since the epoch.
    pub const fn as_seconds(self) -> i64 {
        self.0
    }

    /// Seconds since the epoch as TOTP counts them (RFC 6238 §4.2); before the epoch there are none.
    pub fn as_unsigned(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0)
    }

    /// Whether this end is still to come, and no further away than what of its kind lives longest. An end that is further
    /// away was never written as one (milliseconds for seconds, say): it would never come, so it counts as past.
    pub fn is_ahead(self, now: Self, longest: Seconds) -> bool {
        now < self && self <= Self::latest_end(now, longest)
    }

    /// The furthest end that something of a kind can have which lives no longer than `longest`.
    pub fn latest_end(now: Self, longest: Seconds) -> Self {
        now + longest + SKEW
    }

    /// Whether this moment lies less than `span` back. One that is yet to come was never written as a past one.
    pub fn is_within(self, span: Seconds, now: Self) -> bool {
        self <= now + SKEW && now < self + span
    }

    /// Seconds from now until this moment, at least zero.
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
    /// RFC 3339 in UTC, as the HTTP contract and the messages write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = jiff::Timestamp::from_second(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{moment}")
    }
}

/// A span of time in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(pub u32);

impl Seconds {
    /// One hour.
    pub const HOUR: Self = Self(3_600);
    /// One day of 24 hours.
    pub const DAY: Self = Self(86_400);

    /// The span in whole minutes, rounded down: a promise to a person is never longer than the truth.
    pub const fn whole_minutes(self) -> u32 {
        self.0 / 60
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_displays_as_rfc_3339() {
        assert_eq!(Timestamp::from_seconds(1_790_000_000).to_string(), "2026-09-21T14:13:20Z");
    }

    #[test]
    fn seconds_after_later_time_is_zero() {
        let now = Timestamp::from_seconds(100);
        assert_eq!((now + Seconds(30)).seconds_after(now), 30);
        assert_eq!(now.seconds_after(now + Seconds(30)), 0);
    }

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
