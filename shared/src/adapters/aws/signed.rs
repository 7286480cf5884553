//! Signed requests to AWS services that Rekey calls too rarely for an SDK of theirs.
//!
//! Each request has a connection of its own: after a pause a kept one may be dead, and then nobody could tell whether
//! the service received the request.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;

use super::{CONNECT, CallError, SdkConfig, tls_context};
use crate::ports::Clock;

/// Sends signed requests to one service.
pub(in crate::adapters) struct SignedClient {
    config: SdkConfig,
    service: &'static str,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    connector: OnceLock<Connector>,
}

/// A response, whatever its status.
pub(in crate::adapters) struct SignedAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The header `X-Amz-Function-Error`: Lambda has it where the function failed and not the call.
    #[cfg_attr(not(feature = "remote-directory"), expect(dead_code, reason = "only Invoke reports one"))]
    pub is_function_error: bool,
    /// The body.
    pub body: Vec<u8>,
}

/// The reason why a request has no response.
pub(in crate::adapters) enum SignedError {
    /// The service surely did not receive the request.
    NotSent(CallError),
    /// The service may have received the request.
    NoAnswer(CallError),
}

impl From<SignedError> for CallError {
    fn from(error: SignedError) -> Self {
        let (SignedError::NotSent(error) | SignedError::NoAnswer(error)) = error;
        error
    }
}

impl SignedClient {
    /// Returns a client of `service` (`lambda`) that waits `timeout` for a response.
    pub(in crate::adapters) fn new(
        config: &SdkConfig,
        service: &'static str,
        timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { config: config.clone(), service, timeout, clock, connector: OnceLock::new() }
    }

    /// Posts `body` to `path`.
    pub(in crate::adapters) async fn post(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> Result<SignedAnswer, SignedError> {
        self.send("POST", path, headers, body).await
    }

    /// Gets `path`, which has no query.
    #[cfg(feature = "stack")]
    pub(in crate::adapters) async fn get(&self, path: &str) -> Result<SignedAnswer, SignedError> {
        self.send("GET", path, &[], &[]).await
    }

    async fn send(
        &self,
        method: &'static str,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> Result<SignedAnswer, SignedError> {
        let built = self.request(method, path, headers, body).await;
        let request =
            built.map_err(|_| SignedError::NotSent(CallError("the request could not be built".into())))?;
        let no_answer = |what: &str| SignedError::NoAnswer(CallError(what.to_owned()));
        let call = async {
            let response = self.connector.get_or_init(|| connector(self.timeout)).call(request).await;
            let response = response.map_err(|error| failure(&error))?;
            let status = response.status().as_u16();
            let is_function_error = response.headers().get("x-amz-function-error").is_some();
            let body = ByteStream::new(response.into_body()).collect().await;
            let body = body.map_err(|_| no_answer("an unreadable answer"))?.to_vec();
            Ok(SignedAnswer { status, is_function_error, body })
        };
        tokio::time::timeout(self.timeout, call).await.unwrap_or_else(|_| Err(no_answer("no answer in time")))
    }

    async fn request(
        &self,
        method: &'static str,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> Result<HttpRequest, Box<dyn Error + Send + Sync>> {
        let provider = self.config.credentials_provider().ok_or("no credentials")?;
        let identity = provider.provide_credentials().await?.into();
        let region = self.config.region().ok_or("no region")?.as_ref();
        let endpoint = if let Some(endpoint) = self.config.endpoint_url() {
            endpoint.trim_end_matches('/').to_owned()
        } else {
            let domain = if self.config.use_dual_stack() == Some(true) { "api.aws" } else { "amazonaws.com" };
            format!("https://{}.{region}.{domain}", self.service)
        };
        let uri = format!("{endpoint}{path}");
        let seconds = u64::try_from(self.clock.now().as_seconds()).unwrap_or_default();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(self.service)
            .time(UNIX_EPOCH + Duration::from_secs(seconds))
            .settings(SigningSettings::default())
            .build()?
            .into();
        let signable =
            SignableRequest::new(method, &uri, headers.iter().copied(), SignableBody::Bytes(body))?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method(method)?;
        request.set_uri(uri)?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, (*value).to_owned());
        }
        for (name, value) in instructions.headers() {
            request.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        Ok(request)
    }
}

fn connector(timeout: Duration) -> Connector {
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT).read_timeout(timeout).build();
    Connector::builder()
        .connector_settings(settings)
        .pool_max_idle_per_host(0)
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .tls_context(tls_context())
        .build()
}

/// Tells a connection that could not be made from one that ended. The library names only the phase, in its text
/// ("client error (Connect)", "HTTP connect timeout"). A text that it changes makes the result unknown, which is safe.
fn failure(error: &ConnectorError) -> SignedError {
    let first: &(dyn Error + 'static) = error;
    let texts = std::iter::successors(Some(first), |error| (*error).source()).map(ToString::to_string);
    let connecting = ["client error (Connect)", "error trying to connect", "HTTP connect timeout"];
    if error.is_user() || texts.into_iter().any(|text| connecting.iter().any(|phase| text.contains(phase))) {
        SignedError::NotSent(CallError("no connection".to_owned()))
    } else if error.is_timeout() {
        SignedError::NoAnswer(CallError("no answer in time".to_owned()))
    } else {
        SignedError::NoAnswer(CallError("the connection ended".to_owned()))
    }
}
