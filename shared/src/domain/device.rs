//! A device with the authenticator app: its name, and the authentication of its requests.
//!
//! The device has a non-extractable key (ECDSA on P-256 with SHA-256) and signs every request over a nonce of
//! the server. The server stores neither nonces nor the devices' names: it derives both from its keys.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use thiserror::Error;

use super::account::AccountId;
use super::flow::RequestId;
use super::keys::{KeyId, Keyring, SealError};
use super::security_info::{EntryId, Kind};
use super::time::{Seconds, Timestamp};

/// The validity of a nonce. The rejection of an old nonce contains a new one, and the app repeats its
/// request.
pub const NONCE_LIFETIME: Seconds = Seconds(120);
/// The accepted clock difference between two functions: one makes a nonce, and another receives it.
const SKEW: Seconds = Seconds(5);
/// The purpose under which device names are sealed.
const HANDLE: &str = "rekey/device";
/// The purpose of the tag in a nonce.
const NONCE: &str = "rekey/device-nonce";

/// One device of an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Device {
    /// The account that the device is enrolled for.
    pub account: AccountId,
    /// The device's entry in the account.
    pub id: EntryId,
}

impl Device {
    /// Returns the name that the device sends. It is sealed, so that it neither reveals the account nor can
    /// be forged.
    ///
    /// # Errors
    /// [`SealError`], never in practice.
    pub fn handle(&self, keys: &Keyring, nonce: [u8; 24]) -> Result<String, SealError> {
        keys.seal(HANDLE, &[], format!("{}\n{}", self.id.as_str(), self.account.as_str()).as_bytes(), nonce)
    }

    /// Returns the device of a handle. The caller must check that it is still enrolled.
    pub fn from_handle(keys: &Keyring, handle: &str) -> Option<Self> {
        let plain = keys.open(HANDLE, &[], handle).ok()?;
        let (id, account) = std::str::from_utf8(&plain).ok()?.split_once('\n')?;
        let id = EntryId::parse(id).filter(|id| id.kind() == Kind::Authenticator)?;
        Some(Self { account: AccountId::from_directory(account).ok()?, id })
    }

    /// Returns a nonce for its next request: the current time, and a tag over the time and the device.
    pub fn nonce(&self, keys: &Keyring, now: Timestamp) -> Option<String> {
        self.nonce_of(keys, keys.current(), now)
    }

    /// Returns whether a nonce was made for this device recently. The text must equal the issued one: another
    /// spelling of the same time is rejected.
    pub fn knows_nonce(&self, keys: &Keyring, nonce: &str, now: Timestamp) -> bool {
        let made_at = || {
            let mut parts = nonce.split('.');
            let key = KeyId::parse(parts.next()?).ok()?;
            let made_at = Timestamp::from_seconds(i64::from_str_radix(parts.next()?, 16).ok()?);
            (self.nonce_of(keys, &key, made_at)? == nonce).then_some(made_at)
        };
        made_at().is_some_and(|made_at| made_at <= now + SKEW && now < made_at + NONCE_LIFETIME)
    }

    fn nonce_of(&self, keys: &Keyring, key: &KeyId, made_at: Timestamp) -> Option<String> {
        let tag = self.nonce_tag(keys, key, made_at.as_seconds())?;
        Some(format!("{}.{:x}.{tag}", key.as_str(), made_at.as_unsigned()))
    }

    fn nonce_tag(&self, keys: &Keyring, key: &KeyId, made_at: i64) -> Option<String> {
        let parts: [&[u8]; 3] =
            [self.account.as_str().as_bytes(), self.id.as_str().as_bytes(), &made_at.to_be_bytes()];
        let tag = keys.tag(key, NONCE, &parts)?;
        Some(URL_SAFE_NO_PAD.encode(&tag.as_bytes()[..16]))
    }

    /// Returns the owner for sealing data of this device, as associated data.
    pub fn owner(&self) -> Vec<u8> {
        format!("{}\n{}", self.account.as_str(), self.id.as_str()).into_bytes()
    }
}

/// The content of a signature. It includes the kind of request, so that a signature is invalid for any other.
#[derive(Clone, Copy, Debug)]
pub enum Signed<'a> {
    /// A pairing: binds the key and the subscription to the token.
    Pair {
        /// The token of the pairing; it also prevents replay, since it is accepted once.
        pairing: &'a str,
        /// The public key in the form of the request.
        public_key: &'a str,
        /// The subscription in the form of the request; empty without pushes.
        subscription: &'a str,
    },
    /// A query for the pending requests.
    Requests {
        /// The server's nonce prevents replay.
        nonce: &'a str,
    },
    /// An answer to a request.
    Answer {
        /// The server's nonce prevents replay.
        nonce: &'a str,
        /// The request that the person answers.
        request: RequestId,
        /// The typed number as sent, or `denied`.
        answer: &'a str,
    },
}

impl Signed<'_> {
    /// Returns the signed text, one part per line. No part may contain a line break; callers check a client's
    /// input first.
    pub fn text(&self) -> String {
        match self {
            Self::Pair { pairing, public_key, subscription } => {
                format!("rekey-device-1\npair\n{pairing}\n{public_key}\n{subscription}")
            }
            Self::Requests { nonce } => format!("rekey-device-1\nrequests\n{nonce}"),
            Self::Answer { nonce, request, answer } => {
                format!("rekey-device-1\nanswer\n{nonce}\n{request}\n{answer}")
            }
        }
    }
}

/// A device's public key: an uncompressed point on P-256 (SEC 1 §2.3.3), as Web Cryptography exports it
/// `raw`.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceKey(VerifyingKey);

