//! The parameters of the template equal the settings of the functions, with the same defaults and bounds.
//!
//! A SAM parameter's name may have only letters and digits, so one rule maps `RekeyCodeDigits` to
//! `REKEY_CODE_DIGITS`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rekey_local::template::Template;
use rekey_local::template::document::{Value, items, text};
use shared::settings::{Settings, SettingsError};

use crate::root;

/// Settings without a default, because they differ between organisations, each with an example.
const WITHOUT_DEFAULT: &[(&str, &str)] =
    &[("REKEY_MAIL_FROM", "no-reply@contoh.example"), ("REKEY_ORGANISATION", "Universiti Contoh")];

/// Parameters of the stack that are no settings of Rekey.
const STACK_PARAMETERS: &[&str] = &[
    "AlarmEmail",
    "Architecture",
    "CertificateArn",
    "DirectoryConcurrency",
    "DirectoryDualStack",
    "DirectorySecurityGroups",
    "DirectorySubnets",
    "FunctionConcurrency",
    "HostedZoneId",
    "KmsKeyArn",
    "LogBucketDays",
    "LogRetentionDays",
    "MailDomain",
    "PasswordBlocklistLayer",
    "PermissionsBoundary",
    "RolePath",
    "SmsSpendUsd",
    "Stage",
    "ThrottleBurst",
    "ThrottleRate",
];

/// The documented defaults that security depends on.
const DEFAULTS: &[(&str, &str)] = &[
    ("REKEY_STEPS", "2"),
    ("REKEY_FLOW_TTL_SECS", "900"),
    ("REKEY_CODE_TTL_SECS", "600"),
    ("REKEY_CODE_DIGITS", "8"),
    ("REKEY_CODE_TRIES", "5"),
    ("REKEY_FLOW_TRIES", "10"),
    ("REKEY_CONTACT_TRIES", "5"),
    ("REKEY_SENDS_PER_STEP", "3"),
    ("REKEY_SENDS_PER_HOUR", "5"),
    ("REKEY_SENDS_PER_DAY", "10"),
    ("REKEY_TOTP_TRIES_PER_DAY", "10"),
    ("REKEY_PUSH_PER_HOUR", "3"),
    ("REKEY_OPENS_PER_HOUR", "30"),
    ("REKEY_OPENS_PER_IP", "300"),
    ("REKEY_CHARACTERS_PER_IP", "20"),
    ("REKEY_CHARACTERS_PER_HOUR", "300"),
    ("REKEY_SMS_COUNTRIES", "MY"),
    ("REKEY_HOME_COUNTRY", "MY"),
    ("REKEY_SENDS_PER_BLOCK", "30"),
    ("REKEY_SMS_PER_DAY", "1000"),
    ("REKEY_PASSWORD_MIN", "12"),
    ("REKEY_PASSWORD_MAX", "128"),
    ("REKEY_PASSWORD_CLASSES", "upper,lower,digit,symbol"),
    ("REKEY_PASSWORD_HISTORY", "1"),
    ("REKEY_DIRECTORY", "builtin"),
    ("REKEY_SIGN_IN", "password"),
    ("REKEY_OIDC_STEP_UP_AMR", ""),
    ("REKEY_OIDC_MAX_AGE_SECS", "300"),
];

pub(crate) fn parameter_of(variable: &str) -> String {
    let capitalised = |word: &str| word[..1].to_owned() + &word[1..].to_lowercase();
    variable.split('_').map(capitalised).collect()
}

fn settings(template: &Template) -> BTreeMap<String, String> {
    let variables = template.common_variables.clone().into_iter();
    variables
        .filter(|(name, _)| name.starts_with("REKEY_") && !name.starts_with("REKEY_PARAMETER_"))
        .collect()
}

#[test]
fn settings_are_read_from_parameters_of_same_name() {
    let template = Template::from_project().unwrap();
    for (variable, parameter) in settings(&template) {
        assert_eq!(parameter, parameter_of(&variable), "{variable}");
    }
}

#[test]
fn parameters_are_settings_or_stack_parameters() {
    let template = Template::from_project().unwrap();
    let known: BTreeSet<String> = settings(&template)
        .keys()
        .map(|variable| parameter_of(variable))
        .chain(STACK_PARAMETERS.iter().map(ToString::to_string))
        .collect();
    assert_eq!(template.document.parameters().into_keys().collect::<BTreeSet<_>>(), known);
}

#[test]
fn defaults_match_documented_values() {
    let template = Template::from_project().unwrap();
    let parameters = template.document.parameters();
    for (variable, default) in DEFAULTS {
        let parameter = parameters[&parameter_of(variable)];
        assert_eq!(text(&parameter["Default"]).as_deref(), Some(*default), "{variable}");
    }
    let without: Vec<String> = settings(&template)
        .into_iter()
        .filter(|(_, parameter)| parameters[parameter].get("Default").is_none())
        .map(|(variable, _)| variable)
        .collect();
    assert_eq!(without, WITHOUT_DEFAULT.iter().map(|(variable, _)| *variable).collect::<Vec<_>>());
}

