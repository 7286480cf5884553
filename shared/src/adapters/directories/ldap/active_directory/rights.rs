//! The rights of the service account on an entry, as the directory's own access check finds them.
//!
//! Attributes that may be written are listed by the server. The right to reset a password is no attribute, so the list of
//! access control entries is evaluated for the account's own identifiers (MS-ADTS §5.1.3.3.4).

use ldap3::controls::RawControl;

use super::super::connection::Failure;
use super::super::found::{Found, guid_octets};
use super::Session;
use crate::domain::directory_examination::{Right, Rights};

/// "Reset Password" (MS-ADTS §5.1.3.2.1, `User-Force-Change-Password`).
const RESET_PASSWORD: &str = "00299570-246d-11d0-a768-00aa006e0529";
/// Asks for parts of a security descriptor (MS-ADTS §3.1.1.3.4.1.11), and the value for the access control list alone.
const SD_FLAGS: &str = "1.2.840.113556.1.4.801";
const ACCESS_LIST: [u8; 5] = [0x30, 0x03, 0x02, 0x01, 0x04];
/// Rekey writes the first, and Windows lists the second beside it: it belongs to every reset.
const NEEDED: [&str; 2] = ["lockoutTime", "pwdLastSet"];

/// Bits of an access mask (MS-ADTS §5.1.3.2).
const CONTROL_ACCESS: u32 = 0x100;
const GENERIC_ALL: u32 = 0x1000_0000;
/// The flag of an entry that is there for children alone (MS-DTYP §2.4.4.1).
const INHERIT_ONLY: u8 = 0x08;
/// Flags of an entry that is about one kind of object or right (MS-DTYP §2.4.4.3).
const HAS_OBJECT: u32 = 1;
const HAS_INHERITED: u32 = 2;

/// Reads the account's own identifiers.
pub(super) async fn own(session: &Session) -> Result<Found, Failure> {
    let own = session.connection.read("", "(objectClass=*)", &["tokenGroups"]).await?;
    Ok(own.unwrap_or_default())
}

/// Reads the rights on an entry of the account with these identifiers.
pub(super) async fn read(session: &Session, base: &str, own: &Found) -> Result<Rights, Failure> {
    const LISTED: &[&str] = &["allowedAttributesEffective", "sDRightsEffective"];
    let connection = &session.connection;
    let listed = connection.read(base, "(objectClass=*)", LISTED).await?.unwrap_or_default();
    let writes = |name: &str| listed.texts("allowedAttributesEffective").any(|one| one == name);
    let further = listed.texts("allowedAttributesEffective").filter(|one| !NEEDED.contains(one));
    let control = RawControl { ctype: SD_FLAGS.to_owned(), crit: true, val: Some(ACCESS_LIST.to_vec()) };
    let described =
        connection.read_with(base, "(objectClass=*)", &["nTSecurityDescriptor"], vec![control]).await;
    // Without the right to read it, nobody can tell.
    let described = described.ok().flatten().unwrap_or_default();
    Ok(Rights {
        set_password: resets(&described, own).map_or(Right::Unknown, Right::from),
        remove_lock: writes("lockoutTime").into(),
        further: further.map(str::to_owned).collect(),
        changes_rights: listed.number("sDRightsEffective").unwrap_or_default() != 0,
        reads_hash: false,
    })
}

/// Returns whether the list grants the reset of the password; `None` where it or the identifiers can't be read.
fn resets(described: &Found, own: &Found) -> Option<bool> {
    let identifiers: Vec<&[u8]> = own.all_bytes("tokenGroups").collect();
    let descriptor = described.bytes("nTSecurityDescriptor").filter(|_| !identifiers.is_empty())?;
    grants(descriptor, &identifiers, &guid_octets(RESET_PASSWORD)?)
}

