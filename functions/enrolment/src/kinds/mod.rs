//! The kinds of entries: each begins, shows itself while it waits, and is confirmed.

pub(crate) mod authenticator;
pub(crate) mod contact;
pub(crate) mod passkey;
mod qr;
pub(crate) mod recovery_codes;
pub(crate) mod totp;

use shared::domain::account::{Account, Registration};
use shared::domain::code::OneTimeCode;
use shared::domain::cookie::HolderCookie;
use shared::domain::security_info::{EntryId, Kind, Secret};
use shared::domain::session::{Pending, Session};
use shared::domain::time::Timestamp;
use shared::http::problem::Problem;
use shared::http::security_info::Needs;
use shared::http::{HandlerResult, IncomingRequest};

use super::ports::Ports;
use contact::OwnedContact;

/// A waiting entry in the session of `cookie`.
pub(crate) struct Waiting<'a> {
    pub(crate) ports: &'a Ports,
    pub(crate) cookie: &'a HolderCookie,
    pub(crate) session: &'a Session,
    pub(crate) pending: &'a Pending,
    pub(crate) account: &'a Account,
    pub(crate) now: Timestamp,
}

impl Waiting<'_> {
    /// Opens the sealed text of the entry, kept in the session until it is confirmed.
    fn open_sealed(&self) -> HandlerResult<String> {
        super::seal::open(self.ports, self.cookie, &self.pending.sealed)
    }
}

/// The answer that confirms an entry.
pub(crate) enum Answer {
    /// Digits, from a message, an app or a device.
    Code(OneTimeCode),
    /// The attestation of a new passkey.
    Passkey(passkey::Attestation),
    /// The statement that the recovery codes were saved, perhaps with one of them typed.
    Saved(Option<recovery_codes::RecoveryCode>),
}

impl Answer {
    /// The form field of the answer for `kind`.
    pub(crate) const fn field(kind: Kind) -> &'static str {
        if matches!(kind, Kind::Passkey) { "assertion" } else { "code" }
    }

    /// Parses an answer; `None` for text that this kind can't have.
    pub(crate) fn read(kind: Kind, typed: Option<&str>) -> Option<Self> {
        match kind {
            Kind::Passkey => passkey::Attestation::parse(typed?).ok().map(Self::Passkey),
            // Only the owner knows whether the codes were saved; typing one of them shows it.
            Kind::RecoveryCodes => match typed {
                None => Some(Self::Saved(None)),
                Some(typed) => {
                    recovery_codes::RecoveryCode::parse(typed).ok().map(|code| Self::Saved(Some(code)))
                }
            },
            _ => OneTimeCode::parse(typed?).ok().map(Self::Code),
        }
    }
}

/// A confirmed entry that is to be written.
pub(crate) struct Confirmed {
    /// The part that pages may show, masked.
    pub(crate) shown: String,
    value: EntryValue,
}

enum EntryValue {
    Contact(OwnedContact),
    Other(Secret<'static>),
}

impl Confirmed {
    fn contact(shown: String, contact: OwnedContact) -> Self {
        Self { shown, value: EntryValue::Contact(contact) }
    }

    fn other(shown: String, secret: Secret<'static>) -> Self {
        Self { shown, value: EntryValue::Other(secret) }
    }

    /// The secret to store.
    pub(crate) fn secret(&self) -> Secret<'_> {
        match &self.value {
            EntryValue::Contact(contact) => Secret::Contact(contact.as_contact()),
            EntryValue::Other(secret) => secret.clone(),
        }
    }

    /// The new contact, to notify it too.
    pub(crate) fn registration(&self, kind: Kind) -> Registration {
        match &self.value {
            EntryValue::Contact(contact) => contact.registration(kind),
            EntryValue::Other(_) => Registration::default(),
        }
    }
}

/// Begins an entry without a contact: nothing is sent.
pub(crate) async fn begin(
    ports: &Ports,
    incoming: &IncomingRequest,
    cookie: &HolderCookie,
    account: &Account,
    id: EntryId,
    now: Timestamp,
) -> HandlerResult<Pending> {
    match id.kind() {
        Kind::Totp => totp::begin(ports, cookie, id),
        Kind::Authenticator => authenticator::begin(ports, cookie, account, id, now).await,
        Kind::Passkey => Ok(passkey::begin(ports, incoming, id, now)),
        _ => recovery_codes::begin(ports, cookie, account, id),
    }
}

/// Returns what the page shows until the entry is confirmed; `None` if the session no longer has it.
pub(crate) async fn needs(waiting: &Waiting<'_>) -> HandlerResult<Option<Needs>> {
    Ok(match waiting.pending.id.kind() {
        Kind::Totp => Some(totp::needs(waiting)?),
        Kind::Authenticator => Some(authenticator::needs(waiting)?),
        Kind::Passkey => passkey::needs(waiting).await?,
        Kind::RecoveryCodes => Some(recovery_codes::needs(waiting)?),
        Kind::AlternateEmail | Kind::Mobile | Kind::OfficePhone => contact::needs(waiting),
    })
}

/// Returns the entry to write if the answer is correct, otherwise the problem.
pub(crate) async fn confirm(
    waiting: &Waiting<'_>,
    answer: Answer,
) -> HandlerResult<Result<Confirmed, Problem>> {
    match (waiting.pending.id.kind(), answer) {
        (Kind::Totp, Answer::Code(code)) => totp::confirm(waiting, &code),
        (Kind::Authenticator, Answer::Code(code)) => authenticator::confirm(waiting, &code).await,
        (Kind::Passkey, Answer::Passkey(attestation)) => passkey::confirm(waiting, attestation).await,
        (Kind::RecoveryCodes, Answer::Saved(typed)) => recovery_codes::confirm(waiting, typed.as_ref()),
        (kind, Answer::Code(code)) if kind.is_contact() => contact::confirm(waiting, &code),
        _ => Err(Problem::FlowEnded.into()),
    }
}

/// A wrong answer; the handler adds the attempts left.
const WRONG: Problem = Problem::CodeWrong { attempts_left: None };
