//! The rules for passwords that a directory publishes.

use serde::{Deserialize, Serialize};

/// The directory's own rules for passwords, as far as it publishes them. Pages list them as criteria.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PublishedPolicy {
    /// The minimum length in characters.
    pub min_length: Option<u16>,
    /// Whether characters of three classes are required and the login's name is refused (Active Directory's
    /// "password must meet complexity requirements").
    pub complexity: bool,
    /// The number of earlier passwords that the directory refuses.
    pub history: u16,
    /// The wrong passwords that lock an entry; `None` where it never locks.
    pub lockout_threshold: Option<u32>,
    /// How long a password is valid, in days; `None` where it never expires.
    pub max_age_days: Option<u32>,
}
