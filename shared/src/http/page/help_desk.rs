//! The sentences of the help desk's page.

use super::Page;
use crate::domain::account::AccountState;
use crate::domain::flow::Reason;
use crate::domain::help_desk_call::AttemptEnd;
use crate::domain::method::Method;
use crate::domain::policy::Readiness;
use crate::http::view::help_desk::{Attempt, Done, Person};
use crate::text::messages::methods;

impl Page<'_> {
    /// Returns what an act did, without the pass.
    pub(super) fn desk_done(&self, done: &Done) -> String {
        let t = &self.t.help_desk;
        let when = |at: &str| self.page.moment(at);
        match done {
            Done::CodeSent { masked, expires_at } => t
                .done_code_sent
                .with("masked", self.isolated(masked))
                .with("when", when(expires_at))
                .to_string(),
            Done::Checked { until } => t.done_checked.with("when", when(until)).to_string(),
            Done::Passed { expires_at, notified, .. } => {
                t.done_passed.with("when", when(expires_at)).with("count", notified).to_string()
            }
            Done::Removed { notified } => t.done_removed.with("count", notified).to_string(),
            Done::Unlocked => t.done_unlocked.to_string(),
            Done::Unconfirmed => t.done_unconfirmed.to_string(),
            Done::Released => t.done_released.to_string(),
            Done::NeedsAnotherAgent { until } => t.done_another.with("when", when(until)).to_string(),
        }
    }

    /// Returns the state of an account, and whether its owner can reset.
    pub(super) fn desk_state(&self, person: &Person) -> String {
        let t = &self.t.help_desk;
        let state = match person.state {
            AccountState::Active => t.state_active,
            AccountState::Locked => t.state_locked,
            AccountState::Disabled => t.state_disabled,
            AccountState::Excluded => t.state_excluded,
        };
        let readiness = match person.readiness {
            Readiness::Capable => t.ready_capable,
            Readiness::Partly => t.ready_partly,
            Readiness::None => t.ready_none,
        };
        format!("{state}{}{readiness}", self.gap())
    }

    /// Returns what is known of an attempt, a sentence each.
    pub(super) fn desk_attempt(&self, attempt: &Attempt) -> Vec<String> {
        let t = &self.t.help_desk;
        let names = |used: &[Method]| methods(self.page.language, used);
        let when = self.page.moment(&attempt.opened_at);
        let step = |text: crate::text::Text| {
            text.with("when", &when).with("step", attempt.step).with("steps", attempt.steps).to_string()
        };
        let mut lines = vec![match attempt.reason {
            None => t.begun.with("when", &when).to_string(),
            Some(Reason::Forgotten) => step(t.begun_reset),
            Some(Reason::Locked) => step(t.begun_unlock),
        }];
        if !attempt.verified.is_empty() {
            lines.push(t.verified_by.with("methods", names(&attempt.verified)).to_string());
        }
        lines.extend(attempt.awaited.map(|method| t.asked_for.with("method", names(&[method])).to_string()));
        if attempt.wrong_answers > 0 {
            lines.push(t.wrong_answers.with("count", attempt.wrong_answers).to_string());
        }
        let end = match attempt.end {
            AttemptEnd::Runs => t.end_runs,
            AttemptEnd::Succeeded => t.end_succeeded,
            AttemptEnd::Cancelled => t.end_cancelled,
            AttemptEnd::AttemptsUsed => t.end_attempts,
            AttemptEnd::Overtaken => t.end_overtaken,
            AttemptEnd::Expired => t.end_expired,
            AttemptEnd::TooFewMethods => t.end_few,
        };
        lines.push(end.to_string());
        lines
    }
}
