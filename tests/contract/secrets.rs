//! Reads secrets from Secrets Manager.

use aws_sdk_secretsmanager::Client;
use shared::adapters::secrets::{SecretError, keyrings};

use crate::moto::Moto;

/// Controls: C-091.
#[tokio::test]
async fn keyrings_are_read_in_one_call() {
    let moto = Moto::start().await;
    let config = moto.config();
    let client = Client::new(&config);
    for (name, key) in [("messages", "1"), ("flows", "2")] {
        let secret = format!(r#"{{"current":"{key}","{key}":"{name:-<64}"}}"#);
        client.create_secret().name(name).secret_string(secret).send().await.unwrap();
    }
    client.create_secret().name("other").secret_string("{}").send().await.unwrap();
    let arn = client.describe_secret().secret_id("flows").send().await.unwrap().arn.unwrap();

    let found = keyrings(&config, &[("MESSAGES", "messages".into()), ("FLOWS", arn)]).await.unwrap();
    assert_eq!(found["MESSAGES"].current().as_str(), "1");
    assert_eq!(found["FLOWS"].current().as_str(), "2");
    assert!(keyrings(&config, &[]).await.unwrap().is_empty(), "nothing is asked for");
    let other = keyrings(&config, &[("MESSAGES", "messages".into()), ("OTHER", "other".into())]).await;
    assert!(matches!(other, Err(SecretError::NoKeyring("OTHER", _))));
    let none = keyrings(&config, &[("MESSAGES", "messages".into()), ("NONE", "none".into())]).await;
    assert!(none.is_err(), "a secret that is not there");
}
