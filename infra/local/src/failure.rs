//! What can go wrong at start, in words for the person at the keyboard.

use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Why the laptop twin does not start: complete lines, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(Vec<String>);

impl Failure {
    /// One reason in one line.
    pub fn new(line: impl Into<String>) -> Self {
        Self(vec![line.into()])
    }

    /// Several reasons, one line each.
    pub const fn all(lines: Vec<String>) -> Self {
        Self(lines)
    }

    /// The address is taken, not ours or not on this machine.
    pub(crate) fn listening(option: &str, address: SocketAddr, error: &io::Error) -> Self {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "something is listening there already; stop it or choose another address".to_owned()
            }
            io::ErrorKind::PermissionDenied => "ports below 1024 need privileges".to_owned(),
            io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
            _ => error.to_string(),
        };
        Self::new(format!("{option} {address}: {why}"))
    }

    /// The reasons, one line each.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Failure {}
