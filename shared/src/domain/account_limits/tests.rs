use proptest::prelude::*;

use super::*;

const LIMITS: SendLimits = SendLimits {
    per_hour: 5,
    per_day: 10,
    pushes_per_hour: 3,
    contacts_per_flow: 5,
    contacts_per_day: TieredLimit::new(30, 10),
    unredeemed: TieredLimit::new(20, 12),
};
const FACTORS: [Factor; 4] =
    [Factor::AlternateEmail, Factor::MobilePhone, Factor::OfficePhone, Factor::AuthenticatorApp];
const STEPS: [Bucket; 2] = [Bucket::FirstStep, Bucket::SecondStep];

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_790_000_000 + seconds)
}

/// A client on the network with this number.
fn client(network: u16) -> Client {
    Client { network: NetworkTag::from_stored(network + 1).unwrap(), known_device: false }
}

/// A known device on the network with this number.
fn known(network: u16) -> Client {
    Client { known_device: true, ..client(network) }
}

fn send(factor: Factor, bucket: Bucket, client: Client) -> SendRequest<'static> {
    SendRequest { factor, bucket, client, generation: 0, verified_factors: &[] }
}

fn mobile(bucket: Bucket, client: Client) -> SendRequest<'static> {
    send(Factor::MobilePhone, bucket, client)
}

/// Sends to a factor from a hundred networks in turn until everyone's limits are reached, over `seconds`.
fn drain(log: &mut LimitLog, factor: Factor, bucket: Bucket, seconds: std::ops::Range<i64>) -> usize {
    let turns = (0_u16..100).cycle().zip(seconds.step_by(60));
    turns
        .filter(|(n, now)| log.try_acquire_send(&send(factor, bucket, client(*n)), at(*now), &LIMITS).is_ok())
        .count()
}

/// Controls: C-073.
#[test]
fn sends_per_hour_use_sliding_window() {
    let mut log = LimitLog::default();
    for n in 0..5 {
        log.try_acquire_send(&mobile(Bucket::FirstStep, client(n)), at(3_500 + i64::from(n)), &LIMITS)
            .unwrap();
    }
    let next = mobile(Bucket::FirstStep, client(9));
    assert_eq!(log.try_acquire_send(&next, at(3_700), &LIMITS), Err(RateLimitExceeded));
    assert_eq!(log.try_acquire_send(&next, at(3_500 + 3_599), &LIMITS), Err(RateLimitExceeded));
    log.try_acquire_send(&next, at(3_500 + 3_600), &LIMITS).unwrap();
}

/// Controls: C-073.
#[test]
fn sends_per_day_use_sliding_window() {
    let mut log = LimitLog::default();
    for n in 0..10 {
        log.try_acquire_send(&mobile(Bucket::FirstStep, client(n)), at(i64::from(n) * 1_000), &LIMITS)
            .unwrap();
    }
    let next = mobile(Bucket::FirstStep, client(19));
    assert_eq!(log.try_acquire_send(&next, at(86_399), &LIMITS), Err(RateLimitExceeded));
    log.try_acquire_send(&next, at(86_400), &LIMITS).unwrap();
    assert_eq!(log.try_acquire_send(&next, at(86_400), &LIMITS), Err(RateLimitExceeded));
}

/// Controls: C-067.
#[test]
fn first_bucket_serves_first_step_only() {
    let first = Bucket::FirstStep;
    let second = Bucket::SecondStep;
    assert_eq!([0, 1, 2, 3].map(Bucket::for_step), [first, first, second, second]);
}

/// Controls: C-067.
#[test]
fn exhausted_first_step_leaves_other_buckets_and_factors() {
    let mut log = LimitLog::default();
    drain(&mut log, Factor::MobilePhone, Bucket::FirstStep, 0..3_000);
    let now = at(3_000);
    let refused = log.try_acquire_send(&mobile(Bucket::FirstStep, client(200)), now, &LIMITS);
    assert_eq!(refused, Err(RateLimitExceeded));
    log.try_acquire_send(&mobile(Bucket::SecondStep, client(200)), now, &LIMITS).unwrap();
    let mail = send(Factor::AlternateEmail, Bucket::FirstStep, client(200));
    log.try_acquire_send(&mail, now, &LIMITS).unwrap();
}

