//! The organisation's own directory. Three functions of this crate reach it, each with a service account and a role of
//! its own: `directory-read` checks passwords, `directory-write` changes them, and `directory-sync` copies the people.

pub mod sync;
