//! The composition root: starts the process of every function, and is the only place that connects ports to
//! adapters.
//!
//! Settings, resource names and keys are read once, while Lambda initialises the environment (at full speed
//! and before any request). Every error is reported before the first request. The local environment passes
//! other [`Parts`], so that it runs the same code as Lambda.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

#[cfg(feature = "agents")]
use crate::adapters::agents::{OperatorLog, StsAgents};
#[cfg(feature = "audit-trail")]
use crate::adapters::audit_trail::CloudWatchTrail;
use crate::adapters::aws::SdkConfig;
#[cfg(any(feature = "ses", feature = "sns", feature = "voice"))]
use crate::adapters::aws::with_region;
#[cfg(feature = "directory-sync")]
use crate::adapters::directories::DynamoAccountCopy;
#[cfg(feature = "ldap")]
use crate::adapters::directories::ldap;
#[cfg(feature = "builtin-directory")]
use crate::adapters::directories::{BuiltinDirectory, DynamoPasswordExpiries};
#[cfg(feature = "remote-directory")]
use crate::adapters::directories::{LambdaTransport, RemoteDirectory};
#[cfg(feature = "dynamodb")]
use crate::adapters::dynamodb::{
    Client, DynamoAnchors, DynamoApprovals, DynamoAuthenticators, DynamoBindLeases, DynamoChangeNotes,
    DynamoDeskRecords, DynamoDevices, DynamoEnrolment, DynamoFlows, DynamoHolderSearch, DynamoKnownDevices,
    DynamoLeases, DynamoMailFailures, DynamoPairings, DynamoPopulation, DynamoRateLimits, DynamoRecentEvents,
    DynamoSecurityInfo, DynamoSessionChanges, DynamoSessions,
};
#[cfg(feature = "memory")]
use crate::adapters::memory::Memory;
#[cfg(all(feature = "memory", feature = "builtin-directory"))]
use crate::adapters::memory::MemoryDirectory;
#[cfg(all(feature = "memory", feature = "dynamodb"))]
use crate::adapters::memory::MemoryHolderSearch;
#[cfg(feature = "oidc")]
use crate::adapters::oidc::HttpIdentityProvider;
use crate::adapters::parameters::{self, ParameterError};
#[cfg(feature = "dynamodb")]
use crate::adapters::population_cache::PopulationCache;
use crate::adapters::secrets::{self, Keyrings, SecretError, SecretTexts};
#[cfg(feature = "ses")]
use crate::adapters::ses::SesMails;
#[cfg(feature = "signatures")]
use crate::adapters::signatures::RingSignatures;
#[cfg(feature = "sns")]
use crate::adapters::sns::SnsTexts;
#[cfg(feature = "sqs")]
use crate::adapters::sqs::SqsQueue;
use crate::adapters::system::{EmfMetrics, SystemClock, SystemEntropy, SystemTimer, init_log};
#[cfg(feature = "voice")]
use crate::adapters::voice::VoiceCalls;
#[cfg(feature = "web-push")]
use crate::adapters::web_push::WebPushes;
use crate::domain::colour::Colour;
#[cfg(feature = "ldap")]
use crate::domain::directory_config::{DirectoryConfig, ServicePassword};
use crate::domain::keys::Keyring;
use crate::domain::oidc::ClientSecret;
use crate::domain::password::PasswordPolicy;
use crate::domain::proxy::ProxySecret;
#[cfg(feature = "web-push")]
use crate::domain::push::VapidKey;
#[cfg(feature = "http")]
use crate::http::AppContext;
use crate::ports::{self, Clock, Entropy, Metrics, Timer};
#[cfg(any(feature = "remote-directory", feature = "ldap"))]
use crate::settings::DirectoryKind;
use crate::settings::{self, Settings, SettingsError};
use crate::text::messages::{HelpDesk, MessageRenderer};

/// The secrets of template.yaml. Each function gets the variables of those that its role may read.
const SECRETS: [&str; 6] = [
    "REKEY_SECRET_CAPTCHA",
    "REKEY_SECRET_CONTACTS",
    "REKEY_SECRET_FLOWS",
    "REKEY_SECRET_MESSAGES",
    "REKEY_SECRET_PUSH",
    "REKEY_SECRET_SEEDS",
];

/// The secrets of template.yaml with the passwords of the directory's service accounts.
const SERVICE_PASSWORDS: [&str; 3] =
    ["REKEY_SECRET_DIRECTORY_READ", "REKEY_SECRET_DIRECTORY_SYNC", "REKEY_SECRET_DIRECTORY_WRITE"];

