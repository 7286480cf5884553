use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::domain::account::{Account, AccountState, suffices};
use crate::domain::contact::Country;
use crate::domain::population::{Census, Place, ResetPolicy, Shape};
use crate::domain::time::Seconds;

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
const MONTH: Seconds = Seconds(30 * 86_400);

fn keys() -> Keyring {
    Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
}

/// What the pages show of a name.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    login: String,
    offers: Vec<Offer>,
}

/// A deployment that draws decoys.
struct Deployment<'a> {
    keys: Keyring,
    population: Option<PopulationVersions>,
    methods: &'a [Method],
    steps: u8,
}

impl<'a> Deployment<'a> {
    fn of(population: Option<PopulationVersions>, methods: &'a [Method], steps: u8) -> Self {
        Self { keys: keys(), population, methods, steps }
    }

    fn decoys(&self) -> Decoys<'_> {
        let population = self.population.as_ref();
        Decoys { flows: &self.keys, population, methods: self.methods, steps: self.steps }
    }

    fn decoy(&self, login: &str, now: Timestamp) -> Seen {
        let name = CanonicalName::parse(login, &[]).unwrap();
        let id = AccountId::decoy(&name.reference(&self.keys));
        let decoy = self.decoys().registration(&id, &name, now);
        Seen { login: login.to_owned(), offers: decoy.offers(self.methods) }
    }
}

/// Pseudo-random numbers (`SplitMix64`).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap() % end
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(u32::try_from(of.len()).unwrap()) as usize]
    }
}

const NAMES: [&str; 24] = [
    "aisyah", "ahmad", "amir", "azlan", "chong", "daniel", "farah", "hafiz", "imran", "jia", "kumar", "lim",
    "mei", "mohd", "muhammad", "nur", "nurul", "priya", "raj", "siti", "tan", "wei", "yusof", "zainab",
];

fn letters(random: &mut Random) -> String {
    let end = [random.below(26), random.below(26)].map(|n| char::from(b'a' + u8::try_from(n).unwrap()));
    format!("{}.{}{}{}", random.pick(&NAMES), random.pick(&NAMES), end[0], end[1])
}

fn digits(random: &mut Random) -> String {
    format!("20{}{:06}", 18 + random.below(8), random.below(1_000_000))
}

/// Returns contacts and methods. The mailbox begins with the login's letter in `own` of a hundred cases.
fn holding(random: &mut Random, login: &str, own: u32, kinds: &[Kind]) -> Registration {
    let name = if random.chance(own) { login } else { random.pick(&NAMES) };
    let mut registration = Registration::default();
    for kind in kinds {
        match kind {
            AlternateEmail => {
                registration.alternate_email =
                    Some(EmailAddress::from_stored(format!("{name}@mail.example")));
            }
            Mobile => {
                let number = format!("+6012345{:04}", random.below(10_000));
                registration.mobile = Some(PhoneNumber::from_stored(number));
            }
            OfficePhone => {
                // Two in five are reached by the switchboard.
                let line = if random.chance(40) { 7_200 } else { random.below(10_000) };
                registration.office_phone = Some(PhoneNumber::from_stored(format!("+6032731{line:04}")));
            }
            held => registration.holds.extend(held.methods()),
        }
    }
    registration
}

/// A person with all logins.
type Person = (Vec<String>, Registration);

/// Makes logins and people of a population.
#[derive(Clone, Copy)]
struct Maker {
    people: u32,
    login: fn(&mut Random) -> String,
    person: fn(&mut Random, String) -> Person,
}

use Kind::{AlternateEmail, Authenticator, Mobile, OfficePhone, Passkey, RecoveryCodes, Totp};

fn student(random: &mut Random, login: String) -> Person {
    let kinds: &[Kind] = match random.below(100) {
        0..88 => &[AlternateEmail, Mobile],
        88..96 => &[AlternateEmail, Mobile, Totp],
        96..99 => &[Mobile, Totp],
        _ => &[Mobile],
    };
    let registration = holding(random, &login, 0, kinds);
    (vec![login], registration)
}

