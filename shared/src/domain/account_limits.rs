//! The limits that protect an account over all its flows and sessions: messages, typed numbers, codes that a
//! device generates, passwords, changes of what is enrolled.
//!
//! Each counts in three tiers. A *network* (a /24, or a /48 of IPv6) gets a part of what *everyone* gets
//! together, so that a stranger on one network takes nothing from an owner on another. *Known devices* get
//! half as many again, for all of them together, so that strangers on many networks take nothing from them.
//!
//! All of an account's uses are in one item, its limit log, decoys included. It is a log, not a counter per
//! window, so that its limits slide: "five an hour" holds for every sixty minutes. Its size is bounded by the
//! limits, since a refused use leaves no entry.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::client::NetworkTag;
use super::method::Factor;
use super::time::{Seconds, Timestamp};

/// How long a factor stays closed after too many codes in a row without an answer.
const CLOSED: Seconds = Seconds::DAY;

/// Selects the uses that count together. A stranger can use up the first step's by naming an account. The
/// second step requires a verification, and enrolment the password, so theirs stay available to the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bucket {
    /// Open to anybody who knows a login.
    #[serde(rename = "1")]
    FirstStep,
    /// Open after one verification.
    #[serde(rename = "2")]
    SecondStep,
    /// Open after the password, at `/security-info`.
    #[serde(rename = "3")]
    Enrolment,
}

impl Bucket {
    /// Returns the bucket of a reset's step.
    pub const fn for_step(step: u8) -> Self {
        if step <= 1 { Self::FirstStep } else { Self::SecondStep }
    }
}

/// The client of a request, as the limits of an account tell clients apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its network.
    pub network: NetworkTag,
    /// Whether it is a known device of the account.
    pub known_device: bool,
}

impl Client {
    /// Returns the tiers that the client may use, in this order: what is left to known devices spares the
    /// others.
    fn tiers(self) -> impl Iterator<Item = Tier> {
        let known = self.known_device.then_some(Tier::KnownDevices);
        known.into_iter().chain([Tier::Network(self.network)])
    }
}

/// The tier that a use counts in. A network's uses count for everyone, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u16", into = "u16")]
enum Tier {
    KnownDevices,
    Network(NetworkTag),
}

impl From<u16> for Tier {
    fn from(stored: u16) -> Self {
        NetworkTag::from_stored(stored).map_or(Self::KnownDevices, Self::Network)
    }
}

impl From<Tier> for u16 {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::KnownDevices => 0,
            Tier::Network(tag) => tag.stored(),
        }
    }
}

/// The uses that each tier gets within one span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TieredLimit {
    network: u8,
    everyone: u8,
    known_devices: u8,
}

impl TieredLimit {
    /// Returns the limit that gives `everyone` so many uses, and one network at most `network` of them.
    pub const fn new(everyone: u8, network: u8) -> Self {
        Self { network, everyone, known_devices: everyone.div_ceil(2) }
    }

    /// Returns the limit of messages: three of five to one network.
    pub const fn of_messages(everyone: u8) -> Self {
        // Two fifths, rounded down, are left to others.
        Self::new(everyone, everyone - everyone / 5 * 2 - everyone % 5 * 2 / 5)
    }

    /// Returns the limit of codes that a device generates: half to one network.
    pub const fn of_generated_codes(everyone: u8) -> Self {
        Self::new(everyone, everyone.div_ceil(2))
    }

    /// Returns the uses of all tiers together.
    pub fn total(self) -> u16 {
        u16::from(self.everyone) + u16::from(self.known_devices)
    }

    /// Returns whether the tier has a use left beside the earlier ones; the network is looked at first.
    fn admits(self, tier: Tier, earlier: impl Iterator<Item = Tier>) -> bool {
        let (mut own, mut everyone) = (0_u16, 0_u16);
        for other in earlier {
            own += u16::from(other == tier);
            everyone += u16::from(other != Tier::KnownDevices);
        }
        match tier {
            Tier::KnownDevices => own < self.known_devices.into(),
            Tier::Network(_) => own < self.network.into() && everyone < self.everyone.into(),
        }
    }
}

/// A use that the log remembers: when, and the tier that it took from. Whoever acquired it can refund exactly it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use(Timestamp, Tier);

impl Use {
    fn is_within(self, span: Seconds, now: Timestamp) -> bool {
        self.0.is_within(span, now)
    }
}

/// Removes the last entry that equals `entry`. Equal entries are interchangeable. Returns whether there was one.
fn remove_last<T: PartialEq>(entries: &mut Vec<T>, entry: &T) -> bool {
    let last = entries.iter().rposition(|other| other == entry);
    last.is_some_and(|at| {
        entries.remove(at);
        true
    })
}

