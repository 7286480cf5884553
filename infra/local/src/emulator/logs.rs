//! Emulates `CloudWatch` Logs (AWS JSON 1.1) as far as commands of operators write to it.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::wire::{CallResult, ServiceError, read_json, unsupported};

/// The service in `X-Amz-Target`.
pub const SERVICE: &str = "Logs_20140328";

/// Maximum number of events; later ones are written to the terminal only.
const EVENTS_MAX: usize = 1_000;

/// The events that were written.
#[derive(Default)]
pub struct Logs(Mutex<Vec<Value>>);

impl Logs {
    /// Returns the events, the earliest first.
    pub fn events(&self) -> Vec<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers a call of `Logs_20140328.<operation>`.
    ///
    /// # Errors
    /// [`ServiceError`] in the form of `CloudWatch` Logs.
    pub fn call(&self, operation: &str, body: &[u8]) -> CallResult {
        match operation {
            "CreateLogStream" => Ok(json!({})),
            "PutLogEvents" => {
                let call: Value = read_json(body)?;
                let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let given = call["logEvents"].as_array().into_iter().flatten();
                for message in given.filter_map(|event| event["message"].as_str()) {
                    tracing::info!(message, "an operator acted");
                    if events.len() < EVENTS_MAX {
                        events.push(serde_json::from_str(message).unwrap_or_default());
                    }
                }
                Ok(json!({}))
            }
            other => Err(ServiceError::new("UnknownOperationException", unsupported(other))),
        }
    }
}
