//! The audit trail in `CloudWatch` Logs: the log groups of a stack's functions, and that of its operators.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_types::SdkConfig;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::aws::CallError;
use super::aws::signed::SignedClient;
use crate::domain::audit::Fields;
use crate::domain::audit::chain::SEQUENCE;
use crate::domain::time::Timestamp;
use crate::ports::{AuditTrail, Clock, TrailError};

/// Time-out of a call: a search goes through a megabyte of a log.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Attempts of a call. `CloudWatch` allows five searches a second, of all callers together.
const ATTEMPTS: u32 = 6;

/// Reads the trail by searches for lines with a number.
pub struct CloudWatchTrail {
    client: SignedClient,
    operators: String,
}

impl CloudWatchTrail {
    /// Returns the trail of the deployment that the operators' log with this name belongs to.
    pub fn new(config: &SdkConfig, clock: Arc<dyn Clock>, operators: String) -> Self {
        Self { client: SignedClient::once(config, "logs", TIMEOUT, clock), operators }
    }

    async fn groups(&self) -> Result<Vec<String>, TrailError> {
        let mut groups = vec![self.operators.clone()];
        let Some(prefix) = functions_of(&self.operators) else { return Ok(groups) };
        let mut next = None::<String>;
        loop {
            let mut body = json!({ "logGroupNamePrefix": prefix, "limit": 50 });
            continue_at(&mut body, next.as_deref());
            let page: Groups = self.call("DescribeLogGroups", &body).await?;
            groups.extend(page.log_groups.into_iter().map(|group| group.log_group_name));
            next = page.next_token;
            if next.is_none() {
                return Ok(groups);
            }
        }
    }

    async fn call<A: DeserializeOwned>(&self, operation: &str, body: &Value) -> Result<A, TrailError> {
        let failed = |why: String| TrailError(Box::new(CallError(format!("logs:{operation}: {why}"))));
        let target = format!("Logs_20140328.{operation}");
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        let body = body.to_string();
        let mut wait = Duration::from_millis(300);
        for attempt in 1.. {
            let answer = self.client.post("/", &headers, body.as_bytes()).await;
            let answer = answer.map_err(|error| failed(CallError::from(error).to_string()))?;
            if answer.status == 200 {
                let read = serde_json::from_slice(&answer.body);
                return read.map_err(|_| failed("an unreadable answer".to_owned()));
            }
            let refusal: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
            let is_transient = answer.status >= 500 || refusal.code.contains("Throttl");
            if !is_transient || attempt == ATTEMPTS {
                let code = refusal.code.rsplit('#').next().filter(|code| !code.is_empty());
                return Err(failed(code.map_or_else(|| format!("status {}", answer.status), str::to_owned)));
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        Err(failed("no answer".to_owned()))
    }
}

/// Returns the prefix of the functions' log groups in template.yaml, by the name of the operators' log.
fn functions_of(operators: &str) -> Option<String> {
    let stack = operators.strip_prefix("/rekey/")?.strip_suffix("/operators")?;
    Some(format!("/aws/lambda/{stack}/"))
}

fn continue_at(body: &mut Value, token: Option<&str>) {
    if let (Some(fields), Some(token)) = (body.as_object_mut(), token) {
        fields.insert("nextToken".to_owned(), token.into());
    }
}

#[async_trait]
impl AuditTrail for CloudWatchTrail {
    async fn lines(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Fields>, TrailError> {
        let milliseconds = |at: Timestamp| at.as_seconds().saturating_mul(1_000).max(0);
        let mut lines = Vec::new();
        for group in self.groups().await? {
            let mut next = None::<String>;
            loop {
                let mut body = json!({
                    "logGroupName": group,
                    "startTime": milliseconds(from),
                    "endTime": milliseconds(until),
                    "filterPattern": format!("{{ $.{SEQUENCE} > 0 }}"),
                });
                continue_at(&mut body, next.as_deref());
                let page: Events = self.call("FilterLogEvents", &body).await?;
                let read = page.events.iter().filter_map(|event| serde_json::from_str(&event.message).ok());
                lines.extend(read);
                next = page.next_token;
                if next.is_none() {
                    break;
                }
            }
        }
        Ok(lines)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Groups {
    #[serde(default)]
    log_groups: Vec<Group>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    log_group_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Events {
    #[serde(default)]
    events: Vec<Event>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct Event {
    message: String,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(rename = "__type", default)]
    code: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_by_name_of_operator_log() {
        assert_eq!(functions_of("/rekey/rekey-dev/operators").as_deref(), Some("/aws/lambda/rekey-dev/"));
        assert_eq!(functions_of("OperatorLog"), None);
    }
}
