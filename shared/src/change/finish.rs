//! What follows once the directory has made a change.

use crate::domain::account::{Account, Registration};
use crate::domain::holder::HolderId;
use crate::domain::message::Message;
use crate::domain::notice::{Change, notices};
use crate::domain::time::Seconds;
use crate::ports::{FlowStore, SecurityInfo};
use crate::verification::VerificationError;
use crate::verification::outgoing::Outgoing;

/// The ports over which a change is finished.
#[derive(Clone, Copy)]
pub struct FinishPorts<'a> {
    /// The flows.
    pub flows: &'a dyn FlowStore,
    /// The contacts that are notified.
    pub security_info: &'a dyn SecurityInfo,
    /// The way to `delivery`.
    pub outgoing: Outgoing<'a>,
}

impl FinishPorts<'_> {
    /// Queues a notice of the change to every contact of the account.
    pub(super) async fn notify(
        &self,
        flow: HolderId,
        account: &Account,
        registration: &Registration,
        change: &Change,
    ) -> Result<(), VerificationError> {
        let messages: Vec<Message> =
            notices(account, registration, change).into_iter().map(Message::Notice).collect();
        self.outgoing.send(flow, &messages, Seconds(0)).await
    }
}
