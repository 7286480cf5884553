//! The flow as a state machine that is searched, and what truly concurrent requests did, judged against what they may
//! do one after the other.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what supports a test fails as a test does")]

mod acts;
mod calls;
mod held;
mod histories;
mod invariants;
mod pair;
mod people;
mod ports;
mod product;
mod replay;
mod scope;
mod searches;
mod state;
mod tables;
mod teeth;
