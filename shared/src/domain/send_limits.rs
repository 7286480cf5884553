//! Send limits that outlive a flow: how many messages go to an account's factors, and how many attempts its
//! numbers allow.
//!
//! The send log is one item per account, decoys included. It is a log, not a counter per window, so that its
//! limits slide: "five an hour" holds for every sixty minutes.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::method::Factor;
use super::time::{Seconds, Timestamp};

/// How long a factor stays closed after too many codes in a row without an answer.
const CLOSED: Seconds = Seconds::DAY;

/// Selects the counters of a message. A stranger can use up the first step's by naming an account. The second
/// step requires a verification, so the owner's next messages stay available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SendBucket {
    /// Open to anybody who knows a login.
    #[serde(rename = "1")]
    FirstStep,
    /// Open after one verification.
    #[serde(rename = "2")]
    SecondStep,
}

impl SendBucket {
    /// Returns the bucket of a step.
    pub const fn for_step(step: u8) -> Self {
        if step <= 1 { Self::FirstStep } else { Self::SecondStep }
    }
}

/// The limits of the send log, from the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendLimits {
    /// Messages per factor and bucket within an hour. Protects the person from a flood and the operator from
    /// the cost; an impatient person waits up to an hour for that factor.
    pub per_hour: u8,
    /// Messages per factor and bucket within a day.
    pub per_day: u8,
    /// Wrong numbers per flow. Completing `*****98` by brute force must not be practical.
    pub contacts_per_flow: u8,
    /// Wrong numbers per account, bucket and day, over all flows.
    pub contacts_per_day: u8,
    /// Unredeemed codes in a row before the factor closes for a day: another person probably requests them.
    pub unredeemed: u8,
}

/// The messages and wrong numbers of an account during the last day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendLog {
    #[serde(default, rename = "s", skip_serializing_if = "Vec::is_empty")]
    counters: Vec<SendCounter>,
    /// Wrong numbers of the first step, and of later steps.
    #[serde(default, rename = "c", skip_serializing_if = "Vec::is_empty")]
    contact_attempts: Vec<(HolderPseudonym, Timestamp)>,
    #[serde(default, rename = "d", skip_serializing_if = "Vec::is_empty")]
    later_contact_attempts: Vec<(HolderPseudonym, Timestamp)>,
}

/// The counters of one factor in one bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SendCounter {
    #[serde(rename = "f")]
    factor: Factor,
    #[serde(rename = "p")]
    bucket: SendBucket,
    /// Times of sent messages, oldest first, none older than a day.
    #[serde(rename = "a")]
    sent: Vec<Timestamp>,
    /// Codes in a row that were not redeemed.
    #[serde(rename = "u")]
    unredeemed: u8,
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
    pub bucket: SendBucket,
    /// The flow that sends the message.
    pub flow: HolderPseudonym,
    /// The account's generation that the flow stored at its start.
    pub generation: u64,
    /// The factors verified in this flow: their codes were redeemed.
    pub verified_factors: &'a [Factor],
}

impl SendLog {
    /// Counts one attempt at typing a complete number, before the number is compared.
    ///
    /// # Errors
    /// [`RateLimitExceeded`] when the flow or the account has no attempt left.
    pub fn spend_contact_attempt(
        &mut self,
        flow: HolderPseudonym,
        bucket: SendBucket,
        now: Timestamp,
        limits: &SendLimits,
    ) -> Result<(), RateLimitExceeded> {
        self.forget(now);
        let all = self.contact_attempts.iter().chain(&self.later_contact_attempts);
        let in_flow = all.filter(|(by, _)| *by == flow).count();
        let attempts = self.contact_attempts_in(bucket);
        if in_flow >= usize::from(limits.contacts_per_flow)
            || attempts.len() >= usize::from(limits.contacts_per_day)
        {
            return Err(RateLimitExceeded);
        }
        attempts.push((flow, now));
        Ok(())
    }

    /// Refunds an attempt with the right number.
    pub fn refund_contact_attempt(&mut self, flow: HolderPseudonym, bucket: SendBucket) {
        let attempts = self.contact_attempts_in(bucket);
        if let Some(at) = attempts.iter().rposition(|(by, _)| *by == flow) {
            attempts.remove(at);
        }
    }

    const fn contact_attempts_in(&mut self, bucket: SendBucket) -> &mut Vec<(HolderPseudonym, Timestamp)> {
        match bucket {
            SendBucket::FirstStep => &mut self.contact_attempts,
            SendBucket::SecondStep => &mut self.later_contact_attempts,
        }
    }

