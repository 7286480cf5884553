//! The rules of the overlay `ppolicy` for one entry.

use super::super::counts_towards_lock;
use super::super::found::{Found, generalized_time};
use crate::domain::directory::PublishedPolicy;
use crate::domain::time::Timestamp;

/// The attributes of a policy (draft-behera-ldap-password-policy-10 §5.2).
pub(super) const ATTRIBUTES: &[&str] = &[
    "pwdLockout",
    "pwdMaxFailure",
    "pwdFailureCountInterval",
    "pwdLockoutDuration",
    "pwdMaxAge",
    "pwdCheckQuality",
    "pwdMinLength",
    "pwdInHistory",
    "pwdMustChange",
];

const DAY: i64 = 86_400;

/// The rules as far as they are known.
pub(super) enum Rules {
    /// The server has no such overlay.
    None,
    /// The server has it, and its policy is not named or can't be read.
    Unknown,
    /// The policy.
    Known(Policy),
}

/// A policy. Durations are in seconds, and 0 means without end.
pub(super) struct Policy {
    lockout_threshold: Option<u32>,
    failure_window: i64,
    lockout_duration: i64,
    max_age: i64,
    min_length: Option<u16>,
    history: u16,
    asks_for_change: bool,
}

impl Policy {
    pub(super) fn read(entry: &Found) -> Self {
        let threshold: u32 = entry.count("pwdMaxFailure");
        let length: u16 = entry.count("pwdMinLength");
        let checks_quality = entry.count::<u32>("pwdCheckQuality") > 0;
        Self {
            lockout_threshold: (entry.is_true("pwdLockout") && threshold > 0).then_some(threshold),
            failure_window: entry.count("pwdFailureCountInterval"),
            lockout_duration: entry.count("pwdLockoutDuration"),
            max_age: entry.count("pwdMaxAge"),
            min_length: (checks_quality && length > 0).then_some(length),
            history: entry.count("pwdInHistory"),
            asks_for_change: entry.is_true("pwdMustChange"),
        }
    }
}

impl Rules {
    const fn known(&self) -> Option<&Policy> {
        match self {
            Self::Known(policy) => Some(policy),
            Self::None | Self::Unknown => None,
        }
    }

    pub(super) fn min_length(&self) -> Option<u16> {
        self.known()?.min_length
    }

    pub(super) fn checks_history(&self) -> bool {
        self.known().is_some_and(|policy| policy.history > 0)
    }

    /// Returns whether people must change a password that an administrator set.
    pub(super) fn asks_for_change(&self) -> bool {
        match self {
            Self::None => false,
            Self::Unknown => true,
            Self::Known(policy) => policy.asks_for_change,
        }
    }

    /// Returns the seconds that a lock lasts; `None` for one without end.
    pub(super) fn lockout_seconds(&self) -> Option<i64> {
        self.known().map(|policy| policy.lockout_duration).filter(|&seconds| seconds > 0)
    }

    /// Returns when an entry's password expires.
    pub(super) fn expires_at(&self, entry: &Found) -> Option<Timestamp> {
        let age = self.known()?.max_age;
        let changed_at = entry.time("pwdChangedTime").filter(|_| age > 0)?;
        Some(Timestamp::from_seconds(changed_at.as_seconds().saturating_add(age)))
    }

    /// Returns the attempts that are left. An unknown policy may lock at the next one.
    pub(super) fn attempts_left(&self, entry: &Found, is_locked: bool, now: Timestamp) -> Option<u32> {
        let policy = match self {
            Self::None => return None,
            Self::Unknown => return Some(0),
            Self::Known(policy) => policy,
        };
        let threshold = policy.lockout_threshold?;
        if is_locked {
            return Some(0);
        }
        let window = if policy.failure_window > 0 { policy.failure_window } else { i64::MAX };
        let counts = |text: &&str| {
            generalized_time(text).is_none_or(|failed_at| counts_towards_lock(failed_at, window, now))
        };
        let failures = entry.texts("pwdFailureTime").filter(counts).count();
        Some(threshold.saturating_sub(u32::try_from(failures).unwrap_or(u32::MAX)))
    }

    /// Returns the rules for pages, as far as they are known.
    pub(super) fn published(&self) -> Option<PublishedPolicy> {
        self.known().map(|policy| PublishedPolicy {
            min_length: policy.min_length,
            complexity: false,
            history: policy.history,
            lockout_threshold: policy.lockout_threshold,
            max_age_days: u32::try_from(policy.max_age / DAY).ok().filter(|&days| days > 0),
        })
    }
}
