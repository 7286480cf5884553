//! The discovery document of an identity provider (OpenID Connect Discovery 1.0 §3, RFC 8414).

use serde::Deserialize;

/// Characters that no URL has (RFC 3986 §2), and the start of a fragment, which no endpoint has.
const NEVER: &[u8] = b"\"<>\\^`{|}#";
/// The longest address in octets.
const URL_MAX: usize = 1_024;
/// The only host that plain HTTP may go to, for the local environment and tests.
const LOOPBACK: &str = "http://127.0.0.1:";

/// How Rekey authenticates at the token endpoint (OpenID Connect Core §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// `client_secret_basic`: in the header `Authorization`. The default of the standard.
    Basic,
    /// `client_secret_post`: in the form.
    Post,
}

/// The endpoints of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderMetadata {
    /// Browsers are sent here.
    pub authorization_endpoint: String,
    /// Exchanges a code for an ID token.
    pub token_endpoint: String,
    /// The address of the key set.
    pub jwks_uri: String,
    /// How a client with a secret authenticates.
    pub authentication: ClientAuthentication,
    issuer: String,
    /// Whether every answer says who made it (RFC 9207 §3).
    answers_have_issuer: bool,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl ProviderMetadata {
    /// Returns the address of the document of an issuer (OpenID Connect Discovery §4).
    pub fn address(issuer: &str) -> String {
        format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
    }

    /// Reads the document of an issuer. `None` if it is malformed, is another issuer's (§4.3), or names an endpoint that
    /// is not on HTTPS.
    pub fn parse(json: &[u8], issuer: &str) -> Option<Self> {
        let document: Document = serde_json::from_slice(json).ok()?;
        let local = is_loopback(issuer);
        let is_endpoint = |url: &String| is_url(url) && (url.starts_with("https://") || local);
        let endpoints = [&document.authorization_endpoint, &document.token_endpoint, &document.jwks_uri];
        if document.issuer != issuer || !endpoints.into_iter().all(is_endpoint) {
            return None;
        }
        let methods = document.token_endpoint_auth_methods_supported;
        let has_basic =
            methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"));
        Some(Self {
            authorization_endpoint: document.authorization_endpoint,
            token_endpoint: document.token_endpoint,
            jwks_uri: document.jwks_uri,
            authentication: if has_basic { ClientAuthentication::Basic } else { ClientAuthentication::Post },
            issuer: document.issuer,
            answers_have_issuer: document.authorization_response_iss_parameter_supported,
        })
    }

    /// Returns whether an answer with this `iss` comes from the provider (RFC 9207 §2.4). A provider that announces the
    /// parameter must send it. Otherwise another provider's answer could be mixed up with this one's.
    pub fn is_answer_of(&self, iss: Option<&str>) -> bool {
        iss.map_or(!self.answers_have_issuer, |iss| iss == self.issuer)
    }
}

/// Returns whether a text may be an issuer: an HTTPS address without query and fragment (OpenID Connect Core §2), or
/// one on loopback.
pub fn is_issuer(text: &str) -> bool {
    is_url(text) && !text.contains('?')
}

/// Returns whether an address is on loopback, over plain HTTP.
pub fn is_loopback(url: &str) -> bool {
    let port = url.strip_prefix(LOOPBACK).map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
    port.is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok())
}

