//! Names every asset by a hash of its content and compresses it, so that functions do neither at start.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use sha2::{Digest as _, Sha256};

/// Brotli's best quality and largest window (RFC 7932).
const QUALITY: u32 = 11;
const WINDOW: u32 = 24;

/// Writes the tables that `http::assets` includes: `asset_paths.rs` with the path of each name, for all functions, and
/// `assets.rs` with the contents, for the one that serves them.
pub(crate) fn build() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
    let folder =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("no CARGO_MANIFEST_DIR")?).join("assets");
    let mut files = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);

    let (mut paths, mut table) = (String::from("&[\n"), String::from("&[\n"));
    for file in files {
        let name =
            file.file_name().into_string().map_err(|name| format!("{} is not UTF-8", name.display()))?;
        let (stem, extension) = name.rsplit_once('.').ok_or("an asset without an extension")?;
        let bytes = fs::read(file.path())?;
        let hash = hex::encode(&Sha256::digest(&bytes)[..8]);
        let compressed = out.join(format!("{name}.br"));
        let mut writer = brotli::CompressorWriter::new(fs::File::create(&compressed)?, 4096, QUALITY, WINDOW);
        writer.write_all(&bytes)?;
        drop(writer);
        writeln!(paths, "({name:?}, \"/assets/{stem}.{hash}.{extension}\"),")?;
        writeln!(
            table,
            "File {{ name: \"{stem}.{hash}.{extension}\", plain: include_bytes!({:?}), \
             brotli: include_bytes!({:?}) }},",
            file.path().to_str().ok_or("a path that is not UTF-8")?,
            compressed.to_str().ok_or("a path that is not UTF-8")?,
        )?;
    }
    paths.push(']');
    table.push(']');
    fs::write(out.join("asset_paths.rs"), paths)?;
    fs::write(out.join("assets.rs"), table)?;
    Ok(())
}