/// The variable with the log of operators, which `help-desk` writes and `housekeeping` reads.
const OPERATOR_LOG: &str = "REKEY_LOG_OPERATOR";
/// The setting that names the secret of the trusted proxy.
const TRUSTED_PROXY: &str = "REKEY_TRUSTED_PROXY";
/// The setting that names the secret of the identity provider.
const OIDC_SECRET: &str = "REKEY_OIDC_SECRET";

/// Names the parameter of Systems Manager with the address of a stack that has none of its own.
pub const PUBLIC_URL_PARAMETER: &str = "REKEY_PARAMETER_PUBLIC_URL";

/// Returns a resource's name or address by its environment variable.
pub type Resources = dyn Fn(&str) -> Option<String> + Send + Sync;

/// The inputs of a process.
pub struct Parts {
    /// All `REKEY_` parameters, validated.
    pub settings: Arc<Settings>,
    /// The configuration of all AWS clients: region, credentials, time-outs.
    pub aws: SdkConfig,
    /// The system clock, or one that tests set.
    pub clock: Arc<dyn Clock>,
    /// The source of random bytes for ids, codes and nonces.
    pub entropy: Arc<dyn Entropy>,
    /// Measures and waits in fractions of a second.
    pub timer: Arc<dyn Timer>,
    /// The destination of metrics.
    pub metrics: Arc<dyn Metrics>,
    /// The name or address of a resource, from template.yaml's variables of this function
    /// (`REKEY_TABLE_FLOWS`).
    pub resources: Box<Resources>,
    /// The in-memory tables; without them, DynamoDB.
    #[cfg(feature = "memory")]
    pub memory: Option<Arc<Memory>>,
    /// The test double of the organisation's own directory; without it, the one of the document.
    #[cfg(feature = "memory")]
    pub live_directory: Option<Arc<dyn ports::LivePasswordDirectory>>,
    /// The test double of its people.
    #[cfg(feature = "memory")]
    pub directory_people: Option<Arc<dyn ports::DirectoryPeople>>,
}

/// The document of a directory, its people, and the directory itself.
#[cfg(feature = "ldap")]
pub type DirectorySource = (DirectoryConfig, Arc<dyn ports::DirectoryPeople>, Arc<dyn ports::LiveDirectory>);

/// A started process: its inputs, and its keys.
pub struct Process {
    parts: Parts,
    keys: Keyrings,
    #[cfg_attr(
        not(feature = "ldap"),
        expect(dead_code, reason = "the directory's functions alone have some")
    )]
    service_passwords: SecretTexts,
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "a function without pages has no proxy"))]
    proxy: Option<Arc<ProxySecret>>,
    #[cfg_attr(not(feature = "oidc"), expect(dead_code, reason = "only `enrolment` signs people in"))]
    client_secret: Option<ClientSecret>,
}

impl Process {
    /// Starts as Lambda does, from the environment.
    ///
    /// # Errors
    /// [`StartError`] with all invalid parameters, or with the failure to read the keys.
    pub async fn start() -> Result<Self, StartError> {
        init_log();
        let (aws, clock) = (crate::adapters::aws::config(), Arc::new(SystemClock));
        let public_url = match settings::resource(PUBLIC_URL_PARAMETER) {
            Some(name) => Some(parameters::fetch(&aws, clock.clone(), &name).await?),
            None => None,
        };
        Self::from_parts(Parts {
            settings: Arc::new(Settings::from_environment(public_url)?),
            aws,
            clock,
            entropy: Arc::new(SystemEntropy),
            timer: Arc::new(SystemTimer::default()),
            metrics: Arc::new(EmfMetrics),
            resources: Box::new(settings::resource),
            #[cfg(feature = "memory")]
            memory: None,
            #[cfg(feature = "memory")]
            live_directory: None,
            #[cfg(feature = "memory")]
            directory_people: None,
        })
        .await
    }

    /// Starts for an operator's command, with the parameters and resources that a deployment's functions have. Nothing
    /// in it counts a metric.
    ///
    /// # Errors
    /// [`StartError`] when a secret can't be read or is no keyring.
    pub async fn for_operator(
        settings: Settings,
        aws: SdkConfig,
        resources: Box<Resources>,
    ) -> Result<Self, StartError> {
        // No command serves pages, so none needs what stands before them.
        let settings = Settings { trusted_proxy: None, oidc_secret: None, ..settings };
        Self::from_parts(Parts {
            settings: Arc::new(settings),
            aws,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            timer: Arc::new(SystemTimer::default()),
            metrics: Arc::new(EmfMetrics),
            resources,
            #[cfg(feature = "memory")]
            memory: None,
            #[cfg(feature = "memory")]
            live_directory: None,
            #[cfg(feature = "memory")]
            directory_people: None,
        })
        .await
    }

