//! The directories of accounts and passwords.

#[cfg(feature = "directory-sync")]
mod account_copy;
mod builtin;

#[cfg(feature = "directory-sync")]
pub use account_copy::{DynamoAccountCopy, patient_client};
pub use builtin::BuiltinDirectory;
