//! The directories of accounts and passwords.

#[cfg(feature = "directory-sync")]
mod account_copy;
#[cfg(feature = "builtin-directory")]
mod builtin;
#[cfg(feature = "ldap")]
pub mod ldap;
#[cfg(feature = "builtin-directory")]
mod password_expiries;
#[cfg(feature = "remote-directory")]
mod remote;

#[cfg(feature = "directory-sync")]
pub use account_copy::DynamoAccountCopy;
#[cfg(feature = "builtin-directory")]
pub use builtin::BuiltinDirectory;
#[cfg(feature = "builtin-directory")]
pub use password_expiries::DynamoPasswordExpiries;
#[cfg(feature = "remote-directory")]
pub use remote::{DirectoryFunction, DirectoryTransport, LambdaTransport, RemoteDirectory, TransportError};