/// Controls: C-101.
#[test]
fn one_network_gets_a_part_of_every_limit() {
    let now = at(0);
    for (factor, network, everyone) in
        [(Factor::MobilePhone, 3, 5), (Factor::AlternateEmail, 3, 5), (Factor::AuthenticatorApp, 2, 3)]
    {
        let mut log = LimitLog::default();
        let mut acquire =
            |client| log.try_acquire_send(&send(factor, Bucket::FirstStep, client), now, &LIMITS).is_ok();
        assert_eq!((0..9).filter(|_| acquire(client(1))).count(), network, "{factor:?}");
        assert_eq!((0..9).filter(|_| acquire(client(2))).count(), everyone - network, "{factor:?}");
    }
    let mut log = LimitLog::default();
    let mut spend = |flow, client| {
        let (flow, bucket) = (HolderPseudonym(flow), Bucket::FirstStep);
        log.spend_contact_attempt(flow, bucket, client, now, &LIMITS).is_ok()
    };
    assert_eq!((0..50).filter(|n| spend(*n, client(1))).count(), 10);
    assert_eq!((50..200).filter(|n| spend(*n, client(u16::try_from(*n).unwrap()))).count(), 20);
    let limit = TieredLimit::of_generated_codes(10);
    let mut spend = |client| log.spend_generated_code(Bucket::FirstStep, client, now, limit).is_ok();
    assert_eq!((0..20).filter(|_| spend(client(1))).count(), 5);
    assert_eq!((0..20).filter(|_| spend(client(2))).count(), 5);
    let limit = TieredLimit::new(30, 10);
    let mut spend = |client| log.spend_password(client, now, limit).is_ok();
    assert_eq!((0..20).filter(|_| spend(client(1))).count(), 10);
    assert_eq!((2..50).filter(|n| spend(client(*n))).count(), 20);
    for what in [EnrolmentUse::Code, EnrolmentUse::Change] {
        let limit = TieredLimit::of_messages(20);
        let mut acquire = |client| log.try_acquire_enrolment(what, client, now, limit).is_ok();
        assert_eq!((0..30).filter(|_| acquire(client(1))).count(), 12);
        assert_eq!((0..30).filter(|_| acquire(client(2))).count(), 8);
    }
}

/// A stranger on one network drains everything for days, also the run of unredeemed codes.
/// Controls: C-101.
#[test]
fn one_network_never_closes_a_factor_to_another() {
    for factor in FACTORS {
        let mut log = LimitLog::default();
        for minute in 0..6 * 24 * 60 {
            let now = at(minute * 60);
            let _ = log.try_acquire_send(&send(factor, Bucket::FirstStep, client(1)), now, &LIMITS);
            let (flow, bucket) = (HolderPseudonym(u32::try_from(minute).unwrap()), Bucket::FirstStep);
            let _ = log.spend_contact_attempt(flow, bucket, client(1), now, &LIMITS);
            let mut later = log.clone();
            let owner = send(factor, Bucket::FirstStep, client(2));
            later.try_acquire_send(&owner, now, &LIMITS).unwrap();
            later.spend_contact_attempt(HolderPseudonym(u32::MAX), bucket, client(2), now, &LIMITS).unwrap();
        }
    }
}

