//! The clock and the source of random bytes.

use crate::domain::time::Timestamp;

/// Reads the time. Tests replace it with a clock that they set.
pub trait Clock: Send + Sync {
    /// Returns the current time, in whole seconds.
    fn now(&self) -> Timestamp;
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
