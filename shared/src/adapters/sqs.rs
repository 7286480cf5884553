//! The message queue on SQS.

use std::sync::Arc;

use async_trait::async_trait;
use aws_types::SdkConfig;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};

use super::aws::CallError;
use super::aws::signed::{JsonVersion, SignedClient};
use crate::domain::message::Envelope;
use crate::domain::time::Seconds;
use crate::ports::{Clock, MessageQueue, QueueError};

/// The most messages per call of SQS.
const BATCH: usize = 10;

/// Queues messages in SQS.
pub struct SqsQueue {
    client: SignedClient,
    url: String,
}

impl SqsQueue {
    /// Returns the queue at `url`.
    pub fn new(config: &SdkConfig, url: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self { client: SignedClient::new(config, "sqs", clock), url: url.into() }
    }

    async fn call<A: DeserializeOwned>(&self, operation: &str, body: &Value) -> Result<A, QueueError> {
        let answer = self.client.call(JsonVersion::V1_0, &format!("AmazonSQS.{operation}"), body).await;
        answer.map_err(|error| QueueError(error.into()))
    }

    async fn send_one(&self, body: &str, delay: u32) -> Result<(), QueueError> {
        let body = json!({ "QueueUrl": self.url, "MessageBody": body, "DelaySeconds": delay });
        self.call::<IgnoredAny>("SendMessage", &body).await.map(|_| ())
    }

    async fn send_batch(&self, bodies: &[String], delay: u32) -> Result<(), QueueError> {
        let entry = |(number, body): (usize, &String)| json!({ "Id": number.to_string(), "MessageBody": body, "DelaySeconds": delay });
        let entries: Vec<Value> = bodies.iter().enumerate().map(entry).collect();
        let body = json!({ "QueueUrl": self.url, "Entries": entries });
        let answer: BatchAnswer = self.call("SendMessageBatch", &body).await?;
        match answer.failed.into_iter().next() {
            None => Ok(()),
            Some(failed) => Err(QueueError(CallError(failed.code).into())),
        }
    }
}

/// The answer to `SendMessageBatch`: some messages may have failed.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchAnswer {
    #[serde(default)]
    failed: Vec<Failed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    code: String,
}

#[async_trait]
impl MessageQueue for SqsQueue {
    async fn send(&self, messages: &[Envelope], delay: Seconds) -> Result<(), QueueError> {
        let bodies: Result<Vec<String>, _> = messages.iter().map(serde_json::to_string).collect();
        let bodies = bodies.map_err(|error| QueueError(Box::new(error)))?;
        for batch in bodies.chunks(BATCH) {
            match batch {
                // SQS delays by at most 15 minutes and rejects more.
                [body] => self.send_one(body, delay.0).await?,
                several => self.send_batch(several, delay.0).await?,
            }
        }
        Ok(())
    }
}
