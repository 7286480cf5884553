//! The queue between the functions and `delivery`.

use async_trait::async_trait;
use thiserror::Error;

use crate::domain::message::Envelope;
use crate::domain::time::Seconds;

/// Takes messages.
#[async_trait]
pub trait MessageQueue: Send + Sync {
    /// Queues up to ten messages, to be delivered not before `delay` has passed.
    ///
    /// # Errors
    /// [`QueueError`] when one of them may not have been taken.
    async fn send(&self, messages: &[Envelope], delay: Seconds) -> Result<(), QueueError>;
}

/// The queue did not take a message.
#[derive(Debug, Error)]
#[error("the queue is unavailable")]
pub struct QueueError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
