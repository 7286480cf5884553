//! Rate limits: what each counts, for whom, and in which window.
//!
//! A limit yields the key of its counter. Each kind has its own prefix, and an account's id stands between
//! the kind and parts without `#`. So no two limits share a counter, whatever an id contains.

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::account::AccountId;
use super::client::AddressBlock;
use super::contact::{EmailAddress, PhoneNumber};
use super::holder::HolderId;
use super::keys::Keyring;
use super::message::SmsShare;
use super::name::NameRef;
use super::time::{Seconds, Timestamp};

/// A rate limit. The caller passes the number that it allows per window.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RateLimit {
    /// Flows started with a name, per hour.
    OpensOfName(NameRef),
    /// Flows started from a network, per hour.
    OpensOfNetwork(AddressBlock),
    /// CAPTCHAs answered by characters alone from a network, right or wrong, per hour.
    CharactersOfNetwork(AddressBlock),
    /// CAPTCHAs of the whole deployment answered by characters alone, right or wrong, per hour.
    Characters,
    /// Sign-ins from an address block, per hour.
    SignInsOfAddress(AddressBlock),
    /// The single answer to a CAPTCHA: prevents replay.
    Captcha {
        /// The id of the challenge in the counter's key.
        spend_id: [u8; 32],
        /// The counter is kept until the challenge expires.
        expires_at: Timestamp,
    },
    /// The single answer to a sign-in at the identity provider: prevents replay.
    ProviderSignIn {
        /// The id of the sign-in in the counter's key.
        spend_id: [u8; 32],
        /// The counter is kept until the sign-in expires.
        expires_at: Timestamp,
    },
    /// Attempts at an account's recovery codes from one network, per day, on a sheet with slow hashes.
    SlowRecoveryAttempts(AccountId, AddressBlock),
    /// Codes to an enrolled number, per day.
    CodesToNumber(NumberTag),
    /// Codes to the enrolled numbers of a block, per hour.
    CodesToBlock(BlockTag),
    /// Codes to a number that is being enrolled, per day. Counted separately, since anybody with an account may
    /// type any number.
    CodesToNewNumber(NumberTag),
    /// Codes to the numbers of a block that are being enrolled, per hour.
    CodesToNewBlock(BlockTag),
    /// Codes to an enrolled mailbox, per hour.
    CodesToMailbox(MailboxTag),
    /// Codes to a mailbox that is being enrolled, per day. Counted separately, since anybody with an account may
    /// type any address.
    CodesToNewMailbox(MailboxTag),
    /// Texts and calls of the whole deployment, per day. Bounds the cost.
    PhoneMessages,
    /// Those of one share, per day, counted in the same item.
    PhoneMessagesOf(SmsShare),
    /// The mark of a message that was counted, in the item that counted it: one write sets both. The queue may deliver
    /// the message again.
    CountedMessage {
        /// The limit of the mailbox or block that counted it.
        counted_in: Box<Self>,
        /// The message.
        message: MessageTag,
    },
    /// Answers with an older cookie to a flow or session, after this many verified steps. The counter lies
    /// outside the holder, so that such answers don't change it.
    OlderAnswers {
        /// The flow or session that the cookie names.
        holder: HolderId,
        /// Its number of verified steps.
        verified: u8,
    },
}

/// A telephone number within its block of a thousand. Keyed: the store contains no numbers.
///
/// The counters of a block and of its numbers are in one item a day, so that one write takes from both. A flood adds
/// at most 24 × `REKEY_SENDS_PER_BLOCK` short counters to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NumberTag {
    block: BlockTag,
    /// Four bytes distinguish a thousand numbers.
    number: [u8; 4],
}

/// A block of a thousand numbers. Keyed, too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlockTag([u8; 16]);

impl NumberTag {
    /// Returns the tag of a number.
    pub fn of(number: &PhoneNumber, messages: &Keyring) -> Option<Self> {
        let tag = |digits: &str| destination_tag("rekey/number budget", digits, messages);
        Some(Self { block: BlockTag(tag(number.block())?), number: *tag(number.expose())?.first_chunk()? })
    }

    /// Returns the block of the number.
    pub fn block(&self) -> BlockTag {
        self.block.clone()
    }
}

/// Uses the oldest key, so key rotation doesn't change it.
fn destination_tag(purpose: &str, value: &str, messages: &Keyring) -> Option<[u8; 16]> {
    let tag = messages.tag(messages.oldest(), purpose, &[value.as_bytes()])?;
    tag.as_bytes().first_chunk().copied()
}

