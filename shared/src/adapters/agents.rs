//! Who asks, and the log of what they did: the callers of AWS by STS, and the events of agents and operators in
//! `CloudWatch` Logs.
//!
//! An agent signs a call of `sts:GetCallerIdentity` and does not send it. The function for the help desk does, and STS
//! names the agent. The signed headers bind the call to one function and one act.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_types::SdkConfig;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::aws::CallError;
use super::aws::signed::{SignedAnswer, SignedClient};
use super::aws::xml::element;
use crate::domain::audit::chain::Chain;
use crate::domain::help_desk::Agent;
use crate::domain::help_desk_call::{ACT_HEADER, FUNCTION_HEADER, digest};
use crate::ports::{AgentIdentity, AuditError, AuditLog, Clock, Entropy, EntropyExt as _, IdentityError};

/// Time-out of a call. A person waits for it.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The body of the call.
const WHO: &[u8] = b"Action=GetCallerIdentity&Version=2011-06-15";
/// Its type.
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
/// The headers that the function sends on.
const SENT_ON: [&str; 6] =
    ["authorization", "content-type", "x-amz-date", "x-amz-security-token", FUNCTION_HEADER, ACT_HEADER];

/// Returns the headers of a call of `sts:GetCallerIdentity` that only `function` may send on, for this act alone.
///
/// # Errors
/// [`CallError`] without credentials.
pub async fn sign(
    config: &SdkConfig,
    clock: Arc<dyn Clock>,
    function: &str,
    act: &str,
) -> Result<BTreeMap<String, String>, CallError> {
    let client = SignedClient::once(config, "sts", TIMEOUT, clock);
    let digest = digest(act);
    let headers = [("content-type", FORM), (FUNCTION_HEADER, function), (ACT_HEADER, &digest)];
    Ok(client.sign(&headers, WHO).await?.into_iter().collect())
}

/// Returns the ARN of the caller whose credentials `config` has.
///
/// # Errors
/// [`CallError`].
pub async fn caller(config: &SdkConfig, clock: Arc<dyn Clock>) -> Result<String, CallError> {
    arn_of_caller(&SignedClient::once(config, "sts", TIMEOUT, clock)).await
}

async fn arn_of_caller(client: &SignedClient) -> Result<String, CallError> {
    let answer = client.post("/", &[("content-type", FORM)], WHO).await?;
    let text = String::from_utf8_lossy(&answer.body);
    if answer.status != 200 {
        let code = element(&text, "Code");
        return Err(CallError(code.unwrap_or_else(|| format!("status {}", answer.status))));
    }
    element(&text, "Arn").ok_or_else(|| CallError("an unreadable answer".to_owned()))
}

/// Names agents by STS.
pub struct StsAgents {
    client: SignedClient,
    function: String,
    /// The AWS account of this function.
    account: OnceCell<String>,
}

impl StsAgents {
    /// Returns the names of agents that call `function`, which this is.
    pub fn new(config: &SdkConfig, clock: Arc<dyn Clock>, function: String) -> Self {
        Self { client: SignedClient::once(config, "sts", TIMEOUT, clock), function, account: OnceCell::new() }
    }

    async fn account(&self) -> Result<&str, IdentityError> {
        let read = async {
            let arn = arn_of_caller(&self.client).await?;
            let account = arn.split(':').nth(4).filter(|account| !account.is_empty());
            account.map(str::to_owned).ok_or_else(|| CallError("an unreadable answer".to_owned()))
        };
        let account = self.account.get_or_try_init(|| read).await;
        account.map(String::as_str).map_err(|error| IdentityError(Box::new(error)))
    }
}

