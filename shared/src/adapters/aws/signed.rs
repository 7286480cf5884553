//! Signed requests to AWS services of which Rekey calls one or two operations: an SDK of theirs would be a tenth of a
//! function's code.

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
use aws_smithy_types::retry::RetryConfig;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{ATTEMPT, ATTEMPTS, BACKOFF, CONNECT, CallError, OPERATION, SdkConfig, tls_context};
use crate::ports::Clock;

/// Sends signed requests to one service.
pub(in crate::adapters) struct SignedClient {
    config: SdkConfig,
    service: &'static str,
    /// The first label of the service's host.
    host: &'static str,
    timeout: Duration,
    keeps_connections: bool,
    clock: Arc<dyn Clock>,
    connector: OnceLock<Connector>,
}

/// A protocol of AWS's services. <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>
#[derive(Clone, Copy)]
pub(in crate::adapters) enum JsonVersion {
    /// AWS JSON 1.0.
    #[cfg_attr(not(feature = "sqs"), expect(dead_code, reason = "only SQS speaks it"))]
    V1_0,
    /// AWS JSON 1.1.
    #[cfg_attr(
        not(any(feature = "secrets", feature = "parameters")),
        expect(dead_code, reason = "Secrets Manager and Systems Manager speak it")
    )]
    V1_1,
}

