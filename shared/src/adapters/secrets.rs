//! Secrets and keyrings from Secrets Manager.

use std::collections::HashMap;
use std::sync::Arc;

use aws_types::SdkConfig;
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;
use zeroize::Zeroizing;

use super::aws::CallError;
use super::aws::signed::{JsonVersion, SignedClient};
use crate::domain::keys::{KeyError, Keyring};
use crate::domain::oidc::ClientSecretError;
use crate::domain::proxy::ProxySecretError;
use crate::ports::Clock;

/// The most secrets per call (`SecretIdList` of `BatchGetSecretValue`).
const BATCH: usize = 20;

/// Keyrings by the names that the caller requested them under.
pub type Keyrings = HashMap<&'static str, Arc<Keyring>>;

/// The texts of secrets, by the names that the caller requested them under.
pub type SecretTexts = HashMap<&'static str, Zeroizing<String>>;

/// Fetches secrets as [`fetch`] does, and reads them as keyrings.
///
/// # Errors
/// [`SecretError`], which names the first failing secret.
pub async fn keyrings(
    config: &SdkConfig,
    clock: Arc<dyn Clock>,
    secrets: &[(&'static str, String)],
) -> Result<Keyrings, SecretError> {
    read_keyrings(&fetch(config, clock, secrets).await?)
}

/// Reads the texts of secrets as keyrings.
///
/// # Errors
/// [`SecretError::NoKeyring`], which names one that is none.
pub fn read_keyrings(texts: &SecretTexts) -> Result<Keyrings, SecretError> {
    let read = |(name, text): (&&'static str, &Zeroizing<String>)| {
        let keyring = Keyring::from_secret(text).map_err(|error| SecretError::NoKeyring(name, error))?;
        Ok((*name, Arc::new(keyring)))
    };
    texts.iter().map(read).collect()
}

/// Fetches the texts of secrets, each by a local name and its ARN or name in Secrets Manager. One call fetches
/// all, since a function waits for it before its first request.
///
/// # Errors
/// [`SecretError`], which names the first failing secret.
pub async fn fetch(
    config: &SdkConfig,
    clock: Arc<dyn Clock>,
    secrets: &[(&'static str, String)],
) -> Result<SecretTexts, SecretError> {
    let client = SignedClient::new(config, "secretsmanager", clock);
    let mut texts = SecretTexts::with_capacity(secrets.len());
    for batch in secrets.chunks(BATCH) {
        let ids: Vec<&str> = batch.iter().map(|(_, id)| id.as_str()).collect();
        let mut body = json!({ "SecretIdList": ids });
        loop {
            let call = client.call(JsonVersion::V1_1, "secretsmanager.BatchGetSecretValue", &body);
            let answer: BatchAnswer = call.await.map_err(SecretError::Unavailable)?;
            let asked = |id: Option<&str>| batch.iter().find(|(_, asked)| Some(asked.as_str()) == id);
            if let Some(error) = answer.errors.into_iter().next() {
                let name = asked(error.secret_id.as_deref()).map_or("a secret", |(name, _)| *name);
                let code = error.error_code.unwrap_or_else(|| "an unnamed error".to_owned());
                return Err(SecretError::Refused(name, CallError(code)));
            }
            for entry in answer.secret_values {
                let found = asked(entry.arn.as_deref()).or_else(|| asked(entry.name.as_deref()));
                let Some((name, _)) = found else { continue };
                let text = entry.secret_string.map(Zeroizing::new).ok_or(SecretError::NoText(name))?;
                texts.insert(name, text);
            }
            match answer.next_token {
                Some(next) => body["NextToken"] = next.into(),
                None => break,
            }
        }
    }
    match secrets.iter().find(|(name, _)| !texts.contains_key(name)) {
        Some((name, _)) => Err(SecretError::Missing(name)),
        None => Ok(texts),
    }
}

/// The answer to `BatchGetSecretValue`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct BatchAnswer {
    secret_values: Vec<SecretValue>,
    errors: Vec<Refused>,
    next_token: Option<String>,
}

/// A secret. It has no `Debug`, because it contains the text.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecretValue {
    #[serde(rename = "ARN")]
    arn: Option<String>,
    name: Option<String>,
    secret_string: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Refused {
    secret_id: Option<String>,
    error_code: Option<String>,
}

/// The reason why a secret can't be used.
#[derive(Debug, Error)]
pub enum SecretError {
    /// Secrets Manager did not answer, or answered with an error.
    #[error("Secrets Manager can't be read: {0}. Check the function's role, and its way to Secrets Manager")]
    Unavailable(CallError),
    /// Secrets Manager refused this secret.
    #[error(
        "{0} can't be read from Secrets Manager: {1}. Check that the secret exists, and that the function's role \
         allows secretsmanager:GetSecretValue for it"
    )]
    Refused(&'static str, CallError),
    /// The response does not contain this secret.
    #[error("{0} is missing in the answer of Secrets Manager. Check that the secret exists in this region")]
    Missing(&'static str),
    /// The secret is binary.
    #[error("{0} is a binary secret. Store it as text: a JSON object")]
    NoText(&'static str),
    /// The secret is no keyring.
    #[error("{0} is not a keyring: {1}. Correct the secret in Secrets Manager")]
    NoKeyring(&'static str, KeyError),
    /// The secret is none of a proxy.
    #[error(
        "{0} names a secret that can't be used: {1}. Write it as infra/guides/deploying.md describes, section CloudFront"
    )]
    NoProxySecret(&'static str, ProxySecretError),
    /// The secret is none of a client of the identity provider.
    #[error("{0} names a secret that can't be used: {1}. Write it as infra/guides/sign-in.md describes")]
    NoClientSecret(&'static str, ClientSecretError),
}
