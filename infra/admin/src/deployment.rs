//! Finds a deployment: its parameters, its resources and its keys.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rekey_people::failure::with_causes;
use serde_json::Value;
use shared::adapters::agents::{self, OperatorLog};
use shared::adapters::aws::{SdkConfig, agent_key, config, emulated, with_region};
use shared::adapters::parameters;
use shared::adapters::stack::{self, DeployedFunction, Stack};
use shared::adapters::system::SystemClock;
use shared::domain::help_desk_call::{Act, HelpAnswer, What};
use shared::domain::keys::Keyring;
use shared::ports::AuditLog as _;
use shared::process::{PUBLIC_URL_PARAMETER, Process};
use shared::settings::{DirectoryKind, PUBLIC_URL, Settings, aws};

use crate::cli::Global;
use crate::outcome::Problem;

/// The longest wait for the dev inbox.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The most that it answers, in bytes.
const ANSWER_MAX: usize = 256 * 1_024;

/// The log of operators of a local environment.
const LOCAL_LOG: &str = "/rekey/local/operators";

/// What every command about people needs.
pub const PEOPLE: &[&str] =
    &["REKEY_TABLE_ACCOUNTS", "REKEY_TABLE_SECURITY_INFO", "REKEY_SECRET_CONTACTS", "REKEY_SECRET_FLOWS"];
/// What reading the accounts alone needs.
pub const ACCOUNTS: &[&str] = &["REKEY_TABLE_ACCOUNTS", "REKEY_SECRET_FLOWS"];
/// What an import needs besides.
pub const IMPORT: &[&str] = &["REKEY_SECRET_SEEDS", "REKEY_SECRET_MESSAGES", "REKEY_QUEUE_MESSAGES"];

/// What the audit trail needs.
pub const TRAIL: &[&str] = &["REKEY_LOG_OPERATOR", "REKEY_TABLE_SECURITY_INFO", "REKEY_SECRET_FLOWS"];

/// What a test of the directory needs besides.
pub const DIRECTORY: &[&str] = &["REKEY_FUNCTION_DIRECTORY_READ", "REKEY_FUNCTION_DIRECTORY_WRITE"];

/// The deployment that a command is about.
pub struct Deployment {
    /// Its ports, with the operator's own rights.
    pub process: Process,
    /// Its parameters.
    pub settings: Arc<Settings>,
    /// The keys of pseudonyms.
    pub flows: Arc<Keyring>,
    /// Who runs the command: the ARN of the caller, or the user of this machine.
    pub actor: String,
    /// The name of the stack, or the address of the local environment.
    pub name: String,
    /// Whether it is a local environment.
    pub is_local: bool,
    variables: BTreeMap<String, String>,
    aws: SdkConfig,
    operator_log: Option<String>,
}

impl Deployment {
    /// Finds a deployment. It reads the keys of those `needed` resources only.
    ///
    /// # Errors
    /// [`Problem`] that says what to do.
    pub async fn open(global: &Global, needed: &[&[&str]]) -> Result<Self, Problem> {
        Self::of(find(global).await?, needed).await
    }

    /// Opens a deployment that was found, as [`Deployment::open`] does.
    ///
    /// # Errors
    /// [`Problem`] that says what to do.
    pub async fn of(found: Found, needed: &[&[&str]]) -> Result<Self, Problem> {
        let Found { variables, aws, actor, name, operator_log, stack } = found;
        let settings =
            Settings::from_pairs(variables.clone()).map_err(|error| rekey_people::Failure::all(error.0))?;
        let needed: Vec<String> = needed.iter().copied().flatten().map(ToString::to_string).collect();
        let named = variables.clone();
        let resources = move |variable: &str| {
            named.get(variable).filter(|_| needed.iter().any(|name| name == variable)).cloned()
        };
        let process = Process::for_operator(settings, aws.clone(), Box::new(resources)).await;
        let process = process.map_err(|error| Problem::failed(with_causes(&error)))?;
        let flows = process.keyring("REKEY_SECRET_FLOWS");
        let flows = flows.map_err(|error| Problem::failed(with_causes(&error)))?;
        let (settings, is_local) = (process.settings(), stack.is_none());
        Ok(Self { process, settings, flows, actor, name, is_local, variables, aws, operator_log })
    }
}

impl Deployment {
    /// Returns the name or the ARN that a function has in a variable.
    pub fn resource(&self, variable: &str) -> Option<&str> {
        self.variables.get(variable).map(String::as_str)
    }

