//! Pushes to browsers: RFC 8030, encrypted for the device (RFC 8291), signed by Rekey (RFC 8292).
//!
//! The push service sees the time and length of a push, but not its content.

mod encryption;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::sending::said;
use crate::domain::push::{PushHosts, Subscription, VapidKey};
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::{Entropy, EntropyExt as _, Push, PushSender, SendError};

/// The validity of a signature; RFC 8292 §2 allows a day.
const SIGNED_FOR: Seconds = Seconds::HOUR;
/// Time-out of connecting and reading: a later push is useless.
const CONNECT: Duration = Duration::from_secs(3);
const READ: Duration = Duration::from_secs(5);

/// Sends pushes over Web Push.
pub struct WebPushes {
    connector: OnceLock<Connector>,
    key: VapidKey,
    contact: String,
    hosts: PushHosts,
    entropy: Arc<dyn Entropy>,
}

impl WebPushes {
    /// Returns a sender of pushes to `hosts` only, signed with `key`. Operators of push services can write to the
    /// email address `contact`.
    pub fn new(key: VapidKey, contact: &str, hosts: PushHosts, entropy: Arc<dyn Entropy>) -> Self {
        Self { connector: OnceLock::new(), key, contact: format!("mailto:{contact}"), hosts, entropy }
    }

    fn request(&self, to: &Subscription, push: &Push<'_>, now: Timestamp) -> Option<HttpRequest> {
        if !self.hosts.allow(&to.endpoint) {
            return None;
        }
        let (device, auth) = to.keys()?;
        let sealed =
            encryption::seal(push.payload, &device, &auth, self.entropy.bytes(), &self.entropy.bytes())?;
        let mut request = HttpRequest::new(SdkBody::from(sealed));
        request.set_method("POST").ok()?;
        request.set_uri(to.endpoint.as_str()).ok()?;
        let headers = request.headers_mut();
        headers.insert("authorization", authorization(&self.key, &self.contact, &to.endpoint, now)?);
        headers.insert("content-encoding", "aes128gcm");
        headers.insert("content-type", "application/octet-stream");
        headers.insert("ttl", push.lifetime.0.to_string());
        headers.insert("urgency", "high");
        headers.insert("topic", push.topic.to_owned());
        Some(request)
    }
}

#[async_trait]
impl PushSender for WebPushes {
    async fn push(&self, to: &Subscription, push: &Push<'_>, now: Timestamp) -> Result<(), SendError> {
        let request = self.request(to, push, now);
        let request = request.ok_or_else(|| SendError::Refused(said("no push service of ours").into()))?;
        match self.connector.get_or_init(connector).call(request).await {
            Ok(answer) => outcome(answer.status().as_u16()),
            Err(error) => {
                let what = if error.is_timeout() { "no answer in time" } else { "no connection" };
                Err(SendError::Unavailable(said(what).into()))
            }
        }
    }
}

/// Returns a connector that trusts the system's roots: Amazon's roots, which the other clients are pinned to,
/// have signed no push service's certificate. The roots are read with the first push, not at start. It
/// follows no redirect.
fn connector() -> Connector {
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT).read_timeout(READ).build();
    Connector::builder()
        .connector_settings(settings)
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build()
}

/// Returns the result of a response status (RFC 8030 §5, §7.3). A push service does not redirect, so an
/// endpoint that redirects is none. Other errors blame our signature or our request, and may be repaired.
fn outcome(status: u16) -> Result<(), SendError> {
    match status {
        200..=299 => Ok(()),
        404 | 410 => Err(SendError::Refused(said("the subscription is gone").into())),
        300..=399 => Err(SendError::Refused(said(format!("status {status}")).into())),
        _ => Err(SendError::Unavailable(said(format!("status {status}")).into())),
    }
}

/// Returns the header of RFC 8292 §3: a JWT for the origin of the endpoint, and the key that signed it.
fn authorization(key: &VapidKey, contact: &str, endpoint: &str, now: Timestamp) -> Option<String> {
    let (scheme, rest) = endpoint.split_once("://")?;
    let origin = format!("{scheme}://{}", rest.split('/').next()?);
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({ "typ": "JWT", "alg": "ES256" }));
    let claims = part(json!({ "aud": origin, "exp": (now + SIGNED_FOR).as_seconds(), "sub": contact }));
    let signed = format!("{header}.{claims}");
    let signature = URL_SAFE_NO_PAD.encode(key.sign(&signed));
    Some(format!("vapid t={signed}.{signature}, k={}", key.public()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Controls: C-087.
    #[test]
    fn push_status_maps_to_send_result() {
        assert!(outcome(201).is_ok());
        for status in [404, 410, 301, 307] {
            assert!(matches!(outcome(status), Err(SendError::Refused(_))), "{status}");
        }
        for status in [400, 401, 403, 413, 408, 429, 500, 503] {
            assert!(matches!(outcome(status), Err(SendError::Unavailable(_))), "{status}");
        }
    }
}
