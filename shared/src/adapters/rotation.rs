//! Writes keyrings to Secrets Manager, and starts functions again so that they read them, for `rekey keys rotate`.

use std::sync::Arc;
use std::time::Duration;

use aws_types::SdkConfig;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use thiserror::Error;
use zeroize::Zeroizing;

use super::aws::CallError;
use super::aws::signed::{SignedAnswer, SignedClient, SignedError};
use crate::ports::{Clock, Entropy, EntropyExt as _};

/// Time-out of a call.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest wait for a function's update, in polls.
const POLLS: u32 = 120;
const POLL: Duration = Duration::from_secs(1);

/// A round of a rotation was not carried out.
#[derive(Debug, Error)]
#[error("{call} failed: {reason}")]
pub struct RotationError {
    /// The call as IAM names it.
    pub call: &'static str,
    /// The reason.
    #[source]
    pub reason: CallError,
}

/// Writes a secret.
///
/// # Errors
/// [`RotationError`]. The secret may have been written.
pub async fn write(
    config: &SdkConfig,
    clock: Arc<dyn Clock>,
    entropy: &dyn Entropy,
    secret: &str,
    text: &str,
) -> Result<(), RotationError> {
    const CALL: &str = "secretsmanager:PutSecretValue";
    let client = SignedClient::once(config, "secretsmanager", TIMEOUT, clock);
    // The version's id, of at least 32 characters. A repeated call with the same one writes nothing.
    let random: [u8; 16] = entropy.bytes();
    let body = json!({
        "SecretId": secret, "ClientRequestToken": hex::encode(random), "SecretString": text,
    });
    let body = Zeroizing::new(body.to_string());
    let headers =
        [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "secretsmanager.PutSecretValue")];
    accepted(CALL, client.post("/", &headers, body.as_bytes()).await).map(drop)
}

/// Starts a function again: a change of its description ends every process of it, and new ones read the secrets.
///
/// # Errors
/// [`RotationError`].
pub async fn renew(
    config: &SdkConfig,
    clock: Arc<dyn Clock>,
    function: &str,
    description: &str,
) -> Result<(), RotationError> {
    const CALL: &str = "lambda:UpdateFunctionConfiguration";
    const LOOK: &str = "lambda:GetFunctionConfiguration";
    let client = SignedClient::once(config, "lambda", TIMEOUT, clock);
    let name = utf8_percent_encode(function, NON_ALPHANUMERIC).to_string();
    let name = name.replace("%2D", "-").replace("%5F", "_");
    let path = format!("/2015-03-31/functions/{name}/configuration");
    let body = json!({ "Description": description }).to_string();
    let headers = [("content-type", "application/json")];
    let mut answer = accepted(CALL, client.put(&path, &headers, body.as_bytes()).await)?;
    for _ in 0..POLLS {
        match answer["LastUpdateStatus"].as_str() {
            Some("Successful") => return Ok(()),
            Some("Failed") => {
                return Err(RotationError { call: CALL, reason: CallError("the update failed".to_owned()) });
            }
            _ => tokio::time::sleep(POLL).await,
        }
        answer = accepted(LOOK, client.get(&path).await)?;
    }
    Err(RotationError { call: LOOK, reason: CallError("the update takes too long".to_owned()) })
}

fn accepted(call: &'static str, answer: Result<SignedAnswer, SignedError>) -> Result<Value, RotationError> {
    let failed = |reason| RotationError { call, reason };
    let answer = answer.map_err(|error| failed(error.into()))?;
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status == 200 {
        return Ok(body);
    }
    let code = body["__type"].as_str().and_then(|code| code.rsplit('#').next());
    let reason = code.map_or_else(|| format!("status {}", answer.status), str::to_owned);
    Err(failed(CallError(reason)))
}
