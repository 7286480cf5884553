//! The organisation's own directory. Three functions of this crate reach it, each with a service account and a role of
//! its own: `directory-read` checks passwords, `directory-write` changes them, and `directory-sync` copies the people.

pub mod read;
pub mod write;

use std::error::Error;

/// Returns an error with its causes, for the log. The port's errors quote no password.
fn causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
