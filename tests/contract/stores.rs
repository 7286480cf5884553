//! The stores for every port: in memory, and two independent DynamoDB-compatible ones. A contract that all of them
//! fulfil doesn't depend on a peculiarity of one.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use rekey_local::emulator::dynamodb;
use rekey_local::template::{Table, Template};
use rekey_tests::test_doubles::TestEntropy;
use shared::adapters::aws::emulated;
use shared::adapters::directories::{BuiltinDirectory, DynamoAccountCopy, DynamoPasswordExpiries};
use shared::adapters::dynamodb::{
    DynamoAnchors, DynamoApprovals, DynamoAuthenticators, DynamoBindLeases, DynamoChangeNotes,
    DynamoDeskRecords, DynamoDevices, DynamoEnrolment, DynamoFlows, DynamoHolderSearch, DynamoKnownDevices,
    DynamoLeases, DynamoMailFailures, DynamoPairings, DynamoPopulation, DynamoRateLimits, DynamoRecentEvents,
    DynamoSecurityInfo, DynamoSessionChanges, DynamoSessions,
};
use shared::adapters::memory::{Memory, MemoryDirectory, MemoryHolderSearch};
use shared::domain::account::{AccountId, Registration};
use shared::domain::holder::HolderId;
use shared::domain::import::{ImportAction, Overwrite};
use shared::domain::keys::{Keyring, Tag};
use shared::domain::pass::{HeldPass, PassKind};
use shared::domain::security_info::{Consumption, EntryId, Kind};
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{
    AccountCopy, AccountImport, ActiveEntry, AnchorStore, ApprovalStore, AuthenticatorStore, BindLeaseStore,
    BulkContactImport, ChangeNoteStore, ContactImport, DeskRecordStore, DeviceStore, Directory,
    EnrolmentStore, FlowStore, HolderSearch, KnownDeviceStore, LeaseStore, MailFailureStore, NewEntry,
    PairingStore, PassStore, PasswordExpiryStore, PopulationStore, PushTargets, RateLimitStore,
    RecentEventStore, RegistrationErasure, SecurityInfoStore, SessionChangesStore, SessionStore,
};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::moto::Moto;

/// dynoxide, the store of the local environment, with the tables of template.yaml.
/// <https://crates.io/crates/dynoxide-rs>
pub struct Dynoxide {
    pub client: Client,
    _stop: watch::Sender<bool>,
}

impl Dynoxide {
    pub async fn start() -> Self {
        let database = dynamodb::open(None, &Template::from_project().unwrap().tables).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(dynamodb::serve(listener, database, stopped));
        Self { client: Client::new(&emulated(&endpoint, "test")), _stop: stop }
    }
}

