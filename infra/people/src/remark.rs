//! What there is to say about a row of a file.

/// Something to say about a row. It never has a whole value, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The number of the row.
    pub row: u64,
    /// The column; `None` for the whole row.
    pub column: Option<&'static str>,
    /// The reason, and what to do.
    pub why: String,
}

impl Remark {
    /// Returns a remark about a field.
    pub fn new(row: u64, column: &'static str, why: impl Into<String>) -> Self {
        Self { row, column: Some(column), why: why.into() }
    }

    /// Returns the remark as a line that names the file.
    pub fn line(&self, file: &str) -> String {
        match self.column {
            Some(column) => place(file, self.row, column, &self.why),
            None => format!("{file}: row {}: {}", self.row, self.why),
        }
    }
}

/// Formats a line about a field of the file.
pub fn place(file: &str, row: u64, column: &str, why: &str) -> String {
    format!("{file}: row {row}, column {column}: {why}")
}