/// A response, whatever its status.
pub(in crate::adapters) struct SignedAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The header `X-Amz-Function-Error`: Lambda has it where the function failed and not the call.
    #[cfg_attr(
        not(any(feature = "remote-directory", feature = "stack")),
        expect(dead_code, reason = "only Invoke reports one")
    )]
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
    /// Returns a client of `service` (`sqs`) for operations that may be repeated.
    pub(in crate::adapters) fn new(config: &SdkConfig, service: &'static str, clock: Arc<dyn Clock>) -> Self {
        let config = config.clone();
        let (timeout, connector) = (ATTEMPT, OnceLock::new());
        Self { config, service, host: service, timeout, keeps_connections: true, clock, connector }
    }

    /// Returns a client for operations that must not be repeated, and that may take `timeout`. Each request has a
    /// connection of its own: after a pause a kept one may be dead, and then nobody could tell whether the service
    /// received the request.
    #[cfg(any(feature = "agents", feature = "audit-trail", feature = "remote-directory"))]
    pub(in crate::adapters) fn once(
        config: &SdkConfig,
        service: &'static str,
        timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { timeout, keeps_connections: false, ..Self::new(config, service, clock) }
    }

    /// Returns the client for a service whose host begins with another label than its name: SES is at `email`.
    #[cfg(feature = "stack")]
    pub(in crate::adapters) fn at(self, host: &'static str) -> Self {
        Self { host, ..self }
    }

    /// Calls an operation of a service that speaks JSON. `target` names it in the header `X-Amz-Target`. As the SDK's
    /// clients do here, it makes three attempts in four seconds.
    #[cfg(any(feature = "parameters", feature = "secrets", feature = "sqs"))]
    pub(in crate::adapters) async fn call<A: DeserializeOwned>(
        &self,
        version: JsonVersion,
        target: &str,
        body: &Value,
    ) -> Result<A, CallError> {
        let content_type = match version {
            JsonVersion::V1_0 => "application/x-amz-json-1.0",
            JsonVersion::V1_1 => "application/x-amz-json-1.1",
        };
        let headers = [("content-type", content_type), ("x-amz-target", target)];
        let body = body.to_string();
        let attempts = async {
            let mut wait = self.config.retry_config().map_or(BACKOFF, RetryConfig::initial_backoff);
            for _ in 1..ATTEMPTS {
                match self.attempt(&headers, &body).await {
                    Err(Failure::Transient(_)) => tokio::time::sleep(wait).await,
                    Err(Failure::Final(error)) => return Err(error),
                    Ok(answer) => return Ok(answer),
                }
                wait *= 2;
            }
            self.attempt(&headers, &body)
                .await
                .map_err(|(Failure::Transient(error) | Failure::Final(error))| error)
        };
        let no_answer = |_| Err(CallError("no answer in time".to_owned()));
        let answer = tokio::time::timeout(OPERATION, attempts).await.unwrap_or_else(no_answer)?;
        serde_json::from_slice(&answer).map_err(|_| CallError("an unreadable answer".to_owned()))
    }

    async fn attempt(
        &self,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let answer = self.post("/", headers, body.as_bytes()).await;
        let answer = answer.map_err(|error| Failure::Transient(error.into()))?;
        if answer.status == 200 {
            return Ok(Zeroizing::new(answer.body));
        }
        let refusal: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
        // `com.amazonaws.ssm#ParameterNotFound`, or the name alone.
        let code = refusal.code.rsplit('#').next().filter(|code| !code.is_empty());
        let error = CallError(code.unwrap_or("an unnamed error").to_owned());
        let is_throttled =
            code.is_some_and(|code| code.contains("Throttl") || code == "TooManyRequestsException");
        let is_transient = answer.status >= 500 || answer.status == 429 || is_throttled;
        Err(if is_transient { Failure::Transient(error) } else { Failure::Final(error) })
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

    /// Puts `body` to `path`.
    #[cfg(feature = "stack")]
    pub(in crate::adapters) async fn put(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> Result<SignedAnswer, SignedError> {
        self.send("PUT", path, headers, body).await
    }

    /// Gets `path`, which has no query.
    #[cfg(feature = "stack")]
    pub(in crate::adapters) async fn get(&self, path: &str) -> Result<SignedAnswer, SignedError> {
        self.send("GET", path, &[], &[]).await
    }

    /// Returns the headers of a signed request to `/`, for another process that sends it.
    #[cfg(feature = "agents")]
    pub(in crate::adapters) async fn sign(
        &self,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> Result<Vec<(String, String)>, CallError> {
        let request = self.request("POST", "/", headers, body).await;
        let request = request.map_err(|_| CallError("the request could not be signed".to_owned()))?;
        Ok(request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Posts `body` to `/` with the headers of a request that another process signed.
    #[cfg(feature = "agents")]
    pub(in crate::adapters) async fn forward(
        &self,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> Result<SignedAnswer, SignedError> {
        self.exchange(self.unsigned("POST", "/", headers, body).map(|(request, _)| request)).await
    }

    async fn send(
        &self,
        method: &'static str,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> Result<SignedAnswer, SignedError> {
        self.exchange(self.request(method, path, headers, body).await).await
    }

    async fn exchange(
        &self,
        built: Result<HttpRequest, Box<dyn Error + Send + Sync>>,
    ) -> Result<SignedAnswer, SignedError> {
        let request =
            built.map_err(|_| SignedError::NotSent(CallError("the request could not be built".into())))?;
        let no_answer = |what: &str| SignedError::NoAnswer(CallError(what.to_owned()));
        let call = async {
            let response = self.connector.get_or_init(|| self.connector()).call(request).await;
            let response = response.map_err(|error| failure(&error))?;
            let status = response.status().as_u16();
            let is_function_error = response.headers().get("x-amz-function-error").is_some();
            let body = ByteStream::new(response.into_body()).collect().await;
            let body = body.map_err(|_| no_answer("an unreadable answer"))?.to_vec();
            Ok(SignedAnswer { status, is_function_error, body })
        };
        tokio::time::timeout(self.timeout, call).await.unwrap_or_else(|_| Err(no_answer("no answer in time")))
    }

    /// Returns a request without a signature, and its address.
    fn unsigned(
        &self,
        method: &'static str,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> Result<(HttpRequest, String), Box<dyn Error + Send + Sync>> {
        let region = self.config.region().ok_or("no region")?.as_ref();
        let endpoint = if let Some(endpoint) = self.config.endpoint_url() {
            endpoint.trim_end_matches('/').to_owned()
        } else {
            let domain = match (self.config.use_dual_stack() == Some(true), region.starts_with("cn-")) {
                (false, false) => "amazonaws.com",
                (true, false) => "api.aws",
                (false, true) => "amazonaws.com.cn",
                (true, true) => "api.amazonwebservices.com.cn",
            };
            format!("https://{}.{region}.{domain}", self.host)
        };
        let uri = format!("{endpoint}{path}");
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method(method)?;
        request.set_uri(uri.clone())?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, (*value).to_owned());
        }
        Ok((request, uri))
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
        let (mut request, uri) = self.unsigned(method, path, headers, body)?;
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
        for (name, value) in instructions.headers() {
            request.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        Ok(request)
    }

    fn connector(&self) -> Connector {
        let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT).read_timeout(self.timeout);
        let connector = Connector::builder().connector_settings(settings.build());
        let connector = if self.keeps_connections { connector } else { connector.pool_max_idle_per_host(0) };
        connector
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .tls_context(tls_context())
            .build()
    }
}

/// A failed attempt.
enum Failure {
    /// Another attempt may succeed.
    Transient(CallError),
    /// The service refused the request.
    Final(CallError),
}

/// The error of a service that speaks JSON.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(rename = "__type", default)]
    code: String,
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

#[cfg(all(test, feature = "stack", feature = "system"))]
mod tests {
    use super::*;
    use crate::adapters::aws::{config, with_region};
    use crate::adapters::system::SystemClock;

    #[test]
    fn host_may_differ_from_signed_name() {
        let config = with_region(&config(), "ap-southeast-1".to_owned());
        let client = |service| SignedClient::once(&config, service, ATTEMPT, Arc::new(SystemClock));
        let address = |client: SignedClient| client.unsigned("GET", "/v2", &[], &[]).unwrap().1;
        assert_eq!(address(client("ses").at("email")), "https://email.ap-southeast-1.amazonaws.com/v2");
        assert_eq!(address(client("sns")), "https://sns.ap-southeast-1.amazonaws.com/v2");
    }
}
