//! The AWS emulator: the services that Rekey uses, called by the real SDK clients over loopback.
//!
//! All services share one port. `X-Amz-Target`, or `Action` and `Version`, distinguishes them, as at AWS. Every call
//! must carry an `Authorization` header as the SDKs send it. The emulator doesn't check the signature. The access key
//! in the header selects the role that the call is checked against ([`roles`]). A web page can't send that header
//! without a CORS preflight.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path as UrlPath, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::dev_inbox::DevInbox;
use crate::system::System;
use crate::template::Template;
use crate::template::document::text;
use rekey_people::Failure;

pub mod dynamodb;
pub mod lambda;
pub mod logs;
pub mod push;
pub mod queue;
pub mod roles;
pub mod secrets;
pub mod ses;
pub mod sns;
pub mod sqs;
pub mod ssm;
mod sts;
pub mod voice;
pub mod wire;

use dynamodb::Store;
use lambda::{Invokables, Invoke};
use logs::Logs;
use push::PushService;
use queue::Queues;
use roles::{ADMINISTRATOR, Call, Roles};
use secrets::Secrets;
use ssm::Parameters;
use wire::{Form, ServiceError, json_response, query_response};

/// The account id in every ARN of the emulator.
pub const ACCOUNT: &str = "000000000000";
/// The region in every ARN of the emulator: the one nearest to the first users.
pub const REGION: &str = "ap-southeast-1";
/// Maximum body of a call, in bytes: an SQS batch of 1 MiB with room for JSON escapes.
const CALL_MAX: usize = 8 * 1_048_576;

/// The fault that a test injects into a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFault {
    /// No fault.
    None,
    /// The service is unavailable (5xx); the call has no effect.
    Unavailable,
    /// The service throttles; the call has no effect.
    Throttled,
    /// The service refuses the call with an error of its own; the call has no effect.
    Refused {
        /// The error's name (`MessageRejected`).
        code: &'static str,
        /// The error's message, as the service words it.
        message: &'static str,
        /// Further members of a JSON service's error, as a JSON object; empty for none.
        members: &'static str,
    },
    /// The call takes effect, but the caller gets an error.
    ResponseLost,
    /// The call takes effect and is answered after a delay, even if the caller has stopped waiting.
    Delayed(Duration),
}

/// Chooses the fault of each call.
pub type FaultInjector = Arc<dyn Fn(&Call) -> CallFault + Send + Sync>;

/// Where the emulator keeps its state.
#[derive(Debug, Clone, Copy)]
pub enum Storage<'a> {
    /// In the memory of this process; it is lost when the process ends.
    Process,
    /// In files of this folder.
    Folder(&'a Path),
    /// In memory and without a database: the caller keeps the tables elsewhere.
    WithoutTables,
}

/// The running AWS emulator.
pub struct Emulator {
    address: SocketAddr,
    state: Arc<Services>,
}

struct Services {
    system: System,
    origin: String,
    template: Template,
    roles: Roles,
    store: Option<Store>,
    dev_inbox: DevInbox,
    queues: Arc<Queues>,
    secrets: Secrets,
    parameters: Parameters,
    logs: Logs,
    invokables: Mutex<Invokables>,
    calls: Mutex<BTreeMap<Call, u64>>,
    injector: Mutex<Option<FaultInjector>>,
    /// Number of calls that still wait to take effect ([`CallFault::Delayed`]).
    delayed_calls: watch::Sender<usize>,
}