/// Strangers on a hundred networks drain everything for days.
/// Controls: C-102.
#[test]
fn known_device_keeps_its_uses_whatever_strangers_use() {
    for factor in FACTORS {
        let mut log = LimitLog::default();
        drain(&mut log, factor, Bucket::FirstStep, 0..3 * 86_400);
        let now = at(3 * 86_400);
        for n in 0..100 {
            let _ = log.try_acquire_send(&send(factor, Bucket::FirstStep, client(n)), now, &LIMITS);
        }
        let owner = |client| send(factor, Bucket::FirstStep, client);
        let refused = log.try_acquire_send(&owner(client(200)), now, &LIMITS);
        assert_eq!(refused, Err(RateLimitExceeded), "{factor:?} was drained");
        log.try_acquire_send(&owner(known(200)), now, &LIMITS).unwrap();
    }
    let (mut log, now) = (LimitLog::default(), at(0));
    for n in 0_u16..100 {
        let flow = HolderPseudonym(n.into());
        let _ = log.spend_contact_attempt(flow, Bucket::FirstStep, client(n), now, &LIMITS);
        let _ =
            log.spend_generated_code(Bucket::FirstStep, client(n), now, TieredLimit::of_generated_codes(10));
        let _ = log.spend_password(client(n), now, TieredLimit::new(30, 10));
    }
    let flow = HolderPseudonym(1_000);
    assert!(log.spend_contact_attempt(flow, Bucket::FirstStep, client(200), now, &LIMITS).is_err());
    log.spend_contact_attempt(flow, Bucket::FirstStep, known(200), now, &LIMITS).unwrap();
    let limit = TieredLimit::of_generated_codes(10);
    assert!(log.spend_generated_code(Bucket::FirstStep, client(200), now, limit).is_err());
    log.spend_generated_code(Bucket::FirstStep, known(200), now, limit).unwrap();
    assert_eq!(log.spend_password(client(200), now, TieredLimit::new(30, 10)), Err(now + Seconds::DAY));
    log.spend_password(known(200), now, TieredLimit::new(30, 10)).unwrap();
}

/// Half as many again, for all known devices together; then they count like anybody.
/// Controls: C-102.
#[test]
fn known_devices_share_half_as_many_again() {
    let (mut log, now) = (LimitLog::default(), at(0));
    let mut acquire = |client| log.try_acquire_send(&mobile(Bucket::FirstStep, client), now, &LIMITS).is_ok();
    // Three of their own, three of their network's.
    assert_eq!((0..9).filter(|_| acquire(known(1))).count(), 6);
    assert!(!acquire(known(1)) && acquire(known(2)), "another network has its part of everyone's left");
    assert_eq!(
        (3..20).filter(|n| acquire(known(*n)) || acquire(client(*n))).count(),
        1,
        "five and three in all"
    );
}

/// Controls: C-103.
#[test]
fn mail_comes_back_within_the_hour() {
    let mut log = LimitLog::default();
    drain(&mut log, Factor::AlternateEmail, Bucket::FirstStep, 0..10 * 86_400);
    let mail = send(Factor::AlternateEmail, Bucket::FirstStep, client(200));
    log.try_acquire_send(&mail, at(10 * 86_400 + 3_600), &LIMITS).unwrap();
    let mut later = LimitLog::default();
    assert_eq!(drain(&mut later, Factor::AlternateEmail, Bucket::SecondStep, 0..86_400), 10, "by day there");
}

/// Controls: C-012.
#[test]
fn unredeemed_codes_block_sends_until_idle_day() {
    let mut log = LimitLog::default();
    let mut now = 0;
    for n in 0..20 {
        now += 9_000; // below ten a day
        log.try_acquire_send(&mobile(Bucket::FirstStep, client(n)), at(now), &LIMITS).unwrap();
    }
    let next = mobile(Bucket::FirstStep, client(99));
    assert_eq!(log.try_acquire_send(&next, at(now + 9_000), &LIMITS), Err(RateLimitExceeded));
    // Messages to known devices don't keep it closed to others.
    log.try_acquire_send(&mobile(Bucket::FirstStep, known(99)), at(now + 9_000), &LIMITS).unwrap();
    assert_eq!(log.try_acquire_send(&next, at(now + 86_399), &LIMITS), Err(RateLimitExceeded));
    log.try_acquire_send(&next, at(now + 86_400), &LIMITS).unwrap();
}

/// Controls: C-012.
#[test]
fn redeemed_code_or_completed_reset_restarts_unredeemed_count() {
    let run = |log: &mut LimitLog| {
        let mut now = 0;
        for n in 0..20 {
            now += 9_000;
            log.try_acquire_send(&mobile(Bucket::FirstStep, client(n)), at(now), &LIMITS).unwrap();
        }
        now + 9_000
    };
    let mut redeemed = LimitLog::default();
    let now = run(&mut redeemed);
    let next = SendRequest {
        verified_factors: &[Factor::MobilePhone],
        ..send(Factor::AlternateEmail, Bucket::SecondStep, client(99))
    };
    redeemed.try_acquire_send(&next, at(now), &LIMITS).unwrap();
    redeemed.try_acquire_send(&mobile(Bucket::FirstStep, client(99)), at(now), &LIMITS).unwrap();

    let mut finished = LimitLog::default();
    let now = run(&mut finished);
    let next = SendRequest { generation: 1, ..mobile(Bucket::FirstStep, client(99)) };
    finished.try_acquire_send(&next, at(now), &LIMITS).unwrap();
}

