//! The message queue: SQS and the in-memory adapter.

use aws_sdk_sqs::Client;
use shared::adapters::memory::Memory;
use shared::adapters::sqs::SqsQueue;
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

/// Returns the messages that can be received now.
async fn received(client: &Client, url: &str) -> Vec<Envelope> {
    let answer = client.receive_message().queue_url(url).max_number_of_messages(10).send().await.unwrap();
    let bodies = answer.messages.unwrap_or_default().into_iter().filter_map(|message| message.body);
    bodies.map(|body| serde_json::from_str(&body).unwrap()).collect()
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
    let config = moto.config();
    let client = Client::new(&config);
    for count in [1, 4] {
        let name = format!("messages-{count}");
        let url = client.create_queue().queue_name(name).send().await.unwrap().queue_url.unwrap();
        let sent = envelopes(count);
        SqsQueue::new(&config, &url).send(&sent, Seconds(0)).await.unwrap();
        let got = received(&client, &url).await;
        assert_eq!(got.len(), sent.len());
        assert!(sent.iter().all(|envelope| got.contains(envelope)));
    }
}

#[tokio::test]
async fn sqs_hides_delayed_message() {
    let moto = Moto::start().await;
    let config = moto.config();
    let client = Client::new(&config);
    let url = client.create_queue().queue_name("messages").send().await.unwrap().queue_url.unwrap();
    SqsQueue::new(&config, &url).send(&envelopes(1), Seconds(900)).await.unwrap();
    assert!(received(&client, &url).await.is_empty());
}

#[tokio::test]
async fn sqs_send_to_missing_queue_fails() {
    let moto = Moto::start().await;
    let config = moto.config();
    let queue = SqsQueue::new(&config, "http://127.0.0.1/123456789012/none");
    assert!(queue.send(&envelopes(1), Seconds(0)).await.is_err());
    assert!(queue.send(&envelopes(2), Seconds(0)).await.is_err());
}
