//! A sign-in that was sent to the identity provider and has not come back yet.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::domain::keys::{Keyring, SealError};
use crate::domain::time::{Seconds, Timestamp};

const PURPOSE: &str = "rekey/oidc";

/// How long a person may take at the provider.
pub const LIFETIME: Seconds = Seconds(600);

/// The content of the cookie of a pending sign-in, sealed. The browser can't read the verifier, so a stolen code and
/// cookie value open nothing without this service.
///
/// It also carries what the callback lacks: browsers keep cookies with `SameSite=Strict` from a request that another
/// site's redirect caused (RFC 6265bis §5.2).
#[derive(Clone, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
pub struct PendingSignIn {
    /// Binds the answer to this browser (RFC 6749 §10.12). Base64url, like the next two.
    state: String,
    /// Binds the ID token to this sign-in (OpenID Connect Core §15.5.2).
    nonce: String,
    /// Binds the code to this sign-in (RFC 7636 §4.1).
    verifier: String,
    #[zeroize(skip)]
    started_at: Timestamp,
    /// The address to return to, from the allow-list.
    pub back: Option<String>,
    /// The session cookie of the browser, whose session the new one replaces.
    pub session: Option<String>,
    /// The cookie of the browser as a known device.
    pub device: Option<String>,
}

impl PendingSignIn {
    /// Returns a new sign-in. `random` has its state, nonce and verifier, 256 bits each.
    pub fn new(random: [[u8; 32]; 3], now: Timestamp) -> Self {
        let [state, nonce, verifier] = random.map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        Self { state, nonce, verifier, started_at: now, back: None, session: None, device: None }
    }

    /// Returns the value of its cookie. `nonce` is the cipher's and must be fresh.
    ///
    /// # Errors
    /// [`SealError`] when the keyring can't seal.
    pub fn seal(&self, flows: &Keyring, nonce: [u8; 24]) -> Result<String, SealError> {
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(self).map_err(|_| SealError)?);
        flows.seal(PURPOSE, &[], &plain, nonce)
    }

    /// Reads the value of a cookie; `None` for one that is too old, or that this service did not make.
    pub fn open(value: &str, flows: &Keyring, now: Timestamp) -> Option<Self> {
        let plain = flows.open(PURPOSE, &[], value).ok()?;
        let pending: Self = serde_json::from_slice(&plain).ok()?;
        (pending.expires_at() > now && pending.started_at <= now + super::id_token::SKEW).then_some(pending)
    }

    /// Returns the `state` of the request.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// Returns the `nonce` of the request, which the ID token repeats.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Returns the `code_verifier` for the token endpoint.
    pub fn verifier(&self) -> &str {
        &self.verifier
    }

    /// Returns the `code_challenge` of the request, by the method S256 (RFC 7636 §4.2).
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()))
    }

    /// Returns the time of its start. No ID token for it is older.
    pub const fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Returns the time from which no answer is accepted.
    pub fn expires_at(&self) -> Timestamp {
        self.started_at + LIFETIME
    }

    /// Returns whether an answer with this `state` belongs to it. It compares in constant time.
    pub fn is_answered_by(&self, state: &str) -> bool {
        self.state.as_bytes().ct_eq(state.as_bytes()).into()
    }

    /// Returns the id under which its single use is counted.
    pub fn spend_id(&self) -> [u8; 32] {
        Sha256::digest(self.state.as_bytes()).into()
    }
}

/// Prints no secret.
impl std::fmt::Debug for PendingSignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PendingSignIn(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn keys() -> Keyring {
        Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
    }

    fn pending() -> PendingSignIn {
        PendingSignIn::new([[1; 32], [2; 32], [3; 32]], NOW)
    }

    /// Controls: C-190.
    #[test]
    fn pending_sign_in_opens_for_ten_minutes() {
        let value = pending().seal(&keys(), [7; 24]).unwrap();
        let open = |seconds: i64| {
            PendingSignIn::open(&value, &keys(), Timestamp::from_seconds(NOW.as_seconds() + seconds))
        };
        assert_eq!(open(599).unwrap().state(), pending().state());
        assert!(open(600).is_none() && open(-61).is_none());
        assert!(PendingSignIn::open(&value[..value.len() - 1], &keys(), NOW).is_none());
    }

    /// Controls: C-190.
    #[test]
    fn state_of_another_sign_in_is_rejected() {
        let own = pending();
        assert!(own.is_answered_by(own.state()));
        for other in ["", own.nonce(), &own.state()[1..], &format!("{}A", own.state())] {
            assert!(!own.is_answered_by(other), "{other}");
        }
    }

    /// RFC 7636, appendix B.
    /// Controls: C-191.
    #[test]
    fn challenge_is_sha256_of_verifier() {
        let verifier = URL_SAFE_NO_PAD.decode("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
        let pending = PendingSignIn::new([[1; 32], [2; 32], verifier.try_into().unwrap()], NOW);
        assert_eq!(pending.verifier(), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(pending.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    /// Controls: C-198.
    #[test]
    fn sealed_value_shows_no_secret() {
        let mut pending = pending();
        pending.session = Some("session-cookie".into());
        let value = pending.seal(&keys(), [7; 24]).unwrap();
        for secret in [pending.state(), pending.nonce(), pending.verifier(), "session-cookie"] {
            assert!(!value.contains(secret) && !format!("{pending:?}").contains(secret));
        }
    }
}
