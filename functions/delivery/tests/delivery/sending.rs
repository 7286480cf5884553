//! Sends codes and notifications, and checks retries and rate limits.

use std::sync::Arc;

use crate::support::{Fakes, Provider, START, event, ports, retried, sealed};
use delivery::handle;
use shared::domain::code::OneTimeCode;
use shared::domain::contact::{EmailAddress, PhoneNumber};
use shared::domain::language::Language;
use shared::domain::message::{CodeMessage, Message, Notice, Purpose, Recipient, SmsShare};
use shared::domain::method::Method;
use shared::domain::notice::Event;
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::Metric;

fn email() -> Recipient {
    Recipient::Email(EmailAddress::from_stored("aisyah@mail.example".into()))
}

fn mobile() -> Recipient {
    Recipient::Sms(PhoneNumber::from_stored("+60123456798".into()))
}

pub fn code(to: Recipient) -> Message {
    Message::Code(CodeMessage {
        to,
        purpose: Purpose::Reset,
        share: SmsShare::Rest,
        code: OneTimeCode::parse("12345678").unwrap(),
        language: Language::English,
        expires_at: START + Seconds(600),
        minutes: 10,
        login: Some("aisyah".to_owned()),
        requested: None,
    })
}

fn notice(to: Recipient) -> Message {
    Message::Notice(Notice {
        to,
        event: Event::Reset,
        at: START,
        further: Vec::new(),
        methods: vec![Method::Email],
        language: Language::English,
        login: Some("aisyah".to_owned()),
    })
}

/// Returns the numbers of the messages to retry.
async fn deliver(
    fakes: &Arc<Fakes>,
    parameters: &[(&str, &str)],
    messages: &[Message],
    count: u32,
) -> Vec<String> {
    let bodies: Vec<String> = messages.iter().map(sealed).collect();
    retried(&handle(&ports(fakes, parameters), event(&bodies, count)).await)
}

#[tokio::test]
async fn code_is_sent_on_its_channel() {
    let fakes = Arc::new(Fakes::default());
    let voice = Recipient::Voice(PhoneNumber::from_stored("+60327317272".into()));
    let again = deliver(&fakes, &[], &[code(email()), code(mobile()), code(voice)], 1).await;
    assert!(again.is_empty());
    let sent = fakes.sent();
    let to: Vec<&str> = sent.iter().map(|(to, _)| to.as_str()).collect();
    assert_eq!(to, ["aisyah@mail.example", "+60123456798", "+60327317272"]);
    assert!(sent[0].1.contains("1234 5678") && sent[1].1.contains("1234 5678"));
    assert!(sent[2].1.starts_with("<speak>"));
}

/// Controls: C-002.
#[tokio::test]
async fn decoy_message_is_dropped() {
    let fakes = Arc::new(Fakes::default());
    assert!(deliver(&fakes, &[], &[Message::Decoy], 1).await.is_empty());
    assert!(fakes.sent().is_empty());
    assert_eq!(fakes.phone_messages_counted(), 0);
}

/// Controls: C-072.
#[tokio::test]
async fn code_is_retried_until_it_expires() {
    let fakes = Arc::new(Fakes::default());
    fakes.set_provider(Provider::Down);
    assert_eq!(deliver(&fakes, &[], &[code(mobile())], 1).await, ["0"]);
    fakes.advance(Seconds(599));
    fakes.set_provider(Provider::Up);
    assert!(deliver(&fakes, &[], &[code(mobile())], 2).await.is_empty());
    assert_eq!(fakes.sent().len(), 1);
    fakes.advance(Seconds(1));
    assert_eq!(deliver(&fakes, &[], &[code(mobile())], 3).await, ["0"], "on its way to the dead letters");
    assert!(fakes.sent().is_empty());
}

#[tokio::test]
async fn code_with_expiry_in_milliseconds_is_not_sent() {
    let fakes = Arc::new(Fakes::default());
    let Message::Code(mut late) = code(mobile()) else { panic!("a code") };
    late.expires_at = Timestamp::from_seconds(START.as_seconds() * 1_000);
    assert_eq!(deliver(&fakes, &[], &[Message::Code(late)], 1).await, ["0"]);
    assert!(fakes.sent().is_empty());
}

/// Controls: C-072.
#[tokio::test]
async fn message_rejected_by_its_provider_is_not_retried() {
    let fakes = Arc::new(Fakes::default());
    fakes.set_provider(Provider::Refusing);
    assert!(deliver(&fakes, &[], &[code(email()), notice(mobile())], 1).await.is_empty());
    assert_eq!(fakes.counted(), [Metric::MessagesRefused; 2], "each loss is alarmed");
    fakes.set_provider(Provider::Down);
    assert_eq!(deliver(&fakes, &[], &[code(email())], 1).await, ["0"]);
    assert_eq!(fakes.metrics(), 2, "a retry is none");
}

