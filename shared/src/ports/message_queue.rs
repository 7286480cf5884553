//! The queue between the functions and `delivery`.

use async_trait::async_trait;
use thiserror::Error;

use crate::domain::message::Envelope;
use crate::domain::time::Seconds;

/// Queues messages for `delivery`.
#[async_trait]
pub trait MessageQueue: Send + Sync {
    /// Queues up to ten messages, for delivery after `delay`.
    ///
    /// # Errors
    /// [`QueueError`] when the queue may not have accepted one of them.
    async fn send(&self, messages: &[Envelope], delay: Seconds) -> Result<(), QueueError>;
}

/// The queue did not accept a message.
#[derive(Debug, Error)]
#[error("the queue is unavailable")]
pub struct QueueError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