/// Controls: C-013.
#[test]
fn contact_attempts_are_limited_per_flow_and_day() {
    let mut log = LimitLog::default();
    let spend = |log: &mut LimitLog, flow, network, now| {
        let (flow, bucket) = (HolderPseudonym(flow), Bucket::FirstStep);
        log.spend_contact_attempt(flow, bucket, client(network), at(now), &LIMITS)
    };
    for _ in 0..5 {
        spend(&mut log, 1, 1, 0).unwrap();
    }
    assert_eq!(spend(&mut log, 1, 1, 0), Err(RateLimitExceeded));
    let later = log.spend_contact_attempt(HolderPseudonym(1), Bucket::SecondStep, client(1), at(0), &LIMITS);
    assert_eq!(later, Err(RateLimitExceeded));
    for n in 0..25 {
        spend(&mut log, 10 + n, 2 + u16::try_from(n / 5).unwrap(), 0).unwrap();
    }
    assert_eq!(spend(&mut log, 2, 9, 0), Err(RateLimitExceeded));
    let last = Use(at(0), Tier::Network(client(6).network));
    log.refund_contact_attempt(HolderPseudonym(34), Bucket::SecondStep, last);
    log.refund_contact_attempt(HolderPseudonym(35), Bucket::FirstStep, last);
    assert_eq!(spend(&mut log, 2, 9, 0), Err(RateLimitExceeded), "none of those was of this flow");
    log.refund_contact_attempt(HolderPseudonym(34), Bucket::FirstStep, last);
    spend(&mut log, 2, 9, 0).unwrap();
    assert_eq!(spend(&mut log, 2, 9, 86_399), Err(RateLimitExceeded));
    spend(&mut log, 2, 9, 86_400).unwrap();
}

/// Controls: C-067.
#[test]
fn exhausted_first_step_leaves_second_step_contact_attempts() {
    let mut log = LimitLog::default();
    let mut spend = |flow, bucket, network| {
        log.spend_contact_attempt(HolderPseudonym(flow), bucket, client(network), at(0), &LIMITS).is_ok()
    };
    for bucket in STEPS {
        let base = if bucket == Bucket::FirstStep { 0 } else { 1_000 };
        let taken = (0_u16..60).filter(|n| spend(base + u32::from(*n), bucket, *n)).count();
        assert_eq!(taken, 30, "{bucket:?}");
    }
}

/// Controls: C-069.
#[test]
fn unsent_message_is_refunded_once() {
    let mut log = LimitLog::default();
    let uses = [0, 1, 2, 3, 4]
        .map(|n| log.try_acquire_send(&mobile(Bucket::FirstStep, client(n)), at(n.into()), &LIMITS).unwrap());
    log.refund_send(Factor::MobilePhone, Bucket::FirstStep, uses[4]);
    log.refund_send(Factor::MobilePhone, Bucket::FirstStep, uses[4]);
    log.refund_send(Factor::OfficePhone, Bucket::FirstStep, uses[3]);
    log.try_acquire_send(&mobile(Bucket::FirstStep, client(9)), at(5), &LIMITS).unwrap();
    let next = log.try_acquire_send(&mobile(Bucket::FirstStep, client(10)), at(5), &LIMITS);
    assert_eq!(next, Err(RateLimitExceeded));
}

/// Controls: C-104.
#[test]
fn password_counts_as_wrong_until_refunded() {
    let (mut log, limit) = (LimitLog::default(), TieredLimit::new(30, 10));
    log.spend_password(client(1), at(0), limit).unwrap();
    let second = log.spend_password(client(1), at(10), limit).unwrap();
    assert_eq!(log.recent_wrong_passwords(at(10)), 2);
    log.refund_password(second);
    log.refund_password(second);
    assert_eq!(log.recent_wrong_passwords(at(3_599)), 1);
    assert_eq!(log.recent_wrong_passwords(at(3_600)), 0);
}

