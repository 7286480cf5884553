//! The ports: the domain's needs from outside, in its own terms. One trait per file, with its error.

mod account_copy;
mod approval_store;
mod audit_trail;
mod bind_lease_store;
mod change_note_store;
mod clock;
mod contact_import;
mod device_store;
mod directory;
mod enrolment_store;
mod erasure;
mod flow_store;
mod help_desk;
mod holder_search;
mod identity_provider;
mod live_directory;
mod mail_failure_store;
mod message_queue;
mod metrics;
mod pairing_store;
mod password_expiry_store;
mod population_store;
mod rate_limit_store;
mod security_info_store;
mod senders;
mod session_changes_store;
mod session_store;
mod signatures;

pub use account_copy::{AccountCopy, CopyPage, CopyWrite};
pub use approval_store::{Answered, ApprovalStore, DeviceAnswer};
pub use audit_trail::{AnchorStore, AuditTrail, RecentEventStore, TrailError};
pub use bind_lease_store::{BindHolder, BindLeaseStore};
pub use change_note_store::ChangeNoteStore;
pub use clock::{Clock, Entropy, EntropyExt, Timer};
pub use contact_import::{BulkContactImport, ContactImport};
pub use device_store::{DeviceStore, PushTargets, StoredDevice};
pub use directory::{
    AccountImport, AccountPage, AccountScan, Capabilities, ChangeError, ChangeInspector, ChangeOutcome,
    Directory, DirectoryError, DirectoryWrite, OrganisationSignIn, PasswordChange, PasswordDirectory,
    SignInDirectory, SignInResult,
};
pub use enrolment_store::{Added, EnrolmentStore, NewEntry};
pub use erasure::RegistrationErasure;
pub use flow_store::{AttemptOutcome, CodeAttempt, FlowStore, Versioned};
pub use help_desk::{AgentIdentity, AuditError, AuditLog, DeskRecordStore, IdentityError, PassStore};
pub use holder_search::{Found, HolderSearch};
pub use identity_provider::{IdentityProvider, ProviderError};
pub use live_directory::{
    DirectoryPeople, LiveDirectory, LivePasswordDirectory, PeopleSink, Principal, SyncError,
};
pub use mail_failure_store::MailFailureStore;
pub use message_queue::{MessageQueue, QueueError};
pub use metrics::{Metric, Metrics};
pub use pairing_store::{PairingConfirmed, PairingState, PairingStore};
pub use password_expiry_store::{ExpiryPage, PasswordExpiryStore};
pub use population_store::PopulationStore;
pub use rate_limit_store::RateLimitStore;
pub use security_info_store::{
    ActiveEntry, AuthenticatorStore, KnownDeviceStore, LeaseHolder, LeaseOutcome, LeaseStore,
    SecurityInfoStore,
};
pub use senders::{Mail, MailSender, Push, PushSender, SendError, TextSender, VoiceSender};
pub use session_changes_store::SessionChangesStore;
pub use session_store::SessionStore;
pub use signatures::SignatureVerifier;

use thiserror::Error;

/// A store failed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The store is slow, throttled or unreachable. A write may have been made.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A stored item can't be read.
    #[error("the store holds something unreadable: {0}")]
    Unreadable(&'static str),
}