    /// Returns the function that syncs the organisation's own directory.
    ///
    /// # Errors
    /// [`Problem`] if there is none: the deployment has the built-in directory.
    pub async fn directory_sync(&self) -> Result<String, Problem> {
        if matches!(self.settings.directory, DirectoryKind::Builtin) {
            return Err(Problem::usage(
                "this deployment has the built-in directory, which needs no sync. Set RekeyDirectory to use your own",
            ));
        }
        if let Some(function) = self.resource("REKEY_FUNCTION_DIRECTORY_SYNC") {
            return Ok(function.to_owned());
        }
        let function = stack::find_directory_sync(&self.aws, self.process.clock(), &self.name).await;
        function.map_err(|error| Problem::failed(with_causes(&error)))
    }

    /// Syncs the organisation's own directory, and returns the summary.
    ///
    /// # Errors
    /// [`Problem`] with the reason why the sync failed.
    pub async fn sync(&self, function: &str, request: &Value) -> Result<Value, Problem> {
        let summary = stack::sync_directory(&self.aws, self.process.clock(), function, request).await;
        summary.map_err(|error| Problem::failed(with_causes(&error)))
    }

    /// Writes an event to the log of operators. A stack of an earlier template has none: then it goes to standard error.
    ///
    /// # Errors
    /// [`Problem`] if the log can't be written.
    pub async fn log(&self, event: &Value) -> Result<(), Problem> {
        let Some(log) = &self.operator_log else {
            let _ = writeln!(std::io::stderr().lock(), "{event}");
            return Ok(());
        };
        let log = OperatorLog::new(&self.aws, self.process.clock(), self.process.entropy(), log.clone());
        log.write(event).await.map_err(|error| Problem::failed(with_causes(&error)))
    }
}

/// Where a deployment was found.
#[derive(Clone)]
pub struct Found {
    /// The variables of its functions.
    pub variables: BTreeMap<String, String>,
    /// The credentials and the region, or the endpoint of a local environment.
    pub aws: SdkConfig,
    /// Who runs the command.
    pub actor: String,
    /// The name of the stack, or the address of the local environment.
    pub name: String,
    /// What the stack consists of; `None` for a local environment.
    pub stack: Option<Parts>,
    operator_log: Option<String>,
}

/// What a stack consists of.
#[derive(Clone)]
pub struct Parts {
    /// The names, addresses or ARNs of its resources, by their ids in template.yaml.
    pub resources: BTreeMap<String, String>,
    /// Its functions.
    pub functions: Vec<DeployedFunction>,
}

/// Returns the variables of a deployment's functions.
///
/// # Errors
/// [`Problem`] that says what to do.
pub async fn variables(global: &Global) -> Result<BTreeMap<String, String>, Problem> {
    Ok(find(global).await?.variables)
}

/// Finds a deployment.
///
/// # Errors
/// [`Problem`] that says what to do.
pub async fn find(global: &Global) -> Result<Found, Problem> {
    match (&global.local, &global.stack) {
        (Some(url), _) => local(url).await,
        (None, Some(name)) => deployed(name, global.region.clone()).await,
        (None, None) => Err(which()),
    }
}

/// Asks a local environment for its variables.
async fn local(url: &str) -> Result<Found, Problem> {
    let url = url.trim_end_matches('/');
    let uri: Uri = format!("{url}/environment").parse().map_err(|_| not_loopback(url))?;
    let host = uri.host().unwrap_or_default();
    if uri.scheme_str() != Some("http") || !["127.0.0.1", "localhost", "[::1]"].contains(&host) {
        return Err(not_loopback(url));
    }
    let client: Client<HttpConnector, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(uri).header(header::ACCEPT, "application/json").body(Empty::new());
    let request = request.map_err(|_| not_loopback(url))?;
    let unreachable = |why: &str| {
        Problem::failed(format!(
            "the local environment at {url} {why}. Start it with `cargo local`, or give the address of its dev inbox: \
             --local=URL"
        ))
    };
    let answer = tokio::time::timeout(TIMEOUT, client.request(request)).await;
    let answer =
        answer.map_err(|_| unreachable("does not answer"))?.map_err(|_| unreachable("can't be reached"))?;
    let status = answer.status();
    let body = http_body_util::Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
    let body = body.map_err(|_| unreachable("has no readable answer"))?.to_bytes();
    if status == StatusCode::CONFLICT {
        return Err(unreachable(
            "keeps its tables in its own memory, which no other process can reach (--memory)",
        ));
    }
    let variables: BTreeMap<String, String> =
        serde_json::from_slice(&body).map_err(|_| unreachable("is another program"))?;
    let variable = |name: &str| variables.get(name).cloned().ok_or_else(|| unreachable("is another program"));
    let aws = emulated(&variable("AWS_ENDPOINT_URL")?, &variable("AWS_ACCESS_KEY_ID")?);
    let operator_log = Some(LOCAL_LOG.to_owned());
    Ok(Found {
        variables,
        aws,
        actor: format!("local/{}", user()),
        name: url.to_owned(),
        operator_log,
        stack: None,
    })
}

