//! Rate limits: what is counted, for whom, and in which window.
//!
//! A limit yields the key that its counter is stored under. Each kind begins with words of its own, and an account's id
//! stands between the kind and parts that have no `#`, so that no two limits share a counter, whatever an id holds.

use super::account::AccountId;
use super::client::AddressBlock;
use super::contact::PhoneNumber;
use super::holder::HolderId;
use super::keys::Keyring;
use super::name::NameRef;
use super::time::{Seconds, Timestamp};

/// A rate limit. How many it lets through is the caller's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RateLimit {
    /// Flows opened with a name in an hour.
    OpensOfName(NameRef),
    /// Flows opened from an address in an hour.
    OpensOfAddress(AddressBlock),
    /// Sign-ins with a name in an hour.
    SignInsOfName(NameRef),
    /// Sign-ins from an address in an hour.
    SignInsOfAddress(AddressBlock),
    /// Sign-ins with a name in an hour that were not accepted.
    SignInsRefused(NameRef),
    /// The one answer to a CAPTCHA.
    Captcha {
        /// What the challenge is spent under.
        spend_id: [u8; 32],
        /// When the challenge ends.
        expires_at: Timestamp,
    },
    /// Attempts at an account's app codes in a day.
    TotpAttempts(AccountId, Bucket),
    /// Attempts at an account's recovery codes from one network in a day, on a sheet that costs a slow hash each.
    SlowRecoveryAttempts(AccountId, AddressBlock),
    /// Requests to an account's devices in an hour, at enrolment. Those of a reset are in the account's ledger.
    PushRequests(AccountId),
    /// Codes sent for an account in a day, at enrolment.
    EnrolmentCodes(AccountId),
    /// Entries that an account adds or removes in a day.
    Changes(AccountId),
    /// Codes to a number of an account.
    CodesToNumber(NumberRange),
    /// Codes to a number that somebody enrols: counted apart, since anybody with an account may type anybody's.
    CodesToNewNumber(NumberRange),
    /// Texts and calls of the whole deployment in a day.
    PhoneMessages,
    /// Deliveries of one message that came before.
    Redelivery(MessageId),
    /// Answers that come to a flow or session with an older cookie once so many steps are verified. They lie apart from the
    /// holder, so that they change nothing of it.
    OlderAnswers {
        /// The flow or session.
        holder: HolderId,
        /// How many steps it has verified.
        verified: u8,
    },
}

/// Which attempts at one account's codes count together. A stranger can drain the first step's by naming the account; the
/// second step needs one proof, and enrolment the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// Verification step 1.
    FirstStep,
    /// Verification step 2.
    SecondStep,
    /// The page where people enrol.
    Enrolment,
}

impl Bucket {
    /// The bucket of a reset's step.
    pub const fn of_step(step: u8) -> Self {
        if step <= 1 { Self::FirstStep } else { Self::SecondStep }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::FirstStep => "1",
            Self::SecondStep => "2",
            Self::Enrolment => "3",
        }
    }
}

/// A telephone number for a day, or its block of a thousand for an hour. Keyed: the store has no numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NumberRange {
    tag: [u8; 16],
    window: Window,
}

impl NumberRange {
    /// The number itself, for a day.
    pub fn whole(number: &PhoneNumber, messages: &Keyring) -> Option<Self> {
        Some(Self { tag: number_tag(number.expose(), messages)?, window: Window::Day })
    }

    /// Its block of a thousand, for an hour.
    pub fn block(number: &PhoneNumber, messages: &Keyring) -> Option<Self> {
        Some(Self { tag: number_tag(number.block(), messages)?, window: Window::Hour })
    }
}

/// Stable over key rotation (it hangs on the oldest key).
fn number_tag(digits: &str, messages: &Keyring) -> Option<[u8; 16]> {
    let tag = messages.tag(messages.oldest(), "rekey/number budget", &[digits.as_bytes()])?;
    tag.as_bytes().first_chunk().copied()
}

/// The id that the queue gave a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(String);

impl MessageId {
    /// Reads an id: 1 to 100 characters, as SQS gives them (`SendMessage`, `MessageId`). One as long as a date could be a
    /// day of [`RateLimit::PhoneMessages`], and is none: SQS gives UUIDs.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=100).contains(&text.len()) && text.len() != DATE.len();
        fits.then(|| Self(text.to_owned()))
    }
}

/// How a date of RFC 3339 begins, and a date with an hour.
const DATE: &str = "yyyy-mm-dd";
const DATE_HOUR: &str = "yyyy-mm-ddThh";

