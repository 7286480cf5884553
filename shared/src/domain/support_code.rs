//! The support code: what a person reads to the help desk, so that an agent finds the attempt that failed.
//!
//! It is derived from the id of the flow or session, never from the account: the same for a decoy, and worth nothing to
//! anybody without the key. A page without a flow or session has the code of its request, which the log names.

use std::fmt;

use super::holder::HolderId;
use super::keys::{Keyring, Tag};
use super::recovery_code::{ALPHABET, symbol};
use super::time::Seconds;

/// A code finds a flow or session until this long after its end.
pub const FOUND_FOR: Seconds = Seconds::DAY;

/// The purposes in the key derivation.
const OF_HOLDER: &str = "rekey/support-code";
const OF_REQUEST: &str = "rekey/support-request";
/// Symbols of a code, five bits each: of 50 000 flows in a day, one or two pairs have the same code.
const SYMBOLS: usize = 6;

/// A support code, such as `7KQ-4M2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SupportCode([u8; SYMBOLS]);

impl SupportCode {
    /// Returns the code of a flow or session. It uses the oldest key, which rotation keeps.
    pub fn of_holder(holder: HolderId, flows: &Keyring) -> Option<Self> {
        flows.tag(flows.oldest(), OF_HOLDER, &[holder.as_bytes()]).map(|tag| Self::from_tag(&tag))
    }

    /// Returns the code of a request that belongs to no flow or session, by the id that API Gateway gave it.
    pub fn of_request(request: &str, flows: &Keyring) -> Option<Self> {
        flows.tag(flows.oldest(), OF_REQUEST, &[request.as_bytes()]).map(|tag| Self::from_tag(&tag))
    }

    /// Reads a code as people read it out: any case, with or without the hyphen, O for 0, and I or L for 1.
    pub fn parse(typed: &str) -> Option<Self> {
        let mut code = [0; SYMBOLS];
        let mut count = 0;
        for c in typed.trim().chars() {
            let Some(read) = symbol(c).ok()? else { continue };
            *code.get_mut(count)? = read;
            count += 1;
        }
        (count == SYMBOLS).then_some(Self(code))
    }

    fn from_tag(tag: &Tag) -> Self {
        let [a, b, c, d, ..] = *tag.as_bytes();
        let bits = u32::from_be_bytes([a, b, c, d]);
        Self(std::array::from_fn(|at| ALPHABET[(bits >> (5 * at) & 31) as usize]))
    }
}

impl fmt::Display for SupportCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, symbol) in self.0.iter().enumerate() {
            if at == SYMBOLS / 2 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(*symbol))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cookie::HolderCookie;

    const ONE: &str = "0123456789abcdef0123456789abcdef";
    const TWO: &str = "fedcba9876543210fedcba9876543210";

    fn keys(text: &str) -> Keyring {
        Keyring::from_secret(text).unwrap()
    }

    fn one() -> Keyring {
        keys(&format!(r#"{{"current":"1","1":"{ONE}"}}"#))
    }

    /// Without the key, nobody gets from the code to the flow's id, or from the id to the code.
    /// Controls: C-240.
    #[test]
    fn support_code_depends_on_holder_and_key_alone() {
        let holder = |number| HolderCookie::open_flow(&one(), [number; 32]).id();
        let code = SupportCode::of_holder(holder(5), &one()).unwrap();
        assert_eq!(SupportCode::of_holder(holder(5), &one()).unwrap(), code);
        assert_ne!(SupportCode::of_holder(holder(6), &one()).unwrap(), code);
        let other = keys(&format!(r#"{{"current":"1","1":"{TWO}"}}"#));
        assert_ne!(SupportCode::of_holder(holder(5), &other).unwrap(), code);
        let rotated = keys(&format!(r#"{{"current":"2","1":"{ONE}","2":"{TWO}"}}"#));
        assert_eq!(SupportCode::of_holder(holder(5), &rotated).unwrap(), code, "after a rotation");
        let later = HolderCookie::open_flow(&one(), [5; 32]).with_verified(2).id();
        assert_eq!(SupportCode::of_holder(later, &one()).unwrap(), code, "in a later step");
        let request = SupportCode::of_request("r", &one()).unwrap();
        assert_ne!(request, SupportCode::of_request("s", &one()).unwrap());
    }

    #[test]
    fn support_code_is_read_as_people_say_it() {
        let code = SupportCode::parse("7KQ-4M2").unwrap();
        assert_eq!(code.to_string(), "7KQ-4M2");
        for typed in ["7kq4m2", " 7KQ 4M2 ", "7 k q – 4 m 2"] {
            assert_eq!(SupportCode::parse(typed), Some(code), "{typed}");
        }
        assert_eq!(SupportCode::parse("OIL-4M2"), SupportCode::parse("011-4M2"));
        for other in ["", "7KQ-4M", "7KQ-4M22", "7KQ-4MU", "7KQ_4M2", "aisyah@contoh.example"] {
            assert_eq!(SupportCode::parse(other), None, "{other}");
        }
    }
}