/// A mailbox. Keyed: the store contains no addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MailboxTag([u8; 16]);

impl MailboxTag {
    /// Returns the tag of an address in canonical form, as factors are compared, and without a subaddress
    /// (`+tag`, RFC 5233): `aisyah+1@…` to `aisyah+99@…` are one person's mailbox.
    pub fn of(address: &EmailAddress, messages: &Keyring) -> Option<Self> {
        let canonical = address.canonical();
        let (local, domain) = canonical.rsplit_once('@').unwrap_or((&canonical, ""));
        let plain = local.split_once('+').map_or(local, |(plain, _)| plain);
        let mailbox = Zeroizing::new(format!("{plain}@{domain}"));
        destination_tag("rekey/mailbox budget", &mailbox, messages).map(Self)
    }
}

/// A short reference to a message of the queue, the same for each delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageTag([u8; 8]);

impl MessageTag {
    /// Returns the tag of the queue's id of a message (SQS, `MessageId`). Eight bytes distinguish the messages of a
    /// block and day.
    pub fn of(id: &str) -> Self {
        let hash = Sha256::digest(id);
        Self(std::array::from_fn(|at| hash.get(at).copied().unwrap_or_default()))
    }
}

/// The forms of a date in RFC 3339, and of a date with an hour.
const DATE: &str = "yyyy-mm-dd";
const DATE_HOUR: &str = "yyyy-mm-ddThh";

