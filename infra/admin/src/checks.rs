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
    /// There is nothing to check here.
    Skipped,
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

    /// Adds a check that does not apply here.
    pub fn skip(&mut self, group: &'static str, name: &'static str, says: impl Into<String>) {
        self.0.push(Check { group, name, verdict: Verdict::Skipped, says: says.into(), next: None });
    }

    /// Adds the checks of another list.
    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Turns what can't be told into what somebody should know.
    pub fn unknown_as_attention(&mut self) {
        for check in self.0.iter_mut().filter(|check| check.verdict == Verdict::Unknown) {
            check.verdict = Verdict::Attention;
        }
    }

    /// Returns how many checks have this result.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.0.iter().filter(|check| check.verdict == verdict).count()
    }

    /// Returns whether a check failed.
    pub fn has_failed(&self) -> bool {
        self.0.iter().any(|check| check.verdict == Verdict::Bad)
    }

    /// Writes all checks, and returns how the command ends.
    pub fn write(&self, output: &Output) -> Outcome {
        let [good, attention, bad, unknown, skipped] =
            [Verdict::Good, Verdict::Attention, Verdict::Bad, Verdict::Unknown, Verdict::Skipped]
                .map(|verdict| self.count(verdict));
        if output.is_json() {
            output.json(&json!({
                "checks": self.0.iter().map(Check::to_json).collect::<Vec<_>>(),
                "ok": good, "warnings": attention, "failed": bad, "unknown": unknown,
                "skipped": skipped,
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
            output.line(format!(
                "\n  {good} ✔ ok · {attention} ! warnings · {bad} ✘ failed · {unknown} ? unknown · {skipped} – not checked"
            ));
        }
        if bad > 0 { Outcome::Incomplete } else { Outcome::Done }
    }
}

impl Check {
    fn write(&self, output: &Output) {
        let (mark, word, colour) = match self.verdict {
            Verdict::Good => ("✔", "ok", AnsiColor::Green),
            Verdict::Attention => ("!", "warning", AnsiColor::Yellow),
            Verdict::Bad => ("✘", "failed", AnsiColor::Red),
            Verdict::Unknown => ("?", "unknown", AnsiColor::Yellow),
            Verdict::Skipped => ("–", "", AnsiColor::BrightBlack),
        };
        let colour: Style = colour.on_default();
        output.line(format!(
            "  {colour}{mark} {word:<8}{colour:#}{:<13}{}",
            self.name,
            printable(&self.says)
        ));
        if let Some(next) = &self.next {
            output.line(format!("                         → {}", printable(next)));
        }
    }

    fn to_json(&self) -> Value {
        let verdict = match self.verdict {
            Verdict::Good => "ok",
            Verdict::Attention => "warning",
            Verdict::Bad => "failed",
            Verdict::Unknown => "unknown",
            Verdict::Skipped => "skipped",
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
