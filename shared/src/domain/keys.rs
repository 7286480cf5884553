//! Keys and their two uses: tagging (HMAC-SHA-256) and sealing (XChaCha20-Poly1305).
//!
//! A [`Keyring`] is one secret of Secrets Manager. It has every key that is still needed, by key id, and
//! names the one for new tags and ciphertexts. Rotation adds an entry and moves `current`. Older data stays
//! readable, since it contains its key id.
//!
//! No key is used directly: each purpose gets its own by HKDF (RFC 5869), so that a tag of one purpose is
//! invalid for another.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Names one key of a ring: one to eight ASCII letters or digits. Shorter ids come first, so that numbers and
/// dates sort by age: `9` before `10`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(String);

impl Ord for KeyId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for KeyId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl KeyId {
    /// Reads a key id.
    ///
    /// # Errors
    /// [`KeyError::Id`] when it is empty, longer than eight characters or has other than letters and digits.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let fits = (1..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if fits { Ok(Self(text.to_owned())) } else { Err(KeyError::Id) }
    }

    /// Returns the id as text, as tags and ciphertexts carry it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// 256 bits of key material, wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct Key([u8; 32]);

impl Key {
    fn derive(&self, purpose: &str) -> Self {
        let mut derived = [0; 32];
        // 32 bytes are far below HKDF's limit of 255 blocks, so this cannot fail.
        let _ = Hkdf::<Sha256>::new(None, &self.0).expand(purpose.as_bytes(), &mut derived);
        Self(derived)
    }
}

/// A 256-bit keyed tag, compared in constant time. It has no `Debug`: a holder of the key can find a short
/// input (a code) from its tag.
#[derive(Clone, Copy)]
pub struct Tag([u8; 32]);

impl Tag {
    /// Takes a stored tag.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, for storage.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Tag {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Tag {}

impl Hash for Tag {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// Serializes as unpadded base64url.
impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text.as_bytes()).map_err(D::Error::custom)?;
        bytes.try_into().map(Self).map_err(|_| D::Error::custom("not 32 bytes"))
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag(..)")
    }
}

/// All keys of one use, by id: one secret of Secrets Manager.
#[derive(Clone)]
pub struct Keyring {
    current: KeyId,
    keys: BTreeMap<KeyId, Key>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring(current: {}, {} keys)", self.current.as_str(), self.keys.len())
    }
}

impl Keyring {
    /// Reads a secret of the form `{"current": "2", "1": "<passphrase>", "2": "<passphrase>"}`, which
    /// `CloudFormation`'s `GenerateSecretString` can make, with room for rotation. A passphrase must be
    /// random itself (64 characters by the template); it is hashed into a key, not stretched.
    ///
    /// # Errors
    /// When the text is not such an object, an id is invalid, a passphrase has fewer than 32 characters, or
    /// `current` names no key.
    pub fn from_secret(json: &str) -> Result<Self, KeyError> {
        let entries: BTreeMap<String, String> = serde_json::from_str(json).map_err(|_| KeyError::Form)?;
        let mut entries: BTreeMap<String, Zeroizing<String>> =
            entries.into_iter().map(|(id, passphrase)| (id, Zeroizing::new(passphrase))).collect();
        let current = KeyId::parse(entries.remove("current").ok_or(KeyError::Form)?.as_str())?;
        let mut keys = BTreeMap::new();
        for (id, passphrase) in &entries {
            if passphrase.chars().count() < 32 {
                return Err(KeyError::Short(id.clone()));
            }
            let mut key = [0; 32];
            let _ = Hkdf::<Sha256>::new(Some(b"rekey/v1"), passphrase.as_bytes()).expand(b"key", &mut key);
            keys.insert(KeyId::parse(id)?, Key(key));
        }
        if keys.contains_key(&current) { Ok(Self { current, keys }) } else { Err(KeyError::NoCurrent) }
    }

    /// Returns the id of the key for new tags and ciphertexts.
    pub fn current(&self) -> &KeyId {
        &self.current
    }

    /// Returns the first key in the order of ids. Values that must not change while an account exists (the
    /// masks of a decoy) use this key, so rotation must keep it.
    pub fn oldest(&self) -> &KeyId {
        self.keys.keys().next().unwrap_or(&self.current)
    }

    /// Returns the tag of `parts` for `purpose` under key `id`; `None` when the ring has no such key. Each
    /// part is prefixed with its length, so that moving a boundary between parts changes the tag.
    pub fn tag(&self, id: &KeyId, purpose: &str, parts: &[&[u8]]) -> Option<Tag> {
        let key = self.keys.get(id)?.derive(purpose);
        let mut mac = Hmac::<Sha256>::new_from_slice(&key.0).ok()?;
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Some(Tag(mac.finalize().into_bytes().into()))
    }

