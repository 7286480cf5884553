//! What a deployed stack consists of, for `rekey`: the environment of its functions, the log of operators, and the
//! function for the help desk.
//!
//! `CloudFormation` speaks AWS's query protocol with answers in XML, Lambda speaks JSON. These requests need no client of
//! their own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_types::SdkConfig;
use futures_util::future::try_join_all;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

use super::agents;
use super::aws::CallError;
use super::aws::signed::{SignedAnswer, SignedClient};
use super::aws::xml::element;
use crate::domain::help_desk_call::{Act, HelpAnswer, HelpRequest, SecretText};
use crate::ports::Clock;

/// Time-out of a call. A person waits at a terminal.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The type of functions in a stack.
const FUNCTION: &str = "AWS::Lambda::Function";
/// The longest wait for the function for the help desk: its timeout in template.yaml, and some more.
const INVOCATION: Duration = Duration::from_secs(25);
/// The call that runs a function, as IAM names it.
const INVOKE: &str = "lambda:InvokeFunction";
/// The log of operators in template.yaml.
const LOG: &str = "OperatorLog";
/// The function for the help desk in template.yaml.
const HELP_DESK: &str = "HelpDeskFunction";
/// The longest wait for a sync: its timeout in template.yaml, and some more.
const SYNC: Duration = Duration::from_secs(920);
/// The function of the sync in template.yaml.
const DIRECTORY_SYNC: &str = "DirectorySyncFunction";
/// The most pages of resources that are read, each of a hundred: a stack has 500 resources at most.
const PAGES: usize = 10;

/// A stack can't be read.
#[derive(Debug, Error)]
pub enum StackError {
    /// `CloudFormation` knows no such stack in this account and region.
    #[error(
        "CloudFormation has no stack {0} in this account and region. Check the name, the region and the credentials"
    )]
    Unknown(String),
    /// The stack has none of Rekey's functions.
    #[error("the stack {0} has no function of Rekey. Name the stack that template.yaml made")]
    NoFunctions(String),
    /// The stack has no function for the help desk.
    #[error("the stack {0} has no function for the help desk. Deploy this version first")]
    NoHelpDesk(String),
    /// The stack has no function that syncs a directory.
    #[error(
        "the stack {0} has the built-in directory, which needs no sync. Set RekeyDirectory to use your own"
    )]
    NoSync(String),
    /// A service refused the call or did not answer.
    #[error("{call} failed: {reason}. Check the network, and that your role allows {call}")]
    Failed {
        /// The call as IAM names it.
        call: &'static str,
        /// The reason.
        reason: CallError,
    },
}

/// A deployed stack.
#[derive(Clone, Debug)]
pub struct Stack {
    /// The environment variables of all functions, by name. Each parameter has one value for all of them.
    pub variables: BTreeMap<String, String>,
    /// The name of the log of operators; `None` if an earlier template made the stack.
    pub operator_log: Option<String>,
    /// The names, addresses or ARNs of all resources, by their ids in template.yaml.
    pub resources: BTreeMap<String, String>,
    /// The functions.
    pub functions: Vec<DeployedFunction>,
}

/// A deployed function.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeployedFunction {
    /// Its name.
    pub function_name: String,
    /// `Active` if it can be invoked.
    #[serde(default)]
    pub state: String,
    /// `Successful` if the last deployment reached it.
    #[serde(default)]
    pub last_update_status: String,
    /// The processor.
    #[serde(default)]
    pub architectures: Vec<String>,
    environment: Option<Environment>,
}

impl DeployedFunction {
    /// Returns a variable of its environment.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.as_ref()?.variables.get(name).map(String::as_str)
    }
}