impl Emulator {
    /// Starts the emulator on free ports of the loopback interface, until `stop` turns true.
    ///
    /// # Errors
    /// [`Failure`] if the folder can't be used or no port is free.
    pub async fn start(
        system: &System,
        template: Template,
        storage: Storage<'_>,
        dev_inbox: DevInbox,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, Failure> {
        let (folder, has_tables) = match storage {
            Storage::Process => (None, true),
            Storage::Folder(folder) => (Some(folder), true),
            Storage::WithoutTables => (None, false),
        };
        let secrets = match folder {
            Some(folder) => {
                Secrets::load_or_generate(system, &template.secrets, &folder.join("secrets.json"))?
            }
            None => Secrets::generate(system, &template.secrets),
        };
        let logs = match folder {
            Some(folder) => Logs::open(folder).map_err(|error| {
                Failure::new(format!("{}: the log can't be kept there: {error}", folder.display()))
            })?,
            None => Logs::default(),
        };
        let store = if has_tables {
            let file = folder.map(|folder| folder.join("store.db"));
            let database = dynamodb::open(file.as_deref(), &template.tables)?;
            let (listener, address) = loopback().await?;
            if system.has_machine_clock() {
                tokio::spawn(dynamodb::sweep(database.clone(), stop.clone()));
            }
            tokio::spawn(dynamodb::serve(listener, database, stop.clone()));
            Some(Store::at(address))
        } else {
            None
        };
        let (listener, address) = loopback().await?;
        let state = Arc::new(Services {
            system: system.clone(),
            origin: format!("http://{address}"),
            roles: Roles::from_template(&template),
            store,
            dev_inbox,
            queues: Arc::new(Queues::new(system.clone(), template.queues.clone())),
            secrets,
            parameters: Parameters::default(),
            logs,
            invokables: Mutex::default(),
            template,
            calls: Mutex::default(),
            injector: Mutex::default(),
            delayed_calls: watch::Sender::new(0),
        });
        tokio::spawn(crate::serve::serve(listener, router(state.clone()), stop));
        Ok(Self { address, state })
    }

    /// Returns the environment variables that functions and SDK clients need to use this emulator.
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut pairs = vec![
            ("AWS_REGION".to_owned(), REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID".to_owned(), ADMINISTRATOR.to_owned()),
            ("AWS_SECRET_ACCESS_KEY".to_owned(), ADMINISTRATOR.to_owned()),
            ("AWS_ENDPOINT_URL".to_owned(), self.state.origin.clone()),
        ];
        pairs.extend(self.resources(ADMINISTRATOR));
        // No function invokes these, so no variable of theirs names them.
        for (function, variable) in
            [("help-desk", "REKEY_FUNCTION_HELP_DESK"), ("directory-sync", "REKEY_FUNCTION_DIRECTORY_SYNC")]
        {
            pairs.extend(self.function_name(function).map(|name| (variable.to_owned(), name)));
        }
        pairs
    }

    /// Returns the resources that a function may know: names, URLs and ARNs by environment variable, as `!Ref`
    /// returns them. [`ADMINISTRATOR`] gets those of every function.
    pub fn resources(&self, principal: &str) -> BTreeMap<String, String> {
        let template = &self.state.template;
        let told = template.functions.iter().filter(|(name, _)| [name, ADMINISTRATOR].contains(&principal));
        let variables = told.flat_map(|(_, function)| template.named_by(function));
        variables.map(|(variable, id)| (variable.to_owned(), self.name_of(id))).collect()
    }

    /// Returns the name, URL or ARN of an environment variable, whichever function has it.
    pub fn any_resource(&self, variable: &str) -> Option<String> {
        self.state.template.resource(variable).map(|id| self.name_of(id))
    }

    fn name_of(&self, id: &str) -> String {
        let Services { template, origin, .. } = &*self.state;
        if template.queues.contains_key(id) {
            sqs::queue_url(origin, id)
        } else if template.secrets.contains_key(id) {
            secrets::secret_arn(id)
        } else {
            log_name(template, id).unwrap_or_else(|| id.to_owned())
        }
    }

    /// The base URL of all services.
    pub fn endpoint(&self) -> &str {
        &self.state.origin
    }

    /// The socket address of [`Emulator::endpoint`].
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The queues, to read them without SQS calls.
    pub fn queues(&self) -> Arc<Queues> {
        self.state.queues.clone()
    }

    /// Returns the value of the secret that an environment variable names.
    pub fn secret(&self, variable: &str) -> Option<String> {
        self.state.secrets.value(self.state.template.resource(variable)?)
    }

    /// Replaces the value of the secret that an environment variable names, as an operator does who rotates keys.
    /// Functions read secrets when they start.
    pub fn put_secret(&self, variable: &str, value: String) {
        if let Some(name) = self.state.template.resource(variable) {
            self.state.secrets.put(name, value);
        }
    }

    /// Replaces the value of the secret with this ARN, which need not be one of template.yaml.
    pub fn put_secret_by_arn(&self, arn: &str, value: String) {
        self.state.secrets.put(secrets::name_of(arn), value);
    }

    /// Writes the parameter that an environment variable names, as an operator does.
    pub fn put_parameter(&self, variable: &str, value: String) {
        if let Some(name) = self.state.template.resource(variable) {
            self.state.parameters.put(name, value);
        }
    }

    /// Adds functions that may be invoked, by the crate of each.
    pub fn set_invokables(&self, functions: impl IntoIterator<Item = (&'static str, Invoke)>) {
        let named = functions
            .into_iter()
            .filter_map(|(name, function)| Some((self.function_name(name)?, (function, lambda::TIMEOUT))));
        self.state.invokables.lock().unwrap_or_else(PoisonError::into_inner).extend(named);
    }

    /// Adds `directory-sync` to the functions that may be invoked.
    pub fn add_directory_sync(&self, function: Invoke) {
        let Some(name) = self.function_name("directory-sync") else { return };
        let mut invokables = self.state.invokables.lock().unwrap_or_else(PoisonError::into_inner);
        invokables.insert(name, (function, lambda::SYNC_TIMEOUT));
    }

    /// Returns the name of a function, by its crate or binary.
    pub fn function_name(&self, function: &str) -> Option<String> {
        self.state.template.functions.get(function).map(|function| function.id.clone())
    }

    /// Returns the log.
    pub fn logs(&self) -> &Logs {
        &self.state.logs
    }

    /// Returns the events that operators' commands wrote, the earliest first.
    pub fn operator_events(&self) -> Vec<Value> {
        self.state.logs.events()
    }

    /// Returns every kind of call that was allowed, with its count.
    pub fn calls(&self) -> BTreeMap<Call, u64> {
        self.state.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the function that injects faults into calls from now on; `None` removes it.
    pub fn inject_faults(&self, injector: Option<FaultInjector>) {
        *self.state.injector.lock().unwrap_or_else(PoisonError::into_inner) = injector;
    }

    /// Waits until every delayed call ([`CallFault::Delayed`]) has taken effect.
    pub async fn idle(&self) {
        // The sender lives as long as this emulator, so this wait always ends.
        let _ = self.state.delayed_calls.subscribe().wait_for(|late| *late == 0).await;
    }
}

/// Returns the name of a log group, in a stack named `local`.
fn log_name(template: &Template, id: &str) -> Option<String> {
    let group = template.document.resource(id);
    let name =
        text(&group["Properties"]["LogGroupName"]).filter(|_| group["Type"] == "AWS::Logs::LogGroup")?;
    Some(name.replace("${AWS::StackName}", "local"))
}

/// Builds an ARN in the emulator's account.
pub fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
}

async fn loopback() -> Result<(TcpListener, SocketAddr), Failure> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    crate::serve::listen("the AWS emulator at", any).await
}

fn router(state: Arc<Services>) -> Router {
    let pushes = PushService {
        system: state.system.clone(),
        dev_inbox: state.dev_inbox.clone(),
        origin: state.origin.clone(),
    };
    let push = Router::new().route("/push/{subscription}", post(push::receive)).with_state(pushes);
    Router::new()
        .route("/", post(answer))
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .with_state(state)
        .merge(push)
        .layer(DefaultBodyLimit::max(CALL_MAX))
}

async fn answer(State(services): State<Arc<Services>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let protocol = Protocol::detect(target, &body);
    check_and_execute(services, protocol, headers, body).await
}

async fn invoke(
    State(services): State<Arc<Services>>,
    UrlPath(function): UrlPath<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    check_and_execute(services, Protocol::Invoke { function }, headers, body).await
}

/// Checks a call against the caller's role, and executes it with the fault that a test injects.
async fn check_and_execute(
    services: Arc<Services>,
    protocol: Protocol,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let request = services.system.id();
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(principal) = text(header::AUTHORIZATION).and_then(roles::principal) else {
        let mut error =
            ServiceError::new("MissingAuthenticationTokenException", "Missing Authentication Token");
        error.status = StatusCode::FORBIDDEN;
        return protocol.refuse(error, &request);
    };
    let calls = protocol.calls(principal, &body);
    if let Some(call) = calls.iter().find(|call| !services.roles.allow(call)) {
        tracing::error!(?call, "the function's role in template.yaml does not allow this call");
        let why = format!("{principal} is not authorized to perform: {}", call.action);
        return protocol.refuse(ServiceError::new("AccessDeniedException", why), &request);
    }
    match services.choose_fault(calls) {
        CallFault::None => services.execute(principal, &protocol, &headers, body, &request).await,
        CallFault::Delayed(wait) => {
            services.delayed_calls.send_modify(|late| *late += 1);
            // A task of its own, so that the call takes effect even if the caller stops waiting.
            let principal = principal.to_owned();
            let execution = tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                let response = services.execute(&principal, &protocol, &headers, body, &request).await;
                services.delayed_calls.send_modify(|late| *late -= 1);
                response
            });
            execution.await.unwrap_or_else(|_| Response::new(Body::empty()))
        }
        CallFault::Unavailable => protocol.refuse(internal_failure(), &request),
        CallFault::Throttled => {
            protocol.refuse(ServiceError::new("ThrottlingException", "a test injected this fault"), &request)
        }
        CallFault::Refused { code, message, members } => {
            let members = serde_json::from_str(members).unwrap_or_else(|_| json!({}));
            protocol.refuse(ServiceError::new(code, message).with(members), &request)
        }
        CallFault::ResponseLost => {
            services.execute(principal, &protocol, &headers, body, &request).await;
            protocol.refuse(internal_failure(), &request)
        }
    }
}

