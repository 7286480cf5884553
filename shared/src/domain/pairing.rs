//! Pairing of a device with an account: a token goes from the signed-in page to the device, and a code comes
//! back.
//!
//! An attacker who sees the QR picture can use the token before its owner. A device that used the token
//! therefore only waits: it shows a code, and the signed-in person types that code into the page. The
//! attacker can't deliver a code, since the owner's own device reports that the token was used.

use std::fmt;

use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::account::AccountId;
use super::code::OneTimeCode;
use super::device::DeviceKey;
use super::keys::{Keyring, Tag};
use super::security_info::EntryId;
use super::time::{Seconds, Timestamp};

/// How long a pairing lasts: enough time to find the phone and scan a picture.
pub const PAIRING_LIFETIME: Seconds = Seconds(300);
/// Wrong codes for one pairing. With six digits, an attacker's chance is three in a million.
pub const PAIRING_ATTEMPTS: u8 = 3;
/// The digits of the code that the device shows.
pub const PAIRING_DIGITS: u8 = 6;

/// The token: 128 random bits, for one device, accepted once. Tables contain its hash.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PairingToken([u8; 16]);

impl PairingToken {
    /// Returns the token with these bytes, which must be random.
    pub const fn new(entropy: [u8; 16]) -> Self {
        Self(entropy)
    }

    /// Reads a scanned or typed token: hexadecimal, with spaces and hyphens anywhere.
    pub fn parse(typed: &str) -> Option<Self> {
        let digits: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').take(33).collect();
        let mut bytes = [0; 16];
        hex::decode_to_slice(digits.to_ascii_lowercase(), &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// Returns the 32 digits, for the page that shows them.
    pub fn expose(&self) -> String {
        hex::encode(self.0)
    }

    /// Returns the key that the pairing is stored under. The key does not reveal the token.
    pub fn key(&self) -> PairingKey {
        PairingKey(Sha256::new().chain_update(b"rekey/pairing\n").chain_update(self.0).finalize().into())
    }
}

impl fmt::Debug for PairingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairingToken(..)")
    }
}

/// Names a pairing without revealing its token: the token's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairingKey([u8; 32]);

impl PairingKey {
    /// Returns the bytes, as the table's key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the tag of the device's code, which is valid for this pairing only. It uses the oldest key,
    /// which rotation keeps.
    pub fn code_tag(&self, keys: &Keyring, code: &OneTimeCode) -> Option<Tag> {
        keys.tag(keys.oldest(), "rekey/pairing-code", &[&self.0, code.expose().as_bytes()])
    }
}

/// A pairing that a signed-in person began.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pairing {
    /// The account that the device will belong to.
    pub account: AccountId,
    /// The entry id that the device will get.
    pub entry: EntryId,
    /// The hash of the session that began it. Only this session can confirm it.
    pub session: [u8; 32],
    /// The login, as the app names the account.
    pub label: String,
    /// The token can't be used from this time on.
    pub expires_at: Timestamp,
}

impl Pairing {
    /// Returns a pairing that begins now and lasts five minutes.
    pub fn begin(
        account: AccountId,
        entry: EntryId,
        session: [u8; 32],
        label: String,
        now: Timestamp,
    ) -> Self {
        Self { account, entry, session, label, expires_at: now + PAIRING_LIFETIME }
    }
}

/// A device that used the token and waits for confirmation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingDevice {
    /// The entry id that it will get, taken from the pairing.
    pub id: EntryId,
    /// The public key that the device signs with.
    pub key: DeviceKey,
    /// The device's push subscription, sealed; none without pushes.
    pub subscription: Option<String>,
    /// The name on the page: browser and system.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairing_token_as_typed_parses() {
        let token = PairingToken::new([0xa5; 16]);
        let digits = token.expose();
        assert_eq!(digits.len(), 32);
        for typed in [digits.clone(), digits.to_uppercase(), format!(" {}-{}\n", &digits[..4], &digits[4..])]
        {
            assert_eq!(PairingToken::parse(&typed).unwrap().key(), token.key(), "{typed}");
        }
        for typed in ["", "a5", &digits[1..], &format!("{digits}0"), &digits.replace('a', "g")] {
            assert!(PairingToken::parse(typed).is_none(), "{typed}");
        }
        assert_eq!(format!("{token:?}"), "PairingToken(..)");
    }

    /// Controls: C-059.
    #[test]
    fn code_tag_is_bound_to_pairing() {
        let keys = Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap();
        let code = OneTimeCode::parse("123456").unwrap();
        let [one, other] = [1, 2].map(|n| PairingToken::new([n; 16]).key().code_tag(&keys, &code).unwrap());
        assert_ne!(one, other);
    }
}
