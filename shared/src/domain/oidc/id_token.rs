//! The ID token: its form, its signature, and the checks of OpenID Connect Core §3.1.3.7 and RFC 8725.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use super::key_set::{Algorithm, KeyRef};
use super::{EMAIL_CLAIM, Identity, OidcClient};
use crate::domain::name::LOGIN_MAX;
use crate::domain::passkey::PublicKey;
use crate::domain::time::{Seconds, Timestamp};

/// The claims with groups and roles, as providers name them.
const GROUP_CLAIMS: [&str; 2] = ["groups", "roles"];

/// The largest accepted difference between the provider's clock and ours.
pub(super) const SKEW: Seconds = Seconds(60);

/// A token in the form of the JWS Compact Serialization (RFC 7515 §7.1), of which nothing is checked yet.
pub struct IdToken<'a> {
    key: KeyRef,
    /// Header and payload as they were signed.
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// What the token of a sign-in must say.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Issuer, audience, claim and age.
    pub client: &'a OidcClient,
    /// The nonce of the sign-in.
    pub nonce: &'a str,
    /// The start of the sign-in: no token for it is older.
    pub started_at: Timestamp,
}

/// The reason why a token is refused. It quotes nothing of the token, so it can be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenRefusal {
    /// It is no signed token, or a claim has another form.
    #[error("malformed token")]
    Malformed,
    /// Its algorithm is not RS256 or ES256.
    #[error("algorithm")]
    Algorithm,
    /// It is another kind of token (RFC 8725 §3.11), or has an extension that must be understood (RFC 7515 §4.1.11).
    #[error("kind of token")]
    Kind,
    /// The provider has no such key.
    #[error("unknown key")]
    UnknownKey,
    /// The signature is wrong.
    #[error("signature")]
    Signature,
    /// It is another provider's.
    #[error("issuer")]
    Issuer,
    /// It is for another client, or for others too.
    #[error("audience")]
    Audience,
    /// It has expired.
    #[error("expired")]
    Expired,
    /// It was issued before the sign-in, or is not valid yet.
    #[error("time of issue")]
    IssuedAt,
    /// It is for another sign-in.
    #[error("nonce")]
    Nonce,
    /// The person signed in at the provider too long ago, or the provider does not say when.
    #[error("age of the sign-in")]
    Age,
    /// The claim that names the account is missing, or is an unverified email address.
    #[error("claim of the account")]
    Claim,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    azp: Option<String>,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    nonce: Option<String>,
    auth_time: Option<i64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl<'a> IdToken<'a> {
    /// Reads the form and the header of a token.
    ///
    /// # Errors
    /// [`TokenRefusal`] for other than a signed token, or one by another algorithm.
    pub fn parse(text: &'a str) -> Result<Self, TokenRefusal> {
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenRefusal::Malformed);
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenRefusal::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenRefusal::Malformed)?;
        let header: Header =
            serde_json::from_slice(&decoded(header)?).map_err(|_| TokenRefusal::Malformed)?;
        let algorithm = Algorithm::parse(&header.alg).ok_or(TokenRefusal::Algorithm)?;
        let is_jwt = header.typ.is_none_or(|kind| kind.eq_ignore_ascii_case("JWT"));
        if header.crit.is_some() || !is_jwt {
            return Err(TokenRefusal::Kind);
        }
        let key = KeyRef { algorithm, kid: header.kid };
        Ok(Self { key, signed, payload: decoded(payload)?, signature: decoded(signature)? })
    }

    /// Returns the key that it names.
    pub const fn key(&self) -> &KeyRef {
        &self.key
    }

    /// Returns the person that it names, if every check passes. `verifies` returns whether a key made a signature over
    /// a message.
    ///
    /// # Errors
    /// [`TokenRefusal`].
    pub fn verify(
        &self,
        key: Option<&PublicKey>,
        verifies: impl FnOnce(&PublicKey, &[u8], &[u8]) -> bool,
        expected: &Expected<'_>,
        now: Timestamp,
    ) -> Result<Identity, TokenRefusal> {
        let key = key.ok_or(TokenRefusal::UnknownKey)?;
        if !verifies(key, self.signed.as_bytes(), &self.signature) {
            return Err(TokenRefusal::Signature);
        }
        let all: Map<String, Value> =
            serde_json::from_slice(&self.payload).map_err(|_| TokenRefusal::Malformed)?;
        let claims: Claims = serde_json::from_slice(&self.payload).map_err(|_| TokenRefusal::Malformed)?;
        claims.check(expected, now)?;
        let name = named(&all, &expected.client.claim).ok_or(TokenRefusal::Claim)?;
        let subject = all.get("sub").and_then(Value::as_str).map(str::to_owned);
        let groups = GROUP_CLAIMS.iter().flat_map(|claim| texts(&all, claim)).collect();
        Ok(Identity { name, subject, groups, amr: texts(&all, "amr") })
    }
}

