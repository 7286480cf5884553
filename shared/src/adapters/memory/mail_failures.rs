//! The last failure of each mailbox, in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::Memory;
use crate::domain::mail_failure::{FailedMailbox, MailFailure, MailFailureKind};
use crate::domain::time::Timestamp;
use crate::ports::{MailFailureStore, StoreError};

/// The time of the last news about each mailbox, and the failure unless mail arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StoredMailFailures(BTreeMap<FailedMailbox, (Timestamp, Option<MailFailureKind>)>);

#[async_trait]
impl MailFailureStore for Memory {
    async fn record_mail_failure(
        &self,
        mailbox: &FailedMailbox,
        failure: &MailFailure,
    ) -> Result<(), StoreError> {
        self.with(|tables| {
            let stored = &mut tables.mail_failures.0;
            if stored.get(mailbox).is_none_or(|(at, _)| *at < failure.at) {
                stored.insert(*mailbox, (failure.at, Some(failure.kind)));
            }
        });
        Ok(())
    }

    async fn mail_failure(
        &self,
        mailbox: &FailedMailbox,
        now: Timestamp,
    ) -> Result<Option<MailFailure>, StoreError> {
        let stored = self.with(|tables| tables.mail_failures.0.get(mailbox).copied());
        let failure = stored.and_then(|(at, kind)| Some(MailFailure { kind: kind?, at }));
        Ok(failure.filter(|failure| now < failure.kept_until()))
    }

    async fn clear_mail_failure(&self, mailbox: &FailedMailbox, now: Timestamp) -> Result<(), StoreError> {
        self.with(|tables| {
            if let Some((at, kind)) = tables.mail_failures.0.get_mut(mailbox).filter(|(at, _)| *at <= now) {
                (*at, *kind) = (now, None);
            }
        });
        Ok(())
    }
}