fn staff(random: &mut Random, login: String) -> Person {
    let kinds: &[Kind] = match random.below(100) {
        0..40 => &[AlternateEmail, Mobile, OfficePhone],
        40..65 => &[AlternateEmail, OfficePhone],
        65..80 => &[Mobile, OfficePhone, Totp],
        80..95 => &[AlternateEmail, Mobile, OfficePhone, Totp],
        _ => &[OfficePhone],
    };
    let registration = holding(random, &login, 75, kinds);
    (vec![login], registration)
}

fn mixed(random: &mut Random, login: String) -> Person {
    let is_staff = Shape::of(&login) == Shape::Letters;
    let mut kinds = vec![AlternateEmail];
    let shares = [
        (Mobile, 85),
        (OfficePhone, if is_staff { 60 } else { 0 }),
        (Totp, 35),
        (Authenticator, 15),
        (Passkey, if is_staff { 10 } else { 40 }),
        (RecoveryCodes, 20),
    ];
    kinds.extend(shares.into_iter().filter(|(_, share)| random.chance(*share)).map(|(kind, _)| kind));
    let registration = holding(random, &login, 70, &kinds);
    (vec![login], registration)
}

fn member(random: &mut Random, login: String) -> Person {
    let kinds: &[Kind] = match random.below(60) {
        0..34 => &[AlternateEmail, Mobile],
        34..44 => &[AlternateEmail, Mobile, OfficePhone],
        44..52 => &[AlternateEmail, Mobile, Totp],
        52..55 => &[Mobile, Passkey],
        55..57 => &[AlternateEmail, Passkey, RecoveryCodes],
        57..58 => &[OfficePhone, Authenticator],
        _ => &[AlternateEmail],
    };
    let registration = holding(random, &login, 80, kinds);
    // A third is known by a number as well.
    let number = random.chance(33).then(|| digits(random));
    (std::iter::once(login).chain(number).collect(), registration)
}

fn anything(random: &mut Random, login: String) -> Person {
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|_| random.chance(50)).collect();
    let registration = holding(random, &login, 50, &kinds);
    (vec![login], registration)
}

fn of_three_shapes(random: &mut Random) -> String {
    match random.below(10) {
        0..4 => digits(random),
        4..7 => letters(random),
        _ => format!("s{}", digits(random)),
    }
}

/// A surname and two letters of the given name, `rahmanai`, whose mailbox begins with the given name.
fn clipped(random: &mut Random) -> String {
    let given = [random.below(26), random.below(26)].map(|n| char::from(b'a' + u8::try_from(n).unwrap()));
    format!("{}{}{}", random.pick(&NAMES), given[0], given[1])
}

/// Initials and a number, `ar1234`.
fn initials(random: &mut Random) -> String {
    let names = [random.pick(&NAMES), random.pick(&NAMES)].map(|name| &name[..1]);
    format!("{}{}{:04}", names[0], names[1], random.below(10_000))
}

/// Returns a person whose mailbox begins with one of these parts of a name, in as many of a hundred cases.
fn named(random: &mut Random, login: String, parts: &[(u32, usize)]) -> Person {
    let drawn = random.below(100);
    let mut below = 0;
    let part = parts.iter().find(|(share, _)| {
        below += share;
        drawn < below
    });
    let mailbox = part.map_or_else(|| random.pick(&NAMES).to_owned(), |(_, at)| login[*at..].to_owned());
    let kinds: &[Kind] =
        if random.chance(70) { &[AlternateEmail, Mobile] } else { &[AlternateEmail, Mobile, OfficePhone] };
    (vec![login], holding(random, &mailbox, 100, kinds))
}

fn second_part(random: &mut Random, login: String) -> Person {
    let at = login.find('.').unwrap() + 1;
    named(random, login, &[(40, 0), (40, at)])
}

fn end(random: &mut Random, login: String) -> Person {
    let at = login.len() - 2;
    named(random, login, &[(20, 0), (70, at)])
}

fn second_letter(random: &mut Random, login: String) -> Person {
    named(random, login, &[(50, 0), (40, 1)])
}

