//! Complete resets, unlocks and enrolments on the AWS emulator, through the gateway without a socket.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what supports a test fails as a test does")]

mod account_limits;
mod activation;
mod aliases;
mod approvals;
mod audit;
mod captcha;
mod change_password;
mod codes;
mod corrupt_items;
mod cost;
mod crashes;
mod decoys;
mod directory;
mod enrolments;
mod evidence;
mod failed_changes;
mod faults;
mod help_desk;
mod help_desk_page;
mod incidents;
mod journey;
mod limits;
mod local_environment;
mod log;
mod mail_failures;
mod oidc;
mod older_cookies;
mod pairings;
mod passes;
mod passkeys;
mod password_checks;
mod password_expiry;
mod population;
mod proxy;
mod recovery_codes;
mod responses;
mod roles;
mod rotation;
mod secrets;
mod security_info;
mod sign_in;
#[cfg(test)]
mod stored_items;
mod support_codes;
mod undelivered;
mod web;