/// Controls: C-011.
#[test]
fn generated_code_counts_as_wrong_until_refunded() {
    let (mut log, limit) = (LimitLog::default(), TieredLimit::new(2, 2));
    log.spend_generated_code(Bucket::FirstStep, client(1), at(0), limit).unwrap();
    let second = log.spend_generated_code(Bucket::FirstStep, client(1), at(9), limit).unwrap();
    log.refund_generated_code(Bucket::SecondStep, second);
    assert!(log.spend_generated_code(Bucket::FirstStep, client(1), at(10), limit).is_err());
    log.refund_generated_code(Bucket::FirstStep, second);
    log.spend_generated_code(Bucket::FirstStep, client(1), at(10), limit).unwrap();
}

/// Uses of one second in three tiers: each refund gives its own tier one back, and takes nothing from the others.
/// Controls: C-069.
#[test]
fn refund_returns_the_use_of_its_tier() {
    let now = at(0);
    let clients = [client(1), known(2), client(3)];
    for refunded in 0..3 {
        let (mut log, limit) = (LimitLog::default(), TieredLimit::new(3, 1));
        let (first, flow) = (Bucket::FirstStep, HolderPseudonym(1));
        let limits = SendLimits { contacts_per_day: limit, ..LIMITS };
        let sent = clients.map(|client| log.try_acquire_send(&mobile(first, client), now, &limits).unwrap());
        let codes = clients.map(|client| log.spend_generated_code(first, client, now, limit).unwrap());
        let passwords = clients.map(|client| log.spend_password(client, now, limit).unwrap());
        let numbers =
            clients.map(|client| log.spend_contact_attempt(flow, first, client, now, &limits).unwrap());
        log.refund_send(Factor::MobilePhone, first, sent[refunded]);
        log.refund_generated_code(first, codes[refunded]);
        log.refund_password(passwords[refunded]);
        log.refund_contact_attempt(flow, first, numbers[refunded]);
        let left: Vec<Tier> = clients
            .iter()
            .enumerate()
            .filter(|(n, _)| *n != refunded)
            .filter_map(|(_, client)| client.tiers().next())
            .collect();
        let counter = log.counter(Factor::MobilePhone, first).clone();
        let tiers = |uses: Vec<Use>| uses.into_iter().map(|Use(_, tier)| tier).collect::<Vec<_>>();
        assert_eq!(tiers(counter.sent), left);
        assert_eq!(counter.unredeemed, left);
        assert_eq!(tiers(log.generated_codes.iter().map(|(_, used)| *used).collect()), left);
        assert_eq!(tiers(log.passwords.clone()), left);
        assert_eq!(tiers(log.contact_attempts.iter().map(|(_, used)| *used).collect()), left);
    }
}

/// An ordinary log costs one write unit. One that a hundred networks filled costs a few.
#[test]
fn limit_log_stays_small() {
    let mut log = LimitLog::default();
    for n in 0..3 {
        log.try_acquire_send(&mobile(Bucket::FirstStep, client(1)), at(n * 60), &LIMITS).unwrap();
        let mail = send(Factor::AlternateEmail, Bucket::SecondStep, client(1));
        log.try_acquire_send(&mail, at(n * 60), &LIMITS).unwrap();
        log.spend_generated_code(Bucket::SecondStep, client(1), at(n * 60), TieredLimit::new(10, 5)).unwrap();
    }
    let stored = serde_json::to_string(&log).unwrap();
    assert!(stored.len() < 500, "an ordinary log has {} bytes", stored.len());

    let clients = || (0_u16..100).map(client).chain((0..100).map(known));
    for hour in 0..24 {
        for (n, client) in clients().enumerate() {
            let now = at(hour * 3_600);
            for bucket in [Bucket::FirstStep, Bucket::SecondStep, Bucket::Enrolment] {
                for factor in FACTORS {
                    let _ = log.try_acquire_send(&send(factor, bucket, client), now, &LIMITS);
                }
                let _ = log.spend_generated_code(bucket, client, now, TieredLimit::new(10, 5));
                let flow = HolderPseudonym(u32::MAX - u32::try_from(n).unwrap());
                let _ = log.spend_contact_attempt(flow, bucket, client, now, &LIMITS);
            }
            let _ = log.spend_password(client, now, TieredLimit::new(30, 10));
            let _ = log.try_acquire_enrolment(EnrolmentUse::Code, client, now, TieredLimit::of_messages(20));
            let _ =
                log.try_acquire_enrolment(EnrolmentUse::Change, client, now, TieredLimit::of_messages(40));
        }
    }
    let stored = serde_json::to_string(&log).unwrap();
    assert!(stored.len() < 14_000, "a full log has {} bytes", stored.len());
    assert_eq!(serde_json::from_str::<LimitLog>(&stored).unwrap(), log);
}

