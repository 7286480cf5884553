//! The identity provider over HTTPS: discovery, token endpoint and key set (OpenID Connect Discovery 1.0, RFC 6749,
//! RFC 7517).
//!
//! It follows no redirect and reads at most 64 KB of an answer. An error names the endpoint and a status or a code of the
//! standard, never a word of the answer, which may repeat the request.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::{Serializer, byte_serialize};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::domain::oidc::{
    ClientAuthentication, ClientSecret, KeyRef, KeySet, OidcClient, PendingSignIn, ProviderMetadata,
};
use crate::domain::passkey::PublicKey;
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::{IdentityProvider, ProviderError};

/// Time-out of connecting, and of a whole call. A person waits for up to three calls.
const CONNECT: Duration = Duration::from_secs(2);
const CALL: Duration = Duration::from_secs(4);
/// The largest answer in bytes. Those of today's providers have up to 20 000.
const ANSWER_MAX: usize = 64 * 1024;
/// How long a discovery document or key set is kept. Providers announce a new key hours before they use it.
const KEPT: Seconds = Seconds::HOUR;
/// The shortest time between two requests of the key set, so that tokens with invented keys cause no load.
const REFETCH: Seconds = Seconds(60);
/// The error codes of a token endpoint (RFC 6749 §5.2). Only these are logged.
const ERRORS: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// Calls one identity provider.
pub struct HttpIdentityProvider {
    connector: OnceLock<Connector>,
    client: OidcClient,
    secret: Option<ClientSecret>,
    redirect_uri: String,
    metadata: Mutex<Option<Kept<ProviderMetadata>>>,
    keys: Mutex<Option<Kept<KeySet>>>,
}

/// A document, and when it was requested.
struct Kept<T> {
    document: Arc<T>,
    at: Timestamp,
}

impl<T> Kept<T> {
    /// Returns the document, unless it is older than `longest`.
    fn fresh(kept: &Mutex<Option<Self>>, longest: Seconds, now: Timestamp) -> Option<Arc<T>> {
        let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|kept| kept.at.is_within(longest, now)).map(|kept| kept.document.clone())
    }

    fn replace(kept: &Mutex<Option<Self>>, document: T, at: Timestamp) -> Arc<T> {
        let document = Arc::new(document);
        let next = Self { document: document.clone(), at };
        *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
        document
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
}

#[derive(Deserialize)]
struct TokenError {
    error: String,
}

impl HttpIdentityProvider {
    /// Returns the provider of this client. It sends browsers back to `redirect_uri`. Without a secret, Rekey is a
    /// public client, which PKCE alone protects.
    pub fn new(client: OidcClient, secret: Option<ClientSecret>, redirect_uri: String) -> Self {
        let (metadata, keys) = (Mutex::new(None), Mutex::new(None));
        Self { connector: OnceLock::new(), client, secret, redirect_uri, metadata, keys }
    }

    async fn metadata(&self, now: Timestamp) -> Result<Arc<ProviderMetadata>, ProviderError> {
        if let Some(metadata) = Kept::fresh(&self.metadata, KEPT, now) {
            return Ok(metadata);
        }
        let issuer = &self.client.issuer;
        let answer = self.get("discovery", &ProviderMetadata::address(issuer)).await?;
        let metadata = ProviderMetadata::parse(&answer, issuer)
            .ok_or_else(|| unavailable("discovery: not the document of REKEY_OIDC_ISSUER"))?;
        Ok(Kept::replace(&self.metadata, metadata, now))
    }

    /// Returns the key set, requested at most `longest` ago.
    async fn keys(&self, longest: Seconds, now: Timestamp) -> Result<Arc<KeySet>, ProviderError> {
        if let Some(keys) = Kept::fresh(&self.keys, longest, now) {
            return Ok(keys);
        }
        let address = self.metadata(now).await?.jwks_uri.clone();
        let answer = self.get("key set", &address).await?;
        let keys = KeySet::parse(&answer).ok_or_else(|| unavailable("key set: no JWK Set"))?;
        Ok(Kept::replace(&self.keys, keys, now))
    }

