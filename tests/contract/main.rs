//! Contract tests: the adapters against independent implementations of the services.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what supports a test fails as a test does"
)]

mod account_copy;
mod accounts;
mod anchors;
mod approvals;
mod contact_import;
mod desk_records;
mod devices;
mod directories;
mod directory_notes;
mod directory_sync;
mod flows;
mod live_directories;
mod local;
mod mail_failures;
mod moto;
mod pairings;
mod password_expiries;
mod population;
mod queue;
mod rate_limits;
mod recent_events;
mod secrets;
mod senders;
mod session_changes;
mod sessions;
mod stack;
mod stores;
mod webauthn;