/// Returns whether a tier has a use left in each of the limits, beside the earlier uses within its span.
fn fits(tier: Tier, earlier: &[Use], limits: &[(Seconds, TieredLimit)], now: Timestamp) -> bool {
    limits.iter().all(|(span, limit)| {
        limit.admits(tier, earlier.iter().filter(|used| used.is_within(*span, now)).map(|used| used.1))
    })
}

/// Returns the use of the first of a client's tiers that fits.
fn acquire(
    client: Client,
    earlier: &[Use],
    limits: &[(Seconds, TieredLimit)],
    now: Timestamp,
) -> Result<Use, RateLimitExceeded> {
    let tier = client.tiers().find(|tier| fits(*tier, earlier, limits, now));
    tier.map(|tier| Use(now, tier)).ok_or(RateLimitExceeded)
}

/// Returns the use of the first of a client's tiers that has one left today.
///
/// # Errors
/// The time from which one has.
fn acquire_or_wait(
    client: Client,
    earlier: &[Use],
    limit: TieredLimit,
    now: Timestamp,
) -> Result<Use, Timestamp> {
    let at = |time| acquire(client, earlier, &[(Seconds::DAY, limit)], time);
    at(now).map_err(|_| {
        let ends = earlier.iter().map(|used| used.0 + Seconds::DAY);
        ends.filter(|end| at(*end).is_ok()).min().unwrap_or(now)
    })
}

/// The limits of messages and of typed numbers, from the settings. Each number is everyone's; see
/// [`TieredLimit`] for a network's and for known devices'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendLimits {
    /// Messages per factor and bucket within an hour. Protects the person from a flood and the operator from
    /// the cost; an impatient person waits up to an hour for that factor.
    pub per_hour: u8,
    /// Messages per factor and bucket within a day; mail in the first step has no such limit.
    pub per_day: u8,
    /// Requests to the devices of an account per bucket and hour. Bounds push fatigue: people approve
    /// anything after enough requests.
    pub pushes_per_hour: u8,
    /// Wrong numbers per flow. Completing `*****98` by brute force must not be practical.
    pub contacts_per_flow: u8,
    /// Wrong numbers per account, bucket and day, over all flows.
    pub contacts_per_day: TieredLimit,
    /// Unredeemed codes in a row before the factor closes for a day: another person probably requests them.
    pub unredeemed: TieredLimit,
}

impl SendLimits {
    /// Returns the messages to one factor within an hour.
    pub const fn hourly(&self, factor: Factor) -> TieredLimit {
        TieredLimit::of_messages(match factor {
            Factor::AuthenticatorApp => self.pushes_per_hour,
            _ => self.per_hour,
        })
    }

    /// Returns the messages to one factor within a day, if their number is limited. Mail in the first step
    /// isn't, so that it comes back within the hour whatever a stranger does: a mailbox can bear more than a
    /// phone, and its messages cost next to nothing.
    pub fn daily(&self, factor: Factor, bucket: Bucket) -> Option<TieredLimit> {
        (!is_never_closed(factor, bucket)).then(|| TieredLimit::of_messages(self.per_day))
    }

    /// Returns the most messages to one factor in the first step within a day, over all tiers.
    pub fn most_per_day(&self, factor: Factor) -> u16 {
        let hourly = self.hourly(factor).total().saturating_mul(24);
        self.daily(factor, Bucket::FirstStep).map_or(hourly, |daily| daily.total().min(hourly))
    }
}

/// Returns whether a factor is closed for at most an hour.
fn is_never_closed(factor: Factor, bucket: Bucket) -> bool {
    factor == Factor::AlternateEmail && bucket == Bucket::FirstStep
}

/// What clients used of an account's limits lately.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitLog {
    #[serde(default, rename = "s", skip_serializing_if = "Vec::is_empty")]
    counters: Vec<SendCounter>,
    /// Wrong numbers of the first step, and of later steps.
    #[serde(default, rename = "c", skip_serializing_if = "Vec::is_empty")]
    contact_attempts: Vec<(HolderPseudonym, Use)>,
    #[serde(default, rename = "d", skip_serializing_if = "Vec::is_empty")]
    later_contact_attempts: Vec<(HolderPseudonym, Use)>,
    /// Wrong codes of the authenticator app.
    #[serde(default, rename = "t", skip_serializing_if = "Vec::is_empty")]
    generated_codes: Vec<(Bucket, Use)>,
    /// Wrong passwords at `/security-info`.
    #[serde(default, rename = "p", skip_serializing_if = "Vec::is_empty")]
    passwords: Vec<Use>,
    /// Codes and changes of sessions at `/security-info`.
    #[serde(default, rename = "e", skip_serializing_if = "Vec::is_empty")]
    enrolment: Vec<(EnrolmentUse, Use)>,
}

