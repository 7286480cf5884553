//! Builds all functions in one process, each with the ports that it has in Lambda ([`Process`]). A function knows
//! only the resources that template.yaml gives it. It calls with its own name as access key, so that the AWS emulator
//! checks its own role.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use shared::adapters::aws::emulated;
use shared::adapters::memory::Memory;
use shared::domain::captcha::CaptchaChallenge;
use shared::domain::time::Timestamp;
use shared::ports::{DirectoryPeople, LivePasswordDirectory, Metric, Metrics, SignInDirectory};
use shared::process::{self, Process, StartError};
use shared::settings::{DirectoryKind, Settings};

use crate::emulator::Emulator;
use crate::emulator::lambda::{Invoke, invokable};
use crate::emulator::roles::ADMINISTRATOR;
use crate::import::Tables;
use crate::schedule::Task;
use crate::system::System;
use crate::worker::Consume;
use rekey_people::failure::{Failure, with_causes};

/// The functions behind the gateway and the queue.
pub struct Functions {
    /// The functions with pages, by crate name.
    pub routers: HashMap<String, Router>,
    /// The function that consumes the queue.
    pub delivery: Consume,
    /// The function that a schedule invokes every day.
    pub housekeeping: Task,
    /// Its task of every hour.
    pub audit: Task,
}

/// The parts that functions are built from.
pub struct Parts<'a> {
    /// The AWS emulator.
    pub emulator: &'a Emulator,
    /// The parameters, as functions read them from their environment.
    pub settings: Arc<Settings>,
    /// Clock and entropy, shared by all functions.
    pub system: System,
    /// The tables, if they are in memory and not in the DynamoDB emulator.
    pub memory: Option<Arc<Memory>>,
    /// The test double of the organisation's own directory; without it, the one of the document.
    pub live_directory: Option<Arc<dyn LivePasswordDirectory>>,
    /// The test double of its people.
    pub directory_people: Option<Arc<dyn DirectoryPeople>>,
}

