//! The attempt that a support code belongs to, in the output of `rekey show`.

use serde_json::{Value, json};
use shared::domain::flow::Reason;
use shared::domain::help_desk_call::{AttemptEnd, ShownAttempt};
use shared::domain::method::Method;

/// Returns an attempt for programs.
pub(super) fn json(attempt: &ShownAttempt) -> Value {
    json!({
        "opened_at": attempt.opened_at.to_string(),
        "reason": attempt.reason,
        "step": attempt.step,
        "steps": attempt.steps,
        "verified": attempt.verified,
        "awaited": attempt.awaited,
        "wrong_answers": attempt.wrong_answers,
        "end": attempt.end,
    })
}

/// Returns an attempt in one line.
pub(super) fn line(attempt: &ShownAttempt) -> String {
    let what = match attempt.reason {
        None => "Attempt",
        Some(Reason::Forgotten) => "Reset",
        Some(Reason::Locked) => "Unlock",
    };
    let mut parts =
        vec![format!("{what} begun at {}: step {} of {}", attempt.opened_at, attempt.step, attempt.steps)];
    if !attempt.verified.is_empty() {
        let names: Vec<&str> = attempt.verified.iter().copied().map(Method::as_str).collect();
        parts.push(format!("verified by {}", names.join(" and ")));
    }
    if let Some(method) = attempt.awaited {
        parts.push(format!("last asked for {}", method.as_str()));
    }
    if attempt.wrong_answers > 0 {
        parts.push(format!("wrong answers: {}", attempt.wrong_answers));
    }
    let end = match attempt.end {
        AttemptEnd::Runs => "it runs",
        AttemptEnd::Succeeded => "it succeeded",
        AttemptEnd::Cancelled => "the person cancelled it",
        AttemptEnd::AttemptsUsed => "it ended after too many wrong answers",
        AttemptEnd::Overtaken => "a later change of the account ended it",
        AttemptEnd::Expired => "it expired",
        AttemptEnd::TooFewMethods => "nothing was sent, since too few methods can be used. A pass opens it",
    };
    parts.push(end.to_owned());
    format!("{}.", parts.join(", "))
}