#[async_trait]
impl AgentIdentity for StsAgents {
    async fn agent(
        &self,
        signed: &BTreeMap<String, String>,
        act: &str,
    ) -> Result<Option<Agent>, IdentityError> {
        let header = |name: &str| {
            let mut found = signed.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
            found.next().map(|(_, value)| value.as_str()).filter(|_| found.next().is_none())
        };
        let digest = digest(act);
        let is_for_this = header(FUNCTION_HEADER) == Some(self.function.as_str())
            && header(ACT_HEADER) == Some(digest.as_str())
            && header("authorization").is_some_and(|value| is_covered(value, &[FUNCTION_HEADER, ACT_HEADER]));
        if !is_for_this {
            return Ok(None);
        }
        let headers: Vec<(&'static str, &str)> =
            SENT_ON.into_iter().filter_map(|name| Some((name, header(name)?))).collect();
        let answer = self.client.forward(&headers, WHO).await;
        let answer = answer.map_err(|error| IdentityError(Box::new(CallError::from(error))))?;
        match answer.status {
            200 => {
                let arn = element(&String::from_utf8_lossy(&answer.body), "Arn");
                let account = self.account().await?;
                Ok(arn.and_then(|arn| Agent::parse(&arn, account)))
            }
            // A wrong or expired signature, or credentials that are no longer valid.
            400..=403 => Ok(None),
            status => Err(IdentityError(Box::new(CallError(format!("status {status}"))))),
        }
    }
}

/// Returns whether a signature (Signature Version 4) covers these headers.
fn is_covered(authorization: &str, names: &[&str]) -> bool {
    let parts = authorization.split([' ', ',']);
    let signed =
        parts.filter_map(|part| part.strip_prefix("SignedHeaders=")).flat_map(|list| list.split(';'));
    let signed: Vec<&str> = signed.collect();
    names.iter().all(|name| signed.contains(name))
}

/// The log of what operators and agents did.
pub struct OperatorLog {
    client: SignedClient,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    log: String,
}

impl OperatorLog {
    /// Returns the log group with this name.
    pub fn new(config: &SdkConfig, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, log: String) -> Self {
        let client = SignedClient::once(config, "logs", TIMEOUT, clock.clone());
        Self { client, clock, entropy, log }
    }

    async fn call(&self, operation: &str, body: &Value) -> Result<(), AuditError> {
        let target = format!("Logs_20140328.{operation}");
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        let answer = self.client.post("/", &headers, body.to_string().as_bytes()).await;
        let answer = answer.map_err(|error| AuditError(Box::new(CallError::from(error))))?;
        if answer.status == 200 {
            return Ok(());
        }
        let why = CallError(format!("logs:{operation}: {}", refusal(&answer)));
        Err(AuditError(Box::new(why)))
    }
}

#[async_trait]
impl AuditLog for OperatorLog {
    /// Each event has a stream of its own, so that no two writers wait for each other.
    async fn write(&self, event: &Value) -> Result<(), AuditError> {
        let id: [u8; 16] = self.entropy.bytes();
        let stream = format!("rekey/{:032x}", u128::from_be_bytes(id));
        let now = self.clock.now();
        let at = now.as_seconds().saturating_mul(1_000);
        // A stream of one line: its loss shows once it is anchored, and no failed write leaves a gap.
        let mut chain = Chain::new("operators", now, self.entropy.bytes());
        let line = chain.link(event.as_object().cloned().unwrap_or_default());
        let stream_of = json!({ "logGroupName": self.log, "logStreamName": stream });
        self.call("CreateLogStream", &stream_of).await?;
        let events = json!([{ "timestamp": at, "message": line }]);
        let put = json!({ "logGroupName": self.log, "logStreamName": stream, "logEvents": events });
        self.call("PutLogEvents", &put).await
    }
}

/// Returns the code of an error in JSON.
fn refusal(answer: &SignedAnswer) -> String {
    let error: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = error.code.as_deref().and_then(|code| code.rsplit('#').next()).map(str::to_owned);
    code.unwrap_or_else(|| format!("status {}", answer.status))
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(rename = "__type")]
    code: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Controls: C-220.
    #[test]
    fn signature_must_cover_function_and_act() {
        let authorization = |signed: &str| {
            format!(
                "AWS4-HMAC-SHA256 Credential=A/20261201/r/sts/aws4_request, SignedHeaders={signed}, Signature=0"
            )
        };
        let covers = |signed: &str| is_covered(&authorization(signed), &[FUNCTION_HEADER, ACT_HEADER]);
        assert!(covers("content-type;host;x-amz-date;x-rekey-act;x-rekey-function"));
        for signed in
            ["host;x-amz-date", "host;x-rekey-act", "host;x-rekey-function", "x-rekey-act2;x-rekey-function"]
        {
            assert!(!covers(signed), "{signed}");
        }
        assert!(!is_covered("", &[ACT_HEADER]));
    }
}