impl Claims {
    fn check(&self, expected: &Expected<'_>, now: Timestamp) -> Result<(), TokenRefusal> {
        let Expected { client, nonce, started_at } = expected;
        if self.iss != client.issuer {
            return Err(TokenRefusal::Issuer);
        }
        // No other audience is trusted (§3.1.3.7 item 3), so the token must be for Rekey alone.
        let audience = match &self.aud {
            Audience::One(one) => std::slice::from_ref(one),
            Audience::Several(all) => all,
        };
        let is_own = |client_id: &String| *client_id == client.client_id;
        if audience.is_empty() || !audience.iter().all(is_own) || !self.azp.as_ref().is_none_or(is_own) {
            return Err(TokenRefusal::Audience);
        }
        let time = Timestamp::from_seconds;
        if time(self.exp) + SKEW <= now {
            return Err(TokenRefusal::Expired);
        }
        let is_past = |at: i64| time(at) <= now + SKEW;
        if time(self.iat) + SKEW < *started_at || !is_past(self.iat) || !self.nbf.is_none_or(is_past) {
            return Err(TokenRefusal::IssuedAt);
        }
        let answered = self.nonce.as_deref().unwrap_or_default();
        if !bool::from(answered.as_bytes().ct_eq(nonce.as_bytes())) {
            return Err(TokenRefusal::Nonce);
        }
        let Some(max_age) = client.max_age else { return Ok(()) };
        // The age counts from the start: the person may take their time at the provider.
        let is_recent = |at: i64| is_past(at) && *started_at < time(at) + max_age + SKEW;
        if self.auth_time.is_some_and(is_recent) { Ok(()) } else { Err(TokenRefusal::Age) }
    }
}

/// Returns the value of the claim that names the account. An email address counts only if the provider verified it.
fn named(claims: &Map<String, Value>, claim: &str) -> Option<String> {
    let verified = || claims.get("email_verified") == Some(&Value::Bool(true));
    let name = claims.get(claim)?.as_str()?;
    let fits = !name.is_empty() && name.chars().count() <= LOGIN_MAX && (claim != EMAIL_CLAIM || verified());
    fits.then(|| name.to_owned())
}

