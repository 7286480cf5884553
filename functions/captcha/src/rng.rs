//! Deterministic random numbers for the distortions of a picture.

use sha2::{Digest, Sha256};

/// A SHA-256 counter-mode generator: the same seed gives the same numbers on every machine.
///
/// It is a hash and not a fast generator: visible distortions must not reveal the state. An attacker with the state
/// could predict and subtract the rest of the picture.
pub(crate) struct DeterministicRng {
    key: Sha256,
    counter: u32,
    block: [u8; 32],
    used: usize,
}

impl DeterministicRng {
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        Self { key: Sha256::new().chain_update(seed), counter: 0, block: [0; 32], used: 32 }
    }

    /// Returns a number uniform in `low..high`, in steps of 1/65536 of the range.
    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * f32::from(self.next()) / 65_536.0
    }

    fn next(&mut self) -> u16 {
        if self.used == self.block.len() {
            self.block = self.key.clone().chain_update(self.counter.to_be_bytes()).finalize().into();
            self.counter += 1;
            self.used = 0;
        }
        let value = u16::from_be_bytes([self.block[self.used], self.block[self.used + 1]]);
        self.used += 2;
        value
    }
}
