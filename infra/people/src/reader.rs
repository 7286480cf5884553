//! Reads people from a CSV file or a spreadsheet, as other systems write it. Every error and every value that is
//! ignored is reported by row and column.

use std::collections::{BTreeMap, BTreeSet};

use csv::StringRecord;
use shared::domain::contact::EmailAddress;
use shared::domain::name::CanonicalName;

use crate::failure::Failure;
use crate::person::{COLUMNS, Person, Rules};
use crate::remark::Remark;
use crate::row::Row;
use crate::table::{Table, lower, no_header};
use crate::{sheet, text};

/// A column that a file may have and that says nothing: `rekey import` writes it into the file of refused rows.
pub const REASON: &str = "reason";

/// The content of a file.
pub struct People {
    /// The name of the file in errors and warnings.
    pub file: String,
    /// The column names of the file, in lower case.
    pub header: Vec<String>,
    /// The people, in the order of the file.
    pub people: Vec<Person>,
    /// The rows that are no people, with the reasons.
    pub refused: Vec<Refused>,
    /// Values that were ignored, with the reason, by row and column.
    pub warnings: Vec<Remark>,
}

impl People {
    /// Returns whether the file has this column. Of another one it says nothing.
    pub fn has(&self, column: &str) -> bool {
        self.header.iter().any(|name| name == column)
    }

