//! The composition root: what the process of every function begins with, and the one place that fulfils ports.
//!
//! Settings, names of resources and keys are read once, while Lambda initialises the environment (at full speed and
//! before anybody waits), and whatever is wrong is told before the first request. The local environment gives the same
//! from elsewhere ([`Parts`]), so that what runs there is wired by the lines that run in Lambda.

use std::sync::Arc;

use thiserror::Error;

use crate::adapters::aws::SdkConfig;
#[cfg(feature = "builtin-directory")]
use crate::adapters::directories::BuiltinDirectory;
#[cfg(feature = "dynamodb")]
use crate::adapters::dynamodb::{
    Client, DynamoApprovals, DynamoAuthenticators, DynamoBudgets, DynamoClaims, DynamoDevices,
    DynamoEnrolment, DynamoFlows, DynamoPairings, DynamoSecurityInfo, DynamoSessions,
};
#[cfg(feature = "memory")]
use crate::adapters::memory::Memory;
#[cfg(all(feature = "memory", feature = "builtin-directory"))]
use crate::adapters::memory::MemoryDirectory;
use crate::adapters::secrets::{self, Keyrings, SecretError};
#[cfg(feature = "ses")]
use crate::adapters::ses::SesMails;
#[cfg(feature = "signatures")]
use crate::adapters::signatures::RingSignatures;
#[cfg(feature = "sns")]
use crate::adapters::sns::SnsTexts;
#[cfg(feature = "sqs")]
use crate::adapters::sqs::SqsQueue;
use crate::adapters::system::{EmfMetrics, SystemClock, SystemEntropy, init_log};
#[cfg(feature = "voice")]
use crate::adapters::voice::VoiceCalls;
#[cfg(feature = "web-push")]
use crate::adapters::web_push::WebPushes;
use crate::domain::keys::Keyring;
use crate::domain::password::PasswordPolicy;
#[cfg(feature = "web-push")]
use crate::domain::push::VapidKey;
#[cfg(feature = "http")]
use crate::http::Site;
use crate::ports::{self, Clock, Entropy, Metrics};
#[cfg(feature = "builtin-directory")]
use crate::settings::DirectoryKind;
use crate::settings::{self, Settings, SettingsError};
use crate::text::messages::Wording;

/// The secrets of template.yaml. Each function is told of those that its role lets it read.
const SECRETS: [&str; 6] = [
    "REKEY_SECRET_CAPTCHA",
    "REKEY_SECRET_CONTACTS",
    "REKEY_SECRET_FLOWS",
    "REKEY_SECRET_MESSAGES",
    "REKEY_SECRET_PUSH",
    "REKEY_SECRET_SEEDS",
];

/// Tells a function its resources by the names of their variables.
pub type Resources = dyn Fn(&str) -> Option<String> + Send + Sync;

/// What a process is started from.
pub struct Parts {
    /// The parameters.
    pub settings: Arc<Settings>,
    /// The configuration of all AWS clients.
    pub aws: SdkConfig,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of chance.
    pub entropy: Arc<dyn Entropy>,
    /// Where metrics are counted.
    pub metrics: Arc<dyn Metrics>,
    /// The name or address of a resource, as template.yaml tells it to this function (`REKEY_TABLE_FLOWS`).
    pub resources: Box<Resources>,
    /// The tables, if they are in memory and not in DynamoDB.
    #[cfg(feature = "memory")]
    pub memory: Option<Arc<Memory>>,
}

/// A started process.
pub struct Process {
    parts: Parts,
    keys: Keyrings,
}

