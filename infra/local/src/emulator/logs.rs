//! Emulates `CloudWatch` Logs (AWS JSON 1.1): what commands of operators write, and the lines of the functions. There is
//! one log, so that every log group has all lines.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::{Value, json};
use shared::domain::time::Timestamp;

use super::wire::{CallResult, ServiceError, read_json, unsupported};

/// The service in `X-Amz-Target`.
pub const SERVICE: &str = "Logs_20140328";

/// Maximum number of lines; later ones are written to the terminal only.
const LINES_MAX: usize = 200_000;
/// The lines of one answer.
const PAGE: usize = 5_000;

/// The lines that were written.
#[derive(Clone, Default)]
pub struct Logs(Arc<Mutex<Vec<Line>>>);

/// A line with the time in milliseconds that it was written with.
#[derive(Clone)]
struct Line {
    at: i64,
    message: String,
    by_operator: bool,
}

impl Logs {
    /// Returns the events of operators, the earliest first.
    pub fn events(&self) -> Vec<Value> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let by_operators = lines.iter().filter(|line| line.by_operator);
        by_operators.map(|line| serde_json::from_str(&line.message).unwrap_or_default()).collect()
    }

    /// Adds a line of a function.
    pub fn add(&self, message: &str) {
        let line: Value = serde_json::from_str(message).unwrap_or_default();
        let at = line["timestamp"].as_str().and_then(Timestamp::parse);
        let at = at.map_or(0, |at| at.as_seconds().saturating_mul(1_000));
        self.push(Line { at, message: message.to_owned(), by_operator: false });
    }

    /// Replaces the lines by what `edit` makes of them, as an insider does who may write logs.
    pub fn edit(&self, edit: impl Fn(Vec<String>) -> Vec<String>) {
        let lines = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for line in edit(lines.into_iter().map(|line| line.message).collect()) {
            self.add(&line);
        }
    }

    fn push(&self, line: Line) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES_MAX {
            lines.push(line);
        }
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
                for event in call["logEvents"].as_array().into_iter().flatten() {
                    let Some(message) = event["message"].as_str() else { continue };
                    tracing::debug!(message, "an operator acted");
                    let at = event["timestamp"].as_i64().unwrap_or_default();
                    self.push(Line { at, message: message.to_owned(), by_operator: true });
                }
                Ok(json!({}))
            }
            "DescribeLogGroups" => Ok(json!({ "logGroups": [] })),
            "FilterLogEvents" => {
                let call: Value = read_json(body)?;
                let from = call["startTime"].as_i64().unwrap_or_default();
                let until = call["endTime"].as_i64().unwrap_or(i64::MAX);
                let skipped = call["nextToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or(0);
                let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let within = lines.iter().filter(|line| from <= line.at && line.at <= until);
                let page: Vec<Value> = within
                    .skip(skipped)
                    .take(PAGE)
                    .map(|line| json!({ "timestamp": line.at, "message": line.message }))
                    .collect();
                let next = (page.len() == PAGE).then(|| (skipped + PAGE).to_string());
                Ok(json!({ "events": page, "nextToken": next }))
            }
            other => Err(ServiceError::new("UnknownOperationException", unsupported(other))),
        }
    }
}

/// Takes the lines of this process to the log of an emulator that starts later. Earlier lines are dropped.
#[derive(Clone, Default)]
pub struct LogWriter(Arc<OnceLock<Logs>>);

impl LogWriter {
    /// Writes to this log from now on.
    pub fn connect(&self, logs: &Logs) {
        let _ = self.0.set(logs.clone());
    }
}

impl io::Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(logs) = self.0.get() {
            logs.add(String::from_utf8_lossy(bytes).trim_end());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