fn not_loopback(url: &str) -> Problem {
    Problem::usage(format!(
        "--local={url}: not an address of this machine. Use that of the dev inbox, such as http://127.0.0.1:8025"
    ))
}

/// The function for the help desk, with the credentials of an agent.
pub struct HelpDesk {
    aws: SdkConfig,
    function: String,
}

impl HelpDesk {
    /// Finds the function. An agent needs the right to find and to invoke it, and no other.
    ///
    /// # Errors
    /// [`Problem`] that says what to do.
    pub async fn open(global: &Global) -> Result<Self, Problem> {
        match (&global.local, &global.stack) {
            (Some(url), _) => {
                let variables = local(url).await?.variables;
                let variable = |name: &str| {
                    let missing =
                        || Problem::failed(format!("the local environment at {url} names no {name}"));
                    variables.get(name).cloned().ok_or_else(missing)
                };
                let aws = emulated(&variable("AWS_ENDPOINT_URL")?, &agent_key("local", &user()));
                Ok(Self { aws, function: variable("REKEY_FUNCTION_HELP_DESK")? })
            }
            (None, Some(name)) => {
                let aws = credentials(global.region.clone())?;
                let function = stack::find_help_desk(&aws, Arc::new(SystemClock), name).await;
                let function = function.map_err(|error| Problem::failed(with_causes(&error)))?;
                Ok(Self { aws, function })
            }
            (None, None) => Err(which()),
        }
    }

    /// Asks for an act.
    ///
    /// # Errors
    /// [`Problem`] if the function can't be reached. The act may then have been carried out.
    pub async fn ask(&self, login: &str, what: What) -> Result<HelpAnswer, Problem> {
        let act = Act { login: login.to_owned(), what };
        let answer = stack::ask_help_desk(&self.aws, Arc::new(SystemClock), &self.function, &act).await;
        answer.map_err(|error| Problem::failed(with_causes(&error)))
    }
}

/// Returns the user of this machine, in the letters that names of agents have.
fn user() -> String {
    let user = shared::settings::resource("USER").unwrap_or_default();
    let user: String = user.chars().filter(|c| c.is_ascii_alphanumeric() || "+=,.@_-".contains(*c)).collect();
    if user.is_empty() { "unknown".to_owned() } else { user }
}

fn which() -> Problem {
    Problem::usage(
        "which deployment? Give --stack NAME (or set REKEY_STACK), or --local for a running `cargo local`",
    )
}

/// Returns the configuration of AWS's clients from the environment.
fn credentials(region: Option<String>) -> Result<SdkConfig, Problem> {
    let region = region.or_else(|| aws("AWS_DEFAULT_REGION")).ok_or_else(|| {
        Problem::usage("which region? Set AWS_REGION, or give --region, such as ap-southeast-1")
    })?;
    if aws("AWS_ACCESS_KEY_ID").is_none() {
        return Err(Problem::usage(
            "no AWS credentials in the environment. Sign in with the AWS command line, then run: eval \"$(aws \
             configure export-credentials --format env)\"",
        ));
    }
    Ok(with_region(&config(), region))
}

/// Asks AWS for the variables of a stack.
async fn deployed(name: &str, region: Option<String>) -> Result<Found, Problem> {
    let aws = credentials(region)?;
    let clock = Arc::new(SystemClock);
    let failed = |error: stack::StackError| Problem::failed(with_causes(&error));
    let actor = agents::caller(&aws, clock.clone()).await.map_err(|error| {
        Problem::failed(format!(
            "sts:GetCallerIdentity failed: {error}. Check the network and the credentials"
        ))
    })?;
    let Stack { mut variables, operator_log, resources, functions } =
        stack::find(&aws, clock.clone(), name).await.map_err(failed)?;
    if let Some(parameter) = variables.get(PUBLIC_URL_PARAMETER) {
        let url = parameters::fetch(&aws, clock, parameter).await;
        let url = url.map_err(|error| Problem::failed(with_causes(&error)))?;
        variables.insert(PUBLIC_URL.to_owned(), url);
    }
    let stack = Some(Parts { resources, functions });
    Ok(Found { variables, aws, actor, name: name.to_owned(), operator_log, stack })
}