    /// Starts from these parts: fetches the keys of all secrets that they name, in one call.
    ///
    /// # Errors
    /// [`StartError`] when a secret can't be read or is no keyring.
    pub async fn from_parts(parts: Parts) -> Result<Self, StartError> {
        let settings = &parts.settings;
        if !settings.without_origin.is_empty() {
            let methods: Vec<&str> = settings.without_origin.iter().map(|method| method.as_str()).collect();
            let methods = methods.join(",");
            tracing::warn!(event = "method.disabled", methods, reason = "REKEY_VOICE_ORIGIN is not set");
        }
        let named = |variable| Some((variable, (parts.resources)(variable)?));
        let mut secrets: Vec<(&'static str, String)> =
            SECRETS.into_iter().chain(SERVICE_PASSWORDS).filter_map(named).collect();
        // Functions with pages have the keys of cookies. The others get no request of a proxy.
        if let Some(arn) = &settings.trusted_proxy
            && secrets.iter().any(|(name, _)| *name == "REKEY_SECRET_FLOWS")
        {
            secrets.push((TRUSTED_PROXY, arn.clone()));
        }
        // Only `enrolment` signs people in: no other function has both of these keys. `help-desk` alone signs agents in:
        // of those that write or read the log of operators, it alone checks codes of apps.
        let has_key = |key| secrets.iter().any(|(name, _)| *name == key);
        let signs_people_in = settings.signs_in_by_oidc()
            && ["REKEY_SECRET_CAPTCHA", "REKEY_SECRET_SEEDS"].into_iter().all(has_key);
        let signs_agents_in = !settings.desk_agents.is_empty()
            && has_key("REKEY_SECRET_SEEDS")
            && (parts.resources)(OPERATOR_LOG).is_some();
        if let Some(arn) = &settings.oidc_secret
            && (signs_people_in || signs_agents_in)
        {
            secrets.push((OIDC_SECRET, arn.clone()));
        }
        let mut texts = secrets::fetch(&parts.aws, parts.clock.clone(), &secrets).await?;
        let proxy = texts.remove(TRUSTED_PROXY).map(|text| ProxySecret::from_secret(&text)).transpose();
        let proxy = proxy.map_err(|error| SecretError::NoProxySecret(TRUSTED_PROXY, error))?.map(Arc::new);
        let taken = SERVICE_PASSWORDS.into_iter().filter_map(|name| Some((name, texts.remove(name)?)));
        let service_passwords = taken.collect();
        let client_secret =
            texts.remove(OIDC_SECRET).map(|text| ClientSecret::from_secret(&text)).transpose();
        let client_secret = client_secret.map_err(|error| SecretError::NoClientSecret(OIDC_SECRET, error))?;
        Ok(Self { keys: secrets::read_keyrings(&texts)?, service_passwords, proxy, client_secret, parts })
    }

    /// Returns the parameters, shared by all handlers.
    pub fn settings(&self) -> Arc<Settings> {
        self.parts.settings.clone()
    }

    /// Returns the clock for deadlines and validity.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.parts.clock.clone()
    }

    /// Returns the source of random bytes.
    pub fn entropy(&self) -> Arc<dyn Entropy> {
        self.parts.entropy.clone()
    }

    /// Returns the timer.
    pub fn timer(&self) -> Arc<dyn Timer> {
        self.parts.timer.clone()
    }

    /// Returns the destination of metrics.
    pub fn metrics(&self) -> Arc<dyn Metrics> {
        self.parts.metrics.clone()
    }

    /// Returns the keyring of a secret (`REKEY_SECRET_FLOWS`).
    ///
    /// # Errors
    /// [`StartError::Resource`] when this function does not get its variable.
    pub fn keyring(&self, variable: &'static str) -> Result<Arc<Keyring>, StartError> {
        self.keys.get(variable).cloned().ok_or(StartError::Resource(variable))
    }

    /// Returns the dependencies of every page.
    ///
    /// # Errors
    /// As [`Process::keyring`].
    #[cfg(feature = "http")]
    pub fn app_context(&self) -> Result<AppContext, StartError> {
        Ok(AppContext {
            settings: self.settings(),
            flows: self.keyring("REKEY_SECRET_FLOWS")?,
            proxy: self.proxy.clone(),
            timer: self.parts.timer.clone(),
        })
    }

