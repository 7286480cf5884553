//! The laptop twin of template.yaml: the whole product in one process, on a small local cloud that speaks AWS's own
//! protocols.
//!
//! A request walks from the [`gateway`], which builds API Gateway's event, through `lambda_http` into the function
//! (put together in [`compose`]), whose SDK clients speak to the [`cloud`]. What it queues the [`worker`] hands to
//! `delivery`, and what that sends arrives in the [`outbox`].

pub mod cloud;
pub mod compose;
pub mod directory;
pub mod failure;
pub mod gateway;
pub mod import;
pub mod options;
pub mod outbox;
pub mod people;
pub mod print;
pub mod run;
pub mod serve;
pub mod settings;
pub mod system;
pub mod template;
pub mod worker;

pub use failure::Failure;
pub use options::Options;
pub use run::Local;
