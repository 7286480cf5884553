//! Secrets and keyrings from Secrets Manager.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_secretsmanager::Client;
use aws_types::SdkConfig;
use thiserror::Error;
use zeroize::Zeroizing;

use super::aws::CallError;
use crate::domain::keys::{KeyError, Keyring};
use crate::domain::oidc::ClientSecretError;
use crate::domain::proxy::ProxySecretError;

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
    secrets: &[(&'static str, String)],
) -> Result<Keyrings, SecretError> {
    read_keyrings(&fetch(config, secrets).await?)
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
    secrets: &[(&'static str, String)],
) -> Result<SecretTexts, SecretError> {
    let client = Client::new(config);
    let mut texts = SecretTexts::with_capacity(secrets.len());
    for batch in secrets.chunks(BATCH) {
        let ids: Vec<String> = batch.iter().map(|(_, id)| id.clone()).collect();
        let mut next = None;
        loop {
            let call = client.batch_get_secret_value().set_secret_id_list(Some(ids.clone()));
            let answer = call.set_next_token(next).send().await;
            let answer = answer.map_err(|error| SecretError::Unavailable(CallError::of(&error)))?;
            let asked = |id: Option<&str>| batch.iter().find(|(_, asked)| Some(asked.as_str()) == id);
            if let Some(error) = answer.errors().first() {
                let name = asked(error.secret_id()).map_or("a secret", |(name, _)| *name);
                let code = error.error_code().unwrap_or("an unnamed error");
                return Err(SecretError::Refused(name, CallError(code.to_owned())));
            }
            for entry in answer.secret_values.unwrap_or_default() {
                let found = asked(entry.arn.as_deref()).or_else(|| asked(entry.name.as_deref()));
                let Some((name, _)) = found else { continue };
                let text = entry.secret_string.map(Zeroizing::new).ok_or(SecretError::NoText(name))?;
                texts.insert(name, text);
            }
            next = answer.next_token;
            if next.is_none() {
                break;
            }
        }
    }
    match secrets.iter().find(|(name, _)| !texts.contains_key(name)) {
        Some((name, _)) => Err(SecretError::Missing(name)),
        None => Ok(texts),
    }
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
