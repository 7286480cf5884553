//! The clock, the timer, the random bytes and the log of the operating system.

mod log;
mod timer;

use std::time::SystemTime;

pub use log::{EmfMetrics, audit_lines, init_log, json_lines, new_chain};
pub use timer::SystemTimer;

use crate::domain::time::Timestamp;
use crate::ports::{Clock, Entropy};

/// Reads the operating system's clock, in whole seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that all other code is given")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_seconds(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }
}

/// Reads the operating system's random bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// Aborts the process when the system has no random bytes: every secret would be predictable.
    #[expect(clippy::disallowed_methods, reason = "this is the source that all other code is given")]
    fn fill(&self, bytes: &mut [u8]) {
        if getrandom::fill(bytes).is_err() {
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::EntropyExt as _;

    /// Controls: C-020.
    #[test]
    fn system_clock_is_current_and_entropy_is_unique() {
        assert!(SystemClock.now() > Timestamp::from_seconds(1_790_000_000));
        assert_ne!(SystemEntropy.bytes::<32>(), SystemEntropy.bytes::<32>());
    }
}
