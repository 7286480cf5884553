//! What a deployed stack consists of, for `rekey`: the environment of its functions, the log of operators, and who asks.
//!
//! `CloudFormation` and STS speak AWS's query protocol with answers in XML, Lambda and `CloudWatch` Logs speak JSON. These
//! requests need no client of their own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_types::SdkConfig;
use futures_util::future::try_join_all;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use super::aws::CallError;
use super::aws::signed::{SignedAnswer, SignedClient};
use crate::ports::Clock;

/// Time-out of a call. A person waits at a terminal.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The type of functions in a stack.
const FUNCTION: &str = "AWS::Lambda::Function";
/// The log of operators in template.yaml.
const LOG: &str = "OperatorLog";
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
}

/// Finds a stack by its name.
///
/// # Errors
/// [`StackError`].
pub async fn find(config: &SdkConfig, clock: Arc<dyn Clock>, stack: &str) -> Result<Stack, StackError> {
    let Resources { functions, operator_log } = resources(config, clock.clone(), stack).await?;
    let lambda = SignedClient::once(config, "lambda", TIMEOUT, clock);
    let read = functions.iter().map(|name| variables(&lambda, name));
    let all = try_join_all(read).await?.into_iter().flatten();
    let variables: BTreeMap<String, String> = all.filter(|(name, _)| name.starts_with("REKEY_")).collect();
    if variables.is_empty() {
        return Err(StackError::NoFunctions(stack.to_owned()));
    }
    Ok(Stack { variables, operator_log })
}

/// Writes an event to a log, under a stream of its own.
///
/// # Errors
/// [`StackError`].
pub async fn write_event(
    config: &SdkConfig,
    clock: Arc<dyn Clock>,
    log: &str,
    stream: &str,
    event: &str,
) -> Result<(), StackError> {
    let milliseconds = clock.now().as_seconds().saturating_mul(1_000);
    let client = SignedClient::once(config, "logs", TIMEOUT, clock);
    let create = json!({ "logGroupName": log, "logStreamName": stream });
    call_logs(&client, "logs:CreateLogStream", "Logs_20140328.CreateLogStream", &create).await?;
    let events = json!([{ "timestamp": milliseconds, "message": event }]);
    let put = json!({ "logGroupName": log, "logStreamName": stream, "logEvents": events });
    call_logs(&client, "logs:PutLogEvents", "Logs_20140328.PutLogEvents", &put).await
}

async fn call_logs(
    client: &SignedClient,
    call: &'static str,
    target: &'static str,
    body: &Value,
) -> Result<(), StackError> {
    let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
    let answer = client.post("/", &headers, body.to_string().as_bytes()).await;
    let answer = answer.map_err(|error| StackError::Failed { call, reason: error.into() })?;
    if answer.status == 200 { Ok(()) } else { Err(failed(call, refusal(&answer))) }
}

/// Returns the ARN of the caller, as AWS knows it.
///
/// # Errors
/// [`StackError`].
pub async fn caller(config: &SdkConfig, clock: Arc<dyn Clock>) -> Result<String, StackError> {
    const CALL: &str = "sts:GetCallerIdentity";
    let client = SignedClient::once(config, "sts", TIMEOUT, clock);
    let answer = query(&client, CALL, &[("Action", "GetCallerIdentity"), ("Version", "2011-06-15")]).await?;
    if answer.status != 200 {
        return Err(failed(CALL, code(&answer)));
    }
    let text = String::from_utf8_lossy(&answer.body);
    element(&text, "Arn").ok_or_else(|| failed(CALL, "an unreadable answer".to_owned()))
}

/// The parts of a stack that commands use.
#[derive(Default)]
struct Resources {
    functions: Vec<String>,
    operator_log: Option<String>,
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
            if element(resource, "ResourceType").as_deref() == Some(FUNCTION) {
                found.functions.extend(element(resource, "PhysicalResourceId"));
            } else if element(resource, "LogicalResourceId").as_deref() == Some(LOG) {
                found.operator_log = element(resource, "PhysicalResourceId");
            }
        }
        next = element(&text, "NextToken");
        if next.is_none() {
            break;
        }
    }
    if found.functions.is_empty() { Err(StackError::NoFunctions(stack.to_owned())) } else { Ok(found) }
}

/// Returns the environment variables of a function.
async fn variables(lambda: &SignedClient, name: &str) -> Result<BTreeMap<String, String>, StackError> {
    const CALL: &str = "lambda:GetFunctionConfiguration";
    let name =
        utf8_percent_encode(name, NON_ALPHANUMERIC).to_string().replace("%2D", "-").replace("%5F", "_");
    let path = format!("/2015-03-31/functions/{name}/configuration");
    let answer = lambda.get(&path).await;
    let answer = answer.map_err(|error| StackError::Failed { call: CALL, reason: error.into() })?;
    if answer.status != 200 {
        return Err(failed(CALL, refusal(&answer)));
    }
    let found: Configuration =
        serde_json::from_slice(&answer.body).map_err(|_| failed(CALL, "an unreadable answer".to_owned()))?;
    Ok(found.environment.unwrap_or_default().variables)
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

/// Returns the text of the first element of this name that has no attributes and no children.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let text = text.trim();
    let unescaped =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&amp;", "&")];
    let read = unescaped.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    (!read.is_empty()).then_some(read)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Configuration {
    environment: Option<Environment>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Environment {
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(rename = "__type")]
    code: Option<String>,
    #[serde(rename = "Message", alias = "message")]
    message: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_with_their_escapes() {
        let xml = "<R><NextToken>a&amp;lt;b&quot;</NextToken><Empty></Empty><Id> x </Id></R>";
        assert_eq!(element(xml, "NextToken").as_deref(), Some("a&lt;b\""));
        assert_eq!(element(xml, "Id").as_deref(), Some("x"));
        assert_eq!((element(xml, "Empty"), element(xml, "Missing")), (None, None));
    }
}