    /// Returns the password policy, with the organisation's own blocklist.
    ///
    /// # Errors
    /// [`StartError`] when the blocklist can't be read or the policy is contradictory.
    pub fn password_policy(&self) -> Result<PasswordPolicy, StartError> {
        let settings = &self.parts.settings;
        let blocklist = match &settings.password_blocklist {
            Some(file) => std::fs::read(file).map_err(|error| StartError::Blocklist(file.clone(), error))?,
            None => Vec::new(),
        };
        settings.password_policy(&blocklist).map_err(StartError::Policy)
    }

    /// Returns the organisation's names and addresses in messages.
    pub fn message_renderer(&self) -> MessageRenderer {
        let settings = &self.parts.settings;
        let help_desk = HelpDesk {
            url: settings.help_desk_url.clone(),
            phone: settings.help_desk_phone.clone(),
            hours: settings.help_desk_hours.clone(),
        };
        let (organisation, zone) = (&settings.organisation, settings.time_zone.clone());
        let colour = settings.colour.as_deref().and_then(Colour::parse).unwrap_or(Colour::DEFAULT);
        MessageRenderer::new(organisation, help_desk, zone, &settings.public_url).in_colour(colour)
    }

    fn resource(&self, variable: &'static str) -> Result<String, StartError> {
        (self.parts.resources)(variable).ok_or(StartError::Resource(variable))
    }
}

/// Builds a port over the tables: with `$memory` where the process has in-memory tables, otherwise with `$tables`.
/// Deployed functions are built without the feature `memory`.
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

/// Ports of the tables.
///
/// # Errors
/// Each of these fails with [`StartError::Resource`] when this function does not get a variable that it
/// needs.
#[cfg(feature = "dynamodb")]
#[expect(clippy::missing_errors_doc, reason = "all of them fail alike, as said above")]
impl Process {
    /// Returns the store of flows.
    pub fn flows(&self) -> Result<Arc<dyn ports::FlowStore>, StartError> {
        port!(self, DynamoFlows::new(self.store(), self.resource("REKEY_TABLE_FLOWS")?))
    }

    /// Returns the search by support code, for `help-desk` only.
    pub fn holder_search(&self) -> Result<Arc<dyn ports::HolderSearch>, StartError> {
        let keys = self.keyring("REKEY_SECRET_FLOWS")?;
        port!(
            self,
            DynamoHolderSearch::new(self.store(), self.resource("REKEY_TABLE_FLOWS")?, keys),
            |memory| Arc::new(MemoryHolderSearch::new(memory.clone(), keys))
        )
    }

    /// Returns the store of sessions.
    pub fn sessions(&self) -> Result<Arc<dyn ports::SessionStore>, StartError> {
        port!(self, DynamoSessions::new(self.store(), self.resource("REKEY_TABLE_FLOWS")?, self.entropy()))
    }

    /// Returns the store of the changes that sessions made.
    pub fn session_changes(&self) -> Result<Arc<dyn ports::SessionChangesStore>, StartError> {
        port!(self, DynamoSessionChanges::new(self.store(), self.resource("REKEY_TABLE_FLOWS")?))
    }

    /// Returns the store of approval requests.
    pub fn approvals(&self) -> Result<Arc<dyn ports::ApprovalStore>, StartError> {
        port!(self, DynamoApprovals::new(self.store(), self.resource("REKEY_TABLE_FLOWS")?))
    }

    /// Returns the store of pairings.
    pub fn pairings(&self) -> Result<Arc<dyn ports::PairingStore>, StartError> {
        port!(self, DynamoPairings::new(self.store(), self.resource("REKEY_TABLE_FLOWS")?))
    }

    /// Returns the store of rate limits and limit logs.
    pub fn rate_limits(&self) -> Result<Arc<dyn ports::RateLimitStore>, StartError> {
        port!(self, DynamoRateLimits::new(self.store(), self.resource("REKEY_TABLE_BUDGETS")?))
    }

    /// Returns the store of the population that decoys are drawn from.
    pub fn population(&self) -> Result<Arc<dyn ports::PopulationStore>, StartError> {
        port!(self, DynamoPopulation::new(self.store(), self.resource("REKEY_TABLE_ACCOUNTS")?))
    }

    /// Returns the population for functions that only read it: it may be some minutes old.
    pub fn cached_population(&self) -> Result<Arc<dyn ports::PopulationStore>, StartError> {
        Ok(Arc::new(PopulationCache::new(self.population()?, self.clock())))
    }

    /// Returns read access to registrations.
    pub fn security_info(&self) -> Result<Arc<dyn ports::SecurityInfoStore>, StartError> {
        port!(self, {
            let (table, contacts) = self.security_info_table()?;
            DynamoSecurityInfo::new(self.store(), table, contacts)
        })
    }