/// AWS refuses calls without an origin. A code is retried, since a person waits for it; a notice has other contacts.
/// Controls: C-072.
#[tokio::test]
async fn notice_by_call_without_origin_is_dropped() {
    let fakes = Arc::new(Fakes::default());
    let voice = || Recipient::Voice(PhoneNumber::from_stored("+60327317272".into()));
    let none = [("REKEY_VOICE_ORIGIN", "")];
    assert!(deliver(&fakes, &none, &[notice(voice()), notice(mobile())], 1).await.is_empty());
    assert_eq!(fakes.sent().len(), 1);
    let origin = [("REKEY_VOICE_ORIGIN", "+60300000000")];
    assert!(deliver(&fakes, &origin, &[notice(voice())], 1).await.is_empty());
    assert_eq!(fakes.sent().len(), 1);
}

/// Controls: C-072.
#[tokio::test]
async fn invalid_message_does_not_block_its_batch() {
    let fakes = Arc::new(Fakes::default());
    let bodies = [
        String::from("{}"),
        sealed(&code(email())),
        sealed(&code(email())).replace("\"owner\":\"03", "\"owner\":\"04"),
    ];
    let response = handle(&ports(&fakes, &[]), event(&bodies, 1)).await;
    assert_eq!(retried(&response), ["0", "2"]);
    assert_eq!(fakes.sent().len(), 1);
}

/// Controls: C-074.
#[tokio::test]
async fn daily_rate_limit_bounds_phone_codes_only() {
    let fakes = Arc::new(Fakes::default());
    let limited = [("REKEY_SMS_PER_DAY", "1")];
    let batch = [code(mobile()), code(mobile()), code(email()), notice(mobile())];
    assert!(deliver(&fakes, &limited, &batch, 1).await.is_empty(), "over the rate limit it is not retried");
    let to: Vec<String> = fakes.sent().into_iter().map(|(to, _)| to).collect();
    assert_eq!(to, ["+60123456798", "aisyah@mail.example", "+60123456798"]);
    assert_eq!(fakes.metrics(), 1);
}

/// Controls: C-074.
#[tokio::test]
async fn phone_number_limit_is_twice_the_account_limit() {
    let fakes = Arc::new(Fakes::default());
    let many = [("REKEY_SENDS_PER_DAY", "5"), ("REKEY_SENDS_PER_BLOCK", "1000")];
    for count in 0..12 {
        let called = Recipient::Voice(PhoneNumber::from_stored("+60123456798".into()));
        let to = if count % 2 == 0 { mobile() } else { called };
        assert!(deliver(&fakes, &many, &[code(to)], 1).await.is_empty());
    }
    assert_eq!((fakes.sent().len(), fakes.metrics(), fakes.phone_messages_counted()), (10, 2, 10));
    deliver(&fakes, &many, &[notice(mobile())], 1).await;
    assert_eq!(fakes.sent().len(), 1, "notices have no rate limit");
}

fn with(message: Message, purpose: Purpose, share: SmsShare) -> Message {
    let Message::Code(code) = message else { panic!("a code") };
    Message::Code(CodeMessage { purpose, share, ..code })
}

/// Returns how many of `count` messages are sent.
async fn sent_of(
    fakes: &Arc<Fakes>,
    parameters: &[(&str, &str)],
    count: u32,
    message: impl Fn() -> Message,
) -> usize {
    for _ in 0..count {
        assert!(deliver(fakes, parameters, &[message()], 1).await.is_empty(), "a refused one is not retried");
    }
    fakes.sent().len()
}

/// Eighty mails reached a foreign mailbox in eight seconds.
/// Controls: C-131.
#[tokio::test]
async fn new_mailbox_gets_twice_the_daily_account_limit() {
    let fakes = Arc::new(Fakes::default());
    let spelt = |n: usize| ["aisyah@mail.example", "AISYAH@mail.example.", "aisyah+x@mail.example"][n % 3];
    let next = std::cell::Cell::new(0);
    let to_new = || {
        next.set(next.get() + 1);
        let to = Recipient::Email(EmailAddress::from_stored(spelt(next.get()).into()));
        with(code(to), Purpose::SecurityInfo, SmsShare::Enrolment)
    };
    assert_eq!(sent_of(&fakes, &[], 80, to_new).await, 20);
    assert_eq!(fakes.counted(), [Metric::MailboxBudgetExhausted; 60]);
    assert_eq!(sent_of(&fakes, &[], 1, || code(email())).await, 1, "its owner's resets are counted apart");
    deliver(&fakes, &[], &[notice(email())], 1).await;
    assert_eq!(fakes.sent().len(), 1, "notices have no rate limit");
    let names = fakes.rate_limits().join(" ");
    assert!(!names.contains("aisyah") && !names.contains("example"), "{names}");
}

