//! The directories that hold accounts and passwords.

mod builtin;

pub use builtin::BuiltinDirectory;
