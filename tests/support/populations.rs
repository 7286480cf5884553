//! Populations that the tests of account enumeration draw people and made-up logins from.

use std::collections::BTreeSet;

use shared::domain::account::{Account, AccountId, AccountState, Registration};
use shared::domain::contact::{EmailAddress, PhoneNumber};
use shared::domain::language::Language;
use shared::domain::method::{Kind, Method};
use shared::domain::passkey::Credential;
use shared::domain::recovery_code::{HashedWith, Sheet};
use shared::domain::security_info::{EntryId, Secret};
use shared::domain::time::Timestamp;
use shared::ports::NewEntry;

use Kind::{AlternateEmail, Authenticator, Mobile, OfficePhone, Passkey, RecoveryCodes, Totp};

/// A passkey that no test answers by.
pub const CREDENTIAL: &str = r#"{"id":"AAAA","key":{"algorithm":"EdDSA","point":"AAAA"},"user_handle":"AAAA","counter":0,"backup_eligible":false,"transports":[]}"#;

const NAMES: [&str; 16] = [
    "aisyah", "ahmad", "azlan", "chong", "farah", "hafiz", "imran", "kumar", "lim", "mohd", "nurul", "raj",
    "siti", "tan", "yusof", "zainab",
];

/// Pseudo-random numbers (`SplitMix64`), equal in every run.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Returns the numbers of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number below `end`.
    pub fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap() % end
    }
}

/// A population: how logins look, and what people have enrolled.
#[derive(Clone, Copy, Debug)]
pub struct Population {
    /// Its name in tests and reports.
    pub name: &'static str,
    /// The number of its people.
    pub people: u32,
    login: fn(&mut Random) -> String,
    kinds: fn(&mut Random) -> Vec<Kind>,
    /// In so many of a hundred cases, the mailbox begins with the login's letter.
    own: u32,
}

/// Students with mail and mobile, staff with office phones, people with passkeys and apps, a small college, and people
/// who all have the methods that are rare elsewhere.
pub const POPULATIONS: [Population; 5] = [
    Population { name: "students", people: 240, login: digits, kinds: of_student, own: 0 },
    Population { name: "staff", people: 160, login: letters, kinds: of_staff, own: 75 },
    Population { name: "mixed", people: 240, login: of_three_shapes, kinds: mixed, own: 70 },
    Population { name: "college", people: 60, login: letters, kinds: of_member, own: 80 },
    Population { name: "devices", people: 240, login: of_three_shapes, kinds: with_devices, own: 70 },
];

/// A person of a population.
#[derive(Clone, Debug)]
pub struct Member {
    /// The login.
    pub login: String,
    /// The contacts, and whether an app for codes is enrolled.
    pub registration: Registration,
    /// The other enrolled methods.
    pub enrolled: Vec<Kind>,
}

impl Population {
    /// Returns a login as people of the population have it.
    pub fn login(&self, random: &mut Random) -> String {
        (self.login)(random)
    }

    /// Returns its people, each with a login of its own.
    pub fn members(&self, random: &mut Random) -> Vec<Member> {
        let mut logins = BTreeSet::new();
        while logins.len() < self.people as usize {
            logins.insert(self.login(random));
        }
        logins.into_iter().map(|login| self.member(random, login)).collect()
    }

    /// Returns a person with this login.
    pub fn member(&self, random: &mut Random, login: String) -> Member {
        let kinds = (self.kinds)(random);
        let mut member = Member { registration: Registration::default(), enrolled: Vec::new(), login };
        for kind in kinds {
            match kind {
                AlternateEmail => {
                    let other = NAMES[random.below(16) as usize];
                    let name = if random.below(100) < self.own { &member.login } else { other };
                    let address = format!("{name}{}@mail.example", random.below(1_000));
                    member.registration.alternate_email = Some(EmailAddress::from_stored(address));
                }
                Mobile => member.registration.mobile = Some(number("+6012345", random.below(10_000))),
                // Two in five are reached by the switchboard.
                OfficePhone => {
                    let line = if random.below(100) < 40 { 7_200 } else { random.below(10_000) };
                    member.registration.office_phone = Some(number("+6032731", line));
                }
                Totp => member.registration.holds.push(Method::Totp),
                other => member.enrolled.push(other),
            }
        }
        member
    }
}

