//! The environment of a stack's functions, and the log of operators, against moto.

use std::sync::Arc;

use serde_json::json;
use shared::adapters::agents::{self, OperatorLog};
use shared::adapters::stack::{self, StackError};
use shared::adapters::system::{SystemClock, SystemEntropy};
use shared::ports::AuditLog as _;

use crate::moto::Moto;

/// A stack with two functions and a table.
fn template() -> String {
    let role = json!({
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": "role",
            "AssumeRolePolicyDocument": { "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "Service": "lambda.amazonaws.com" },
            }] },
        },
    });
    let function = |variables: serde_json::Value| {
        json!({
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "provided.al2023",
                "Handler": "bootstrap",
                "Role": { "Fn::GetAtt": ["Role", "Arn"] },
                "Code": { "ZipFile": "nothing" },
                "Environment": { "Variables": variables },
            },
        })
    };
    let resources = json!({
        "Role": role,
        "One": function(json!({ "REKEY_STEPS": "1", "REKEY_TABLE_FLOWS": "flows", "OTHER": "x" })),
        "Two": function(json!({ "REKEY_STEPS": "1", "REKEY_TABLE_ACCOUNTS": "accounts" })),
        "OperatorLog": { "Type": "AWS::Logs::LogGroup", "Properties": { "LogGroupName": "/rekey/operators" } },
    });
    json!({ "AWSTemplateFormatVersion": "2010-09-09", "Resources": resources }).to_string()
}

#[tokio::test]
async fn variables_of_all_functions_are_found_by_stack_name() {
    let moto = Moto::start().await;
    moto.create_stack("rekey", &template());
    let clock = Arc::new(SystemClock);
    let found = stack::find(&moto.config(), clock.clone(), "rekey").await.unwrap();
    assert_eq!(found.operator_log.as_deref(), Some("/rekey/operators"));
    let found = found.variables;
    let found: Vec<(&str, &str)> =
        found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        found,
        [("REKEY_STEPS", "1"), ("REKEY_TABLE_ACCOUNTS", "accounts"), ("REKEY_TABLE_FLOWS", "flows")]
    );
    let unknown = stack::find(&moto.config(), clock.clone(), "another").await.unwrap_err();
    assert!(matches!(unknown, StackError::Unknown(_)), "{unknown}");
    moto.create_stack("topic", r#"{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}"#);
    let empty = stack::find(&moto.config(), clock.clone(), "topic").await.unwrap_err();
    assert!(matches!(empty, StackError::NoFunctions(_)), "{empty}");
    let none = stack::find_help_desk(&moto.config(), clock.clone(), "rekey").await.unwrap_err();
    assert!(matches!(none, StackError::NoHelpDesk(_)), "{none}");
    let entropy = Arc::new(SystemEntropy);
    let log = |name: &str| OperatorLog::new(&moto.config(), clock.clone(), entropy.clone(), name.to_owned());
    for _ in 0..2 {
        log("/rekey/operators").write(&json!({ "event": "x" })).await.unwrap();
    }
    let missing = log("/other").write(&json!({})).await.unwrap_err();
    let why = std::error::Error::source(&missing).unwrap().to_string();
    assert!(why.contains("ResourceNotFoundException"), "{why}");
    let caller = agents::caller(&moto.config(), clock).await.unwrap();
    assert!(caller.starts_with("arn:aws:sts::"), "{caller}");
}
