//! Entries that a server returned, and the forms of their values.

use std::collections::HashMap;
use std::fmt::Write as _;

use ldap3::{ResultEntry, SearchEntry};

use crate::domain::time::Timestamp;

/// The seconds from 1601, where Windows counts from, to 1970.
const WINDOWS_EPOCH: i64 = 11_644_473_600;
/// The units of 100 ns in a second, which Windows counts in.
const WINDOWS_TICKS: i64 = 10_000_000;

/// An entry, with the attributes that were asked for.
#[derive(Clone, Default)]
pub(super) struct Found {
    /// Its name.
    pub(super) dn: String,
    /// Values by the attribute's name in lower case.
    attributes: HashMap<String, Vec<Vec<u8>>>,
}

impl Found {
    /// Reads the entries of a result, without its references to other servers. It panics on malformed ones, as ldap3
    /// does.
    pub(super) fn all(entries: Vec<ResultEntry>) -> Vec<Self> {
        entries
            .into_iter()
            .filter(|entry| !entry.is_ref() && !entry.is_intermediate())
            .map(SearchEntry::construct)
            .map(|entry| {
                let texts = entry.attrs.into_iter().map(|(name, values)| {
                    (name.to_ascii_lowercase(), values.into_iter().map(String::into_bytes).collect())
                });
                let binary =
                    entry.bin_attrs.into_iter().map(|(name, values)| (name.to_ascii_lowercase(), values));
                Self { dn: entry.dn, attributes: texts.chain(binary).collect() }
            })
            .collect()
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.attributes.get(&name.to_ascii_lowercase()).into_iter().flatten().map(Vec::as_slice)
    }

    /// Returns the first value in octets.
    pub(super) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// Returns all values in octets.
    pub(super) fn all_bytes(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.values(name)
    }

    /// Returns all values that are text and not blank.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values(name)
            .filter_map(|value| str::from_utf8(value).ok())
            .filter(|text| !text.trim().is_empty())
    }

    /// Returns the first value that is text and not blank.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).next()
    }

    /// Returns the first value as a number.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// Returns the first value as a number that is not negative.
    pub(super) fn count<T: TryFrom<i64> + Default>(&self, name: &str) -> T {
        self.number(name).and_then(|number| T::try_from(number).ok()).unwrap_or_default()
    }

    /// Returns whether the first value is `TRUE` (RFC 4517 §3.3.3).
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| text.eq_ignore_ascii_case("TRUE"))
    }

    /// Returns a time of Windows: units of 100 ns since 1601. Neither 0 nor the largest number is a time.
    pub(super) fn windows_time(&self, name: &str) -> Option<Timestamp> {
        let ticks = self.number(name).filter(|ticks| (1..i64::MAX).contains(ticks))?;
        Some(Timestamp::from_seconds(ticks / WINDOWS_TICKS - WINDOWS_EPOCH))
    }

    /// Returns a duration of Windows in seconds: negative units of 100 ns. The smallest number is none, it is for ever.
    pub(super) fn windows_seconds(&self, name: &str) -> Option<i64> {
        let ticks = self.number(name).filter(|&ticks| ticks != i64::MIN)?;
        Some(ticks.abs() / WINDOWS_TICKS)
    }

    /// Returns a time of RFC 4517 §3.3.13.
    pub(super) fn time(&self, name: &str) -> Option<Timestamp> {
        self.text(name).and_then(generalized_time)
    }
}

/// Reads a generalized time in UTC, to the second: `20260921141320Z`, `20260921141320.5Z`.
pub(super) fn generalized_time(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix('Z')?;
    let digits = text.split_once('.').map_or(text, |(digits, _)| digits);
    if digits.len() != 14 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| digits[from..to].parse::<i8>().ok();
    let year = digits[..4].parse().ok()?;
    // A leap second is the last one of its minute here.
    let second = part(12, 14)?.min(59);
    let at =
        jiff::civil::DateTime::new(year, part(4, 6)?, part(6, 8)?, part(8, 10)?, part(10, 12)?, second, 0)
            .ok()?;
    let at = jiff::tz::Offset::UTC.to_timestamp(at).ok()?;
    Some(Timestamp::from_seconds(at.as_second()))
}

/// Writes a generalized time in UTC.
pub(super) fn to_generalized_time(at: Timestamp) -> String {
    let digits: String = at.to_string().chars().filter(char::is_ascii_digit).collect();
    format!("{digits}Z")
}