/// Returns a login whose prefix tells students from staff and a few visitors.
fn prefixed(random: &mut Random) -> String {
    match random.below(100) {
        0..79 => format!("s{:06}", random.below(1_000_000)),
        79..98 => format!("e{:05}", random.below(100_000)),
        _ => format!("v{:05}", random.below(100_000)),
    }
}

/// Returns a login whose prefix says nothing, and whose length tells students from staff.
fn prefixed_of_two_lengths(random: &mut Random) -> String {
    let is_student = random.chance(75);
    if is_student {
        format!("u{:07}", random.below(10_000_000))
    } else {
        format!("u{:05}", random.below(100_000))
    }
}

/// Returns eight digits for students and five for staff.
fn of_two_lengths(random: &mut Random) -> String {
    let is_student = random.chance(80);
    if is_student {
        format!("{:08}", random.below(100_000_000))
    } else {
        format!("{:05}", random.below(100_000))
    }
}

/// Returns two parts for students, and one for staff.
fn dotted_or_not(random: &mut Random) -> String {
    if random.chance(70) { letters(random) } else { clipped(random) }
}

fn student_or_staff(random: &mut Random, login: String) -> Person {
    let is_student = match Shape::of(&login) {
        Shape::Letters => login.contains('.'),
        Shape::Digits => login.len() == 8,
        Shape::Both => login.starts_with('s') || login.len() == 8,
    };
    if is_student { student(random, login) } else { staff(random, login) }
}

const STUDENTS: Maker = Maker { people: 3_000, login: digits, person: student };
const STAFF: Maker = Maker { people: 900, login: letters, person: staff };
const MIXED: Maker = Maker { people: 2_400, login: of_three_shapes, person: mixed };
const COLLEGE: Maker = Maker { people: 60, login: letters, person: member };
const EVERY_SET: Maker = Maker { people: 2_000, login: of_three_shapes, person: anything };

impl Maker {
    fn make(&self, seed: u64) -> Vec<Person> {
        let random = &mut Random(seed);
        let mut people: BTreeMap<String, Person> = BTreeMap::new();
        while people.len() < self.people as usize {
            let login = (self.login)(random);
            people.entry(login.clone()).or_insert_with(|| (self.person)(random, login));
        }
        people.into_values().collect()
    }

    /// Returns the real names as strangers see them, and decoys of made-up names of the same shapes.
    fn seen(&self, seed: u64, methods: &[Method], steps: u8) -> (Vec<Seen>, Vec<Seen>) {
        let people = self.make(seed);
        let deployment = Deployment::of(
            PopulationVersions::after(None, &count(&people, methods, steps), NOW),
            methods,
            steps,
        );
        let mut real = Vec::new();
        for (logins, registration) in &people {
            let offers = registration.offers(methods);
            // Whoever holds too little shows a decoy, and is one for everybody.
            if suffices(&offers, steps) {
                real.extend(logins.iter().map(|login| Seen { login: login.clone(), offers: offers.clone() }));
            }
        }
        let known: BTreeSet<&String> = people.iter().flat_map(|(logins, _)| logins).collect();
        let random = &mut Random(seed ^ 0xdec0);
        let mut made_up = BTreeSet::new();
        let wanted = 2_000.max(real.len());
        while made_up.len() < wanted {
            let login = (self.login)(random);
            // Of a person with several logins, the second one is typed as often as in the population.
            let logins = (self.person)(random, login).0;
            made_up.extend(logins.into_iter().filter(|login| !known.contains(login)));
        }
        (real, made_up.iter().map(|login| deployment.decoy(login, NOW)).collect())
    }
}

fn count(people: &[Person], methods: &[Method], steps: u8) -> Population {
    let policy = ResetPolicy { methods, steps, countries: &[Country::MALAYSIA] };
    let mut census = Census::default();
    for (logins, registration) in people {
        let account = Account {
            id: AccountId::from_directory(logins[0].as_str()).unwrap(),
            name: String::new(),
            logins: logins.clone(),
            email: None,
            language: None,
            state: AccountState::Active,
            password_policy: None,
        };
        census.count(&account, registration, &policy);
    }
    census.population(None)
}