    /// Counts one message.
    ///
    /// # Errors
    /// [`RateLimitExceeded`] when the limit per hour, per day or of unredeemed codes is reached. The send log then only
    /// loses entries older than a day.
    pub fn try_acquire(
        &mut self,
        send: &SendRequest<'_>,
        now: Timestamp,
        limits: &SendLimits,
    ) -> Result<(), RateLimitExceeded> {
        self.forget(now);
        for counter in &mut self.counters {
            if send.verified_factors.contains(&counter.factor) || counter.generation != send.generation {
                counter.unredeemed = 0;
            }
        }
        let counter = self.counter(send.factor, send.bucket);
        let last_hour = counter.sent.iter().filter(|at| **at + Seconds::HOUR > now).count();
        if last_hour >= usize::from(limits.per_hour)
            || counter.sent.len() >= usize::from(limits.per_day)
            || counter.unredeemed >= limits.unredeemed
        {
            return Err(RateLimitExceeded);
        }
        counter.sent.push(now);
        counter.unredeemed = counter.unredeemed.saturating_add(1);
        counter.generation = send.generation;
        Ok(())
    }

    /// Refunds a message that was counted at `acquired_at` and not sent.
    pub fn refund(&mut self, factor: Factor, bucket: SendBucket, acquired_at: Timestamp) {
        let counter = self.counter(factor, bucket);
        if let Some(at) = counter.sent.iter().rposition(|at| *at == acquired_at) {
            counter.sent.remove(at);
            counter.unredeemed = counter.unredeemed.saturating_sub(1);
        }
    }

    fn counter(&mut self, factor: Factor, bucket: SendBucket) -> &mut SendCounter {
        let found =
            self.counters.iter().position(|counter| counter.factor == factor && counter.bucket == bucket);
        let at = found.unwrap_or_else(|| {
            self.counters.push(SendCounter {
                factor,
                bucket,
                sent: Vec::new(),
                unredeemed: 0,
                generation: 0,
            });
            self.counters.len() - 1
        });
        &mut self.counters[at]
    }

    /// Removes entries older than a day. A factor whose last message is that old is open again.
    fn forget(&mut self, now: Timestamp) {
        for attempts in [&mut self.contact_attempts, &mut self.later_contact_attempts] {
            attempts.retain(|(_, at)| at.is_within(Seconds::DAY, now));
        }
        for counter in &mut self.counters {
            // The run of unredeemed codes spans days. It ends after a whole day without a message, not entry
            // by entry.
            if !counter.sent.last().is_some_and(|last| last.is_within(CLOSED, now)) {
                counter.unredeemed = 0;
            }
            counter.sent.retain(|at| at.is_within(Seconds::DAY, now));
        }
        self.counters.retain(|counter| !counter.sent.is_empty());
    }
}

