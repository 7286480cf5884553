//! Model checking of the flow: an exhaustive search of its states, and linearizability checks of concurrent requests.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what supports a test fails as a test does")]

mod accounts;
mod actions;
mod authenticator_scenarios;
mod calls;
mod directory_change;
mod histories;
mod invariants;
mod mutation_tests;
mod pair;
mod ports;
mod product;
mod replay;
mod scope;
mod searches;
mod state;
mod tables;
