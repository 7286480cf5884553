//! Flows as their events tell them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Fields, FlowEnd, text_of, time_of};
use crate::domain::time::{Seconds, Timestamp};

/// The time after a flow's expiry in which its change may still be reconciled, so that its end comes late.
pub const RECONCILED_WITHIN: Seconds = Seconds(15 * 60);

/// A flow as its events tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowStory {
    /// The time of the first event, if it is among those that were read.
    pub started_at: Option<Timestamp>,
    /// Whether the login has no usable account.
    pub is_decoy: bool,
    /// The pseudonym of the account.
    pub account: Option<String>,
    /// How the flow ended, why and when.
    pub end: Option<(FlowEnd, String, Timestamp)>,
    /// The last event before the end.
    pub last_event: String,
    /// The step of the last event that has one.
    pub step: Option<u64>,
    /// Whether it unlocks, and resets nothing.
    pub is_unlock: bool,
    /// The methods for which a challenge was sent.
    pub asked: Vec<String>,
    /// The methods that verified a step.
    pub verified: Vec<String>,
}

/// Returns the flows in these lines.
pub fn flows<'a>(lines: impl IntoIterator<Item = &'a Fields>) -> BTreeMap<String, FlowStory> {
    let mut lines: Vec<(Timestamp, &Fields)> =
        lines.into_iter().filter_map(|line| Some((time_of(line)?, line))).collect();
    lines.sort_by_key(|(at, line)| (*at, line.get(super::chain::SEQUENCE).and_then(Value::as_u64)));
    let mut flows: BTreeMap<String, FlowStory> = BTreeMap::new();
    for (at, line) in lines {
        let (Some(flow), Some(event)) = (text_of(line, "flow"), text_of(line, "event")) else { continue };
        flows.entry(flow.to_owned()).or_default().add(at, event, line);
    }
    flows
}

impl FlowStory {
    fn add(&mut self, at: Timestamp, event: &str, line: &Fields) {
        let text = |name| text_of(line, name).map(str::to_owned);
        self.account = text("account").or(self.account.take());
        self.is_decoy |= line.get("decoy").and_then(Value::as_bool).unwrap_or_default();
        self.step = line.get("step").and_then(Value::as_u64).or(self.step);
        match event {
            "flow.started" => self.started_at = Some(at),
            "flow.reason_selected" => self.is_unlock = text_of(line, "reason") == Some("Locked"),
            "code.sent" => self.asked.extend(text("method")),
            "approval.requested" => self.asked.push("push".to_owned()),
            "passkey.requested" => self.asked.push("passkey".to_owned()),
            "step.verified" => self.verified.extend(text("method")),
            "flow.ended" => {
                let end = text_of(line, "outcome").and_then(FlowEnd::parse);
                // A change that was made stays made, whatever was said before.
                let is_settled = matches!(self.end, Some((FlowEnd::Succeeded, ..)));
                if let Some(end) = end.filter(|_| !is_settled) {
                    self.end = Some((end, text("reason").unwrap_or_default(), at));
                }
                return;
            }
            // The queue and the directory report about flows, too; a person's next act is none of theirs.
            "message.processed" | "notification.deferred" | "flow.finish_deferred" => return,
            _ => {}
        }
        event.clone_into(&mut self.last_event);
    }

    /// Returns how the flow ended as of `now`: one without an end was abandoned when it expired.
    pub fn end_at(&self, now: Timestamp, lifetime: Seconds) -> Option<FlowEnd> {
        let has_expired = |started: Timestamp| started + lifetime + RECONCILED_WITHIN <= now;
        let abandoned = || self.started_at.filter(|at| has_expired(*at)).map(|_| FlowEnd::Abandoned);
        self.end.as_ref().map(|(end, ..)| *end).or_else(abandoned)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_790_000_000 + seconds)
    }

    fn line(seconds: i64, event: &str, more: &Value) -> Fields {
        let mut line = json!({ "timestamp": at(seconds).to_string(), "event": event, "flow": "0a" });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line.as_object().unwrap().clone()
    }

    /// Controls: C-232.
    #[test]
    fn flow_without_end_is_abandoned_after_its_time() {
        let lines = [
            line(9, "code.sent", &json!({ "method": "sms", "step": 1 })),
            line(0, "flow.started", &json!({ "account": "00ff", "decoy": false })),
        ];
        let story = &flows(&lines)["0a"];
        assert_eq!((story.last_event.as_str(), story.step), ("code.sent", Some(1)));
        let lifetime = Seconds(900);
        assert_eq!(story.end_at(at(900 + 15 * 60 - 1), lifetime), None);
        assert_eq!(story.end_at(at(900 + 15 * 60), lifetime), Some(FlowEnd::Abandoned));
        let ended = [&lines[..], &[line(20, "flow.ended", &json!({ "outcome": "cancelled" }))]].concat();
        assert_eq!(flows(&ended)["0a"].end_at(at(90_000), lifetime), Some(FlowEnd::Cancelled));
    }

    #[test]
    fn success_is_final() {
        let ends = ["failed", "succeeded", "cancelled"];
        let lines: Vec<Fields> =
            ends.iter().zip(0..).map(|(end, n)| line(n, "flow.ended", &json!({ "outcome": end }))).collect();
        assert_eq!(flows(&lines)["0a"].end.as_ref().unwrap().0, FlowEnd::Succeeded);
    }
}
