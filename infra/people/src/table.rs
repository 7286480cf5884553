//! The cells of a file, before they are read as people.

use csv::StringRecord;

use crate::failure::Failure;

/// The cells of a file, by row number.
pub(crate) struct Table {
    /// The column names, in lower case.
    pub(crate) header: StringRecord,
    /// The rows below them.
    pub(crate) rows: Vec<(u64, StringRecord)>,
}

pub(crate) fn lower(header: &StringRecord) -> StringRecord {
    header.iter().map(|name| name.trim().to_ascii_lowercase()).collect()
}

pub(crate) fn no_header(file: &str) -> Failure {
    Failure::new(format!("{file}: row 1 must name the columns, such as login,name,alternate_email,mobile"))
}
