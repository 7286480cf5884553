//! Many items at once, for runs that nobody waits for at a page.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, PutRequest, WriteRequest};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::item::{Item, unavailable};
use crate::ports::StoreError;

/// The most keys of one `BatchGetItem`.
const READS: usize = 100;
/// The most requests of one `BatchWriteItem`.
const WRITES: usize = 25;
/// The calls that are made at once.
pub(in crate::adapters) const AT_ONCE: usize = 16;
/// The calls for the items that `DynamoDB` left unprocessed, before the run gives up: about 13 s.
const TRIES: u32 = 9;
/// The wait before the second of them; it doubles each time.
const BACKOFF: Duration = Duration::from_millis(50);

/// The key of an item.
pub(in crate::adapters) type Key = HashMap<String, AttributeValue>;

/// Returns a client that waits longer and tries more often than those that people wait for.
pub(in crate::adapters) fn patient(client: &Client) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_mins(1));
    let retries = RetryConfig::standard().with_max_attempts(8).with_initial_backoff(BACKOFF);
    let config = client.config().to_builder().timeout_config(timeouts.build()).retry_config(retries);
    Client::from_conf(config.build())
}

/// Reads items by their keys, and only these attributes of them, strongly consistent.
pub(in crate::adapters) async fn read(
    client: &Client,
    table: &str,
    keys: Vec<Key>,
    attributes: &[&str],
) -> Result<Vec<Item>, StoreError> {
    let chunks: Vec<Vec<Key>> = keys.chunks(READS).map(<[Key]>::to_vec).collect();
    let reads = chunks.into_iter().map(|keys| read_some(client, table, keys, attributes));
    let found: Vec<Vec<Item>> = stream::iter(reads).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn read_some(
    client: &Client,
    table: &str,
    keys: Vec<Key>,
    attributes: &[&str],
) -> Result<Vec<Item>, StoreError> {
    let wanted = KeysAndAttributes::builder()
        .set_keys(Some(keys))
        .consistent_read(true)
        .projection_expression(projection(attributes))
        .set_expression_attribute_names(Some(names(attributes)))
        .build()
        .map_err(incomplete)?;
    let mut wanted = HashMap::from([(table.to_owned(), wanted)]);
    let mut found = Vec::new();
    for attempt in 0..TRIES {
        wait(attempt).await;
        let answer = client.batch_get_item().set_request_items(Some(wanted)).send().await;
        let answer = answer.map_err(unavailable)?;
        let items = answer.responses.unwrap_or_default().remove(table).unwrap_or_default();
        found.extend(items.into_iter().map(Item));
        wanted = answer.unprocessed_keys.unwrap_or_default();
        if wanted.is_empty() {
            return Ok(found);
        }
    }
    Err(StoreError::Unavailable("the table left keys unread".into()))
}

/// Writes and deletes items. No key is there twice.
pub(in crate::adapters) async fn write(
    client: &Client,
    table: &str,
    requests: Vec<WriteRequest>,
) -> Result<(), StoreError> {
    let chunks: Vec<Vec<WriteRequest>> = requests.chunks(WRITES).map(<[WriteRequest]>::to_vec).collect();
    let writes = chunks.into_iter().map(|requests| write_some(client, table, requests));
    stream::iter(writes).buffer_unordered(AT_ONCE).try_collect().await
}

async fn write_some(client: &Client, table: &str, requests: Vec<WriteRequest>) -> Result<(), StoreError> {
    let mut requests = HashMap::from([(table.to_owned(), requests)]);
    for attempt in 0..TRIES {
        wait(attempt).await;
        let write = client.batch_write_item().set_request_items(Some(requests));
        requests = write.send().await.map_err(unavailable)?.unprocessed_items.unwrap_or_default();
        if requests.is_empty() {
            return Ok(());
        }
    }
    Err(StoreError::Unavailable("the table left items unwritten".into()))
}

async fn wait(attempt: u32) {
    if attempt > 0 {
        tokio::time::sleep(BACKOFF * 2_u32.pow(attempt - 1)).await;
    }
}

pub(in crate::adapters) fn names(attributes: &[&str]) -> HashMap<String, String> {
    attributes.iter().map(|name| (format!("#{name}"), (*name).to_owned())).collect()
}

pub(in crate::adapters) fn projection(attributes: &[&str]) -> String {
    attributes.iter().map(|name| format!("#{name}")).collect::<Vec<_>>().join(", ")
}

/// A request without a required part, which this code never builds.
pub(in crate::adapters) fn incomplete(error: BuildError) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

pub(in crate::adapters) fn put(item: Item) -> Result<WriteRequest, StoreError> {
    let put = PutRequest::builder().set_item(Some(item.0)).build().map_err(incomplete)?;
    Ok(WriteRequest::builder().put_request(put).build())
}
