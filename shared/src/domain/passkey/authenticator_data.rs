//! Authenticator data (§6.1): the authenticator's report on itself and its user.

use sha2::{Digest as _, Sha256};

use super::{Malformed, Refusal, RelyingParty};

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;
const HAS_EXTENSIONS: u8 = 1 << 7;

/// The fixed part, and the bytes after it.
pub(super) struct AuthenticatorData<'a> {
    party: &'a [u8; 32],
    flags: u8,
    /// The number of signatures; 0 without a counter.
    pub(super) counter: u32,
    /// The credential of a registration, then extensions.
    pub(super) rest: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Reads the fixed part.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (party, rest) = bytes.split_first_chunk::<32>().ok_or(Malformed)?;
        let (flags, rest) = rest.split_first().ok_or(Malformed)?;
        let (counter, rest) = rest.split_first_chunk::<4>().ok_or(Malformed)?;
        Ok(Self { party, flags: *flags, counter: u32::from_be_bytes(*counter), rest })
    }

    /// Checks the rules of registration and use alike (§7.1 steps 14 to 17, §7.2 steps 15 to 18): the relying
    /// party, and the user's presence and verification.
    pub(super) fn check(&self, party: &RelyingParty) -> Result<(), Refusal> {
        if self.party[..] != Sha256::digest(party.id.as_bytes())[..] {
            return Err(Refusal::RelyingParty);
        }
        if !self.has(USER_PRESENT) {
            return Err(Refusal::NotPresent);
        }
        if !self.has(USER_VERIFIED) {
            return Err(Refusal::NotVerified);
        }
        if self.has(BACKED_UP) && !self.has(BACKUP_ELIGIBLE) {
            return Err(Refusal::Backup);
        }
        Ok(())
    }

    /// Returns whether the passkey can be copied to other devices of its owner; this never changes.
    pub(super) const fn backup_eligible(&self) -> bool {
        self.has(BACKUP_ELIGIBLE)
    }

    /// Returns whether a credential follows.
    pub(super) const fn has_credential(&self) -> bool {
        self.has(HAS_CREDENTIAL)
    }

    /// Returns whether extensions follow.
    pub(super) const fn has_extensions(&self) -> bool {
        self.has(HAS_EXTENSIONS)
    }

    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}