/// The rules as a simple model: it keeps all messages and counts them anew each time.
#[derive(Default)]
struct Naive {
    sent: Vec<Sent>,
    /// For each factor and bucket, the number of messages sent until a code was last redeemed.
    redeemed: Vec<(Factor, Bucket, usize)>,
    generation: u64,
    attempts: Vec<(u32, Bucket, i64, Client, bool)>,
}

#[derive(Clone, Copy)]
struct Sent {
    factor: Factor,
    bucket: Bucket,
    at: i64,
    network: NetworkTag,
    /// Whether it counts as a known device's.
    known: bool,
}

/// Returns whether the uses leave one to a network, or to known devices.
fn leaves(
    limit: (usize, usize, usize),
    known: bool,
    network: NetworkTag,
    uses: &[(bool, NetworkTag)],
) -> bool {
    let (everyone, of_network, of_known) = limit;
    let open: Vec<_> = uses.iter().filter(|(known, _)| !known).collect();
    if known {
        uses.len() - open.len() < of_known
    } else {
        open.len() < everyone && open.iter().filter(|(_, own)| *own == network).count() < of_network
    }
}

impl Naive {
    fn of(&self, factor: Factor, bucket: Bucket) -> Vec<Sent> {
        self.sent.iter().filter(|sent| (sent.factor, sent.bucket) == (factor, bucket)).copied().collect()
    }

    fn try_acquire(&mut self, request: &SendRequest<'_>, now: i64) -> bool {
        for factor in FACTORS {
            for bucket in STEPS {
                if request.verified_factors.contains(&factor) || request.generation != self.generation {
                    let count = self.of(factor, bucket).len();
                    self.redeemed.push((factor, bucket, count));
                }
            }
        }
        self.generation = request.generation;
        let sent = self.of(request.factor, request.bucket);
        let within = |span: i64| -> Vec<(bool, NetworkTag)> {
            sent.iter().filter(|sent| sent.at + span > now).map(|sent| (sent.known, sent.network)).collect()
        };
        let mail = request.factor == Factor::AlternateEmail && request.bucket == Bucket::FirstStep;
        let redeemed = self.redeemed.iter().filter(|(f, b, _)| (*f, *b) == (request.factor, request.bucket));
        let redeemed = redeemed.map(|(_, _, count)| *count).max().unwrap_or(0);
        let run = |known: bool| -> Vec<(bool, NetworkTag)> {
            let open: Vec<Sent> =
                sent[redeemed..].iter().filter(|sent| sent.known == known).copied().collect();
            // The part of the run since the last day without a message.
            let mut begin = 0;
            for at in 1..open.len() {
                if open[at - 1].at + 86_400 <= open[at].at {
                    begin = at;
                }
            }
            let last = sent.iter().rfind(|sent| sent.known == known);
            let is_quiet = last.is_none_or(|last| last.at + 86_400 <= now);
            if is_quiet { Vec::new() } else { open[begin..].iter().map(|s| (s.known, s.network)).collect() }
        };
        let hourly = if request.factor == Factor::AuthenticatorApp { (3, 2, 2) } else { (5, 3, 3) };
        let fits = |known: bool| {
            let network = request.client.network;
            leaves(hourly, known, network, &within(3_600))
                && (mail || leaves((10, 6, 5), known, network, &within(86_400)))
                && (mail
                    || request.bucket != Bucket::FirstStep
                    || leaves((20, 12, 10), known, network, &run(known)))
        };
        let known = request.client.known_device && fits(true);
        let taken = known || fits(false);
        if taken {
            let SendRequest { factor, bucket, client, .. } = *request;
            self.sent.push(Sent { factor, bucket, at: now, network: client.network, known });
        }
        taken
    }

