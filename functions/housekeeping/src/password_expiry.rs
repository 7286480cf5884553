//! Warns people before their password in the organisation's own directory expires.

use futures_util::future::join_all;
use shared::domain::account::Registration;
use shared::domain::holder::HolderId;
use shared::domain::language::Language;
use shared::domain::message::Message;
use shared::domain::password_expiry::{ExpiringAccount, ExpiryWarning, WARNING_SPAN};
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{EntropyExt as _, StoreError};
use shared::settings::DirectoryKind;
use shared::verification::outgoing::Outgoing;
use thiserror::Error;

use super::{Failed, Ports};

/// The accounts that are warned at once.
const AT_ONCE: usize = 16;

/// Some people were not warned. The notes of their warnings were taken back, so that the next run warns them.
#[derive(Debug, Error)]
#[error("{failed} of {} warnings failed", failed + sent)]
pub struct NotWarned {
    failed: usize,
    sent: usize,
    #[source]
    first: Failed,
}

/// Sends the warnings that are due. It reads the accounts page by page, so its memory does not grow with their number,
/// and contacts only of those who are warned. A person whose warning fails hinders no other.
///
/// Each warning is noted before it is queued: of two runs at once, one sends it. A run that ends between the two loses
/// the warning, and the person gets the next one.
///
/// # Errors
/// [`NotWarned`], or the failure of a page.
pub async fn warn(ports: &Ports) -> Result<(), Failed> {
    // The built-in directory's passwords never expire.
    if ports.settings.directory == DirectoryKind::Builtin {
        return Ok(());
    }
    let now = ports.clock.now();
    let (mut sent, mut failed, mut first) = (0, 0, None);
    let mut next = None;
    loop {
        let page = ports.expiries.expiring(now, now + WARNING_SPAN, next.as_deref()).await?;
        for accounts in page.accounts.chunks(AT_ONCE) {
            for result in join_all(accounts.iter().map(|account| warn_one(ports, account, now))).await {
                match result {
                    Ok(was_sent) => sent += usize::from(was_sent),
                    Err(error) => {
                        failed += 1;
                        first.get_or_insert(error);
                    }
                }
            }
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    tracing::info!(event = "password_expiry.warned", sent, failed);
    first.map_or(Ok(()), |first| Err(NotWarned { failed, sent, first }.into()))
}

/// Warns a person if a warning is due. Returns whether one was queued.
async fn warn_one(ports: &Ports, expiring: &ExpiringAccount, now: Timestamp) -> Result<bool, Failed> {
    let Some(warning) = expiring.due(now, &ports.settings.time_zone) else { return Ok(false) };
    let account = &expiring.account;
    let registration = match ports.security_info.registration(&account.id, now).await {
        Ok(registration) => registration,
        // The organisation's mailbox is known all the same.
        Err(StoreError::Unreadable(_)) => Registration::default(),
        Err(error) => return Err(error.into()),
    };
    let language = ports.settings.languages.first().copied().unwrap_or(Language::English);
    let notices = expiring.notices(&registration, language);
    if notices.is_empty() || !ports.expiries.note_warning(&account.id, warning).await? {
        return Ok(false);
    }
    let outgoing = Outgoing { queue: &*ports.queue, messages: &ports.messages, entropy: &*ports.entropy };
    let holder = HolderId::from_bytes(ports.entropy.bytes());
    let messages: Vec<Message> = notices.into_iter().map(Message::Notice).collect();
    if let Err(error) = outgoing.send(holder, &messages, Seconds(0)).await {
        take_back(ports, expiring, warning).await;
        return Err(Box::new(error));
    }
    Ok(true)
}

/// Takes the note of a warning back that the queue did not accept. If that fails too, the person gets the next warning.
async fn take_back(ports: &Ports, expiring: &ExpiringAccount, warning: ExpiryWarning) {
    let id = &expiring.account.id;
    if let Err(error) = ports.expiries.take_back_warning(id, warning, expiring.warned).await {
        tracing::warn!(event = "password_expiry.restore_failed", %error);
    }
}