/// Returns whether a text is the address of an endpoint: HTTPS without a user, or loopback.
fn is_url(text: &str) -> bool {
    let may_be_in_one = |b: u8| b.is_ascii_graphic() && !NEVER.contains(&b);
    if text.len() > URL_MAX || !text.bytes().all(may_be_in_one) {
        return false;
    }
    let authority = text.strip_prefix("https://").and_then(|rest| rest.split(['/', '?']).next());
    is_loopback(text) || authority.is_some_and(|host| !host.is_empty() && !host.contains('@'))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ISSUER: &str = "https://login.contoh.example/realms/uni";

    fn document() -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://login.contoh.example/authorize?tenant=1",
            "token_endpoint": "https://api.contoh.example/token",
            "jwks_uri": "https://keys.contoh.example/keys",
        })
    }

    fn parse(document: &Value, issuer: &str) -> Option<ProviderMetadata> {
        ProviderMetadata::parse(document.to_string().as_bytes(), issuer)
    }

    fn with(name: &str, value: Value) -> Value {
        let mut document = document();
        document[name] = value;
        document
    }

    /// Controls: C-194.
    #[test]
    fn metadata_of_another_issuer_is_rejected() {
        assert!(parse(&document(), ISSUER).is_some());
        for other in
            [&format!("{ISSUER}/"), "https://login.contoh.example", "https://LOGIN.contoh.example/realms/uni"]
        {
            assert_eq!(parse(&document(), other), None, "{other}");
            assert_eq!(parse(&with("issuer", json!(other)), ISSUER), None, "{other}");
        }
        assert_eq!(ProviderMetadata::parse(b"<html>", ISSUER), None);
    }

    /// Controls: C-194.
    #[test]
    fn endpoint_without_https_is_rejected() {
        for endpoint in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
            for bad in [
                json!(null),
                json!("http://login.contoh.example/x"),
                json!("http://127.0.0.1:8081/x"),
                json!("https://user@login.contoh.example/x"),
                json!("https://login.contoh.example/x#y"),
                json!("https://login.contoh.example/\"x"),
                json!("https:///x"),
                json!("javascript:alert(1)"),
            ] {
                assert_eq!(parse(&with(endpoint, bad.clone()), ISSUER), None, "{endpoint} {bad}");
            }
        }
        let local = json!({
            "issuer": "http://127.0.0.1:8081", "authorization_endpoint": "http://127.0.0.1:8081/a",
            "token_endpoint": "http://127.0.0.1:8081/t", "jwks_uri": "http://127.0.0.1:8081/k",
        });
        assert!(parse(&local, "http://127.0.0.1:8081").is_some());
    }

    /// Controls: C-194.
    #[test]
    fn issuer_is_https_or_loopback() {
        for fits in
            [ISSUER, "https://accounts.google.com", "http://127.0.0.1:8081", "http://127.0.0.1:1/realms/a"]
        {
            assert!(is_issuer(fits), "{fits}");
        }
        for bad in [
            "",
            "https://",
            "http://login.contoh.example",
            "http://127.0.0.1",
            "http://127.0.0.1:80.evil.example/",
            "http://127.0.0.1:99999/",
            "https://a.example/?x",
            "https://a.example/#x",
            "https://a b.example/",
            "http://127.0.0.1:1@evil.example/",
        ] {
            assert!(!is_issuer(bad), "{bad}");
        }
    }

    /// Controls: C-195.
    #[test]
    fn answer_of_another_issuer_is_rejected() {
        let plain = parse(&document(), ISSUER).unwrap();
        assert!(plain.is_answer_of(None) && plain.is_answer_of(Some(ISSUER)));
        assert!(!plain.is_answer_of(Some("https://evil.example")));
        let strict =
            parse(&with("authorization_response_iss_parameter_supported", json!(true)), ISSUER).unwrap();
        assert!(strict.is_answer_of(Some(ISSUER)));
        assert!(!strict.is_answer_of(None), "announced, but left out");
    }

    #[test]
    fn secret_goes_where_the_provider_accepts_it() {
        let of = |methods: Value| {
            parse(&with("token_endpoint_auth_methods_supported", methods), ISSUER).unwrap().authentication
        };
        assert_eq!(of(json!(null)), ClientAuthentication::Basic);
        assert_eq!(of(json!(["client_secret_post", "client_secret_basic"])), ClientAuthentication::Basic);
        assert_eq!(of(json!(["client_secret_post", "private_key_jwt"])), ClientAuthentication::Post);
    }

    #[test]
    fn metadata_address_follows_the_issuer() {
        assert_eq!(
            ProviderMetadata::address("https://a.example/x/"),
            "https://a.example/x/.well-known/openid-configuration"
        );
    }
}
