//! Shared by all test suites: Rekey with the AWS emulator in one process, with a controlled clock and entropy.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "what supports a test fails as a test does"
)]

pub mod answer;
pub mod authenticator;
pub mod browser;
pub mod deployment;
pub mod directory;
pub mod fixtures;
pub mod identity_provider;
pub mod live_directory;
pub mod local_environment;
pub mod phone;
pub mod populations;
pub mod test_doubles;
pub mod world;

pub use answer::Answer;
pub use authenticator::{CeremonyOptions, Passkey};
pub use browser::Browser;
pub use deployment::Deployment;
pub use directory::{CopyDouble, ListedDirectory, Syncing};
pub use identity_provider::IdentityProvider;
pub use local_environment::{Folder, LocalEnvironment};
pub use phone::Phone;
pub use world::{SignIn, World};