/// Empties a moto server and creates the tables of template.yaml.
pub async fn renew(moto: &Moto) -> Client {
    moto.reset();
    let client = Client::new(&moto.config());
    for (name, table) in Template::from_project().unwrap().tables {
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
    // The server was empty, so an existing table comes from a retried call whose response was too late.
    if let Err(error) = create.send().await.map_err(SdkError::into_service_error) {
        assert!(error.is_resource_in_use_exception(), "{name}: {error:?}");
    }
}

/// The table of entries.
pub const ENTRIES: &str = "SecurityInfoTable";

/// Returns the keys that seal contacts.
pub fn contacts() -> Arc<Keyring> {
    let secret = r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#;
    Arc::new(Keyring::from_secret(secret).unwrap())
}

/// Every port over one store.
#[derive(Clone)]
pub struct Stores {
    pub flows: Arc<dyn FlowStore>,
    pub holders: Arc<dyn HolderSearch>,
    pub sessions: Arc<dyn SessionStore>,
    pub session_changes: Arc<dyn SessionChangesStore>,
    pub approvals: Arc<dyn ApprovalStore>,
    pub pairings: Arc<dyn PairingStore>,
    pub rate_limits: Arc<dyn RateLimitStore>,
    pub population: Arc<dyn PopulationStore>,
    pub expiries: Arc<dyn PasswordExpiryStore>,
    pub change_notes: Arc<dyn ChangeNoteStore>,
    pub desk_records: Arc<dyn DeskRecordStore>,
    pub mail_failures: Arc<dyn MailFailureStore>,
    pub anchors: Arc<dyn AnchorStore>,
    pub recent_events: Arc<dyn RecentEventStore>,
    pub bind_leases: Arc<dyn BindLeaseStore>,
    pub accounts: Arc<dyn AccountImport>,
    pub info: Arc<dyn SecurityInfoStore>,
    pub enrolment: Arc<dyn EnrolmentStore>,
    pub contacts: Arc<dyn ContactImport>,
    pub bulk: Arc<dyn BulkContactImport>,
    pub authenticators: Arc<dyn AuthenticatorStore>,
    pub leases: Arc<dyn LeaseStore>,
    pub known_devices: Arc<dyn KnownDeviceStore>,
    pub devices: Arc<dyn DeviceStore>,
    pub push_targets: Arc<dyn PushTargets>,
    pub raw: Arc<dyn RawWrites>,
    pub directory: Arc<dyn Directory>,
    pub copy: Arc<dyn AccountCopy>,
    pub erasure: Arc<dyn RegistrationErasure>,
}

impl Stores {
    pub fn in_memory() -> Self {
        let memory = Arc::new(Memory::default());
        Self {
            flows: memory.clone(),
            holders: Arc::new(MemoryHolderSearch::new(memory.clone(), contacts())),
            sessions: memory.clone(),
            session_changes: memory.clone(),
            approvals: memory.clone(),
            pairings: memory.clone(),
            rate_limits: memory.clone(),
            population: memory.clone(),
            expiries: memory.clone(),
            change_notes: memory.clone(),
            desk_records: memory.clone(),
            mail_failures: memory.clone(),
            anchors: memory.clone(),
            recent_events: memory.clone(),
            bind_leases: memory.clone(),
            accounts: Arc::new(MemoryDirectory::new(memory.clone(), Arc::new(TestEntropy::default()), 1)),
            info: memory.clone(),
            enrolment: memory.clone(),
            contacts: memory.clone(),
            bulk: memory.clone(),
            authenticators: memory.clone(),
            leases: memory.clone(),
            known_devices: memory.clone(),
            devices: memory.clone(),
            push_targets: memory.clone(),
            raw: memory.clone(),
            directory: Arc::new(MemoryDirectory::new(memory.clone(), Arc::new(TestEntropy::default()), 1)),
            copy: memory.clone(),
            erasure: memory,
        }
    }

    pub fn in_tables(client: &Client) -> Self {
        let entropy = Arc::new(TestEntropy::default());
        let enrolment = Arc::new(DynamoEnrolment::new(client.clone(), ENTRIES, contacts(), entropy.clone()));
        let devices = Arc::new(DynamoDevices::new(client.clone(), ENTRIES));
        Self {
            directory: Arc::new(BuiltinDirectory::new(client.clone(), "AccountsTable", entropy.clone(), 1)),
            copy: Arc::new(DynamoAccountCopy::new(client, "AccountsTable")),
            erasure: enrolment.clone(),
            flows: Arc::new(DynamoFlows::new(client.clone(), "FlowsTable")),
            holders: Arc::new(DynamoHolderSearch::new(client.clone(), "FlowsTable", contacts())),
            sessions: Arc::new(DynamoSessions::new(client.clone(), "FlowsTable", entropy)),
            session_changes: Arc::new(DynamoSessionChanges::new(client.clone(), "FlowsTable")),
            approvals: Arc::new(DynamoApprovals::new(client.clone(), "FlowsTable")),
            pairings: Arc::new(DynamoPairings::new(client.clone(), "FlowsTable")),
            rate_limits: Arc::new(DynamoRateLimits::new(client.clone(), "BudgetsTable")),
            expiries: Arc::new(DynamoPasswordExpiries::new(client.clone(), "AccountsTable")),
            desk_records: Arc::new(DynamoDeskRecords::new(client.clone(), "BudgetsTable")),
            mail_failures: Arc::new(DynamoMailFailures::new(client.clone(), "BudgetsTable")),
            anchors: Arc::new(DynamoAnchors::new(client.clone(), ENTRIES)),
            recent_events: Arc::new(DynamoRecentEvents::new(client.clone(), "BudgetsTable")),
            change_notes: Arc::new(DynamoChangeNotes::new(client.clone(), "AccountsTable")),
            bind_leases: Arc::new(DynamoBindLeases::new(client.clone(), "BudgetsTable")),
            accounts: Arc::new(BuiltinDirectory::new(
                client.clone(),
                "AccountsTable",
                Arc::new(TestEntropy::default()),
                1,
            )),
            population: Arc::new(DynamoPopulation::new(client.clone(), "AccountsTable")),
            info: Arc::new(DynamoSecurityInfo::new(client.clone(), ENTRIES, contacts())),
            enrolment: enrolment.clone(),
            contacts: enrolment.clone(),
            bulk: enrolment.clone(),
            authenticators: Arc::new(DynamoAuthenticators::new(client.clone(), ENTRIES)),
            leases: Arc::new(DynamoLeases::new(client.clone(), ENTRIES)),
            known_devices: Arc::new(DynamoKnownDevices::new(client.clone(), ENTRIES)),
            devices: devices.clone(),
            push_targets: devices,
            raw: enrolment,
        }
    }

    /// Imports the contacts of an account, and its TOTP app if there is a seed.
    pub async fn import(
        &self,
        account: &AccountId,
        contacts: &Registration,
        seed: Option<&str>,
        now: Timestamp,
    ) -> Vec<(Kind, ImportAction)> {
        self.contacts.import(account, contacts, seed, Overwrite::Imported, WAIT, now).await.unwrap()
    }

    /// Returns the active entries of a kind.
    pub async fn active(&self, account: &AccountId, kind: Kind, now: Timestamp) -> Vec<ActiveEntry> {
        self.authenticators.active(account, kind, now).await.unwrap()
    }

    /// Uses up a part of an entry of Aisyah for a flow; returns whether that was possible.
    pub async fn consume(
        &self,
        entry: &EntryId,
        consumption: Consumption,
        flow: HolderId,
        now: Timestamp,
    ) -> bool {
        let aisyah = AccountId::from_directory("aisyah").unwrap();
        self.authenticators.consume(&aisyah, entry, &consumption, flow, now).await.unwrap()
    }
}

/// The waiting period of contacts that a later import changes.
pub const WAIT: Seconds = Seconds(72 * 3_600);

/// Writes items without any condition.
#[async_trait]
pub trait RawWrites: Send + Sync {
    async fn put(&self, account: &AccountId, entry: &NewEntry<'_>);

    async fn put_pass(&self, account: &AccountId, kind: PassKind, pass: &Tag, expires_at: Timestamp);

    async fn held_pass(&self, account: &AccountId) -> Option<HeldPass>;

    async fn delete(&self, account: &AccountId, id: &EntryId);
}

#[async_trait]
impl RawWrites for DynamoEnrolment {
    async fn put(&self, account: &AccountId, entry: &NewEntry<'_>) {
        self.put(account, entry).await.unwrap();
    }

    async fn put_pass(&self, account: &AccountId, kind: PassKind, pass: &Tag, expires_at: Timestamp) {
        PassStore::put_pass(self, account, kind, pass, expires_at).await.unwrap();
    }

    async fn held_pass(&self, account: &AccountId) -> Option<HeldPass> {
        PassStore::held_pass(self, account).await.unwrap()
    }

    async fn delete(&self, account: &AccountId, id: &EntryId) {
        self.delete(account, id).await.unwrap();
    }
}

#[async_trait]
impl RawWrites for Memory {
    async fn put(&self, account: &AccountId, entry: &NewEntry<'_>) {
        self.with(|tables| tables.security_info.put(account, entry));
    }

    async fn put_pass(&self, account: &AccountId, kind: PassKind, pass: &Tag, expires_at: Timestamp) {
        self.with(|tables| tables.security_info.put_pass(account, kind, pass, expires_at));
    }

    async fn held_pass(&self, account: &AccountId) -> Option<HeldPass> {
        PassStore::held_pass(self, account).await.unwrap()
    }

    async fn delete(&self, account: &AccountId, id: &EntryId) {
        self.with(|tables| tables.security_info.of(account).entries.remove(id));
    }
}

pub type Item = HashMap<String, AttributeValue>;

/// Returns damaged copies of an item, each with a description. One attribute after the other is missing, of another
/// type, or corrupt; those in `intact` stay intact.
pub async fn corrupt_variants(
    client: &Client,
    table: &str,
    key: &[(String, AttributeValue)],
    intact: &[&str],
) -> Vec<(Item, String)> {
    let read = client.get_item().table_name(table).set_key(Some(key.iter().cloned().collect()));
    let item = read.send().await.unwrap().item.unwrap();
    let mut all = Vec::new();
    for (name, value) in &item {
        if intact.contains(&name.as_str()) {
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

/// Writes an item unchanged.
pub async fn put(client: &Client, table: &str, item: Item) {
    client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
}

/// Declares tests for every store. In memory and on dynoxide they run separately. On moto they run in sequence on one
/// server, which takes seconds to start. Tests with concurrent calls (`at_once`) skip moto: its threads read and
/// write an item without a lock. Tests `in_tables` check items instead of the port, and get the client of the tables.
macro_rules! on_every_store {
    ($($contract:ident),*; at_once: $($race:ident),*;
     in_tables: $($item:ident),*; in_tables_at_once: $($item_race:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $contract() {
                super::$contract(&crate::stores::Stores::in_memory()).await;
            })*
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $race() {
                super::$race(&crate::stores::Stores::in_memory()).await;
            })*
        }

        mod dynoxide {
            $(#[tokio::test]
            async fn $contract() {
                let store = crate::stores::Dynoxide::start().await;
                super::$contract(&crate::stores::Stores::in_tables(&store.client)).await;
            })*
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $race() {
                let store = crate::stores::Dynoxide::start().await;
                super::$race(&crate::stores::Stores::in_tables(&store.client)).await;
            })*
            $(#[tokio::test]
            async fn $item() {
                let store = crate::stores::Dynoxide::start().await;
                super::$item(&store.client).await;
            })*
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $item_race() {
                let store = crate::stores::Dynoxide::start().await;
                super::$item_race(&store.client).await;
            })*
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn contract_holds_on_moto() {
            let moto = crate::moto::Moto::start().await;
            $(
                eprintln!("{}", stringify!($contract));
                $contract(&crate::stores::Stores::in_tables(&crate::stores::renew(&moto).await)).await;
            )*
            $(
                eprintln!("{}", stringify!($item));
                $item(&crate::stores::renew(&moto).await).await;
            )*
        }
    };
}
pub(crate) use on_every_store;