/// How long attempts count together: windows are fixed, and begin with the full hour or at midnight in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Window {
    Hour,
    Day,
}

impl Window {
    const fn length(self) -> Seconds {
        match self {
            Self::Hour => Seconds::HOUR,
            Self::Day => Seconds::DAY,
        }
    }

    /// Which hour or day since 1970.
    fn number(self, now: Timestamp) -> i64 {
        now.as_seconds().div_euclid(i64::from(self.length().0))
    }

    fn end(self, now: Timestamp) -> Timestamp {
        let length = i64::from(self.length().0);
        Timestamp::from_seconds(self.number(now).saturating_add(1).saturating_mul(length))
    }

    /// The hour or the day in the words of RFC 3339.
    fn date(self, now: Timestamp) -> String {
        let mut moment = now.to_string();
        moment.truncate(match self {
            Self::Hour => DATE_HOUR.len(),
            Self::Day => DATE.len(),
        });
        moment
    }
}

impl RateLimit {
    /// The key of the counter. It is data: a newer version finds what an older one has counted.
    pub fn key(&self, now: Timestamp) -> String {
        let hour = || Window::Hour.number(now);
        let day = || Window::Day.number(now);
        let of_name =
            |kind: &str, name: &NameRef| format!("{kind}#{}#{}", hex::encode(name.as_bytes()), hour());
        let of_address = |kind: &str, address: &AddressBlock| format!("{kind}#{address}#{}", hour());
        let of_account = |kind: &str, account: &AccountId| format!("{kind}#{}#{}", account.as_str(), day());
        let attempts = |kind: &str, account: &AccountId, bucket: Bucket| {
            format!("{kind}#{}#{}#{}", account.as_str(), day(), bucket.as_str())
        };
        let of_number = |kind: &str, range: &NumberRange| {
            format!("{kind}#{}#{}", hex::encode(range.tag), range.window.date(now))
        };
        match self {
            Self::OpensOfName(name) => of_name("opens#name", name),
            Self::OpensOfAddress(address) => of_address("opens#address", address),
            Self::SignInsOfName(name) => of_name("sign-ins-of-name", name),
            Self::SignInsOfAddress(address) => of_address("sign-ins-of-address", address),
            Self::SignInsRefused(name) => of_name("sign-ins-refused", name),
            Self::Captcha { spend_id, .. } => format!("captcha#{}", hex::encode(spend_id)),
            Self::TotpAttempts(account, bucket) => attempts("totp", account, *bucket),
            Self::SlowRecoveryAttempts(account, address) => {
                format!("recovery#{}#{}#{address}", account.as_str(), day())
            }
            Self::PushRequests(account) => {
                format!("push#{}#{}#{}", account.as_str(), hour(), Bucket::Enrolment.as_str())
            }
            Self::EnrolmentCodes(account) => of_account("enrolment-codes", account),
            Self::Changes(account) => of_account("changes", account),
            Self::CodesToNumber(range) => of_number("number", range),
            Self::CodesToNewNumber(range) => of_number("new-number", range),
            Self::PhoneMessages => format!("sms#{}", Window::Day.date(now)),
            Self::Redelivery(message) => format!("sms#{}", message.0),
            Self::OlderAnswers { holder, verified } => {
                format!("older#{}#{verified}", hex::encode(holder.as_bytes()))
            }
        }
    }

