//! Time and chance.

use crate::domain::time::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The moment it is now.
    fn now(&self) -> Timestamp;
}

/// Gives entropy from a cryptographically secure source (ASVS 11.5.1).
pub trait Entropy: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// Entropy by the array.
pub trait EntropyExt: Entropy {
    /// `N` bytes of entropy.
    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

impl<E: Entropy + ?Sized> EntropyExt for E {}
