//! The check of a password by a bind, which must never lock an entry.

use std::error::Error;
use std::time::Duration;

use shared::domain::account::AccountId;
use shared::domain::directory::{BindResult, Entry, EntryStanding};
use shared::domain::directory_call::{Password, ReadAnswer};
use shared::domain::time::Seconds;
use shared::ports::{EntropyExt as _, Principal};

use super::Ports;

/// The wrong passwords that must be left before a bind. One may be ours, and the other one is the owner's.
const ATTEMPTS_LEFT_MIN: u32 = 2;

/// The length of a lease. It is longer than the function's timeout of ten seconds, so that a request whose bind hangs
/// never meets a second bind.
const LEASE: Seconds = Seconds(15);

/// How often a request asks for the lease, and the pause between: three seconds together.
const POLLS: u8 = 30;
const POLL_EVERY: Duration = Duration::from_millis(100);

/// Checks a password. Every id takes the same calls: lease, entry, bind, release.
pub(super) async fn check(
    ports: &Ports,
    account: &AccountId,
    password: &Password,
) -> Result<ReadAnswer, Box<dyn Error + Send + Sync>> {
    let holder = ports.entropy.bytes();
    for poll in 0.. {
        let now = ports.clock.now();
        if ports.binds.acquire_bind(account, holder, now, now + LEASE).await? {
            break;
        }
        if poll == POLLS {
            return Err("another check of the same account takes too long".into());
        }
        ports.timer.sleep(POLL_EVERY).await;
    }
    let entry = ports.live.entry(account).await?;
    let principal = match &entry {
        Some(entry) if may_bind(entry) => Principal::Entry(entry),
        _ => Principal::Nobody,
    };
    let result = ports.live.bind(principal, password.expose()).await?;
    // After a failure the directory may still count the bind, so the lease stays until it expires.
    ports.binds.release_bind(account, holder).await?;
    Ok(match (principal, result) {
        // A password that must be changed was right: the person may enrol, and sets another one elsewhere.
        (Principal::Entry(_), BindResult::Accepted | BindResult::MustChange) => ReadAnswer::Accepted,
        (Principal::Nobody, _) | (_, BindResult::Refused) => ReadAnswer::Refused,
    })
}

/// Returns whether one more wrong password would leave the entry unlocked.
fn may_bind(entry: &Entry) -> bool {
    entry.standing == EntryStanding::Eligible
        && !entry.is_locked
        && entry.attempts_left.is_none_or(|left| left >= ATTEMPTS_LEFT_MIN)
}
