//! The shared parts of all AWS clients of a process: one HTTP client that trusts only Amazon's roots, and
//! common time-outs.

#[cfg(any(
    feature = "agents",
    feature = "parameters",
    feature = "remote-directory",
    feature = "secrets",
    feature = "sqs",
    feature = "stack"
))]
pub(super) mod signed;
#[cfg(feature = "agents")]
pub(super) mod xml;

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
pub use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::sdk_config;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use thiserror::Error;

use crate::settings;

/// Amazon's root certificates: see `roots/README.md`.
const ROOTS: [&str; 5] = [
    include_str!("roots/amazon-root-ca-1.pem"),
    include_str!("roots/amazon-root-ca-2.pem"),
    include_str!("roots/amazon-root-ca-3.pem"),
    include_str!("roots/amazon-root-ca-4.pem"),
    include_str!("roots/starfield-services-root-g2.pem"),
];

/// Connect time-out. An endpoint in the same region accepts a connection within milliseconds.
const CONNECT: Duration = Duration::from_secs(1);
/// Time-out of one request. The slowest call, a mail, takes a few hundred milliseconds.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Time-out of a call with all its retries. A person waits for it, and a function must answer within ten
/// seconds.
const OPERATION: Duration = Duration::from_secs(4);
/// Requests per call: the first and two retries.
const ATTEMPTS: u32 = 3;
/// The longest wait before the first retry; it doubles before the second. The SDK's default of a second would
/// leave no time for it.
const BACKOFF: Duration = Duration::from_millis(100);

/// Returns the configuration for all clients of a process. Region and credentials come from the environment,
/// where Lambda puts them for the life of the process; `AWS_ENDPOINT_URL` and its variants select an emulator
/// (`http:` too). The SDK's own loader also searches profiles, web identities and instance metadata, and
/// makes up an eighth of a function's code.
pub fn config() -> SdkConfig {
    let mut builder = common().service_config(Environment);
    builder.set_region(settings::aws("AWS_REGION").map(Region::new));
    builder.set_endpoint_url(settings::aws("AWS_ENDPOINT_URL"));
    // The functions of the directory have an address of IPv6 only, where their way out costs nothing.
    if settings::aws("AWS_USE_DUALSTACK_ENDPOINT").is_some_and(|value| value == "true") {
        builder.set_use_dual_stack(Some(true));
    }
    let key = settings::aws("AWS_ACCESS_KEY_ID").zip(settings::aws("AWS_SECRET_ACCESS_KEY"));
    if let Some((id, secret)) = key {
        let credentials =
            Credentials::new(id, secret, settings::aws("AWS_SESSION_TOKEN"), None, "environment");
        builder.set_credentials_provider(Some(SharedCredentialsProvider::new(credentials)));
    }
    builder.build()
}

/// Reads the settings of a single service, such as `AWS_ENDPOINT_URL_DYNAMODB`.
#[derive(Debug)]
struct Environment;

impl LoadServiceConfig for Environment {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_uppercase().replace([' ', '-'], "_");
        settings::aws(&format!("{}_{service}", key.env()))
    }
}

/// Returns a configuration for another region.
#[cfg(any(feature = "stack", feature = "ses", feature = "sns", feature = "voice"))]
pub fn with_region(config: &SdkConfig, region: String) -> SdkConfig {
    config.to_builder().region(Region::new(region)).build()
}

/// Returns the configuration for an emulator at `endpoint`, one for all services. The emulator checks no
/// signature, but may distinguish clients by `access_key`. The environment is not read: it may have the
/// credentials of a real account.
pub fn emulated(endpoint: &str, access_key: &str) -> SdkConfig {
    let credentials = Credentials::new(access_key, "none", None, None, "emulator");
    common()
        .region(Region::new("ap-southeast-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
        // An emulator fails when it is told to, and never because of its load.
        .retry_config(retries().with_initial_backoff(Duration::from_millis(1)))
        .build()
}

/// Returns the access key by which an emulator knows an agent of the help desk.
pub fn agent_key(role: &str, name: &str) -> String {
    format!("agent:{role}:{name}")
}

/// Returns the context that trusts only Amazon's roots.
fn tls_context() -> tls::TlsContext {
    let roots = ROOTS.iter().fold(tls::TrustStore::empty(), |store, pem| store.with_pem_certificate(*pem));
    // Building a context checks nothing, so it can't fail; the default would trust the system's roots.
    tls::TlsContext::builder().with_trust_store(roots).build().unwrap_or_default()
}

fn common() -> sdk_config::Builder {
    let http = Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .tls_context(tls_context())
        .build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build();
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(retries())
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(BACKOFF)
}

/// A failed call, described by its kind and code only. A service's own message may quote the number or
/// address of the call, which must not be logged.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct CallError(pub(super) String);
