//! How a command ends.

use std::process::ExitCode;

use rekey_people::Failure;
use serde_json::{Value, json};

/// The end of a command that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is as wanted.
    Done,
    /// It is done, and something needs a look: rows were refused, or a check failed.
    Incomplete,
    /// It is done in part: a check could not be made.
    InPart,
    /// No check failed, and some have warnings, which the command line asked for as a failure.
    Warnings,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Incomplete => Self::from(3),
            Outcome::InPart => Self::from(1),
            Outcome::Warnings => Self::from(7),
        }
    }
}

/// The reason why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: Kind,
    lines: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Failed,
    Usage,
    NotFound,
    Refused(&'static str),
    Awaiting,
    Interrupted,
}

impl Problem {
    /// Returns a problem with one line: what failed, and what to do.
    pub fn failed(line: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, lines: vec![line.into()] }
    }

    /// Returns a problem with what was typed.
    pub fn usage(line: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, lines: vec![line.into()] }
    }

    /// Returns the problem that nobody has the login.
    pub fn not_found(login: &str) -> Self {
        Self {
            kind: Kind::NotFound,
            lines: vec![format!("nobody has the login `{login}`. Check its spelling")],
        }
    }

    /// Returns the problem that the help desk's rules refuse an act, with the name of the rule for programs.
    pub fn refused(rule: &'static str, line: impl Into<String>) -> Self {
        Self { kind: Kind::Refused(rule), lines: vec![line.into()] }
    }

    /// Returns the problem that another agent must repeat the act.
    pub fn awaiting(line: impl Into<String>) -> Self {
        Self { kind: Kind::Awaiting, lines: vec![line.into()] }
    }

    /// Returns the problem that Ctrl-C ended the command.
    pub fn interrupted() -> Self {
        let why = "interrupted. What is written stays; the same command goes on from there";
        Self { kind: Kind::Interrupted, lines: vec![why.to_owned()] }
    }

    /// Returns the problem that Ctrl-C ended the command, with how far it came.
    pub fn interrupted_at(line: impl Into<String>) -> Self {
        Self { kind: Kind::Interrupted, lines: vec![line.into()] }
    }

    /// Returns the problem with a further line before its own.
    #[must_use]
    pub fn after(mut self, line: impl Into<String>) -> Self {
        self.lines.insert(0, line.into());
        self
    }

    /// Returns the exit status: see `rekey --help`.
    pub const fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::NotFound => 4,
            Kind::Refused(_) => 5,
            Kind::Awaiting => 6,
            Kind::Interrupted => 130,
        }
    }

    /// Returns the reasons, one line each.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Returns the problem for programs.
    pub fn to_json(&self) -> Value {
        let code = match self.kind {
            Kind::Failed => "failed",
            Kind::Usage => "usage",
            Kind::NotFound => "not_found",
            Kind::Refused(rule) => rule,
            Kind::Awaiting => "needs_another_agent",
            Kind::Interrupted => "interrupted",
        };
        json!({ "error": { "code": code, "exit": self.exit_code(), "lines": self.lines } })
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self { kind: Kind::Failed, lines: failure.lines().to_vec() }
    }
}
