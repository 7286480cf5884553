//! The people of the local environment.

pub use rekey_people::{People, Person, Remark, Rules, parse};

/// The example people that are built in.
pub const DEMO: &str = include_str!("../people.csv");
