//! Files of people, and their import.
//!
//! [`read`] reads a CSV file or a spreadsheet row by row. [`import`] compares the rows with what is stored, tells every
//! change, and writes it. `cargo local` and `rekey import` use the same reader and the same import.

pub mod failure;
#[cfg(feature = "import")]
pub mod import;
mod person;
mod reader;
mod remark;
mod row;
mod sheet;
mod table;
mod text;

pub use failure::Failure;
pub use person::{COLUMNS, Person, Rules};
pub use reader::{People, REASON, Refused, parse, read};
pub use remark::{Remark, place};
