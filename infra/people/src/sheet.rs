//! Spreadsheets: the first sheet of an `.xlsx` file.

use std::io::Cursor;

use calamine::{Data, Reader as _, Xlsx};
use csv::StringRecord;

use crate::failure::Failure;
use crate::table::{Table, lower, no_header};

/// The first bytes of an `.xlsx` file, which is a ZIP archive.
const ZIP: &[u8] = b"PK\x03\x04";
/// The first bytes of an `.xls` file, the form of Excel before 2007.
const OLE: &[u8] = b"\xd0\xcf\x11\xe0";
/// Whole numbers up to this one are exact in a cell, which holds a 64-bit float.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Returns whether the bytes are a spreadsheet, and no text.
pub(crate) fn is_spreadsheet(bytes: &[u8]) -> bool {
    bytes.starts_with(ZIP) || bytes.starts_with(OLE)
}

/// Reads the cells of the first sheet.
pub(crate) fn table(file: &str, bytes: &[u8]) -> Result<Table, Failure> {
    let unreadable = |why: &dyn std::fmt::Display| {
        Failure::new(format!(
            "{file}: not a spreadsheet that can be read: {why}. Save it as .xlsx, or as CSV in UTF-8"
        ))
    };
    if bytes.starts_with(OLE) {
        return Err(unreadable(&"it has the form of Excel before 2007, or a password"));
    }
    let mut book = Xlsx::new(Cursor::new(bytes)).map_err(|error| unreadable(&error))?;
    let sheet = book.worksheet_range_at(0).ok_or_else(|| unreadable(&"it has no sheet"))?;
    let sheet = sheet.map_err(|error| unreadable(&error))?;
    let first = sheet.start().map_or(0, |(row, _)| u64::from(row));
    let mut rows = (first + 1..).zip(sheet.rows());
    let (_, header) = rows.next().ok_or_else(|| no_header(file))?;
    let mut header = lower(&record(header));
    // Columns that were emptied stay in the sheet's range.
    let named =
        header.iter().enumerate().filter(|(_, name)| !name.is_empty()).last().map_or(0, |(at, _)| at + 1);
    header.truncate(named);
    let rows = rows.map(|(line, cells)| {
        let filled = cells.iter().rposition(|cell| !matches!(cell, Data::Empty)).map_or(0, |at| at + 1);
        (line, record(cells.get(..filled.max(named)).unwrap_or(cells)))
    });
    Ok(Table { header, rows: rows.collect() })
}

fn record(cells: &[Data]) -> StringRecord {
    cells.iter().map(text).collect()
}

/// Returns the text of a cell. A number has no thousands and no exponent, as a person would type it.
fn text(cell: &Data) -> String {
    match cell {
        Data::Empty => String::new(),
        Data::Float(number) if number.fract() == 0.0 && number.abs() < EXACT => format!("{number:.0}"),
        cell => cell.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_typed() {
        assert_eq!(text(&Data::Float(60_123_456_798.0)), "60123456798");
        assert_eq!(text(&Data::Float(1.5)), "1.5");
        assert_eq!(text(&Data::String(" x ".into())), " x ");
    }

    #[test]
    fn other_archives_are_rejected_in_one_line() {
        for bytes in [&b"PK\x03\x04nothing"[..], b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"] {
            assert!(is_spreadsheet(bytes));
            assert_eq!(table("people.xlsx", bytes).err().unwrap().lines().len(), 1);
        }
        assert!(!is_spreadsheet(b"login,name\n"));
    }

    /// Returns a ZIP archive with these files, uncompressed (APPNOTE.TXT 4.3.7, 4.3.12, 4.3.16).
    fn zip(files: &[(&str, &str)]) -> Vec<u8> {
        let crc = |bytes: &[u8]| {
            !bytes.iter().fold(!0_u32, |crc, byte| {
                let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
                (0..8).fold(crc ^ u32::from(*byte), step)
            })
        };
        let (mut archive, mut directory) = (Vec::new(), Vec::new());
        for (name, text) in files {
            let length = u32::try_from(text.len()).unwrap().to_le_bytes();
            let mut head = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
            head.extend(crc(text.as_bytes()).to_le_bytes());
            head.extend([length, length].concat());
            head.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
            head.extend([0, 0]);
            let at = u32::try_from(archive.len()).unwrap();
            archive.extend([ZIP, &head, name.as_bytes(), text.as_bytes()].concat());
            directory.extend(
                [b"PK\x01\x02\x14\0", &head[..], &[0; 10], &at.to_le_bytes(), name.as_bytes()].concat(),
            );
        }
        let count = u16::try_from(files.len()).unwrap().to_le_bytes();
        let (start, length) =
            (u32::try_from(archive.len()).unwrap(), u32::try_from(directory.len()).unwrap());
        let end = [&count[..], &count, &length.to_le_bytes(), &start.to_le_bytes(), &[0, 0]].concat();
        [archive, directory, b"PK\x05\x06\0\0\0\0".to_vec(), end].concat()
    }

    #[test]
    fn first_sheet_is_read_by_row() {
        let cell =
            |text: &str| format!("<c t=\"inlineStr\"><is><t xml:space=\"preserve\">{text}</t></is></c>");
        let row = |cells: &[String]| format!("<row>{}</row>", cells.concat());
        let rows = [
            row(&[cell("Login"), cell("name"), cell("mobile"), cell("password")]),
            row(&[cell("aisyah"), cell("Nur Aisyah"), "<c><v>60123456798</v></c>".to_owned(), cell(" x y ")]),
            row(&[cell("mei"), cell("陈美玲")]),
        ];
        let sheet = format!(
            "<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetData>{}</sheetData></worksheet>",
            rows.concat()
        );
        let workbook = "<workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" \
                        xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><sheets>\
                        <sheet name=\"People\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>";
        let relations = "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
                         <Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" \
                         Target=\"worksheets/sheet1.xml\"/></Relationships>";
        let root = relations
            .replace("worksheets/sheet1.xml", "xl/workbook.xml")
            .replace("relationships/worksheet", "relationships/officeDocument");
        let bytes = zip(&[
            ("_rels/.rels", &root),
            ("xl/workbook.xml", workbook),
            ("xl/_rels/workbook.xml.rels", relations),
            ("xl/worksheets/sheet1.xml", &sheet),
        ]);
        let table = table("people.xlsx", &bytes).unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(table.header, ["login", "name", "mobile", "password"][..]);
        let rows: Vec<(u64, Vec<&str>)> =
            table.rows.iter().map(|(line, row)| (*line, row.iter().collect())).collect();
        assert_eq!(rows[0], (2, vec!["aisyah", "Nur Aisyah", "60123456798", " x y "]));
        assert_eq!(rows[1], (3, vec!["mei", "陈美玲", "", ""]));
    }
}
