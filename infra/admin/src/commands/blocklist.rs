//! `rekey blocklist build`: a compact file of refused passwords.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use shared::domain::password::{Blocklist, passwords_of};

use crate::cli::BuildBlocklist;
use crate::outcome::{Outcome, Problem};
use crate::output::Output;

pub(super) fn build(options: &BuildBlocklist, output: &Output) -> Result<Outcome, Problem> {
    let BuildBlocklist { file, output: built_file, min_length } = options;
    let name = file.display();
    let unreadable =
        |why: &dyn std::fmt::Display| Problem::usage(format!("{name}: can't be read: {why}. Check it"));
    let text = fs::read(file).map_err(|error| unreadable(&error))?;
    let text = String::from_utf8(text).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|byte| *byte == b'\n').count();
        unreadable(&format!("line {line} is not in UTF-8"))
    })?;
    let lines = passwords_of(&text).count();
    let long = passwords_of(&text).filter(|password| password.chars().count() >= *min_length);
    let blocklist =
        Blocklist::build(long).ok_or_else(|| Problem::usage(format!("{name}: has too many passwords")))?;
    if blocklist.is_empty() {
        return Err(Problem::usage(format!(
            "{name}: has no password of {min_length} characters. See --min-length"
        )));
    }
    let target = built_file.clone().unwrap_or_else(|| beside(file));
    fs::write(&target, blocklist.bytes())
        .map_err(|error| Problem::failed(format!("{}: can't be written: {error}", target.display())))?;
    let (bytes, rate) = (blocklist.bytes().len(), Blocklist::FALSE_POSITIVES);
    if output.is_json() {
        output.json(&json!({
            "file": target.display().to_string(),
            "lines": lines,
            "passwords": blocklist.len(),
            "bytes": bytes,
            "false_positives": { "one_in": rate },
        }));
        return Ok(Outcome::Done);
    }
    output.line(format!(
        "{}: {} passwords in {bytes} bytes, of {lines} lines.",
        target.display(),
        blocklist.len()
    ));
    output.line(format!("Every one of them is refused, and 1 in {rate} of all other passwords, too."));
    output.line("Put the file into a Lambda layer, and set RekeyPasswordBlocklist to its path there (infra/guides/deploying.md).");
    Ok(Outcome::Done)
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".blocklist");
    PathBuf::from(name)
}