/// An error that the SDKs retry.
fn internal_failure() -> ServiceError {
    ServiceError {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        ..ServiceError::new("InternalFailure", "a test injected this fault")
    }
}

/// A call by its protocol and service.
enum Protocol {
    Json { service: String, operation: String },
    Query { form: Form },
    Invoke { function: String },
}

impl Protocol {
    fn detect(target: Option<&str>, body: &[u8]) -> Self {
        match target {
            Some(target) => {
                let (service, operation) = target.split_once('.').unwrap_or((target, ""));
                Self::Json { service: service.to_owned(), operation: operation.to_owned() }
            }
            None => Self::Query { form: wire::read_form(body) },
        }
    }

    /// Returns the calls that IAM would check: a transaction is checked write by write.
    fn calls(&self, principal: &str, body: &[u8]) -> Vec<Call> {
        let read: Value = match self {
            Self::Json { .. } => serde_json::from_slice(body).unwrap_or_default(),
            Self::Query { .. } | Self::Invoke { .. } => Value::Null,
        };
        let writes = read["TransactItems"].as_array().into_iter().flatten();
        let writes = writes.filter_map(Value::as_object).flatten().map(|(write, of)| {
            let (service, operation) = (dynamodb::SERVICE.to_owned(), format!("{write}Item"));
            Self::Json { service, operation }.call(principal, of)
        });
        let writes: Vec<Call> = writes.collect();
        if writes.is_empty() { vec![self.call(principal, &read)] } else { writes }
    }