/// Returns what somebody who knows how a university makes logins sees in one: the shape, a prefix that tells kinds of
/// people apart, the number of digits, and whether there is a dot.
fn kind_of_login(login: &str) -> String {
    let end = login.find(|c: char| c.is_ascii_digit()).unwrap_or_default();
    let prefix = ["s", "e", "u", "v"].into_iter().find(|prefix| *prefix == &login[..end]);
    let digits = login.chars().filter(char::is_ascii_digit).count();
    format!("{:?} {prefix:?} {digits} {}", Shape::of(login), login.contains('.'))
}

/// Returns what a classifier may use: the whole set with the kind of login and the relation of the mask to it, and the
/// values of the masks.
fn features(seen: &Seen) -> Vec<String> {
    let shape = kind_of_login(&seen.login);
    let mask =
        |method: Method| seen.offers.iter().find(|offer| offer.method == method).map(|o| o.masked.as_str());
    let methods: Vec<&str> = seen.offers.iter().map(|offer| offer.method.as_str()).collect();
    let initial = mask(Method::Email).and_then(|mask| mask.chars().next());
    let relation = initial.map(|initial| match initial {
        '*' => "none",
        initial if Some(initial) == Place::First.letter(&seen.login) => "own",
        _ => "other",
    });
    let mut features =
        vec![format!("{shape} {methods:?} {relation:?}"), format!("{shape} {relation:?} {initial:?}")];
    // Somebody who knows how people make mailboxes compares the letter with each place of the login.
    for place in Place::ALL.into_iter().filter(|_| initial.is_some()) {
        features.push(format!("{shape} {place:?} {}", place.letter(&seen.login) == initial));
    }
    features.extend(mask(Method::Sms).map(|mask| format!("{shape} mobile {mask}")));
    features.extend(mask(Method::OfficeCall).map(|mask| format!("{shape} office {mask}")));
    features
}

/// Learned likelihoods of the features of real names and decoys (naive Bayes with Laplace smoothing).
#[derive(Default)]
struct Classifier(BTreeMap<String, [f64; 2]>, [f64; 2]);

impl Classifier {
    fn learn<'a>(real: impl Iterator<Item = &'a Seen>, decoys: impl Iterator<Item = &'a Seen>) -> Self {
        let mut learned = Self::default();
        let all = real.map(|seen| (0, seen)).chain(decoys.map(|seen| (1, seen)));
        for (class, seen) in all {
            learned.1[class] += 1.0;
            for feature in features(seen) {
                learned.0.entry(feature).or_default()[class] += 1.0;
            }
        }
        learned
    }

    /// Returns the logarithm of the likelihood ratio: the higher, the more likely a real name.
    fn score(&self, seen: &Seen) -> f64 {
        let of = |feature: &String| {
            let counts = self.0.get(feature).copied().unwrap_or_default();
            let [real, decoy] = [0, 1].map(|class: usize| (counts[class] + 1.0) / (self.1[class] + 2.0));
            (real / decoy).ln()
        };
        features(seen).iter().map(of).sum()
    }
}

/// Returns the chance that a real name scores higher than a decoy.
fn auc(real: &[f64], decoys: &[f64]) -> f64 {
    let mut sorted = decoys.to_vec();
    sorted.sort_by(f64::total_cmp);
    let share = |score: &f64| {
        let below = sorted.partition_point(|other| *other < *score - 1e-9);
        let equal = sorted.partition_point(|other| *other <= *score + 1e-9) - below;
        (size(&sorted[..below]) + size(&sorted[..equal]) / 2.0) / size(&sorted)
    };
    real.iter().map(share).sum::<f64>() / size(real)
}

/// Returns every second name, from the first or from the second one on.
fn half(all: &[Seen], from: usize) -> Vec<Seen> {
    all.iter().skip(from).step_by(2).cloned().collect()
}

