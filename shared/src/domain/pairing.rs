//! Pairing a device with an account: a token goes from the signed-in page to the device, a code comes back.
//!
//! Whoever sees the QR picture on a screen can be faster than its owner. So a device that used the token only waits: it
//! shows a code that it alone was told, and the signed-in person types that code into the page. Whoever was faster can
//! show their code to nobody, since the owner's own device says that the token was used.

use std::fmt;

use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::account::AccountId;
use super::code::OneTimeCode;
use super::device::DeviceKey;
use super::keys::{Keyring, Tag};
use super::security_info::EntryId;
use super::time::{Seconds, Timestamp};

/// How long a pairing takes at most: to find the phone and read a picture.
pub const PAIRING_LIFETIME: Seconds = Seconds(300);
/// Wrong codes for one pairing. With six digits that is a chance of three in a million for who was faster.
pub const PAIRING_TRIES: u8 = 3;
/// The digits of the code that the device shows.
pub const PAIRING_DIGITS: u8 = 6;

/// The token: 128 random bits, for one device, once. Tables hold its hash.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PairingToken([u8; 16]);

impl PairingToken {
    /// The token of this entropy.
    pub const fn new(entropy: [u8; 16]) -> Self {
        Self(entropy)
    }

    /// Reads what was in the picture or typed: hexadecimal, with spaces and hyphens as people put them.
    pub fn parse(typed: &str) -> Option<Self> {
        let digits: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').take(33).collect();
        let mut bytes = [0; 16];
        hex::decode_to_slice(digits.to_ascii_lowercase(), &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// The 32 digits, for the page that shows them.
    pub fn expose(&self) -> String {
        hex::encode(self.0)
    }

    /// Where the pairing is kept. Knowing it does not give the token.
    pub fn key(&self) -> PairingKey {
        PairingKey(Sha256::new().chain_update(b"rekey/pairing\n").chain_update(self.0).finalize().into())
    }
}

impl fmt::Debug for PairingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairingToken(..)")
    }
}

/// Names a pairing without giving the token away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairingKey([u8; 32]);

impl PairingKey {
    /// The bytes, a table's key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The tag of the code that the device shows: of this pairing only. Under the oldest key, which rotation keeps.
    pub fn code_tag(&self, keys: &Keyring, code: &OneTimeCode) -> Option<Tag> {
        keys.tag(keys.oldest(), "rekey/pairing-code", &[&self.0, code.expose().as_bytes()])
    }
}

/// A pairing that somebody signed in has begun.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pairing {
    /// For whom.
    pub account: AccountId,
    /// The entry that the device will be.
    pub entry: EntryId,
    /// The session that began it and that alone can confirm it: the hash under which that session is kept.
    pub session: [u8; 32],
    /// What the app calls the account: the login.
    pub label: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl Pairing {
    /// A pairing that begins now.
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

/// A device that used the token and waits to be confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingDevice {
    /// The entry that it will be: the one of its pairing.
    pub id: EntryId,
    /// Its key.
    pub key: DeviceKey,
    /// Where it takes pushes, sealed.
    pub subscription: Option<String>,
    /// What the page calls it: browser and system.
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

    #[test]
    fn code_tag_is_bound_to_pairing() {
        let keys = Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap();
        let code = OneTimeCode::parse("123456").unwrap();
        let [one, other] = [1, 2].map(|n| PairingToken::new([n; 16]).key().code_tag(&keys, &code).unwrap());
        assert_ne!(one, other);
    }
}
