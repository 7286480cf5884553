//! Prepares compressed assets and the texts of every language at build time, so that functions start faster.

#[cfg(feature = "http")]
mod assets;
mod texts;
mod zones;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::{Map, Value};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=assets");
    println!("cargo::rerun-if-changed=locales");
    let locales = locales()?;
    zones::build()?;
    #[cfg(feature = "http")]
    {
        assets::build()?;
        write("pages.rs", &locales, |sections| drop(sections.remove(MESSAGES)))?;
    }
    write("messages.rs", &locales, |sections| {
        *sections = match sections.remove(MESSAGES) {
            Some(Value::Object(messages)) => messages,
            _ => Map::new(),
        };
    })
}

/// The section of a locale with the texts of messages. All other sections belong to pages.
const MESSAGES: &str = "messages";

type Locales = BTreeMap<String, Map<String, Value>>;

/// Reads the texts of every language: `locales/<BCP 47 tag>.json`.
fn locales() -> Result<Locales, Box<dyn Error>> {
    let package = env::var_os("CARGO_MANIFEST_DIR").ok_or("no CARGO_MANIFEST_DIR")?;
    let mut locales = BTreeMap::new();
    for entry in fs::read_dir(Path::new(&package).join("locales"))? {
        let path = entry?.path();
        let tag = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".json"));
        if let Some(tag) = tag {
            let locale = serde_json::from_slice(&fs::read(&path)?)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            locales.insert(tag.to_owned(), locale);
        }
    }
    Ok(locales)
}

/// Writes the sections of each locale that `keep` selects, as one Rust file.
fn write(
    file: &str,
    locales: &Locales,
    keep: impl Fn(&mut Map<String, Value>),
) -> Result<(), Box<dyn Error>> {
    let kept = |(tag, locale): (&String, &Map<String, Value>)| {
        let mut sections = locale.clone();
        keep(&mut sections);
        (tag.clone(), Value::Object(sections))
    };
    let source =
        texts::generate(&locales.iter().map(kept).collect()).map_err(|error| format!("{file}: {error}"))?;
    let out = env::var_os("OUT_DIR").ok_or("no OUT_DIR")?;
    fs::write(PathBuf::from(out).join(file), source)?;
    Ok(())
}
