//! Rate limits that all sessions, addresses and Lambda instances share.

use shared::domain::account::AccountId;
use shared::domain::account_limits::{
    Bucket, Client, EnrolmentUse, RateLimitExceeded, SendRequest, TieredLimit, Use,
};
use shared::domain::captcha::Effort;
use shared::domain::client::{AddressBlock, NetworkTag};
use shared::domain::method::Factor;
use shared::domain::rate_limit::RateLimit;
use shared::domain::session::Session;
use shared::domain::time::{Seconds, Timestamp};
use shared::http::HandlerResult;
use shared::http::problem::Problem;
use shared::ports::StoreError;
use shared::verification::{Refusal, limit_log};

use super::ports::Ports;

/// Wrong passwords of an account within an hour before a CAPTCHA is required, whatever login they came with.
const WRONG_PASSWORDS: usize = 2;
/// Sign-ins per address block and hour before a CAPTCHA is required. A full lecture hall may enrol at the same time.
const SIGN_INS_PER_ADDRESS: u64 = 300;
/// Codes per account and day, for second steps and new contacts together.
const CODES_PER_DAY: TieredLimit = TieredLimit::of_messages(20);
/// Additions and removals per account and day: more than a person needs, too few to flood contacts with
/// notifications.
const CHANGES_PER_DAY: TieredLimit = TieredLimit::of_messages(40);

/// The reasons not to check a password.
pub(crate) enum SignInRefusal {
    /// A CAPTCHA is required first.
    CaptchaRequired,
    /// The account has had too many wrong passwords, until this time.
    Paused(Timestamp),
    /// The store failed, so nothing was decided.
    Store(StoreError),
}

impl From<StoreError> for SignInRefusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Too many concurrent sign-ins.
impl From<RateLimitExceeded> for SignInRefusal {
    fn from(_: RateLimitExceeded) -> Self {
        Self::CaptchaRequired
    }
}

/// Counts one more sign-in from the address block. Returns the work of a CAPTCHA if it is above the limit.
pub(crate) async fn count_sign_in(
    ports: &Ports,
    address: AddressBlock,
    now: Timestamp,
) -> HandlerResult<Option<Effort>> {
    let by_address = ports.rate_limits.increment(&RateLimit::SignInsOfAddress(address), now).await?;
    Ok(Effort::above(by_address, SIGN_INS_PER_ADDRESS))
}

/// Counts a wrong password of an account, or of the decoy of a name without one, before the password is checked.
/// Concurrent sign-ins can't exceed the limit. `solved` says that a CAPTCHA was solved for this sign-in. Returns the
/// use, for a refund.
pub(crate) async fn spend_password(
    ports: &Ports,
    account: &AccountId,
    client: Client,
    solved: bool,
    now: Timestamp,
) -> Result<Use, SignInRefusal> {
    let limit = ports.app.settings.wrong_passwords();
    let spent = limit_log::change(&*ports.rate_limits, account, now, |log| {
        if !solved && log.recent_wrong_passwords(now) >= WRONG_PASSWORDS {
            return Err(SignInRefusal::CaptchaRequired);
        }
        log.spend_password(client, now, limit).map_err(SignInRefusal::Paused)
    });
    spent.await.map(|(used, _)| used)
}

/// Refunds a counted password, after an accepted sign-in.
pub(crate) async fn refund_password(
    ports: &Ports,
    account: &AccountId,
    used: Use,
    now: Timestamp,
) -> HandlerResult<()> {
    let refunded = limit_log::change(&*ports.rate_limits, account, now, |log| {
        log.refund_password(used);
        Ok::<_, SignInRefusal>(())
    });
    match refunded.await {
        Err(SignInRefusal::Store(error)) => Err(error.into()),
        // Contended: a right password then counts as a wrong one.
        _ => Ok(()),
    }
}

/// Takes a change: the start of an addition, or a removal. Each one notifies every contact, also by text and call.
///
/// # Errors
/// [`Problem::SlowDown`] if the day's limit is used up.
pub(crate) async fn acquire_change(
    ports: &Ports,
    session: &Session,
    network: NetworkTag,
    now: Timestamp,
) -> HandlerResult<()> {
    match acquire(ports, session, network, EnrolmentUse::Change, CHANGES_PER_DAY, now).await? {
        None => Ok(()),
        Some(again_at) => Err(Problem::SlowDown(Seconds(again_at.seconds_after(now))).into()),
    }
}

/// Acquires one code for an account; `false` if the day's limit is used up.
pub(crate) async fn try_acquire_code(
    ports: &Ports,
    session: &Session,
    network: NetworkTag,
    now: Timestamp,
) -> HandlerResult<bool> {
    Ok(acquire(ports, session, network, EnrolmentUse::Code, CODES_PER_DAY, now).await?.is_none())
}

/// Acquires one use of the account's limits. Returns the time of the next one if none is left.
async fn acquire(
    ports: &Ports,
    session: &Session,
    network: NetworkTag,
    what: EnrolmentUse,
    limit: TieredLimit,
    now: Timestamp,
) -> HandlerResult<Option<Timestamp>> {
    let client = client_of(session, network);
    let acquired = limit_log::change(&*ports.rate_limits, &session.context().account, now, |log| {
        log.try_acquire_enrolment(what, client, now, limit).map_err(UseRefusal::Exhausted)
    });
    match acquired.await {
        Ok(_) => Ok(None),
        Err(UseRefusal::Exhausted(again_at)) => Ok(Some(again_at)),
        Err(UseRefusal::Contended) => Ok(Some(now)),
        Err(UseRefusal::Store(error)) => Err(error.into()),
    }
}

/// The reasons not to count a use.
enum UseRefusal {
    /// None is left until this time.
    Exhausted(Timestamp),
    /// Too many concurrent requests.
    Contended,
    /// The store failed, so nothing was decided.
    Store(StoreError),
}

impl From<StoreError> for UseRefusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<RateLimitExceeded> for UseRefusal {
    fn from(_: RateLimitExceeded) -> Self {
        Self::Contended
    }
}

/// Returns the client of a session, as the limits of its account tell clients apart.
const fn client_of(session: &Session, network: NetworkTag) -> Client {
    Client { network, known_device: session.progress().known_device }
}

/// Acquires one approval request to the account's devices; `false` if the limit is used up.
pub(crate) async fn try_acquire_push(
    ports: &Ports,
    session: &Session,
    network: NetworkTag,
    now: Timestamp,
) -> HandlerResult<bool> {
    let progress = session.progress();
    let send = SendRequest {
        factor: Factor::AuthenticatorApp,
        bucket: Bucket::Enrolment,
        client: client_of(session, network),
        generation: progress.generation,
        verified_factors: &[],
    };
    let acquired = limit_log::change(&*ports.rate_limits, &session.context().account, now, |log| {
        Ok::<_, Refusal>(log.try_acquire_send(&send, now, &ports.app.settings.sends)?)
    });
    match acquired.await {
        Ok(_) => Ok(true),
        Err(Refusal::Failed(error)) => Err(error.into()),
        Err(_) => Ok(false),
    }
}
