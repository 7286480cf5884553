//! Two DynamoDB-compatible stores that others wrote, and the clients on them: what holds on both is not an oddity of
//! one.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use rekey_local::cloud::dynamodb;
use rekey_local::template::{Table, Template};
use shared::adapters::aws::emulated;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::moto::Moto;

/// dynoxide, the laptop's store, with the tables of template.yaml. <https://crates.io/crates/dynoxide-rs>
pub struct Dynoxide {
    pub client: Client,
    _stop: watch::Sender<bool>,
}

impl Dynoxide {
    pub async fn start() -> Self {
        let database = dynamodb::open(None, &Template::of_project().unwrap().tables).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(dynamodb::serve(listener, database, stopped));
        Self { client: Client::new(&emulated(&endpoint, "test")), _stop: stop }
    }
}

/// Empties a moto server and creates the tables of template.yaml in it.
pub async fn renew(moto: &Moto) -> Client {
    moto.reset();
    let client = Client::new(&moto.config());
    for (name, table) in Template::of_project().unwrap().tables {
        create(&client, &name, &table).await;
    }
    client
}

async fn create(client: &Client, name: &str, table: &Table) {
    let mut create = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    for key in table.keys.as_array().unwrap() {
        let role = KeyType::from(key["KeyType"].as_str().unwrap());
        let key = KeySchemaElement::builder().attribute_name(key["AttributeName"].as_str().unwrap());
        create = create.key_schema(key.key_type(role).build().unwrap());
    }
    for attribute in table.attributes.as_array().unwrap() {
        let kind = ScalarAttributeType::from(attribute["AttributeType"].as_str().unwrap());
        let name = attribute["AttributeName"].as_str().unwrap();
        let definition = AttributeDefinition::builder().attribute_name(name).attribute_type(kind);
        create = create.attribute_definitions(definition.build().unwrap());
    }
    create.send().await.unwrap();
}

/// An item.
pub type Item = HashMap<String, AttributeValue>;

/// The item of a key with one attribute after the other taken away, of another type, and of nonsense, with a word on
/// which; `spared` stay as they are.
pub async fn damaged(
    client: &Client,
    table: &str,
    key: &[(String, AttributeValue)],
    spared: &[&str],
) -> Vec<(Item, String)> {
    let read = client.get_item().table_name(table).set_key(Some(key.iter().cloned().collect()));
    let item = read.send().await.unwrap().item.unwrap();
    let mut all = Vec::new();
    for (name, value) in &item {
        if spared.contains(&name.as_str()) {
            continue;
        }
        let nonsense = match value {
            AttributeValue::B(_) => AttributeValue::B(Blob::new([1])),
            AttributeValue::N(_) => AttributeValue::N("-0.5".to_owned()),
            _ => AttributeValue::S("\u{fffd}{".to_owned()),
        };
        for (how, value) in [
            ("is gone", None),
            ("is of another type", Some(AttributeValue::Bool(true))),
            ("is nonsense", Some(nonsense)),
        ] {
            let mut damaged = item.clone();
            match value {
                Some(value) => damaged.insert(name.clone(), value),
                None => damaged.remove(name),
            };
            all.push((damaged, format!("{name} {how}")));
        }
    }
    all
}

/// Writes an item as it is.
pub async fn put(client: &Client, table: &str, item: Item) {
    client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
}

/// Declares tests that run on both stores: one after the other on one moto, which takes seconds to start. Those of many
/// calls `at_once` run on dynoxide only: moto's threads read and write an item without a lock between.
macro_rules! on_both_stores {
    ($($contract:ident),+; at_once: $($race:ident),+ $(,)?) => {
        mod dynoxide {
            $(#[tokio::test]
            async fn $contract() {
                let store = crate::stores::Dynoxide::start().await;
                super::$contract(&store.client).await;
            })+
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $race() {
                let store = crate::stores::Dynoxide::start().await;
                super::$race(&store.client).await;
            })+
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn all_of_it_holds_on_moto() {
            let moto = crate::moto::Moto::start().await;
            $(
                eprintln!("{}", stringify!($contract));
                $contract(&crate::stores::renew(&moto).await).await;
            )+
        }
    };
}
pub(crate) use on_both_stores;
