//! Standard output in Lambda's form: one JSON object per line. `CloudWatch` stores it as a log, and reads
//! metrics from lines in its embedded metric format (EMF).

use std::io::Write as _;

use serde_json::json;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

use crate::domain::time::Timestamp;
use crate::ports::{Metric, Metrics};
use crate::settings;

/// The namespace of the metrics, which the alarms in template.yaml name.
const NAMESPACE: &str = "Rekey";

/// Writes the process's events to standard output, one JSON object per line. `RUST_LOG` sets the level (a
/// release contains nothing below `info`); the default is Rekey's own events and the warnings of all crates.
/// A second call has no effect.
pub fn init_log() {
    let asked = settings::resource("RUST_LOG").and_then(|text| text.parse().ok());
    let quiet = [("hyper", Level::WARN), ("aws", Level::WARN)];
    let filter = asked.unwrap_or_else(|| Targets::new().with_default(Level::INFO).with_targets(quiet));
    let _ = registry().with(json_lines(std::io::stdout).with_filter(filter)).try_init();
}

/// Returns the layer that writes each event as one JSON object. Its fields are at the top level, where the
/// metric filters of template.yaml read them.
pub fn json_lines<S, W>(writer: W) -> impl tracing_subscriber::Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fmt::layer().json().flatten_event(true).with_current_span(false).with_ansi(false).with_writer(writer)
}

/// Writes metrics as EMF lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmfMetrics;

impl Metrics for EmfMetrics {
    fn count(&self, metric: Metric, at: Timestamp) {
        // A closed standard output must not stop a delivery.
        let _ = writeln!(std::io::stdout().lock(), "{}", line(metric, at));
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
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["SmsBudgetExhausted"], 1);
        assert_eq!(read["_aws"]["Timestamp"], 1_790_000_000_000_i64);
        assert_eq!(read["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Rekey");
        assert!(!line.contains('\n'));
    }
}
