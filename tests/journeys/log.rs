//! The log as `CloudWatch` gets it, and the metric filters of template.yaml over it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use rekey_local::template::Template;
use rekey_local::template::document::{items, reference, text};
use rekey_tests::World;
use rekey_tests::fixtures::Person;
use serde_json::{Value, json};
use shared::adapters::system::json_lines;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, registry};

/// The crates of the functions, and the common one.
const OWN: [&str; 9] = [
    "shared",
    "approval",
    "captcha",
    "method_selection",
    "code_send",
    "code_verify",
    "password_set",
    "delivery",
    "enrolment",
];

/// Collects the log.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Captures every level of Rekey's own log, and INFO and above of the libraries, in the form of a deployment,
    /// until the guard is dropped.
    pub fn keep(&self) -> tracing::subscriber::DefaultGuard {
        let targets = Targets::new().with_default(Level::INFO);
        let filter = targets.with_targets(OWN.map(|target| (target, Level::TRACE)));
        let writer = self.clone();
        let layer = json_lines(move || writer.clone()).with_filter(filter);
        tracing::subscriber::set_default(registry().with(layer))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Returns the lines of an event, in order.
    pub fn of(&self, event: &str) -> Vec<Value> {
        let lines = self.text();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["event"] == event).collect()
    }

    /// Returns the values of a field in the lines of an event, in order.
    pub fn field(&self, event: &str, field: &str) -> Vec<String> {
        let lines = self.of(event);
        lines.iter().map(|line| line[field].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// Every metric filter matches a line that its own function logs, and counts for the metric of an alarm.
/// Controls: C-065.
#[tokio::test]
async fn metric_filters_match_logged_lines() {
    let lines = Lines::default();
    let _guard = lines.keep();
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    browser.send_email().await;
    assert_eq!(browser.code("00000000").await.problem().1, "code-wrong");
    let sign_in = |password: &str| json!({ "login": "aisyah", "password": password });
    let wrong = world.browser().post("/security-info/sign-in", sign_in("Wrong-Password-1")).await;
    assert_eq!(wrong.problem().1, "sign-in-wrong");
    let mut visit = world.browser();
    visit.post("/security-info/sign-in", sign_in(Person::PASSWORD)).await;
    let wrong = visit.post("/security-info/verify", json!({ "method": "totp", "code": "000000" })).await;
    assert_eq!(wrong.problem().1, "code-wrong");

    let template = Template::from_project().unwrap();
    let document = &template.document;
    let filters = document.of_type("AWS::Logs::MetricFilter");
    let alarms = document.of_type("AWS::CloudWatch::Alarm");
    assert!(!filters.is_empty());
    for (name, filter) in filters {
        let properties = &filter["Properties"];
        let pattern = text(&properties["FilterPattern"]).unwrap();
        let event = pattern.split('"').nth(1).unwrap();
        assert_eq!(pattern, format!("{{ $.event = \"{event}\" }}"), "{name}");
        let log = reference(&properties["LogGroupName"]).unwrap();
        let group = text(&document.resource(&log)["Properties"]["LogGroupName"]).unwrap();
        let function = group.rsplit('/').next().unwrap().replace('-', "_");
        let target = |line: &Value| line["target"].as_str().unwrap().split("::").next() == Some(&function);
        assert!(lines.of(event).iter().any(target), "{name}: {function} logs no {event}");
        for metric in items(&properties["MetricTransformations"]) {
            let is_watched = |alarm: &&rekey_local::template::document::Value| {
                let alarm = &alarm["Properties"];
                alarm["Namespace"] == metric["MetricNamespace"] && alarm["MetricName"] == metric["MetricName"]
            };
            assert!(alarms.values().any(is_watched), "{name}: no alarm watches {metric:?}");
        }
    }
}
