//! Recovery codes.

use super::{Subject, VerificationError};
use crate::domain::keys::Keyring;
use crate::domain::recovery_code::{RecoveryCode, Sheet};
use crate::domain::time::Timestamp;
use crate::ports::Authenticators;

/// What a check needs.
#[derive(Clone, Copy)]
pub struct RecoverySheets<'a> {
    /// The authenticators.
    pub authenticators: &'a dyn Authenticators,
    /// The keys of seeds, under one of which the codes are hashed.
    pub seeds: &'a Keyring,
}

impl RecoverySheets<'_> {
    /// The account's sheet; for whoever has none, and for a decoy, an empty one at the same cost.
    ///
    /// # Errors
    /// [`VerificationError`].
    pub async fn sheet(&self, subject: Subject<'_>, now: Timestamp) -> Result<Sheet, VerificationError> {
        let sheet = self.authenticators.recovery_sheet(subject.account, now).await?;
        Ok(sheet.filter(|_| !subject.decoy).unwrap_or_else(|| Sheet::of_nobody(self.seeds)))
    }

    /// Whether the code is on the sheet, and is taken off it by this. The store is asked even for a code that is not on the
    /// sheet as it was read: it knows whether this verification took it a moment ago.
    ///
    /// # Errors
    /// [`VerificationError`]; the code may then be taken.
    pub async fn check(
        &self,
        subject: Subject<'_>,
        sheet: &Sheet,
        code: &RecoveryCode,
        now: Timestamp,
    ) -> Result<bool, VerificationError> {
        let hash = sheet.hash(code, self.seeds, subject.account)?;
        let store = self.authenticators;
        Ok(store.use_recovery_code(subject.account, &hash, subject.used_for, now).await?)
    }
}