impl Process {
    /// Starts as Lambda does, from the environment.
    ///
    /// # Errors
    /// [`StartError`] with everything that is wrong with the parameters, or with the keys.
    pub async fn start() -> Result<Self, StartError> {
        init_log();
        Self::of(Parts {
            settings: Arc::new(Settings::from_environment()?),
            aws: crate::adapters::aws::config(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            metrics: Arc::new(EmfMetrics),
            resources: Box::new(settings::resource),
            #[cfg(feature = "memory")]
            memory: None,
        })
        .await
    }

    /// Starts from these parts: fetches, in one call, the keys of every secret that they name.
    ///
    /// # Errors
    /// [`StartError`] when a secret can't be read or is no keyring.
    pub async fn of(parts: Parts) -> Result<Self, StartError> {
        let named = |variable| Some((variable, (parts.resources)(variable)?));
        let secrets: Vec<(&'static str, String)> = SECRETS.into_iter().filter_map(named).collect();
        let keys = secrets::keyrings(&parts.aws, &secrets).await?;
        Ok(Self { parts, keys })
    }

    /// The parameters.
    pub fn settings(&self) -> Arc<Settings> {
        self.parts.settings.clone()
    }

    /// The clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.parts.clock.clone()
    }

    /// The source of chance.
    pub fn entropy(&self) -> Arc<dyn Entropy> {
        self.parts.entropy.clone()
    }

    /// Where metrics are counted.
    pub fn metrics(&self) -> Arc<dyn Metrics> {
        self.parts.metrics.clone()
    }

    /// The keys of a secret (`REKEY_SECRET_FLOWS`).
    ///
    /// # Errors
    /// [`StartError::Resource`] when this function is not told of it.
    pub fn keyring(&self, variable: &'static str) -> Result<Arc<Keyring>, StartError> {
        self.keys.get(variable).cloned().ok_or(StartError::Resource(variable))
    }

    /// What every page needs.
    ///
    /// # Errors
    /// As [`Process::keyring`].
    #[cfg(feature = "http")]
    pub fn site(&self) -> Result<Site, StartError> {
        Ok(Site { settings: self.settings(), flows: self.keyring("REKEY_SECRET_FLOWS")? })
    }

    /// The password policy, with the organisation's own blocklist.
    ///
    /// # Errors
    /// [`StartError`] when the blocklist can't be read or the policy makes no sense.
    pub fn password_policy(&self) -> Result<PasswordPolicy, StartError> {
        let settings = &self.parts.settings;
        let blocklist = match &settings.password_blocklist {
            Some(file) => {
                std::fs::read_to_string(file).map_err(|error| StartError::Blocklist(file.clone(), error))?
            }
            None => String::new(),
        };
        settings.password_policy(blocklist.lines()).map_err(StartError::Policy)
    }

    /// What messages say.
    pub fn wording(&self) -> Wording {
        let settings = &self.parts.settings;
        Wording::new(&settings.organisation, settings.help_desk_url.as_deref())
    }

    fn resource(&self, variable: &'static str) -> Result<String, StartError> {
        (self.parts.resources)(variable).ok_or(StartError::Resource(variable))
    }
}

/// A port over the tables: what `$memory` makes of the memory where the process has one, otherwise `$tables`. Without the
/// feature `memory`, as functions are deployed, there is no memory to ask for.
#[cfg(feature = "dynamodb")]
macro_rules! port {
    ($process:ident, $tables:expr) => {
        port!($process, $tables, |memory| memory.clone())
    };
    ($process:ident, $tables:expr, |$memory:ident| $in_memory:expr) => {{
        #[cfg(feature = "memory")]
        if let Some($memory) = &$process.parts.memory {
            return Ok($in_memory);
        }
        Ok(Arc::new($tables))
    }};
}

/// The tables.
///
/// # Errors
/// Each of these fails with [`StartError::Resource`] when this function is not told of what it needs.
#[cfg(feature = "dynamodb")]
#[expect(clippy::missing_errors_doc, reason = "all of them fail alike, as said above")]
impl Process {
    /// The flows.
    pub fn flows(&self) -> Result<Arc<dyn ports::FlowStore>, StartError> {
        port!(self, DynamoFlows::new(self.store(), self.resource("REKEY_TABLE_FLOWS")?))
    }

