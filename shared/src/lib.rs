//! What every function of Rekey shares.
//!
//! [`domain`] holds the rules and touches nothing outside; [`ports`] says in the domain's words what it needs
//! from outside; [`adapters`] fulfil the ports with one outside system each; [`text`] holds what is said, in every
//! language; [`verification`] asks for proof and checks it; [`http`] turns requests into typed input and answers into pages or JSON, and is the only place that knows
//! status codes. [`settings`] is the one reader of the environment.

pub mod adapters;
pub mod domain;
#[cfg(feature = "http")]
pub mod http;
pub mod ports;
pub mod settings;
pub mod text;
pub mod verification;
