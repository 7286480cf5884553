//! Send limits that outlive a flow: how many messages go to an account's factors, and how often its numbers
//! may be guessed.
//!
//! The ledger is one item per account, decoys included. It is a log, not a counter per window, so that its
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
pub enum Pool {
    /// Open to anybody who knows a login.
    #[serde(rename = "1")]
    First,
    /// Open after one verification.
    #[serde(rename = "2")]
    Second,
}

impl Pool {
    /// Returns the pool of a step.
    pub const fn of_step(step: u8) -> Self {
        if step <= 1 { Self::First } else { Self::Second }
    }
}

/// The limits of the ledger, from the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendLimits {
    /// Messages per factor and pool within an hour. Protects the person from a flood and the operator from
    /// the cost; an impatient person waits up to an hour for that factor.
    pub per_hour: u8,
    /// Messages per factor and pool within a day.
    pub per_day: u8,
    /// Wrong numbers per flow. Completing `*****98` by guessing must not be practical.
    pub contacts_per_flow: u8,
    /// Wrong numbers per account, pool and day, over all flows.
    pub contacts_per_day: u8,
    /// Unredeemed codes in a row before the factor closes for a day: somebody else probably asks for them.
    pub unredeemed: u8,
}

/// The messages and wrong numbers of an account during the last day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendLedger {
    #[serde(default, rename = "s", skip_serializing_if = "Vec::is_empty")]
    lanes: Vec<Lane>,
    /// Wrong numbers of the first step, and of later steps.
    #[serde(default, rename = "c", skip_serializing_if = "Vec::is_empty")]
    contact_tries: Vec<(FlowMark, Timestamp)>,
    #[serde(default, rename = "d", skip_serializing_if = "Vec::is_empty")]
    later_contact_tries: Vec<(FlowMark, Timestamp)>,
}

/// The counters of one factor in one pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lane {
    #[serde(rename = "f")]
    factor: Factor,
    #[serde(rename = "p")]
    pool: Pool,
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
pub struct FlowMark(pub u32);

/// One message to be counted.
#[derive(Clone, Copy, Debug)]
pub struct Send<'a> {
    /// The factor that the message goes to.
    pub factor: Factor,
    /// The pool that counts the message.
    pub pool: Pool,
    /// The flow that sends the message.
    pub flow: FlowMark,
    /// The account's generation that the flow stored at its start.
    pub generation: u64,
    /// The factors verified in this flow: their codes were redeemed.
    pub proved: &'a [Factor],
}

impl SendLedger {
    /// Counts one attempt at typing a complete number, before the number is compared.
    ///
    /// # Errors
    /// [`Exhausted`] when the flow or the account has no attempt left.
    pub fn spend_contact_try(
        &mut self,
        flow: FlowMark,
        pool: Pool,
        now: Timestamp,
        limits: &SendLimits,
    ) -> Result<(), Exhausted> {
        self.forget(now);
        let all = self.contact_tries.iter().chain(&self.later_contact_tries);
        let in_flow = all.filter(|(by, _)| *by == flow).count();
        let tries = self.contact_tries_of(pool);
        if in_flow >= usize::from(limits.contacts_per_flow)
            || tries.len() >= usize::from(limits.contacts_per_day)
        {
            return Err(Exhausted);
        }
        tries.push((flow, now));
        Ok(())
    }

    /// Refunds an attempt with the right number.
    pub fn return_contact_try(&mut self, flow: FlowMark, pool: Pool) {
        let tries = self.contact_tries_of(pool);
        if let Some(at) = tries.iter().rposition(|(by, _)| *by == flow) {
            tries.remove(at);
        }
    }

    const fn contact_tries_of(&mut self, pool: Pool) -> &mut Vec<(FlowMark, Timestamp)> {
        match pool {
            Pool::First => &mut self.contact_tries,
            Pool::Second => &mut self.later_contact_tries,
        }
    }