/// The form of a GUID in text and in Active Directory's octets, whose first three groups are little-endian (MS-DTYP
/// §2.3.4).
const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/// Writes a GUID in lower case.
pub(super) fn guid_text(octets: &[u8]) -> Option<String> {
    let octets: &[u8; 16] = octets.try_into().ok()?;
    let mut text = String::with_capacity(36);
    for (at, &place) in ORDER.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{:02x}", octets[place]);
    }
    Some(text)
}

/// Returns the octets of a GUID that [`guid_text`] wrote.
pub(super) fn guid_octets(text: &str) -> Option<[u8; 16]> {
    let is_hyphen = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    if text.len() != 36 || text.bytes().enumerate().any(|(at, byte)| (byte == b'-') != is_hyphen(at)) {
        return None;
    }
    let plain: [u8; 16] = hex::decode(text.replace('-', "")).ok()?.try_into().ok()?;
    let mut octets = [0; 16];
    for (at, &place) in ORDER.iter().enumerate() {
        octets[place] = plain[at];
    }
    Some(octets)
}

/// Writes octets for a filter, each escaped (RFC 4515 §3).
pub(super) fn filter_octets(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() * 3);
    for octet in octets {
        let _ = write!(text, "\\{octet:02x}");
    }
    text
}

/// Returns the relative identifier of a security identifier (MS-DTYP §2.4.2.2), and the domain's part as text.
pub(super) fn security_identifier(octets: &[u8]) -> Option<(String, u32)> {
    let (&count, authority) = (octets.get(1)?, octets.get(2..8)?);
    let authority = authority.iter().fold(0_u64, |number, &octet| number << 8 | u64::from(octet));
    let mut parts: Vec<u32> = octets
        .get(8..)?
        .chunks_exact(4)
        .filter_map(|part| Some(u32::from_le_bytes(part.try_into().ok()?)))
        .collect();
    if parts.len() != usize::from(count) {
        return None;
    }
    let last = parts.pop()?;
    let mut text = format!("S-{}-{authority}", octets.first()?);
    for part in parts {
        let _ = write!(text, "-{part}");
    }
    Some((text, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, value: &str) -> Found {
        let attributes = HashMap::from([(name.to_ascii_lowercase(), vec![value.as_bytes().to_vec()])]);
        Found { dn: String::new(), attributes }
    }

    #[test]
    fn windows_times_are_read() {
        let at = |value| found("accountExpires", value).windows_time("accountExpires");
        assert_eq!(at("134345408000000000"), Some(Timestamp::from_seconds(1_790_067_200)));
        assert_eq!((at("0"), at("9223372036854775807"), at("never")), (None, None, None));
        let seconds = |value| found("lockoutDuration", value).windows_seconds("lockoutDuration");
        assert_eq!(seconds("-18000000000"), Some(1800));
        assert_eq!(seconds("-9223372036854775808"), None);
    }

    #[test]
    fn generalized_times_are_read() {
        let expected = Some(Timestamp::from_seconds(1_790_000_000));
        for text in ["20260921141320Z", "20260921141320.123456Z"] {
            assert_eq!(generalized_time(text), expected, "{text}");
        }
        for text in ["", "000001010000Z", "20260921141320", "20261321141320Z", "2026092114132äZ"] {
            assert_eq!(generalized_time(text), None, "{text}");
        }
        assert_eq!(to_generalized_time(Timestamp::from_seconds(1_790_000_000)), "20260921141320Z");
    }

    #[test]
    fn guid_round_trips() {
        let octets: Vec<u8> = (0..16).collect();
        let text = guid_text(&octets).unwrap();
        assert_eq!(text, "03020100-0504-0706-0809-0a0b0c0d0e0f");
        assert_eq!(guid_octets(&text).unwrap().to_vec(), octets);
        for malformed in ["", "03020100-0504-0706-0809-0a0b0c0d0e0", "0302010g-0504-0706-0809-0a0b0c0d0e0f"] {
            assert_eq!(guid_octets(malformed), None);
        }
        assert_eq!(guid_text(&octets[1..]), None);
    }

    #[test]
    fn security_identifier_is_split() {
        let octets = hex::decode("010500000000000515000000a065cf7e784b9b5fe77c8770091c0100").unwrap();
        let (domain, relative) = security_identifier(&octets).unwrap();
        assert_eq!((domain.as_str(), relative), ("S-1-5-21-2127521184-1604012920-1887927527", 72713));
        assert_eq!(security_identifier(&octets[..20]), None);
    }
}