/// Mail to its owner comes back within the hour.
/// Controls: C-131.
#[tokio::test]
async fn enrolled_mailbox_has_hourly_limit_only() {
    let fakes = Arc::new(Fakes::default());
    let mut sent = 0;
    for hour in 0..12 {
        let until = START + Seconds(hour * 3_600 + 600);
        let to_owner = || {
            let Message::Code(code) = code(email()) else { panic!("a code") };
            let purpose = if hour % 2 == 0 { Purpose::Reset } else { Purpose::SecondStep };
            Message::Code(CodeMessage { expires_at: until, purpose, ..code })
        };
        sent += sent_of(&fakes, &[], 12, to_owner).await;
        fakes.advance(Seconds::HOUR);
    }
    assert_eq!(sent, 12 * 10, "ten an hour, and no limit for the day");
}

/// Controls: C-131.
#[tokio::test]
async fn redelivered_mail_counts_once() {
    let fakes = Arc::new(Fakes::default());
    fakes.set_provider(Provider::Down);
    for count in 1..20 {
        assert_eq!(deliver(&fakes, &[], &[code(email())], count).await, ["0"]);
    }
    fakes.set_provider(Provider::Up);
    assert_eq!(sent_of(&fakes, &[], 12, || code(email())).await, 9);
}

/// The provider fails for the code that took the last one of a limit: of a mailbox, a number, a block, the day or a share
/// of it. A code that was refused stays refused.
/// Controls: C-074, C-131.
#[tokio::test]
async fn redelivered_code_is_not_refused_by_its_own_count() {
    let stranger = || with(code(mobile()), Purpose::Reset, SmsShare::FirstStep);
    let enrolment = |to: Recipient| with(code(to), Purpose::SecurityInfo, SmsShare::Enrolment);
    let limits: [(&[(&str, &str)], Message); 6] = [
        (&[("REKEY_SENDS_PER_HOUR", "1")], code(email())),
        (&[("REKEY_SENDS_PER_DAY", "1"), ("REKEY_SENDS_PER_HOUR", "1")], enrolment(email())),
        (&[("REKEY_SENDS_PER_DAY", "1"), ("REKEY_SENDS_PER_HOUR", "1")], code(mobile())),
        (&[("REKEY_SENDS_PER_BLOCK", "2")], enrolment(mobile())),
        (&[("REKEY_SMS_PER_DAY", "2")], code(mobile())),
        (&[("REKEY_SMS_PER_DAY", "7")], stranger()),
    ];
    for (limit, message) in limits {
        let fakes = Arc::new(Fakes::default());
        let one = std::slice::from_ref(&message);
        assert!(deliver(&fakes, limit, one, 1).await.is_empty());
        fakes.set_provider(Provider::Down);
        assert_eq!(deliver(&fakes, limit, one, 1).await, ["0"], "{limit:?}");
        assert_eq!(deliver(&fakes, limit, one, 2).await, ["0"], "{limit:?}");
        fakes.set_provider(Provider::Up);
        assert!(deliver(&fakes, limit, one, 3).await.is_empty());
        assert_eq!((fakes.sent().len(), fakes.metrics()), (2, 0), "{limit:?}");
        for count in [1, 2, 3] {
            assert!(deliver(&fakes, limit, one, count).await.is_empty());
            assert_eq!(fakes.sent().len(), 0, "{limit:?}");
        }
    }
}

/// Controls: C-132.
#[tokio::test]
async fn day_is_shared_between_strangers_enrolment_and_the_rest() {
    let fakes = Arc::new(Fakes::default());
    let limited = [("REKEY_SMS_PER_DAY", "20"), ("REKEY_SENDS_PER_BLOCK", "1000")];
    let next = std::cell::Cell::new(0);
    let to = || {
        next.set(next.get() + 1);
        let number = PhoneNumber::from_stored(format!("+60123456{:03}", next.get()));
        if next.get() % 2 == 0 { Recipient::Sms(number) } else { Recipient::Voice(number) }
    };
    let stranger = || with(code(to()), Purpose::Reset, SmsShare::FirstStep);
    assert_eq!(sent_of(&fakes, &limited, 10, stranger).await, 6, "30 %");
    assert_eq!(fakes.counted(), [Metric::SmsBudgetExhausted; 4]);
    let enrolment = || with(code(to()), Purpose::SecurityInfo, SmsShare::Enrolment);
    assert_eq!(sent_of(&fakes, &limited, 15, enrolment).await, 12, "60 %");
    assert_eq!(fakes.phone_messages_counted(), 18, "what was refused spends nothing");
    assert_eq!(sent_of(&fakes, &limited, 5, || code(to())).await, 2, "the whole day's limit holds");
    assert_eq!(fakes.phone_messages_counted(), 20);
    assert_eq!(sent_of(&fakes, &limited, 1, stranger).await, 0);
}