fn number(prefix: &str, line: u32) -> PhoneNumber {
    PhoneNumber::from_stored(format!("{prefix}{line:04}"))
}

impl Member {
    /// Returns the account in the directory.
    pub fn account(&self, state: AccountState) -> Account {
        Account {
            id: AccountId::from_directory(&*self.login).unwrap(),
            name: "Nurul".to_owned(),
            logins: vec![self.login.clone()],
            email: Some(EmailAddress::from_stored(format!("{}@student.contoh.example", self.login))),
            // Not the language of the stranger's browser.
            language: Some(Language::Malay),
            state,
            password_policy: None,
        }
    }

    /// Returns the entries of the enrolled methods that no import has.
    pub fn entries(&self, now: Timestamp) -> Vec<NewEntry<'static>> {
        let entry = |kind: &Kind| {
            let secret = match kind {
                Authenticator => Secret::Authenticator { public_key: vec![4; 65], subscription: None },
                Passkey => Secret::Passkey(Credential::parse(CREDENTIAL).unwrap()),
                _ => Secret::RecoveryCodes(Sheet {
                    hashed_with: HashedWith::Key("1".into()),
                    hashes: vec!["hash".into()],
                }),
            };
            NewEntry::new(EntryId::new(*kind, [1; 8]), String::new(), secret, now)
        };
        self.enrolled.iter().map(entry).collect()
    }
}

fn digits(random: &mut Random) -> String {
    format!("20{}{:06}", 18 + random.below(8), random.below(1_000_000))
}

fn letters(random: &mut Random) -> String {
    let [name, other] = [random.below(16), random.below(16)].map(|n| NAMES[n as usize]);
    let end = [random.below(26), random.below(26)].map(|n| char::from(b'a' + u8::try_from(n).unwrap()));
    format!("{name}.{other}{}{}", end[0], end[1])
}

fn of_three_shapes(random: &mut Random) -> String {
    match random.below(10) {
        0..4 => digits(random),
        4..7 => letters(random),
        _ => format!("s{}", digits(random)),
    }
}

fn of_student(random: &mut Random) -> Vec<Kind> {
    match random.below(100) {
        0..88 => vec![AlternateEmail, Mobile],
        88..96 => vec![AlternateEmail, Mobile, Totp],
        96..99 => vec![Mobile, Totp],
        _ => vec![Mobile],
    }
}

fn of_staff(random: &mut Random) -> Vec<Kind> {
    match random.below(100) {
        0..40 => vec![AlternateEmail, Mobile, OfficePhone],
        40..65 => vec![AlternateEmail, OfficePhone],
        65..80 => vec![Mobile, OfficePhone, Totp],
        80..95 => vec![AlternateEmail, Mobile, OfficePhone, Totp],
        _ => vec![OfficePhone],
    }
}

fn mixed(random: &mut Random) -> Vec<Kind> {
    let shares = [
        (Mobile, 85),
        (OfficePhone, 20),
        (Totp, 35),
        (Authenticator, 25),
        (Passkey, 30),
        (RecoveryCodes, 20),
    ];
    let chosen = shares.into_iter().filter(|(_, share)| random.below(100) < *share).map(|(kind, _)| kind);
    std::iter::once(AlternateEmail).chain(chosen).collect()
}

fn with_devices(_: &mut Random) -> Vec<Kind> {
    vec![AlternateEmail, Authenticator, Passkey, RecoveryCodes]
}

fn of_member(random: &mut Random) -> Vec<Kind> {
    match random.below(60) {
        0..34 => vec![AlternateEmail, Mobile],
        34..44 => vec![AlternateEmail, Mobile, OfficePhone],
        44..52 => vec![AlternateEmail, Mobile, Totp],
        52..55 => vec![Mobile, Passkey],
        55..57 => vec![AlternateEmail, Passkey, RecoveryCodes],
        57..58 => vec![OfficePhone, Authenticator],
        _ => vec![AlternateEmail],
    }
}
