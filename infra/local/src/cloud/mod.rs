//! The local cloud: AWS's services as far as Rekey uses them, spoken to by the real SDK clients over loopback.
//!
//! The store has a port of its own; everything else shares one and is told apart as AWS does it, by
//! `X-Amz-Target` or by `Action` and `Version`. Every call must carry an `Authorization` header as the SDKs send
//! it: its signature is not checked, but a page of some website can't send one without being asked first.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::routing::post;
use dynoxide::Database;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::failure::Failure;
use crate::outbox::Outbox;
use crate::system::System;
use crate::template::Template;

pub mod dynamodb;
pub mod queue;
pub mod secrets;
pub mod ses;
pub mod sns;
pub mod sqs;
pub mod voice;
pub mod wire;

use queue::Queues;
use secrets::Secrets;
use wire::{Fault, json_response, query_response};

/// The account that everything local belongs to.
pub const ACCOUNT: &str = "000000000000";
/// The region that everything local lies in; near the first users.
pub const REGION: &str = "ap-southeast-1";
/// The longest call: a batch of SQS and its escapes.
const CALL_MAX: usize = 8 * 1_048_576;

/// The local cloud, serving.
pub struct Cloud {
    store: SocketAddr,
    services: SocketAddr,
    template: Template,
    state: Arc<Services>,
    /// The store itself.
    pub database: Database,
}

struct Services {
    system: System,
    origin: String,
    outbox: Outbox,
    queues: Arc<Queues>,
    secrets: Arc<Secrets>,
}

impl Cloud {
    /// Starts the cloud on free ports of the loopback interface, until `stop` turns true. `folder` keeps the
    /// state; without one it lives in memory.
    ///
    /// # Errors
    /// [`Failure`] when the folder can't be used or no port is free.
    pub async fn start(
        system: &System,
        template: Template,
        folder: Option<&Path>,
        outbox: Outbox,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, Failure> {
        let secrets = match folder {
            Some(folder) => Secrets::keep(system, &template.secrets, &folder.join("secrets.json"))?,
            None => Secrets::generate(system, &template.secrets),
        };
        let file = folder.map(|folder| folder.join("store.db"));
        let database = dynamodb::open(file.as_deref(), &template.tables)?;
        let (store_listener, store) = loopback().await?;
        let (services_listener, services) = loopback().await?;
        let state = Arc::new(Services {
            system: system.clone(),
            origin: format!("http://{services}"),
            outbox,
            queues: Arc::new(Queues::new(system.clone(), template.queues.clone())),
            secrets: Arc::new(secrets),
        });
        tokio::spawn(dynamodb::serve(store_listener, database.clone(), stop.clone()));
        tokio::spawn(crate::serve::serve(services_listener, router(state.clone()), stop));
        Ok(Self { store, services, template, state, database })
    }

    /// Everything that functions and SDK clients read from the environment to work with this cloud.
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut pairs = vec![
            ("AWS_REGION".to_owned(), REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID".to_owned(), "local".to_owned()),
            ("AWS_SECRET_ACCESS_KEY".to_owned(), "local".to_owned()),
            ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), format!("http://{}", self.store)),
        ];
        for service in ["SQS", "SNS", "SES", "PINPOINT_SMS_VOICE_V2", "SECRETS_MANAGER"] {
            pairs.push((format!("AWS_ENDPOINT_URL_{service}"), self.state.origin.clone()));
        }
        let variables = self.template.variables.keys();
        pairs.extend(variables.filter_map(|variable| Some((variable.clone(), self.resource(variable)?))));
        pairs
    }

    /// The name, URL or ARN behind an environment variable, as `!Ref` in the template gives it to functions.
    pub fn resource(&self, variable: &str) -> Option<String> {
        let id = self.template.variables.get(variable)?;
        Some(if self.template.queues.contains_key(id) {
            sqs::queue_url(&self.state.origin, id)
        } else if self.template.secrets.contains_key(id) {
            secrets::secret_arn(id)
        } else {
            id.clone()
        })
    }

    /// The address of the store.
    pub const fn store(&self) -> SocketAddr {
        self.store
    }

    /// The address of every service but the store.
    pub const fn services(&self) -> SocketAddr {
        self.services
    }

    /// The queues.
    pub fn queues(&self) -> Arc<Queues> {
        self.state.queues.clone()
    }

    /// The value of the secret that an environment variable names.
    pub fn secret(&self, variable: &str) -> Option<&str> {
        self.state.secrets.value(self.template.variables.get(variable)?)
    }
}

/// An ARN of the local account.
pub fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
}

async fn loopback() -> Result<(TcpListener, SocketAddr), Failure> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    crate::serve::listen("a port of the local cloud", any).await
}

fn router(state: Arc<Services>) -> Router {
    Router::new().route("/", post(call)).layer(DefaultBodyLimit::max(CALL_MAX)).with_state(state)
}

async fn call(State(services): State<Arc<Services>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let request = services.system.id();
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let target = text(header::HeaderName::from_static("x-amz-target"));
    let signed = text(header::AUTHORIZATION).is_some_and(|value| value.starts_with("AWS4-"));
    if !signed {
        let mut fault = Fault::new("MissingAuthenticationTokenException", "Missing Authentication Token");
        fault.status = StatusCode::FORBIDDEN;
        return json_response(Err(fault), "1.0", &request);
    }
    let Some(target) = target else {
        return services.query(&body, &request);
    };
    let (service, operation) = target.split_once('.').unwrap_or((target, ""));
    match service {
        "AmazonSQS" => {
            let answer = sqs::call(&services.queues, &services.origin, operation, &body).await;
            json_response(answer, "1.0", &request)
        }
        "PinpointSMSVoiceV2" => {
            json_response(voice::call(&services.outbox, operation, &body), "1.0", &request)
        }
        "secretsmanager" => json_response(services.secrets.call(operation, &body), "1.1", &request),
        _ => {
            let fault = Fault::new("UnknownOperationException", format!("{service} is not emulated"));
            json_response(Err(fault), "1.0", &request)
        }
    }
}

impl Services {
    fn query(&self, body: &[u8], request: &str) -> Response<Body> {
        let form = wire::read_form(body);
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        let action = field("Action");
        match field("Version") {
            sns::VERSION => {
                query_response(sns::call(&self.outbox, action, &form), action, sns::NAMESPACE, request)
            }
            ses::VERSION => {
                query_response(ses::call(&self.outbox, action, &form), action, ses::NAMESPACE, request)
            }
            _ => {
                let fault = Fault::new("InvalidAction", "neither an X-Amz-Target nor a known Version");
                query_response(Err(fault), "", "http://webservices.amazon.com/", request)
            }
        }
    }
}
