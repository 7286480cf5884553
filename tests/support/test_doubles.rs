//! A clock, a timer and an entropy source that tests control.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use shared::domain::time::Timestamp;
use shared::ports::{Clock, Entropy, Timer};

/// The start time of every test: 2026-11-24T04:00:00Z.
pub const START: i64 = 1_795_492_800;

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl Default for TestClock {
    fn default() -> Self {
        Self(AtomicI64::new(START))
    }
}

impl TestClock {
    /// Moves the clock forward.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.load(Ordering::SeqCst))
    }
}

/// A timer that waits a millisecond at most, and counts what it was asked for.
#[derive(Debug, Default)]
pub struct TestTimer(AtomicU64);

#[async_trait]
impl Timer for TestTimer {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, wait: Duration) {
        tokio::time::sleep(wait.min(Duration::from_millis(1))).await;
        self.0.fetch_add(u64::try_from(wait.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

/// Deterministic entropy: equal in every run, never repeated within one.
#[derive(Debug, Default)]
pub struct TestEntropy(AtomicU64);

impl Entropy for TestEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let count = self.0.fetch_add(1, Ordering::SeqCst);
            let block = Sha256::digest(count.to_be_bytes());
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}
