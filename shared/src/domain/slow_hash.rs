//! The slow hash for secrets that people choose or copy by hand.

use argon2::{Algorithm, Argon2, Params, Version};

/// OWASP's minimum for argon2id (Password Storage Cheat Sheet; ASVS 5.0 appendix C): 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Returns the hasher with the current costs and 32 bytes of output.
///
/// # Errors
/// Never, as a test shows: the costs are within argon2's limits.
pub fn hasher() -> Result<Argon2<'static>, argon2::Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    /// Controls: C-088.
    #[test]
    fn hasher_parameters_are_valid() {
        assert!(super::hasher().is_ok());
    }
}
