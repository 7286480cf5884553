//! The commands and their options. The doc comments are the text of `--help`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// The address of the dev inbox of `cargo local`.
const DEV_INBOX: &str = "http://127.0.0.1:8025";

const MORE: &str = "\
Examples:
  rekey --local import people.csv                    shows what an import would do, and writes nothing
  rekey --local import people.csv --apply            does it
  rekey --stack rekey-production show aisyah         what is enrolled, as masks
  rekey --stack rekey-production verify aisyah --by email    checks a caller by a code
  rekey --stack rekey-production pass aisyah --reason 'lost phone'
  rekey --stack rekey-production pass --activation --group new-students   letters for new people, to print
  rekey --stack rekey-production export aisyah       all that is stored about a person, as JSON
  rekey --stack rekey-production forget aisyah       erases it
  rekey --stack rekey-production doctor              whether everything works, and what to do where it does not
  rekey --local smoke --as aisyah --yes              a whole reset of a test account through the public address
  rekey --local directory test aisyah                whether the directory's functions can do their work
  rekey --stack rekey-production report --html november.html   one page with charts
  rekey plan --people 50000                          what a year costs, and the first enrolment of everybody
  rekey --stack rekey-production audit verify        whether the audit trail is whole
  rekey --stack rekey-production keys rotate flows   what a rotation of these keys would do; --apply does it
  rekey config check parameters.json                 every error in the parameters
  rekey blocklist build passwords.txt                a compact file of refused passwords
  rekey completions bash > ~/.local/share/bash-completion/completions/rekey

Exit status:
  0    done
  1    not done, or done in part: a service or a file failed
  2    an option, a file name or a confirmation is wrong
  3    done, and something needs a look: rows were refused, or a check failed
  4    nobody has this login
  5    refused by the help desk's rules
  6    not done yet: another agent must repeat the command
  7    no check failed, and some have warnings (doctor --strict)
  130  Ctrl-C

A deployment is found by the name of its stack, with the credentials and the region of the environment:
  eval \"$(aws configure export-credentials --format env)\"; export AWS_REGION=ap-southeast-1

infra/guides/rekey.md describes each command.";

