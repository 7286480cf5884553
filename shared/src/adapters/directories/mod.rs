//! The directories of accounts and passwords.

mod builtin;
#[cfg(feature = "remote-directory")]
mod remote;

pub use builtin::BuiltinDirectory;
#[cfg(feature = "remote-directory")]
pub use remote::{DirectoryFunction, DirectoryTransport, LambdaTransport, RemoteDirectory, TransportError};
