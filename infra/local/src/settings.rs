//! Parameters of the local environment: a demo university's, overridden by environment variables, then by options.

use std::collections::BTreeMap;

use shared::settings::{DirectoryKind, RESOURCES, Settings};

use crate::options::Options;
use rekey_people::Failure;

/// Parameters of the demo university, used unless the environment or an option sets them.
const DEMO: [(&str, &str); 10] = [
    ("REKEY_ORGANISATION", "Universiti Contoh"),
    ("REKEY_LOGIN_DOMAINS", "student.contoh.example,staff.contoh.example"),
    ("REKEY_HELP_DESK_URL", "mailto:helpdesk@contoh.example"),
    ("REKEY_MAIL_FROM", "no-reply@contoh.example"),
    ("REKEY_HOME_COUNTRY", "MY"),
    ("REKEY_SMS_COUNTRIES", "MY"),
    ("REKEY_PUSH_HOSTS", "127.0.0.1"),
    // The emulator owns this number, as an AWS account does.
    ("REKEY_VOICE_ORIGIN", "+60300000000"),
    // Tests and scripts open flows by the characters that the dev inbox reveals, all from one network.
    ("REKEY_CHARACTERS_PER_IP", "1000000"),
    ("REKEY_CHARACTERS_PER_HOUR", "1000000"),
];

/// Parameters as text and as parsed.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// Names and values, to pass to functions in other processes.
    pub pairs: BTreeMap<String, String>,
    /// The parsed values.
    pub settings: Settings,
}

/// Reads the parameters. `environment` is the process's. Only names that begin with `REKEY_` count, except those of
/// resources, which the AWS emulator provides. `directory` is the name of the directory of `--directory`. `public_url` is
/// the actual URL of Rekey.
///
/// # Errors
/// [`Failure`] with one line for every invalid parameter.
pub fn read(
    environment: impl IntoIterator<Item = (String, String)>,
    options: &Options,
    directory: Option<&str>,
    public_url: &str,
) -> Result<Parameters, Failure> {
    let own = |name: &str| RESOURCES.iter().any(|prefix| name.starts_with(prefix));
    let mut pairs: BTreeMap<String, String> =
        DEMO.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    pairs.insert("REKEY_PUBLIC_URL".to_owned(), public_url.to_owned());
    let given = environment.into_iter().filter(|(name, _)| name.starts_with("REKEY_") && !own(name));
    pairs.extend(given);
    if let Some(steps) = options.steps {
        pairs.insert("REKEY_STEPS".to_owned(), steps.to_string());
    }
    if let Some(directory) = directory {
        pairs.insert("REKEY_DIRECTORY".to_owned(), directory.to_owned());
    }
    let settings = Settings::from_pairs(pairs.clone()).map_err(|error| Failure::all(error.0))?;
    if directory.is_none() && settings.directory != DirectoryKind::Builtin {
        let why = "REKEY_DIRECTORY: the local environment needs the directory's file. Give it by --directory, or \
                   unset REKEY_DIRECTORY";
        return Err(Failure::new(why));
    }
    Ok(Parameters { pairs, settings })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn read(environment: &[(&str, &str)], arguments: &[&str]) -> Result<Parameters, Failure> {
        let options = Options::parse_from(["cargo local"].iter().chain(arguments));
        let pairs = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        super::read(pairs, &options, None, "http://127.0.0.1:8080")
    }

    #[test]
    fn command_line_overrides_environment_and_demo_defaults() {
        let settings = read(&[], &[]).unwrap().settings;
        assert_eq!((settings.organisation.as_str(), settings.steps), ("Universiti Contoh", 2));
        assert!(settings.without_origin.is_empty(), "the demo university has calls");
        let given = [("REKEY_ORGANISATION", "Kolej"), ("REKEY_STEPS", "2"), ("PATH", "/bin")];
        let settings = read(&given, &["--steps", "1"]).unwrap().settings;
        assert_eq!((settings.organisation.as_str(), settings.steps), ("Kolej", 1));
        let resources = read(&[("REKEY_TABLE_FLOWS", "of-a-deployment")], &[]).unwrap();
        assert!(!resources.pairs.contains_key("REKEY_TABLE_FLOWS"));
    }

    #[test]
    fn every_invalid_parameter_is_reported() {
        let failure = read(&[("REKEY_STEP", "1"), ("REKEY_CODE_DIGITS", "x")], &[]).unwrap_err();
        assert_eq!(failure.lines().len(), 2, "{failure}");
    }
}