/// Finds a stack by its name.
///
/// # Errors
/// [`StackError`].
pub async fn find(config: &SdkConfig, clock: Arc<dyn Clock>, stack: &str) -> Result<Stack, StackError> {
    let Resources { functions, operator_log, all: resources, .. } =
        resources(config, clock.clone(), stack).await?;
    let lambda = SignedClient::once(config, "lambda", TIMEOUT, clock);
    let functions = try_join_all(functions.iter().map(|name| configuration(&lambda, name))).await?;
    let all =
        functions.iter().filter_map(|function| function.environment.clone()).flat_map(|one| one.variables);
    let variables: BTreeMap<String, String> = all.filter(|(name, _)| name.starts_with("REKEY_")).collect();
    if variables.is_empty() {
        return Err(StackError::NoFunctions(stack.to_owned()));
    }
    Ok(Stack { variables, operator_log, resources, functions })
}

/// Returns the name of a stack's function for the help desk.
///
/// # Errors
/// [`StackError`].
pub async fn find_help_desk(
    config: &SdkConfig,
    clock: Arc<dyn Clock>,
    stack: &str,
) -> Result<String, StackError> {
    let found = resources(config, clock, stack).await?;
    found.named(HELP_DESK).ok_or_else(|| StackError::NoHelpDesk(stack.to_owned()))
}

/// Invokes the function for the help desk with an act of the agent whose credentials `config` has, and returns its
/// answer. It asks once: the act may have been carried out though there is no answer.
///
/// # Errors
/// [`StackError`].
pub async fn ask_help_desk(
    config: &SdkConfig,
    clock: Arc<dyn Clock>,
    function: &str,
    act: &Act,
) -> Result<HelpAnswer, StackError> {
    let unreadable = || failed(INVOKE, "an unreadable answer".to_owned());
    let act = SecretText::new(serde_json::to_string(act).map_err(|_| unreadable())?);
    let caller = agents::sign(config, clock.clone(), function, act.expose()).await;
    let caller = caller.map_err(|reason| StackError::Failed { call: "sts:GetCallerIdentity", reason })?;
    let request = serde_json::to_vec(&HelpRequest { caller, act }).map(Zeroizing::new);
    let request = request.map_err(|_| unreadable())?;
    let answer = invoke(config, clock, function, &request, INVOCATION).await?;
    if answer.is_function_error {
        return Err(failed(INVOKE, "the function failed: see its log".to_owned()));
    }
    serde_json::from_slice(&answer.body).map_err(|_| unreadable())
}

/// Returns the name of a stack's function that syncs its directory.
///
/// # Errors
/// [`StackError`].
pub async fn find_directory_sync(
    config: &SdkConfig,
    clock: Arc<dyn Clock>,
    stack: &str,
) -> Result<String, StackError> {
    let found = resources(config, clock, stack).await?;
    found.named(DIRECTORY_SYNC).ok_or_else(|| StackError::NoSync(stack.to_owned()))
}

/// Invokes the function that syncs the directory, and returns its summary. A sync may take a quarter of an hour.
///
/// # Errors
/// [`StackError`] with the reason why the sync failed, if it did.
pub async fn sync_directory(
    config: &SdkConfig,
    clock: Arc<dyn Clock>,
    function: &str,
    request: &serde_json::Value,
) -> Result<serde_json::Value, StackError> {
    let answer = invoke(config, clock, function, request.to_string().as_bytes(), SYNC).await?;
    if answer.is_function_error {
        let error: FunctionError = serde_json::from_slice(&answer.body).unwrap_or_default();
        return Err(failed("the sync", error.message.unwrap_or_else(|| "see its log".to_owned())));
    }
    serde_json::from_slice(&answer.body).map_err(|_| failed(INVOKE, "an unreadable answer".to_owned()))
}

async fn invoke(
    config: &SdkConfig,
    clock: Arc<dyn Clock>,
    function: &str,
    request: &[u8],
    timeout: Duration,
) -> Result<SignedAnswer, StackError> {
    let lambda = SignedClient::once(config, "lambda", timeout, clock);
    let path = format!("/2015-03-31/functions/{}/invocations", in_path(function));
    let answer = lambda.post(&path, &[("content-type", "application/json")], request).await;
    let answer = answer.map_err(|error| StackError::Failed { call: INVOKE, reason: error.into() })?;
    if answer.status == 200 { Ok(answer) } else { Err(failed(INVOKE, refusal(&answer))) }
}

