//! A function's environment names exactly the tables, queues and keys that its role permits. `journeys/roles.rs`
//! checks that the role grants exactly the actions that the function uses.

use std::collections::BTreeSet;

use rekey_local::template::{Function, Template};

/// The prefix of a variable that names a resource, and the action without which such a resource is useless.
const NAMED: &[(&str, &str)] = &[
    ("REKEY_TABLE_", "dynamodb:"),
    ("REKEY_QUEUE_", "sqs:SendMessage"),
    ("REKEY_SECRET_", "secretsmanager:GetSecretValue"),
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
                .map(|(_, resource)| resource.clone())
                .collect();
            // A function with pages has the keys of cookies, and compares the secret of a trusted proxy.
            if named.contains("FlowsSecret") {
                named.insert("RekeyTrustedProxy".to_owned());
            }
            if *prefix == "REKEY_SECRET_" && name == "enrolment" {
                named.insert("RekeyOidcSecret".to_owned());
            }
            assert_eq!(named, reach(&function, action), "{name}: {prefix}… and {action}");
        }
        for (variable, resource) in &function.variables {
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
