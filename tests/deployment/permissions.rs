//! A function's environment names exactly the tables, queues and keys that its role permits. `journeys/roles.rs`
//! checks that the role grants exactly the actions that the function uses.

use std::collections::BTreeSet;

use rekey_local::emulator::ssm::parameter_arn;
use rekey_local::template::{Function, Template};

/// The prefix of a variable that names a resource, and the action without which such a resource is useless.
const NAMED: &[(&str, &str)] = &[
    ("REKEY_TABLE_", "dynamodb:"),
    ("REKEY_QUEUE_", "sqs:SendMessage"),
    ("REKEY_SECRET_", "secretsmanager:GetSecretValue"),
    ("REKEY_FUNCTION_", "lambda:InvokeFunction"),
    ("REKEY_PARAMETER_", "ssm:GetParameter"),
    ("REKEY_LOG_", "logs:"),
];

/// Returns the resources that a function may use by an action with this prefix.
pub fn reach(function: &Function, action: &str) -> BTreeSet<String> {
    let grants = function.role.iter().filter(|grant| grant.actions.iter().any(|a| a.starts_with(action)));
    grants.flat_map(|grant| grant.resources.clone()).collect()
}

/// Controls: C-095.
#[test]
fn variables_and_permissions_name_the_same_resources() {
    for (name, function) in Template::from_project().unwrap().functions {
        for (prefix, action) in NAMED {
            let mut named: BTreeSet<String> = function
                .variables
                .iter()
                .filter(|(variable, _)| variable.starts_with(prefix))
                .map(|(variable, resource)| {
                    if variable.starts_with("REKEY_PARAMETER_") {
                        parameter_arn(resource)
                    } else {
                        resource.clone()
                    }
                })
                .collect();
            // A function with pages has the keys of cookies, and compares the secret of a trusted proxy.
            if named.contains("FlowsSecret") {
                named.insert("RekeyTrustedProxy".to_owned());
            }
            if *prefix == "REKEY_SECRET_" && ["enrolment", "help-desk"].contains(&name.as_str()) {
                named.insert("RekeyOidcSecret".to_owned());
            }
            // `housekeeping` also reads the logs of functions, which have no variable: their names begin alike.
            let is_resource = |resource: &String| *prefix != "REKEY_LOG_" || !resource.starts_with("arn:");
            let reached: BTreeSet<String> =
                reach(&function, action).into_iter().filter(is_resource).collect();
            assert_eq!(named, reached, "{name}: {prefix}… and {action}");
        }
        let others = ["AWS_USE_DUALSTACK_ENDPOINT", "REKEY_PARAMETER_DIRECTORY"];
        let named = function.variables.iter().filter(|(variable, _)| !others.contains(&variable.as_str()));
        for (variable, resource) in named {
            let prefix = NAMED.iter().find(|(prefix, _)| variable.starts_with(prefix));
            let (prefix, _) = prefix.unwrap_or_else(|| panic!("{name}: {variable}"));
            assert_eq!(resource_of(variable, prefix), *resource, "{name}: {variable}");
        }
    }
}

/// Converts `REKEY_TABLE_SECURITY_INFO` to `SecurityInfoTable`.
fn resource_of(variable: &str, prefix: &str) -> String {
    let words = |text: &str| -> String {
        text.split('_')
            .filter(|w| !w.is_empty())
            .map(|w| w[..1].to_owned() + &w[1..].to_lowercase())
            .collect()
    };
    words(&variable[prefix.len()..]) + &words(prefix.trim_start_matches("REKEY"))
}

/// Controls: C-095.
#[test]
fn only_delivery_sends_messages_and_reads_the_queue() {
    let template = Template::from_project().unwrap();
    for (name, function) in &template.functions {
        let providers = ["sns:", "ses:", "sms-voice:", "sqs:ReceiveMessage"];
        let reaches = providers.iter().filter(|action| !reach(function, action).is_empty()).count();
        let expected = if name == "delivery" { providers.len() } else { 0 };
        assert_eq!(reaches, expected, "{name}");
        let consumers = template.consumers.iter().filter(|consumer| consumer.function == *name);
        assert_eq!(
            consumers.map(|consumer| consumer.queue.clone()).collect::<BTreeSet<_>>(),
            reach(function, "sqs:ReceiveMessage"),
            "{name}: the queue it reads and its right to",
        );
    }
}

