//! Command-line options. The doc comments of the fields are the text of `--help`.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use clap::Parser;

use rekey_people::Failure;

/// The end of `--help`.
const MORE: &str = "\
Examples:
  cargo local                        Rekey at http://127.0.0.1:8080, the dev inbox at http://127.0.0.1:8025
  cargo local --memory --steps 1     starts sooner, with one verification step
  cargo local --data state           keeps the state in the folder `state`
  cargo local --people people.csv    imports other people than the example people
  cargo local --directory ad.json    resets passwords in your own test directory
  REKEY_CODE_DIGITS=6 cargo local    changes a setting of template.yaml

Environment:
  REKEY_*     settings of template.yaml; options override them
  RUST_LOG    the log filter, such as `info` [default: warn]

Exit status:
  0    Ctrl-C or SIGTERM stopped it
  1    it could not start, or could not keep the state
  2    an option is unknown or incomplete

infra/guides/local-environment.md describes the parts, and the columns of a people file.";

/// Runs all of Rekey on this machine, with an AWS emulator and a dev inbox; needs no AWS account
#[derive(Debug, Clone, Parser)]
#[command(name = "cargo local", bin_name = "cargo local", version, after_help = MORE)]
pub struct Options {
    /// Address of Rekey; port 0 takes a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: String,
    /// Address of the dev inbox, on this machine only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8025")]
    pub outbox: String,
    /// Keeps the state in this folder for the next start; without it, everything is lost at the end
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Keeps tables in memory, without the DynamoDB emulator; roles of template.yaml don't apply to them
    #[arg(long)]
    pub memory: bool,
    /// CSV file of the people to import at every start; the default is infra/local/people.csv
    #[arg(long, value_name = "FILE")]
    pub people: Option<PathBuf>,
    /// File of your own directory (Active Directory, OpenLDAP); see infra/guides/directories.md
    #[arg(long, value_name = "FILE", conflicts_with_all = ["memory", "people", "services"])]
    pub directory: Option<PathBuf>,
    /// Verification steps of a reset; the default is `REKEY_STEPS`, or else 2
    #[arg(long, value_name = "1|2", value_parser = clap::value_parser!(u8).range(1..=2))]
    pub steps: Option<u8>,
    /// Starts only the AWS emulator and the dev inbox, for functions that `cargo lambda watch` runs
    #[arg(long)]
    pub services: bool,
    /// Address of `cargo lambda watch`; needs --services
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
                "--memory can't be combined with --data: leave out --memory to keep the state in the folder, or \
                 leave out --data",
            ),
            Self { memory: true, services: true, .. } => refused(
                "--memory can't be combined with --services, because other processes can't reach these tables: \
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
        address("--listen", &self.listen, "127.0.0.1:8080")
    }

    /// Returns the address that the dev inbox listens on. It shows every code and password, so it must be a loopback
    /// address.
    ///
    /// # Errors
    /// [`Failure`] if it isn't one.
    pub fn dev_inbox_address(&self) -> Result<SocketAddr, Failure> {
        let address = address("--outbox", &self.outbox, "127.0.0.1:8025")?;
        if address.ip().is_loopback() {
            Ok(address)
        } else {
            Err(Failure::new(format!(
                "--outbox {address}: the dev inbox shows codes and passwords, so only this machine may reach it. \
                 Use 127.0.0.1 or [::1], such as 127.0.0.1:8025"
            )))
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
            Err(Failure::new(format!(
                "--watch {}: not an http: address. Use that of `cargo lambda watch`, such as \
                 http://127.0.0.1:9000",
                self.watch
            )))
        }
    }
}

/// Resolves an address. `example` is one for the error.
fn address(option: &str, text: &str, example: &str) -> Result<SocketAddr, Failure> {
    // A host name with IPv4 and IPv6 addresses resolves to IPv4, which every browser can open.
    let resolved = text.to_socket_addrs().ok();
    let mut found: Vec<SocketAddr> = resolved.into_iter().flatten().collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.first().copied().ok_or_else(|| {
        Failure::new(format!(
            "{option} {text}: not an address of this machine with a port. Use one such as {example}"
        ))
    })
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
        assert!(options(&["--outbox", "0.0.0.0:8025"]).dev_inbox_address().is_err());
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
