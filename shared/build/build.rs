//! Prepares what would cost a function time at its start: compressed assets, and the texts of every language.

#[cfg(feature = "http")]
mod assets;
mod texts;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=assets");
    println!("cargo::rerun-if-changed=locales");
    #[cfg(feature = "http")]
    {
        assets::build()?;
        texts("locales", "pages.rs")?;
    }
    texts("locales/messages", "messages.rs")
}

/// Writes the locales of a folder, `<BCP 47 tag>.json` each, as one Rust file.
fn texts(folder: &str, file: &str) -> Result<(), Box<dyn Error>> {
    let package = env::var_os("CARGO_MANIFEST_DIR").ok_or("no CARGO_MANIFEST_DIR")?;
    let out = env::var_os("OUT_DIR").ok_or("no OUT_DIR")?;
    let mut locales = BTreeMap::new();
    for entry in fs::read_dir(Path::new(&package).join(folder))? {
        let path = entry?.path();
        let tag = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".json"));
        if let Some(tag) = tag {
            let locale = serde_json::from_slice(&fs::read(&path)?)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            locales.insert(tag.to_owned(), locale);
        }
    }
    let source = texts::generate(&locales).map_err(|error| format!("{folder}: {error}"))?;
    fs::write(PathBuf::from(out).join(file), source)?;
    Ok(())
}