/// The length of a window. Windows are fixed: they begin at the full hour or at midnight UTC.
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

    /// Returns the number of the hour or day since 1970.
    fn number(self, now: Timestamp) -> i64 {
        now.as_seconds().div_euclid(i64::from(self.length().0))
    }

    fn end(self, now: Timestamp) -> Timestamp {
        let length = i64::from(self.length().0);
        Timestamp::from_seconds(self.number(now).saturating_add(1).saturating_mul(length))
    }

    /// Returns the hour or the day in RFC 3339.
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
    /// Returns the name of the counter in its item. Limits with one key and different counters can be acquired
    /// together. It is stored data, like the key.
    pub fn counter(&self, now: Timestamp) -> String {
        match self {
            Self::CodesToNumber(number) | Self::CodesToNewNumber(number) => {
                format!("n{}", hex::encode(number.number))
            }
            Self::CodesToBlock(_) | Self::CodesToNewBlock(_) => {
                format!("h{:02}", Window::Hour.number(now).rem_euclid(24))
            }
            Self::PhoneMessagesOf(share) => share.as_str().to_owned(),
            Self::CountedMessage { message, .. } => format!("m{}", hex::encode(message.0)),
            _ => "count".to_owned(),
        }
    }

    /// Returns the key of the counter's item. It is stored data: a newer version must find the counts of an older
    /// one.
    pub fn key(&self, now: Timestamp) -> String {
        let hour = || Window::Hour.number(now);
        let day = || Window::Day.number(now);
        let of_name =
            |kind: &str, name: &NameRef| format!("{kind}#{}#{}", hex::encode(name.as_bytes()), hour());
        let of_address = |kind: &str, address: &AddressBlock| format!("{kind}#{address}#{}", hour());
        let of_block = |kind: &str, block: &BlockTag| {
            format!("{kind}#{}#{}", hex::encode(block.0), Window::Day.date(now))
        };
        let of_mailbox = |kind: &str, mailbox: &MailboxTag, window: Window| {
            format!("{kind}#{}#{}", hex::encode(mailbox.0), window.date(now))
        };
        match self {
            Self::OpensOfName(name) => of_name("opens#name", name),
            Self::OpensOfNetwork(network) => of_address("opens#network", network),
            Self::CharactersOfNetwork(network) => of_address("characters-of-network", network),
            Self::Characters => format!("characters#{}", hour()),
            Self::SignInsOfAddress(address) => of_address("sign-ins-of-address", address),
            Self::Captcha { spend_id, .. } => format!("captcha#{}", hex::encode(spend_id)),
            Self::ProviderSignIn { spend_id, .. } => format!("oidc#{}", hex::encode(spend_id)),
            Self::SlowRecoveryAttempts(account, address) => {
                format!("recovery#{}#{}#{address}", account.as_str(), day())
            }
            Self::CodesToNumber(NumberTag { block, .. }) | Self::CodesToBlock(block) => {
                of_block("numbers", block)
            }
            Self::CodesToNewNumber(NumberTag { block, .. }) | Self::CodesToNewBlock(block) => {
                of_block("new-numbers", block)
            }
            Self::CodesToMailbox(mailbox) => of_mailbox("mailbox", mailbox, Window::Hour),
            Self::CodesToNewMailbox(mailbox) => of_mailbox("new-mailbox", mailbox, Window::Day),
            Self::PhoneMessages | Self::PhoneMessagesOf(_) => format!("sms#{}", Window::Day.date(now)),
            Self::CountedMessage { counted_in, .. } => counted_in.key(now),
            Self::OlderAnswers { holder, verified } => {
                format!("older#{}#{verified}", hex::encode(holder.as_bytes()))
            }
        }
    }

    /// Returns the end of the window that `now` lies in.
    pub fn window_end(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::Captcha { expires_at, .. } | Self::ProviderSignIn { expires_at, .. } => *expires_at,
            Self::CountedMessage { counted_in, .. } => counted_in.window_end(now),
            Self::OlderAnswers { .. } => self.kept_until(now),
            _ => self.window().end(now),
        }
    }

    /// Returns the time until which the counter is kept: one window longer than needed, for clocks that
    /// differ.
    pub fn kept_until(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::Captcha { expires_at, .. } | Self::ProviderSignIn { expires_at, .. } => {
                *expires_at + Seconds::HOUR
            }
            // The item also counts the day of its numbers.
            Self::CodesToBlock(_) | Self::CodesToNewBlock(_) => now + Seconds(2 * Seconds::DAY.0),
            Self::CountedMessage { counted_in, .. } => counted_in.kept_until(now),
            _ => now + Seconds(2 * self.window().length().0),
        }
    }

    fn window(&self) -> Window {
        match self {
            Self::OpensOfName(_)
            | Self::OpensOfNetwork(_)
            | Self::CharactersOfNetwork(_)
            | Self::Characters
            | Self::SignInsOfAddress(_)
            | Self::Captcha { .. }
            | Self::ProviderSignIn { .. }
            | Self::CodesToBlock(_)
            | Self::CodesToNewBlock(_)
            | Self::CodesToMailbox(_)
            | Self::OlderAnswers { .. } => Window::Hour,
            Self::SlowRecoveryAttempts(..)
            | Self::CodesToNewMailbox(_)
            | Self::PhoneMessages
            | Self::PhoneMessagesOf(_)
            | Self::CodesToNumber(_)
            | Self::CodesToNewNumber(_) => Window::Day,
            Self::CountedMessage { counted_in, .. } => counted_in.window(),
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
        AddressBlock::from_address(Some(text.parse::<IpAddr>().unwrap()))
    }

    /// The mark of a message in the item of this limit.
    fn counted(limit: RateLimit) -> RateLimit {
        RateLimit::CountedMessage {
            counted_in: Box::new(limit),
            message: MessageTag::of("5fea7756-0ea4-451a-a703-a558b933e274"),
        }
    }

    fn keys() -> Keyring {
        Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
    }

    /// Keys of counters are stored data: a newer version must find an older one's counters.
    #[test]
    fn stored_rate_limit_keys_are_unchanged() {
        let number = PhoneNumber::from_stored("+60123456798".to_owned());
        let number = NumberTag::of(&number, &keys()).unwrap();
        let address_of = |text: &str| EmailAddress::from_stored(text.to_owned());
        let mailbox = MailboxTag::of(&address_of("aisyah@mail.example"), &keys()).unwrap();
        let (name, hex) = (name(0xab), "ab".repeat(32));
        let until = NOW + Seconds(600);
        for (limit, key, kept_until) in [
            (RateLimit::OpensOfName(name), format!("opens#name#{hex}#498748"), 7_200),
            (
                RateLimit::OpensOfNetwork(address("203.0.113.7").network()),
                "opens#network#203.0.113.0#498748".into(),
                7_200,
            ),
            (
                RateLimit::CharactersOfNetwork(address("203.0.113.7").network()),
                "characters-of-network#203.0.113.0#498748".into(),
                7_200,
            ),
            (RateLimit::Characters, "characters#498748".into(), 7_200),
            (
                RateLimit::SignInsOfAddress(address("2001:db8:1:2:3::4")),
                "sign-ins-of-address#2001:db8:1:2::#498748".into(),
                7_200,
            ),
            (
                RateLimit::SignInsOfAddress(AddressBlock::from_address(None)),
                "sign-ins-of-address#unknown#498748".into(),
                7_200,
            ),
            (
                RateLimit::Captcha { spend_id: [0xcd; 32], expires_at: until },
                format!("captcha#{}", "cd".repeat(32)),
                4_200,
            ),
            (
                RateLimit::ProviderSignIn { spend_id: [0xcd; 32], expires_at: until },
                format!("oidc#{}", "cd".repeat(32)),
                4_200,
            ),
            (
                RateLimit::SlowRecoveryAttempts(account("~ab"), address("203.0.113.7")),
                "recovery#~ab#20781#203.0.113.7".into(),
                172_800,
            ),
            (
                RateLimit::CodesToNumber(number.clone()),
                format!("numbers#{}#2026-11-24", hex::encode(number.block.0)),
                172_800,
            ),
            (
                RateLimit::CodesToNewBlock(number.block()),
                format!("new-numbers#{}#2026-11-24", hex::encode(number.block.0)),
                172_800,
            ),
            (RateLimit::PhoneMessages, "sms#2026-11-24".into(), 172_800),
            (
                RateLimit::CodesToMailbox(mailbox.clone()),
                format!("mailbox#{}#2026-11-24T04", hex::encode(mailbox.0)),
                7_200,
            ),
            (
                RateLimit::CodesToNewMailbox(mailbox.clone()),
                format!("new-mailbox#{}#2026-11-24", hex::encode(mailbox.0)),
                172_800,
            ),
            (RateLimit::PhoneMessagesOf(SmsShare::FirstStep), "sms#2026-11-24".into(), 172_800),
            (
                RateLimit::OlderAnswers { holder: HolderId::from_bytes([0xef; 32]), verified: 1 },
                format!("older#{}#1", "ef".repeat(32)),
                7_200,
            ),
            (
                counted(RateLimit::CodesToBlock(number.block())),
                format!("numbers#{}#2026-11-24", hex::encode(number.block.0)),
                172_800,
            ),
            (
                counted(RateLimit::CodesToMailbox(mailbox.clone())),
                format!("mailbox#{}#2026-11-24T04", hex::encode(mailbox.0)),
                7_200,
            ),
        ] {
            assert_eq!(limit.key(NOW), key);
            assert_eq!(limit.kept_until(NOW), NOW + Seconds(kept_until), "{key}");
        }
        assert_eq!(hex::encode(number.block.0), "f501e278b761e80576cbd97561f32724");
        for (limit, counter) in [
            (RateLimit::CodesToNumber(number.clone()), "n0e4382a9"),
            (RateLimit::CodesToNewNumber(number.clone()), "n0e4382a9"),
            (RateLimit::CodesToBlock(number.block()), "h04"),
            (RateLimit::CodesToNewBlock(number.block()), "h04"),
            (RateLimit::PhoneMessages, "count"),
            (RateLimit::PhoneMessagesOf(SmsShare::FirstStep), "first-step"),
            (RateLimit::PhoneMessagesOf(SmsShare::Enrolment), "enrolment"),
            (counted(RateLimit::CodesToMailbox(mailbox.clone())), "m5df87f23819f39c4"),
            (RateLimit::CodesToMailbox(mailbox), "count"),
        ] {
            assert_eq!(limit.counter(NOW), counter);
        }
    }

    /// Controls: C-131.
    #[test]
    fn mailbox_is_one_in_every_spelling() {
        let tag = |text: &str| MailboxTag::of(&EmailAddress::from_stored(text.to_owned()), &keys()).unwrap();
        for same in [
            "Aisyah@MAIL.example",
            "aisyah@mail.example.",
            "aisyah+1@mail.example",
            "ａｉｓｙａｈ+2+3@mail.example",
        ] {
            assert_eq!(tag(same), tag("aisyah@mail.example"), "{same}");
        }
        for other in ["aisyah1@mail.example", "aisyah@mail2.example"] {
            assert_ne!(tag(other), tag("aisyah@mail.example"), "{other}");
        }
    }

    #[test]
    fn rate_limit_window_ends_with_hour_or_day() {
        let recovery = RateLimit::SlowRecoveryAttempts(account("a"), address("203.0.113.7"));
        let opens = RateLimit::OpensOfName(name(1));
        let at = |seconds: i64| Timestamp::from_seconds(NOW.as_seconds() + seconds);
        assert_eq!((opens.window_end(NOW), opens.window_end(at(3_599))), (at(3_600), at(3_600)));
        assert_eq!((recovery.window_end(NOW), recovery.window_end(at(71_999))), (at(72_000), at(72_000)));
        assert_eq!(recovery.window_end(at(72_000)), at(72_000 + 86_400));
        for limit in [recovery, opens, RateLimit::PhoneMessages] {
            let end = limit.window_end(NOW);
            assert_eq!(limit.key(NOW), limit.key(Timestamp::from_seconds(end.as_seconds() - 1)));
            assert_ne!(limit.key(NOW), limit.key(end));
        }
    }

    /// Returns ids that resemble the rest of a key.
    fn id() -> impl Strategy<Value = String> {
        let part = prop::sample::select(vec![
            "a", "#", "#1", "#2", "#3", "20781", "#20781", "#498748", "totp#", "push#", "name#", "address#",
            "sends#", "~",
        ]);
        prop::collection::vec(part, 1..5).prop_map(|parts| parts.concat())
    }

    fn number() -> impl Strategy<Value = NumberTag> {
        "\\+601234[0-1]{1,5}"
            .prop_map(|number| NumberTag::of(&PhoneNumber::from_stored(number), &keys()).unwrap())
    }

    fn mailbox() -> impl Strategy<Value = MailboxTag> {
        "[ab]{1,2}@m"
            .prop_map(|address| MailboxTag::of(&EmailAddress::from_stored(address), &keys()).unwrap())
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
            .prop_map(|text| AddressBlock::from_address(text.map(|text| text.parse::<IpAddr>().unwrap())))
        };
        let account = || id().prop_map(|id| account(&id));
        // An item has one limit that marks its messages.
        let item = prop_oneof![
            number().prop_map(|number| RateLimit::CodesToBlock(number.block())),
            number().prop_map(|number| RateLimit::CodesToNewBlock(number.block())),
            mailbox().prop_map(RateLimit::CodesToMailbox),
            mailbox().prop_map(RateLimit::CodesToNewMailbox),
        ];
        prop_oneof![
            name().prop_map(RateLimit::OpensOfName),
            address().prop_map(RateLimit::OpensOfNetwork),
            address().prop_map(RateLimit::CharactersOfNetwork),
            Just(RateLimit::Characters),
            address().prop_map(RateLimit::SignInsOfAddress),
            (0_u8..2).prop_map(|id| RateLimit::Captcha { spend_id: [id; 32], expires_at: NOW }),
            (0_u8..2).prop_map(|id| RateLimit::ProviderSignIn { spend_id: [id; 32], expires_at: NOW }),
            (account(), address())
                .prop_map(|(account, block)| RateLimit::SlowRecoveryAttempts(account, block)),
            number().prop_map(RateLimit::CodesToNumber),
            number().prop_map(RateLimit::CodesToNewNumber),
            number().prop_map(|number| RateLimit::CodesToBlock(number.block())),
            number().prop_map(|number| RateLimit::CodesToNewBlock(number.block())),
            mailbox().prop_map(RateLimit::CodesToMailbox),
            mailbox().prop_map(RateLimit::CodesToNewMailbox),
            Just(RateLimit::PhoneMessages),
            Just(RateLimit::PhoneMessagesOf(SmsShare::FirstStep)),
            Just(RateLimit::PhoneMessagesOf(SmsShare::Enrolment)),
            (item, id()).prop_map(|(item, id)| RateLimit::CountedMessage {
                counted_in: Box::new(item),
                message: MessageTag::of(&id),
            }),
        ]
    }

    /// Returns times close to each other, so that they often share a window.
    fn moment() -> impl Strategy<Value = Timestamp> {
        (0_i64..4).prop_map(|hours| Timestamp::from_seconds(NOW.as_seconds() + 18 * 3_600 + hours * 3_600))
    }

    proptest! {
        /// Two keys are equal only for one limit in one window. None is the key of an account's limit log
        /// (`sends#…`), which is in the same table.
        /// Controls: C-090.
        #[test]
        fn rate_limit_keys_never_collide(counted in prop::collection::vec((limit(), moment()), 2..60)) {
            let mut seen: HashMap<(String, String), (RateLimit, Timestamp)> = HashMap::new();
            for (limit, at) in counted {
                let key = (limit.key(at), limit.counter(at));
                prop_assert!(!key.0.starts_with("sends#"));
                let (first, when) = seen.entry(key.clone()).or_insert_with(|| (limit.clone(), at)).clone();
                prop_assert_eq!(&first, &limit, "{:?}", &key);
                // A mark lasts as long as its item, which a block keeps for a day.
                let lasting = matches!(
                    limit,
                    RateLimit::Captcha { .. }
                        | RateLimit::ProviderSignIn { .. }
                        | RateLimit::CountedMessage { .. }
                );
                prop_assert!(lasting || first.window_end(when) == limit.window_end(at), "{:?}", &key);
            }
        }
    }
}
