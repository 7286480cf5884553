//! Flows, rate limits and enrolled entries in DynamoDB.
//!
//! The code relies only on DynamoDB's guarantees. Its TTL may be days late, so every read and every condition
//! compares the expiry itself. A condition names the expected state, since a missing attribute must never
//! satisfy one. Each step is one conditional write on one item.

mod approvals;
mod audit;
#[cfg(feature = "directory-sync")]
pub(super) mod batch;
mod bind_leases;
mod change_notes;
mod desk_records;
mod flows;
mod holder_search;
mod item;
mod mail_failures;
mod pairings;
mod population;
mod rate_limits;
mod security_info;
mod session_changes;
mod sessions;

pub use approvals::DynamoApprovals;
pub use audit::{DynamoAnchors, DynamoRecentEvents};
pub use aws_sdk_dynamodb::Client;
pub use bind_leases::DynamoBindLeases;
pub use change_notes::DynamoChangeNotes;
pub use desk_records::DynamoDeskRecords;
pub use flows::DynamoFlows;
pub use holder_search::DynamoHolderSearch;
#[cfg(feature = "directory-sync")]
pub(super) use item::b;
#[cfg(feature = "builtin-directory")]
pub(super) use item::{Item, get_attributes, n, not_met, s, unavailable};
pub use mail_failures::DynamoMailFailures;
pub use pairings::DynamoPairings;
pub use population::DynamoPopulation;
pub use rate_limits::DynamoRateLimits;
pub use security_info::{
    DynamoAuthenticators, DynamoDevices, DynamoEnrolment, DynamoKnownDevices, DynamoLeases,
    DynamoSecurityInfo,
};
pub use session_changes::DynamoSessionChanges;
pub use sessions::DynamoSessions;