/// Returns the texts of a claim; nothing if it has another form than a list.
fn texts(claims: &Map<String, Value>, claim: &str) -> Vec<String> {
    let listed = claims.get(claim).and_then(Value::as_array).into_iter().flatten();
    listed.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::signature::{Signer as _, Verifier as _};
    use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::domain::passkey::Bytes;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
    const NONCE: &str = "n-0S6_WzA2Mj";

    fn client() -> OidcClient {
        OidcClient {
            issuer: "https://login.contoh.example".into(),
            client_id: "rekey".into(),
            claim: "preferred_username".into(),
            step_up_amr: vec!["mfa".into()],
            max_age: Some(Seconds(300)),
        }
    }

    fn claims() -> Value {
        let now = NOW.as_seconds();
        json!({
            "iss": "https://login.contoh.example", "aud": "rekey", "sub": "248289761001", "exp": now + 300,
            "iat": now, "nonce": NONCE, "auth_time": now - 100, "preferred_username": "aisyah",
        })
    }

    /// Returns the claims with another value; null removes one.
    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value;
        }
        claims
    }

    fn signing_key() -> SigningKey {
        SigningKey::from_slice(&[7; 32]).unwrap()
    }

    fn public_key() -> PublicKey {
        let point = signing_key().verifying_key().to_sec1_point(false);
        PublicKey::Es256 { point: Bytes::new(point.as_bytes().to_vec()) }
    }

    fn verifies(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        let PublicKey::Es256 { point } = key else { return false };
        let key = VerifyingKey::from_sec1_bytes(point.as_slice()).unwrap();
        Signature::from_slice(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
    }

    fn token(header: &Value, payload: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(payload));
        let signature: Signature = signing_key().sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    fn header() -> Value {
        json!({ "alg": "ES256", "kid": "1", "typ": "JWT" })
    }

    fn read(token: &str, client: &OidcClient) -> Result<Identity, TokenRefusal> {
        let expected = Expected { client, nonce: NONCE, started_at: NOW };
        IdToken::parse(token)?.verify(Some(&public_key()), verifies, &expected, NOW)
    }

    fn check(payload: &Value) -> Result<Identity, TokenRefusal> {
        read(&token(&header(), payload), &client())
    }

    fn after(seconds: i64) -> Value {
        json!(NOW.as_seconds() + seconds)
    }

    /// Controls: C-192.
    #[test]
    fn valid_token_names_the_person() {
        let identity = check(&claims()).unwrap();
        assert_eq!(identity.name, "aisyah");
        assert_eq!(format!("{identity:?}"), "Identity(..)");
        let bare = token(&json!({ "alg": "ES256" }), &claims());
        assert_eq!(read(&bare, &client()).unwrap().name, "aisyah");
    }

    /// Controls: C-192.
    #[test]
    fn token_by_other_algorithm_is_rejected() {
        for alg in ["none", "None", "HS256", "RS384", "PS256", "EdDSA", ""] {
            let token = token(&json!({ "alg": alg, "kid": "1" }), &claims());
            assert_eq!(read(&token, &client()), Err(TokenRefusal::Algorithm), "{alg}");
        }
        assert_eq!(read(&token(&json!({ "kid": "1" }), &claims()), &client()), Err(TokenRefusal::Malformed));
    }

    /// Controls: C-192.
    #[test]
    fn other_kind_of_token_is_rejected() {
        for header in [
            json!({ "alg": "ES256", "typ": "at+jwt" }),
            json!({ "alg": "ES256", "typ": "logout+jwt" }),
            json!({ "alg": "ES256", "crit": ["exp"], "exp": 1 }),
            json!({ "alg": "ES256", "crit": [] }),
        ] {
            assert_eq!(read(&token(&header, &claims()), &client()), Err(TokenRefusal::Kind), "{header}");
        }
    }

    /// Controls: C-192.
    #[test]
    fn changed_token_is_rejected() {
        let valid = token(&header(), &claims());
        let parts: Vec<&str> = valid.split('.').collect();
        let payload = URL_SAFE_NO_PAD.encode(with("preferred_username", json!("weiling")).to_string());
        let forged = format!("{}.{payload}.{}", parts[0], parts[2]);
        assert_eq!(read(&forged, &client()), Err(TokenRefusal::Signature));
        let unsigned = format!("{}.{}.", parts[0], parts[1]);
        assert_eq!(read(&unsigned, &client()), Err(TokenRefusal::Signature));
        for malformed in ["", "..", "a.b.c", parts[0], &format!("{valid}.x"), &valid.replace('.', "")] {
            assert_eq!(read(malformed, &client()), Err(TokenRefusal::Malformed), "{malformed}");
        }
        let expected = Expected { client: &client(), nonce: NONCE, started_at: NOW };
        let refused = IdToken::parse(&valid).unwrap().verify(None, |_, _, _| true, &expected, NOW);
        assert_eq!(refused, Err(TokenRefusal::UnknownKey));
    }

    /// Controls: C-193.
    #[test]
    fn token_of_other_issuer_is_rejected() {
        for iss in ["https://login.contoh.example/", "https://evil.example", "LOGIN.contoh.example", ""] {
            assert_eq!(check(&with("iss", json!(iss))), Err(TokenRefusal::Issuer), "{iss}");
        }
        assert_eq!(check(&with("iss", json!(null))), Err(TokenRefusal::Malformed));
    }

    /// Controls: C-193.
    #[test]
    fn token_for_other_audience_is_rejected() {
        assert!(check(&with("aud", json!(["rekey"]))).is_ok());
        for aud in
            [json!("portal"), json!([]), json!(["portal"]), json!(["rekey", "portal"]), json!("rekey2")]
        {
            assert_eq!(check(&with("aud", aud.clone())), Err(TokenRefusal::Audience), "{aud}");
        }
        assert!(check(&with("azp", json!("rekey"))).is_ok());
        assert_eq!(check(&with("azp", json!("portal"))), Err(TokenRefusal::Audience));
        assert_eq!(check(&with("aud", json!(null))), Err(TokenRefusal::Malformed));
    }

    /// Controls: C-193.
    #[test]
    fn expired_token_is_rejected() {
        assert!(check(&with("exp", after(-59))).is_ok());
        assert_eq!(check(&with("exp", after(-60))), Err(TokenRefusal::Expired));
        for malformed in [json!(null), json!("1790000300")] {
            assert_eq!(check(&with("exp", malformed)), Err(TokenRefusal::Malformed));
        }
    }

    /// Controls: C-193.
    #[test]
    fn token_from_before_the_sign_in_is_rejected() {
        assert!(check(&with("iat", after(-60))).is_ok() && check(&with("iat", after(60))).is_ok());
        for iat in [after(-61), after(61)] {
            assert_eq!(check(&with("iat", iat.clone())), Err(TokenRefusal::IssuedAt), "{iat}");
        }
        assert!(check(&with("nbf", after(60))).is_ok());
        assert_eq!(check(&with("nbf", after(61))), Err(TokenRefusal::IssuedAt));
        assert_eq!(check(&with("iat", json!(null))), Err(TokenRefusal::Malformed));
    }

    /// Controls: C-193.
    #[test]
    fn token_for_another_sign_in_is_rejected() {
        for nonce in [json!(null), json!(""), json!("n-0S6_WzA2M"), json!("n-0S6_WzA2MjA")] {
            assert_eq!(check(&with("nonce", nonce.clone())), Err(TokenRefusal::Nonce), "{nonce}");
        }
    }

    /// Controls: C-196.
    #[test]
    fn old_sign_in_at_provider_is_rejected() {
        assert!(check(&with("auth_time", after(-359))).is_ok());
        for at in [after(-360), after(61), json!(null)] {
            assert_eq!(check(&with("auth_time", at.clone())), Err(TokenRefusal::Age), "{at}");
        }
        let any = OidcClient { max_age: None, ..client() };
        assert!(read(&token(&header(), &with("auth_time", json!(null))), &any).is_ok());
        let slow = Expected {
            client: &client(),
            nonce: NONCE,
            started_at: Timestamp::from_seconds(NOW.as_seconds() - 590),
        };
        let token = token(&header(), &with("auth_time", after(-500)));
        let read = IdToken::parse(&token).unwrap().verify(Some(&public_key()), verifies, &slow, NOW);
        assert!(read.is_ok(), "a person who takes their time at the provider");
    }

    /// Controls: C-197.
    #[test]
    fn account_claim_must_be_a_plain_text() {
        let long = "a".repeat(255);
        for name in [json!(null), json!(""), json!(7), json!(["aisyah"]), json!(long)] {
            assert_eq!(check(&with("preferred_username", name.clone())), Err(TokenRefusal::Claim), "{name}");
        }
        let by_id = OidcClient { claim: "sub".into(), ..client() };
        assert_eq!(read(&token(&header(), &claims()), &by_id).unwrap().name, "248289761001");
        assert!(by_id.claim_is_id() && !client().claim_is_id());
    }

    /// Controls: C-197.
    #[test]
    fn unverified_email_names_no_account() {
        let by_email = OidcClient { claim: "email".into(), ..client() };
        let of = |verified: Value| {
            let mut claims = with("email", json!("aisyah@student.contoh.example"));
            claims["email_verified"] = verified;
            read(&token(&header(), &claims), &by_email)
        };
        assert_eq!(of(json!(true)).unwrap().name, "aisyah@student.contoh.example");
        for verified in [json!(null), json!(false), json!("true"), json!(1)] {
            assert_eq!(of(verified.clone()), Err(TokenRefusal::Claim), "{verified}");
        }
    }

    /// Controls: C-199.
    #[test]
    fn step_up_needs_a_configured_method() {
        let of = |amr: Value, client: &OidcClient| client.is_step_up(&check(&with("amr", amr)).unwrap());
        assert!(of(json!(["pwd", "mfa"]), &client()));
        for amr in [json!(null), json!([]), json!(["pwd", "otp"]), json!(["MFA"]), json!("mfa")] {
            assert!(!of(amr.clone(), &client()), "{amr}");
        }
        let none = OidcClient { step_up_amr: Vec::new(), ..client() };
        assert!(!of(json!(["mfa"]), &none));
    }

    proptest! {
        /// Controls: C-192.
        #[test]
        fn reading_arbitrary_token_never_panics(
            header in "\\PC{0,40}", payload in prop::collection::vec(any::<u8>(), 0..60), signature: [u8; 8],
        ) {
            let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
            let text = format!("{}.{}.{}", part(header.as_bytes()), part(&payload), part(&signature));
            prop_assert!(read(&text, &client()).is_err());
            prop_assert!(read(&header, &client()).is_err());
            let signed = token(&json!({ "alg": "ES256" }), &json!({ "iss": header, "aud": payload }));
            prop_assert!(read(&signed, &client()).is_err());
        }
    }
}