    fn call(&self, principal: &str, read: &Value) -> Call {
        let (action, resource) = match self {
            Self::Json { service, operation } => {
                let member = |name: &str| read[name].as_str().map(str::to_owned);
                match service.as_str() {
                    dynamodb::SERVICE => {
                        // A batch names its tables as members; those of Rekey have one table.
                        let batch = read["RequestItems"].as_object().and_then(|tables| tables.keys().next());
                        let table = member("TableName").or_else(|| batch.cloned());
                        (format!("dynamodb:{operation}"), table)
                    }
                    "AmazonSQS" => {
                        let url = member("QueueUrl").or_else(|| member("QueueName")).unwrap_or_default();
                        let queue = url.rsplit('/').next().unwrap_or_default().to_owned();
                        // A batch needs the permission of the single action.
                        (format!("sqs:{}", operation.trim_end_matches("Batch")), Some(queue))
                    }
                    "PinpointSMSVoiceV2" => (format!("sms-voice:{operation}"), None),
                    "AmazonSSM" => {
                        (format!("ssm:{operation}"), member("Name").map(|name| ssm::parameter_arn(&name)))
                    }
                    logs::SERVICE => (format!("logs:{operation}"), None),
                    "secretsmanager" => {
                        let named = member("SecretId").map(|id| secrets::name_of(&id).to_owned());
                        (format!("secretsmanager:{operation}"), named)
                    }
                    other => (format!("{other}:{operation}"), None),
                }
            }
            Self::Invoke { function } => ("lambda:InvokeFunction".to_owned(), Some(function.clone())),
            Self::Query { form } => {
                let field = |name: &str| form.get(name).map_or("", String::as_str);
                let service = match field("Version") {
                    sns::VERSION => "sns",
                    ses::VERSION => "ses",
                    sts::VERSION => "sts",
                    _ => "unknown",
                };
                (format!("{service}:{}", field("Action")), None)
            }
        };
        // A batch says inside what it asks of its table.
        let asked =
            read["RequestItems"].as_object().and_then(|tables| tables.values().next()).unwrap_or(read);
        let consistent = asked["ConsistentRead"].as_bool().unwrap_or_default();
        // Expressions name every attribute by a placeholder.
        let names = asked["ExpressionAttributeNames"].as_object().into_iter().flatten();
        let names = names.filter_map(|(_, name)| name.as_str()).map(str::to_owned);
        let keys = std::iter::once(&asked["Key"]).chain(asked["Keys"].as_array().into_iter().flatten());
        let written = asked.as_array().into_iter().flatten();
        let written =
            written.flat_map(|write| [&write["PutRequest"]["Item"], &write["DeleteRequest"]["Key"]]);
        let whole = keys.chain(written).filter_map(Value::as_object).flatten().map(|(name, _)| name.clone());
        let selects = asked["ProjectionExpression"].is_string();
        let is_bounded =
            selects || ["dynamodb:UpdateItem", "dynamodb:BatchWriteItem"].contains(&action.as_str());
        let mut attributes: Vec<String> = if is_bounded { names.chain(whole).collect() } else { Vec::new() };
        attributes.sort_unstable();
        attributes.dedup();
        Call { principal: principal.to_owned(), action, resource, attributes, selects, consistent }
    }