impl DeviceKey {
    /// Reads the base64url form.
    ///
    /// # Errors
    /// [`DeviceKeyError`] when it is no uncompressed point on the curve.
    pub fn parse(text: &str) -> Result<Self, DeviceKeyError> {
        Self::from_bytes(&URL_SAFE_NO_PAD.decode(text).map_err(|_| DeviceKeyError)?)
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`DeviceKeyError`] when it is no uncompressed point on the curve.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DeviceKeyError> {
        if bytes.len() != 65 {
            return Err(DeviceKeyError);
        }
        VerifyingKey::from_sec1_bytes(bytes).map(Self).map_err(|_| DeviceKeyError)
    }

    /// Returns the 65 bytes, for storage.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_sec1_point(false).as_bytes().to_vec()
    }

    /// Returns whether `signature` (base64url of r ‖ s, as Web Cryptography makes it) was made with this key
    /// over `signed`.
    pub fn verifies(&self, signed: &Signed<'_>, signature: &str) -> bool {
        let read = || Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?).ok();
        read().is_some_and(|signature| self.0.verify(signed.text().as_bytes(), &signature).is_ok())
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKey(..)")
    }
}

/// The text is no uncompressed point on P-256.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not an uncompressed point on P-256")]
pub struct DeviceKeyError;

#[cfg(test)]
mod tests {
    use p256::ecdsa::SigningKey;
    use p256::ecdsa::signature::Signer as _;

    use super::*;

    fn keys() -> Keyring {
        Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
    }

    fn device(number: u8) -> Device {
        Device {
            account: AccountId::from_directory("aisyah").unwrap(),
            id: EntryId::new(Kind::Authenticator, [number; 8]),
        }
    }

    /// Controls: C-093.
    #[test]
    fn device_handle_identifies_device_and_hides_account() {
        let handle = device(1).handle(&keys(), [7; 24]).unwrap();
        assert_eq!(Device::from_handle(&keys(), &handle), Some(device(1)));
        assert!(!handle.contains("aisyah"));
        assert_eq!(Device::from_handle(&keys(), &handle.replace('A', "B")), None);
        let passkey = Device { id: EntryId::new(Kind::Passkey, [1; 8]), ..device(1) };
        assert_eq!(Device::from_handle(&keys(), &passkey.handle(&keys(), [7; 24]).unwrap()), None);
    }

    /// Controls: C-033.
    #[test]
    fn nonce_is_bound_to_device_and_expires() {
        let now = Timestamp::from_seconds(1_795_492_800);
        let nonce = device(1).nonce(&keys(), now).unwrap();
        assert!(device(1).knows_nonce(&keys(), &nonce, now));
        assert!(device(1).knows_nonce(&keys(), &nonce, now + Seconds(119)));
        assert!(!device(1).knows_nonce(&keys(), &nonce, now + NONCE_LIFETIME), "it is too old");
        let before = |seconds| Timestamp::from_seconds(now.as_seconds() - seconds);
        assert!(device(1).knows_nonce(&keys(), &nonce, before(5)), "a clock that is a little behind");
        assert!(!device(1).knows_nonce(&keys(), &nonce, before(6)), "it was not made yet");
        assert!(!device(2).knows_nonce(&keys(), &nonce, now), "it is another device's");
        let later =
            nonce.replacen(&format!("{:x}", now.as_seconds()), &format!("{:x}", now.as_seconds() + 60), 1);
        let seconds = format!("{:x}", now.as_seconds());
        let longer = nonce.replacen(&seconds, &format!("0{seconds}"), 1);
        let signed = nonce.replacen(&seconds, &format!("+{seconds}"), 1);
        let capitals = nonce.replacen(&seconds, &seconds.to_uppercase(), 1);
        for nonce in [&longer, &signed, &capitals] {
            assert!(!device(1).knows_nonce(&keys(), nonce, now), "{nonce}: the time is written otherwise");
        }
        for nonce in [later.as_str(), "", "1", "..", &format!("{nonce}.x")] {
            assert!(!device(1).knows_nonce(&keys(), nonce, now + Seconds(60)), "{nonce}");
        }
    }

    /// Controls: C-033.
    #[test]
    fn signature_is_bound_to_signed_message() {
        let signing = SigningKey::from_slice(&[7; 32]).unwrap();
        let key = DeviceKey::from_bytes(signing.verifying_key().to_sec1_point(false).as_bytes()).unwrap();
        assert_eq!(DeviceKey::parse(&URL_SAFE_NO_PAD.encode(key.to_bytes())), Ok(key.clone()));
        let request = RequestId::from_bytes([1; 16]);
        let answer = |nonce, answer| Signed::Answer { nonce, request, answer };
        let sign = |signed: Signed<'_>| {
            let signature: Signature = signing.sign(signed.text().as_bytes());
            URL_SAFE_NO_PAD.encode(signature.to_bytes())
        };
        let signature = sign(answer("n", "42"));
        assert!(key.verifies(&answer("n", "42"), &signature));
        for other in
            [answer("n", "43"), answer("n", "denied"), answer("m", "42"), Signed::Requests { nonce: "n" }]
        {
            assert!(!key.verifies(&other, &signature), "{other:?}");
        }
        for bad in ["", "AAAA", &URL_SAFE_NO_PAD.encode([0; 64])] {
            assert!(!key.verifies(&answer("n", "42"), bad));
        }
    }

    /// Controls: C-078.
    #[test]
    fn malformed_device_key_is_rejected() {
        let zero = URL_SAFE_NO_PAD.encode([0; 65]);
        let off_the_curve = URL_SAFE_NO_PAD.encode([4; 65]);
        for text in ["", "BA", &zero, &off_the_curve, "not base64!"] {
            assert_eq!(DeviceKey::parse(text), Err(DeviceKeyError), "{text}");
        }
    }
}
