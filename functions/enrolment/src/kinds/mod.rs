//! The kinds of entries: how each is begun, shown while it waits, and confirmed.

pub(crate) mod authenticator;
pub(crate) mod contact;
pub(crate) mod passkey;
mod qr;
pub(crate) mod recovery_codes;
pub(crate) mod totp;

use shared::domain::account::{Account, Registration};
use shared::domain::code::OneTimeCode;
use shared::domain::cookie::HolderCookie;
use shared::domain::security_info::{EntryId, Kind};
use shared::domain::session::{Pending, Session};
use shared::domain::time::Timestamp;
use shared::http::problem::Problem;
use shared::http::security_info::Needs;
use shared::http::{Incoming, Outcome};
use shared::ports::Secret;

use super::ports::Ports;
use contact::OwnedContact;

/// What waits of an entry, in the session of `cookie`.
pub(crate) struct Waiting<'a> {
    pub(crate) ports: &'a Ports,
    pub(crate) cookie: &'a HolderCookie,
    pub(crate) session: &'a Session,
    pub(crate) pending: &'a Pending,
    pub(crate) account: &'a Account,
    pub(crate) now: Timestamp,
}

impl Waiting<'_> {
    /// What is kept of it until it is confirmed.
    fn kept(&self) -> Outcome<String> {
        super::seal::open(self.ports, self.cookie, &self.pending.sealed)
    }
}

/// What confirms an entry, as it was typed or signed.
pub(crate) enum Answer {
    /// A code of digits.
    Code(OneTimeCode),
    /// A passkey's own word.
    Passkey(passkey::Attestation),
    /// That the recovery codes are kept, perhaps with one of them.
    Kept(Option<recovery_codes::RecoveryCode>),
}

impl Answer {
    /// The field that the answer for `kind` stands in.
    pub(crate) const fn field(kind: Kind) -> &'static str {
        if matches!(kind, Kind::Passkey) { "assertion" } else { "code" }
    }

    /// Reads an answer; `None` for nothing that this kind could have.
    pub(crate) fn read(kind: Kind, typed: Option<&str>) -> Option<Self> {
        match kind {
            Kind::Passkey => passkey::Attestation::parse(typed?).ok().map(Self::Passkey),
            // That they are kept only their owner can tell; who types one of them shows it.
            Kind::RecoveryCodes => match typed {
                None => Some(Self::Kept(None)),
                Some(typed) => {
                    recovery_codes::RecoveryCode::parse(typed).ok().map(|code| Self::Kept(Some(code)))
                }
            },
            _ => OneTimeCode::parse(typed?).ok().map(Self::Code),
        }
    }
}

/// An entry that was confirmed and is to be written.
pub(crate) struct Confirmed {
    /// What may be shown of it.
    pub(crate) shown: String,
    what: What,
}

enum What {
    Contact(OwnedContact),
    Other(Secret<'static>),
}

impl Confirmed {
    fn contact(shown: String, contact: OwnedContact) -> Self {
        Self { shown, what: What::Contact(contact) }
    }

    fn other(shown: String, secret: Secret<'static>) -> Self {
        Self { shown, what: What::Other(secret) }
    }

    /// What it holds.
    pub(crate) fn secret(&self) -> Secret<'_> {
        match &self.what {
            What::Contact(contact) => Secret::Contact(contact.as_contact()),
            What::Other(secret) => secret.clone(),
        }
    }

    /// The contact that it brings, to be notified of it.
    pub(crate) fn registration(&self, kind: Kind) -> Registration {
        match &self.what {
            What::Contact(contact) => contact.registration(kind),
            What::Other(_) => Registration::default(),
        }
    }
}

/// Begins an entry that has no contact: it is shown or asked for, and nothing is sent.
pub(crate) async fn begin(
    ports: &Ports,
    incoming: &Incoming,
    cookie: &HolderCookie,
    account: &Account,
    id: EntryId,
    now: Timestamp,
) -> Outcome<Pending> {
    match id.kind() {
        Kind::Totp => totp::begin(ports, cookie, id),
        Kind::Authenticator => authenticator::begin(ports, cookie, account, id, now).await,
        Kind::Passkey => Ok(passkey::begin(ports, incoming, id, now)),
        _ => recovery_codes::begin(ports, cookie, account, id),
    }
}

/// What its page shows until it is confirmed; nothing where the session has lost it.
pub(crate) async fn needs(waiting: &Waiting<'_>) -> Outcome<Option<Needs>> {
    Ok(match waiting.pending.id.kind() {
        Kind::Totp => Some(totp::needs(waiting)?),
        Kind::Authenticator => Some(authenticator::needs(waiting)?),
        Kind::Passkey => passkey::needs(waiting).await?,
        Kind::RecoveryCodes => Some(recovery_codes::needs(waiting)?),
        Kind::AlternateEmail | Kind::Mobile | Kind::OfficePhone => contact::needs(waiting),
    })
}

/// What is to be written, if the answer is right; else why not.
pub(crate) async fn confirm(waiting: &Waiting<'_>, answer: Answer) -> Outcome<Result<Confirmed, Problem>> {
    match (waiting.pending.id.kind(), answer) {
        (Kind::Totp, Answer::Code(code)) => totp::confirm(waiting, &code),
        (Kind::Authenticator, Answer::Code(code)) => authenticator::confirm(waiting, &code).await,
        (Kind::Passkey, Answer::Passkey(attestation)) => passkey::confirm(waiting, attestation).await,
        (Kind::RecoveryCodes, Answer::Kept(typed)) => recovery_codes::confirm(waiting, typed.as_ref()),
        (kind, Answer::Code(code)) if kind.is_contact() => contact::confirm(waiting, &code),
        _ => Err(Problem::FlowEnded.into()),
    }
}

/// A wrong answer.
const WRONG: Problem = Problem::CodeWrong { attempts_left: None };
