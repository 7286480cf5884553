//! What the process of every function begins with: its log, its settings, the names of its resources and its keys.
//!
//! All of it is read once, while Lambda initialises the environment (at full speed and before anybody waits), and
//! whatever is wrong is told before the first request.

use std::sync::Arc;

use thiserror::Error;

use super::aws;
use super::secrets::{self, SecretError};
use super::system::{SystemClock, SystemEntropy, init_log};
use crate::domain::keys::Keyring;
use crate::ports::{Clock, Entropy};
use crate::settings::{self, Settings, SettingsError};

/// A started process.
pub struct Process {
    /// The parameters.
    pub settings: Arc<Settings>,
    /// The configuration of all AWS clients.
    pub aws: aws::SdkConfig,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The entropy.
    pub entropy: Arc<dyn Entropy>,
}

impl Process {
    /// Starts.
    ///
    /// # Errors
    /// [`StartError`] with everything that is wrong with the parameters.
    pub fn start() -> Result<Self, StartError> {
        init_log();
        let settings = Arc::new(Settings::from_environment()?);
        let aws = aws::config();
        Ok(Self { settings, aws, clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) })
    }

    /// The name or address of a resource, as template.yaml tells it to this function (`REKEY_TABLE_FLOWS`).
    ///
    /// # Errors
    /// [`StartError::Resource`] when it is not told.
    pub fn resource(&self, name: &'static str) -> Result<String, StartError> {
        settings::resource(name).ok_or(StartError::Resource(name))
    }

    /// The keys behind a secret that template.yaml names for this function (`REKEY_SECRET_FLOWS`).
    ///
    /// # Errors
    /// [`StartError`] when it is not named, not there or no keyring.
    pub async fn keyring(&self, name: &'static str) -> Result<Arc<Keyring>, StartError> {
        let secret = self.resource(name)?;
        Ok(Arc::new(secrets::keyring(&self.aws, &secret).await?))
    }
}

/// Why a function can't start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Parameters are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A resource is not named.
    #[error("{0} is not set")]
    Resource(&'static str),
    /// Keys can't be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The password policy can't be built.
    #[error("{0}")]
    Policy(String),
}