/// Does what operators do with a deployment of Rekey
#[derive(Debug, Parser)]
#[command(name = "rekey", version, after_help = MORE)]
pub struct Cli {
    /// The options of every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// The name of the stack
    #[arg(long, global = true, value_name = "NAME", env = "REKEY_STACK")]
    pub stack: Option<String>,
    /// A running `cargo local` instead, by the address of its dev inbox
    #[arg(long, global = true, value_name = "URL", num_args = 0..=1, require_equals = true,
          default_missing_value = DEV_INBOX)]
    pub local: Option<String>,
    /// The AWS region of the stack
    #[arg(long, global = true, value_name = "REGION", env = "AWS_REGION")]
    pub region: Option<String>,
    /// Writes one JSON document for programs
    #[arg(long, global = true)]
    pub json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Imports people from a CSV file or a spreadsheet; without --apply it only tells what would happen
    Import(Import),
    /// Shows a person's state and methods, as masks
    Show {
        /// A login of the person, or the support code of their page
        login: String,
        /// Shows the whole name and contacts; the reason is recorded
        #[arg(long, requires = "reason")]
        reveal: bool,
        /// Why they are shown
        #[arg(long, requires = "reveal")]
        reason: Option<String>,
    },
    /// Checks who is calling: by a code to an enrolled contact, a code of the app, or a document
    Verify(Verify),
    /// Gives a one-time pass to a caller whose identity was checked, or writes letters with passes for new people
    Pass(Pass),
    /// Removes a method that a caller lost; every contact is notified
    Remove {
        /// A login of the person
        login: String,
        /// The method, as `rekey show` names it
        method: String,
        /// Why; it is recorded
        #[arg(long)]
        reason: String,
        /// Asks for no confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Removes the lock of an account; the password stays
    Unlock {
        /// A login of the person
        login: String,
        /// Why; it is recorded
        #[arg(long)]
        reason: String,
    },
    /// Lifts the limits of an account, which strangers or mistakes used up
    Release {
        /// A login of the person
        login: String,
        /// Why; it is recorded
        #[arg(long)]
        reason: String,
        /// Also ends the person's known devices
        #[arg(long)]
        end_devices: bool,
    },
    /// Writes all that is stored about a person as JSON, without secrets
    Export {
        /// A login of the person
        login: String,
    },
    /// Erases what is stored about a person
    Forget {
        /// A login of the person
        login: String,
        /// Asks for no confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Copies the people of the organisation's own directory now; without an option, only who changed
    Sync(Sync),
    /// Tells who can reset and how, what was reset, where people stop, and what messages cost
    Report(Report),
    /// Tells what a deployment costs, from counted operations and a price list; asks no deployment
    Plan(Plan),
    /// Checks and exports the audit trail
    #[command(subcommand)]
    Audit(Audit),
    /// Checks a deployment, and says what to do where something stops people; changes nothing
    Doctor {
        /// Ends with status 7 if there are warnings
        #[arg(long)]
        strict: bool,
        /// The DNS resolver to ask, such as 192.0.2.53:53, in place of this machine's
        #[arg(long, value_name = "ADDRESS")]
        resolver: Option<SocketAddr>,
    },
    /// Resets the password of a test account through the public address, and shows each step with its time
    Smoke(Smoke),
    /// Tests the organisation's own directory
    #[command(subcommand)]
    Directory(Directory),
    /// Rotates keys
    #[command(subcommand)]
    Keys(Keys),
    /// Checks parameters
    #[command(subcommand)]
    Config(Config),
    /// Makes files of refused passwords
    #[command(subcommand)]
    Blocklist(BlocklistCommand),
    /// Writes the completions of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// The options of a whole reset.
#[derive(Debug, Args)]
pub struct Smoke {
    /// A login of the test account; nobody knows its password afterwards
    #[arg(long = "as", value_name = "LOGIN")]
    pub login: String,
    /// The method of each step, such as `email,sms`; the default takes the first ones that the pages offer
    #[arg(long, value_name = "METHODS", value_delimiter = ',')]
    pub by: Vec<String>,
    /// Signs in to /security-info with the new password
    #[arg(long)]
    pub sign_in: bool,
    /// Asks for no confirmation
    #[arg(long)]
    pub yes: bool,
}

/// The options of passes.
#[derive(Debug, Args)]
pub struct Pass {
    /// A login of the person
    #[arg(required_unless_present = "activation", conflicts_with_all = ["activation", "group", "letters", "again"])]
    pub login: Option<String>,
    /// Why; it is recorded
    #[arg(long, required_unless_present = "activation")]
    pub reason: Option<String>,
    /// How long it is valid, in minutes: 10 to 1440
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(10..=1440),
          conflicts_with = "activation")]
    pub minutes: u32,
    /// Asks for no confirmation
    #[arg(long)]
    pub yes: bool,
    /// Writes a letter for everybody of a group who has never used the account: a pass for thirty days, which serves
    /// beside one of their imported contacts
    #[arg(long, requires = "group")]
    pub activation: bool,
    /// The group of people, as the import or the sync names it
    #[arg(long, value_name = "NAME", requires = "activation")]
    pub group: Option<String>,
    /// The new file with the letters, an HTML page to print; the default name is letters-GROUP.html
    #[arg(long, value_name = "FILE", requires = "activation")]
    pub letters: Option<PathBuf>,
    /// Also writes to people whose earlier letter is still valid; its pass ends
    #[arg(long, requires = "activation")]
    pub again: bool,
}

/// How a caller is checked.
#[derive(Debug, Args)]
pub struct Verify {
    /// A login of the person
    pub login: String,
    /// How
    #[command(flatten)]
    pub by: By,
}

