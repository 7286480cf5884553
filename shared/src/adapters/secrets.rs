//! Keys from Secrets Manager.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_secretsmanager::Client;
use aws_types::SdkConfig;
use thiserror::Error;
use zeroize::Zeroizing;

use super::aws::CallError;
use crate::domain::keys::{KeyError, Keyring};

/// The most secrets that one call names (`SecretIdList` of BatchGetSecretValue).
const BATCH: usize = 20;

/// Keyrings by the names that their secrets were asked for under.
pub type Keyrings = HashMap<&'static str, Arc<Keyring>>;

/// Fetches secrets, each by a name of ours and its ARN or name there, and reads them as keyrings: all in one call, since a
/// function waits for it before it takes its first request.
///
/// # Errors
/// [`SecretError`], which names the first secret that is at fault.
pub async fn keyrings(
    config: &SdkConfig,
    secrets: &[(&'static str, String)],
) -> Result<Keyrings, SecretError> {
    let client = Client::new(config);
    let mut keyrings = Keyrings::with_capacity(secrets.len());
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
                let keyring =
                    Keyring::from_secret(&text).map_err(|error| SecretError::NoKeyring(name, error))?;
                keyrings.insert(name, Arc::new(keyring));
            }
            next = answer.next_token;
            if next.is_none() {
                break;
            }
        }
    }
    match secrets.iter().find(|(name, _)| !keyrings.contains_key(name)) {
        Some((name, _)) => Err(SecretError::Missing(name)),
        None => Ok(keyrings),
    }
}

/// Why there are no keyrings.
#[derive(Debug, Error)]
pub enum SecretError {
    /// Secrets Manager did not answer, or not as it should.
    #[error("the secrets are unavailable")]
    Unavailable(#[source] CallError),
    /// It did not hand this one out.
    #[error("{0} is refused: {1}")]
    Refused(&'static str, CallError),
    /// This one was not among what it handed out.
    #[error("{0} is missing in the answer")]
    Missing(&'static str),
    /// It is a binary secret.
    #[error("{0} is not a text")]
    NoText(&'static str),
    /// It is no keyring.
    #[error("{0} is not a keyring")]
    NoKeyring(&'static str, #[source] KeyError),
}
