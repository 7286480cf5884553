//! Emulates SQS (AWS JSON 1.0) for senders and consumers of the account's own queues.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use shared::domain::time::Seconds;

use super::queue::{NoSuchQueue, Queues, Received};
use super::wire::{CallResult, ServiceError, read_json, unsupported};
use super::{ACCOUNT, arn};

/// Maximum body of a message and of a batch, in bytes.
const LENGTH_MAX: usize = 1_048_576;
/// Maximum delay, in seconds.
const DELAY_MAX: u32 = 900;

/// Answers a call of `AmazonSQS.<operation>`. `origin` is the base of queue URLs.
///
/// # Errors
/// [`ServiceError`] in the form of SQS.
pub async fn call(queues: &Queues, origin: &str, operation: &str, body: &[u8]) -> CallResult {
    match operation {
        "SendMessage" => send(queues, &read_json(body)?),
        "SendMessageBatch" => send_batch(queues, &read_json(body)?),
        "ReceiveMessage" => receive(queues, &read_json(body)?).await,
        "DeleteMessage" => delete(queues, &read_json(body)?),
        "GetQueueUrl" => url(queues, origin, &read_json(body)?),
        "GetQueueAttributes" => attributes(queues, &read_json(body)?),
        _ => Err(ServiceError::new("com.amazonaws.sqs#UnsupportedOperation", unsupported(operation))
            .query("AWS.SimpleQueueService.UnsupportedOperation")),
    }
}