    /// Returns the header `Authorization`, if there is one, and the form of a token request (OpenID Connect Core §3.1.3.1).
    fn token_request(
        &self,
        code: &str,
        pending: &PendingSignIn,
        authentication: ClientAuthentication,
    ) -> (Option<String>, String) {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("code_verifier", pending.verifier());
        let client_id = &self.client.client_id;
        let mut authorization = None;
        match (&self.secret, authentication) {
            (Some(secret), ClientAuthentication::Basic) => authorization = Some(basic(client_id, secret)),
            (Some(secret), ClientAuthentication::Post) => {
                form.append_pair("client_id", client_id).append_pair("client_secret", secret.expose());
            }
            (None, _) => {
                form.append_pair("client_id", client_id);
            }
        }
        (authorization, form.finish())
    }

    /// Returns the address that the browser is sent to.
    fn authorization_request(&self, metadata: &ProviderMetadata, pending: &PendingSignIn) -> String {
        let mut query = Serializer::new(String::new());
        query
            .append_pair("response_type", "code")
            .append_pair("response_mode", "query")
            .append_pair("client_id", &self.client.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", scope(&self.client.claim))
            .append_pair("state", pending.state())
            .append_pair("nonce", pending.nonce())
            .append_pair("code_challenge", &pending.challenge())
            .append_pair("code_challenge_method", "S256");
        if let Some(max_age) = self.client.max_age {
            query.append_pair("max_age", &max_age.0.to_string());
        }
        let endpoint = &metadata.authorization_endpoint;
        let separator = if endpoint.contains('?') { '&' } else { '?' };
        format!("{endpoint}{separator}{}", query.finish())
    }

    async fn get(&self, what: &'static str, url: &str) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        match self.call(what, "GET", url, None, None).await? {
            (200, body) => Ok(body),
            (status, _) => Err(unavailable(format!("{what}: status {status}"))),
        }
    }

    async fn call(
        &self,
        what: &'static str,
        method: &str,
        url: &str,
        authorization: Option<String>,
        form: Option<String>,
    ) -> Result<(u16, Zeroizing<Vec<u8>>), ProviderError> {
        let mut request = HttpRequest::new(form.map_or_else(SdkBody::empty, SdkBody::from));
        let fits = request.set_method(method).is_ok() && request.set_uri(url).is_ok();
        if !fits {
            return Err(unavailable(format!("{what}: no address")));
        }
        let headers = request.headers_mut();
        headers.insert("accept", "application/json");
        if method == "POST" {
            headers.insert("content-type", "application/x-www-form-urlencoded");
        }
        if let Some(authorization) = authorization {
            headers.insert("authorization", authorization);
        }
        let answered = async {
            let answer = self.connector.get_or_init(connector).call(request).await;
            let answer = answer.map_err(|_| unavailable(format!("{what}: no connection")))?;
            let status = answer.status().as_u16();
            Ok((status, body(what, answer.into_body()).await?))
        };
        let late = |_| unavailable(format!("{what}: no answer in time"));
        tokio::time::timeout(CALL, answered).await.map_err(late)?
    }
}

#[async_trait]
impl IdentityProvider for HttpIdentityProvider {
    async fn authorization_url(
        &self,
        pending: &PendingSignIn,
        now: Timestamp,
    ) -> Result<String, ProviderError> {
        Ok(self.authorization_request(&*self.metadata(now).await?, pending))
    }