    /// Returns write access to entries, for `enrolment` only.
    pub fn enrolment(&self) -> Result<Arc<dyn ports::EnrolmentStore>, StartError> {
        port!(self, self.dynamo_enrolment()?)
    }

    /// Returns write access to passes, for `help-desk` only.
    pub fn passes(&self) -> Result<Arc<dyn ports::PassStore>, StartError> {
        port!(self, self.dynamo_enrolment()?)
    }

    /// Returns the records of the help desk, for `help-desk` only.
    pub fn desk_records(&self) -> Result<Arc<dyn ports::DeskRecordStore>, StartError> {
        port!(self, DynamoDeskRecords::new(self.store(), self.resource("REKEY_TABLE_BUDGETS")?))
    }

    /// Returns the store of the audit trail's anchors.
    pub fn anchors(&self) -> Result<Arc<dyn ports::AnchorStore>, StartError> {
        port!(self, DynamoAnchors::new(self.store(), self.resource("REKEY_TABLE_SECURITY_INFO")?))
    }

    /// Returns the store of the last events of accounts.
    pub fn recent_events(&self) -> Result<Arc<dyn ports::RecentEventStore>, StartError> {
        port!(self, DynamoRecentEvents::new(self.store(), self.resource("REKEY_TABLE_BUDGETS")?))
    }

    /// Returns the store of mail that did not arrive.
    pub fn mail_failures(&self) -> Result<Arc<dyn ports::MailFailureStore>, StartError> {
        port!(self, DynamoMailFailures::new(self.store(), self.resource("REKEY_TABLE_BUDGETS")?))
    }

    /// Returns the import of contacts, for operators only.
    pub fn contact_import(&self) -> Result<Arc<dyn ports::ContactImport>, StartError> {
        port!(self, self.dynamo_enrolment()?)
    }

    /// Returns the import of many people's contacts, for operators only.
    #[cfg(feature = "directory-sync")]
    pub fn bulk_contact_import(&self) -> Result<Arc<dyn ports::BulkContactImport>, StartError> {
        port!(self, self.dynamo_enrolment()?)
    }

    /// Returns the erasure of registrations, for `directory-sync` only.
    pub fn registration_erasure(&self) -> Result<Arc<dyn ports::RegistrationErasure>, StartError> {
        port!(self, self.dynamo_enrolment()?)
    }

    /// Returns access to authenticators, for verifications.
    pub fn authenticators(&self) -> Result<Arc<dyn ports::AuthenticatorStore>, StartError> {
        port!(self, DynamoAuthenticators::new(self.store(), self.resource("REKEY_TABLE_SECURITY_INFO")?))
    }

    /// Returns access to enrolled devices.
    pub fn devices(&self) -> Result<Arc<dyn ports::DeviceStore>, StartError> {
        port!(self, DynamoDevices::new(self.store(), self.resource("REKEY_TABLE_SECURITY_INFO")?))
    }

    /// Returns the end of known devices.
    pub fn known_devices(&self) -> Result<Arc<dyn ports::KnownDeviceStore>, StartError> {
        port!(self, DynamoKnownDevices::new(self.store(), self.resource("REKEY_TABLE_SECURITY_INFO")?))
    }

    /// Returns read access to push subscriptions.
    pub fn push_targets(&self) -> Result<Arc<dyn ports::PushTargets>, StartError> {
        port!(self, DynamoDevices::new(self.store(), self.resource("REKEY_TABLE_SECURITY_INFO")?))
    }

    /// Returns the store of leases.
    pub fn leases(&self) -> Result<Arc<dyn ports::LeaseStore>, StartError> {
        port!(self, DynamoLeases::new(self.store(), self.resource("REKEY_TABLE_SECURITY_INFO")?))
    }

    /// Returns the notes of changes in the organisation's own directory.
    pub fn change_notes(&self) -> Result<Arc<dyn ports::ChangeNoteStore>, StartError> {
        port!(self, DynamoChangeNotes::new(self.store(), self.resource("REKEY_TABLE_ACCOUNTS")?))
    }