/// The queue URL that `!Ref` of an `AWS::SQS::Queue` returns.
pub fn queue_url(origin: &str, queue: &str) -> String {
    format!("{origin}/{ACCOUNT}/{queue}")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Send {
    queue_url: Option<String>,
    message_body: Option<String>,
    delay_seconds: Option<i64>,
}

fn send(queues: &Queues, call: &Send) -> CallResult {
    let queue = name(call.queue_url.as_deref())?;
    let body = contents(call.message_body.as_deref())?;
    let id = queues.send(queue, body.to_owned(), delay(call.delay_seconds)?).map_err(no_queue)?;
    Ok(json!({"MessageId": id, "MD5OfMessageBody": md5_of(body)}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendBatch {
    queue_url: Option<String>,
    #[serde(default)]
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(default)]
    id: String,
    message_body: Option<String>,
    delay_seconds: Option<i64>,
}

fn send_batch(queues: &Queues, call: &SendBatch) -> CallResult {
    let queue = name(call.queue_url.as_deref())?;
    queues.settings(queue).map_err(no_queue)?;
    check_batch(&call.entries)?;
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in &call.entries {
        let sent = contents(entry.message_body.as_deref()).and_then(|body| {
            let delay = delay(entry.delay_seconds)?;
            let id = queues.send(queue, body.to_owned(), delay).map_err(no_queue)?;
            Ok(json!({"Id": entry.id, "MessageId": id, "MD5OfMessageBody": md5_of(body)}))
        });
        match sent {
            Ok(entry) => successful.push(entry),
            Err(error) => failed.push(json!({
                "Id": entry.id,
                "SenderFault": true,
                "Code": error.query_code.unwrap_or(error.code),
                "Message": error.message,
            })),
        }
    }
    Ok(json!({"Successful": successful, "Failed": failed}))
}

fn check_batch(entries: &[Entry]) -> Result<(), ServiceError> {
    let fits = |id: &str| {
        let shaped = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (1..=80).contains(&id.len()) && shaped
    };
    let ids: BTreeSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    let length: usize = entries.iter().filter_map(|entry| entry.message_body.as_ref()).map(String::len).sum();
    if entries.is_empty() {
        Err(ServiceError::new("com.amazonaws.sqs#EmptyBatchRequest", "there are no entries")
            .query("AWS.SimpleQueueService.EmptyBatchRequest"))
    } else if entries.len() > 10 {
        Err(ServiceError::new("com.amazonaws.sqs#TooManyEntriesInBatchRequest", "more than 10 entries")
            .query("AWS.SimpleQueueService.TooManyEntriesInBatchRequest"))
    } else if !ids.iter().all(|id| fits(id)) {
        Err(ServiceError::new(
            "com.amazonaws.sqs#InvalidBatchEntryId",
            "an id has 1 to 80 letters, digits, - or _",
        )
        .query("AWS.SimpleQueueService.InvalidBatchEntryId"))
    } else if ids.len() < entries.len() {
        Err(ServiceError::new("com.amazonaws.sqs#BatchEntryIdsNotDistinct", "two entries have one id")
            .query("AWS.SimpleQueueService.BatchEntryIdsNotDistinct"))
    } else if length > LENGTH_MAX {
        Err(ServiceError::new("com.amazonaws.sqs#BatchRequestTooLong", "the batch is longer than 1 MiB")
            .query("AWS.SimpleQueueService.BatchRequestTooLong"))
    } else {
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Receive {
    queue_url: Option<String>,
    max_number_of_messages: Option<usize>,
    visibility_timeout: Option<u32>,
    wait_time_seconds: Option<u64>,
}

/// Long polling checks again at every arrival and every quarter second. A delay or a visibility timeout ends without
/// an arrival.
async fn receive(queues: &Queues, call: &Receive) -> CallResult {
    let queue = name(call.queue_url.as_deref())?;
    let max = call.max_number_of_messages.unwrap_or(1);
    if !(1..=10).contains(&max) {
        return Err(invalid("MaxNumberOfMessages", "must be between 1 and 10"));
    }
    let wait = Duration::from_secs(call.wait_time_seconds.unwrap_or(0));
    if wait > Duration::from_secs(20) {
        return Err(invalid("WaitTimeSeconds", "must be between 0 and 20"));
    }
    let until = tokio::time::Instant::now() + wait;
    loop {
        let visibility = call.visibility_timeout.map(Seconds);
        let received = queues.receive(queue, max, visibility).map_err(no_queue)?;
        if !received.is_empty() || tokio::time::Instant::now() >= until {
            return Ok(json!({"Messages": received.iter().map(message).collect::<Vec<_>>()}));
        }
        let pause = Duration::from_millis(250);
        let _ = tokio::time::timeout(pause, queues.arrival()).await;
    }
}

fn message(received: &Received) -> Value {
    json!({
        "MessageId": received.id,
        "ReceiptHandle": received.receipt,
        "Body": received.body,
        "MD5OfBody": md5_of(&received.body),
        "Attributes": {
            "ApproximateReceiveCount": received.receives.to_string(),
            "SentTimestamp": milliseconds(received.sent_at.as_seconds()),
            "ApproximateFirstReceiveTimestamp": milliseconds(received.first_received_at.as_seconds()),
            "SenderId": ACCOUNT,
        },
    })
}

/// Formats seconds as milliseconds in a string, as SQS sends times.
pub fn milliseconds(seconds: i64) -> String {
    seconds.saturating_mul(1_000).to_string()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Delete {
    queue_url: Option<String>,
    receipt_handle: Option<String>,
}

fn delete(queues: &Queues, call: &Delete) -> CallResult {
    let receipt = call.receipt_handle.as_deref().ok_or_else(|| missing("ReceiptHandle"))?;
    queues.delete(name(call.queue_url.as_deref())?, receipt).map_err(no_queue)?;
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    queue_name: Option<String>,
}

fn url(queues: &Queues, origin: &str, call: &Named) -> CallResult {
    let queue = call.queue_name.as_deref().ok_or_else(|| missing("QueueName"))?;
    queues.settings(queue).map_err(no_queue)?;
    Ok(json!({"QueueUrl": queue_url(origin, queue)}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Addressed {
    queue_url: Option<String>,
}

fn attributes(queues: &Queues, call: &Addressed) -> CallResult {
    let queue = name(call.queue_url.as_deref())?;
    let settings = queues.settings(queue).map_err(no_queue)?;
    let counts = queues.counts(queue).map_err(no_queue)?;
    Ok(json!({"Attributes": {
        "QueueArn": arn("sqs", queue),
        "VisibilityTimeout": settings.visibility.to_string(),
        "MessageRetentionPeriod": settings.retention.to_string(),
        "DelaySeconds": settings.delay.to_string(),
        "ApproximateNumberOfMessages": counts.visible.to_string(),
        "ApproximateNumberOfMessagesNotVisible": counts.in_flight.to_string(),
        "ApproximateNumberOfMessagesDelayed": counts.delayed.to_string(),
    }}))
}

/// Returns the queue's name: the last part of its URL.
fn name(url: Option<&str>) -> Result<&str, ServiceError> {
    url.map(|url| url.rsplit('/').next().unwrap_or(url)).ok_or_else(|| missing("QueueUrl"))
}

/// Checks a body as SQS does: not empty, not too long, only characters that XML 1.0 allows.
fn contents(body: Option<&str>) -> Result<&str, ServiceError> {
    let body = body.filter(|body| !body.is_empty()).ok_or_else(|| missing("MessageBody"))?;
    let of_xml = |c: char| matches!(c, '\u{9}' | '\u{a}' | '\u{d}' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    if body.len() > LENGTH_MAX {
        Err(invalid("MessageBody", "must be shorter than 1048576 bytes"))
    } else if body.chars().all(of_xml) {
        Ok(body)
    } else {
        Err(ServiceError::new(
            "com.amazonaws.sqs#InvalidMessageContents",
            "a character that XML does not have",
        )
        .query("InvalidMessageContents"))
    }
}

fn delay(seconds: Option<i64>) -> Result<Option<Seconds>, ServiceError> {
    seconds
        .map(|seconds| match u32::try_from(seconds) {
            Ok(seconds) if seconds <= DELAY_MAX => Ok(Seconds(seconds)),
            _ => Err(invalid("DelaySeconds", "must be between 0 and 900")),
        })
        .transpose()
}

fn md5_of(body: &str) -> String {
    format!("{:x}", md5::compute(body))
}

fn no_queue(_: NoSuchQueue) -> ServiceError {
    ServiceError::new("com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.")
        .query("AWS.SimpleQueueService.NonExistentQueue")
}

fn missing(member: &str) -> ServiceError {
    ServiceError::new(
        "com.amazonaws.sqs#MissingRequiredParameterException",
        format!("The request must contain the parameter {member}."),
    )
    .query("MissingParameter")
}

fn invalid(member: &str, why: &str) -> ServiceError {
    ServiceError::new("com.amazonaws.sqs#InvalidParameterValueException", format!("{member} {why}"))
        .query("InvalidParameterValue")
}
