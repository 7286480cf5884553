//! How often one may try here, across sessions, addresses and processes.

use shared::domain::account::AccountId;
use shared::domain::flow::OLDER_ANSWERS;
use shared::domain::name::NameRef;
use shared::domain::session::{LIFETIME, Session, SessionCookie};
use shared::domain::time::{Seconds, Timestamp};
use shared::http::Outcome;
use shared::http::problem::{Code, Problem};

use super::Ports;

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
/// The pool of app codes and recovery codes that this page spends: the third, beside those of a reset's two steps.
const POOL: u8 = 3;

/// Whether a password may be tried without a CAPTCHA. The try is taken before, so that of many at once no more pass than may
/// fail; the name is counted whether or not somebody has it.
pub(crate) async fn sign_in(ports: &Ports, name: &NameRef, address: &str, now: Timestamp) -> Outcome<bool> {
    let (hour, until) = (hour(now), now + Seconds(2 * Seconds::HOUR.0));
    let by_address = ports.budgets.count(&format!("sign-ins-of-address#{address}#{hour}"), until).await?;
    let by_name = format!("sign-ins-of-name#{}#{hour}", hex::encode(name.as_bytes()));
    let by_name = ports.budgets.count(&by_name, until).await?;
    let over = by_address > SIGN_INS_PER_ADDRESS || by_name > SIGN_INS_PER_NAME;
    Ok(!over && ports.budgets.take(&refused(name, now), REFUSED_PER_NAME, until).await?)
}

/// Gives back the try of a sign-in that was accepted.
pub(crate) async fn accepted(ports: &Ports, name: &NameRef, now: Timestamp) -> Outcome<()> {
    Ok(ports.budgets.give_back(&refused(name, now)).await?)
}

fn refused(name: &NameRef, now: Timestamp) -> String {
    format!("sign-ins-refused#{}#{}", hex::encode(name.as_bytes()), hour(now))
}

fn hour(now: Timestamp) -> i64 {
    now.as_seconds().div_euclid(i64::from(Seconds::HOUR.0))
}

/// Takes a change that is asked for: an addition that begins, or a removal. Each of them may cost ten slow hashes, and tells
/// everybody by texts and calls.
///
/// # Errors
/// [`Code::SlowDown`] when the day's are used up.
pub(crate) async fn change(ports: &Ports, account: &AccountId, now: Timestamp) -> Outcome<()> {
    if of_day(ports, &format!("changes#{}", account.as_str()), CHANGES_PER_DAY, now).await? {
        return Ok(());
    }
    let day = i64::from(Seconds::DAY.0);
    let left = u32::try_from(day - now.as_seconds().rem_euclid(day)).ok();
    Err(Problem { retry_after: left, ..Problem::new(Code::SlowDown) }.into())
}

/// Takes a code to be sent for an account.
pub(crate) async fn code(ports: &Ports, account: &AccountId, now: Timestamp) -> Outcome<bool> {
    of_day(ports, &format!("enrolment-codes#{}", account.as_str()), CODES_PER_DAY, now).await
}

/// Takes a request to the account's devices.
pub(crate) async fn push(ports: &Ports, account: &AccountId, now: Timestamp) -> Outcome<bool> {
    let key = format!("push#{}#{}#{POOL}", account.as_str(), hour(now));
    let limit = u64::from(ports.site.settings.push_per_hour);
    Ok(ports.budgets.take(&key, limit, now + Seconds(2 * Seconds::HOUR.0)).await?)
}

/// Takes a look at a code of the account's app, or at one of its recovery codes.
pub(crate) async fn look(
    ports: &Ports,
    what: &str,
    limit: u64,
    account: &AccountId,
    now: Timestamp,
) -> Outcome<bool> {
    let day = now.as_seconds().div_euclid(i64::from(Seconds::DAY.0));
    let key = format!("{what}#{}#{day}#{POOL}", account.as_str());
    Ok(ports.budgets.take(&key, limit, now + Seconds(2 * Seconds::DAY.0)).await?)
}

/// Takes an answer that came with an older cookie, before it is compared.
pub(crate) async fn older(
    ports: &Ports,
    cookie: &SessionCookie,
    session: &Session,
    now: Timestamp,
) -> Outcome<bool> {
    let (key, until) = (cookie.key().older_answers(session.proofs), now + LIFETIME);
    Ok(ports.budgets.take(&key, OLDER_ANSWERS, until).await?)
}

async fn of_day(ports: &Ports, key: &str, limit: u64, now: Timestamp) -> Outcome<bool> {
    let day = now.as_seconds().div_euclid(i64::from(Seconds::DAY.0));
    Ok(ports.budgets.take(&format!("{key}#{day}"), limit, now + Seconds(2 * Seconds::DAY.0)).await?)
}
