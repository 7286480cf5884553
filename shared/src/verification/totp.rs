//! Codes from an authenticator app (RFC 6238).

use super::{Subject, VerificationError};
use crate::domain::code::OneTimeCode;
use crate::domain::keys::Keyring;
use crate::domain::time::Timestamp;
use crate::domain::totp::TotpSeed;
use crate::ports::Authenticators;

/// What a check needs.
#[derive(Clone, Copy)]
pub struct Totp<'a> {
    /// The authenticators.
    pub authenticators: &'a dyn Authenticators,
    /// The keys of seeds.
    pub seeds: &'a Keyring,
}

impl Totp<'_> {
    /// Whether the code is the account's, in a time step that was not accepted before: each step is accepted once, for one
    /// verification. An account without an app, and a decoy, read alike.
    ///
    /// # Errors
    /// [`VerificationError`]; the step may then be used up.
    pub async fn check(
        &self,
        subject: Subject<'_>,
        code: &OneTimeCode,
        now: Timestamp,
    ) -> Result<bool, VerificationError> {
        let stored = self.authenticators.totp(subject.account, now).await?;
        let Some(stored) = stored.filter(|_| !subject.decoy) else { return Ok(false) };
        let seed = TotpSeed::open(self.seeds, subject.account.as_str(), &stored.sealed_seed)?;
        let Some(step) = seed.matching_step(code, now) else { return Ok(false) };
        Ok(self.authenticators.accept_step(subject.account, step, subject.used_for, now).await?)
    }
}
