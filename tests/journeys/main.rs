//! Whole resets and unlocks below HTTP, on a real store.

#![expect(clippy::unwrap_used, reason = "what supports a test fails as a test does")]

mod captcha;
mod codes;
mod decoys;
mod faults;
mod journey;
mod roles;
mod secrets;
mod web;
