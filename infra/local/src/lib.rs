//! The local environment: all functions of template.yaml in one process, with an AWS emulator.
//!
//! A request reaches the [`gateway`], which builds API Gateway's event. `lambda_http` passes it to the function
//! (built in [`compose`]), whose SDK clients call the [`emulator`]. The [`worker`] takes queued messages to `delivery`.
//! The [`schedule`] invokes `housekeeping`. The messages that `delivery` sends arrive in the dev inbox ([`dev_inbox`]).

pub mod compose;
pub mod dev_inbox;
pub mod directory;
pub mod directory_file;
pub mod emulator;
pub mod gateway;
pub mod import;
pub mod options;
pub mod people;
pub mod print;
pub mod run;
pub mod schedule;
pub mod serve;
pub mod settings;
pub mod stored_passwords;
pub mod system;
pub mod template;
pub mod worker;

pub use options::Options;
pub use rekey_people::Failure;
pub use run::Local;
