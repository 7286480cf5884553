//! Checks of a deployment: what was found, and one next action for each that failed.

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use crate::outcome::Outcome;
use crate::output::Output;

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, and somebody should know.
    Attention,
    /// It stops people.
    Bad,
    /// It can't be told.
    Unknown,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The part of the deployment that it belongs to.
    pub group: &'static str,
    /// What was checked.
    pub name: &'static str,
    /// The result.
    pub verdict: Verdict,
    /// What was found.
    pub says: String,
    /// The one next action: a command to paste, or a sentence.
    pub next: Option<String>,
}

/// The checks of a command, in order.
#[derive(Debug, Default)]
pub struct Checks(Vec<Check>);

impl Checks {
    /// Adds a check that found everything as it should be.
    pub fn good(&mut self, group: &'static str, name: &'static str, says: impl Into<String>) {
        self.0.push(Check { group, name, verdict: Verdict::Good, says: says.into(), next: None });
    }

    /// Adds a check with its next action.
    pub fn add(
        &mut self,
        verdict: Verdict,
        group: &'static str,
        name: &'static str,
        says: impl Into<String>,
        next: impl Into<String>,
    ) {
        self.0.push(Check { group, name, verdict, says: says.into(), next: Some(next.into()) });
    }

    /// Returns whether a check failed.
    pub fn has_failed(&self) -> bool {
        self.0.iter().any(|check| check.verdict == Verdict::Bad)
    }

    /// Writes all checks, and returns how the command ends.
    pub fn write(&self, output: &Output) -> Outcome {
        let count = |verdict| self.0.iter().filter(|check| check.verdict == verdict).count();
        let (good, attention) = (count(Verdict::Good), count(Verdict::Attention));
        let (bad, unknown) = (count(Verdict::Bad), count(Verdict::Unknown));
        if output.is_json() {
            output.json(&json!({
                "checks": self.0.iter().map(Check::to_json).collect::<Vec<_>>(),
                "ok": good, "warnings": attention, "failed": bad, "unknown": unknown,
            }));
        } else {
            let mut group = "";
            for check in &self.0 {
                if check.group != group {
                    group = check.group;
                    output.line(format!(" {group}"));
                }
                check.write(output);
            }
            output.line(format!("\n  {good} ✔ · {attention} ! · {bad} ✘ · {unknown} ?"));
        }
        if bad > 0 { Outcome::Incomplete } else { Outcome::Done }
    }
}

impl Check {
    fn write(&self, output: &Output) {
        let (mark, colour) = match self.verdict {
            Verdict::Good => ("✔", AnsiColor::Green),
            Verdict::Attention => ("!", AnsiColor::Yellow),
            Verdict::Bad => ("✘", AnsiColor::Red),
            Verdict::Unknown => ("?", AnsiColor::Yellow),
        };
        let colour: Style = colour.on_default();
        output.line(format!("  {colour}{mark}{colour:#} {:<12} {}", self.name, printable(&self.says)));
        if let Some(next) = &self.next {
            output.line(format!("                 → {}", printable(next)));
        }
    }

    fn to_json(&self) -> Value {
        let verdict = match self.verdict {
            Verdict::Good => "ok",
            Verdict::Attention => "warning",
            Verdict::Bad => "failed",
            Verdict::Unknown => "unknown",
        };
        json!({
            "group": self.group, "name": self.name, "verdict": verdict, "says": self.says, "next": self.next,
        })
    }
}

/// Returns a text without control characters: names of entries come from a directory, and a terminal obeys escapes.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_reach_no_terminal() {
        assert_eq!(printable("CN=\u{1b}[2JAisyah\n"), "CN=\u{fffd}[2JAisyah\u{fffd}");
    }

    #[test]
    fn only_failed_check_changes_the_end() {
        let output = Output::new(true);
        let mut checks = Checks::default();
        checks.good("Directory", "server", "reached");
        checks.add(Verdict::Attention, "Directory", "copy", "old", "sync");
        checks.add(Verdict::Unknown, "Directory", "rights", "not told", "try");
        assert_eq!((checks.has_failed(), checks.write(&output)), (false, Outcome::Done));
        checks.add(Verdict::Bad, "Directory", "server", "not reached", "open the port");
        assert_eq!((checks.has_failed(), checks.write(&output)), (true, Outcome::Incomplete));
    }
}