/// Returns the AUC of the classifier that learns on one half and is tested on the other, both ways.
fn cross_validated(real: &[Seen], decoys: &[Seen]) -> f64 {
    let one_way = |from: usize| {
        let learned = Classifier::learn(half(real, from).iter(), half(decoys, from).iter());
        let scores =
            |all: &[Seen]| half(all, 1 - from).iter().map(|seen| learned.score(seen)).collect::<Vec<_>>();
        auc(&scores(real), &scores(decoys))
    };
    f64::midpoint(one_way(0), one_way(1))
}

/// Returns the AUC of somebody who knows how many people have each set, with the relation of its mask. The shares of
/// decoys are learned from one half.
fn omniscient(real: &[Seen], decoys: &[Seen]) -> f64 {
    let set = |seen: &Seen| features(seen).swap_remove(0);
    let shares = |all: &[Seen]| {
        let mut shares: BTreeMap<String, f64> = BTreeMap::new();
        for seen in all {
            *shares.entry(set(seen)).or_default() += 1.0 / size(all);
        }
        shares
    };
    let (learned, tested) = (half(decoys, 0), half(decoys, 1));
    let (of_real, of_decoys) = (shares(real), shares(&learned));
    let score = |seen: &Seen| {
        let share = |of: &BTreeMap<String, f64>| of.get(&set(seen)).copied().unwrap_or_default();
        let decoys = share(&of_decoys) + 0.5 / size(&learned);
        (share(&of_real) / decoys).max(1e-9).ln()
    };
    auc(&real.iter().map(score).collect::<Vec<_>>(), &tested.iter().map(score).collect::<Vec<_>>())
}

fn size<T>(all: &[T]) -> f64 {
    f64::from(u32::try_from(all.len()).unwrap())
}

fn assert_indistinguishable(what: &str, maker: &Maker, methods: &[Method], steps: u8) {
    let rounds = if maker.people < 500 { 10 } else { 1 };
    let mut aucs = [Vec::new(), Vec::new()];
    for seed in 0..rounds {
        let (real, decoys) = maker.seen(seed, methods, steps);
        aucs[0].push(cross_validated(&real, &decoys));
        aucs[1].push(omniscient(&real, &decoys));
    }
    let [learned, omniscient] = aucs.map(|aucs| aucs.iter().sum::<f64>() / size(&aucs));
    eprintln!("{what}: AUC {learned:.3} learned, {omniscient:.3} with all counts known");
    assert!((0.4..0.6).contains(&learned), "{what}: AUC {learned}");
    assert!((0.4..0.6).contains(&omniscient), "{what}: AUC {omniscient} with all counts known");
}

/// Controls: C-107.
#[test]
fn students_are_indistinguishable_from_decoys() {
    assert_indistinguishable("students", &STUDENTS, &Method::ALL, 2);
}

/// Controls: C-107.
#[test]
fn staff_are_indistinguishable_from_decoys() {
    assert_indistinguishable("staff", &STAFF, &Method::ALL, 2);
}

/// Controls: C-107.
#[test]
fn mixed_people_are_indistinguishable_from_decoys() {
    assert_indistinguishable("mixed", &MIXED, &Method::ALL, 2);
    assert_indistinguishable("mixed, one step", &MIXED, &Method::ALL, 1);
    let few = [Method::Email, Method::Sms, Method::Totp];
    assert_indistinguishable("mixed, few methods", &MIXED, &few, 2);
}

/// Logins and mailboxes are made from one name, in more ways than by one letter.
/// Controls: C-107.
#[test]
fn mailboxes_from_names_are_indistinguishable_from_decoys() {
    let maker = |login, person| Maker { people: 500, login, person };
    assert_indistinguishable("aisyah.rahman", &maker(letters, second_part), &Method::ALL, 2);
    assert_indistinguishable("rahmanai", &maker(clipped, end), &Method::ALL, 2);
    assert_indistinguishable("ar1234", &maker(initials, second_letter), &Method::ALL, 2);
}

