//! The queue between the functions and `delivery`, in memory.

use async_trait::async_trait;

use super::Memory;
use crate::domain::message::Envelope;
use crate::domain::time::Seconds;
use crate::ports::{MessageQueue, QueueError};

/// A queued message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Queued {
    /// The sealed envelope as JSON.
    pub body: String,
    /// The delay in seconds.
    pub delay: u32,
}

/// Queued messages in order. This adapter never delivers them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Queue(pub Vec<Queued>);

#[async_trait]
impl MessageQueue for Memory {
    async fn send(&self, messages: &[Envelope], delay: Seconds) -> Result<(), QueueError> {
        let bodies: Result<Vec<String>, _> = messages.iter().map(serde_json::to_string).collect();
        let bodies = bodies.map_err(|error| QueueError(Box::new(error)))?;
        let queued = bodies.into_iter().map(|body| Queued { body, delay: delay.0 });
        self.with(|tables| tables.queue.0.extend(queued));
        Ok(())
    }
}