/// A flood of second steps and known devices leaves strangers what the day has left, and no more.
/// Controls: C-132.
#[tokio::test]
async fn refused_code_spends_no_other_limit() {
    let fakes = Arc::new(Fakes::default());
    let limited = [("REKEY_SMS_PER_DAY", "10"), ("REKEY_SENDS_PER_DAY", "5")];
    let stranger = || with(code(mobile()), Purpose::Reset, SmsShare::FirstStep);
    assert_eq!(sent_of(&fakes, &limited, 9, stranger).await, 3);
    assert_eq!(
        sent_of(&fakes, &limited, 9, || code(mobile())).await,
        7,
        "the number counted three, not nine"
    );
}

/// Any account may type any number to enrol it.
/// Controls: C-067.
#[tokio::test]
async fn enrolment_and_reset_codes_have_separate_rate_limits() {
    let fakes = Arc::new(Fakes::default());
    let many = [("REKEY_SENDS_PER_DAY", "5"), ("REKEY_SENDS_PER_BLOCK", "5")];
    let registered = || {
        let Message::Code(code) = code(mobile()) else { unreachable!() };
        Message::Code(CodeMessage { purpose: Purpose::SecurityInfo, ..code })
    };
    for _ in 0..8 {
        deliver(&fakes, &many, &[registered()], 1).await;
    }
    assert_eq!((fakes.sent().len(), fakes.metrics()), (5, 3));
    deliver(&fakes, &many, &[code(mobile())], 1).await;
    assert_eq!(fakes.sent().len(), 1);
}

/// Controls: C-074.
#[tokio::test]
async fn block_of_1000_numbers_shares_hourly_rate_limit() {
    let fakes = Arc::new(Fakes::default());
    let neighbour = |n: u32| Recipient::Sms(PhoneNumber::from_stored(format!("+60123456{n:03}")));
    for n in 0..40 {
        assert!(deliver(&fakes, &[], &[code(neighbour(n))], 1).await.is_empty());
    }
    assert_eq!((fakes.sent().len(), fakes.metrics(), fakes.phone_messages_counted()), (30, 10, 30));
    let elsewhere = Recipient::Sms(PhoneNumber::from_stored("+60123457000".into()));
    deliver(&fakes, &[], &[code(elsewhere)], 1).await;
    assert_eq!(fakes.sent().len(), 1);
    fakes.advance(Seconds::HOUR);
    let later = Message::Code(CodeMessage {
        to: neighbour(50),
        purpose: Purpose::Reset,
        share: SmsShare::Rest,
        code: OneTimeCode::parse("12345678").unwrap(),
        language: Language::English,
        expires_at: START + Seconds::HOUR + Seconds(600),
        minutes: 10,
        login: Some("aisyah".to_owned()),
        requested: None,
    });
    deliver(&fakes, &[], &[later], 1).await;
    assert_eq!(fakes.sent().len(), 1);
}

/// Controls: C-088.
#[tokio::test]
async fn rate_limit_keys_contain_no_phone_number() {
    let fakes = Arc::new(Fakes::default());
    deliver(&fakes, &[], &[code(mobile())], 1).await;
    let names = fakes.rate_limits().join(" ");
    assert!(!names.contains("123456"), "{names}");
}

/// Controls: C-074.
#[tokio::test]
async fn redelivered_code_counts_once() {
    let fakes = Arc::new(Fakes::default());
    fakes.set_provider(Provider::Down);
    for count in 1..20 {
        assert_eq!(deliver(&fakes, &[], &[code(mobile())], count).await, ["0"]);
    }
    assert_eq!(fakes.phone_messages_counted(), 1);
}

/// Controls: C-075.
#[tokio::test]
async fn numbers_outside_allowed_countries_receive_no_messages() {
    let fakes = Arc::new(Fakes::default());
    let abroad = || Recipient::Sms(PhoneNumber::from_stored("+6591234567".into()));
    assert!(deliver(&fakes, &[], &[code(abroad()), notice(abroad())], 1).await.is_empty());
    assert!(fakes.sent().is_empty());
    deliver(&fakes, &[("REKEY_SMS_COUNTRIES", "MY,SG")], &[code(abroad())], 1).await;
    assert_eq!(fakes.sent().len(), 1);
}
