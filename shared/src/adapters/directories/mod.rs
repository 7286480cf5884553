//! The directories of accounts and passwords.

#[cfg(feature = "builtin-directory")]
mod builtin;
#[cfg(feature = "ldap")]
pub mod ldap;
#[cfg(feature = "remote-directory")]
mod published;
#[cfg(feature = "remote-directory")]
mod remote;

#[cfg(feature = "builtin-directory")]
pub use builtin::BuiltinDirectory;
#[cfg(feature = "remote-directory")]
pub use published::published_policy;
#[cfg(feature = "remote-directory")]
pub use remote::{DirectoryFunction, DirectoryTransport, LambdaTransport, RemoteDirectory, TransportError};
