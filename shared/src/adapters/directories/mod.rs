//! The directories of accounts and passwords.

mod builtin;

pub use builtin::BuiltinDirectory;
