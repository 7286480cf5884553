//! The text of a CSV file as spreadsheets write it: its encoding, and the sign between its fields.

use std::borrow::Cow;

/// The characters of Windows-1252 for the bytes 0x80 to 0x9f; NUL for the five bytes without one (WHATWG Encoding,
/// index windows-1252).
const WINDOWS_1252: [char; 32] = [
    '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', '\0', '‘', '’', '“',
    '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
];

/// The text of a file.
pub(crate) struct Decoded<'a> {
    /// The text, without a byte order mark.
    pub(crate) text: Cow<'a, str>,
    /// The first row that is not UTF-8, if the text was read as Windows-1252.
    pub(crate) windows_1252_from: Option<u64>,
}

/// The row and the byte that no encoding explains.
pub(crate) struct NotText {
    pub(crate) row: u64,
    pub(crate) byte: u8,
}

/// Decodes a file: UTF-16 by its byte order mark, else UTF-8, else Windows-1252, as older spreadsheets write it.
pub(crate) fn decode(bytes: &[u8]) -> Result<Decoded<'_>, NotText> {
    let utf_16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let text: String = char::decode_utf16(pairs.iter().copied().map(unit))
            .map(|read| read.map_err(|error| error.unpaired_surrogate().to_be_bytes()[0]))
            .collect::<Result<_, u8>>()
            .map_err(|byte| NotText { row: 1, byte })?;
        match rest {
            [] => Ok(Decoded { text: text.into(), windows_1252_from: None }),
            [byte, ..] => Err(NotText { row: row_of(text.as_bytes()), byte: *byte }),
        }
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => return utf_16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => return utf_16(rest, u16::from_be_bytes),
        _ => {}
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Decoded { text: text.into(), windows_1252_from: None }),
        Err(error) => {
            let text = windows_1252(bytes)?;
            let row = row_of(bytes.get(..error.valid_up_to()).unwrap_or_default());
            Ok(Decoded { text: text.into(), windows_1252_from: Some(row) })
        }
    }
}

fn windows_1252(bytes: &[u8]) -> Result<String, NotText> {
    let read = |(at, byte): (usize, &u8)| match byte {
        0x80..=0x9f => match WINDOWS_1252[usize::from(byte - 0x80)] {
            '\0' => Err(NotText { row: row_of(bytes.get(..at).unwrap_or_default()), byte: *byte }),
            found => Ok(found),
        },
        // ASCII, and the bytes that are those of Latin-1.
        byte => Ok(char::from(*byte)),
    };
    bytes.iter().enumerate().map(read).collect()
}

/// Returns the row that follows `before`, from 1.
fn row_of(before: &[u8]) -> u64 {
    u64::try_from(before.split(|byte| *byte == b'\n').count()).unwrap_or(u64::MAX)
}

/// The rows of a text, without the line `sep=;` that Excel reads.
pub(crate) struct Rows<'a> {
    pub(crate) text: &'a str,
    /// The sign between two fields.
    pub(crate) separator: u8,
    /// The rows before the header.
    pub(crate) skipped: u64,
}

/// Finds the sign between the fields: the one that the line `sep=` names, or the most frequent one of the header.
pub(crate) fn rows(text: &str) -> Rows<'_> {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let named = first.trim_end_matches('\r').trim_matches('"').strip_prefix("sep=");
    if let Some(&[separator]) = named.map(str::as_bytes) {
        return Rows { text: rest, separator, skipped: 1 };
    }
    let mut is_quoted = false;
    let mut counts = [(b',', 0_usize), (b';', 0), (b'\t', 0)];
    for byte in first.bytes() {
        is_quoted ^= byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(sign, _)| !is_quoted && *sign == byte) {
            *count += 1;
        }
    }
    // The first of equal counts: a header of one column has none of them.
    let most = counts.iter().rev().max_by_key(|(_, count)| *count);
    Rows { text, separator: most.map_or(b',', |(sign, _)| *sign), skipped: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        decode(bytes).ok().unwrap().text.into_owned()
    }

    #[test]
    fn encodings_of_spreadsheets_are_decoded() {
        let little: Vec<u8> = "\u{feff}René".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "\u{feff}René".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in ["René".as_bytes(), b"\xef\xbb\xbfRen\xc3\xa9", b"Ren\xe9", &little, &big] {
            assert_eq!(text(bytes), "René", "{bytes:?}");
        }
        assert_eq!(text(b"O\x92Brien \x80"), "O’Brien €");
        assert_eq!(decode(b"a\nRen\xe9").ok().unwrap().windows_1252_from, Some(2));
        assert_eq!(decode("a\nRené".as_bytes()).ok().unwrap().windows_1252_from, None);
    }

    #[test]
    fn bytes_without_a_character_are_located() {
        for bytes in [&b"a\nb\x81"[..], b"\xff\xfea\0\n\0b"] {
            assert_eq!(decode(bytes).err().unwrap().row, 2, "{bytes:?}");
        }
    }

    #[test]
    fn separator_is_found_in_header() {
        for (text, separator, skipped) in [
            ("login,name\n", b',', 0),
            ("login;name;email\n", b';', 0),
            ("login\tname\r\n", b'\t', 0),
            ("login\n", b',', 0),
            ("\"a;b;c\",name\n", b',', 0),
            ("sep=;\r\nlogin;name\n", b';', 1),
            ("\"sep=,\"\nlogin,name\n", b',', 1),
        ] {
            let found = rows(text);
            assert_eq!((found.separator, found.skipped), (separator, skipped), "{text}");
        }
        assert_eq!(rows("sep=;\nlogin;name").text, "login;name");
    }
}
