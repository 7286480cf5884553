//! The holder of a challenge, a lease or a request: a flow, or a session at `/security-info`.

use std::fmt;

use super::account_limits::HolderPseudonym;

/// The hash that a flow or session is stored under. It does not reveal the cookie.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HolderId([u8; 32]);

impl HolderId {
    /// Takes a stored id.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, as the table's key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns a short reference for the limit log.
    pub fn pseudonym(&self) -> HolderPseudonym {
        HolderPseudonym(u32::from_be_bytes([self.0[0], self.0[1], self.0[2], self.0[3]]))
    }
}

impl fmt::Debug for HolderId {
    /// Writes eight hexadecimal digits: enough to follow a flow through a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.pseudonym().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Controls: C-064.
    #[test]
    fn holder_id_is_logged_as_eight_hex_digits() {
        let key = HolderId::from_bytes(std::array::from_fn(|at| u8::try_from(at).unwrap() + 0xa0));
        assert_eq!(format!("{key:?}"), "a0a1a2a3");
        assert_eq!(key.pseudonym(), HolderPseudonym(0xa0a1_a2a3));
        assert_eq!(key.as_bytes()[31], 0xbf);
    }
}
