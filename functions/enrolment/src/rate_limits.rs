//! Rate limits that all sessions, addresses and Lambda instances share.

use shared::domain::account::AccountId;
use shared::domain::captcha::Effort;
use shared::domain::client::AddressBlock;
use shared::domain::name::NameRef;
use shared::domain::rate_limit::RateLimit;
use shared::domain::time::{Seconds, Timestamp};
use shared::http::HandlerResult;
use shared::http::problem::Problem;

use super::ports::Ports;

/// Rejected sign-ins per name and hour before a CAPTCHA is required. Two adjacent hours have fewer than lock an
/// account of the built-in directory.
const REFUSED_PER_NAME: u64 = 2;
/// Sign-ins per name and hour before a CAPTCHA is required.
const SIGN_INS_PER_NAME: u64 = 10;
/// Sign-ins per address block and hour before a CAPTCHA is required. A full lecture hall may enrol at the same time.
const SIGN_INS_PER_ADDRESS: u64 = 300;
/// Codes per account and day, for second steps and new contacts together.
const CODES_PER_DAY: u64 = 20;
/// Additions and removals per account and day: more than a person needs, too few to flood contacts with
/// notifications.
const CHANGES_PER_DAY: u64 = 40;

/// Counts one more sign-in with the name and from the address block. Returns the work of a CAPTCHA if one is above its
/// limit. A name is counted whether or not it has an account.
pub(crate) async fn count_sign_in(
    ports: &Ports,
    name: &NameRef,
    address: AddressBlock,
    now: Timestamp,
) -> HandlerResult<Option<Effort>> {
    let by_address = ports.rate_limits.increment(&RateLimit::SignInsOfAddress(address), now).await?;
    let by_name = ports.rate_limits.increment(&RateLimit::SignInsOfName(*name), now).await?;
    let of_address = Effort::above(by_address, SIGN_INS_PER_ADDRESS);
    Ok(of_address.max(Effort::above(by_name, SIGN_INS_PER_NAME)))
}

/// Returns whether a password may be checked without a CAPTCHA, though it may be rejected. The rejection is counted
/// first and refunded later, so that concurrent sign-ins can't exceed the limit.
pub(crate) async fn try_acquire_sign_in(
    ports: &Ports,
    name: &NameRef,
    now: Timestamp,
) -> HandlerResult<bool> {
    Ok(ports.rate_limits.try_acquire(&RateLimit::SignInsRefused(*name), REFUSED_PER_NAME, now).await?)
}

/// Refunds the counted rejection after an accepted sign-in.
pub(crate) async fn refund_sign_in(ports: &Ports, name: &NameRef, now: Timestamp) -> HandlerResult<()> {
    Ok(ports.rate_limits.refund(&RateLimit::SignInsRefused(*name), now).await?)
}

/// Takes a change: the start of an addition, or a removal. Each one notifies every contact, also by text and call.
///
/// # Errors
/// [`Problem::SlowDown`] if the day's limit is used up.
pub(crate) async fn acquire_change(ports: &Ports, account: &AccountId, now: Timestamp) -> HandlerResult<()> {
    let changes = RateLimit::Changes(account.clone());
    if ports.rate_limits.try_acquire(&changes, CHANGES_PER_DAY, now).await? {
        return Ok(());
    }
    let left = Seconds(changes.window_end(now).seconds_after(now));
    Err(Problem::SlowDown(left).into())
}

/// Acquires one code for an account; `false` if the day's limit is used up.
pub(crate) async fn try_acquire_code(
    ports: &Ports,
    account: &AccountId,
    now: Timestamp,
) -> HandlerResult<bool> {
    Ok(ports.rate_limits.try_acquire(&RateLimit::EnrolmentCodes(account.clone()), CODES_PER_DAY, now).await?)
}

/// Acquires one approval request to the account's devices; `false` if the limit is used up.
pub(crate) async fn try_acquire_push(
    ports: &Ports,
    account: &AccountId,
    now: Timestamp,
) -> HandlerResult<bool> {
    let limit = u64::from(ports.app.settings.push_per_hour);
    Ok(ports.rate_limits.try_acquire(&RateLimit::PushRequests(account.clone()), limit, now).await?)
}
