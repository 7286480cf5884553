//! The directories of accounts and passwords.

#[cfg(feature = "directory-sync")]
mod account_copy;
#[cfg(feature = "builtin-directory")]
mod builtin;
#[cfg(feature = "ldap")]
pub mod ldap;

#[cfg(feature = "directory-sync")]
pub use account_copy::DynamoAccountCopy;
#[cfg(feature = "builtin-directory")]
pub use builtin::BuiltinDirectory;
