//! Known devices: browsers whose owner ticked "This is my own device" after a reset or a step-up.
//!
//! A known device is no factor and verifies nothing. It has its own part of an account's limits
//! ([`account_limits`](super::account_limits)), which strangers can't use up. Its cookie names no account: it
//! has a keyed tag, is sealed, and always has the same length. Somebody who has the device can only test guesses
//! of a login, once the limits of that name are used up.

use super::account::AccountId;
use super::keys::{Keyring, SealError, Tag};
use super::time::{SKEW, Seconds, Timestamp};

const PURPOSE: &str = "rekey/known-device";
const VERSION: u8 = 1;

/// How long a device stays known: a semester and its holidays.
pub const LIFETIME: Seconds = Seconds(180 * Seconds::DAY.0);

/// The contents of a known device's cookie.
#[derive(Clone, PartialEq, Eq)]
pub struct KnownDevice {
    account: Tag,
    epoch: u64,
    expires_at: Timestamp,
}

impl KnownDevice {
    /// Returns the known device of an account whose devices are in this epoch; `None` without a key.
    pub fn new(account: &AccountId, epoch: u64, now: Timestamp, flows: &Keyring) -> Option<Self> {
        Some(Self { account: tag(account, flows)?, epoch, expires_at: now + LIFETIME })
    }

    /// Returns the value of its cookie. `nonce` is the cipher's and must be fresh.
    ///
    /// # Errors
    /// [`SealError`] when the keyring can't seal.
    pub fn seal(&self, flows: &Keyring, nonce: [u8; 24]) -> Result<String, SealError> {
        let mut plain = vec![VERSION];
        plain.extend_from_slice(&self.expires_at.as_seconds().to_be_bytes());
        plain.extend_from_slice(&self.epoch.to_be_bytes());
        plain.extend_from_slice(self.account.as_bytes());
        flows.seal(PURPOSE, &[], &plain, nonce)
    }

    /// Reads the value of a cookie; `None` for one that this service did not make.
    pub fn open(value: &str, flows: &Keyring) -> Option<Self> {
        let plain = flows.open(PURPOSE, &[], value).ok()?;
        let ([VERSION], rest) = plain.split_first_chunk()? else { return None };
        let (expires_at, rest) = rest.split_first_chunk()?;
        let (epoch, account) = rest.split_first_chunk()?;
        Some(Self {
            account: Tag::from_bytes(account.try_into().ok()?),
            epoch: u64::from_be_bytes(*epoch),
            expires_at: Timestamp::from_seconds(i64::from_be_bytes(*expires_at)),
        })
    }

    /// Returns whether it is a known device of this account, whose devices are in this epoch.
    pub fn is_of(&self, account: &AccountId, epoch: u64, now: Timestamp, flows: &Keyring) -> bool {
        let own = tag(account, flows).is_some_and(|tag| tag == self.account);
        own && self.epoch == epoch && now < self.expires_at && self.expires_at <= now + LIFETIME + SKEW
    }
}

impl std::fmt::Debug for KnownDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KnownDevice(..)")
    }
}

/// Uses the oldest key, so key rotation doesn't change it.
fn tag(account: &AccountId, flows: &Keyring) -> Option<Tag> {
    flows.tag(flows.oldest(), PURPOSE, &[account.as_str().as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn keys() -> Keyring {
        Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
    }

    fn account(id: &str) -> AccountId {
        AccountId::from_directory(id).unwrap()
    }

    fn value(id: &str, epoch: u64) -> String {
        KnownDevice::new(&account(id), epoch, NOW, &keys()).unwrap().seal(&keys(), [7; 24]).unwrap()
    }

    /// Controls: C-102.
    #[test]
    fn known_device_is_of_one_account_and_epoch_for_180_days() {
        let device = KnownDevice::open(&value("aisyah", 3), &keys()).unwrap();
        let is_of = |id: &str, epoch, now| device.is_of(&account(id), epoch, now, &keys());
        assert!(is_of("aisyah", 3, NOW));
        assert!(!is_of("weiling", 3, NOW), "another account");
        assert!(!is_of("aisyah", 4, NOW) && !is_of("aisyah", 2, NOW), "another epoch");
        assert!(is_of("aisyah", 3, NOW + Seconds(LIFETIME.0 - 1)) && !is_of("aisyah", 3, NOW + LIFETIME));
        let before = Timestamp::from_seconds(NOW.as_seconds() - 3_600);
        assert!(!is_of("aisyah", 3, before), "an end that was never valid");
    }

    /// Somebody at a shared computer must not learn who used it.
    /// Controls: C-105.
    #[test]
    fn known_device_cookie_has_one_length_and_no_name() {
        let values = [value("a", 0), value("aisyah", u64::MAX), value(&"x".repeat(60), 7)];
        assert!(values.iter().all(|other| other.len() == values[0].len()));
        assert!(!values[1].contains("aisyah"));
    }

    /// Controls: C-102.
    #[test]
    fn changed_known_device_cookie_is_rejected() {
        let value = value("aisyah", 3);
        for at in 0..value.len() {
            let mut bytes = value.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(KnownDevice::open(&String::from_utf8(bytes).unwrap(), &keys()), None, "at {at}");
        }
        for other in ["", ".", "1.", "1.AAAA"] {
            assert_eq!(KnownDevice::open(other, &keys()), None, "{other}");
        }
    }
}
