//! The import of people, by the name that the targets use.

pub use rekey_people as people;
