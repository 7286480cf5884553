//! What every function of Rekey shares.
//!
//! [`domain`] holds the rules and touches nothing outside; [`ports`] says in the domain's words what it needs
//! from outside; [`verification`] asks for proof and checks it, over the ports, and [`change`] makes the change that all
//! else leads to; [`adapters`] fulfil the ports with one outside system each; [`text`] holds what is said, in every
//! language; [`http`] turns requests into typed input and answers into pages or JSON, and is the only place that knows
//! status codes. [`settings`] is the one reader of the environment, and `process` the one place that puts all of it
//! together.

pub mod adapters;
pub mod change;
pub mod domain;
#[cfg(feature = "http")]
pub mod http;
pub mod ports;
#[cfg(all(feature = "secrets", feature = "system"))]
pub mod process;
pub mod settings;
pub mod text;
pub mod verification;