/// The ways to check a caller, of which one is taken.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct By {
    /// Sends a code to this contact, and asks for what the caller reads out: `email`, `sms`, `mobile_call` or `office_call`
    #[arg(long, value_name = "METHOD")]
    pub by: Option<String>,
    /// Checks the code that was sent before
    #[arg(long)]
    pub code: Option<String>,
    /// Checks a code of the caller's app; without a value, asks for it
    #[arg(long, value_name = "CODE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub app: Option<String>,
    /// Records the document that you saw, such as 'student card'
    #[arg(long, value_name = "TEXT")]
    pub document: Option<String>,
}

/// The options of an import.
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[derive(Debug, Args)]
pub struct Import {
    /// The file: CSV in any usual form, or .xlsx
    pub file: PathBuf,
    /// Writes what the dry run tells
    #[arg(long, visible_alias = "yes")]
    pub apply: bool,
    /// Writes nothing; this is the default
    #[arg(long, conflicts_with = "apply")]
    pub dry_run: bool,
    /// Replaces contacts that people enrolled or use, too; the new ones wait, and the earlier ones are notified
    #[arg(long)]
    pub replace_contacts: bool,
    /// Takes a name without any likeness as a correction, and not as another person with the same login
    #[arg(long)]
    pub same_people: bool,
    /// Accepts that more than 2 % of the people lose self-service, a contact or the account
    #[arg(long)]
    pub accept_losses: bool,
    /// Writes the rows that are not taken, with the reasons; the default name is FILE.refused.csv
    #[arg(long, value_name = "CSV", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub refused: Option<String>,
}

/// The options of a sync.
#[derive(Debug, Args)]
pub struct Sync {
    /// Reads everybody, and finds who is gone
    #[arg(long)]
    pub full: bool,
    /// Accepts that more than 2 % of the people are gone or disabled
    #[arg(long)]
    pub accept_removals: bool,
    /// Lists logins that two people have, which find nobody
    #[arg(long)]
    pub list_ambiguous: bool,
}

/// The options of a plan.
#[derive(Debug, Args)]
pub struct Plan {
    /// How many people have an account
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub people: u32,
    /// Resets and unlocks of one person in a year
    #[arg(long, value_name = "NUMBER", default_value = "0.5", value_parser = from_zero)]
    pub resets: f64,
    /// Texts of one reset; the default is what a reset by mail and text sends, a code and a notice
    #[arg(long, value_name = "NUMBER", value_parser = from_zero)]
    pub texts_per_reset: Option<f64>,
    /// The share of people with an office phone, which is called when something changes: 0 to 1
    #[arg(long, value_name = "SHARE", default_value = "0.1", value_parser = share)]
    pub office_phones: f64,
    /// A price in the place of the listed one, such as text=0.03; the plan lists the names
    #[arg(long, value_name = "NAME=USD")]
    pub price: Vec<String>,
}

fn from_zero(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "not a number from 0".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    from_zero(text).ok().filter(|share| *share <= 1.0).ok_or_else(|| "not a number from 0 to 1".to_owned())
}

/// The options of a report.
#[derive(Debug, Args)]
pub struct Report {
    /// How many days back
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=366))]
    pub days: u32,
    /// Writes one count a line
    #[arg(long)]
    pub csv: bool,
    /// Writes one page with charts into a file
    #[arg(long, value_name = "FILE", conflicts_with = "csv")]
    pub html: Option<PathBuf>,
    /// What a text costs; the default is the `text` of `rekey plan`
    #[arg(long, value_name = "USD", value_parser = from_zero)]
    pub sms_usd: Option<f64>,
    /// What a call costs; the default is the `call` of `rekey plan`
    #[arg(long, value_name = "USD", value_parser = from_zero)]
    pub call_usd: Option<f64>,
    /// What a mail costs; the default is the `mail` of `rekey plan`
    #[arg(long, value_name = "USD", value_parser = from_zero)]
    pub mail_usd: Option<f64>,
}

