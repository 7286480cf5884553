//! Stands in for Lambda's event source mapping: takes messages from the queue and invokes `delivery`.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::emulator::queue::{Queues, Received};
use crate::emulator::sqs::milliseconds;
use crate::emulator::{REGION, arn};
use crate::template::Consumer;

/// Interval between polls without an arrival: delays and visibility timeouts end without a signal.
const PAUSE: Duration = Duration::from_millis(250);
/// Maximum response of an invocation, in bytes.
const RESPONSE_MAX: usize = 1_048_576;

/// The reason why an invocation failed as a whole.
pub type Failed = String;

/// The function that consumes the queue: takes an event and returns the ids of failed messages.
pub type Consume = Arc<
    dyn Fn(SqsEvent) -> Pin<Box<dyn Future<Output = Result<SqsBatchResponse, Failed>> + Send>> + Send + Sync,
>;

/// Takes messages until `stop` turns true. It deletes handled messages. A failed one comes again after the visibility
/// timeout. After the redrive policy's receive count it moves to the dead-letter queue.
pub async fn run(queues: Arc<Queues>, consumer: Consumer, consume: Consume, mut stop: watch::Receiver<bool>) {
    loop {
        let found = tokio::select! {
            found = take_batch(&queues, &consumer, &consume) => found,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        if !found {
            tokio::select! {
                () = queues.arrival() => {}
                () = tokio::time::sleep(PAUSE) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }
}

/// Takes one batch and returns whether a message was visible.
pub async fn take_batch(queues: &Queues, consumer: &Consumer, consume: &Consume) -> bool {
    let received = queues.receive(&consumer.queue, consumer.batch, None).unwrap_or_default();
    if received.is_empty() {
        return false;
    }
    for receipt in invoke(consumer, consume, &received).await {
        let _ = queues.delete(&consumer.queue, &receipt);
    }
    true
}

/// Invokes the function and returns the receipts of the handled messages.
async fn invoke(consumer: &Consumer, consume: &Consume, received: &[Received]) -> Vec<String> {
    let records: Vec<Value> = received.iter().map(|message| record(&consumer.queue, message)).collect();
    let event: SqsEvent = match serde_json::from_value(json!({"Records": records})) {
        Ok(event) => event,
        Err(error) => {
            tracing::error!(%error, "aws_lambda_events can't parse the event");
            return Vec::new();
        }
    };
    // A task of its own, so that a panic is a failed invocation, as in Lambda.
    let failures = match tokio::spawn(consume(event)).await {
        Ok(Ok(response)) => response.batch_item_failures,
        Ok(Err(error)) => {
            tracing::warn!(
                error,
                function = consumer.function,
                "a function failed; its messages are retried"
            );
            return Vec::new();
        }
        Err(error) => {
            tracing::error!(%error, function = consumer.function, "a function failed; its messages are retried");
            return Vec::new();
        }
    };
    let failed: HashSet<&str> = failures.iter().map(|failure| failure.item_identifier.as_str()).collect();
    // Lambda treats an unknown or empty identifier as a failure of the whole batch.
    if !failed.iter().all(|id| received.iter().any(|message| message.id == *id)) {
        return Vec::new();
    }
    let handled = received.iter().filter(|message| !failed.contains(message.id.as_str()));
    handled.map(|message| message.receipt.clone()).collect()
}

fn record(queue: &str, message: &Received) -> Value {
    json!({
        "messageId": message.id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "md5OfBody": format!("{:x}", md5::compute(&message.body)),
        "attributes": {
            "ApproximateReceiveCount": message.receives.to_string(),
            "SentTimestamp": milliseconds(message.sent_at.as_seconds()),
            "ApproximateFirstReceiveTimestamp": milliseconds(message.first_received_at.as_seconds()),
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": arn("sqs", queue),
        "awsRegion": REGION,
    })
}

/// Sends events to `cargo lambda watch` at `address` (`http://127.0.0.1:9000`), which invokes `function`.
pub fn through_watch(address: &str, function: &str) -> Consume {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let url = format!("{}/2015-03-31/functions/{function}/invocations", address.trim_end_matches('/'));
    Arc::new(move |event| {
        let (client, url) = (client.clone(), url.clone());
        Box::pin(async move { post(&client, &url, &event).await })
    })
}

async fn post(
    client: &Client<HttpConnector, Full<Bytes>>,
    url: &str,
    event: &SqsEvent,
) -> Result<SqsBatchResponse, Failed> {
    let body = serde_json::to_vec(event).map_err(|error| error.to_string())?;
    let request = http::Request::post(url)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())?;
    let response = client.request(request).await.map_err(|_| {
        format!("{url} does not answer. Start `cargo lambda watch`, or give its address by --watch")
    })?;
    let status = response.status();
    let body = Limited::new(response.into_body(), RESPONSE_MAX).collect().await;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    if !status.is_success() {
        return Err(format!("{url} answered {status}. See the terminal of `cargo lambda watch`"));
    }
    serde_json::from_slice(&body).map_err(|_| {
        format!("the answer of {url} has no batchItemFailures. See the terminal of `cargo lambda watch`")
    })
}
