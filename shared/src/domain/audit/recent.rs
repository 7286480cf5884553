//! The last events of an account, as its owner reads them.

use serde::{Deserialize, Serialize};

use super::{Fields, FlowEnd, text_of, time_of};
use crate::domain::time::{Seconds, Timestamp};

/// The most events that are kept for an account.
pub const RECENT_MAX: usize = 20;
/// How long they are kept after the last one: 90 days, as the log of a deployment by default.
pub const KEPT: Seconds = Seconds(90 * 86_400);

/// An event that an owner can judge: a step of a reset, of a sign-in or of an enrolment, or an act of the help desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecentKind {
    /// Somebody began to reset or unlock.
    Started,
    /// A code or a request was sent.
    CodeSent,
    /// A step was verified.
    StepVerified,
    /// A wrong code was typed.
    CodeRejected,
    /// The password was reset.
    Reset,
    /// The account was unlocked.
    Unlocked,
    /// The flow was cancelled.
    Cancelled,
    /// The flow was left.
    Abandoned,
    /// The flow was blocked.
    Blocked,
    /// The change failed.
    Failed,
    /// Somebody signed in at `/security-info`.
    SignedIn,
    /// A wrong answer at the second step of a sign-in.
    StepUpRejected,
    /// A method was added.
    Added,
    /// A method was removed.
    Removed,
    /// A browser became a known device.
    DeviceRemembered,
    /// The help desk gave a pass.
    PassIssued,
    /// The help desk removed a method.
    RemovedByHelpDesk,
    /// The help desk removed the lock.
    UnlockedByHelpDesk,
    /// The help desk lifted limits.
    LimitsLifted,
}

impl RecentKind {
    /// All kinds.
    pub const ALL: [Self; 19] = [
        Self::Started,
        Self::CodeSent,
        Self::StepVerified,
        Self::CodeRejected,
        Self::Reset,
        Self::Unlocked,
        Self::Cancelled,
        Self::Abandoned,
        Self::Blocked,
        Self::Failed,
        Self::SignedIn,
        Self::StepUpRejected,
        Self::Added,
        Self::Removed,
        Self::DeviceRemembered,
        Self::PassIssued,
        Self::RemovedByHelpDesk,
        Self::UnlockedByHelpDesk,
        Self::LimitsLifted,
    ];

    /// Returns the key of the text, and the name in the HTTP contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::CodeSent => "code_sent",
            Self::StepVerified => "step_verified",
            Self::CodeRejected => "code_rejected",
            Self::Reset => "reset",
            Self::Unlocked => "unlocked",
            Self::Cancelled => "cancelled",
            Self::Abandoned => "abandoned",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::SignedIn => "signed_in",
            Self::StepUpRejected => "step_up_rejected",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::DeviceRemembered => "device_remembered",
            Self::PassIssued => "pass_issued",
            Self::RemovedByHelpDesk => "removed_by_help_desk",
            Self::UnlockedByHelpDesk => "unlocked_by_help_desk",
            Self::LimitsLifted => "limits_lifted",
        }
    }

    fn of(line: &Fields) -> Option<Self> {
        Some(match text_of(line, "event")? {
            "flow.started" => Self::Started,
            "code.sent" | "approval.requested" => Self::CodeSent,
            "step.verified" => Self::StepVerified,
            "code.rejected" => Self::CodeRejected,
            "flow.ended" => match FlowEnd::parse(text_of(line, "outcome")?)? {
                FlowEnd::Succeeded if text_of(line, "reason") == Some("unlock") => Self::Unlocked,
                FlowEnd::Succeeded => Self::Reset,
                FlowEnd::Cancelled => Self::Cancelled,
                FlowEnd::Abandoned => Self::Abandoned,
                FlowEnd::Blocked => Self::Blocked,
                FlowEnd::Failed => Self::Failed,
            },
            "session.started" => Self::SignedIn,
            "step_up.rejected" => Self::StepUpRejected,
            "enrolment.completed" => Self::Added,
            "enrolment.removed" => Self::Removed,
            "known_device.added" => Self::DeviceRemembered,
            "pass.issued" | "activation_pass.issued" => Self::PassIssued,
            "method.removed" => Self::RemovedByHelpDesk,
            "lock.removed" => Self::UnlockedByHelpDesk,
            "limits.lifted" => Self::LimitsLifted,
            _ => return None,
        })
    }
}

/// An event of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentEvent {
    /// The time.
    pub at: Timestamp,
    /// The kind, which selects the text.
    pub kind: RecentKind,
    /// The network that it came from (`203.0.113.x`); empty for an act of the help desk.
    #[serde(default)]
    pub network: String,
    /// The browser and its system; empty for an unknown one.
    #[serde(default)]
    pub client: String,
}

impl RecentEvent {
    /// Returns the event of a line, and its account's pseudonym. `None` for a line that no owner reads: that of another
    /// kind, or of a decoy.
    pub fn of(line: &Fields) -> Option<(&str, Self)> {
        let kind = RecentKind::of(line)?;
        if line.get("decoy").and_then(serde_json::Value::as_bool) == Some(true) {
            return None;
        }
        let text = |name| text_of(line, name).unwrap_or_default().to_owned();
        let event = Self { at: time_of(line)?, kind, network: text("network"), client: text("client") };
        Some((text_of(line, "account")?, event))
    }
}

/// Returns the events to keep, the newest first, after `more` came.
pub fn keep(kept: Vec<RecentEvent>, more: Vec<RecentEvent>) -> Vec<RecentEvent> {
    let mut events: Vec<RecentEvent> = more.into_iter().rev().chain(kept).collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.at));
    events.truncate(RECENT_MAX);
    events
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(event: &str, more: &serde_json::Value) -> Fields {
        let mut line = json!({ "event": event, "timestamp": "2026-12-01T08:00:00.5Z", "account": "00ff" });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line.as_object().unwrap().clone()
    }

    /// Controls: C-234.
    #[test]
    fn events_of_decoys_and_of_the_system_are_not_kept() {
        assert_eq!(RecentEvent::of(&line("code.sent", &json!({ "decoy": true }))), None);
        assert_eq!(RecentEvent::of(&line("lease.release_failed", &json!({}))), None);
        let unlocked = line("flow.ended", &json!({ "outcome": "succeeded", "reason": "unlock" }));
        let (account, event) = RecentEvent::of(&unlocked).unwrap();
        assert_eq!((account, event.kind), ("00ff", RecentKind::Unlocked));
    }

    #[test]
    fn stored_names_are_those_of_texts() {
        for kind in RecentKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn twenty_newest_are_kept() {
        let event = |seconds: i64| RecentEvent {
            at: Timestamp::from_seconds(seconds),
            kind: RecentKind::Started,
            network: String::new(),
            client: String::new(),
        };
        let kept = keep((0..15).rev().map(event).collect(), (15..30).map(event).collect());
        assert_eq!(kept.len(), RECENT_MAX);
        assert_eq!((kept[0].at, kept[19].at), (Timestamp::from_seconds(29), Timestamp::from_seconds(10)));
    }
}
