//! Reads secrets from Secrets Manager.

use std::sync::Arc;

use serde_json::json;
use shared::adapters::secrets::{SecretError, keyrings};
use shared::adapters::system::SystemClock;

use crate::moto::Moto;

/// Controls: C-091.
#[tokio::test]
async fn keyrings_are_read_in_one_call() {
    let moto = Moto::start().await;
    let config = moto.config();
    let call =
        |operation: &str, body| moto.call("secretsmanager", &format!("secretsmanager.{operation}"), &body);
    let clock = || Arc::new(SystemClock);
    for (name, key) in [("messages", "1"), ("flows", "2")] {
        let secret = format!(r#"{{"current":"{key}","{key}":"{name:-<64}"}}"#);
        call("CreateSecret", json!({ "Name": name, "SecretString": secret }));
    }
    call("CreateSecret", json!({ "Name": "other", "SecretString": "{}" }));
    let arn = call("DescribeSecret", json!({ "SecretId": "flows" }))["ARN"].as_str().unwrap().to_owned();

    let found = keyrings(&config, clock(), &[("MESSAGES", "messages".into()), ("FLOWS", arn)]).await.unwrap();
    assert_eq!(found["MESSAGES"].current().as_str(), "1");
    assert_eq!(found["FLOWS"].current().as_str(), "2");
    assert!(keyrings(&config, clock(), &[]).await.unwrap().is_empty(), "nothing is asked for");
    let other =
        keyrings(&config, clock(), &[("MESSAGES", "messages".into()), ("OTHER", "other".into())]).await;
    assert!(matches!(other, Err(SecretError::NoKeyring("OTHER", _))));
    let none = keyrings(&config, clock(), &[("MESSAGES", "messages".into()), ("NONE", "none".into())]).await;
    assert!(none.is_err(), "a secret that is not there");
}