    /// Seals `plaintext` under the current key as `<key id>.<base64url of nonce and ciphertext>`. `owner` is
    /// associated data: only the same owner can open it.
    ///
    /// # Errors
    /// [`SealError`] never in practice: the cipher refuses only texts beyond 256 GiB.
    pub fn seal(
        &self,
        purpose: &str,
        owner: &[u8],
        plaintext: &[u8],
        nonce: [u8; 24],
    ) -> Result<String, SealError> {
        let cipher = self.cipher(&self.current, purpose)?;
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: plaintext, aad: owner })
            .map_err(|_| SealError)?;
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&sealed);
        Ok(format!("{}.{}", self.current.as_str(), URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Opens a text of [`Keyring::seal`] for the same purpose and owner.
    ///
    /// # Errors
    /// [`SealError`] when the text is malformed or changed, its key was removed, or its purpose or owner
    /// differs. The error does not say which.
    pub fn open(&self, purpose: &str, owner: &[u8], sealed: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (id, body) = sealed.split_once('.').ok_or(SealError)?;
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| SealError)?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<24>().ok_or(SealError)?;
        let cipher = self.cipher(&KeyId::parse(id).map_err(|_| SealError)?, purpose)?;
        cipher
            .decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad: owner })
            .map(Zeroizing::new)
            .map_err(|_| SealError)
    }

    fn cipher(&self, id: &KeyId, purpose: &str) -> Result<XChaCha20Poly1305, SealError> {
        let key = self.keys.get(id).ok_or(SealError)?.derive(purpose);
        XChaCha20Poly1305::new_from_slice(&key.0).map_err(|_| SealError)
    }
}

/// The reason why a secret is no keyring.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// The text is no JSON object of strings with `current`.
    #[error("a keyring is a JSON object of key ids and passphrases with \"current\" naming one of them")]
    Form,
    /// A key id has a wrong length or character.
    #[error("a key id has one to eight ASCII letters or digits")]
    Id,
    /// A passphrase is too short to contain a key's entropy.
    #[error("the passphrase of key {0} is shorter than 32 characters")]
    Short(String),
    /// `current` names no key.
    #[error("\"current\" names a key that the ring does not have")]
    NoCurrent,
}

