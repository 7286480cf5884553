//! Passkeys (Web Authentication Level 3 §7.2).

use super::{Subject, VerificationError};
use crate::domain::passkey::{Assertion, Expected, Refusal};
use crate::domain::time::Timestamp;
use crate::ports::{Authenticators, SignatureVerifier};

/// What a check needs.
#[derive(Clone, Copy)]
pub struct Passkeys<'a> {
    /// The authenticators.
    pub authenticators: &'a dyn Authenticators,
    /// The arithmetic of passkeys.
    pub signatures: &'a dyn SignatureVerifier,
}

/// A passkey that answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedPasskey {
    /// Whether it has not been active for the waiting period yet.
    pub young: bool,
}

impl Passkeys<'_> {
    /// Whether it is the answer of one of the account's passkeys to the expected challenge, and its counter moved forward.
    /// A decoy reads alike and has none.
    ///
    /// # Errors
    /// [`VerificationError`]; the counter may then be moved.
    pub async fn check(
        &self,
        subject: Subject<'_>,
        assertion: &Assertion,
        expected: &Expected<'_>,
        now: Timestamp,
    ) -> Result<Result<UsedPasskey, Refusal>, VerificationError> {
        let passkeys = self.authenticators.passkeys(subject.account, now).await?;
        let mut own = passkeys.iter().filter(|_| !subject.decoy);
        let Some(passkey) = own.find(|passkey| assertion.is_by(&passkey.credential)) else {
            return Ok(Err(Refusal::User));
        };
        let verifies =
            |key: &_, message: &[u8], signature: &[u8]| self.signatures.verifies(key, message, signature);
        let counter = match assertion.verify(&passkey.credential, expected, &verifies) {
            Ok(counter) => counter,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let store = self.authenticators;
        let accepted =
            store.accept_counter(subject.account, &passkey.id, counter, subject.used_for, now).await?;
        Ok(if accepted { Ok(UsedPasskey { young: passkey.young }) } else { Err(Refusal::Counter) })
    }
}
