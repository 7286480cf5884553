//! Secrets Manager.

use aws_sdk_secretsmanager::Client;
use shared::adapters::secrets::{SecretError, keyring};

use crate::moto::Moto;

#[tokio::test]
async fn a_keyring_is_read_by_its_name() {
    let moto = Moto::start().await;
    let config = moto.config();
    let secret = format!(r#"{{"current":"1","1":"{:-<64}"}}"#, "messages");
    let client = Client::new(&config);
    client.create_secret().name("messages").secret_string(secret).send().await.unwrap();
    client.create_secret().name("other").secret_string("{}").send().await.unwrap();

    assert_eq!(keyring(&config, "messages").await.unwrap().current().as_str(), "1");
    assert!(matches!(keyring(&config, "other").await, Err(SecretError::NoKeyring(_))));
    assert!(matches!(keyring(&config, "none").await, Err(SecretError::Unavailable(_))));
}
