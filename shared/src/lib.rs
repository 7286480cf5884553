//! The code that all functions of Rekey share.
//!
//! [`domain`] has the rules, without input or output. [`ports`] defines the domain's needs from outside.
//! [`verification`] creates challenges and checks answers, over the ports, and [`change`] makes the change of
//! a password or a lock. [`adapters`] implement the ports, each with one outside system. [`text`] has the
//! texts in all languages. [`http`] turns requests into typed input and results into pages or JSON, and is
//! the only place with status codes. [`settings`] alone reads the environment, and `process` alone connects
//! all of it.

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
