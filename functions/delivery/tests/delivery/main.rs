//! Tests `delivery` message by message, with every port in memory.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what supports a test fails as a test does")]

mod mail_failures;
mod pushing;
mod reconciling;
mod sending;
mod support;
