//! Standard output in Lambda's form: one JSON object per line. `CloudWatch` stores it as a log, and reads
//! metrics from lines in its embedded metric format (EMF).

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

use super::{SystemClock, SystemEntropy};
use crate::domain::audit::chain::Chain;
use crate::domain::audit::{Fields, complete};
use crate::domain::time::Timestamp;
use crate::ports::{Clock as _, EntropyExt as _, Metric, Metrics};
use crate::settings;

/// The namespace of the metrics, which the alarms in template.yaml name.
const NAMESPACE: &str = "Rekey";

/// Writes the process's events to standard output, one JSON object per line, as a stream of the audit trail. `RUST_LOG`
/// sets the level (a release contains nothing below `info`); the default is Rekey's own events and the warnings of all
/// crates. A second call has no effect.
pub fn init_log() {
    let asked = settings::resource("RUST_LOG").and_then(|text| text.parse().ok());
    let quiet = [("hyper", Level::WARN), ("aws", Level::WARN)];
    let filter = asked.unwrap_or_else(|| Targets::new().with_default(Level::INFO).with_targets(quiet));
    // `rekey-production-captcha-Xy12`, as CloudFormation names a function.
    let function = settings::resource("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| "function".to_owned());
    let layer = audit_lines(new_chain(&function), io::stdout);
    let _ = registry().with(layer.with_filter(filter)).try_init();
}

/// Begins the chain of this process.
pub fn new_chain(name: &str) -> Chain {
    Chain::new(name, SystemClock.now(), SystemEntropy.bytes())
}

/// Returns the layer that writes each event as one JSON object, completed as an audit event. Its fields are at the top
/// level, where the metric filters of template.yaml read them.
pub fn json_lines<S, W>(writer: W) -> impl tracing_subscriber::Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    lines(Lines { writer, chain: None })
}

/// Returns the layer of [`json_lines`] that also links each line to the one before it.
pub fn audit_lines<S, W>(chain: Chain, writer: W) -> impl tracing_subscriber::Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    lines(Lines { writer, chain: Some(Mutex::new(chain)) })
}

fn lines<S, W>(writer: Lines<W>) -> impl tracing_subscriber::Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    let json = fmt::layer().json().flatten_event(true);
    json.with_current_span(true).with_span_list(false).with_ansi(false).with_writer(writer)
}

/// Completes lines, and links them if there is a chain.
struct Lines<W> {
    writer: W,
    chain: Option<Mutex<Chain>>,
}

impl<'a, W: MakeWriter<'a> + 'a> MakeWriter<'a> for Lines<W> {
    type Writer = Line<'a, W>;

    fn make_writer(&'a self) -> Line<'a, W> {
        Line(self)
    }
}

/// The writer of one line, which comes as a whole.
struct Line<'a, W>(&'a Lines<W>);

impl<'a, W: MakeWriter<'a>> Write for Line<'a, W> {
    /// Holds the chain until the line is written: lines stand in the log in their order.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Lines { writer, chain } = self.0;
        let Ok(fields) = serde_json::from_slice::<Fields>(bytes) else {
            writer.make_writer().write_all(bytes)?;
            return Ok(bytes.len());
        };
        let mut chain = chain.as_ref().map(|chain| chain.lock().unwrap_or_else(PoisonError::into_inner));
        let line = match &mut chain {
            Some(chain) => chain.link(fields),
            None => Value::Object(complete(fields)).to_string(),
        };
        writer.make_writer().write_all(format!("{line}\n").as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.writer.make_writer().flush()
    }
}

/// Writes metrics as EMF lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmfMetrics;

impl Metrics for EmfMetrics {
    fn count(&self, metric: Metric, at: Timestamp) {
        // A closed standard output must not stop a delivery.
        let _ = writeln!(io::stdout().lock(), "{}", line(metric, at));
    }
}

fn line(metric: Metric, at: Timestamp) -> String {
    let name = metric.name();
    let definition =
        json!({ "Namespace": NAMESPACE, "Dimensions": [[]], "Metrics": [{ "Name": name, "Unit": "Count" }] });
    let meta =
        json!({ "Timestamp": at.as_seconds().saturating_mul(1_000), "CloudWatchMetrics": [definition] });
    json!({ "_aws": meta, name: 1 }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Controls: C-064.
    #[test]
    fn metric_is_logged_as_one_emf_line() {
        let line = line(Metric::SmsBudgetExhausted, Timestamp::from_seconds(1_790_000_000));
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["SmsBudgetExhausted"], 1);
        assert_eq!(read["_aws"]["Timestamp"], 1_790_000_000_000_i64);
        assert_eq!(read["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Rekey");
        assert!(!line.contains('\n'));
    }
}