/// A prefix, a length or a dot tells students from staff whose logins have one shape.
/// Controls: C-107.
#[test]
fn people_of_one_shape_are_indistinguishable_from_decoys() {
    let maker = |people, login| Maker { people, login, person: student_or_staff };
    for people in [500, 2_000] {
        assert_indistinguishable("s123456, e12345", &maker(people, prefixed), &Method::ALL, 2);
        assert_indistinguishable("12345678, 12345", &maker(people, of_two_lengths), &Method::ALL, 2);
        assert_indistinguishable(
            "u1234567, u12345",
            &maker(people, prefixed_of_two_lengths),
            &Method::ALL,
            2,
        );
        assert_indistinguishable("aisyah.rahman, rahmanai", &maker(people, dotted_or_not), &Method::ALL, 2);
    }
    let counts = count(&maker(2_000, prefixed).make(1), &Method::ALL, 2);
    let size = serde_json::to_string(&counts).unwrap().len();
    assert!(size < 4 * 1024, "{size} bytes");
}

/// Controls: C-107.
#[test]
fn college_of_sixty_is_indistinguishable_from_decoys() {
    assert_indistinguishable("college", &COLLEGE, &Method::ALL, 2);
}

/// Controls: C-107.
#[test]
fn people_with_any_set_are_indistinguishable_from_decoys() {
    // With a few people for each of a thousand sets, exact counts would tell more than anybody can learn.
    let (real, decoys) = EVERY_SET.seen(1, &Method::ALL, 2);
    let auc = cross_validated(&real, &decoys);
    assert!((0.4..0.6).contains(&auc), "{auc}");
    let one = Maker {
        people: 60,
        person: |random, login| {
            let registration = holding(random, &login, 100, &[AlternateEmail, Mobile]);
            (vec![login], registration)
        },
        ..COLLEGE
    };
    assert_indistinguishable("one set", &one, &Method::ALL, 2);
}

/// The same check finds decoys that don't resemble the people.
#[test]
fn classifier_detects_unlike_decoys() {
    let (real, _) = STUDENTS.seen(1, &Method::ALL, 2);
    let nobody = Deployment::of(None, &Method::ALL, 2);
    let decoys: Vec<Seen> = (0..2_000).map(|n| nobody.decoy(&format!("2030{n:06}"), NOW)).collect();
    assert!(cross_validated(&real, &decoys) > 0.8 && omniscient(&real, &decoys) > 0.8);
}

/// A policy that changes changes the sets of people and decoys alike, before anybody is counted again.
/// Controls: C-107.
#[test]
fn decoys_follow_a_change_of_policy_at_once() {
    let people = MIXED.make(7);
    let fewer: &[Method] = &[Method::Email, Method::Totp, Method::Passkey];
    for ((old, old_steps), (new, steps)) in [
        ((&Method::ALL as &[Method], 2), (fewer, 2)),
        ((fewer, 2), (&Method::ALL, 2)),
        ((fewer, 2), (fewer, 1)),
    ] {
        let versions = PopulationVersions::after(None, &count(&people, old, old_steps), NOW);
        let deployment = Deployment::of(versions, new, steps);
        let seen = |(logins, registration): &Person| {
            let offers = registration.offers(new);
            suffices(&offers, steps).then(|| Seen { login: logins[0].clone(), offers })
        };
        let real: Vec<Seen> = people.iter().filter_map(seen).collect();
        let random = &mut Random(99);
        let decoys: Vec<Seen> = (0..2_000).map(|_| deployment.decoy(&of_three_shapes(random), NOW)).collect();
        let auc = omniscient(&real, &decoys);
        assert!((0.4..0.6).contains(&auc), "{auc} with {new:?} and {steps} steps");
    }
}

/// Controls: C-001.
#[test]
fn decoy_of_same_name_is_stable() {
    let versions = PopulationVersions::after(None, &count(&MIXED.make(1), &Method::ALL, 2), NOW);
    let deployment = Deployment::of(versions, &Method::ALL, 2);
    assert_eq!(deployment.decoy("nobody", NOW).offers, deployment.decoy("NOBODY", NOW).offers);
    assert_eq!(deployment.decoy("nobody", NOW), deployment.decoy("nobody", NOW + Seconds(29 * 86_400)));
}