/// What a session at `/security-info` uses of its account's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EnrolmentUse {
    /// A code, for a second step or a new contact.
    #[serde(rename = "c")]
    Code,
    /// The start of an addition, or a removal.
    #[serde(rename = "h")]
    Change,
}

/// The counters of one factor in one bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SendCounter {
    #[serde(rename = "f")]
    factor: Factor,
    #[serde(rename = "p")]
    bucket: Bucket,
    /// Sent messages, oldest first, none older than a day.
    #[serde(rename = "a")]
    sent: Vec<Use>,
    /// Codes in a row that were not redeemed.
    #[serde(rename = "u")]
    unredeemed: Vec<Tier>,
    /// The account's generation at the last message. A later generation means that a reset succeeded since.
    #[serde(rename = "g")]
    generation: u64,
}

/// A short reference to a flow, which distinguishes the flows of one account within a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HolderPseudonym(pub u32);

/// One message to be counted.
#[derive(Clone, Copy, Debug)]
pub struct SendRequest<'a> {
    /// The factor that the message goes to.
    pub factor: Factor,
    /// The bucket that counts the message.
    pub bucket: Bucket,
    /// The client that asks for it.
    pub client: Client,
    /// The account's generation that the flow stored at its start.
    pub generation: u64,
    /// The factors verified in this flow: their codes were redeemed.
    pub verified_factors: &'a [Factor],
}

impl LimitLog {
    /// Counts one attempt at typing a complete number, before the number is compared. Returns its use.
    ///
    /// # Errors
    /// [`RateLimitExceeded`] when the flow or the client's tiers have no attempt left.
    pub fn spend_contact_attempt(
        &mut self,
        flow: HolderPseudonym,
        bucket: Bucket,
        client: Client,
        now: Timestamp,
        limits: &SendLimits,
    ) -> Result<Use, RateLimitExceeded> {
        self.forget(now);
        let all = self.contact_attempts.iter().chain(&self.later_contact_attempts);
        let in_flow = all.filter(|(by, _)| *by == flow).count();
        if in_flow >= usize::from(limits.contacts_per_flow) {
            return Err(RateLimitExceeded);
        }
        let attempts = self.contact_attempts_in(bucket);
        let earlier: Vec<Use> = attempts.iter().map(|(_, used)| *used).collect();
        let used = acquire(client, &earlier, &[(Seconds::DAY, limits.contacts_per_day)], now)?;
        attempts.push((flow, used));
        Ok(used)
    }

    /// Refunds the attempt of a flow with the right number.
    pub fn refund_contact_attempt(&mut self, flow: HolderPseudonym, bucket: Bucket, used: Use) {
        remove_last(self.contact_attempts_in(bucket), &(flow, used));
    }

    const fn contact_attempts_in(&mut self, bucket: Bucket) -> &mut Vec<(HolderPseudonym, Use)> {
        match bucket {
            Bucket::FirstStep => &mut self.contact_attempts,
            Bucket::SecondStep | Bucket::Enrolment => &mut self.later_contact_attempts,
        }
    }

    /// Counts one message. Returns its use.
    ///
    /// # Errors
    /// [`RateLimitExceeded`] when the limit per hour, per day or of unredeemed codes is reached in each of
    /// the client's tiers. The log then only loses old entries.
    pub fn try_acquire_send(
        &mut self,
        send: &SendRequest<'_>,
        now: Timestamp,
        limits: &SendLimits,
    ) -> Result<Use, RateLimitExceeded> {
        self.forget(now);
        for counter in &mut self.counters {
            if send.verified_factors.contains(&counter.factor) || counter.generation != send.generation {
                counter.unredeemed.clear();
            }
        }
        let (factor, bucket) = (send.factor, send.bucket);
        let counter = self.counter(factor, bucket);
        let daily = limits.daily(factor, bucket).map(|daily| (Seconds::DAY, daily));
        let spans: Vec<_> = [(Seconds::HOUR, limits.hourly(factor))].into_iter().chain(daily).collect();
        let closes = bucket == Bucket::FirstStep && !is_never_closed(factor, bucket);
        let is_open = |tier| !closes || limits.unredeemed.admits(tier, counter.unredeemed.iter().copied());
        let mut tiers = send.client.tiers();
        let tier = tiers.find(|tier| is_open(*tier) && fits(*tier, &counter.sent, &spans, now));
        let tier = tier.ok_or(RateLimitExceeded)?;
        let used = Use(now, tier);
        counter.sent.push(used);
        if closes {
            counter.unredeemed.push(tier);
        }
        counter.generation = send.generation;
        Ok(used)
    }