    fn refuse(&self, error: ServiceError, request: &str) -> Response<Body> {
        match self {
            Self::Json { .. } | Self::Invoke { .. } => json_response(Err(error), "1.0", request),
            Self::Query { .. } => query_response(Err(error), "", "http://webservices.amazon.com/", request),
        }
    }
}

impl Services {
    /// Returns whether the caller's role may read one secret of a batch, and counts the read.
    fn may_read_secret(&self, principal: &str, name: &str) -> bool {
        let call = Call {
            principal: principal.to_owned(),
            action: "secretsmanager:GetSecretValue".to_owned(),
            resource: Some(name.to_owned()),
            attributes: Vec::new(),
            selects: false,
            consistent: false,
        };
        let allowed = self.roles.allow(&call);
        if allowed {
            *self.calls.lock().unwrap_or_else(PoisonError::into_inner).entry(call).or_default() += 1;
        }
        allowed
    }

    /// Counts the calls and returns the fault of the first one, which applies to all of them.
    fn choose_fault(&self, calls: Vec<Call>) -> CallFault {
        let injector = self.injector.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let first = injector.zip(calls.first());
        let fault = first.map_or(CallFault::None, |(injector, first)| injector(first));
        let mut counts = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        for call in calls {
            *counts.entry(call).or_default() += 1;
        }
        fault
    }

    fn invokable(&self, function: &str) -> Option<(Invoke, Duration)> {
        self.invokables.lock().unwrap_or_else(PoisonError::into_inner).get(function).cloned()
    }

    async fn execute(
        &self,
        principal: &str,
        protocol: &Protocol,
        headers: &HeaderMap,
        body: Bytes,
        request: &str,
    ) -> Response<Body> {
        match protocol {
            Protocol::Json { service, operation } => match (service.as_str(), &self.store) {
                (dynamodb::SERVICE, Some(store)) => store.forward(headers, body).await,
                ("AmazonSQS", _) => json_response(
                    sqs::call(&self.queues, &self.origin, operation, &body).await,
                    "1.0",
                    request,
                ),
                ("PinpointSMSVoiceV2", _) => {
                    json_response(voice::call(&self.dev_inbox, operation, &body), "1.0", request)
                }
                ("secretsmanager", _) => {
                    let may_read = |name: &str| self.may_read_secret(principal, name);
                    json_response(self.secrets.call(operation, &body, &may_read), "1.1", request)
                }
                ("AmazonSSM", _) => json_response(self.parameters.call(operation, &body), "1.1", request),
                (logs::SERVICE, _) => json_response(self.logs.call(operation, &body), "1.1", request),
                (other, _) => {
                    let error = ServiceError::new("UnknownOperationException", wire::unsupported(other));
                    protocol.refuse(error, request)
                }
            },
            Protocol::Invoke { function } => lambda::invoke(self.invokable(function), body, request).await,
            Protocol::Query { form } => {
                let field = |name: &str| form.get(name).map_or("", String::as_str);
                let action = field("Action");
                match field("Version") {
                    sns::VERSION => query_response(
                        sns::call(&self.dev_inbox, action, form),
                        action,
                        sns::NAMESPACE,
                        request,
                    ),
                    ses::VERSION => {
                        let answer = ses::call(&self.dev_inbox, action, form);
                        if answer.is_ok()
                            && let Some(event) = ses::failure(form, self.system.now())
                            && let Some(queue) = self.template.queue_of_mail_events()
                        {
                            // The template's own queue exists.
                            let _ = self.queues.send(&queue, event.to_string(), None);
                        }
                        query_response(answer, action, ses::NAMESPACE, request)
                    }
                    sts::VERSION => {
                        query_response(sts::call(ACCOUNT, principal, action), action, sts::NAMESPACE, request)
                    }
                    _ => {
                        let why = "the call has neither an X-Amz-Target nor a known Version";
                        protocol.refuse(ServiceError::new("InvalidAction", why), request)
                    }
                }
            }
        }
    }
}
