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
pub mod chance;
pub mod laptop;
pub mod people;
pub mod phone;
pub mod world;

pub use answer::Answer;
pub use authenticator::{Passkey, Saying};
pub use browser::Browser;
pub use laptop::{Folder, Laptop};
pub use phone::Phone;
pub use world::{SignIn, World};