/// A set that only real people have would reveal their accounts.
/// Controls: C-107.
#[test]
fn decoys_cover_every_permitted_set() {
    let policies: [(&[Method], u8); 4] = [
        (&Method::ALL, 2),
        (&Method::ALL, 1),
        (&[Method::Email, Method::Totp, Method::Push], 2),
        (&[Method::OfficeCall, Method::Sms], 2),
    ];
    for (methods, steps) in policies {
        let deployment = Deployment::of(None, methods, steps);
        let kinds: Vec<Kind> = deployment.decoys().permitted_kinds().collect();
        let sets = (1..1_u32 << kinds.len()).map(|bits| -> BTreeSet<Kind> {
            kinds.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, kind)| *kind).collect()
        });
        let factors =
            |set: &BTreeSet<Kind>| set.iter().map(|kind| kind.factor()).collect::<BTreeSet<_>>().len();
        let possible: BTreeSet<_> = sets.filter(|set| factors(set) >= usize::from(steps)).collect();
        let drawn: BTreeSet<_> =
            (0..200).map(|choice| deployment.decoys().any_permitted_set(choice)).collect();
        assert_eq!(drawn, possible, "{methods:?}");
    }
}

/// Controls: C-107.
#[test]
fn one_decoy_in_twenty_has_any_set() {
    let one: Vec<Person> = (0..500)
        .map(|n| {
            let login = format!("2021{n:06}");
            let registration = holding(&mut Random(n), &login, 0, &[AlternateEmail, Mobile]);
            (vec![login], registration)
        })
        .collect();
    let versions = PopulationVersions::after(None, &count(&one, &Method::ALL, 2), NOW);
    let deployment = Deployment::of(versions, &Method::ALL, 2);
    let is_other = |n: &u32| {
        let offers = deployment.decoy(&format!("2022{n:06}"), NOW).offers;
        offers.iter().map(|offer| offer.method).ne([Method::Email, Method::Sms, Method::MobileCall])
    };
    let others = (0..2_000).filter(is_other).count();
    assert!((70..130).contains(&others), "{others} of 2000");
}

/// Before the first count, and for a policy that offers too little for any reset.
/// Controls: C-001.
#[test]
fn decoy_always_satisfies_policy() {
    let versions = PopulationVersions::after(None, &count(&MIXED.make(1), &Method::ALL, 2), NOW);
    let policies: [&[Method]; 3] =
        [&[Method::Email, Method::Totp], &[Method::OfficeCall, Method::Sms], &Method::ALL];
    for methods in policies {
        for population in [None, versions.clone()] {
            let deployment = Deployment::of(population, methods, 2);
            for n in 0..100 {
                let decoy = deployment.decoy(&format!("n{n}"), NOW);
                assert!(suffices(&decoy.offers, 2), "{decoy:?}");
            }
        }
    }
    let too_few = Deployment::of(versions, &[Method::Sms, Method::MobileCall], 2);
    assert_eq!(too_few.decoy("nobody", NOW).offers.len(), 2);
}

/// Controls: C-006.
#[test]
fn decoy_mask_is_one_that_people_can_have() {
    let hidden: Vec<Person> = (0..40)
        .map(|n| {
            let login = format!("l{n}");
            (vec![login], holding(&mut Random(n), "0", 100, &[AlternateEmail, Mobile]))
        })
        .collect();
    let versions = PopulationVersions::after(None, &count(&hidden, &Method::ALL, 2), NOW);
    let masks = |population: Option<PopulationVersions>| {
        let deployment = Deployment::of(population, &Method::ALL, 2);
        let initial = |n: u32| {
            let offers = deployment.decoy(&format!("ö{n}李"), NOW).offers;
            offers.iter().find(|offer| offer.method == Method::Email)?.masked.chars().next()
        };
        (0..200).filter_map(initial).collect::<BTreeSet<char>>()
    };
    assert_eq!(masks(versions), BTreeSet::from(['*']));
    let letters = masks(None);
    assert!(letters.len() > 15 && letters.iter().all(char::is_ascii_lowercase), "{letters:?}");
}