    /// The sessions.
    pub fn sessions(&self) -> Result<Arc<dyn ports::SessionStore>, StartError> {
        port!(self, DynamoSessions::new(self.store(), self.resource("REKEY_TABLE_FLOWS")?, self.entropy()))
    }

    /// The requests to devices.
    pub fn approvals(&self) -> Result<Arc<dyn ports::ApprovalStore>, StartError> {
        port!(self, DynamoApprovals::new(self.store(), self.resource("REKEY_TABLE_FLOWS")?))
    }

    /// The pairings of devices.
    pub fn pairings(&self) -> Result<Arc<dyn ports::PairingStore>, StartError> {
        port!(self, DynamoPairings::new(self.store(), self.resource("REKEY_TABLE_FLOWS")?))
    }

    /// The budgets.
    pub fn budgets(&self) -> Result<Arc<dyn ports::BudgetStore>, StartError> {
        port!(self, DynamoBudgets::new(self.store(), self.resource("REKEY_TABLE_BUDGETS")?))
    }

    /// What is registered, to be read.
    pub fn security_info(&self) -> Result<Arc<dyn ports::SecurityInfo>, StartError> {
        port!(self, {
            let (table, contacts) = self.security_info_table()?;
            DynamoSecurityInfo::new(self.store(), table, contacts)
        })
    }

    /// What is registered, to be changed.
    pub fn enrolment(&self) -> Result<Arc<dyn ports::EnrolmentStore>, StartError> {
        port!(self, self.dynamo_enrolment()?)
    }

    /// What is registered, to be written as the organisation's records have it.
    pub fn contact_import(&self) -> Result<Arc<dyn ports::ContactImport>, StartError> {
        port!(self, self.dynamo_enrolment()?)
    }

    /// The authenticators.
    pub fn authenticators(&self) -> Result<Arc<dyn ports::Authenticators>, StartError> {
        port!(self, DynamoAuthenticators::new(self.store(), self.resource("REKEY_TABLE_SECURITY_INFO")?))
    }

    /// The registered devices.
    pub fn devices(&self) -> Result<Arc<dyn ports::Devices>, StartError> {
        port!(self, DynamoDevices::new(self.store(), self.resource("REKEY_TABLE_SECURITY_INFO")?))
    }

    /// The devices that take pushes.
    pub fn push_targets(&self) -> Result<Arc<dyn ports::PushTargets>, StartError> {
        port!(self, DynamoDevices::new(self.store(), self.resource("REKEY_TABLE_SECURITY_INFO")?))
    }

    /// The right to change an account.
    pub fn claims(&self) -> Result<Arc<dyn ports::ClaimStore>, StartError> {
        port!(self, DynamoClaims::new(self.store(), self.resource("REKEY_TABLE_SECURITY_INFO")?))
    }

    fn dynamo_enrolment(&self) -> Result<DynamoEnrolment, StartError> {
        let (table, contacts) = self.security_info_table()?;
        Ok(DynamoEnrolment::new(self.store(), table, contacts, self.entropy()))
    }

    fn security_info_table(&self) -> Result<(String, Arc<Keyring>), StartError> {
        Ok((self.resource("REKEY_TABLE_SECURITY_INFO")?, self.keyring("REKEY_SECRET_CONTACTS")?))
    }

    fn store(&self) -> Client {
        Client::new(&self.parts.aws)
    }
}

/// A port of the directory that `REKEY_DIRECTORY` names.
#[cfg(feature = "builtin-directory")]
macro_rules! directory {
    ($process:ident) => {
        match $process.parts.settings.directory {
            DirectoryKind::Builtin => {
                port!($process, $process.builtin()?, |memory| Arc::new($process.in_memory(memory)))
            }
        }
    };
}

/// The directory, for each purpose.
///
/// # Errors
/// Each of these fails with [`StartError::Resource`] when this function is not told of what the directory needs.
#[cfg(feature = "builtin-directory")]
#[expect(clippy::missing_errors_doc, reason = "all of them fail alike, as said above")]
impl Process {
    /// To read accounts.
    pub fn directory(&self) -> Result<Arc<dyn ports::Directory>, StartError> {
        directory!(self)
    }

