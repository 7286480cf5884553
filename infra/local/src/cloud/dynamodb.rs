//! The store: dynoxide, an embedded database that speaks DynamoDB's protocol, with the tables of template.yaml.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use dynoxide::{Database, DynoxideError};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::failure::Failure;
use crate::template::Table;

/// How often expired items are deleted. DynamoDB lets days pass; functions must not rely on either.
const SWEEP: Duration = Duration::from_secs(30);

/// Opens the store, in memory or in a file, and creates the tables that it does not have yet.
///
/// # Errors
/// [`Failure`] when the file is no store or a table can't be created.
pub fn open(file: Option<&Path>, tables: &BTreeMap<String, Table>) -> Result<Database, Failure> {
    let place = file.map_or_else(|| "the store".to_owned(), |file| file.display().to_string());
    let failed = |error: DynoxideError| Failure::new(format!("{place}: {error}").replace('\n', " "));
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

/// Serves the store until `stop` turns true.
pub async fn serve(listener: TcpListener, database: Database, mut stop: watch::Receiver<bool>) {
    let sweeping = database.clone();
    let sweeper = tokio::spawn(async move {
        loop {
            tokio::time::sleep(SWEEP).await;
            if let Err(error) = sweeping.sweep_ttl() {
                tracing::warn!(%error, "expired items can't be deleted");
            }
        }
    });
    let stopped = async move {
        let _ = stop.wait_for(|stop| *stop).await;
    };
    if let Err(error) = dynoxide::server::serve_with_shutdown(listener, database, stopped).await {
        tracing::error!(%error, "the store stopped");
    }
    sweeper.abort();
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