/// Functions that sign in or set passwords need the hashes. Those that open flows or send messages must not read
/// them.
/// Controls: C-095.
#[test]
fn password_hashes_are_readable_only_where_needed() {
    let reads = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:BatchGetItem"];
    let mut readers = Vec::new();
    for (name, function) in Template::from_project().unwrap().functions {
        let reads_hashes = function.role.iter().any(|grant| {
            let is_bounded = grant.selects
                && grant.attributes.as_ref().is_some_and(|bound| {
                    bound.iter().all(|attribute| !["password", "previous"].contains(&attribute.as_str()))
                });
            grant.resources.iter().any(|resource| resource == "AccountsTable")
                && grant.actions.iter().any(|action| reads.contains(&action.as_str()))
                && !is_bounded
        });
        if reads_hashes {
            readers.push(name);
        }
    }
    readers.sort();
    assert_eq!(readers, ["enrolment", "password-set"]);
}

/// Only the last page may change a password, and only its function and the help desk, which removes locks, invoke the one
/// that can.
/// Controls: C-164.
#[test]
fn directory_functions_are_invoked_only_where_needed() {
    let mut callers: BTreeSet<(String, String)> = BTreeSet::new();
    for (name, function) in Template::from_project().unwrap().functions {
        callers.extend(reach(&function, "lambda:").into_iter().map(|invoked| (name.clone(), invoked)));
    }
    let expected = [
        ("delivery", "DirectoryReadFunction"),
        ("enrolment", "DirectoryReadFunction"),
        ("help-desk", "DirectoryReadFunction"),
        ("help-desk", "DirectoryWriteFunction"),
        ("password-set", "DirectoryReadFunction"),
        ("password-set", "DirectoryWriteFunction"),
    ];
    assert_eq!(callers, expected.map(|(a, b)| (a.to_owned(), b.to_owned())).into());
}

/// Whoever takes over one of them has its service account alone.
/// Controls: C-164.
#[test]
fn directory_functions_share_no_role_and_no_secret() {
    let template = Template::from_project().unwrap();
    for name in ["read", "sync", "write"] {
        let function = &template.functions[&format!("directory-{name}")];
        let secrets = reach(function, "secretsmanager:GetSecretValue");
        let own = format!("Directory{}{}Secret", name[..1].to_uppercase(), &name[1..]);
        let of_directory = secrets.into_iter().filter(|secret| secret.starts_with("Directory"));
        assert_eq!(of_directory.collect::<Vec<_>>(), [own]);
        let document = &template.document;
        let properties = &document.resource(&function.id)["Properties"];
        assert!(properties.get("VpcConfig").is_some(), "{name}");
        if name != "sync" {
            assert!(properties.get("ReservedConcurrentExecutions").is_some(), "{name}");
            assert_eq!(properties["Timeout"], shared::domain::change_note::LONGEST_RUN.0, "{name}");
        }
        assert_eq!(document.resource(&function.id)["Condition"], "HasDirectory", "{name}");
    }
}

/// A run that outlived its lease would write beside the next one.
/// Controls: C-173.
#[test]
fn lease_of_sync_outlasts_its_timeout() {
    let template = Template::from_project().unwrap();
    let properties = &template.document.resource("DirectorySyncFunction")["Properties"];
    let timeout = properties["Timeout"].as_u64().unwrap();
    assert!(timeout < u64::from(shared::domain::sync::LEASE.0), "{timeout}");
}

/// Controls: C-095.
#[test]
fn no_role_has_a_wildcard() {
    for (name, function) in Template::from_project().unwrap().functions {
        for grant in &function.role {
            assert!(grant.actions.iter().all(|a| !a.contains('*')), "{name}");
            // The batch action has no resource; each secret needs a grant of its own.
            let batch = grant.actions.iter().eq(["secretsmanager:BatchGetSecretValue"]);
            assert!(batch || grant.resources.iter().all(|r| r != "*"), "{name}");
            // Texts go to a number, which IAM can't name. Everything except topics is the narrowest grant.
            let text_message = grant.actions.iter().eq(["sns:Publish"]);
            assert_eq!(grant.except, text_message, "{name}");
        }
    }
}
