//! The file of rows that an import does not take.

use std::fs::OpenOptions;
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rekey_people::import::Plan;
use rekey_people::{People, REASON, Remark};

/// Columns that are copied to the letter or not at all: another letter would be another secret.
const SECRET: [&str; 2] = ["password", "totp_secret"];

/// Writes the rows with their reasons in a last column, readable by their owner only. The file can be corrected and
/// imported again.
pub(super) fn write(file: &Path, people: &People, plan: &Plan<'_>) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?;
    let mut writer = csv::Writer::from_writer(BufWriter::new(file));
    let named: Vec<&str> = people.header.iter().map(String::as_str).filter(|name| *name != REASON).collect();
    writer.write_record(named.iter().copied().chain([REASON]))?;
    let read = people.refused.iter().map(|refused| (refused.row, &refused.cells, &refused.remarks[..]));
    let planned =
        plan.refused.iter().map(|(person, remark)| (person.row, &person.cells, std::slice::from_ref(remark)));
    let mut rows: Vec<(u64, &Vec<String>, &[Remark])> = read.chain(planned).collect();
    rows.sort_unstable_by_key(|(row, ..)| *row);
    for (row, cells, remarks) in rows {
        let mut record = Vec::with_capacity(named.len() + 1);
        let mut left_out = false;
        for name in &named {
            let at = people.header.iter().position(|column| column == name);
            let cell = at.and_then(|at| cells.get(at)).map_or("", String::as_str);
            let is_secret = SECRET.contains(name);
            left_out |= is_secret && is_formula(cell);
            record.push(safe(cell, is_secret));
        }
        let mut why: Vec<String> = remarks.iter().map(reason).collect();
        if left_out {
            why.push("a password or secret that begins as a formula is left out here".to_owned());
        }
        record.push(safe(&format!("row {row}: {}", why.join("; ")), false));
        writer.write_record(&record)?;
    }
    writer.flush()
}

fn reason(remark: &Remark) -> String {
    match remark.column {
        Some(column) => format!("{column}: {}", remark.why),
        None => remark.why.clone(),
    }
}

/// Returns a cell that no spreadsheet takes for a formula (OWASP, CSV Injection).
fn safe(cell: &str, is_secret: bool) -> String {
    match (is_formula(cell), is_secret) {
        (false, _) => cell.to_owned(),
        (true, true) => String::new(),
        (true, false) => format!("'{cell}"),
    }
}

/// Returns whether a spreadsheet would calculate the cell. A number with its country code is none.
fn is_formula(cell: &str) -> bool {
    let is_number = |rest: &str| rest.chars().all(|c| c.is_ascii_digit() || " -()".contains(c));
    let begins = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff20}']);
    begins && !cell.strip_prefix('+').is_some_and(|rest| !rest.is_empty() && is_number(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_defused_and_numbers_stay() {
        for (cell, written) in [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-2", "'-2"),
            ("+60 12-345 6798", "+60 12-345 6798"),
            ("+A1", "'+A1"),
            ("+", "'+"),
            ("\t=1", "'\t=1"),
            ("aisyah", "aisyah"),
        ] {
            assert_eq!(safe(cell, false), written);
        }
        assert_eq!((safe("=secret", true), safe("secret", true)), (String::new(), "secret".to_owned()));
    }
}
