//! Errors that are worded for the person at the terminal.

use std::error::Error;
use std::fmt;

/// The reasons why a program can't go on, as complete lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(Vec<String>);

impl Failure {
    /// Creates a failure with one reason.
    pub fn new(line: impl Into<String>) -> Self {
        Self(vec![line.into()])
    }

    /// Creates a failure with several reasons, one line each.
    pub const fn all(lines: Vec<String>) -> Self {
        Self(lines)
    }

    /// Returns the reasons, one line each.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl Error for Failure {}

/// Returns the text of an error with all its causes.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