/// The sealed text does not open, or sealing failed.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the sealed text does not open")]
pub struct SealError;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: &str = "0123456789abcdef0123456789abcdef";
    const TWO: &str = "fedcba9876543210fedcba9876543210";

    fn ring(current: &str, ids: &[(&str, &str)]) -> Keyring {
        let entries: Vec<String> = ids.iter().map(|(id, pass)| format!("\"{id}\":\"{pass}\"")).collect();
        Keyring::from_secret(&format!("{{\"current\":\"{current}\",{}}}", entries.join(","))).unwrap()
    }

    /// Controls: C-089.
    #[test]
    fn sealed_text_opens_for_purpose_and_owner_only() {
        let keys = ring("1", &[("1", ONE)]);
        let sealed = keys.seal("seed", b"aisyah", b"text", [7; 24]).unwrap();
        assert_eq!(keys.open("seed", b"aisyah", &sealed).unwrap().as_slice(), b"text");
        assert_eq!(keys.open("seed", b"weiling", &sealed), Err(SealError));
        assert_eq!(keys.open("message", b"aisyah", &sealed), Err(SealError));
    }

    /// Controls: C-089.
    #[test]
    fn sealed_text_with_changed_character_is_rejected() {
        let keys = ring("1", &[("1", ONE)]);
        let sealed = keys.seal("seed", b"o", b"text", [7; 24]).unwrap();
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                keys.open("seed", b"o", &String::from_utf8(bytes).unwrap()),
                Err(SealError),
                "at {at}"
            );
        }
    }

    /// Controls: C-091.
    #[test]
    fn key_rotation_keeps_older_ciphertexts_and_tags_valid() {
        let before = ring("1", &[("1", ONE)]);
        let after = ring("2", &[("1", ONE), ("2", TWO)]);
        let sealed = before.seal("seed", b"o", b"text", [7; 24]).unwrap();
        assert_eq!(after.open("seed", b"o", &sealed).unwrap().as_slice(), b"text");
        assert!(after.seal("seed", b"o", b"text", [7; 24]).unwrap().starts_with("2."));
        assert_eq!(after.oldest(), before.oldest());
        let id = KeyId::parse("1").unwrap();
        assert_eq!(before.tag(&id, "p", &[b"x"]), after.tag(&id, "p", &[b"x"]));
    }

    /// Controls: C-090.
    #[test]
    fn tags_differ_by_purpose_parts_and_key() {
        let keys = ring("1", &[("1", ONE), ("2", TWO)]);
        let (one, two) = (KeyId::parse("1").unwrap(), KeyId::parse("2").unwrap());
        let tag = keys.tag(&one, "code", &[b"ab", b"c"]).unwrap();
        assert_ne!(tag, keys.tag(&one, "code", &[b"a", b"bc"]).unwrap());
        assert_ne!(tag, keys.tag(&one, "cookie", &[b"ab", b"c"]).unwrap());
        assert_ne!(tag, keys.tag(&two, "code", &[b"ab", b"c"]).unwrap());
        assert_eq!(keys.tag(&KeyId::parse("3").unwrap(), "code", &[]), None);
    }

    /// Controls: C-091.
    #[test]
    fn invalid_keyring_secret_returns_specific_error() {
        assert_eq!(Keyring::from_secret("[]").unwrap_err(), KeyError::Form);
        assert_eq!(Keyring::from_secret(r#"{"1":"x"}"#).unwrap_err(), KeyError::Form);
        let short = Keyring::from_secret(r#"{"current":"1","1":"x"}"#).unwrap_err();
        assert_eq!(short, KeyError::Short("1".into()));
        let none = Keyring::from_secret(&format!("{{\"current\":\"9\",\"1\":\"{ONE}\"}}")).unwrap_err();
        assert_eq!(none, KeyError::NoCurrent);
    }

    #[test]
    fn key_id_must_be_short_and_alphanumeric() {
        for id in ["1", "B", "abcdefgh", "20261124"] {
            assert_eq!(KeyId::parse(id).unwrap().as_str(), id);
        }
        for id in ["", "123456789", "a-b", "é", "1 "] {
            assert_eq!(KeyId::parse(id), Err(KeyError::Id), "{id}");
        }
        let unfit = format!("{{\"current\":\"1\",\"1\":\"{ONE}\",\"a.b\":\"{TWO}\"}}");
        assert_eq!(Keyring::from_secret(&unfit).unwrap_err(), KeyError::Id);
    }

    #[test]
    fn debug_omits_keys_and_tags() {
        let keys = ring("2", &[("1", ONE), ("2", TWO)]);
        assert_eq!(format!("{keys:?}"), "Keyring(current: 2, 2 keys)");
        assert_eq!(format!("{:?}", keys.tag(keys.current(), "code", &[]).unwrap()), "Tag(..)");
        assert_eq!((keys.current().as_str(), keys.oldest().as_str()), ("2", "1"));
    }

    #[test]
    fn oldest_key_is_chosen_by_length_then_order() {
        for (oldest, newest) in [("9", "10"), ("8", "9"), ("20261124", "20270101"), ("z", "aa")] {
            let keys = ring(newest, &[(newest, ONE), (oldest, TWO)]);
            assert_eq!(keys.oldest().as_str(), oldest, "{newest}");
            assert!(keys.oldest() < keys.current(), "{oldest} before {newest}");
        }
    }

    /// All purposes of key derivation in Rekey.
    const PURPOSES: [&str; 9] = [
        "rekey/cookie",
        "rekey/code",
        "rekey/contact",
        "rekey/at",
        "rekey/name",
        "rekey/decoy",
        "rekey/message",
        "rekey/captcha",
        "rekey/totp-seed",
    ];

    /// Returns the inputs of a tag: few and short parts, so that the same bytes often divide differently.
    fn tagged() -> impl Strategy<Value = (&'static str, &'static str, Vec<Vec<u8>>)> {
        let parts = prop::collection::vec(prop::collection::vec(0_u8..2, 0..3), 0..4);
        (prop::sample::select(&["1", "2"][..]), prop::sample::select(&PURPOSES[..]), parts)
    }

    proptest! {
        #[test]
        fn tags_match_only_for_equal_inputs(one in tagged(), other in tagged()) {
            let keys = ring("1", &[("1", ONE), ("2", TWO)]);
            let tag = |(id, purpose, parts): &(&str, &str, Vec<Vec<u8>>)| {
                let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
                keys.tag(&KeyId::parse(id).unwrap(), purpose, &parts).unwrap()
            };
            prop_assert_eq!(tag(&one) == tag(&other), one == other);
        }

        #[test]
        fn sealed_text_round_trips_in_its_context_only(
            sealed_for in prop::sample::select(&PURPOSES[..]), opened_for in prop::sample::select(&PURPOSES[..]),
            owner in "[ab]{0,3}", opener in "[ab]{0,3}", text: Vec<u8>, nonce: [u8; 24],
        ) {
            let keys = ring("2", &[("1", ONE), ("2", TWO)]);
            let sealed = keys.seal(sealed_for, owner.as_bytes(), &text, nonce).unwrap();
            let opened = keys.open(opened_for, opener.as_bytes(), &sealed).ok();
            let same = (sealed_for, &owner) == (opened_for, &opener);
            prop_assert_eq!(opened.as_deref(), same.then_some(&text));
            prop_assert!(ring("1", &[("1", ONE)]).open(sealed_for, owner.as_bytes(), &sealed).is_err());
        }
    }
}
