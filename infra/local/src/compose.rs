//! The one place where the functions get their ports: what each function's `main.rs` does in Lambda, for all of
//! them in one process.
//!
//! Each is told only of the resources that template.yaml gives it, fetches its keys from Secrets Manager, and calls
//! with an access key of its own name, so that the local cloud judges it by its own role.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use shared::adapters::aws::{SdkConfig, emulated};
use shared::adapters::directories::BuiltinDirectory;
use shared::adapters::dynamodb::{
    Client, DynamoApprovals, DynamoAuthenticators, DynamoBudgets, DynamoClaims, DynamoDevices,
    DynamoEnrolment, DynamoFlows, DynamoPairings, DynamoSecurityInfo, DynamoSessions,
};
use shared::adapters::secrets;
use shared::adapters::ses::SesMails;
use shared::adapters::signatures::RingSignatures;
use shared::adapters::sns::SnsTexts;
use shared::adapters::sqs::SqsQueue;
use shared::adapters::voice::VoiceCalls;
use shared::adapters::web_push::WebPushes;
use shared::domain::captcha::Challenge;
use shared::domain::keys::Keyring;
use shared::domain::push::VapidKey;
use shared::domain::time::Timestamp;
use shared::http::Site;
use shared::ports::{Metric, Metrics};
use shared::settings::Settings;
use shared::text::messages::Wording;

use crate::cloud::Cloud;
use crate::cloud::roles::ADMINISTRATOR;
use crate::directory::Tables;
use crate::failure::Failure;
use crate::system::System;
use crate::worker::Consume;

/// Where calls come from; the local cloud has this number, as an account of AWS has one.
const CALLER: &str = "+60300000000";

/// Everything that runs behind the gateway and the queue.
pub struct Functions {
    /// The functions with pages, by crate name.
    pub routers: HashMap<String, Router>,
    /// The queue's function.
    pub delivery: Consume,
}

/// What the functions are built from.
pub struct Parts<'a> {
    /// The local cloud.
    pub cloud: &'a Cloud,
    /// The parameters.
    pub settings: Arc<Settings>,
    /// Time and chance.
    pub system: System,
}

