//! The DynamoDB emulator: dynoxide, an embedded database with DynamoDB's protocol, and the tables of template.yaml.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode, Uri, header, request};
use bytes::Bytes;
use dynoxide::{Database, DynoxideError};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::template::Table;
use rekey_people::Failure;

/// The service name in `X-Amz-Target`.
pub const SERVICE: &str = "DynamoDB_20120810";
/// Interval between deletions of expired items. DynamoDB may take days, so functions must not rely on either.
const SWEEP: Duration = Duration::from_secs(30);

/// Opens the database, in memory or in a file, and creates the tables that are missing.
///
/// # Errors
/// [`Failure`] if the file is no database or a table can't be created.
pub fn open(file: Option<&Path>, tables: &BTreeMap<String, Table>) -> Result<Database, Failure> {
    let (place, advice) = match file {
        Some(file) => (file.display().to_string(), "Restore this file, or give another folder by --data"),
        None => ("the DynamoDB emulator".to_owned(), "Check the tables of template.yaml"),
    };
    let failed =
        |error: DynoxideError| Failure::new(format!("{place}: {error}. {advice}").replace('\n', " "));
    let database = match file {
        Some(file) => Database::new(&file.to_string_lossy()),
        None => Database::memory(),
    }
    .map_err(failed)?;
    for (name, table) in tables {
        if database.get_table_metadata(name).map_err(failed)?.is_none() {
            create(&database, name, table).map_err(failed)?;
        }
    }
    Ok(database)
}

/// Deletes expired items until `stop` turns true. It goes by the machine's clock, so it only suits a system with that
/// clock: one whose clock is set would lose items that are valid.
pub async fn sweep(database: Database, mut stop: watch::Receiver<bool>) {
    while tokio::time::timeout(SWEEP, stop.wait_for(|stop| *stop)).await.is_err() {
        if let Err(error) = database.sweep_ttl() {
            tracing::warn!(%error, "expired items can't be deleted");
        }
    }
}

/// Serves the database until `stop` turns true.
pub async fn serve(listener: TcpListener, database: Database, mut stop: watch::Receiver<bool>) {
    let stopped = async move {
        let _ = stop.wait_for(|stop| *stop).await;
    };
    if let Err(error) = dynoxide::server::serve_with_shutdown(listener, database, stopped).await {
        tracing::error!(%error, "the DynamoDB emulator stopped; start again");
    }
}

/// A client of the database's own port, which is behind the port that checks roles.
pub struct Store {
    client: Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
}

impl Store {
    /// Connects to the database at `address`.
    pub fn at(address: SocketAddr) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), address }
    }

    /// Forwards a call and returns its response.
    pub async fn forward(&self, headers: &HeaderMap, body: Bytes) -> Response<Body> {
        let uri = Uri::builder().scheme("http").authority(self.address.to_string()).path_and_query("/");
        let request = uri.build().and_then(|uri| {
            let mut request = request::Builder::new().method("POST").uri(uri);
            for (name, value) in headers.iter().filter(|(name, _)| *name != header::HOST) {
                request = request.header(name, value);
            }
            request.body(Full::new(body))
        });
        let answer = match request {
            Ok(request) => self.client.request(request).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match answer {
            Ok(answer) => answer.map(Body::new),
            Err(error) => {
                tracing::error!(error, "the DynamoDB emulator does not answer");
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                response
            }
        }
    }
}

fn create(database: &Database, name: &str, table: &Table) -> Result<(), DynoxideError> {
    database.create_table(request(&json!({
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": table.attributes,
        "KeySchema": table.keys,
    }))?)?;
    if let Some(attribute) = &table.ttl {
        database.update_time_to_live(request(&json!({
            "TableName": name,
            "TimeToLiveSpecification": {"Enabled": true, "AttributeName": attribute},
        }))?)?;
    }
    Ok(())
}

fn request<T: DeserializeOwned>(json: &serde_json::Value) -> Result<T, DynoxideError> {
    serde_json::from_value(json.clone())
        .map_err(|error| DynoxideError::ValidationException(error.to_string()))
}