    fn try_contact(&mut self, flow: u32, bucket: Bucket, now: i64, client: Client) -> bool {
        let today = self.attempts.iter().filter(|(_, _, at, ..)| at + 86_400 > now);
        let of_flow = today.clone().filter(|(by, ..)| *by == flow).count();
        let uses: Vec<_> = today
            .filter(|(_, of, ..)| *of == bucket)
            .map(|(_, _, _, client, known)| (*known, client.network))
            .collect();
        let fits = |known| leaves((30, 10, 15), known, client.network, &uses);
        let known = client.known_device && fits(true);
        let taken = of_flow < 5 && (known || fits(false));
        if taken {
            self.attempts.push((flow, bucket, now, client, known));
        }
        taken
    }
}

#[derive(Clone, Debug)]
enum Act {
    Take { factor: Factor, bucket: Bucket, client: Client, verified_factors: Option<Factor>, sent: bool },
    Reset,
    Try { flow: u32, bucket: Bucket, client: Client, right: bool },
}

fn act() -> impl Strategy<Value = Act> {
    let factor = || {
        prop_oneof![
            5 => Just(Factor::MobilePhone), 2 => Just(Factor::AlternateEmail),
            1 => Just(Factor::OfficePhone), 1 => Just(Factor::AuthenticatorApp),
        ]
    };
    let bucket = || prop_oneof![3 => Just(Bucket::FirstStep), 1 => Just(Bucket::SecondStep)];
    let from = || {
        (0_u16..5, prop::bool::weighted(0.2))
            .prop_map(|(network, known_device)| Client { known_device, ..client(network) })
    };
    let verified_factors = prop_oneof![12 => Just(None), 1 => factor().prop_map(Some)];
    let take = (factor(), bucket(), from(), verified_factors, prop::bool::weighted(0.9)).prop_map(
        |(factor, bucket, client, verified_factors, sent)| Act::Take {
            factor,
            bucket,
            client,
            verified_factors,
            sent,
        },
    );
    let attempt = (0_u32..12, bucket(), from(), prop::bool::weighted(0.1))
        .prop_map(|(flow, bucket, client, right)| Act::Try { flow, bucket, client, right });
    prop_oneof![20 => take, 10 => attempt, 1 => Just(Act::Reset)]
}

proptest! {
    /// Controls: C-073, C-101, C-102.
    #[test]
    fn account_limits_match_naive_model(
        acts in prop::collection::vec(
            (prop_oneof![4 => 0_i64..1_800, 2 => 0_i64..15_000, 1 => 0_i64..90_000], act()), 1..160,
        ),
    ) {
        let (mut log, mut naive, mut now, mut generation) = (LimitLog::default(), Naive::default(), 0, 0);
        for (gap, act) in acts {
            now += gap;
            match act {
                Act::Take { factor, bucket, client, verified_factors, sent } => {
                    let verified_factors = verified_factors.as_slice();
                    let send = SendRequest { factor, bucket, client, generation, verified_factors };
                    let taken = log.try_acquire_send(&send, at(now), &LIMITS).ok();
                    prop_assert_eq!(taken.is_some(), naive.try_acquire(&send, now));
                    if let Some(used) = taken.filter(|_| !sent) {
                        log.refund_send(factor, bucket, used);
                        naive.sent.pop();
                    }
                }
                Act::Try { flow, bucket, client, right } => {
                    let by = HolderPseudonym(flow);
                    let spent = log.spend_contact_attempt(by, bucket, client, at(now), &LIMITS).ok();
                    prop_assert_eq!(spent.is_some(), naive.try_contact(flow, bucket, now, client));
                    if let Some(used) = spent.filter(|_| right) {
                        log.refund_contact_attempt(by, bucket, used);
                        naive.attempts.pop();
                    }
                }
                Act::Reset => generation += 1,
            }
        }
        let stored = serde_json::to_string(&log).unwrap();
        prop_assert_eq!(serde_json::from_str::<LimitLog>(&stored).unwrap(), log);
    }
}
