//! What delivery does with each message.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what supports a test fails as a test does")]

mod pushing;
mod reconciling;
mod sending;
mod support;
