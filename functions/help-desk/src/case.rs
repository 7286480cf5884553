//! A case: the agent, and the person whom an act is for.

use std::error::Error;

use shared::domain::account::{Account, AccountId, Registration};
use shared::domain::flow::Flow;
use shared::domain::help_desk::{Agent, DeskRecord, RECORD_KEPT};
use shared::domain::help_desk_call::HelpRefusal;
use shared::domain::holder::HolderId;
use shared::domain::language::Language;
use shared::domain::time::Timestamp;
use shared::ports::{EntropyExt as _, Versioned};

use crate::Ports;

/// The reason why an act was not carried out.
pub(crate) enum Stop {
    /// The rules refuse it.
    Refused(HelpRefusal),
    /// Another agent must repeat it until then.
    NeedsAnotherAgent(Timestamp),
    /// A port failed.
    Failed(Box<dyn Error + Send + Sync>),
}

impl<E: Error + Send + Sync + 'static> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// An agent with the person whom they help.
pub(crate) struct Case<'a> {
    pub(crate) ports: &'a Ports,
    pub(crate) agent: Agent,
    pub(crate) account: Account,
    pub(crate) group: Option<String>,
    /// The flow whose support code the agent gave.
    pub(crate) attempt: Option<Flow>,
    /// The name of the act, for the log.
    pub(crate) act: &'static str,
    pub(crate) now: Timestamp,
}

impl Case<'_> {
    pub(crate) const fn id(&self) -> &AccountId {
        &self.account.id
    }

    /// Returns the language of messages to the person.
    pub(crate) fn language(&self) -> Language {
        let first = self.ports.settings.languages.first().copied();
        self.account.language.or(first).unwrap_or(Language::English)
    }

    /// Returns the holder of what this act sends or changes.
    pub(crate) fn holder(&self) -> HolderId {
        HolderId::from_bytes(self.ports.entropy.bytes())
    }

    /// Returns the registration as evidence.
    pub(crate) async fn registration(&self) -> Result<Registration, Stop> {
        let registration = self.ports.security_info.registration(self.id(), self.now).await?;
        Ok(registration.as_evidence_for(&self.account, &self.ports.settings.login_domains))
    }

    /// Returns what was done for the person lately.
    pub(crate) async fn record(&self) -> Result<Versioned<DeskRecord>, Stop> {
        Ok(self.ports.records.desk_record(self.id()).await?)
    }

    /// Writes the record, unless another request changed it since it was read.
    pub(crate) async fn write(&self, record: &Versioned<DeskRecord>) -> Result<(), Stop> {
        let (revision, kept_until) = (record.revision, self.now + RECORD_KEPT);
        let replaced =
            self.ports.records.replace_desk_record(self.id(), revision, &record.value, kept_until).await?;
        if replaced { Ok(()) } else { Err(Stop::Refused(HelpRefusal::Overtaken)) }
    }
}