/// A limit of the send log is reached.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the rate limit is exceeded")]
pub struct RateLimitExceeded;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: SendLimits =
        SendLimits { per_hour: 5, per_day: 10, contacts_per_flow: 5, contacts_per_day: 10, unredeemed: 20 };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_790_000_000 + seconds)
    }

    fn send(factor: Factor, bucket: SendBucket) -> SendRequest<'static> {
        SendRequest { factor, bucket, flow: HolderPseudonym(1), generation: 0, verified_factors: &[] }
    }

    fn mobile(bucket: SendBucket) -> SendRequest<'static> {
        send(Factor::MobilePhone, bucket)
    }

    /// Controls: C-073.
    #[test]
    fn sends_per_hour_use_sliding_window() {
        let mut send_log = SendLog::default();
        for n in 0..5 {
            send_log.try_acquire(&mobile(SendBucket::FirstStep), at(3_500 + n), &LIMITS).unwrap();
        }
        assert_eq!(
            send_log.try_acquire(&mobile(SendBucket::FirstStep), at(3_700), &LIMITS),
            Err(RateLimitExceeded)
        );
        assert_eq!(
            send_log.try_acquire(&mobile(SendBucket::FirstStep), at(3_500 + 3_599), &LIMITS),
            Err(RateLimitExceeded)
        );
        send_log.try_acquire(&mobile(SendBucket::FirstStep), at(3_500 + 3_600), &LIMITS).unwrap();
    }

    /// Controls: C-073.
    #[test]
    fn sends_per_day_use_sliding_window() {
        let mut send_log = SendLog::default();
        for n in 0..10 {
            send_log.try_acquire(&mobile(SendBucket::FirstStep), at(n * 1_000), &LIMITS).unwrap();
        }
        assert_eq!(
            send_log.try_acquire(&mobile(SendBucket::FirstStep), at(86_399), &LIMITS),
            Err(RateLimitExceeded)
        );
        send_log.try_acquire(&mobile(SendBucket::FirstStep), at(86_400), &LIMITS).unwrap();
        assert_eq!(
            send_log.try_acquire(&mobile(SendBucket::FirstStep), at(86_400), &LIMITS),
            Err(RateLimitExceeded)
        );
    }

    /// Controls: C-067.
    #[test]
    fn first_bucket_serves_first_step_only() {
        assert_eq!(
            [0, 1, 2, 3].map(SendBucket::for_step),
            [SendBucket::FirstStep, SendBucket::FirstStep, SendBucket::SecondStep, SendBucket::SecondStep]
        );
    }

    /// Controls: C-067.
    #[test]
    fn exhausted_first_step_leaves_other_buckets_and_factors() {
        let mut send_log = SendLog::default();
        for n in 0..5 {
            send_log.try_acquire(&mobile(SendBucket::FirstStep), at(n), &LIMITS).unwrap();
        }
        assert_eq!(
            send_log.try_acquire(&mobile(SendBucket::FirstStep), at(6), &LIMITS),
            Err(RateLimitExceeded)
        );
        send_log.try_acquire(&mobile(SendBucket::SecondStep), at(6), &LIMITS).unwrap();
        send_log.try_acquire(&send(Factor::AlternateEmail, SendBucket::FirstStep), at(6), &LIMITS).unwrap();
    }

    /// Controls: C-012.
    #[test]
    fn unredeemed_codes_block_sends_until_idle_day() {
        let mut send_log = SendLog::default();
        let mut now = 0;
        for _ in 0..20 {
            now += 9_000; // below ten a day
            send_log.try_acquire(&mobile(SendBucket::FirstStep), at(now), &LIMITS).unwrap();
        }
        now += 9_000;
        assert_eq!(
            send_log.try_acquire(&mobile(SendBucket::FirstStep), at(now), &LIMITS),
            Err(RateLimitExceeded)
        );
        let quiet = now - 9_000 + 86_400;
        assert_eq!(
            send_log.try_acquire(&mobile(SendBucket::FirstStep), at(quiet - 1), &LIMITS),
            Err(RateLimitExceeded)
        );
        send_log.try_acquire(&mobile(SendBucket::FirstStep), at(quiet), &LIMITS).unwrap();
    }

    /// Controls: C-012.
    #[test]
    fn redeemed_code_or_completed_reset_restarts_unredeemed_count() {
        let run = |send_log: &mut SendLog| {
            let mut now = 0;
            for _ in 0..20 {
                now += 9_000;
                send_log.try_acquire(&mobile(SendBucket::FirstStep), at(now), &LIMITS).unwrap();
            }
            now + 9_000
        };
        let mut redeemed = SendLog::default();
        let now = run(&mut redeemed);
        let next = SendRequest {
            verified_factors: &[Factor::MobilePhone],
            ..send(Factor::AlternateEmail, SendBucket::SecondStep)
        };
        redeemed.try_acquire(&next, at(now), &LIMITS).unwrap();
        redeemed.try_acquire(&mobile(SendBucket::FirstStep), at(now), &LIMITS).unwrap();

        let mut finished = SendLog::default();
        let now = run(&mut finished);
        finished
            .try_acquire(&SendRequest { generation: 1, ..mobile(SendBucket::FirstStep) }, at(now), &LIMITS)
            .unwrap();
    }

    /// Controls: C-013.
    #[test]
    fn contact_attempts_are_limited_per_flow_and_day() {
        let mut send_log = SendLog::default();
        let spend = |send_log: &mut SendLog, flow, now| {
            send_log.spend_contact_attempt(HolderPseudonym(flow), SendBucket::FirstStep, at(now), &LIMITS)
        };
        for _ in 0..5 {
            spend(&mut send_log, 1, 0).unwrap();
        }
        assert_eq!(spend(&mut send_log, 1, 0), Err(RateLimitExceeded));
        assert_eq!(
            send_log.spend_contact_attempt(HolderPseudonym(1), SendBucket::SecondStep, at(0), &LIMITS),
            Err(RateLimitExceeded)
        );
        for _ in 0..5 {
            spend(&mut send_log, 2, 0).unwrap();
        }
        assert_eq!(spend(&mut send_log, 3, 0), Err(RateLimitExceeded));
        send_log.refund_contact_attempt(HolderPseudonym(2), SendBucket::SecondStep);
        assert_eq!(spend(&mut send_log, 3, 0), Err(RateLimitExceeded), "none of those was of this flow");
        send_log.refund_contact_attempt(HolderPseudonym(2), SendBucket::FirstStep);
        spend(&mut send_log, 3, 0).unwrap();
        assert_eq!(spend(&mut send_log, 3, 86_399), Err(RateLimitExceeded));
        spend(&mut send_log, 3, 86_400).unwrap();
    }

    /// Controls: C-067.
    #[test]
    fn exhausted_first_step_leaves_second_step_contact_attempts() {
        let mut send_log = SendLog::default();
        for n in 0..10 {
            send_log
                .spend_contact_attempt(HolderPseudonym(n / 5), SendBucket::FirstStep, at(0), &LIMITS)
                .unwrap();
        }
        for n in 0..10 {
            send_log
                .spend_contact_attempt(HolderPseudonym(7 + n / 5), SendBucket::SecondStep, at(0), &LIMITS)
                .unwrap();
        }
        assert_eq!(
            send_log.spend_contact_attempt(HolderPseudonym(9), SendBucket::SecondStep, at(0), &LIMITS),
            Err(RateLimitExceeded)
        );
    }

    /// Controls: C-069.
    #[test]
    fn unsent_message_is_refunded_once() {
        let mut send_log = SendLog::default();
        for n in 0..5 {
            send_log.try_acquire(&mobile(SendBucket::FirstStep), at(n), &LIMITS).unwrap();
        }
        send_log.refund(Factor::MobilePhone, SendBucket::FirstStep, at(4));
        send_log.refund(Factor::MobilePhone, SendBucket::FirstStep, at(4));
        send_log.refund(Factor::OfficePhone, SendBucket::FirstStep, at(3));
        send_log.try_acquire(&mobile(SendBucket::FirstStep), at(5), &LIMITS).unwrap();
        assert_eq!(
            send_log.try_acquire(&mobile(SendBucket::FirstStep), at(5), &LIMITS),
            Err(RateLimitExceeded)
        );
    }

    #[test]
    fn full_rate_limit_record_stays_below_1500_bytes() {
        let mut send_log = SendLog::default();
        for bucket in [SendBucket::FirstStep, SendBucket::SecondStep] {
            for factor in [Factor::AlternateEmail, Factor::MobilePhone, Factor::OfficePhone] {
                for n in 0..10 {
                    send_log.try_acquire(&send(factor, bucket), at(n * 1_000), &LIMITS).unwrap();
                }
            }
        }
        for n in 0..20 {
            let bucket = if n < 10 { SendBucket::FirstStep } else { SendBucket::SecondStep };
            send_log
                .spend_contact_attempt(HolderPseudonym(u32::MAX - n / 5), bucket, at(9_000), &LIMITS)
                .unwrap();
        }
        let stored = serde_json::to_string(&send_log).unwrap();
        assert!(
            stored.len() < 1_500,
            "a full send log has {} bytes; an ordinary one costs one write unit",
            stored.len()
        );
        assert_eq!(serde_json::from_str::<SendLog>(&stored).unwrap(), send_log);
    }

    /// The rules as a simple model: it keeps all events and counts them anew each time.
    #[derive(Default)]
    struct Naive {
        sent: Vec<(Factor, SendBucket, i64)>,
        /// For each factor and bucket, the number of messages sent until a code was last redeemed.
        redeemed: Vec<(Factor, SendBucket, usize)>,
        generation: u64,
        attempts: Vec<(u32, SendBucket, i64)>,
    }

    impl Naive {
        fn counter(&self, factor: Factor, bucket: SendBucket) -> Vec<i64> {
            let own = self.sent.iter().filter(|(f, p, _)| (*f, *p) == (factor, bucket));
            own.map(|(_, _, at)| *at).collect()
        }

        fn redeem(&mut self, factor: Factor, bucket: SendBucket) {
            let count = self.counter(factor, bucket).len();
            self.redeemed.push((factor, bucket, count));
        }

        fn try_acquire(&mut self, send: &SendRequest<'_>, now: i64, limits: SendLimits) -> bool {
            let all = [Factor::AlternateEmail, Factor::MobilePhone, Factor::OfficePhone]
                .into_iter()
                .flat_map(|factor| [(factor, SendBucket::FirstStep), (factor, SendBucket::SecondStep)]);
            for (factor, bucket) in all {
                let was_quiet = self.counter(factor, bucket).last().is_none_or(|last| last + 86_400 <= now);
                if was_quiet || send.verified_factors.contains(&factor) || send.generation != self.generation
                {
                    self.redeem(factor, bucket);
                }
            }
            self.generation = send.generation;
            let counter = self.counter(send.factor, send.bucket);
            let within = |span: i64| counter.iter().filter(|at| **at + span > now).count();
            let of_lane = self.redeemed.iter().filter(|(f, p, _)| (*f, *p) == (send.factor, send.bucket));
            let redeemed = of_lane.map(|(_, _, count)| *count).max().unwrap_or(0);
            let fits = within(3_600) < usize::from(limits.per_hour)
                && within(86_400) < usize::from(limits.per_day)
                && counter.len() - redeemed < usize::from(limits.unredeemed);
            if fits {
                self.sent.push((send.factor, send.bucket, now));
            }
            fits
        }

        fn try_contact(&mut self, flow: u32, bucket: SendBucket, now: i64, limits: SendLimits) -> bool {
            let today = self.attempts.iter().filter(|(_, _, at)| at + 86_400 > now);
            let of_flow = today.clone().filter(|(by, _, _)| *by == flow).count();
            let of_pool = today.filter(|(_, of, _)| *of == bucket).count();
            let fits = of_flow < usize::from(limits.contacts_per_flow)
                && of_pool < usize::from(limits.contacts_per_day);
            if fits {
                self.attempts.push((flow, bucket, now));
            }
            fits
        }
    }

    #[derive(Clone, Debug)]
    enum Act {
        Take { factor: Factor, bucket: SendBucket, verified_factors: Option<Factor>, sent: bool },
        Reset,
        Try { flow: u32, bucket: SendBucket, right: bool },
    }

    fn act() -> impl Strategy<Value = Act> {
        let factor = || {
            prop_oneof![
                5 => Just(Factor::MobilePhone), 1 => Just(Factor::AlternateEmail), 1 => Just(Factor::OfficePhone),
            ]
        };
        let bucket = || prop_oneof![3 => Just(SendBucket::FirstStep), 1 => Just(SendBucket::SecondStep)];
        let verified_factors = prop_oneof![12 => Just(None), 1 => factor().prop_map(Some)];
        let take = (factor(), bucket(), verified_factors, prop::bool::weighted(0.9)).prop_map(
            |(factor, bucket, verified_factors, sent)| Act::Take { factor, bucket, verified_factors, sent },
        );
        let attempt = (0_u32..4, bucket(), prop::bool::weighted(0.1))
            .prop_map(|(flow, bucket, right)| Act::Try { flow, bucket, right });
        prop_oneof![20 => take, 10 => attempt, 1 => Just(Act::Reset)]
    }

    proptest! {
        /// Controls: C-073.
        #[test]
        fn send_limits_match_naive_model(
            acts in prop::collection::vec((prop_oneof![4 => 0_i64..1_800, 2 => 0_i64..15_000, 1 => 0_i64..90_000], act()), 1..80),
            unredeemed in 6_u8..14,
        ) {
            let limits = SendLimits { unredeemed, ..LIMITS };
            let (mut send_log, mut naive, mut now, mut generation) = (SendLog::default(), Naive::default(), 0, 0);
            for (gap, act) in acts {
                now += gap;
                match act {
                    Act::Take { factor, bucket, verified_factors, sent } => {
                        let verified_factors = verified_factors.as_slice();
                        let send = SendRequest { factor, bucket, flow: HolderPseudonym(1), generation, verified_factors };
                        let taken = send_log.try_acquire(&send, at(now), &limits).is_ok();
                        prop_assert_eq!(taken, naive.try_acquire(&send, now, limits));
                        if taken && !sent {
                            send_log.refund(factor, bucket, at(now));
                            naive.sent.pop();
                        }
                    }
                    Act::Try { flow, bucket, right } => {
                        let spent = send_log.spend_contact_attempt(HolderPseudonym(flow), bucket, at(now), &limits).is_ok();
                        prop_assert_eq!(spent, naive.try_contact(flow, bucket, now, limits));
                        if spent && right {
                            send_log.refund_contact_attempt(HolderPseudonym(flow), bucket);
                            naive.attempts.pop();
                        }
                    }
                    Act::Reset => generation += 1,
                }
            }
            let stored = serde_json::to_string(&send_log).unwrap();
            prop_assert_eq!(serde_json::from_str::<SendLog>(&stored).unwrap(), send_log);
        }
    }
}