    /// Counts one message.
    ///
    /// # Errors
    /// [`Exhausted`] when the limit per hour, per day or of unredeemed codes is reached. The ledger then only
    /// loses entries older than a day.
    pub fn take(&mut self, send: &Send<'_>, now: Timestamp, limits: &SendLimits) -> Result<(), Exhausted> {
        self.forget(now);
        for lane in &mut self.lanes {
            if send.proved.contains(&lane.factor) || lane.generation != send.generation {
                lane.unredeemed = 0;
            }
        }
        let lane = self.lane(send.factor, send.pool);
        let last_hour = lane.sent.iter().filter(|at| **at + Seconds::HOUR > now).count();
        if last_hour >= usize::from(limits.per_hour)
            || lane.sent.len() >= usize::from(limits.per_day)
            || lane.unredeemed >= limits.unredeemed
        {
            return Err(Exhausted);
        }
        lane.sent.push(now);
        lane.unredeemed = lane.unredeemed.saturating_add(1);
        lane.generation = send.generation;
        Ok(())
    }

    /// Refunds a message that was counted at `taken_at` and not sent.
    pub fn give_back(&mut self, factor: Factor, pool: Pool, taken_at: Timestamp) {
        let lane = self.lane(factor, pool);
        if let Some(at) = lane.sent.iter().rposition(|at| *at == taken_at) {
            lane.sent.remove(at);
            lane.unredeemed = lane.unredeemed.saturating_sub(1);
        }
    }

    fn lane(&mut self, factor: Factor, pool: Pool) -> &mut Lane {
        let found = self.lanes.iter().position(|lane| lane.factor == factor && lane.pool == pool);
        let at = found.unwrap_or_else(|| {
            self.lanes.push(Lane { factor, pool, sent: Vec::new(), unredeemed: 0, generation: 0 });
            self.lanes.len() - 1
        });
        &mut self.lanes[at]
    }

    /// Removes entries older than a day. A lane whose last message is that old is open again.
    fn forget(&mut self, now: Timestamp) {
        for tries in [&mut self.contact_tries, &mut self.later_contact_tries] {
            tries.retain(|(_, at)| at.is_within(Seconds::DAY, now));
        }
        for lane in &mut self.lanes {
            // The run of unredeemed codes spans days. It ends after a whole day without a message, not entry
            // by entry.
            if !lane.sent.last().is_some_and(|last| last.is_within(CLOSED, now)) {
                lane.unredeemed = 0;
            }
            lane.sent.retain(|at| at.is_within(Seconds::DAY, now));
        }
        self.lanes.retain(|lane| !lane.sent.is_empty());
    }
}

