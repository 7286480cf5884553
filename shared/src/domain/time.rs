//! Moments and spans, in whole seconds as DynamoDB's TTL counts them.

use std::fmt;
use std::ops::Add;

use serde::{Deserialize, Serialize};

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
    fn prints_as_rfc_3339() {
        assert_eq!(Timestamp::from_seconds(1_790_000_000).to_string(), "2026-09-21T14:13:20Z");
    }

    #[test]
    fn a_past_moment_is_no_seconds_away() {
        let now = Timestamp::from_seconds(100);
        assert_eq!((now + Seconds(30)).seconds_after(now), 30);
        assert_eq!(now.seconds_after(now + Seconds(30)), 0);
    }
}