    async fn redeem(
        &self,
        code: &str,
        iss: Option<&str>,
        pending: &PendingSignIn,
        now: Timestamp,
    ) -> Result<Zeroizing<String>, ProviderError> {
        let metadata = self.metadata(now).await?;
        if !metadata.is_answer_of(iss) {
            return Err(ProviderError::Refused("issuer of the answer"));
        }
        let (authorization, form) = self.token_request(code, pending, metadata.authentication);
        let url = &metadata.token_endpoint;
        let (status, body) = self.call("token endpoint", "POST", url, authorization, Some(form)).await?;
        if status == 200 {
            let answer = serde_json::from_slice::<TokenAnswer>(&body);
            return answer
                .map(|answer| Zeroizing::new(answer.id_token))
                .map_err(|_| unavailable("token endpoint: no ID token"));
        }
        Err(refused(status, &body))
    }

    async fn key(&self, wanted: &KeyRef, now: Timestamp) -> Result<Option<PublicKey>, ProviderError> {
        match self.keys(KEPT, now).await?.find(wanted) {
            Some(key) => Ok(Some(key)),
            // The provider may have changed its keys since.
            None => Ok(self.keys(REFETCH, now).await?.find(wanted)),
        }
    }
}

/// Returns a connector that trusts the system's roots: a provider has its certificate from any authority. It follows no
/// redirect.
fn connector() -> Connector {
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT).read_timeout(CALL).build();
    Connector::builder()
        .connector_settings(settings)
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build()
}

/// Reads an answer up to the largest size.
async fn body(what: &'static str, body: SdkBody) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
    let mut stream = ByteStream::new(body);
    let mut read = Zeroizing::new(Vec::new());
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| unavailable(format!("{what}: the answer broke off")))?;
        if read.len() + chunk.len() > ANSWER_MAX {
            return Err(unavailable(format!("{what}: more than {ANSWER_MAX} bytes")));
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}

/// Returns the failure of a token request. A code that is wrong, used or too old is the sign-in's fault. Every other
/// failure is the provider's or the deployment's.
fn refused(status: u16, body: &[u8]) -> ProviderError {
    let error = serde_json::from_slice::<TokenError>(body).ok().map(|answer| answer.error);
    match ERRORS.into_iter().find(|known| Some(*known) == error.as_deref()) {
        Some(code @ "invalid_grant") => ProviderError::Refused(code),
        Some(code) => unavailable(format!("token endpoint: {code}")),
        None => unavailable(format!("token endpoint: status {status}")),
    }
}

fn unavailable(what: impl Into<String>) -> ProviderError {
    ProviderError::Unavailable(what.into().into())
}

/// Returns the scopes for a claim (OpenID Connect Core §5.4), and no more.
fn scope(claim: &str) -> &'static str {
    match claim {
        "sub" => "openid",
        "email" => "openid email",
        _ => "openid profile",
    }
}

/// Returns the header of `client_secret_basic`: both parts are form-encoded first (RFC 6749 §2.3.1).
fn basic(client_id: &str, secret: &ClientSecret) -> String {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = Zeroizing::new(format!("{}:{}", encoded(client_id), encoded(secret.expose())));
    format!("Basic {}", STANDARD.encode(pair.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Controls: C-198.
    #[test]
    fn token_error_is_logged_by_known_codes_only() {
        let of = |status, body: &str| {
            let error = refused(status, body.as_bytes());
            let source = std::error::Error::source(&error).map(ToString::to_string);
            (matches!(error, ProviderError::Refused(_)), source.unwrap_or_default())
        };
        assert_eq!(
            of(400, r#"{"error":"invalid_grant","error_description":"code abc"}"#),
            (true, String::new())
        );
        assert_eq!(
            of(401, r#"{"error":"invalid_client"}"#),
            (false, "token endpoint: invalid_client".into())
        );
        for body in [r#"{"error":"code abc is wrong"}"#, "code abc", ""] {
            assert_eq!(of(503, body), (false, "token endpoint: status 503".into()));
        }
    }

    #[test]
    fn client_secret_is_encoded_before_base64() {
        let secret = ClientSecret::from_secret(r#"{"client_secret":"a:b c"}"#).unwrap();
        let expected = STANDARD.encode("rekey%3A1:a%3Ab+c");
        assert_eq!(basic("rekey:1", &secret), format!("Basic {expected}"));
    }
}