/// The commands about the audit trail.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Finds lines that were changed, removed or cut, and streams that are missing
    Verify {
        /// How many days back
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3_650))]
        days: u32,
        /// A file of `rekey audit export`, or exported lines of the log, in place of a deployment
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Writes all lines and anchors, one JSON object in each line
    Export {
        /// How many days back
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3_650))]
        days: u32,
    },
}

/// The commands about the organisation's own directory.
#[derive(Debug, Subcommand)]
pub enum Directory {
    /// Finds a person and their rules, and tells what the service accounts may do; writes nothing
    Test {
        /// A login of any person
        #[arg(required_unless_present = "write_test")]
        login: Option<String>,
        /// Sets a random password for this test account, binds with it and unlocks it
        #[arg(long, value_name = "ACCOUNT")]
        write_test: Option<String>,
        /// Asks for no confirmation
        #[arg(long, requires = "write_test")]
        yes: bool,
    },
}

/// The commands about keys.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Makes a new key for one use, and keeps the earlier ones; without --apply it only tells what would happen
    Rotate {
        /// The use: captcha, contacts, flows, messages, push or seeds
        name: String,
        /// Does it
        #[arg(long, visible_alias = "yes")]
        apply: bool,
    },
}

/// The commands about parameters.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Tells every error in the parameters at once, as a function does at its start
    Check {
        /// A file of parameters: NAME=value lines or JSON; without it, the deployment's or the environment's
        file: Option<PathBuf>,
    },
}

/// The commands about refused passwords.
#[derive(Debug, Subcommand)]
pub enum BlocklistCommand {
    /// Makes a compact file for `REKEY_PASSWORD_BLOCKLIST`; it finds every password of FILE, and 1 in 2048 others
    Build(BuildBlocklist),
}

/// The options of `blocklist build`.
#[derive(Debug, Args)]
pub struct BuildBlocklist {
    /// The passwords, one in each line, in UTF-8
    pub file: PathBuf,
    /// The file to write; the default name is FILE.blocklist
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Leaves out shorter passwords, which the policy refuses by their length
    #[arg(long, value_name = "CHARACTERS", default_value_t = 12)]
    pub min_length: usize,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn options_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn local_takes_an_address_after_an_equals_sign_only() {
        let parse = |arguments: &[&str]| Cli::try_parse_from(["rekey"].iter().chain(arguments)).unwrap();
        assert_eq!(parse(&["--local", "show", "a"]).global.local.as_deref(), Some(DEV_INBOX));
        let other = parse(&["show", "a", "--local=http://127.0.0.1:1"]);
        assert_eq!(other.global.local.as_deref(), Some("http://127.0.0.1:1"));
    }

    #[test]
    fn wrong_usage_is_rejected() {
        for wrong in [
            &["directory", "test"][..],
            &["smoke"],
            &["keys", "rotate"],
            &["smoke", "ali"],
            &["directory", "test", "a", "--yes"],
            &["import"],
            &["import", "f", "--apply", "--dry-run"],
            &["nothing"],
            &["config"],
            &["show", "a", "--reveal"],
            &["plan"],
            &["plan", "--people", "0"],
            &["plan", "--people", "10", "--resets", "-1"],
            &["plan", "--people", "10", "--office-phones", "2"],
            &["pass", "a"],
            &["pass", "a", "--reason", "lost", "--minutes", "9"],
            &["pass", "--activation"],
            &["pass", "--group", "students"],
            &["pass", "a", "--reason", "lost", "--group", "students"],
            &["pass", "a", "--activation", "--group", "students"],
            &["pass", "--activation", "--group", "students", "--minutes", "60"],
            &["verify", "a"],
            &["verify", "a", "--by", "sms", "--document", "card"],
        ] {
            let error = Cli::try_parse_from(["rekey"].iter().chain(wrong)).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{wrong:?}");
        }
    }
}
