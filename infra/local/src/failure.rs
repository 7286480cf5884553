//! Errors at start, worded for the person at the terminal.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// The reasons why the local environment does not start, as complete lines.
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

    /// Explains why an address can't be listened on: in use, not permitted, or not on this machine.
    pub(crate) fn listening(option: &str, address: SocketAddr, error: &io::Error) -> Self {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "another program uses this port. Stop it, or use another; port 0 takes a free one".to_owned()
            }
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need privileges. Use a higher one, such as 8080".to_owned()
            }
            io::ErrorKind::AddrNotAvailable => "this machine has no such address. Use 127.0.0.1".to_owned(),
            _ => format!("{error}. Use another address"),
        };
        Self::new(format!("{option} {address}: {why}"))
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
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