impl Parts<'_> {
    /// The tables that people are written to, by whoever set the cloud up.
    ///
    /// # Errors
    /// [`Failure`] when template.yaml lacks one of them.
    pub async fn tables(&self) -> Result<Tables, Failure> {
        let administrator = self.process(ADMINISTRATOR);
        Ok(Tables {
            accounts: administrator.directory()?,
            security_info: administrator.security_info().await?,
            enrolment: administrator.enrolment().await?,
            seeds: administrator.keyring("REKEY_SECRET_SEEDS").await?,
            waiting_period: self.settings.cool_down,
            clock: self.system.clock.clone(),
            entropy: self.system.entropy.clone(),
        })
    }

    /// Tells the answer to a CAPTCHA's token, as long as the token counts.
    ///
    /// # Errors
    /// [`Failure`] when template.yaml lacks the secret.
    pub async fn captcha_answers(
        &self,
    ) -> Result<impl Fn(&str) -> Option<String> + Send + Sync + use<>, Failure> {
        let keys = self.process(ADMINISTRATOR).keyring("REKEY_SECRET_CAPTCHA").await?;
        let clock = self.system.clock.clone();
        Ok(move |token: &str| Some(Challenge::open(token, &keys, clock.now()).ok()?.answer()))
    }

    /// Builds every function.
    ///
    /// # Errors
    /// [`Failure`] when template.yaml does not tell a function of something it needs, or a parameter makes no sense.
    pub async fn functions(&self) -> Result<Functions, Failure> {
        let routers = [
            ("captcha", self.captcha().await?),
            ("method-selection", self.method_selection().await?),
            ("code-send", self.code_send().await?),
            ("code-verify", self.code_verify().await?),
            ("password-set", self.password_set().await?),
            ("enrolment", self.enrolment().await?),
            ("approval", self.approval().await?),
        ];
        let routers = routers.into_iter().map(|(name, router)| (name.to_owned(), router)).collect();
        Ok(Functions { routers, delivery: Box::pin(self.delivery()).await? })
    }

    async fn captcha(&self) -> Result<Router, Failure> {
        let process = self.process("captcha");
        Ok(captcha::router(captcha::Ports {
            site: process.site().await?,
            flows: Arc::new(process.flows()?),
            budgets: Arc::new(process.budgets()?),
            directory: Arc::new(process.directory()?),
            security_info: Arc::new(process.security_info().await?),
            captcha: process.keyring("REKEY_SECRET_CAPTCHA").await?,
            clock: self.system.clock.clone(),
            entropy: self.system.entropy.clone(),
        }))
    }

    async fn method_selection(&self) -> Result<Router, Failure> {
        let process = self.process("method-selection");
        Ok(method_selection::router(method_selection::Ports {
            site: process.site().await?,
            flows: Arc::new(process.flows()?),
            clock: self.system.clock.clone(),
        }))
    }

    async fn code_send(&self) -> Result<Router, Failure> {
        let process = self.process("code-send");
        Ok(code_send::router(code_send::Ports {
            site: process.site().await?,
            flows: Arc::new(process.flows()?),
            budgets: Arc::new(process.budgets()?),
            security_info: Arc::new(process.security_info().await?),
            approvals: Arc::new(process.approvals()?),
            queue: Arc::new(process.queue()?),
            messages: process.keyring("REKEY_SECRET_MESSAGES").await?,
            clock: self.system.clock.clone(),
            entropy: self.system.entropy.clone(),
        }))
    }

    async fn code_verify(&self) -> Result<Router, Failure> {
        let process = self.process("code-verify");
        Ok(code_verify::router(code_verify::Ports {
            site: process.site().await?,
            flows: Arc::new(process.flows()?),
            budgets: Arc::new(process.budgets()?),
            approvals: Arc::new(process.approvals()?),
            authenticators: Arc::new(process.authenticators()?),
            seeds: process.keyring("REKEY_SECRET_SEEDS").await?,
            signatures: Arc::new(RingSignatures),
            clock: self.system.clock.clone(),
        }))
    }

    async fn password_set(&self) -> Result<Router, Failure> {
        let process = self.process("password-set");
        let blocklist = match &self.settings.password_blocklist {
            Some(file) => std::fs::read_to_string(file)
                .map_err(|error| Failure::new(format!("REKEY_PASSWORD_BLOCKLIST {file}: {error}")))?,
            None => String::new(),
        };
        Ok(password_set::router(password_set::Ports {
            site: process.site().await?,
            flows: Arc::new(process.flows()?),
            security_info: Arc::new(process.security_info().await?),
            claims: Arc::new(DynamoClaims::new(
                process.store(),
                process.resource("REKEY_TABLE_SECURITY_INFO")?,
            )),
            directory: Arc::new(process.directory()?),
            queue: Arc::new(process.queue()?),
            messages: process.keyring("REKEY_SECRET_MESSAGES").await?,
            policy: self.settings.password_policy(blocklist.lines()).map_err(Failure::new)?,
            clock: self.system.clock.clone(),
            entropy: self.system.entropy.clone(),
        }))
    }

    async fn enrolment(&self) -> Result<Router, Failure> {
        let process = self.process("enrolment");
        Ok(enrolment::router(enrolment::Ports {
            site: process.site().await?,
            sessions: Arc::new(process.sessions()?),
            directory: Arc::new(process.directory()?),
            security_info: Arc::new(process.security_info().await?),
            enrolment: Arc::new(process.enrolment().await?),
            approvals: Arc::new(process.approvals()?),
            pairings: Arc::new(process.pairings()?),
            signatures: Arc::new(RingSignatures),
            authenticators: Arc::new(process.authenticators()?),
            budgets: Arc::new(process.budgets()?),
            queue: Arc::new(process.queue()?),
            messages: process.keyring("REKEY_SECRET_MESSAGES").await?,
            seeds: process.keyring("REKEY_SECRET_SEEDS").await?,
            captcha: process.keyring("REKEY_SECRET_CAPTCHA").await?,
            clock: self.system.clock.clone(),
            entropy: self.system.entropy.clone(),
        }))
    }

    async fn approval(&self) -> Result<Router, Failure> {
        let process = self.process("approval");
        Ok(approval::router(approval::Ports {
            site: process.site().await?,
            devices: Arc::new(process.devices()?),
            approvals: Arc::new(process.approvals()?),
            pairings: Arc::new(process.pairings()?),
            flows: Arc::new(process.flows()?),
            sessions: Arc::new(process.sessions()?),
            queue: Arc::new(process.queue()?),
            messages: process.keyring("REKEY_SECRET_MESSAGES").await?,
            push: process.keyring("REKEY_SECRET_PUSH").await?,
            clock: self.system.clock.clone(),
            entropy: self.system.entropy.clone(),
        }))
    }

    async fn delivery(&self) -> Result<Consume, Failure> {
        let process = self.process("delivery");
        let settings = &self.settings;
        let wording = Wording::new(&settings.organisation, settings.help_desk_url.as_deref());
        let push = process.keyring("REKEY_SECRET_PUSH").await?;
        let vapid = VapidKey::of(&push).ok_or_else(|| Failure::new("REKEY_SECRET_PUSH makes no key"))?;
        let ports = Arc::new(delivery::Ports {
            pushes: Arc::new(WebPushes::new(
                vapid,
                settings.mail_from.expose(),
                settings.push_hosts.clone(),
                self.system.entropy.clone(),
            )),
            push_targets: Arc::new(process.devices()?),
            push,
            settings: settings.clone(),
            wording,
            messages: process.keyring("REKEY_SECRET_MESSAGES").await?,
            clock: self.system.clock.clone(),
            entropy: self.system.entropy.clone(),
            mails: Arc::new(SesMails::new(&process.aws, &settings.organisation, &settings.mail_from)),
            texts: Arc::new(SnsTexts::new(&process.aws, settings.sms_sender_id.clone())),
            calls: Arc::new(VoiceCalls::new(&process.aws, Some(CALLER.to_owned()))),
            queue: Arc::new(process.queue()?),
            budgets: Arc::new(process.budgets()?),
            flows: Arc::new(process.flows()?),
            directory: Arc::new(process.directory()?),
            security_info: Arc::new(process.security_info().await?),
            metrics: Arc::new(LoggedMetrics),
        });
        Ok(Arc::new(move |event| {
            let ports = ports.clone();
            Box::pin(async move { Ok(delivery::handle(&ports, event).await) })
        }))
    }

    fn process<'a>(&'a self, function: &'a str) -> Process<'a> {
        Process { parts: self, function, aws: emulated(self.cloud.endpoint(), function) }
    }
}

