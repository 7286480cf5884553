//! Runs Rekey as `cargo local` does, for the browser test of the authenticator app. It also acts for the person at
//! `/security-info`: it begins a pairing and types the code that the phone shows.
//!
//! `POST /pairings/{login}` → `{"pairing"}`; `POST /pairings/{login}/{pairing}/{code}` → 204, or 422.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "what supports a test fails as a test does")]

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use rekey_local::Local;
use rekey_local::emulator::roles::ADMINISTRATOR;
use rekey_tests::LocalEnvironment;
use serde_json::{Value, json};
use shared::adapters::aws::emulated;
use shared::adapters::directories::BuiltinDirectory;
use shared::adapters::dynamodb::{Client, DynamoEnrolment, DynamoPairings};
use shared::adapters::system::{SystemClock, SystemEntropy};
use shared::domain::account::AccountId;
use shared::domain::code::OneTimeCode;
use shared::domain::keys::Keyring;
use shared::domain::name::CanonicalName;
use shared::domain::pairing::{Pairing, PairingToken};
use shared::domain::security_info::{EntryId, Kind, Secret};
use shared::ports::{
    Clock as _, Directory as _, EntropyExt as _, NewEntry, PairingConfirmed, PairingStore as _,
};
use tokio::net::TcpListener;

const SESSION: [u8; 32] = [5; 32];

struct PairingService {
    directory: BuiltinDirectory,
    pairings: DynamoPairings,
    enrolment: DynamoEnrolment,
    flows: Keyring,
}

impl PairingService {
    async fn account(&self, login: &str) -> AccountId {
        let name = CanonicalName::parse(login, &[]).unwrap();
        self.directory.find(&name).await.unwrap().unwrap().id
    }
}

#[tokio::main]
async fn main() {
    let local = Local::start(&LocalEnvironment::options(), []).await.unwrap();
    let client = Client::new(&emulated(local.emulator.endpoint(), ADMINISTRATOR));
    let keyring = |name| Keyring::from_secret(&local.emulator.secret(name).unwrap()).unwrap();
    let contacts = Arc::new(keyring("REKEY_SECRET_CONTACTS"));
    let service = PairingService {
        directory: BuiltinDirectory::new(client.clone(), "AccountsTable", Arc::new(SystemEntropy), 1),
        pairings: DynamoPairings::new(client.clone(), "FlowsTable"),
        enrolment: DynamoEnrolment::new(client, "SecurityInfoTable", contacts, Arc::new(SystemEntropy)),
        flows: keyring("REKEY_SECRET_FLOWS"),
    };
    let router = Router::new()
        .route("/pairings/{login}", post(begin))
        .route("/pairings/{login}/{pairing}/{code}", post(confirm))
        .with_state(Arc::new(service));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (site, dev_inbox) = (local.product.unwrap(), local.dev_inbox_address);
    println!(
        "http://{site}\nhttp://{dev_inbox}\nhttp://{}\nPress Ctrl-C to stop.",
        listener.local_addr().unwrap()
    );
    axum::serve(listener, router).await.unwrap();
}

async fn begin(State(service): State<Arc<PairingService>>, Path(login): Path<String>) -> Json<Value> {
    let token = PairingToken::new(SystemEntropy.bytes());
    let entry = EntryId::new(Kind::Authenticator, SystemEntropy.bytes());
    let account = service.account(&login).await;
    let pairing = Pairing::begin(account, entry, SESSION, login, SystemClock.now());
    service.pairings.begin(token.key(), &pairing).await.unwrap();
    Json(json!({ "pairing": token.expose() }))
}

async fn confirm(
    State(service): State<Arc<PairingService>>,
    Path((login, pairing, code)): Path<(String, String, String)>,
) -> StatusCode {
    let (account, now) = (service.account(&login).await, SystemClock.now());
    let key = PairingToken::parse(&pairing).unwrap().key();
    let tag = key.code_tag(&service.flows, &OneTimeCode::parse(&code).unwrap()).unwrap();
    let confirmed = service.pairings.confirm(key, &account, &SESSION, tag, now).await.unwrap();
    let PairingConfirmed::Confirmed(device) = confirmed else { return StatusCode::UNPROCESSABLE_ENTITY };
    let secret =
        Secret::Authenticator { public_key: device.key.to_bytes(), subscription: device.subscription };
    let entry = NewEntry::new(device.id, device.name, secret, now);
    service.enrolment.put(&account, &entry).await.unwrap();
    StatusCode::NO_CONTENT
}
