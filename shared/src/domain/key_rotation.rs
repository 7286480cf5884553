//! The two rounds of a key rotation: a key is added, and once every process has read it, it becomes the current one.
//! Earlier keys stay, so nothing that they made ends.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use thiserror::Error;
use zeroize::Zeroizing;

use super::keys::{KeyError, KeyId, Keyring};
use super::time::Timestamp;

const CURRENT: &str = "current";

/// The text of a keyring, to be changed. It has no `Debug`, because it contains keys.
pub struct Rotation {
    keys: BTreeMap<KeyId, Zeroizing<String>>,
    current: KeyId,
}

/// A key would not be the newest of its ring. Ids sort by age, so that the oldest key stays the oldest.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the ring has the key {0}, which sorts after the new one")]
pub struct NotNewest(pub String);

impl Rotation {
    /// Reads the text of a secret.
    ///
    /// # Errors
    /// [`KeyError`] if it is no keyring.
    pub fn read(secret: &str) -> Result<Self, KeyError> {
        let current = Keyring::from_secret(secret)?.current().clone();
        let entries: BTreeMap<String, String> = serde_json::from_str(secret).map_err(|_| KeyError::Form)?;
        let keys = entries.into_iter().filter(|(id, _)| id != CURRENT);
        let keys = keys.map(|(id, key)| Ok((KeyId::parse(&id)?, Zeroizing::new(key))));
        Ok(Self { keys: keys.collect::<Result<_, KeyError>>()?, current })
    }

    /// Returns the id of a key that is made at this time: year, month, day and hour.
    ///
    /// # Errors
    /// [`KeyError::Id`] for a time outside of four-digit years.
    pub fn id_at(now: Timestamp) -> Result<KeyId, KeyError> {
        let digits: String = now.to_string().chars().filter(char::is_ascii_digit).skip(2).take(8).collect();
        KeyId::parse(&digits)
    }

    /// Returns the ids of all keys, the oldest first.
    pub fn ids(&self) -> impl Iterator<Item = &KeyId> {
        self.keys.keys()
    }

    /// Returns the id of the key that makes new tags and ciphertexts.
    pub const fn current(&self) -> &KeyId {
        &self.current
    }

    /// Returns the key that an earlier round added, if it is not the current one yet.
    pub fn added(&self) -> Option<&KeyId> {
        self.keys.keys().next_back().filter(|newest| **newest > self.current)
    }

    /// Adds a key, which nothing uses yet.
    ///
    /// # Errors
    /// [`NotNewest`] if it would not be the newest.
    pub fn add(&mut self, id: KeyId, key: Zeroizing<String>) -> Result<(), NotNewest> {
        match self.keys.keys().next_back() {
            Some(newest) if *newest >= id => Err(NotNewest(newest.as_str().to_owned())),
            _ => {
                self.keys.insert(id, key);
                Ok(())
            }
        }
    }

    /// Makes the newest key the current one.
    pub fn use_newest(&mut self) {
        if let Some(newest) = self.keys.keys().next_back() {
            self.current = newest.clone();
        }
    }

    /// Returns the text of the secret.
    pub fn secret(&self) -> Zeroizing<String> {
        let keys = self.keys.iter().map(|(id, key)| (id.as_str(), key.as_str()));
        let entries = [(CURRENT, self.current.as_str())].into_iter().chain(keys);
        let entries: Map<String, Value> =
            entries.map(|(name, value)| (name.to_owned(), value.into())).collect();
        Zeroizing::new(Value::Object(entries).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef0123456789abcdef";
    const TWO: &str = "fedcba9876543210fedcba9876543210";

    fn key(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    /// Controls: C-262.
    #[test]
    fn rotation_adds_a_key_before_it_serves() {
        let mut rotation = Rotation::read(&format!(r#"{{"current":"1","1":"{ONE}"}}"#)).unwrap();
        assert_eq!(rotation.added(), None);
        let id = Rotation::id_at(Timestamp::parse("2026-12-01T09:30:00Z").unwrap()).unwrap();
        assert_eq!(id.as_str(), "26120109");
        rotation.add(id.clone(), key(TWO)).unwrap();
        let before = Keyring::from_secret(&rotation.secret()).unwrap();
        assert_eq!((before.current().as_str(), before.oldest().as_str()), ("1", "1"));
        let mut again = Rotation::read(&rotation.secret()).unwrap();
        assert_eq!(again.added(), Some(&id));
        again.use_newest();
        let after = Keyring::from_secret(&again.secret()).unwrap();
        assert_eq!((after.current(), after.oldest().as_str(), again.added()), (&id, "1", None));
        let sealed = before.seal("p", &[], b"text", [7; 24]).unwrap();
        assert_eq!(after.open("p", &[], &sealed).unwrap().as_slice(), b"text");
    }

    #[test]
    fn key_that_is_not_the_newest_is_rejected() {
        let mut rotation = Rotation::read(&format!(r#"{{"current":"99","99":"{ONE}"}}"#)).unwrap();
        for id in ["1", "99"] {
            let added = rotation.add(KeyId::parse(id).unwrap(), key(TWO));
            assert_eq!(added, Err(NotNewest("99".to_owned())), "{id}");
        }
        assert!(Rotation::read("{}").is_err());
    }
}
