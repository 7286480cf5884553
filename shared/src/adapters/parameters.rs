//! Parameters of AWS Systems Manager, read at start.

use std::sync::Arc;

use aws_types::SdkConfig;
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;

use super::aws::CallError;
use super::aws::signed::{JsonVersion, SignedClient};
use crate::ports::Clock;

/// Returns the value of a parameter.
///
/// # Errors
/// [`ParameterError`].
pub async fn fetch(config: &SdkConfig, clock: Arc<dyn Clock>, name: &str) -> Result<String, ParameterError> {
    let client = SignedClient::new(config, "ssm", clock);
    let body = json!({ "Name": name, "WithDecryption": true });
    let answer = client.call(JsonVersion::V1_1, "AmazonSSM.GetParameter", &body).await;
    let found: Found = answer.map_err(|reason| ParameterError { name: name.to_owned(), reason })?;
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