/// Two phones with one number would be one factor.
#[test]
fn decoy_registration_is_restored_from_its_offers() {
    let deployment = Deployment::of(None, &Method::ALL, 2);
    for n in 0..200 {
        let seen = deployment.decoy(&format!("n{n}"), NOW);
        let restored = registration(&seen.offers);
        assert_eq!(restored.offers(&Method::ALL), seen.offers);
        if let (Some(mobile), Some(office)) = (&restored.mobile, &restored.office_phone) {
            assert_ne!(mobile, office);
        }
    }
}

/// Returns two versions a month apart, of people whose sets differ.
fn two_versions(before: &[Person], after: &[Person]) -> [Option<PopulationVersions>; 2] {
    let first = PopulationVersions::after(None, &count(before, &Method::ALL, 2), NOW);
    let second = PopulationVersions::after(first.as_ref(), &count(after, &Method::ALL, 2), NOW + MONTH);
    [first, second]
}

fn with_kinds(kinds: &[Kind]) -> Vec<Person> {
    let person = |n: u32| {
        let login = format!("2021{n:06}");
        let registration = holding(&mut Random(n.into()), &login, 0, kinds);
        (vec![login], registration)
    };
    (0..1_000).map(person).collect()
}

/// Neither the day of a new version nor any other day shows who is real.
/// Controls: C-108.
#[test]
fn decoys_move_evenly_over_thirty_days() {
    let [first, second] =
        two_versions(&with_kinds(&[AlternateEmail, Mobile]), &with_kinds(&[AlternateEmail, Mobile, Totp]));
    let written = NOW + MONTH;
    let (before, after) = (Deployment::of(first, &Method::ALL, 2), Deployment::of(second, &Method::ALL, 2));
    let names: Vec<String> = (0..1_500).map(|n| format!("2022{n:06}")).collect();
    let methods = |seen: Seen| seen.offers.into_iter().map(|offer| offer.method).collect::<Vec<_>>();
    let moved_by = |seconds: u32| {
        let moved = |login: &&String| {
            methods(before.decoy(login, written)) != methods(after.decoy(login, written + Seconds(seconds)))
        };
        u32::try_from(names.iter().filter(moved).count()).unwrap()
    };
    assert_eq!(moved_by(3_599), 0, "a version younger than an hour serves nobody");
    let mut earlier = 0;
    for day in [5, 10, 15, 20, 25, 30] {
        let moved = moved_by(day * 86_400);
        // 95 of 100 leave the one set; the others have any set, and keep it.
        assert!((moved - earlier).abs_diff(1_500 * 95 / 100 / 6) < 50, "{moved} by day {day}");
        earlier = moved;
    }
    assert!(earlier > 1_500 * 93 / 100);
}

/// Decoys change as rarely as people do, and not never.
/// Controls: C-108.
#[test]
fn few_decoys_change_when_few_people_do() {
    let people = MIXED.make(3);
    let mut changed = people.clone();
    // Four people in a hundred enrol a passkey.
    for (_, registration) in changed.iter_mut().step_by(25) {
        if !registration.holds.contains(&Method::Passkey) {
            registration.holds.push(Method::Passkey);
        }
    }
    for (what, after, most) in [("nobody", &people, 120), ("some", &changed, 180)] {
        let [first, second] = two_versions(&people, after);
        let (before, after) =
            (Deployment::of(first, &Method::ALL, 2), Deployment::of(second, &Method::ALL, 2));
        let random = &mut Random(5);
        let is_changed = |_: &u32| {
            let login = of_three_shapes(random);
            let (before, after) =
                (before.decoy(&login, NOW + MONTH), after.decoy(&login, NOW + MONTH + MONTH));
            before != after
        };
        let moved = (0..1_000).filter(is_changed).count();
        assert!((20..most).contains(&moved), "{what} changed, and {moved} of 1000 decoys");
    }
}