/// A limit of the ledger is reached.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the budget is used up")]
pub struct Exhausted;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: SendLimits =
        SendLimits { per_hour: 5, per_day: 10, contacts_per_flow: 5, contacts_per_day: 10, unredeemed: 20 };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_790_000_000 + seconds)
    }

    fn send(factor: Factor, pool: Pool) -> Send<'static> {
        Send { factor, pool, flow: FlowMark(1), generation: 0, proved: &[] }
    }

    fn mobile(pool: Pool) -> Send<'static> {
        send(Factor::MobilePhone, pool)
    }

    /// Controls: C-073.
    #[test]
    fn sends_per_hour_use_sliding_window() {
        let mut ledger = SendLedger::default();
        for n in 0..5 {
            ledger.take(&mobile(Pool::First), at(3_500 + n), &LIMITS).unwrap();
        }
        assert_eq!(ledger.take(&mobile(Pool::First), at(3_700), &LIMITS), Err(Exhausted));
        assert_eq!(ledger.take(&mobile(Pool::First), at(3_500 + 3_599), &LIMITS), Err(Exhausted));
        ledger.take(&mobile(Pool::First), at(3_500 + 3_600), &LIMITS).unwrap();
    }

    /// Controls: C-073.
    #[test]
    fn sends_per_day_use_sliding_window() {
        let mut ledger = SendLedger::default();
        for n in 0..10 {
            ledger.take(&mobile(Pool::First), at(n * 1_000), &LIMITS).unwrap();
        }
        assert_eq!(ledger.take(&mobile(Pool::First), at(86_399), &LIMITS), Err(Exhausted));
        ledger.take(&mobile(Pool::First), at(86_400), &LIMITS).unwrap();
        assert_eq!(ledger.take(&mobile(Pool::First), at(86_400), &LIMITS), Err(Exhausted));
    }

    /// Controls: C-067.
    #[test]
    fn first_bucket_serves_first_step_only() {
        assert_eq!([0, 1, 2, 3].map(Pool::of_step), [Pool::First, Pool::First, Pool::Second, Pool::Second]);
    }

    /// Controls: C-067.
    #[test]
    fn exhausted_first_step_leaves_other_buckets_and_factors() {
        let mut ledger = SendLedger::default();
        for n in 0..5 {
            ledger.take(&mobile(Pool::First), at(n), &LIMITS).unwrap();
        }
        assert_eq!(ledger.take(&mobile(Pool::First), at(6), &LIMITS), Err(Exhausted));
        ledger.take(&mobile(Pool::Second), at(6), &LIMITS).unwrap();
        ledger.take(&send(Factor::AlternateEmail, Pool::First), at(6), &LIMITS).unwrap();
    }

    /// Controls: C-012.
    #[test]
    fn unredeemed_codes_block_sends_until_idle_day() {
        let mut ledger = SendLedger::default();
        let mut now = 0;
        for _ in 0..20 {
            now += 9_000; // below ten a day
            ledger.take(&mobile(Pool::First), at(now), &LIMITS).unwrap();
        }
        now += 9_000;
        assert_eq!(ledger.take(&mobile(Pool::First), at(now), &LIMITS), Err(Exhausted));
        let quiet = now - 9_000 + 86_400;
        assert_eq!(ledger.take(&mobile(Pool::First), at(quiet - 1), &LIMITS), Err(Exhausted));
        ledger.take(&mobile(Pool::First), at(quiet), &LIMITS).unwrap();
    }

    /// Controls: C-012.
    #[test]
    fn redeemed_code_or_completed_reset_restarts_unredeemed_count() {
        let run = |ledger: &mut SendLedger| {
            let mut now = 0;
            for _ in 0..20 {
                now += 9_000;
                ledger.take(&mobile(Pool::First), at(now), &LIMITS).unwrap();
            }
            now + 9_000
        };
        let mut redeemed = SendLedger::default();
        let now = run(&mut redeemed);
        let next = Send { proved: &[Factor::MobilePhone], ..send(Factor::AlternateEmail, Pool::Second) };
        redeemed.take(&next, at(now), &LIMITS).unwrap();
        redeemed.take(&mobile(Pool::First), at(now), &LIMITS).unwrap();

        let mut finished = SendLedger::default();
        let now = run(&mut finished);
        finished.take(&Send { generation: 1, ..mobile(Pool::First) }, at(now), &LIMITS).unwrap();
    }

    /// Controls: C-013.
    #[test]
    fn contact_attempts_are_limited_per_flow_and_day() {
        let mut ledger = SendLedger::default();
        let spend = |ledger: &mut SendLedger, flow, now| {
            ledger.spend_contact_try(FlowMark(flow), Pool::First, at(now), &LIMITS)
        };
        for _ in 0..5 {
            spend(&mut ledger, 1, 0).unwrap();
        }
        assert_eq!(spend(&mut ledger, 1, 0), Err(Exhausted));
        assert_eq!(ledger.spend_contact_try(FlowMark(1), Pool::Second, at(0), &LIMITS), Err(Exhausted));
        for _ in 0..5 {
            spend(&mut ledger, 2, 0).unwrap();
        }
        assert_eq!(spend(&mut ledger, 3, 0), Err(Exhausted));
        ledger.return_contact_try(FlowMark(2), Pool::Second);
        assert_eq!(spend(&mut ledger, 3, 0), Err(Exhausted), "none of those was of this flow");
        ledger.return_contact_try(FlowMark(2), Pool::First);
        spend(&mut ledger, 3, 0).unwrap();
        assert_eq!(spend(&mut ledger, 3, 86_399), Err(Exhausted));
        spend(&mut ledger, 3, 86_400).unwrap();
    }

    /// Controls: C-067.
    #[test]
    fn exhausted_first_step_leaves_second_step_contact_attempts() {
        let mut ledger = SendLedger::default();
        for n in 0..10 {
            ledger.spend_contact_try(FlowMark(n / 5), Pool::First, at(0), &LIMITS).unwrap();
        }
        for n in 0..10 {
            ledger.spend_contact_try(FlowMark(7 + n / 5), Pool::Second, at(0), &LIMITS).unwrap();
        }
        assert_eq!(ledger.spend_contact_try(FlowMark(9), Pool::Second, at(0), &LIMITS), Err(Exhausted));
    }

    /// Controls: C-069.
    #[test]
    fn unsent_message_is_refunded_once() {
        let mut ledger = SendLedger::default();
        for n in 0..5 {
            ledger.take(&mobile(Pool::First), at(n), &LIMITS).unwrap();
        }
        ledger.give_back(Factor::MobilePhone, Pool::First, at(4));
        ledger.give_back(Factor::MobilePhone, Pool::First, at(4));
        ledger.give_back(Factor::OfficePhone, Pool::First, at(3));
        ledger.take(&mobile(Pool::First), at(5), &LIMITS).unwrap();
        assert_eq!(ledger.take(&mobile(Pool::First), at(5), &LIMITS), Err(Exhausted));
    }

    #[test]
    fn full_rate_limit_record_stays_below_1500_bytes() {
        let mut ledger = SendLedger::default();
        for pool in [Pool::First, Pool::Second] {
            for factor in [Factor::AlternateEmail, Factor::MobilePhone, Factor::OfficePhone] {
                for n in 0..10 {
                    ledger.take(&send(factor, pool), at(n * 1_000), &LIMITS).unwrap();
                }
            }
        }
        for n in 0..20 {
            let pool = if n < 10 { Pool::First } else { Pool::Second };
            ledger.spend_contact_try(FlowMark(u32::MAX - n / 5), pool, at(9_000), &LIMITS).unwrap();
        }
        let stored = serde_json::to_string(&ledger).unwrap();
        assert!(
            stored.len() < 1_500,
            "a full ledger has {} bytes; an ordinary one costs one write unit",
            stored.len()
        );
        assert_eq!(serde_json::from_str::<SendLedger>(&stored).unwrap(), ledger);
    }

    /// The rules as a simple model: it keeps all events and counts them anew each time.
    #[derive(Default)]
    struct Naive {
        sent: Vec<(Factor, Pool, i64)>,
        /// For each lane, the number of messages sent until a code of it was last redeemed.
        redeemed: Vec<(Factor, Pool, usize)>,
        generation: u64,
        tries: Vec<(u32, Pool, i64)>,
    }

    impl Naive {
        fn lane(&self, factor: Factor, pool: Pool) -> Vec<i64> {
            let own = self.sent.iter().filter(|(f, p, _)| (*f, *p) == (factor, pool));
            own.map(|(_, _, at)| *at).collect()
        }

        fn redeem(&mut self, factor: Factor, pool: Pool) {
            let count = self.lane(factor, pool).len();
            self.redeemed.push((factor, pool, count));
        }

        fn take(&mut self, send: &Send<'_>, now: i64, limits: SendLimits) -> bool {
            let all = [Factor::AlternateEmail, Factor::MobilePhone, Factor::OfficePhone]
                .into_iter()
                .flat_map(|factor| [(factor, Pool::First), (factor, Pool::Second)]);
            for (factor, pool) in all {
                let was_quiet = self.lane(factor, pool).last().is_none_or(|last| last + 86_400 <= now);
                if was_quiet || send.proved.contains(&factor) || send.generation != self.generation {
                    self.redeem(factor, pool);
                }
            }
            self.generation = send.generation;
            let lane = self.lane(send.factor, send.pool);
            let within = |span: i64| lane.iter().filter(|at| **at + span > now).count();
            let of_lane = self.redeemed.iter().filter(|(f, p, _)| (*f, *p) == (send.factor, send.pool));
            let redeemed = of_lane.map(|(_, _, count)| *count).max().unwrap_or(0);
            let fits = within(3_600) < usize::from(limits.per_hour)
                && within(86_400) < usize::from(limits.per_day)
                && lane.len() - redeemed < usize::from(limits.unredeemed);
            if fits {
                self.sent.push((send.factor, send.pool, now));
            }
            fits
        }

        fn try_contact(&mut self, flow: u32, pool: Pool, now: i64, limits: SendLimits) -> bool {
            let today = self.tries.iter().filter(|(_, _, at)| at + 86_400 > now);
            let of_flow = today.clone().filter(|(by, _, _)| *by == flow).count();
            let of_pool = today.filter(|(_, of, _)| *of == pool).count();
            let fits = of_flow < usize::from(limits.contacts_per_flow)
                && of_pool < usize::from(limits.contacts_per_day);
            if fits {
                self.tries.push((flow, pool, now));
            }
            fits
        }
    }

    #[derive(Clone, Debug)]
    enum Act {
        Take { factor: Factor, pool: Pool, proved: Option<Factor>, sent: bool },
        Reset,
        Try { flow: u32, pool: Pool, right: bool },
    }

    fn act() -> impl Strategy<Value = Act> {
        let factor = || {
            prop_oneof![
                5 => Just(Factor::MobilePhone), 1 => Just(Factor::AlternateEmail), 1 => Just(Factor::OfficePhone),
            ]
        };
        let pool = || prop_oneof![3 => Just(Pool::First), 1 => Just(Pool::Second)];
        let proved = prop_oneof![12 => Just(None), 1 => factor().prop_map(Some)];
        let take = (factor(), pool(), proved, prop::bool::weighted(0.9))
            .prop_map(|(factor, pool, proved, sent)| Act::Take { factor, pool, proved, sent });
        let attempt = (0_u32..4, pool(), prop::bool::weighted(0.1))
            .prop_map(|(flow, pool, right)| Act::Try { flow, pool, right });
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
            let (mut ledger, mut naive, mut now, mut generation) = (SendLedger::default(), Naive::default(), 0, 0);
            for (gap, act) in acts {
                now += gap;
                match act {
                    Act::Take { factor, pool, proved, sent } => {
                        let proved = proved.as_slice();
                        let send = Send { factor, pool, flow: FlowMark(1), generation, proved };
                        let taken = ledger.take(&send, at(now), &limits).is_ok();
                        prop_assert_eq!(taken, naive.take(&send, now, limits));
                        if taken && !sent {
                            ledger.give_back(factor, pool, at(now));
                            naive.sent.pop();
                        }
                    }
                    Act::Try { flow, pool, right } => {
                        let spent = ledger.spend_contact_try(FlowMark(flow), pool, at(now), &limits).is_ok();
                        prop_assert_eq!(spent, naive.try_contact(flow, pool, now, limits));
                        if spent && right {
                            ledger.return_contact_try(FlowMark(flow), pool);
                            naive.tries.pop();
                        }
                    }
                    Act::Reset => generation += 1,
                }
            }
            let stored = serde_json::to_string(&ledger).unwrap();
            prop_assert_eq!(serde_json::from_str::<SendLedger>(&stored).unwrap(), ledger);
        }
    }
}
