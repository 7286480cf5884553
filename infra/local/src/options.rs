//! Command-line options. The doc comments of the fields are the text of `--help`.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use clap::Parser;

use crate::failure::Failure;

/// Rekey on this machine: the whole product, with a small local cloud and an outbox.
#[derive(Debug, Clone, Parser)]
#[command(name = "cargo local", version, about)]
pub struct Options {
    /// Where the product listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: String,
    /// Where the outbox listens; this machine only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8025")]
    pub outbox: String,
    /// Keeps the state in a folder, for the next start; without it everything is gone at the end
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Starts without the DynamoDB-compatible store: tables and accounts are in memory, and neither the roles of
    /// template.yaml nor injected faults apply to them
    #[arg(long)]
    pub memory: bool,
    /// The people, as CSV, instead of the demo people; imported at every start
    #[arg(long, value_name = "FILE")]
    pub people: Option<PathBuf>,
    /// Verification steps before the password
    #[arg(long, value_name = "1|2", value_parser = clap::value_parser!(u8).range(1..=2))]
    pub steps: Option<u8>,
    /// Only the local cloud, for functions that `cargo lambda watch` runs
    #[arg(long)]
    pub services: bool,
    /// Where `cargo lambda watch` listens
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9000", requires = "services")]
    pub watch: String,
}

impl Options {
    /// Returns whether the tables are in memory.
    ///
    /// # Errors
    /// [`Failure`] if another option needs them elsewhere.
    pub fn in_memory(&self) -> Result<bool, Failure> {
        let refused = |why: &str| Err(Failure::new(why));
        match self {
            Self { memory: true, data: Some(_), .. } => refused(
                "--memory keeps nothing, so leave out --data; or leave out --memory to keep the state",
            ),
            Self { memory: true, services: true, .. } => refused(
                "--services is for functions in other processes, which can't reach tables in this one: \
                 leave out --memory",
            ),
            _ => Ok(self.memory),
        }
    }

    /// Returns the address that Rekey listens on.
    ///
    /// # Errors
    /// [`Failure`] if it is not an address.
    pub fn listen_address(&self) -> Result<SocketAddr, Failure> {
        address("--listen", &self.listen)
    }

    /// Returns the address that the dev inbox listens on. It shows every code and password, so it must be a loopback
    /// address.
    ///
    /// # Errors
    /// [`Failure`] if it isn't one.
    pub fn outbox_address(&self) -> Result<SocketAddr, Failure> {
        let address = address("--outbox", &self.outbox)?;
        if address.ip().is_loopback() {
            Ok(address)
        } else {
            let why = "the outbox shows codes and passwords, so it listens on 127.0.0.1 or [::1] only";
            Err(Failure::new(format!("--outbox {address}: {why}")))
        }
    }

    /// Returns the base URL of `cargo lambda watch`.
    ///
    /// # Errors
    /// [`Failure`] if it isn't an `http:` URL.
    pub fn watch_url(&self) -> Result<String, Failure> {
        let url = self.watch.trim_end_matches('/');
        let uri: Option<http::Uri> = url.parse().ok();
        let fits = uri.is_some_and(|uri| uri.scheme_str() == Some("http") && uri.query().is_none());
        if fits {
            Ok(url.to_owned())
        } else {
            Err(Failure::new(format!("--watch {}: not an address like http://127.0.0.1:9000", self.watch)))
        }
    }
}

fn address(option: &str, text: &str) -> Result<SocketAddr, Failure> {
    // A host name with IPv4 and IPv6 addresses resolves to IPv4, which every browser can open.
    let resolved = text.to_socket_addrs().ok();
    let mut found: Vec<SocketAddr> = resolved.into_iter().flatten().collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found
        .first()
        .copied()
        .ok_or_else(|| Failure::new(format!("{option} {text}: not an address like 127.0.0.1:8080")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Options {
        Options::try_parse_from(["cargo local"].iter().chain(arguments)).unwrap()
    }

    #[test]
    fn invalid_address_is_rejected_in_one_line() {
        assert_eq!(options(&[]).listen_address().unwrap().to_string(), "127.0.0.1:8080");
        assert_eq!(options(&["--listen", "[::1]:0"]).listen_address().unwrap().port(), 0);
        for wrong in ["8080", "127.0.0.1", "127.0.0.1:99999", "nowhere.invalid:1"] {
            let failure = options(&["--listen", wrong]).listen_address().unwrap_err();
            assert_eq!(failure.lines().len(), 1, "{wrong}");
        }
        assert!(options(&["--outbox", "0.0.0.0:8025"]).outbox_address().is_err());
        assert!(options(&["--services", "--watch", "https://x"]).watch_url().is_err());
    }

    #[test]
    fn memory_with_folder_or_services_is_rejected() {
        assert!(!options(&[]).in_memory().unwrap());
        assert!(options(&["--memory", "--people", "people.csv"]).in_memory().unwrap());
        for other in [&["--data", "state"][..], &["--services"]] {
            let failure = options(&[&["--memory"], other].concat()).in_memory().unwrap_err();
            let advice = failure.to_string();
            assert!(advice.contains(other[0]) && advice.contains("leave out"), "{advice}");
        }
    }

    #[test]
    fn invalid_options_are_rejected() {
        for wrong in [&["--steps", "3"][..], &["--watch", "http://127.0.0.1:9000"], &["--nothing"]] {
            assert!(Options::try_parse_from(["cargo local"].iter().chain(wrong)).is_err(), "{wrong:?}");
        }
    }
}