    /// Returns the leases for binds, for `directory-read` only.
    pub fn bind_leases(&self) -> Result<Arc<dyn ports::BindLeaseStore>, StartError> {
        port!(self, DynamoBindLeases::new(self.store(), self.resource("REKEY_TABLE_BUDGETS")?))
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

/// Builds a port of the table of accounts: the built-in directory, or the copy of another one.
#[cfg(feature = "builtin-directory")]
macro_rules! accounts {
    ($process:ident) => {
        port!($process, $process.builtin()?, |memory| Arc::new($process.in_memory(memory)))
    };
}

/// Builds a port of the directory that `REKEY_DIRECTORY` selects.
#[cfg(feature = "remote-directory")]
macro_rules! directory {
    ($process:ident) => {
        match $process.parts.settings.directory {
            DirectoryKind::Builtin => accounts!($process),
            DirectoryKind::Remote(_) => Ok(Arc::new($process.remote()?)),
        }
    };
}

/// Ports of the accounts. Page 1 reads nothing else, whatever the directory.
///
/// # Errors
/// Each of these fails with [`StartError::Resource`] when this function does not get a variable that the
/// directory needs.
#[cfg(feature = "builtin-directory")]
#[expect(clippy::missing_errors_doc, reason = "all of them fail alike, as said above")]
impl Process {
    /// Returns read access to accounts.
    pub fn directory(&self) -> Result<Arc<dyn ports::Directory>, StartError> {
        accounts!(self)
    }

    /// Returns the sign-in of other applications, for the local environment only.
    pub fn organisation_sign_in(&self) -> Result<Arc<dyn ports::OrganisationSignIn>, StartError> {
        accounts!(self)
    }

    /// Returns the import of accounts, for operators only.
    pub fn account_import(&self) -> Result<Arc<dyn ports::AccountImport>, StartError> {
        accounts!(self)
    }

    /// Returns the scan of all accounts, for `housekeeping` and imports.
    pub fn account_scan(&self) -> Result<Arc<dyn ports::AccountScan>, StartError> {
        accounts!(self)
    }

    /// Returns the accounts whose password expires soon, for `housekeeping` only.
    pub fn password_expiries(&self) -> Result<Arc<dyn ports::PasswordExpiryStore>, StartError> {
        port!(self, DynamoPasswordExpiries::new(self.store(), self.resource("REKEY_TABLE_ACCOUNTS")?))
    }

    /// Returns the copy of the accounts, for `directory-sync` only.
    #[cfg(feature = "directory-sync")]
    pub fn account_copy(&self) -> Result<Arc<dyn ports::AccountCopy>, StartError> {
        port!(self, DynamoAccountCopy::new(&self.store(), self.resource("REKEY_TABLE_ACCOUNTS")?))
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

/// Ports of the directory that `REKEY_DIRECTORY` selects.
///
/// # Errors
/// Each of these fails with [`StartError::Resource`] when this function does not get a variable that the
/// directory needs.
#[cfg(feature = "remote-directory")]
#[expect(clippy::missing_errors_doc, reason = "all of them fail alike, as said above")]
impl Process {
    /// Returns the check of passwords, for `enrolment` only.
    pub fn sign_in_directory(&self) -> Result<Arc<dyn ports::SignInDirectory>, StartError> {
        directory!(self)
    }

    /// Returns write access to accounts, for `password-set` only.
    pub fn password_directory(&self) -> Result<Arc<dyn ports::PasswordDirectory>, StartError> {
        directory!(self)
    }

    /// Returns the look-up of a change's outcome.
    pub fn change_inspector(&self) -> Result<Arc<dyn ports::ChangeInspector>, StartError> {
        directory!(self)
    }

    /// Returns the directory's functions, for an operator's test.
    pub fn tested_directory(&self) -> Result<RemoteDirectory, StartError> {
        self.remote()
    }

    fn remote(&self) -> Result<RemoteDirectory, StartError> {
        let read = self.resource("REKEY_FUNCTION_DIRECTORY_READ")?;
        // Only `password-set` may change accounts.
        let write = (self.parts.resources)("REKEY_FUNCTION_DIRECTORY_WRITE");
        let transport = LambdaTransport::new(&self.parts.aws, self.clock(), read, write);
        Ok(RemoteDirectory::new(self.directory()?, Arc::new(transport)))
    }
}

/// The organisation's own directory, for the functions of `functions/directory` alone.
///
/// # Errors
/// Each of these fails with [`StartError`] when the document or the secret can't be read, or with all that is wrong in
/// them.
#[cfg(feature = "ldap")]
#[expect(clippy::missing_errors_doc, reason = "all of them fail alike, as said above")]
impl Process {
    /// Returns the directory with the service account that may only read.
    pub async fn live_directory(&self) -> Result<Arc<dyn ports::LiveDirectory>, StartError> {
        let (config, password) = self.directory_config("REKEY_SECRET_DIRECTORY_READ").await?;
        #[cfg(feature = "memory")]
        if let Some(double) = &self.parts.live_directory {
            return Ok(double.clone());
        }
        ldap::directory(&config, password, self.clock()).map_err(|error| wrong_directory(&[error]))
    }

    /// Returns the directory with the service account that may set passwords and remove locks.
    pub async fn live_password_directory(&self) -> Result<Arc<dyn ports::LivePasswordDirectory>, StartError> {
        let (config, password) = self.directory_config("REKEY_SECRET_DIRECTORY_WRITE").await?;
        #[cfg(feature = "memory")]
        if let Some(double) = &self.parts.live_directory {
            return Ok(double.clone());
        }
        ldap::password_directory(&config, password, self.clock()).map_err(|error| wrong_directory(&[error]))
    }

    /// Returns the directory's document, its people and its rules for passwords, with the service account of the sync.
    pub async fn directory_people(&self) -> Result<DirectorySource, StartError> {
        let (config, password) = self.directory_config("REKEY_SECRET_DIRECTORY_SYNC").await?;
        #[cfg(feature = "memory")]
        if let Some((people, live)) =
            self.parts.directory_people.clone().zip(self.parts.live_directory.clone())
        {
            return Ok((config, people, live));
        }
        let source = ldap::people(&config, password, self.clock());
        let (people, live) = source.map_err(|error| wrong_directory(&[error]))?;
        Ok((config, people, live))
    }

    /// Reads the directory's document, and the password of the service account that `secret` has.
    async fn directory_config(
        &self,
        secret: &'static str,
    ) -> Result<(DirectoryConfig, ServicePassword), StartError> {
        let text = self.service_passwords.get(secret).ok_or(StartError::Resource(secret))?;
        let parameter = self.resource("REKEY_PARAMETER_DIRECTORY")?;
        let document = parameters::fetch(&self.parts.aws, self.clock(), &parameter).await?;
        let mut errors: Vec<String> = Vec::new();
        let config = DirectoryConfig::from_json(&document)
            .map_err(|error| errors.push(format!("{parameter}: {error}")))
            .ok();
        let selected = &self.parts.settings.directory;
        if let Some(config) = &config
            && *selected != DirectoryKind::Remote(config.name.clone())
        {
            errors
                .push(format!("{parameter}: its name is {:?}, and REKEY_DIRECTORY has another", config.name));
        }
        let password = ServicePassword::from_secret(text);
        if password.is_none() {
            errors.push(format!(
                "{secret} is empty. Write the password of the service account into the secret"
            ));
        }
        config.zip(password).filter(|_| errors.is_empty()).ok_or_else(|| wrong_directory(&errors))
    }
}

/// Returns all errors of a directory's configuration as one.
#[cfg(feature = "ldap")]
fn wrong_directory(errors: &[impl fmt::Display]) -> StartError {
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    StartError::Directory(errors.join("; "))
}

/// The senders, the queue and the signature verifier.
impl Process {
    /// Returns the queue to `delivery`.
    ///
    /// # Errors
    /// [`StartError::Resource`] when this function does not get its variable.
    #[cfg(feature = "sqs")]
    pub fn queue(&self) -> Result<Arc<dyn ports::MessageQueue>, StartError> {
        let url = self.resource("REKEY_QUEUE_MESSAGES")?;
        Ok(Arc::new(SqsQueue::new(&self.parts.aws, url, self.clock())))
    }

    /// Returns the names of the agents that invoke this function.
    ///
    /// # Errors
    /// [`StartError::Resource`] when this function does not get its own name.
    #[cfg(feature = "agents")]
    pub fn agents(&self) -> Result<Arc<dyn ports::AgentIdentity>, StartError> {
        let function = self.resource("AWS_LAMBDA_FUNCTION_NAME")?;
        Ok(Arc::new(StsAgents::new(&self.parts.aws, self.clock(), function)))
    }

    /// Returns the log of what operators and agents did.
    ///
    /// # Errors
    /// [`StartError::Resource`] when this function does not get its variable.
    #[cfg(feature = "agents")]
    pub fn operator_log(&self) -> Result<Arc<dyn ports::AuditLog>, StartError> {
        let log = self.resource(OPERATOR_LOG)?;
        Ok(Arc::new(OperatorLog::new(&self.parts.aws, self.clock(), self.entropy(), log)))
    }

    /// Returns the audit trail of the deployment.
    ///
    /// # Errors
    /// [`StartError::Resource`] when this function does not get the variable of the operators' log.
    #[cfg(feature = "audit-trail")]
    pub fn audit_trail(&self) -> Result<Arc<dyn ports::AuditTrail>, StartError> {
        let operators = self.resource(OPERATOR_LOG)?;
        Ok(Arc::new(CloudWatchTrail::new(&self.parts.aws, self.clock(), operators)))
    }

    /// Returns the configuration of the senders. Not every region has them, and a sender is registered in one.
    #[cfg(any(feature = "ses", feature = "sns", feature = "voice"))]
    fn messages_config(&self) -> SdkConfig {
        let aws = &self.parts.aws;
        self.parts
            .settings
            .message_region
            .clone()
            .map_or_else(|| aws.clone(), |region| with_region(aws, region))
    }

    /// Returns the sender of mail, over SES.
    #[cfg(feature = "ses")]
    pub fn mails(&self) -> Arc<dyn ports::MailSender> {
        let settings = &self.parts.settings;
        Arc::new(SesMails::new(&self.messages_config(), &settings.organisation, &settings.mail_from))
    }

    /// Returns the sender of texts, over SNS.
    #[cfg(feature = "sns")]
    pub fn texts(&self) -> Arc<dyn ports::TextSender> {
        Arc::new(SnsTexts::new(&self.messages_config(), self.parts.settings.sms_sender_id.clone()))
    }

    /// Returns the caller, over AWS End User Messaging.
    #[cfg(feature = "voice")]
    pub fn calls(&self) -> Arc<dyn ports::VoiceSender> {
        Arc::new(VoiceCalls::new(&self.messages_config(), self.parts.settings.voice_origin.clone()))
    }

    /// Returns the sender of pushes.
    ///
    /// # Errors
    /// [`StartError`] when the keyring of pushes is missing or yields no VAPID key.
    #[cfg(feature = "web-push")]
    pub fn pushes(&self) -> Result<Arc<dyn ports::PushSender>, StartError> {
        let (settings, keys) = (&self.parts.settings, self.keyring("REKEY_SECRET_PUSH")?);
        let vapid = VapidKey::of(&keys).ok_or(StartError::Vapid)?;
        let (from, hosts) = (settings.mail_from.expose(), settings.push_hosts.clone());
        Ok(Arc::new(WebPushes::new(vapid, from, hosts, self.entropy())))
    }

    /// Returns the identity provider, if people sign in with it.
    #[cfg(feature = "oidc")]
    pub fn identity_provider(&self) -> Option<Arc<dyn ports::IdentityProvider>> {
        let settings = &self.parts.settings;
        if !settings.signs_in_by_oidc() {
            return None;
        }
        let redirect_uri = format!("{}{}", settings.public_url, crate::domain::oidc::CALLBACK);
        let client = settings.oidc.clone();
        Some(Arc::new(HttpIdentityProvider::new(client, self.client_secret.clone(), redirect_uri)))
    }

    /// Returns the identity provider for agents of the help desk, if the deployment lists their groups.
    #[cfg(feature = "oidc")]
    pub fn help_desk_provider(&self) -> Option<Arc<dyn ports::IdentityProvider>> {
        let settings = &self.parts.settings;
        if settings.desk_agents.is_empty() {
            return None;
        }
        let redirect_uri = format!("{}{}", settings.public_url, crate::domain::oidc::HELP_DESK_CALLBACK);
        let client = settings.oidc.clone();
        Some(Arc::new(HttpIdentityProvider::new(client, self.client_secret.clone(), redirect_uri)))
    }

    /// Returns the verifier of signatures of passkeys and of the identity provider.
    #[cfg(feature = "signatures")]
    pub fn signatures(&self) -> Arc<dyn ports::SignatureVerifier> {
        Arc::new(RingSignatures)
    }
}

/// The reason why a function can't start. Its text names what is wrong, and what to do. It never shows a secret.
#[derive(Error)]
pub enum StartError {
    /// One or more parameters are invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The environment does not name a resource.
    #[error(
        "{0} is not set. Add it to this function's environment in template.yaml; under `cargo lambda watch`, export \
         the variables that `cargo local --services` prints"
    )]
    Resource(&'static str),
    /// Secrets Manager failed, or a secret is no keyring.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Systems Manager failed.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The directory's document or secret can't be used.
    #[error("the directory can't be used: {0}. infra/guides/directories.md describes the document")]
    Directory(String),
    /// The password policy is contradictory.
    #[error("the password policy is invalid: {0}. Correct the settings REKEY_PASSWORD_*")]
    Policy(String),
    /// The organisation's own blocklist can't be read: its file, and the error.
    #[error(
        "REKEY_PASSWORD_BLOCKLIST: the file `{0}` can't be read: {1}. Set it to a text file of its layer, such as \
         /opt/blocklist.txt, or unset it"
    )]
    Blocklist(String, std::io::Error),
    /// The keyring of pushes yields no signing key.
    #[error("REKEY_SECRET_PUSH yields no signing key. Rotate it as infra/security/runbooks.md describes")]
    Vapid,
}

/// Prints the text of the error: `main` prints the `Debug` form of the error that it returns.
impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
