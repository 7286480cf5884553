//! Many items at once, for runs that nobody waits for at a page.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, PutRequest, WriteRequest};
use tokio::task::{JoinError, JoinSet};

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
    attributes: &[&'static str],
) -> Result<Vec<Item>, StoreError> {
    let attributes: Arc<[&'static str]> = attributes.into();
    let reads = keys
        .chunks(READS)
        .map(|keys| read_some(client.clone(), table.to_owned(), keys.to_vec(), attributes.clone()));
    Ok(all(reads).await?.into_iter().flatten().collect())
}

/// Makes calls as tasks, so that they use every processor: to encode and to sign one takes longer than to wait for it.
/// They end with this future.
async fn all<T: Send + 'static, F: Future<Output = Result<T, StoreError>> + Send + 'static>(
    calls: impl Iterator<Item = F> + Send,
) -> Result<Vec<T>, StoreError> {
    let (mut tasks, mut answers) = (JoinSet::new(), Vec::new());
    let answer =
        |ended: Result<_, JoinError>| ended.map_err(|error| StoreError::Unavailable(Box::new(error)))?;
    for call in calls {
        if tasks.len() == AT_ONCE
            && let Some(ended) = tasks.join_next().await
        {
            answers.push(answer(ended)?);
        }
        tasks.spawn(call);
    }
    while let Some(ended) = tasks.join_next().await {
        answers.push(answer(ended)?);
    }
    Ok(answers)
}

async fn read_some(
    client: Client,
    table: String,
    keys: Vec<Key>,
    attributes: Arc<[&'static str]>,
) -> Result<Vec<Item>, StoreError> {
    let wanted = KeysAndAttributes::builder()
        .set_keys(Some(keys))
        .consistent_read(true)
        .projection_expression(projection(&attributes))
        .set_expression_attribute_names(Some(names(&attributes)))
        .build()
        .map_err(incomplete)?;
    let mut wanted = HashMap::from([(table.clone(), wanted)]);
    let mut found = Vec::new();
    for attempt in 0..TRIES {
        wait(attempt).await;
        let answer = client.batch_get_item().set_request_items(Some(wanted)).send().await;
        let answer = answer.map_err(unavailable)?;
        let items = answer.responses.unwrap_or_default().remove(&table).unwrap_or_default();
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
    let writes = requests
        .chunks(WRITES)
        .map(|requests| write_some(client.clone(), table.to_owned(), requests.to_vec()));
    all(writes).await.map(drop)
}

async fn write_some(client: Client, table: String, requests: Vec<WriteRequest>) -> Result<(), StoreError> {
    let mut requests = HashMap::from([(table, requests)]);
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
