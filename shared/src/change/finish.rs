//! What follows once the directory has made a change.

use std::error::Error;

use crate::domain::account::{Account, Registration};
use crate::domain::flow::FlowKey;
use crate::domain::keys::Keyring;
use crate::domain::message::{Envelope, Message};
use crate::domain::notice::{Change, notices};
use crate::domain::time::Seconds;
use crate::ports::{Entropy, EntropyExt as _, FlowStore, MessageQueue, SecurityInfo};

/// The ports over which a change is finished.
#[derive(Clone, Copy)]
pub struct FinishPorts<'a> {
    /// The flows.
    pub flows: &'a dyn FlowStore,
    /// The contacts that are notified.
    pub security_info: &'a dyn SecurityInfo,
    /// The queue to `delivery`.
    pub queue: &'a dyn MessageQueue,
    /// The keys of messages.
    pub messages: &'a Keyring,
    /// The source of nonces.
    pub entropy: &'a dyn Entropy,
}

impl FinishPorts<'_> {
    /// Queues a notice of the change to every contact of the account.
    pub(super) async fn notify(
        &self,
        flow: FlowKey,
        account: &Account,
        registration: &Registration,
        change: &Change,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let messages: Vec<Message> =
            notices(account, registration, change).into_iter().map(Message::Notice).collect();
        self.queue(flow, &messages, Seconds(0)).await
    }

    /// Seals messages and queues them.
    pub(super) async fn queue(
        &self,
        flow: FlowKey,
        messages: &[Message],
        delay: Seconds,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let seal = |message: &Message| message.seal(self.messages, flow, self.entropy.bytes());
        let envelopes = messages.iter().map(seal).collect::<Result<Vec<Envelope>, _>>()?;
        if !envelopes.is_empty() {
            self.queue.send(&envelopes, delay).await?;
        }
        Ok(())
    }
}
