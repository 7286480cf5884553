//! Emulates `CloudWatch` Logs (AWS JSON 1.1): what commands of operators write, and the lines of the functions. There is
//! one log, so that every log group has all lines.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::domain::time::Timestamp;

use super::wire::{CallResult, ServiceError, read_json, unsupported};

/// The service in `X-Amz-Target`.
pub const SERVICE: &str = "Logs_20140328";

/// Maximum number of lines; later ones are written to the terminal only.
const LINES_MAX: usize = 200_000;
/// The lines of one answer.
const PAGE: usize = 5_000;

/// The file of the lines in a folder that keeps the state.
const FILE: &str = "log.jsonl";

/// The lines that were written.
#[derive(Clone, Default)]
pub struct Logs(Arc<Mutex<Stored>>);

#[derive(Default)]
struct Stored {
    lines: Vec<Line>,
    /// Gets each line too, if the state is kept.
    file: Option<File>,
}

/// A line with the time in milliseconds that it was written with.
#[derive(Clone, Deserialize, Serialize)]
struct Line {
    at: i64,
    message: String,
    by_operator: bool,
}

impl Logs {
    /// Reads the log that this folder keeps, or begins one there.
    ///
    /// # Errors
    /// If the file can't be read or written.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(folder.join(FILE))?;
        let mut lines = Vec::new();
        for line in BufReader::new(&file).lines() {
            // A line that was cut when the machine stopped is none.
            lines.extend(serde_json::from_str::<Line>(&line?).ok());
        }
        Ok(Self(Arc::new(Mutex::new(Stored { lines, file: Some(file) }))))
    }

    fn stored(&self) -> MutexGuard<'_, Stored> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the events of operators, the earliest first.
    pub fn events(&self) -> Vec<Value> {
        let stored = self.stored();
        let by_operators = stored.lines.iter().filter(|line| line.by_operator);
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
        let lines = std::mem::take(&mut self.stored().lines);
        for line in edit(lines.into_iter().map(|line| line.message).collect()) {
            self.add(&line);
        }
    }

    fn push(&self, line: Line) {
        let mut stored = self.stored();
        if stored.lines.len() >= LINES_MAX {
            return;
        }
        if let Some(file) = &mut stored.file
            && let Ok(mut text) = serde_json::to_string(&line)
        {
            text.push('\n');
            let _ = file.write_all(text.as_bytes());
        }
        stored.lines.push(line);
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
                let stored = self.stored();
                let within = stored.lines.iter().filter(|line| from <= line.at && line.at <= until);
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

/// Takes the lines of this process to the log of an emulator, which starts later.
#[derive(Clone, Default)]
pub struct LogWriter(Arc<Mutex<Connection>>);

enum Connection {
    /// The lines until the log is there: a chain without its first line would not be whole.
    Awaited(Vec<String>),
    Connected(Logs),
}

impl Default for Connection {
    fn default() -> Self {
        Self::Awaited(Vec::new())
    }
}

impl LogWriter {
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes to this log, what was written before first.
    pub fn connect(&self, logs: &Logs) {
        let mut connection = self.connection();
        if let Connection::Awaited(lines) = &*connection {
            for line in lines {
                logs.add(line);
            }
        }
        *connection = Connection::Connected(logs.clone());
    }
}

impl io::Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes).trim_end().to_owned();
        match &mut *self.connection() {
            Connection::Awaited(lines) => lines.push(line),
            Connection::Connected(logs) => logs.add(&line),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(logs: &Logs) -> Vec<String> {
        logs.stored().lines.iter().map(|line| line.message.clone()).collect()
    }

    #[test]
    fn lines_before_the_log_are_kept() {
        let (mut writer, logs) = (LogWriter::default(), Logs::default());
        writer.write_all(b"{\"sequence\":1}\n").unwrap();
        writer.connect(&logs);
        writer.write_all(b"{\"sequence\":2}\n").unwrap();
        assert_eq!(messages(&logs), [r#"{"sequence":1}"#, r#"{"sequence":2}"#]);
    }

    #[test]
    fn log_of_a_folder_outlives_the_process() {
        let folder = std::env::temp_dir().join(format!("rekey-log-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Logs::open(&folder).unwrap().add("a");
        let again = Logs::open(&folder).unwrap();
        again.add("b");
        assert_eq!(messages(&again), ["a", "b"]);
        assert_eq!(messages(&Logs::open(&folder).unwrap()), ["a", "b"]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
