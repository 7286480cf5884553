//! The public address of a deployment, as a browser reaches it: over HTTPS with the system's roots, or over HTTP on
//! loopback. It follows no redirect.

use std::sync::OnceLock;
use std::time::Duration;

use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use zeroize::Zeroizing;

use super::aws::CallError;

/// Time-out of connecting, and of a whole call. A request of a reset takes at most ten seconds.
const CONNECT: Duration = Duration::from_secs(5);
const CALL: Duration = Duration::from_secs(15);
/// The largest answer in bytes. The largest page has 60 000.
const ANSWER_MAX: usize = 512 * 1024;

/// Sends requests to one deployment.
pub struct WebClient {
    base: String,
    connector: OnceLock<Connector>,
}

/// An answer, whatever its status.
pub struct WebAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
}

impl WebAnswer {
    /// Returns the first header with this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

impl WebClient {
    /// Returns a client of the deployment at `base`, which has no slash at its end.
    pub const fn new(base: String) -> Self {
        Self { base, connector: OnceLock::new() }
    }

    /// Sends a request to a path.
    ///
    /// # Errors
    /// [`CallError`] if there is no whole answer.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> Result<WebAnswer, CallError> {
        let fails = |why: &str| CallError(why.to_owned());
        let mut request = HttpRequest::new(SdkBody::from(body));
        let url = format!("{}{path}", self.base);
        if request.set_method(method).is_err() || request.set_uri(url).is_err() {
            return Err(fails("no address"));
        }
        for (name, value) in headers {
            request.headers_mut().insert(*name, (*value).to_owned());
        }
        let call = async {
            let answer = self.connector.get_or_init(connector).call(request).await;
            let answer = answer.map_err(|error| {
                let first: &(dyn std::error::Error + 'static) = &error;
                let last = std::iter::successors(Some(first), |error| (*error).source()).last();
                CallError(last.unwrap_or(first).to_string())
            })?;
            let status = answer.status().as_u16();
            let headers = answer.headers().iter();
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let mut stream = ByteStream::new(answer.into_body());
            let mut read = Zeroizing::new(Vec::new());
            while let Some(chunk) = stream.next().await {
                let chunk = chunk.map_err(|_| fails("the answer broke off"))?;
                if read.len() + chunk.len() > ANSWER_MAX {
                    return Err(fails("the answer is too long"));
                }
                read.extend_from_slice(&chunk);
            }
            Ok(WebAnswer { status, headers, body: read })
        };
        tokio::time::timeout(CALL, call).await.unwrap_or_else(|_| Err(fails("no answer in time")))
    }
}

fn connector() -> Connector {
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT).read_timeout(CALL).build();
    Connector::builder()
        .connector_settings(settings)
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build()
}
