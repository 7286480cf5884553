//! The message queue: SQS and the in-memory adapter.

use std::sync::Arc;

use serde_json::json;
use shared::adapters::memory::Memory;
use shared::adapters::sqs::SqsQueue;
use shared::adapters::system::SystemClock;
use shared::domain::holder::HolderId;
use shared::domain::keys::Keyring;
use shared::domain::message::{Envelope, Message};
use shared::domain::time::Seconds;
use shared::ports::MessageQueue as _;

use crate::moto::Moto;

fn envelopes(count: u8) -> Vec<Envelope> {
    let keys = Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap();
    let seal = |n| Message::Decoy.seal(&keys, HolderId::from_bytes([n; 32]), [n; 24]).unwrap();
    (0..count).map(seal).collect()
}

/// Creates a queue and returns its URL.
fn create(moto: &Moto, name: &str) -> String {
    let answer = moto.call("sqs", "AmazonSQS.CreateQueue", &json!({ "QueueName": name }));
    answer["QueueUrl"].as_str().unwrap().to_owned()
}

fn queue(moto: &Moto, url: &str) -> SqsQueue {
    SqsQueue::new(&moto.config(), url, Arc::new(SystemClock))
}

/// Returns the messages that can be received now.
fn received(moto: &Moto, url: &str) -> Vec<Envelope> {
    let body = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 });
    let answer = moto.call("sqs", "AmazonSQS.ReceiveMessage", &body);
    let bodies = answer["Messages"].as_array().into_iter().flatten().map(|message| &message["Body"]);
    bodies.map(|body| serde_json::from_str(body.as_str().unwrap()).unwrap()).collect()
}

#[tokio::test]
async fn memory_queue_keeps_messages_unchanged() {
    let memory = Memory::default();
    let sent = envelopes(4);
    memory.send(&sent[..1], Seconds(45)).await.unwrap();
    memory.send(&sent[1..], Seconds(0)).await.unwrap();
    let queued = memory.with(|tables| tables.queue.0.clone());
    let held: Vec<Envelope> =
        queued.iter().map(|queued| serde_json::from_str(&queued.body).unwrap()).collect();
    assert_eq!(held, sent);
    assert_eq!(queued.iter().map(|queued| queued.delay).collect::<Vec<_>>(), [45, 0, 0, 0]);
}

#[tokio::test]
async fn sqs_delivers_single_and_batched_messages_unchanged() {
    let moto = Moto::start().await;
    for count in [1, 4] {
        let url = create(&moto, &format!("messages-{count}"));
        let sent = envelopes(count);
        queue(&moto, &url).send(&sent, Seconds(0)).await.unwrap();
        let got = received(&moto, &url);
        assert_eq!(got.len(), sent.len());
        assert!(sent.iter().all(|envelope| got.contains(envelope)));
    }
}

#[tokio::test]
async fn sqs_hides_delayed_message() {
    let moto = Moto::start().await;
    let url = create(&moto, "messages");
    queue(&moto, &url).send(&envelopes(1), Seconds(900)).await.unwrap();
    assert!(received(&moto, &url).is_empty());
}

#[tokio::test]
async fn sqs_send_to_missing_queue_fails() {
    let moto = Moto::start().await;
    let queue = queue(&moto, "http://127.0.0.1/123456789012/none");
    for count in [1, 2] {
        let error = queue.send(&envelopes(count), Seconds(0)).await.unwrap_err();
        assert!(error.0.to_string().contains("QueueDoesNotExist"), "{error:?}");
    }
}
