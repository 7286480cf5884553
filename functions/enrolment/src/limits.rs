//! Rate limits across sessions, addresses and processes.

use shared::domain::account::AccountId;
use shared::domain::client::AddressBlock;
use shared::domain::name::NameRef;
use shared::domain::rate_limit::RateLimit;
use shared::domain::time::{Seconds, Timestamp};
use shared::http::Outcome;
use shared::http::problem::Problem;

use super::ports::Ports;

/// Sign-ins with one name in an hour that are not accepted, before a CAPTCHA is asked for. Two hours side by side have fewer
/// than lock an account of the built-in directory.
const REFUSED_PER_NAME: u64 = 2;
/// Sign-ins with one name in an hour before it is.
const SIGN_INS_PER_NAME: u64 = 10;
/// Sign-ins from one address in an hour before it is: a lecture hall registers at once.
const SIGN_INS_PER_ADDRESS: u64 = 300;
/// Codes for one account in a day, of second steps and of new contacts together.
const CODES_PER_DAY: u64 = 20;
/// Additions and removals of one account in a day: more than anybody registers, few enough to be no flood.
const CHANGES_PER_DAY: u64 = 40;

/// Whether a password may be tried without a CAPTCHA. The try is taken before, so that of many at once no more pass than may
/// fail; the name is counted whether or not somebody has it.
pub(crate) async fn sign_in(
    ports: &Ports,
    name: &NameRef,
    address: AddressBlock,
    now: Timestamp,
) -> Outcome<bool> {
    let by_address = ports.budgets.count(&RateLimit::SignInsOfAddress(address), now).await?;
    let by_name = ports.budgets.count(&RateLimit::SignInsOfName(*name), now).await?;
    let over = by_address > SIGN_INS_PER_ADDRESS || by_name > SIGN_INS_PER_NAME;
    Ok(!over && ports.budgets.take(&RateLimit::SignInsRefused(*name), REFUSED_PER_NAME, now).await?)
}

/// Gives back the try of a sign-in that was accepted.
pub(crate) async fn accepted(ports: &Ports, name: &NameRef, now: Timestamp) -> Outcome<()> {
    Ok(ports.budgets.give_back(&RateLimit::SignInsRefused(*name), now).await?)
}

/// Takes a change that is asked for: an addition that begins, or a removal. Each of them tells everybody by texts and
/// calls.
///
/// # Errors
/// [`Problem::SlowDown`] when the day's are used up.
pub(crate) async fn change(ports: &Ports, account: &AccountId, now: Timestamp) -> Outcome<()> {
    let changes = RateLimit::Changes(account.clone());
    if ports.budgets.take(&changes, CHANGES_PER_DAY, now).await? {
        return Ok(());
    }
    let left = Seconds(changes.window_end(now).seconds_after(now));
    Err(Problem::SlowDown(left).into())
}

/// Takes a code to be sent for an account.
pub(crate) async fn code(ports: &Ports, account: &AccountId, now: Timestamp) -> Outcome<bool> {
    Ok(ports.budgets.take(&RateLimit::EnrolmentCodes(account.clone()), CODES_PER_DAY, now).await?)
}

/// Takes a request to the account's devices.
pub(crate) async fn push(ports: &Ports, account: &AccountId, now: Timestamp) -> Outcome<bool> {
    let limit = u64::from(ports.site.settings.push_per_hour);
    Ok(ports.budgets.take(&RateLimit::PushRequests(account.clone()), limit, now).await?)
}
