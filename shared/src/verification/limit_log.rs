//! Changes to an account's limit log with optimistic locking: read, decide, write, and repeat on a conflict.

use crate::domain::account::AccountId;
use crate::domain::account_limits::{LimitLog, RateLimitExceeded};
use crate::domain::time::Timestamp;
use crate::ports::{RateLimitStore, StoreError, Versioned};

/// Writes made before giving up. Each conflict means that another request got through, and an account's limits
/// let few through at a time.
const MAX_WRITES: u8 = 40;

/// Reads the log of an account and changes it as `decide` says. Returns what `decide` returned, and the log as written.
///
/// # Errors
/// The error of `decide`, after which nothing is written, and failures of the store. After too many conflicts
/// the limit counts as exceeded.
pub async fn change<T, E>(
    store: &dyn RateLimitStore,
    account: &AccountId,
    now: Timestamp,
    decide: impl FnMut(&mut LimitLog) -> Result<T, E> + Send,
) -> Result<(T, Versioned<LimitLog>), E>
where
    T: Send,
    E: From<RateLimitExceeded> + From<StoreError>,
{
    let read = store.limit_log(account).await?;
    change_from(store, account, read, now, decide).await
}

/// Changes a log that was read or written before.
///
/// # Errors
/// As [`change`].
pub async fn change_from<T, E>(
    store: &dyn RateLimitStore,
    account: &AccountId,
    mut read: Versioned<LimitLog>,
    now: Timestamp,
    mut decide: impl FnMut(&mut LimitLog) -> Result<T, E> + Send,
) -> Result<(T, Versioned<LimitLog>), E>
where
    T: Send,
    E: From<RateLimitExceeded> + From<StoreError>,
{
    for _ in 0..MAX_WRITES {
        let decided = decide(&mut read.value)?;
        if let Some(revision) = store.replace_limit_log(account, read.revision, &read.value, now).await? {
            return Ok((decided, Versioned { revision, ..read }));
        }
        read = store.limit_log(account).await?;
    }
    Err(RateLimitExceeded.into())
}