/// Returns whether a security descriptor grants a control access right to somebody with these identifiers. The first
/// entry about it decides; without one the right is denied. An unreadable descriptor is `None`.
fn grants(descriptor: &[u8], identifiers: &[&[u8]], right: &[u8; 16]) -> Option<bool> {
    let list = descriptor.get(usize::try_from(number(descriptor, 16)?).ok()?..)?;
    let count = u16::from_le_bytes(list.get(4..6)?.try_into().ok()?);
    let mut rest = list.get(8..)?;
    for _ in 0..count {
        let size = usize::from(u16::from_le_bytes(rest.get(2..4)?.try_into().ok()?)).max(8);
        let entry = rest.get(..size)?;
        rest = &rest[size..];
        let (kind, flags, mask) = (entry[0], entry[1], number(entry, 4)?);
        // Access allowed and denied, and the same about an object.
        let (is_allowed, is_about_object) = match kind {
            0 => (true, false),
            1 => (false, false),
            5 => (true, true),
            6 => (false, true),
            _ => continue,
        };
        if flags & INHERIT_ONLY != 0 || mask & (CONTROL_ACCESS | GENERIC_ALL) == 0 {
            continue;
        }
        let (mut at, mut object) = (8, None);
        if is_about_object {
            let present = number(entry, 8)?;
            at = 12;
            if present & HAS_OBJECT != 0 {
                object = Some(entry.get(at..at + 16)?);
                at += 16;
            }
            at += if present & HAS_INHERITED != 0 { 16 } else { 0 };
        }
        let identifier = entry.get(at..)?;
        let is_own = identifiers.iter().any(|own| identifier.starts_with(own));
        if is_own && object.is_none_or(|object| object == right) {
            return Some(is_allowed);
        }
    }
    Some(false)
}

fn number(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(octets.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &[u8] = b"\x01\x01\x00\x00\x00\x00\x00\x05\x0b\x00\x00\x00";
    const OTHER: &[u8] = b"\x01\x01\x00\x00\x00\x00\x00\x05\x0a\x00\x00\x00";

    fn entry(kind: u8, flags: u8, mask: u32, object: Option<[u8; 16]>, identifier: &[u8]) -> Vec<u8> {
        let mut about = Vec::new();
        if matches!(kind, 5 | 6) {
            about.extend(u32::from(object.is_some()).to_le_bytes());
            about.extend(object.into_iter().flatten());
        }
        let size = u16::try_from(8 + about.len() + identifier.len()).unwrap().to_le_bytes();
        [&[kind, flags], &size[..], &mask.to_le_bytes(), &about, identifier].concat()
    }

    fn descriptor(entries: &[Vec<u8>]) -> Vec<u8> {
        let mut octets = vec![1, 0, 4, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0];
        octets.extend([4, 0, 0, 0, u8::try_from(entries.len()).unwrap(), 0, 0, 0]);
        octets.extend(entries.concat());
        octets
    }

    #[test]
    fn first_entry_about_the_right_decides() {
        let reset = guid_octets(RESET_PASSWORD).unwrap();
        let other = [7; 16];
        for (entries, expected) in [
            (vec![], false),
            (vec![entry(5, 0, CONTROL_ACCESS, Some(reset), OWN)], true),
            (vec![entry(5, 0, CONTROL_ACCESS, None, OWN)], true),
            (vec![entry(0, 0, CONTROL_ACCESS, None, OWN)], true),
            (vec![entry(0, 0, GENERIC_ALL, None, OWN)], true),
            (vec![entry(5, 0, CONTROL_ACCESS, Some(other), OWN)], false),
            (vec![entry(5, 0, CONTROL_ACCESS, Some(reset), OTHER)], false),
            (vec![entry(5, INHERIT_ONLY, CONTROL_ACCESS, Some(reset), OWN)], false),
            (vec![entry(5, 0, 0x20, Some(reset), OWN)], false),
            (
                vec![
                    entry(6, 0, CONTROL_ACCESS, Some(reset), OWN),
                    entry(5, 0, CONTROL_ACCESS, Some(reset), OWN),
                ],
                false,
            ),
            (vec![entry(2, 0, CONTROL_ACCESS, None, OWN), entry(0, 0, CONTROL_ACCESS, None, OWN)], true),
        ] {
            let described = descriptor(&entries);
            assert_eq!(grants(&described, &[OWN], &reset), Some(expected), "{entries:?}");
        }
    }

    #[test]
    fn unreadable_descriptor_tells_nothing() {
        let reset = guid_octets(RESET_PASSWORD).unwrap();
        let whole = descriptor(&[entry(5, 0, CONTROL_ACCESS, Some(reset), OTHER)]);
        for length in 0..whole.len() {
            assert_eq!(grants(&whole[..length], &[OWN], &reset), None, "{length} octets");
        }
        let mut far = whole.clone();
        far[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(grants(&far, &[OWN], &reset), None);
    }
}
