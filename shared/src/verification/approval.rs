//! Approvals on the authenticator app, by the number that the page shows.

use crate::domain::approval::{ApprovalNumber, ApprovalRequest, Asker, RequestId, RequestStatus};
use crate::domain::holder::HolderId;
use crate::domain::keys::Keyring;
use crate::domain::time::Timestamp;

/// A request that a flow or a session makes.
pub struct NewRequest {
    /// Which.
    pub id: RequestId,
    /// Who makes it.
    pub holder: HolderId,
    /// The number that its page shows.
    pub number: ApprovalNumber,
    /// Who asks, as the app shows it.
    pub asker: Asker,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl NewRequest {
    /// The request as it is kept, with nothing but a tag of the number; `None` only when the ring lost its key.
    pub fn pending(self, flows: &Keyring, now: Timestamp) -> Option<ApprovalRequest> {
        Some(ApprovalRequest {
            number: self.number.tag(flows, self.id)?,
            id: self.id,
            flow: self.holder,
            asker: self.asker,
            created_at: now,
            expires_at: self.expires_at,
            status: RequestStatus::Pending,
            young: false,
        })
    }
}