/// What `shared::adapters::process::Process` is in Lambda: a function with its AWS clients and resources.
struct Process<'a> {
    parts: &'a Parts<'a>,
    function: &'a str,
    aws: SdkConfig,
}

impl Process<'_> {
    async fn site(&self) -> Result<Site, Failure> {
        Ok(Site { settings: self.parts.settings.clone(), flows: self.keyring("REKEY_SECRET_FLOWS").await? })
    }

    fn flows(&self) -> Result<DynamoFlows, Failure> {
        Ok(DynamoFlows::new(self.store(), self.resource("REKEY_TABLE_FLOWS")?))
    }

    fn sessions(&self) -> Result<DynamoSessions, Failure> {
        let (table, entropy) = (self.resource("REKEY_TABLE_FLOWS")?, self.parts.system.entropy.clone());
        Ok(DynamoSessions::new(self.store(), table, entropy))
    }

    fn approvals(&self) -> Result<DynamoApprovals, Failure> {
        Ok(DynamoApprovals::new(self.store(), self.resource("REKEY_TABLE_FLOWS")?))
    }

    fn pairings(&self) -> Result<DynamoPairings, Failure> {
        Ok(DynamoPairings::new(self.store(), self.resource("REKEY_TABLE_FLOWS")?))
    }

    fn devices(&self) -> Result<DynamoDevices, Failure> {
        Ok(DynamoDevices::new(self.store(), self.resource("REKEY_TABLE_SECURITY_INFO")?))
    }

    fn budgets(&self) -> Result<DynamoBudgets, Failure> {
        Ok(DynamoBudgets::new(self.store(), self.resource("REKEY_TABLE_BUDGETS")?))
    }

    async fn security_info(&self) -> Result<DynamoSecurityInfo, Failure> {
        let contacts = self.keyring("REKEY_SECRET_CONTACTS").await?;
        Ok(DynamoSecurityInfo::new(self.store(), self.resource("REKEY_TABLE_SECURITY_INFO")?, contacts))
    }

    fn authenticators(&self) -> Result<DynamoAuthenticators, Failure> {
        Ok(DynamoAuthenticators::new(self.store(), self.resource("REKEY_TABLE_SECURITY_INFO")?))
    }

    async fn enrolment(&self) -> Result<DynamoEnrolment, Failure> {
        let contacts = self.keyring("REKEY_SECRET_CONTACTS").await?;
        let table = self.resource("REKEY_TABLE_SECURITY_INFO")?;
        Ok(DynamoEnrolment::new(self.store(), table, contacts, self.parts.system.entropy.clone()))
    }

    fn directory(&self) -> Result<BuiltinDirectory, Failure> {
        let table = self.resource("REKEY_TABLE_ACCOUNTS")?;
        Ok(BuiltinDirectory::new(self.store(), table, self.parts.system.entropy.clone()))
    }

    fn queue(&self) -> Result<SqsQueue, Failure> {
        Ok(SqsQueue::new(&self.aws, self.resource("REKEY_QUEUE_MESSAGES")?))
    }

    fn store(&self) -> Client {
        Client::new(&self.aws)
    }

    fn resource(&self, variable: &str) -> Result<String, Failure> {
        let found = if self.function == ADMINISTRATOR {
            self.parts.cloud.any_resource(variable)
        } else {
            self.parts.cloud.resource(self.function, variable)
        };
        found.ok_or_else(|| {
            Failure::new(format!("template.yaml does not tell {} of {variable}", self.function))
        })
    }

    async fn keyring(&self, variable: &str) -> Result<Arc<Keyring>, Failure> {
        let secret = self.resource(variable)?;
        let keyring = secrets::keyring(&self.aws, &secret).await;
        keyring.map(Arc::new).map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            Failure::new(format!("{variable} for {}: {error}{}", self.function, cause.unwrap_or_default()))
        })
    }
}

/// Metrics as lines of the log: nobody reads the embedded format of `CloudWatch` here.
struct LoggedMetrics;

impl Metrics for LoggedMetrics {
    fn count(&self, metric: Metric, at: Timestamp) {
        tracing::warn!(metric = metric.name(), %at, "counted");
    }
}
