//! The functions in one process, each with the ports that it has in Lambda too ([`Process`]): told only of the
//! resources that template.yaml gives it, and calling with an access key of its own name, so that the local cloud judges
//! it by its own role.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

use axum::Router;
use shared::adapters::aws::emulated;
use shared::adapters::memory::Memory;
use shared::domain::captcha::Challenge;
use shared::domain::time::Timestamp;
use shared::ports::{Metric, Metrics};
use shared::process::{self, Process, StartError};
use shared::settings::Settings;

use crate::cloud::Cloud;
use crate::cloud::roles::ADMINISTRATOR;
use crate::failure::Failure;
use crate::import::Tables;
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
    /// The tables, if they are in memory and not in the local cloud's store.
    pub memory: Option<Arc<Memory>>,
}

impl Parts<'_> {
    /// The tables that people are written to, by whoever set the cloud up.
    ///
    /// # Errors
    /// [`Failure`] when template.yaml lacks one of them.
    pub async fn tables(&self) -> Result<Tables, Failure> {
        let administrator = self.process(ADMINISTRATOR).await?;
        Tables::from_process(&administrator).map_err(|error| why(ADMINISTRATOR, &error))
    }

    /// Tells the answer to a CAPTCHA's token, as long as the token counts.
    ///
    /// # Errors
    /// [`Failure`] when template.yaml lacks the secret.
    pub async fn captcha_answers(
        &self,
    ) -> Result<impl Fn(&str) -> Option<String> + Send + Sync + use<>, Failure> {
        let administrator = self.process(ADMINISTRATOR).await?;
        let keys =
            administrator.keyring("REKEY_SECRET_CAPTCHA").map_err(|error| why(ADMINISTRATOR, &error))?;
        let clock = self.system.clock.clone();
        Ok(move |token: &str| Some(Challenge::open(token, &keys, clock.now()).ok()?.answer()))
    }

    /// Builds every function.
    ///
    /// # Errors
    /// [`Failure`] when template.yaml does not tell a function of something it needs, or a parameter makes no sense.
    pub async fn functions(&self) -> Result<Functions, Failure> {
        let routers = [
            self.router("captcha", captcha::Ports::from_process, captcha::router).await?,
            self.router("method-selection", method_selection::Ports::from_process, method_selection::router)
                .await?,
            self.router("code-send", code_send::Ports::from_process, code_send::router).await?,
            self.router("code-verify", code_verify::Ports::from_process, code_verify::router).await?,
            self.router("password-set", password_set::Ports::from_process, password_set::router).await?,
            self.router("enrolment", enrolment::Ports::from_process, enrolment::router).await?,
            self.router("approval", approval::Ports::from_process, approval::router).await?,
        ];
        let ports = self.ports("delivery", delivery::Ports::from_process).await?;
        let ports = Arc::new(ports);
        let delivery: Consume = Arc::new(move |event| {
            let ports = ports.clone();
            Box::pin(async move { Ok(delivery::handle(&ports, event).await) })
        });
        Ok(Functions { routers: HashMap::from(routers), delivery })
    }

    /// A function's process: what it is told of, and calls by its own role.
    ///
    /// # Errors
    /// [`Failure`] when its keys can't be read.
    pub async fn process(&self, function: &str) -> Result<Process, Failure> {
        let mut settings = (*self.settings).clone();
        settings.voice_origin.get_or_insert_with(|| CALLER.to_owned());
        let resources = self.cloud.resources(function);
        let parts = process::Parts {
            settings: Arc::new(settings),
            aws: emulated(self.cloud.endpoint(), function),
            clock: self.system.clock.clone(),
            entropy: self.system.entropy.clone(),
            metrics: Arc::new(LoggedMetrics),
            resources: Box::new(move |variable| resources.get(variable).cloned()),
            memory: self.memory.clone(),
        };
        Process::of(parts).await.map_err(|error| why(function, &error))
    }

    async fn ports<P>(
        &self,
        function: &str,
        ports: fn(&Process) -> Result<P, StartError>,
    ) -> Result<P, Failure> {
        ports(&self.process(function).await?).map_err(|error| why(function, &error))
    }

    async fn router<P>(
        &self,
        function: &str,
        ports: fn(&Process) -> Result<P, StartError>,
        router: fn(P) -> Router,
    ) -> Result<(String, Router), Failure> {
        Ok((function.to_owned(), router(self.ports(function, ports).await?)))
    }
}

/// Why a function does not start, with all causes.
fn why(function: &str, error: &StartError) -> Failure {
    let first: &(dyn Error + 'static) = error;
    let causes = std::iter::successors(Some(first), |error| (*error).source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    Failure::new(format!("{function} does not start: {}", causes.join(": ")))
}

/// Metrics as lines of the log: nobody reads the embedded format of `CloudWatch` here.
struct LoggedMetrics;

impl Metrics for LoggedMetrics {
    fn count(&self, metric: Metric, at: Timestamp) {
        tracing::warn!(metric = metric.name(), %at, "counted");
    }
}
