//! The directories of accounts and passwords.

#[cfg(feature = "builtin-directory")]
mod builtin;
#[cfg(feature = "ldap")]
pub mod ldap;

#[cfg(feature = "builtin-directory")]
pub use builtin::BuiltinDirectory;