    /// Returns people without a file.
    pub fn none(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            header: Vec::new(),
            people: Vec::new(),
            refused: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// A row that can't be taken. It has no `Debug`, because its cells may hold a password.
pub struct Refused {
    /// The number of the row.
    pub row: u64,
    /// The cells as written.
    pub cells: Vec<String>,
    /// The reasons.
    pub remarks: Vec<Remark>,
}

/// Reads people from the bytes of a file of which every row must be right; `file` names it in errors.
///
/// # Errors
/// [`Failure`] with one line for every error.
pub fn parse(file: &str, bytes: &[u8], rules: &Rules<'_>) -> Result<People, Failure> {
    let people = read(file, bytes, rules)?;
    if people.refused.is_empty() {
        return Ok(people);
    }
    let remarks = people.refused.iter().flat_map(|refused| &refused.remarks);
    Err(Failure::all(remarks.map(|remark| remark.line(file)).collect()))
}

/// Reads people from the bytes of a file; `file` names it in errors. A row with an error is refused, and the others
/// are read. In a CSV file, commas, semicolons or tabs separate the fields, and the text is in UTF-8, UTF-16 or
/// Windows-1252. A spreadsheet is an `.xlsx` file, of which the first sheet is read.
///
/// # Errors
/// [`Failure`] if the file is none of people: with one line for every error of its header.
pub fn read(file: &str, bytes: &[u8], rules: &Rules<'_>) -> Result<People, Failure> {
    let mut warnings = Vec::new();
    let Table { header, rows } = if sheet::is_spreadsheet(bytes) {
        sheet::table(file, bytes)?
    } else {
        csv_table(file, bytes, &mut warnings)?
    };
    let errors = header_errors(&header);
    if !errors.is_empty() {
        return Err(Failure::all(errors.iter().map(|error| format!("{file}: {error}")).collect()));
    }
    let (mut people, mut refused) = (Vec::new(), Vec::new());
    let mut taken = BTreeMap::new();
    for (line, record) in rows {
        // Spreadsheets write emptied rows as separators.
        if record.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        match person(line, &header, &record, rules, &mut taken, &mut warnings) {
            Ok(person) => people.push(person),
            Err(remarks) => {
                let cells = record.iter().map(str::to_owned).collect();
                refused.push(Refused { row: line, cells, remarks });
            }
        }
    }
    if people.is_empty() && refused.is_empty() {
        return Err(Failure::new(format!("{file}: no people. Add a row for each person")));
    }
    let header = header.iter().map(str::to_owned).collect();
    Ok(People { file: file.to_owned(), header, people, refused, warnings })
}

/// Returns the line that a record begins in. The reader's position is before the empty lines, and before the second
/// character of a Windows line end, that it skips first.
fn line(text: &str, at: &csv::Position) -> u64 {
    let start = usize::try_from(at.byte()).unwrap_or(usize::MAX);
    let skipped = text.as_bytes().iter().skip(start).take_while(|byte| matches!(byte, b'\r' | b'\n'));
    at.line() + skipped.map(|byte| u64::from(*byte == b'\n')).sum::<u64>()
}

fn csv_table(file: &str, bytes: &[u8], warnings: &mut Vec<Remark>) -> Result<Table, Failure> {
    let decoded = text::decode(bytes).map_err(|text::NotText { row, byte }| {
        Failure::new(format!(
            "{file}: row {row}: the byte 0x{byte:02x} is no character in UTF-8, UTF-16 or Windows-1252. Save the file \
             as CSV in UTF-8"
        ))
    })?;
    if let Some(row) = decoded.windows_1252_from {
        let why = "not UTF-8, so the file was read as Windows-1252. Check the names in it";
        warnings.push(Remark { row, column: None, why: why.to_owned() });
    }
    let rows = text::rows(&decoded.text);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(rows.separator)
        .trim(csv::Trim::Headers)
        .flexible(true)
        .from_reader(rows.text.as_bytes());
    let header = match reader.headers() {
        Ok(header) if !header.is_empty() => lower(header),
        _ => return Err(no_header(file)),
    };
    let mut table = Table { header, rows: Vec::new() };
    for record in reader.records() {
        let record = record.map_err(|error| {
            Failure::new(format!("{file}: {}. Correct this row", error.to_string().replace('\n', " ")))
        })?;
        table.rows.push((rows.skipped + record.position().map_or(0, |at| line(rows.text, at)), record));
    }
    Ok(table)
}

/// Reads a row; all its errors otherwise.
fn person(
    line: u64,
    header: &StringRecord,
    record: &StringRecord,
    rules: &Rules<'_>,
    taken: &mut BTreeMap<CanonicalName, u64>,
    warnings: &mut Vec<Remark>,
) -> Result<Person, Vec<Remark>> {
    if record.len() != header.len() {
        let (found, expected) = (record.len(), header.len());
        let why = format!("{found} fields instead of {expected}. Quote a field that contains the separator");
        return Err(vec![Remark { row: line, column: None, why }]);
    }
    let mut row = Row::new(line, header, record, rules);
    let mut person = row.person();
    let typed = person.names.len();
    add_own_address(&mut person, rules.own_domains);
    row.skip_redundant(&mut person);
    row.warn_of_unreachable(&person);
    for (number, name) in person.names.iter().enumerate() {
        if let Some(first) = taken.insert(name.clone(), line) {
            let column = if number < typed { "login" } else { "email" };
            row.error(column, format!("`{}` is a login in row {first} too. Remove one", name.as_str()));
        }
    }
    if row.errors.is_empty() {
        warnings.append(&mut row.warnings);
        Ok(person)
    } else {
        Err(row.errors)
    }
}

/// Makes the address that the organisation gives a person a login, since people type it as their name.
fn add_own_address(person: &mut Person, own_domains: &[String]) {
    let Some(address) = person.email.as_ref().map(EmailAddress::expose) else { return };
    if let Ok(name) = CanonicalName::parse(address, own_domains)
        && !person.names.contains(&name)
    {
        person.logins.push(address.to_owned());
        person.names.push(name);
    }
}

fn header_errors(header: &StringRecord) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut errors = Vec::new();
    for column in header {
        if !COLUMNS.contains(&column) && column != REASON {
            // A quoted name may have line breaks, and an error is one line.
            let column = column.replace(char::is_control, " ");
            errors
                .push(format!("row 1: unknown column `{column}`. Known columns are {}", COLUMNS.join(", ")));
        } else if !seen.insert(column) {
            errors.push(format!("row 1: column `{column}` appears twice. Remove one"));
        }
    }
    for needed in ["login", "name"] {
        if !seen.contains(needed) {
            errors.push(format!("row 1: column `{needed}` is missing. Add it"));
        }
    }
    errors
}

#[cfg(test)]
mod tests;
