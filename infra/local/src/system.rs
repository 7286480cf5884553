//! The clock and the entropy that every part of the local cloud takes.

use std::sync::Arc;

use shared::adapters::system::{SystemClock, SystemEntropy};
use shared::domain::time::Timestamp;
use shared::ports::{Clock, Entropy, EntropyExt as _};

/// Time and chance.
#[derive(Clone)]
pub struct System {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives entropy.
    pub entropy: Arc<dyn Entropy>,
}

impl System {
    /// The machine's own.
    pub fn of_machine() -> Self {
        Self { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) }
    }

    /// The moment it is now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A fresh id in the form that AWS gives messages and requests (a version 4 UUID).
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
        let id = System::of_machine().id();
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]), "{id}");
    }
}
