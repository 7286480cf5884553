//! Audit events: one structure for every function and every door.
//!
//! An event is a JSON object. The common fields are `actor`, `account` (a pseudonym), `flow`, `step`, `outcome`, `reason`,
//! `network` and `client`. The request sets those that it knows once, for all of its events.

pub mod chain;
pub mod flows;
pub mod recent;
pub mod verify;

use serde_json::{Map, Value};

use crate::domain::time::Timestamp;

/// The fields of a log line.
pub type Fields = Map<String, Value>;

/// The actor of an event that no person, device or agent caused.
pub const SYSTEM: &str = "system";

/// The end state of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlowEnd {
    /// The person left, and the flow expired.
    Abandoned,
    /// The attempts were used up, or the owner denied an approval.
    Blocked,
    /// The person cancelled.
    Cancelled,
    /// Everything was verified, and the change was not allowed or can't be confirmed.
    Failed,
    /// The password was reset, or the account unlocked.
    Succeeded,
}

impl FlowEnd {
    /// All end states, in the order of the alphabet.
    pub const ALL: [Self; 5] =
        [Self::Abandoned, Self::Blocked, Self::Cancelled, Self::Failed, Self::Succeeded];

    /// Returns the value of the field `outcome`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Abandoned => "abandoned",
            Self::Blocked => "blocked",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Succeeded => "succeeded",
        }
    }

    /// Reads a value of the field `outcome`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|end| end.as_str() == text)
    }
}

/// Completes a log line. The fields of its request (`span`) move to the event, which wins where both have one. An event
/// without an actor is the system's. An event without an outcome has that of its name.
pub fn complete(mut line: Fields) -> Fields {
    if let Some(Value::Object(request)) = line.remove("span") {
        for (name, value) in request.into_iter().filter(|(name, _)| name != "name") {
            line.entry(name).or_insert(value);
        }
    }
    if let Some(outcome) = line.get("event").and_then(Value::as_str).map(outcome_of) {
        line.entry("outcome").or_insert_with(|| outcome.into());
        line.entry("actor").or_insert_with(|| SYSTEM.into());
    }
    line
}

/// Returns a text of a line.
pub fn text_of<'a>(line: &'a Fields, name: &str) -> Option<&'a str> {
    line.get(name)?.as_str()
}

/// Returns the time of a line.
pub fn time_of(line: &Fields) -> Option<Timestamp> {
    Timestamp::parse(text_of(line, "timestamp")?)
}

/// Returns the outcome that an event's name tells: events are named `noun.past_participle`.
fn outcome_of(event: &str) -> &'static str {
    let ends = |words: &[&str]| words.iter().any(|word| event.ends_with(word));
    if ends(&["rejected", "refused"]) {
        "refused"
    } else if ends(&["failed", "unreadable", "unconfirmed"]) {
        "failed"
    } else {
        "done"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn completed(line: Value) -> Value {
        let Value::Object(fields) = line else { panic!("an object") };
        Value::Object(complete(fields))
    }

    /// Controls: C-064.
    #[test]
    fn event_gets_fields_of_its_request() {
        let line = json!({
            "event": "step.verified", "step": 2,
            "span": { "name": "request", "actor": "person", "step": 1, "network": "203.0.113.x" },
        });
        let expected = json!({
            "event": "step.verified", "step": 2, "actor": "person", "network": "203.0.113.x", "outcome": "done",
        });
        assert_eq!(completed(line), expected);
    }

    #[test]
    fn outcome_follows_name_unless_given() {
        for (event, outcome) in
            [("code.rejected", "refused"), ("housekeeping.failed", "failed"), ("code.sent", "done")]
        {
            let line = completed(json!({ "event": event }));
            assert_eq!(line, json!({ "event": event, "outcome": outcome, "actor": "system" }));
        }
        let ended = completed(json!({ "event": "flow.ended", "outcome": "blocked" }));
        assert_eq!(FlowEnd::parse(ended["outcome"].as_str().unwrap()), Some(FlowEnd::Blocked));
        assert_eq!(completed(json!({ "message": "of a library" })), json!({ "message": "of a library" }));
    }
}
