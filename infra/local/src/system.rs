//! The clock, the timer and the entropy that every part of the local environment uses.

use std::sync::Arc;

use shared::adapters::system::{SystemClock, SystemEntropy, SystemTimer};
use shared::domain::time::Timestamp;
use shared::ports::{Clock, Entropy, EntropyExt as _, Timer};

/// Clock, timer and entropy; tests replace them to be deterministic.
#[derive(Clone)]
pub struct System {
    /// Supplies the present time.
    pub clock: Arc<dyn Clock>,
    /// Supplies random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Measures and waits in fractions of a second.
    pub timer: Arc<dyn Timer>,
}

impl System {
    /// Uses the machine's clocks and random generator.
    pub fn from_machine() -> Self {
        let timer = Arc::new(SystemTimer::default());
        Self { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy), timer }
    }

    /// Returns the present time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns whether its clock is the machine's, and none that a test sets.
    pub fn has_machine_clock(&self) -> bool {
        self.now().as_seconds().abs_diff(SystemClock.now().as_seconds()) < 60
    }

    /// Returns a new id in the form that AWS uses for messages and requests (a version 4 UUID).
    pub fn id(&self) -> String {
        let mut number = u128::from_be_bytes(self.entropy.bytes());
        number = number & !(0xf << 76) | 0x4 << 76;
        number = number & !(0x3 << 62) | 0x2 << 62;
        let hex = format!("{number:032x}");
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_id_is_version_4_uuid() {
        let id = System::from_machine().id();
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]), "{id}");
    }
}
