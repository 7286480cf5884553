//! Messages on their way to `delivery`.

use super::holder::VerificationError;
use crate::domain::account::{Account, Registration};
use crate::domain::holder::HolderId;
use crate::domain::keys::Keyring;
use crate::domain::message::Message;
use crate::domain::notice::{Change, notices};
use crate::domain::time::Seconds;
use crate::ports::{Entropy, EntropyExt as _, MessageQueue};

/// What sending needs.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    /// The queue.
    pub queue: &'a dyn MessageQueue,
    /// The keys of messages.
    pub messages: &'a Keyring,
    /// The nonces of seals.
    pub entropy: &'a dyn Entropy,
}

impl Outgoing<'_> {
    /// Seals messages for their holder and queues them, to be delivered after `delay`. Nothing is queued of none.
    ///
    /// # Errors
    /// [`VerificationError`] when one of them may not have been taken.
    pub async fn send(
        &self,
        holder: HolderId,
        messages: &[Message],
        delay: Seconds,
    ) -> Result<(), VerificationError> {
        let seal = |message: &Message| message.seal(self.messages, holder, self.entropy.bytes());
        let envelopes = messages.iter().map(seal).collect::<Result<Vec<_>, _>>()?;
        if !envelopes.is_empty() {
            self.queue.send(&envelopes, delay).await?;
        }
        Ok(())
    }

    /// Queues a notice of a change to every contact of an account, so that each is retried alone.
    ///
    /// # Errors
    /// [`VerificationError`] when one of them may not have been taken.
    pub async fn notify(
        &self,
        holder: HolderId,
        account: &Account,
        registration: &Registration,
        change: &Change,
    ) -> Result<(), VerificationError> {
        let notices = notices(account, registration, change).into_iter().map(Message::Notice);
        self.send(holder, &notices.collect::<Vec<_>>(), Seconds(0)).await
    }
}