    /// Refunds a message that was counted and not sent.
    pub fn refund_send(&mut self, factor: Factor, bucket: Bucket, used: Use) {
        let counter = self.counter(factor, bucket);
        if remove_last(&mut counter.sent, &used) {
            remove_last(&mut counter.unredeemed, &used.1);
        }
    }

    /// Counts one attempt at a code that a device generates, before it is compared. Returns its use.
    ///
    /// # Errors
    /// [`RateLimitExceeded`] when the client's tiers have no attempt left today.
    pub fn spend_generated_code(
        &mut self,
        bucket: Bucket,
        client: Client,
        now: Timestamp,
        limit: TieredLimit,
    ) -> Result<Use, RateLimitExceeded> {
        self.forget(now);
        let earlier: Vec<Use> =
            self.generated_codes.iter().filter(|(of, _)| *of == bucket).map(|(_, used)| *used).collect();
        let used = acquire(client, &earlier, &[(Seconds::DAY, limit)], now)?;
        self.generated_codes.push((bucket, used));
        Ok(used)
    }

    /// Refunds an attempt whose code is right.
    pub fn refund_generated_code(&mut self, bucket: Bucket, used: Use) {
        remove_last(&mut self.generated_codes, &(bucket, used));
    }

    /// Counts a password as wrong, before it is compared. Returns its use.
    ///
    /// # Errors
    /// The time from which the client's tiers have one left again.
    pub fn spend_password(
        &mut self,
        client: Client,
        now: Timestamp,
        limit: TieredLimit,
    ) -> Result<Use, Timestamp> {
        self.forget(now);
        let used = acquire_or_wait(client, &self.passwords, limit, now)?;
        self.passwords.push(used);
        Ok(used)
    }

    /// Counts a code or a change of a session.
    ///
    /// # Errors
    /// The time from which the client's tiers have one left again.
    pub fn try_acquire_enrolment(
        &mut self,
        what: EnrolmentUse,
        client: Client,
        now: Timestamp,
        limit: TieredLimit,
    ) -> Result<(), Timestamp> {
        self.forget(now);
        let earlier: Vec<Use> =
            self.enrolment.iter().filter(|(of, _)| *of == what).map(|(_, used)| *used).collect();
        self.enrolment.push((what, acquire_or_wait(client, &earlier, limit, now)?));
        Ok(())
    }

    /// Refunds a password that is right.
    pub fn refund_password(&mut self, used: Use) {
        remove_last(&mut self.passwords, &used);
    }

    /// Returns the passwords that were wrong within the last hour.
    pub fn recent_wrong_passwords(&self, now: Timestamp) -> usize {
        self.passwords.iter().filter(|used| used.is_within(Seconds::HOUR, now)).count()
    }

    fn counter(&mut self, factor: Factor, bucket: Bucket) -> &mut SendCounter {
        let found =
            self.counters.iter().position(|counter| counter.factor == factor && counter.bucket == bucket);
        let at = found.unwrap_or_else(|| {
            self.counters.push(SendCounter {
                factor,
                bucket,
                sent: Vec::new(),
                unredeemed: Vec::new(),
                generation: 0,
            });
            self.counters.len() - 1
        });
        &mut self.counters[at]
    }

    /// Removes uses that no limit counts any more. A factor whose last message is a day old is open again.
    fn forget(&mut self, now: Timestamp) {
        let is_recent = |used: &Use| used.is_within(Seconds::DAY, now);
        for attempts in [&mut self.contact_attempts, &mut self.later_contact_attempts] {
            attempts.retain(|(_, used)| is_recent(used));
        }
        self.generated_codes.retain(|(_, used)| is_recent(used));
        self.passwords.retain(is_recent);
        self.enrolment.retain(|(_, used)| is_recent(used));
        for counter in &mut self.counters {
            // The run of unredeemed codes spans days. A tier's part ends after a whole day without a message
            // in it, not entry by entry: the messages of known devices don't keep the factor closed to others.
            let of_known_devices = |tier: &Tier| *tier == Tier::KnownDevices;
            for known in [true, false] {
                let mut sent = counter.sent.iter().filter(|used| of_known_devices(&used.1) == known);
                if !sent.any(|used| used.is_within(CLOSED, now)) {
                    counter.unredeemed.retain(|tier| of_known_devices(tier) != known);
                }
            }
            let counted =
                if is_never_closed(counter.factor, counter.bucket) { Seconds::HOUR } else { Seconds::DAY };
            counter.sent.retain(|used| used.is_within(counted, now));
        }
        self.counters.retain(|counter| !counter.sent.is_empty());
    }
}

/// No tier of the client has a use left.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the rate limit is exceeded")]
pub struct RateLimitExceeded;

#[cfg(test)]
mod tests;
