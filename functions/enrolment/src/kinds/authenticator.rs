//! Devices with the authenticator app: a token pairs one, and the code that it shows confirms it.

use shared::domain::account::Account;
use shared::domain::code::OneTimeCode;
use shared::domain::cookie::HolderCookie;
use shared::domain::pairing::{Pairing, PairingToken, WaitingDevice};
use shared::domain::security_info::{EntryId, Secret};
use shared::domain::session::Pending;
use shared::domain::time::Timestamp;
use shared::http::HandlerResult;
use shared::http::problem::Problem;
use shared::http::security_info::Needs;
use shared::ports::{EntropyExt as _, PairingConfirmed};

use super::{Confirmed, WRONG, Waiting, qr};
use crate::ports::Ports;
use crate::seal;

/// Begins a pairing and returns its token.
pub(super) async fn begin(
    ports: &Ports,
    cookie: &HolderCookie,
    account: &Account,
    id: EntryId,
    now: Timestamp,
) -> HandlerResult<Pending> {
    let token = PairingToken::new(ports.entropy.bytes());
    let login = account.logins.first().unwrap_or(&account.name).clone();
    let holder = *cookie.id().as_bytes();
    let pairing = Pairing::begin(account.id.clone(), id.clone(), holder, login, now);
    ports.pairings.begin(token.key(), &pairing).await?;
    let sealed = seal::seal(ports, cookie, &token.expose())?;
    Ok(Pending { id, shown: String::new(), sealed, challenge: None })
}

/// Returns the address to open on the device. The token is the fragment, after `#`, so browsers never send it to a
/// server.
pub(super) fn needs(waiting: &Waiting<'_>) -> HandlerResult<Needs> {
    let site = &waiting.ports.app.settings.public_url;
    let pairing = format!("{site}/authenticator#pair={}", waiting.open_sealed()?);
    Ok(Needs::Authenticator { qr: qr::qr(&pairing), pairing })
}

/// Checks the code that the device shows, which the pairing store compares.
pub(super) async fn confirm(
    waiting: &Waiting<'_>,
    code: &OneTimeCode,
) -> HandlerResult<Result<Confirmed, Problem>> {
    let Waiting { ports, cookie, account, now, .. } = waiting;
    let key = PairingToken::parse(&waiting.open_sealed()?).ok_or(Problem::FlowEnded)?.key();
    let tag = key.code_tag(&ports.app.flows, code).ok_or(Problem::FlowEnded)?;
    let outcome = ports.pairings.confirm(key, &account.id, cookie.id().as_bytes(), tag, *now).await?;
    Ok(match outcome {
        PairingConfirmed::Confirmed(device) => {
            let WaitingDevice { key, subscription, name, .. } = *device;
            Ok(Confirmed::other(name, Secret::Authenticator { public_key: key.to_bytes(), subscription }))
        }
        PairingConfirmed::Wrong { attempts_left } => {
            Err(Problem::CodeWrong { attempts_left: Some(attempts_left) })
        }
        PairingConfirmed::NotYet => Err(WRONG),
        PairingConfirmed::Spent | PairingConfirmed::Gone => Err(Problem::CodeSpent),
    })
}
