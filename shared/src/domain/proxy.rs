//! The secret that a trusted proxy (CloudFront) sends with each request.

use std::fmt;

use serde::Deserialize;
use subtle::{Choice, ConstantTimeEq as _};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The fewest characters of a value: 32 of 62 letters and digits are 190 bits.
const LENGTH_MIN: usize = 32;
/// The most characters of a value; CloudFront's limit for an origin header is 1783.
const LENGTH_MAX: usize = 512;

/// The present and the previous value of the secret. The previous one is valid too, so that a rotation
/// interrupts nothing: CloudFront needs minutes to send a new value everywhere.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ProxySecret {
    current: String,
    previous: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    current: String,
    #[serde(default)]
    previous: Option<String>,
}

impl ProxySecret {
    /// Reads the secret's text: `{"current": "…", "previous": "…"}`, the second one optional or empty.
    ///
    /// # Errors
    /// [`ProxySecretError`] when it has another form, or a value could be guessed or can't be in a header.
    pub fn from_secret(text: &str) -> Result<Self, ProxySecretError> {
        let Written { current, previous } = serde_json::from_str(text).map_err(|_| ProxySecretError::Form)?;
        let secret = Self { current, previous: previous.filter(|previous| !previous.is_empty()) };
        let fits = |value: &String| {
            (LENGTH_MIN..=LENGTH_MAX).contains(&value.len())
                && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let all_fit = fits(&secret.current) && secret.previous.as_ref().is_none_or(fits);
        if all_fit { Ok(secret) } else { Err(ProxySecretError::Value) }
    }

    /// Returns whether `given` is one of the two values. It compares both in constant time.
    pub fn accepts(&self, given: &[u8]) -> bool {
        let is = |value: &str| value.as_bytes().ct_eq(given);
        let previous = self.previous.as_deref().map_or(Choice::from(0), is);
        bool::from(is(&self.current) | previous)
    }
}

/// Prints no value.
impl fmt::Debug for ProxySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxySecret")
    }
}

/// The reason why a text is no secret of a proxy. It never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProxySecretError {
    /// It is not an object of the two values.
    #[error("it is not a JSON object with `current` and, if wanted, `previous`")]
    Form,
    /// A value is too short, too long, or has other characters.
    #[error("a value does not have 32 to 512 ASCII letters, digits, hyphens and underscores")]
    Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "0123456789abcdef0123456789abcdef";
    const BEFORE: &str = "fedcba9876543210fedcba9876543210";

    fn read(current: &str, previous: &str) -> Result<ProxySecret, ProxySecretError> {
        ProxySecret::from_secret(&format!(r#"{{"current":"{current}","previous":"{previous}"}}"#))
    }

    /// Controls: C-100.
    #[test]
    fn present_and_previous_value_are_accepted() {
        let secret = read(NOW, BEFORE).unwrap();
        assert!(secret.accepts(NOW.as_bytes()) && secret.accepts(BEFORE.as_bytes()));
        let both = format!("{NOW},{BEFORE}");
        for other in ["", &NOW[1..], &NOW.to_uppercase(), &both, "x"] {
            assert!(!secret.accepts(other.as_bytes()), "{other}");
        }
        let alone = read(NOW, "").unwrap();
        assert!(alone.accepts(NOW.as_bytes()) && !alone.accepts(BEFORE.as_bytes()) && !alone.accepts(b""));
        assert!(!format!("{secret:?}").contains(NOW));
    }

    /// Controls: C-100.
    #[test]
    fn weak_or_malformed_proxy_secret_is_rejected() {
        assert!(ProxySecret::from_secret(&format!(r#"{{"current":"{NOW}"}}"#)).is_ok());
        for (current, previous) in
            [("", ""), (&NOW[1..], ""), (NOW, "short"), (&format!("{NOW} "), ""), ("", NOW)]
        {
            assert_eq!(read(current, previous).unwrap_err(), ProxySecretError::Value, "{current} {previous}");
        }
        for text in ["", NOW, "{}", r#"{"1":"a","current":"1"}"#, "[]"] {
            assert_eq!(ProxySecret::from_secret(text).unwrap_err(), ProxySecretError::Form, "{text}");
        }
    }
}
