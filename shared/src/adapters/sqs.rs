//! The message queue on SQS.

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use aws_types::SdkConfig;

use super::aws::CallError;
use crate::domain::message::Envelope;
use crate::domain::time::Seconds;
use crate::ports::{MessageQueue, QueueError};

/// The most messages per call of SQS.
const BATCH: usize = 10;

/// Queues messages in SQS.
#[derive(Clone, Debug)]
pub struct SqsQueue {
    client: Client,
    url: String,
}

impl SqsQueue {
    /// Returns the queue at `url`.
    pub fn new(config: &SdkConfig, url: impl Into<String>) -> Self {
        Self { client: Client::new(config), url: url.into() }
    }

    async fn send_one(&self, body: String, delay: i32) -> Result<(), QueueError> {
        let call = self.client.send_message().queue_url(&self.url).message_body(body).delay_seconds(delay);
        call.send().await.map(|_| ()).map_err(|error| QueueError(CallError::of(&error).into()))
    }

    async fn send_batch(&self, bodies: &[String], delay: i32) -> Result<(), QueueError> {
        let mut call = self.client.send_message_batch().queue_url(&self.url);
        for (number, body) in bodies.iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder().id(number.to_string()).message_body(body);
            call = call
                .entries(entry.delay_seconds(delay).build().map_err(|error| QueueError(Box::new(error)))?);
        }
        let answer = call.send().await.map_err(|error| QueueError(CallError::of(&error).into()))?;
        match answer.failed().first() {
            None => Ok(()),
            Some(failed) => Err(QueueError(CallError(failed.code().to_owned()).into())),
        }
    }
}

#[async_trait]
impl MessageQueue for SqsQueue {
    async fn send(&self, messages: &[Envelope], delay: Seconds) -> Result<(), QueueError> {
        let bodies: Result<Vec<String>, _> = messages.iter().map(serde_json::to_string).collect();
        let bodies = bodies.map_err(|error| QueueError(Box::new(error)))?;
        // SQS delays by at most 15 minutes and rejects more.
        let delay = i32::try_from(delay.0).unwrap_or(i32::MAX);
        for batch in bodies.chunks(BATCH) {
            match batch {
                [body] => self.send_one(body.clone(), delay).await?,
                several => self.send_batch(several, delay).await?,
            }
        }
        Ok(())
    }
}
