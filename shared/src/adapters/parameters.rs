//! Parameters of AWS Systems Manager, read at start.

use std::sync::Arc;
use std::time::Duration;

use aws_types::SdkConfig;
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;

use super::aws::CallError;
use super::aws::signed::SignedClient;
use crate::ports::Clock;

/// Time-out of the call. Lambda gives the start of a function ten seconds.
const TIMEOUT: Duration = Duration::from_secs(4);

/// Returns the value of a parameter.
///
/// # Errors
/// [`ParameterError`].
pub async fn fetch(config: &SdkConfig, clock: Arc<dyn Clock>, name: &str) -> Result<String, ParameterError> {
    let client = SignedClient::new(config, "ssm", TIMEOUT, clock);
    let headers =
        [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "AmazonSSM.GetParameter")];
    let body = json!({ "Name": name, "WithDecryption": true }).to_string();
    let answer = client
        .post("/", &headers, body.as_bytes())
        .await
        .map_err(|error| ParameterError { name: name.to_owned(), reason: error.into() })?;
    let failed =
        |reason: &str| ParameterError { name: name.to_owned(), reason: CallError(reason.to_owned()) };
    if answer.status != 200 {
        let error: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
        // `com.amazonaws.ssm#ParameterNotFound`, or the name alone.
        let code = error.code.rsplit('#').next().filter(|code| !code.is_empty());
        return Err(failed(code.unwrap_or("an unnamed error")));
    }
    let found: Found = serde_json::from_slice(&answer.body).map_err(|_| failed("an unreadable answer"))?;
    Ok(found.parameter.value)
}

/// A parameter can't be read.
#[derive(Debug, Error)]
#[error(
    "the parameter {name} can't be read from Systems Manager: {reason}. Check that it exists, and that the function's \
     role allows ssm:GetParameter for it"
)]
pub struct ParameterError {
    name: String,
    reason: CallError,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    parameter: Parameter,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    value: String,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(rename = "__type", default)]
    code: String,
}
