//! Contract tests: the adapters against independent implementations of the services.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what supports a test fails as a test does"
)]

mod accounts;
mod approvals;
mod contact_import;
mod devices;
mod directories;
mod flows;
mod live_directories;
mod local;
mod moto;
mod pairings;
mod population;
mod queue;
mod rate_limits;
mod secrets;
mod senders;
mod session_changes;
mod sessions;
mod stores;
mod webauthn;
