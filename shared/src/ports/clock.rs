//! The clock, the timer and the source of random bytes.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::time::Timestamp;

/// Reads the time. Tests replace it with a clock that they set.
pub trait Clock: Send + Sync {
    /// Returns the current time, in whole seconds.
    fn now(&self) -> Timestamp;
}

/// Measures and waits in fractions of a second. Tests replace it with one that does not wait.
#[async_trait]
pub trait Timer: Send + Sync {
    /// Returns the time since some moment that stays the same in this process. It never decreases.
    fn elapsed(&self) -> Duration;

    /// Waits for this long.
    async fn sleep(&self, wait: Duration);
}

/// Returns random bytes from a cryptographically secure source (ASVS 11.5.1).
pub trait Entropy: Send + Sync {
    /// Overwrites all of `bytes` with random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// Returns random bytes as arrays.
pub trait EntropyExt: Entropy {
    /// Returns `N` random bytes.
    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

impl<E: Entropy + ?Sized> EntropyExt for E {}