/// Returns a name as a segment of a path.
fn in_path(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string().replace("%2D", "-").replace("%5F", "_")
}

/// The parts of a stack that commands use.
#[derive(Default)]
struct Resources {
    functions: Vec<String>,
    operator_log: Option<String>,
    /// The names of all resources, by logical id.
    all: BTreeMap<String, String>,
}

impl Resources {
    fn named(&self, id: &str) -> Option<String> {
        self.all.get(id).cloned()
    }
}

async fn resources(config: &SdkConfig, clock: Arc<dyn Clock>, stack: &str) -> Result<Resources, StackError> {
    const CALL: &str = "cloudformation:ListStackResources";
    let client = SignedClient::once(config, "cloudformation", TIMEOUT, clock);
    let (mut found, mut next) = (Resources::default(), None::<String>);
    for _ in 0..PAGES {
        let mut fields =
            vec![("Action", "ListStackResources"), ("Version", "2010-05-15"), ("StackName", stack)];
        if let Some(next) = &next {
            fields.push(("NextToken", next));
        }
        let answer = query(&client, CALL, &fields).await?;
        let text = String::from_utf8_lossy(&answer.body);
        if answer.status != 200 {
            let is_unknown = text.contains("does not exist");
            return Err(if is_unknown {
                StackError::Unknown(stack.to_owned())
            } else {
                failed(CALL, code(&answer))
            });
        }
        for resource in text.split("<member>").skip(1) {
            let (id, name) =
                (element(resource, "LogicalResourceId"), element(resource, "PhysicalResourceId"));
            found.all.extend(id.clone().zip(name.clone()));
            if element(resource, "ResourceType").as_deref() == Some(FUNCTION) {
                found.functions.extend(name);
            } else if id.as_deref() == Some(LOG) {
                found.operator_log = name;
            }
        }
        next = element(&text, "NextToken");
        if next.is_none() {
            break;
        }
    }
    if found.functions.is_empty() { Err(StackError::NoFunctions(stack.to_owned())) } else { Ok(found) }
}

/// Returns the configuration of a function.
async fn configuration(lambda: &SignedClient, name: &str) -> Result<DeployedFunction, StackError> {
    const CALL: &str = "lambda:GetFunctionConfiguration";
    let path = format!("/2015-03-31/functions/{}/configuration", in_path(name));
    let answer = lambda.get(&path).await;
    let answer = answer.map_err(|error| StackError::Failed { call: CALL, reason: error.into() })?;
    if answer.status != 200 {
        return Err(failed(CALL, refusal(&answer)));
    }
    serde_json::from_slice(&answer.body).map_err(|_| failed(CALL, "an unreadable answer".to_owned()))
}

async fn query(
    client: &SignedClient,
    call: &'static str,
    fields: &[(&str, &str)],
) -> Result<SignedAnswer, StackError> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let answer = client.post("/", &headers, body.as_bytes()).await;
    answer.map_err(|error| StackError::Failed { call, reason: error.into() })
}

fn failed(call: &'static str, reason: String) -> StackError {
    StackError::Failed { call, reason: CallError(reason) }
}

/// Returns the code of an error in JSON.
fn refusal(answer: &SignedAnswer) -> String {
    let error: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = error.code.as_deref().and_then(|code| code.rsplit('#').next()).map(str::to_owned);
    code.or(error.message).unwrap_or_else(|| format!("status {}", answer.status))
}

/// Returns the code of an error in XML.
fn code(answer: &SignedAnswer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    element(&text, "Code").unwrap_or_else(|| format!("status {}", answer.status))
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Environment {
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
struct FunctionError {
    #[serde(rename = "errorMessage")]
    message: Option<String>,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(rename = "__type")]
    code: Option<String>,
    #[serde(rename = "Message", alias = "message")]
    message: Option<String>,
}
