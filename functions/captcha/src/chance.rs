//! Chance that can be repeated: the numbers behind a picture's bends and a sound's gaps.

use sha2::{Digest, Sha256};

/// SHA-256 in counter mode over a seed: the same seed and purpose give the same numbers, on every machine.
///
/// A hash rather than a fast generator, because whoever could work back from the visible bends to the state
/// could predict the rest of the picture and subtract it.
pub(crate) struct Chance {
    key: Sha256,
    counter: u32,
    block: [u8; 32],
    used: usize,
}

impl Chance {
    /// `purpose` keeps the picture and the sound of one seed apart.
    pub(crate) fn new(seed: &[u8; 32], purpose: &str) -> Self {
        let key = Sha256::new().chain_update(seed).chain_update(purpose);
        Self { key, counter: 0, block: [0; 32], used: 32 }
    }

    /// Uniform in `low..high`, in steps of a 65536th.
    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * f32::from(self.next()) / 65_536.0
    }

    /// Uniform in `0..count`, as nearly as 16 bits allow; `count` is at least 1.
    pub(crate) fn below(&mut self, count: u16) -> usize {
        usize::from(self.next() % count)
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
