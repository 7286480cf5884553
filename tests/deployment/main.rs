//! The deployment matches the code: the tests compare template.yaml, Cargo.toml and the imports.
//!
//! No test here starts a server. Each reads files of the workspace, or asks cargo what it would build.

#[cfg(test)]
mod blocklist;
#[cfg(test)]
mod cloudfront;
#[cfg(test)]
mod controls;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod features;
#[cfg(test)]
mod import_cycles;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod layering;
#[cfg(test)]
mod parameters;
#[cfg(test)]
mod permissions;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod profile;
#[cfg(test)]
mod resources;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod sbom;
#[cfg(test)]
mod security;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod supply_chain;

/// Returns the workspace's root folder.
#[cfg(test)]
fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