/// `sam deploy` asks nothing: each environment of samconfig.toml sets what has no default, by names that exist.
#[test]
fn samconfig_sets_every_parameter_without_default() {
    let template = Template::from_project().unwrap();
    let parameters = template.document.parameters();
    let file = fs::read_to_string(root().join("samconfig.toml")).unwrap();
    let config: toml::Table = file.parse().unwrap();
    for environment in ["default", "production"] {
        let given = config[environment]["deploy"]["parameters"]["parameter_overrides"].as_array().unwrap();
        let given: BTreeMap<&str, &str> =
            given.iter().map(|pair| pair.as_str().unwrap().split_once('=').unwrap()).collect();
        for name in given.keys() {
            assert!(parameters.contains_key(*name), "{environment}: {name}");
        }
        for (variable, _) in WITHOUT_DEFAULT {
            assert!(given.contains_key(parameter_of(variable).as_str()), "{environment}: {variable}");
        }
        let pairs = given.iter().filter(|(name, _)| name.starts_with("Rekey")).map(|(name, value)| {
            let variable =
                settings(&template).into_iter().find(|(_, parameter)| parameter == name).unwrap().0;
            (variable, value.trim_matches('\'').to_owned())
        });
        Settings::from_pairs(pairs).unwrap();
        if given["Stage"] == "production" {
            assert!(
                given.contains_key("AlarmEmail") && given.contains_key("RekeyPublicUrl"),
                "{environment}"
            );
        }
    }
}

/// Consoles show the parameters by group.
#[test]
fn every_parameter_is_in_one_group() {
    let template = Template::from_project().unwrap();
    let groups = &template.document.metadata()["AWS::CloudFormation::Interface"]["ParameterGroups"];
    let mut grouped: Vec<String> = items(groups)
        .flat_map(|group| items(&group["Parameters"]).filter_map(text).collect::<Vec<_>>())
        .collect();
    grouped.sort();
    assert_eq!(grouped, template.document.parameters().into_keys().collect::<Vec<_>>());
}

#[test]
fn every_parameter_has_a_description() {
    for (name, parameter) in Template::from_project().unwrap().document.parameters() {
        assert!(parameter["Description"].as_str().is_some_and(|d| d.len() > 10), "{name}");
    }
}

/// Returns the environment of a deployment that sets only the required parameters.
fn environment(template: &Template) -> BTreeMap<String, String> {
    let parameters = template.document.parameters();
    let examples: BTreeMap<_, _> = WITHOUT_DEFAULT.iter().copied().collect();
    settings(template)
        .into_iter()
        .map(|(variable, parameter)| {
            let default = parameters[&parameter].get("Default").map(|value| text(value).unwrap());
            let value = default.unwrap_or_else(|| examples[variable.as_str()].to_owned());
            (variable, value)
        })
        .collect()
}

/// Returns whether the functions reject `value` for this setting. It ignores other settings that the value conflicts
/// with.
fn refused(template: &Template, variable: &str, value: i64) -> bool {
    let mut environment = environment(template);
    environment.insert(variable.to_owned(), value.to_string());
    let Err(SettingsError(lines)) = Settings::from_pairs(environment) else { return false };
    lines.iter().any(|line| line.starts_with(&format!("{variable}: `{value}`")))
}

#[test]
fn functions_start_with_default_settings() {
    Settings::from_pairs(environment(&Template::from_project().unwrap())).unwrap();
}

#[test]
fn settings_in_code_are_template_parameters() {
    let source = fs::read_to_string(root().join("shared/src/settings/mod.rs")).unwrap();
    let code = source.split("#[cfg(test)]").next().unwrap();
    let read: BTreeSet<String> = code
        .split("\"REKEY_")
        .skip(1)
        .map(|rest| format!("REKEY_{}", rest.split('"').next().unwrap()))
        .filter(|name| !name.ends_with('_'))
        .collect();
    assert_eq!(read, settings(&Template::from_project().unwrap()).into_keys().collect());
}

/// Controls: C-019.
#[test]
fn parameter_bounds_match_enforced_bounds() {
    let template = Template::from_project().unwrap();
    let parameters = template.document.parameters();
    for (variable, parameter) in settings(&template) {
        let bound = |name: &str| parameters[&parameter].get(name).and_then(Value::as_i64);
        let (Some(least), Some(most)) = (bound("MinValue"), bound("MaxValue")) else { continue };
        for (value, expected) in [(least - 1, true), (least, false), (most, false), (most + 1, true)] {
            assert_eq!(refused(&template, &variable, value), expected, "{variable}={value}");
        }
    }
}
