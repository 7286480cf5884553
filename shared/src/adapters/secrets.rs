//! Keys from Secrets Manager.

use aws_sdk_secretsmanager::Client;
use aws_types::SdkConfig;
use thiserror::Error;
use zeroize::Zeroizing;

use super::aws::CallError;
use crate::domain::keys::{KeyError, Keyring};

/// Fetches a secret (by ARN or name) and reads it as a keyring.
///
/// # Errors
/// [`SecretError`].
pub async fn keyring(config: &SdkConfig, secret: &str) -> Result<Keyring, SecretError> {
    let answer = Client::new(config).get_secret_value().secret_id(secret).send().await;
    let answer = answer.map_err(|error| SecretError::Unavailable(CallError::of(&error)))?;
    let text = answer.secret_string.map(Zeroizing::new).ok_or(SecretError::NoText)?;
    Ok(Keyring::from_secret(&text)?)
}

/// Why there is no keyring.
#[derive(Debug, Error)]
pub enum SecretError {
    /// Secrets Manager did not hand it out.
    #[error("the secret is unavailable")]
    Unavailable(#[source] CallError),
    /// It is a binary secret.
    #[error("the secret is not a text")]
    NoText,
    /// It is no keyring.
    #[error("the secret is not a keyring")]
    NoKeyring(#[from] KeyError),
}
