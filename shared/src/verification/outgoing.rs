//! Messages to `delivery`.

use super::holder::VerificationError;
use crate::domain::account::{Account, Registration};
use crate::domain::holder::HolderId;
use crate::domain::keys::Keyring;
use crate::domain::message::Message;
use crate::domain::notice::{AccountChange, notices};
use crate::domain::time::Seconds;
use crate::ports::{Entropy, EntropyExt as _, MessageQueue};

/// The longest delay of a message, below the threshold of `LateMessagesAlarm` in `template.yaml` (120 s).
const HOP: Seconds = Seconds(100);

/// The dependencies of sending.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    /// Messages for `delivery`.
    pub queue: &'a dyn MessageQueue,
    /// The keyring that seals messages.
    pub messages: &'a Keyring,
    /// The source of the ciphers' nonces.
    pub entropy: &'a dyn Entropy,
}

impl Outgoing<'_> {
    /// Seals messages for their holder and queues them, for delivery after `delay`. An empty list queues
    /// nothing.
    ///
    /// # Errors
    /// [`VerificationError`] when the queue may not have accepted one of them.
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

    /// Queues the message that notifies of the changes of a session in `delay`. It goes in hops, each a message of
    /// its own, which `delivery` queues again: a single one would wait for longer than the alarm on the age of
    /// messages allows.
    ///
    /// # Errors
    /// [`VerificationError`] when the queue may not have accepted it.
    pub async fn send_session_changes(
        &self,
        session: HolderId,
        delay: Seconds,
    ) -> Result<(), VerificationError> {
        self.send(session, &[Message::SessionChanges], delay.min(HOP)).await
    }

    /// Queues one notice per contact of an account, so that each is retried separately.
    ///
    /// # Errors
    /// [`VerificationError`] when the queue may not have accepted one of them.
    pub async fn notify(
        &self,
        holder: HolderId,
        account: &Account,
        registration: &Registration,
        change: &AccountChange,
    ) -> Result<(), VerificationError> {
        let notices = notices(account, registration, change).into_iter().map(Message::Notice);
        self.send(holder, &notices.collect::<Vec<_>>(), Seconds(0)).await
    }
}