impl Parts<'_> {
    /// Returns the tables for importing people, with the administrator's access.
    ///
    /// # Errors
    /// [`Failure`] if template.yaml lacks one of them.
    pub async fn tables(&self) -> Result<Tables, Failure> {
        let administrator = self.process(ADMINISTRATOR).await?;
        Tables::from_process(&administrator).map_err(|error| why(ADMINISTRATOR, &error))
    }

    /// Returns the function that reveals the answer of an unexpired CAPTCHA token.
    ///
    /// # Errors
    /// [`Failure`] if template.yaml lacks the secret.
    pub async fn captcha_answers(
        &self,
    ) -> Result<impl Fn(&str) -> Option<String> + Send + Sync + use<>, Failure> {
        let administrator = self.process(ADMINISTRATOR).await?;
        let keys =
            administrator.keyring("REKEY_SECRET_CAPTCHA").map_err(|error| why(ADMINISTRATOR, &error))?;
        let clock = self.system.clock.clone();
        Ok(move |token: &str| Some(CaptchaChallenge::open(token, &keys, clock.now()).ok()?.answer()))
    }

    /// Returns the check of passwords in the organisation's own directory, for the dev inbox.
    ///
    /// # Errors
    /// [`Failure`] if template.yaml lacks what it needs.
    pub async fn sign_in_directory(&self) -> Result<Arc<dyn SignInDirectory>, Failure> {
        let administrator = self.process(ADMINISTRATOR).await?;
        administrator.sign_in_directory().map_err(|error| why(ADMINISTRATOR, &error))
    }

    /// Builds every function. Those that are invoked are ready for it afterwards.
    ///
    /// # Errors
    /// [`Failure`] if template.yaml lacks a setting that a function needs, or a parameter is invalid.
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
            self.router("help-desk", help_desk::Ports::from_process, help_desk::router).await?,
        ];
        let ports = self.ports("delivery", delivery::Ports::from_process).await?;
        let ports = Arc::new(ports);
        let delivery: Consume = Arc::new(move |event| {
            let ports = ports.clone();
            Box::pin(async move { Ok(delivery::handle(&ports, event).await) })
        });
        let ports = Arc::new(self.ports("housekeeping", housekeeping::Ports::from_process).await?);
        let housekeeping: Task = Arc::new(move || {
            let ports = ports.clone();
            Box::pin(async move { housekeeping::handle(&ports).await.map_err(|error| with_causes(&*error)) })
        });
        let ports = Arc::new(self.ports("housekeeping", housekeeping::audit::Ports::from_process).await?);
        let audit: Task = Arc::new(move || {
            let ports = ports.clone();
            Box::pin(async move {
                housekeeping::audit::handle(&ports).await.map_err(|error| with_causes(&*error))
            })
        });
        self.answer_invocations().await?;
        Ok(Functions { routers: HashMap::from(routers), delivery, housekeeping, audit })
    }

    /// Builds the functions that agents and functions invoke, and makes the emulator answer for them.
    ///
    /// # Errors
    /// [`Failure`] as for [`Parts::functions`].
    pub async fn answer_invocations(&self) -> Result<(), Failure> {
        let mut invokables = vec![("help-desk", self.help_desk().await?)];
        if matches!(self.settings.directory, DirectoryKind::Remote(_)) {
            invokables.extend(self.directory_functions().await?);
        }
        self.emulator.set_invokables(invokables);
        Ok(())
    }

    /// Builds `directory-sync`, which a schedule and operators invoke.
    ///
    /// # Errors
    /// [`Failure`] if it can't start.
    pub async fn directory_sync(&self) -> Result<Task, Failure> {
        let process = self.process("directory-sync").await?;
        let ports = directory::sync::Ports::from_process(&process).await;
        let ports = Arc::new(ports.map_err(|error| why("directory-sync", &error))?);
        let asked = ports.clone();
        self.emulator.add_directory_sync(Arc::new(move |body| {
            let ports = asked.clone();
            Box::pin(async move {
                let request = serde_json::from_slice(&body);
                let request = request.map_err(|_| "the request can't be read".to_owned())?;
                let synced = directory::sync::handle(&ports, request).await;
                let summary = synced.map_err(|error| with_causes(&*error))?;
                serde_json::to_vec(&summary).map_err(|error| error.to_string())
            })
        }));
        Ok(Arc::new(move || {
            let ports = ports.clone();
            Box::pin(async move {
                let synced = directory::sync::handle(&ports, directory::sync::Request::default()).await;
                synced.map(drop).map_err(|error| with_causes(&*error))
            })
        }))
    }

    /// Builds the function that agents invoke.
    async fn help_desk(&self) -> Result<Invoke, Failure> {
        let ports = Arc::new(self.ports("help-desk", help_desk::Ports::from_process).await?);
        Ok(invokable(move |request| {
            let ports = ports.clone();
            async move { help_desk::handle(&ports, request).await }
        }))
    }

    /// Builds the functions of the organisation's own directory.
    async fn directory_functions(&self) -> Result<[(&'static str, Invoke); 2], Failure> {
        let process = self.process("directory-read").await?;
        let ports = directory::read::Ports::from_process(&process).await;
        let reads = Arc::new(ports.map_err(|error| why("directory-read", &error))?);
        let process = self.process("directory-write").await?;
        let ports = directory::write::Ports::from_process(&process).await;
        let writes = Arc::new(ports.map_err(|error| why("directory-write", &error))?);
        let read = invokable(move |request| {
            let ports = reads.clone();
            async move { directory::read::handle(&ports, request).await }
        });
        let write = invokable(move |request| {
            let ports = writes.clone();
            async move { directory::write::handle(&ports, request).await }
        });
        Ok([("directory-read", read), ("directory-write", write)])
    }

    /// Builds a function's process, with its own resources and access key.
    ///
    /// # Errors
    /// [`Failure`] if its keys can't be read.
    pub async fn process(&self, function: &str) -> Result<Process, Failure> {
        let mut resources = self.emulator.resources(function);
        // As Lambda sets it.
        let name = self.emulator.function_name(function);
        resources.extend(name.map(|name| ("AWS_LAMBDA_FUNCTION_NAME".to_owned(), name)));
        let parts = process::Parts {
            settings: self.settings.clone(),
            aws: emulated(self.emulator.endpoint(), function),
            clock: self.system.clock.clone(),
            entropy: self.system.entropy.clone(),
            timer: self.system.timer.clone(),
            metrics: Arc::new(LoggedMetrics),
            resources: Box::new(move |variable| resources.get(variable).cloned()),
            memory: self.memory.clone(),
            live_directory: self.live_directory.clone(),
            directory_people: self.directory_people.clone(),
        };
        Process::from_parts(parts).await.map_err(|error| why(function, &error))
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

/// Reports why a function does not start, with all causes.
fn why(function: &str, error: &StartError) -> Failure {
    Failure::new(format!("{function} can't start: {}", with_causes(error)))
}

/// Writes metrics as log lines, because nothing here reads `CloudWatch`'s embedded metric format.
struct LoggedMetrics;

impl Metrics for LoggedMetrics {
    fn count(&self, metric: Metric, at: Timestamp) {
        tracing::warn!(metric = metric.name(), %at, "counted");
    }
}
