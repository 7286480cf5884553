//! Apps that show codes (RFC 6238): a QR code shows the seed, and a code of the app confirms it.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use shared::domain::account::Account;
use shared::domain::code::OneTimeCode;
use shared::domain::cookie::HolderCookie;
use shared::domain::security_info::{EntryId, Secret};
use shared::domain::session::Pending;
use shared::domain::totp::TotpSeed;
use shared::http::HandlerResult;
use shared::http::problem::Problem;
use shared::http::security_info::Needs;
use shared::ports::EntropyExt as _;

use super::{Confirmed, WRONG, Waiting, qr};
use crate::ports::Ports;
use crate::seal;

/// Generates a seed and seals it for the session.
pub(super) fn begin(ports: &Ports, cookie: &HolderCookie, id: EntryId) -> HandlerResult<Pending> {
    let seed = TotpSeed::generate(ports.entropy.bytes());
    let sealed = seal::seal(ports, cookie, seed.expose())?;
    Ok(Pending { id, shown: String::new(), sealed, challenge: None })
}

/// Returns the seed as a QR code and as text to type.
pub(super) fn needs(waiting: &Waiting<'_>) -> HandlerResult<Needs> {
    let secret = waiting.open_sealed()?;
    let otpauth = otpauth(&waiting.ports.app.settings.organisation, waiting.account, &secret);
    Ok(Needs::Seed { qr: qr::qr(&otpauth), secret, otpauth })
}

/// Checks a code of the app. Its time step counts as used, so the same code can't verify a reset.
pub(super) fn confirm(
    waiting: &Waiting<'_>,
    code: &OneTimeCode,
) -> HandlerResult<Result<Confirmed, Problem>> {
    let ports = waiting.ports;
    let seed = TotpSeed::parse(&waiting.open_sealed()?).map_err(|_| Problem::FlowEnded)?;
    let Some(step) = seed.matching_step(code, waiting.now) else { return Ok(Err(WRONG)) };
    let owner = waiting.account.id.as_str();
    let sealed_seed = seed.seal(&ports.seeds, owner, ports.entropy.bytes())?;
    Ok(Ok(Confirmed::other(String::new(), Secret::Totp { sealed_seed, step })))
}

/// Returns the `otpauth:` URI (Google's Key Uri Format). It has issuer and login, and apps list an entry by both.
fn otpauth(organisation: &str, account: &Account, secret: &str) -> String {
    let plain = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let login = account.logins.first().map_or(account.name.as_str(), String::as_str);
    let (issuer, login) = (plain(organisation), plain(login));
    format!(
        "otpauth://totp/{issuer}:{login}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30"
    )
}