    /// To check passwords.
    pub fn sign_in_directory(&self) -> Result<Arc<dyn ports::SignInDirectory>, StartError> {
        directory!(self)
    }

    /// To change accounts.
    pub fn password_directory(&self) -> Result<Arc<dyn ports::PasswordDirectory>, StartError> {
        directory!(self)
    }

    /// To find out what became of a change.
    pub fn change_inspector(&self) -> Result<Arc<dyn ports::ChangeInspector>, StartError> {
        directory!(self)
    }

    /// To write accounts that come from elsewhere.
    pub fn account_import(&self) -> Result<Arc<dyn ports::AccountImport>, StartError> {
        directory!(self)
    }

    fn builtin(&self) -> Result<BuiltinDirectory, StartError> {
        let (table, history) = (self.resource("REKEY_TABLE_ACCOUNTS")?, self.parts.settings.password.history);
        Ok(BuiltinDirectory::new(self.store(), table, self.entropy(), history))
    }

    #[cfg(feature = "memory")]
    fn in_memory(&self, memory: &Arc<Memory>) -> MemoryDirectory {
        MemoryDirectory::new(memory.clone(), self.entropy(), self.parts.settings.password.history)
    }
}

/// What reaches people, and each other.
impl Process {
    /// The queue to `delivery`.
    ///
    /// # Errors
    /// [`StartError::Resource`] when this function is not told of it.
    #[cfg(feature = "sqs")]
    pub fn queue(&self) -> Result<Arc<dyn ports::MessageQueue>, StartError> {
        Ok(Arc::new(SqsQueue::new(&self.parts.aws, self.resource("REKEY_QUEUE_MESSAGES")?)))
    }

    /// Mail.
    #[cfg(feature = "ses")]
    pub fn mails(&self) -> Arc<dyn ports::MailSender> {
        let settings = &self.parts.settings;
        Arc::new(SesMails::new(&self.parts.aws, &settings.organisation, &settings.mail_from))
    }

    /// Texts.
    #[cfg(feature = "sns")]
    pub fn texts(&self) -> Arc<dyn ports::TextSender> {
        Arc::new(SnsTexts::new(&self.parts.aws, self.parts.settings.sms_sender_id.clone()))
    }

    /// Calls.
    #[cfg(feature = "voice")]
    pub fn calls(&self) -> Arc<dyn ports::VoiceSender> {
        Arc::new(VoiceCalls::new(&self.parts.aws, self.parts.settings.voice_origin.clone()))
    }

    /// Pushes.
    ///
    /// # Errors
    /// [`StartError`] when the keys of pushes are not there or make no key for VAPID.
    #[cfg(feature = "web-push")]
    pub fn pushes(&self) -> Result<Arc<dyn ports::PushSender>, StartError> {
        let (settings, keys) = (&self.parts.settings, self.keyring("REKEY_SECRET_PUSH")?);
        let vapid = VapidKey::of(&keys).ok_or(StartError::Vapid)?;
        let (from, hosts) = (settings.mail_from.expose(), settings.push_hosts.clone());
        Ok(Arc::new(WebPushes::new(vapid, from, hosts, self.entropy())))
    }

    /// Signatures of devices and passkeys.
    #[cfg(feature = "signatures")]
    pub fn signatures(&self) -> Arc<dyn ports::SignatureVerifier> {
        Arc::new(RingSignatures)
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
    /// The organisation's own blocklist can't be read.
    #[error("REKEY_PASSWORD_BLOCKLIST {0}: {1}")]
    Blocklist(String, std::io::Error),
    /// The keys of pushes make no key to sign with.
    #[error("REKEY_SECRET_PUSH makes no key")]
    Vapid,
}