    /// When what is counted at `now` no longer counts.
    pub fn window_end(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::Captcha { expires_at, .. } => *expires_at,
            Self::Redelivery(_) | Self::OlderAnswers { .. } => self.kept_until(now),
            _ => self.window().end(now),
        }
    }

    /// Until when the counter is kept: a window longer than needed, for clocks that differ.
    pub fn kept_until(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::Captcha { expires_at, .. } => *expires_at + Seconds::HOUR,
            _ => now + Seconds(2 * self.window().length().0),
        }
    }

    const fn window(&self) -> Window {
        match self {
            Self::OpensOfName(_)
            | Self::OpensOfAddress(_)
            | Self::SignInsOfName(_)
            | Self::SignInsOfAddress(_)
            | Self::SignInsRefused(_)
            | Self::Captcha { .. }
            | Self::PushRequests(_)
            | Self::OlderAnswers { .. } => Window::Hour,
            Self::TotpAttempts(..)
            | Self::SlowRecoveryAttempts(..)
            | Self::EnrolmentCodes(_)
            | Self::Changes(_)
            | Self::PhoneMessages
            | Self::Redelivery(_) => Window::Day,
            Self::CodesToNumber(range) | Self::CodesToNewNumber(range) => range.window,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;

    /// 2026-11-24T04:00:00Z: hour 498748, day 20781.
    const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);

    fn account(id: &str) -> AccountId {
        AccountId::from_directory(id).unwrap()
    }

    fn name(byte: u8) -> NameRef {
        NameRef::from_bytes([byte; 32])
    }

    fn address(text: &str) -> AddressBlock {
        AddressBlock::of(Some(text.parse::<IpAddr>().unwrap()))
    }

    fn keys() -> Keyring {
        Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
    }

    /// Counters are data: a newer version goes on counting where an older one was.
    #[test]
    fn stored_rate_limit_keys_are_unchanged() {
        let number = PhoneNumber::from_stored("+60123456798".to_owned());
        let whole = NumberRange::whole(&number, &keys()).unwrap();
        let block = NumberRange::block(&number, &keys()).unwrap();
        let (name, hex) = (name(0xab), "ab".repeat(32));
        let until = NOW + Seconds(600);
        for (limit, key, kept_until) in [
            (RateLimit::OpensOfName(name), format!("opens#name#{hex}#498748"), 7_200),
            (
                RateLimit::OpensOfAddress(address("203.0.113.7")),
                "opens#address#203.0.113.7#498748".into(),
                7_200,
            ),
            (RateLimit::SignInsOfName(name), format!("sign-ins-of-name#{hex}#498748"), 7_200),
            (
                RateLimit::SignInsOfAddress(address("2001:db8:1:2:3::4")),
                "sign-ins-of-address#2001:db8:1:2::#498748".into(),
                7_200,
            ),
            (
                RateLimit::SignInsOfAddress(AddressBlock::of(None)),
                "sign-ins-of-address#unknown#498748".into(),
                7_200,
            ),
            (RateLimit::SignInsRefused(name), format!("sign-ins-refused#{hex}#498748"), 7_200),
            (
                RateLimit::Captcha { spend_id: [0xcd; 32], expires_at: until },
                format!("captcha#{}", "cd".repeat(32)),
                4_200,
            ),
            (
                RateLimit::TotpAttempts(account("aisyah"), Bucket::FirstStep),
                "totp#aisyah#20781#1".into(),
                172_800,
            ),
            (
                RateLimit::TotpAttempts(account("aisyah"), Bucket::SecondStep),
                "totp#aisyah#20781#2".into(),
                172_800,
            ),
            (
                RateLimit::SlowRecoveryAttempts(account("~ab"), address("203.0.113.7")),
                "recovery#~ab#20781#203.0.113.7".into(),
                172_800,
            ),
            (RateLimit::PushRequests(account("aisyah")), "push#aisyah#498748#3".into(), 7_200),
            (RateLimit::EnrolmentCodes(account("aisyah")), "enrolment-codes#aisyah#20781".into(), 172_800),
            (RateLimit::Changes(account("a#b")), "changes#a#b#20781".into(), 172_800),
            (
                RateLimit::CodesToNumber(whole.clone()),
                format!("number#{}#2026-11-24", hex::encode(whole.tag)),
                172_800,
            ),
            (
                RateLimit::CodesToNewNumber(block.clone()),
                format!("new-number#{}#2026-11-24T04", hex::encode(block.tag)),
                7_200,
            ),
            (RateLimit::PhoneMessages, "sms#2026-11-24".into(), 172_800),
            (
                RateLimit::OlderAnswers { holder: HolderId::from_bytes([0xef; 32]), verified: 1 },
                format!("older#{}#1", "ef".repeat(32)),
                7_200,
            ),
            (RateLimit::Redelivery(MessageId::parse("5fea7756").unwrap()), "sms#5fea7756".into(), 172_800),
        ] {
            assert_eq!(limit.key(NOW), key);
            assert_eq!(limit.kept_until(NOW), NOW + Seconds(kept_until), "{key}");
        }
        assert_eq!(hex::encode(whole.tag), "0e4382a9d24bef9b175cf1f3cb6ce54d");
        assert_eq!(hex::encode(block.tag), "f501e278b761e80576cbd97561f32724");
    }

    #[test]
    fn rate_limit_window_ends_with_hour_or_day() {
        let (changes, opens) = (RateLimit::Changes(account("a")), RateLimit::OpensOfName(name(1)));
        let at = |seconds: i64| Timestamp::from_seconds(NOW.as_seconds() + seconds);
        assert_eq!((opens.window_end(NOW), opens.window_end(at(3_599))), (at(3_600), at(3_600)));
        assert_eq!((changes.window_end(NOW), changes.window_end(at(71_999))), (at(72_000), at(72_000)));
        assert_eq!(changes.window_end(at(72_000)), at(72_000 + 86_400));
        for limit in [changes, opens, RateLimit::PhoneMessages] {
            let end = limit.window_end(NOW);
            assert_eq!(limit.key(NOW), limit.key(Timestamp::from_seconds(end.as_seconds() - 1)));
            assert_ne!(limit.key(NOW), limit.key(end));
        }
    }

    #[test]
    fn message_id_like_a_date_is_rejected() {
        for text in ["", "2026-11-24", &"a".repeat(101)] {
            assert_eq!(MessageId::parse(text), None, "{text}");
        }
        assert!(MessageId::parse("5fea7756-0ea4-451a-a703-a558b933e274").is_some());
    }

    /// Ids that look like the rest of a key.
    fn id() -> impl Strategy<Value = String> {
        let part = prop::sample::select(vec![
            "a", "#", "#1", "#2", "#3", "20781", "#20781", "#498748", "totp#", "push#", "name#", "address#",
            "sends#", "~",
        ]);
        prop::collection::vec(part, 1..5).prop_map(|parts| parts.concat())
    }

    fn bucket() -> impl Strategy<Value = Bucket> {
        prop::sample::select(vec![Bucket::FirstStep, Bucket::SecondStep, Bucket::Enrolment])
    }

    fn number_range() -> impl Strategy<Value = NumberRange> {
        let number = "\\+601234[0-1]{1,5}".prop_map(PhoneNumber::from_stored);
        (number, any::<bool>()).prop_map(|(number, whole)| {
            let range = if whole { NumberRange::whole } else { NumberRange::block };
            range(&number, &keys()).unwrap()
        })
    }

    fn limit() -> impl Strategy<Value = RateLimit> {
        let name = || (0_u8..2).prop_map(name);
        let address = || {
            prop::sample::select(vec![
                None,
                Some("1.2.3.4"),
                Some("::"),
                Some("2001:db8::1"),
                Some("::ffff:1.2.3.4"),
            ])
            .prop_map(|text| AddressBlock::of(text.map(|text| text.parse::<IpAddr>().unwrap())))
        };
        let account = || id().prop_map(|id| account(&id));
        let message = prop_oneof![
            id(),
            prop::sample::select(vec!["2026-11-24".to_owned(), "2026-11-25".to_owned(), "1".to_owned()])
        ];
        prop_oneof![
            name().prop_map(RateLimit::OpensOfName),
            address().prop_map(RateLimit::OpensOfAddress),
            name().prop_map(RateLimit::SignInsOfName),
            address().prop_map(RateLimit::SignInsOfAddress),
            name().prop_map(RateLimit::SignInsRefused),
            (0_u8..2).prop_map(|id| RateLimit::Captcha { spend_id: [id; 32], expires_at: NOW }),
            (account(), bucket()).prop_map(|(account, bucket)| RateLimit::TotpAttempts(account, bucket)),
            (account(), address())
                .prop_map(|(account, block)| RateLimit::SlowRecoveryAttempts(account, block)),
            account().prop_map(RateLimit::PushRequests),
            account().prop_map(RateLimit::EnrolmentCodes),
            account().prop_map(RateLimit::Changes),
            number_range().prop_map(RateLimit::CodesToNumber),
            number_range().prop_map(RateLimit::CodesToNewNumber),
            Just(RateLimit::PhoneMessages),
            message.prop_filter_map("no id", |text| MessageId::parse(&text).map(RateLimit::Redelivery)),
        ]
    }

    /// A moment close to others, so that the numbers of windows are often alike.
    fn moment() -> impl Strategy<Value = Timestamp> {
        (0_i64..4).prop_map(|hours| Timestamp::from_seconds(NOW.as_seconds() + 18 * 3_600 + hours * 3_600))
    }

    proptest! {
        /// Two keys are one only for one limit in one window; and none is the key of an account's ledger (`sends#…`), which
        /// lies in the same table.
        #[test]
        fn rate_limit_keys_never_collide(counted in prop::collection::vec((limit(), moment()), 2..60)) {
            let mut seen: HashMap<String, (RateLimit, Timestamp)> = HashMap::new();
            for (limit, at) in counted {
                let key = limit.key(at);
                prop_assert!(!key.starts_with("sends#"));
                let (first, when) = seen.entry(key.clone()).or_insert_with(|| (limit.clone(), at)).clone();
                prop_assert_eq!(&first, &limit, "{}", &key);
                let lasting = matches!(limit, RateLimit::Captcha { .. } | RateLimit::Redelivery(_));
                prop_assert!(lasting || first.window_end(when) == limit.window_end(at), "{}", &key);
            }
        }
    }
}
