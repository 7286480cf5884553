//! The keys of an identity provider: a JWK Set (RFC 7517, RFC 7518 §6).

use serde::Deserialize;
use serde_json::Value;

use crate::domain::passkey::{Bytes, PublicKey};

/// The most keys that are read. Providers publish two to ten.
const KEYS_MAX: usize = 100;

/// The accepted signature algorithms. `none` and the symmetric ones (`HS256`) are no members, so no token can choose
/// them (RFC 8725 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA with PKCS#1 v1.5 and SHA-256, which every provider supports (OpenID Connect Core §15.1).
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl Algorithm {
    /// Reads the `alg` of a JOSE header.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

/// The key that a token names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRef {
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Its id, which a provider with several keys must give (OpenID Connect Core §10.1).
    pub kid: Option<String>,
}

/// The signing keys of a provider.
#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<Jwk>);

#[derive(Clone, Debug, Deserialize)]
struct Document {
    keys: Vec<Value>,
}

#[derive(Clone, Debug, Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    r#use: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<Bytes>,
    e: Option<Bytes>,
    x: Option<Bytes>,
    y: Option<Bytes>,
}

impl KeySet {
    /// Reads a JWK Set. Keys of a form that Rekey does not know are left out (RFC 7517 §5); `None` if the document is no
    /// set.
    pub fn parse(json: &[u8]) -> Option<Self> {
        let Document { keys } = serde_json::from_slice(json).ok()?;
        Some(Self(
            keys.into_iter().take(KEYS_MAX).filter_map(|key| serde_json::from_value(key).ok()).collect(),
        ))
    }

    /// Returns the key that a token names; `None` if there is none, or more than one.
    pub fn find(&self, wanted: &KeyRef) -> Option<PublicKey> {
        let named = |key: &&Jwk| wanted.kid.is_none() || key.kid == wanted.kid;
        let mut found = self.0.iter().filter(named).filter_map(|key| key.public_key(wanted.algorithm));
        let key = found.next()?;
        found.next().is_none().then_some(key)
    }
}

impl Jwk {
    /// Returns the key, if it is for signatures by this algorithm.
    fn public_key(&self, algorithm: Algorithm) -> Option<PublicKey> {
        let is = |field: &Option<String>, wanted: &str| field.as_deref().is_none_or(|text| text == wanted);
        if !is(&self.r#use, "sig") || !is(&self.alg, algorithm.as_str()) {
            return None;
        }
        match (algorithm, self.kty.as_str()) {
            (Algorithm::Rs256, "RSA") => {
                let (modulus, exponent) = (self.n.clone()?, self.e.clone()?);
                // 2048 to 4096 bits. Shorter ones are too weak (RFC 7518 §3.3), longer ones cost too much time.
                let fits = (256..=512).contains(&modulus.as_slice().len())
                    && (1..=4).contains(&exponent.as_slice().len());
                fits.then_some(PublicKey::Rs256 { modulus, exponent })
            }
            (Algorithm::Es256, "EC") => {
                let (x, y) = (self.x.as_ref()?.as_slice(), self.y.as_ref()?.as_slice());
                let fits = self.crv.as_deref() == Some("P-256") && x.len() == 32 && y.len() == 32;
                fits.then(|| PublicKey::Es256 { point: Bytes::new([&[4], x, y].concat()) })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    fn bytes(length: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![9; length])
    }

    fn rsa(kid: &str) -> Value {
        json!({ "kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": bytes(256), "e": "AQAB" })
    }

    fn ec(kid: &str) -> Value {
        json!({ "kty": "EC", "kid": kid, "crv": "P-256", "x": bytes(32), "y": bytes(32) })
    }

    fn find(keys: &[Value], algorithm: Algorithm, kid: Option<&str>) -> Option<PublicKey> {
        let set = KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
        set.find(&KeyRef { algorithm, kid: kid.map(str::to_owned) })
    }

    fn with(mut key: Value, name: &str, value: Value) -> Value {
        key[name] = value;
        key
    }

    /// Controls: C-192.
    #[test]
    fn key_is_found_by_id_and_algorithm() {
        let unknown = json!({ "kty": "OKP", "kid": "c", "crv": "Ed25519", "x": bytes(32) });
        let keys = [rsa("a"), ec("b"), unknown, json!("no key")];
        assert!(matches!(find(&keys, Algorithm::Rs256, Some("a")), Some(PublicKey::Rs256 { .. })));
        assert!(matches!(find(&keys, Algorithm::Es256, Some("b")), Some(PublicKey::Es256 { .. })));
        for (algorithm, kid) in [(Algorithm::Es256, "a"), (Algorithm::Rs256, "b"), (Algorithm::Es256, "c")] {
            assert_eq!(find(&keys, algorithm, Some(kid)), None, "{kid}");
        }
    }

    /// Controls: C-192.
    #[test]
    fn token_without_key_id_needs_a_single_key() {
        assert!(find(&[rsa("a"), ec("b")], Algorithm::Rs256, None).is_some());
        assert_eq!(find(&[rsa("a"), rsa("b")], Algorithm::Rs256, None), None);
        assert_eq!(find(&[rsa("a"), rsa("a")], Algorithm::Rs256, Some("a")), None);
    }

    /// Controls: C-192.
    #[test]
    fn unfit_key_is_left_out() {
        for unfit in [
            with(rsa("a"), "use", json!("enc")),
            with(rsa("a"), "alg", json!("PS256")),
            with(rsa("a"), "n", json!(bytes(128))),
            with(rsa("a"), "n", json!(bytes(1024))),
            with(rsa("a"), "e", json!(null)),
        ] {
            assert_eq!(find(std::slice::from_ref(&unfit), Algorithm::Rs256, Some("a")), None, "{unfit}");
        }
        for unfit in [
            with(ec("a"), "crv", json!("P-384")),
            with(ec("a"), "x", json!(bytes(31))),
            with(ec("a"), "y", json!(bytes(33))),
        ] {
            assert_eq!(find(std::slice::from_ref(&unfit), Algorithm::Es256, Some("a")), None, "{unfit}");
        }
        assert!(KeySet::parse(b"[]").is_none());
    }
}
