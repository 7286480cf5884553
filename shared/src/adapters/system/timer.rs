//! The timer of the runtime.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::ports::Timer;

/// Measures with the operating system's monotonic clock, and waits in the runtime.
#[derive(Clone, Copy, Debug)]
pub struct SystemTimer(Instant);

impl Default for SystemTimer {
    fn default() -> Self {
        Self(Instant::now())
    }
}

#[async_trait]
impl Timer for SystemTimer {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}
