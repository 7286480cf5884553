//! The one place where the functions get their ports: what each function's `main.rs` does in Lambda, for all of
//! them in one process.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use aws_sdk_dynamodb::config::{Credentials, Region, SharedCredentialsProvider};
use axum::Router;
use shared::adapters::aws::{BehaviorVersion, SdkConfig};
use shared::adapters::directories::BuiltinDirectory;
use shared::adapters::dynamodb::{Client, DynamoBudgets, DynamoFlows, DynamoSecurityInfo};
use shared::adapters::ses::SesMails;
use shared::adapters::sns::SnsTexts;
use shared::adapters::sqs::SqsQueue;
use shared::adapters::voice::VoiceCalls;
use shared::domain::captcha::Challenge;
use shared::domain::keys::Keyring;
use shared::domain::time::Timestamp;
use shared::domain::wording::Wording;
use shared::http::Site;
use shared::ports::{Metric, Metrics};
use shared::settings::Settings;

use crate::cloud::{Cloud, REGION};
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
    /// The tables that people are written to.
    ///
    /// # Errors
    /// [`Failure`] when template.yaml lacks one of them.
    pub fn tables(&self) -> Result<Tables, Failure> {
        Ok(Tables {
            accounts: self.directory()?,
            security_info: self.security_info()?,
            seeds: self.keyring("REKEY_SECRET_SEEDS")?,
            entropy: self.system.entropy.clone(),
        })
    }

    /// Tells the answer to a CAPTCHA's token, as long as the token counts.
    ///
    /// # Errors
    /// [`Failure`] when template.yaml lacks the secret.
    pub fn captcha_answers(&self) -> Result<impl Fn(&str) -> Option<String> + Send + Sync + use<>, Failure> {
        let keys = self.keyring("REKEY_SECRET_CAPTCHA")?;
        let clock = self.system.clock.clone();
        Ok(move |token: &str| Some(Challenge::open(token, &keys, clock.now()).ok()?.answer()))
    }

    /// Builds every function.
    ///
    /// # Errors
    /// [`Failure`] when template.yaml lacks something or a parameter makes no sense.
    pub fn functions(&self) -> Result<Functions, Failure> {
        let routers = [
            ("captcha", self.captcha()?),
            ("method-selection", self.method_selection()?),
            ("code-send", self.code_send()?),
            ("code-verify", self.code_verify()?),
            ("password-set", self.password_set()?),
        ];
        let routers = routers.into_iter().map(|(name, router)| (name.to_owned(), router)).collect();
        Ok(Functions { routers, delivery: self.delivery()? })
    }

    fn captcha(&self) -> Result<Router, Failure> {
        Ok(captcha::router(captcha::Ports {
            site: self.site()?,
            flows: Arc::new(self.flows()?),
            budgets: Arc::new(self.budgets()?),
            directory: Arc::new(self.directory()?),
            security_info: Arc::new(self.security_info()?),
            captcha: self.keyring("REKEY_SECRET_CAPTCHA")?,
            clock: self.system.clock.clone(),
            entropy: self.system.entropy.clone(),
        }))
    }

    fn method_selection(&self) -> Result<Router, Failure> {
        Ok(method_selection::router(method_selection::Ports {
            site: self.site()?,
            flows: Arc::new(self.flows()?),
            clock: self.system.clock.clone(),
        }))
    }

    fn code_send(&self) -> Result<Router, Failure> {
        Ok(code_send::router(code_send::Ports {
            site: self.site()?,
            flows: Arc::new(self.flows()?),
            budgets: Arc::new(self.budgets()?),
            security_info: Arc::new(self.security_info()?),
            queue: Arc::new(self.queue()?),
            messages: self.keyring("REKEY_SECRET_MESSAGES")?,
            clock: self.system.clock.clone(),
            entropy: self.system.entropy.clone(),
        }))
    }

    fn code_verify(&self) -> Result<Router, Failure> {
        Ok(code_verify::router(code_verify::Ports {
            site: self.site()?,
            flows: Arc::new(self.flows()?),
            budgets: Arc::new(self.budgets()?),
            authenticators: Arc::new(self.security_info()?),
            seeds: self.keyring("REKEY_SECRET_SEEDS")?,
            clock: self.system.clock.clone(),
        }))
    }

    fn password_set(&self) -> Result<Router, Failure> {
        let blocklist = match &self.settings.password_blocklist {
            Some(file) => std::fs::read_to_string(file)
                .map_err(|error| Failure::new(format!("REKEY_PASSWORD_BLOCKLIST {file}: {error}")))?,
            None => String::new(),
        };
        Ok(password_set::router(password_set::Ports {
            site: self.site()?,
            flows: Arc::new(self.flows()?),
            security_info: Arc::new(self.security_info()?),
            claims: Arc::new(self.security_info()?),
            directory: Arc::new(self.directory()?),
            queue: Arc::new(self.queue()?),
            messages: self.keyring("REKEY_SECRET_MESSAGES")?,
            policy: self.settings.password_policy(blocklist.lines()).map_err(Failure::new)?,
            clock: self.system.clock.clone(),
            entropy: self.system.entropy.clone(),
        }))
    }

    fn delivery(&self) -> Result<Consume, Failure> {
        let settings = &self.settings;
        let services = self.services();
        let wording = Wording::new(&settings.organisation, settings.help_desk_url.as_deref())
            .map_err(|error| Failure::new(error.to_string()))?;
        let ports = Arc::new(delivery::Ports {
            settings: settings.clone(),
            wording,
            messages: self.keyring("REKEY_SECRET_MESSAGES")?,
            clock: self.system.clock.clone(),
            entropy: self.system.entropy.clone(),
            mails: Arc::new(SesMails::new(&services, &settings.organisation, &settings.mail_from)),
            texts: Arc::new(SnsTexts::new(&services, settings.sms_sender_id.clone())),
            calls: Arc::new(VoiceCalls::new(&services, Some(CALLER.to_owned()))),
            queue: Arc::new(self.queue()?),
            budgets: Arc::new(self.budgets()?),
            flows: Arc::new(self.flows()?),
            directory: Arc::new(self.directory()?),
            security_info: Arc::new(self.security_info()?),
            metrics: Arc::new(LoggedMetrics),
        });
        Ok(Arc::new(move |event| {
            let ports = ports.clone();
            Box::pin(async move { Ok(delivery::handle(&ports, event).await) })
        }))
    }

    fn site(&self) -> Result<Site, Failure> {
        Ok(Site { settings: self.settings.clone(), flows: self.keyring("REKEY_SECRET_FLOWS")? })
    }

    fn flows(&self) -> Result<DynamoFlows, Failure> {
        Ok(DynamoFlows::new(self.store(), self.resource("REKEY_TABLE_FLOWS")?))
    }

    fn budgets(&self) -> Result<DynamoBudgets, Failure> {
        Ok(DynamoBudgets::new(self.store(), self.resource("REKEY_TABLE_BUDGETS")?))
    }

    fn security_info(&self) -> Result<DynamoSecurityInfo, Failure> {
        Ok(DynamoSecurityInfo::new(self.store(), self.resource("REKEY_TABLE_SECURITY_INFO")?))
    }

    fn directory(&self) -> Result<BuiltinDirectory, Failure> {
        let table = self.resource("REKEY_TABLE_ACCOUNTS")?;
        Ok(BuiltinDirectory::new(self.store(), table, self.system.entropy.clone()))
    }

    fn queue(&self) -> Result<SqsQueue, Failure> {
        Ok(SqsQueue::new(&self.services(), self.resource("REKEY_QUEUE_MESSAGES")?))
    }

    fn store(&self) -> Client {
        Client::new(&aws(self.cloud.store()))
    }

    fn services(&self) -> SdkConfig {
        aws(self.cloud.services())
    }

    fn resource(&self, variable: &str) -> Result<String, Failure> {
        let resource = self.cloud.resource(variable);
        resource.ok_or_else(|| Failure::new(format!("template.yaml gives {variable} to no function")))
    }

    fn keyring(&self, variable: &str) -> Result<Arc<Keyring>, Failure> {
        let wrong = |why: &str| Failure::new(format!("{variable}: {why}"));
        let secret =
            self.cloud.secret(variable).ok_or_else(|| wrong("template.yaml gives it to no function"))?;
        Keyring::from_secret(secret).map(Arc::new).map_err(|error| wrong(&error.to_string()))
    }
}

/// What SDK clients need to speak to the local cloud. The environment is not asked: it may hold the credentials of
/// a real account.
fn aws(endpoint: SocketAddr) -> SdkConfig {
    let credentials = Credentials::new("local", "local", None, None, "local");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(format!("http://{endpoint}"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

/// Metrics as lines of the log: nobody reads the embedded format of `CloudWatch` here.
struct LoggedMetrics;

impl Metrics for LoggedMetrics {
    fn count(&self, metric: Metric, at: Timestamp) {
        tracing::warn!(metric = metric.name(), %at, "counted");
    }
}
