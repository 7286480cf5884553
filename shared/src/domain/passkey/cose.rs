//! CBOR (RFC 8949) as authenticators write it, and COSE public keys (RFC 9052, RFC 9053).

use ciborium::Value;

use super::credential::PublicKey;
use super::{Bytes, Malformed, Refusal};

/// Reads the first item of the bytes and advances `bytes` past it.
pub(super) fn read(bytes: &mut &[u8]) -> Result<Value, Malformed> {
    ciborium::from_reader(bytes).map_err(|_| Malformed)
}

/// A map without duplicate keys.
pub(super) struct Map(Vec<(Value, Value)>);

impl Map {
    pub(super) fn of(value: Value) -> Result<Self, Malformed> {
        let entries = value.into_map().map_err(|_| Malformed)?;
        let twice =
            entries.iter().enumerate().any(|(at, (key, _))| entries[..at].iter().any(|(k, _)| k == key));
        if twice { Err(Malformed) } else { Ok(Self(entries)) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, key: impl Into<Value>) -> Option<Value> {
        let key = key.into();
        let at = self.0.iter().position(|(known, _)| *known == key)?;
        Some(self.0.swap_remove(at).1)
    }

    pub(super) fn bytes(&mut self, key: impl Into<Value>) -> Result<Vec<u8>, Malformed> {
        self.take(key).and_then(|value| value.into_bytes().ok()).ok_or(Malformed)
    }

    pub(super) fn number(&mut self, key: impl Into<Value>) -> Result<i64, Malformed> {
        self.take(key)
            .and_then(|value| value.into_integer().ok())
            .and_then(|number| i64::try_from(number).ok())
            .ok_or(Malformed)
    }
}

/// Reads the public key of a COSE map: one of the three requested algorithms, with its curve and sizes
/// (§5.8.5).
pub(super) fn public_key(value: Value) -> Result<PublicKey, Refusal> {
    let unsupported = |_: Malformed| Refusal::Unsupported;
    let mut map = Map::of(value).map_err(unsupported)?;
    let (kind, algorithm) = (map.number(1).map_err(unsupported)?, map.number(3).map_err(unsupported)?);
    let mut part = |label: i32| map.bytes(label).map_err(unsupported);
    let key = match (kind, algorithm) {
        (2, PublicKey::ES256) => {
            let (x, y) = (part(-2)?, part(-3)?);
            (x.len() == 32 && y.len() == 32 && map.number(-1) == Ok(1))
                .then(|| PublicKey::Es256 { point: Bytes([&[4], &x[..], &y[..]].concat()) })
        }
        (1, PublicKey::EDDSA) => {
            let point = part(-2)?;
            (point.len() == 32 && map.number(-1) == Ok(6)).then_some(PublicKey::EdDsa { point: Bytes(point) })
        }
        (3, PublicKey::RS256) => {
            let (modulus, exponent) = (part(-1)?, part(-2)?);
            // 2048 to 4096 bits. Shorter ones are too weak (NIST SP 800-131A), longer ones cost too much
            // time.
            ((256..=512).contains(&modulus.len()) && (1..=4).contains(&exponent.len()))
                .then_some(PublicKey::Rs256 { modulus: Bytes(modulus), exponent: Bytes(exponent) })
        }
        _ => None,
    };
    key.ok_or(Refusal::Unsupported)
}
