use super::*;
use crate::domain::account::{AccountId, AccountState};

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
const POLICY: ResetPolicy<'_> =
    ResetPolicy { methods: &Method::ALL, steps: 2, countries: &[Country::MALAYSIA] };

fn account(logins: &[&str], state: AccountState) -> Account {
    Account {
        id: AccountId::from_directory(logins[0]).unwrap(),
        name: String::new(),
        logins: logins.iter().map(ToString::to_string).collect(),
        email: None,
        language: None,
        state,
        password_policy: None,
    }
}

fn with(email: &str, mobile: &str) -> Registration {
    Registration {
        alternate_email: EmailAddress::parse(email).ok(),
        mobile: PhoneNumber::parse(mobile, Country::MALAYSIA).ok(),
        ..Registration::default()
    }
}

/// Returns the population of these many students with an address and a mobile, and with an app besides.
fn students(without_app: u32, with_app: u32) -> Population {
    let mut census = Census::default();
    for n in 0..without_app + with_app {
        let login = format!("2021{n:06}");
        let mut registration = with("aisyah@mail.example", &format!("+6012345{:04}", n % 10_000));
        if n >= without_app {
            registration.holds.push(Method::Totp);
        }
        census.count(&account(&[&login], AccountState::Active), &registration, &POLICY);
    }
    census.population(None)
}

fn stored(population: &Population) -> String {
    serde_json::to_string(population).unwrap()
}

#[test]
fn login_shape_ignores_punctuation_and_domain() {
    for (login, shape) in [
        ("2021100001", Shape::Digits),
        ("2021-100.001", Shape::Digits),
        ("2021100001@kolej.example", Shape::Digits),
        ("aisyah.rahman", Shape::Letters),
        ("李明", Shape::Letters),
        ("_", Shape::Letters),
        ("s2021100001", Shape::Both),
        ("aisyah2@kolej.example", Shape::Both),
    ] {
        assert_eq!(Shape::of(login), shape, "{login}");
    }
}

#[test]
fn logins_are_grouped_by_prefix_length_and_dot() {
    for (login, group) in [
        ("s2021100001", "s10"),
        ("S123456@kolej.example", "s6"),
        ("stud1", "stud1"),
        ("20211000", "8"),
        ("12345", "5"),
        ("aisyah.rahman", "."),
        ("aisyah_rahman", OTHERS),
        ("李明", OTHERS),
        ("aisyah2", OTHERS),
        ("s12a", OTHERS),
        ("s-123", OTHERS),
        ("2021-100", OTHERS),
        ("é12", OTHERS),
        ("s١٢", OTHERS),
        ("", OTHERS),
    ] {
        assert_eq!(group_of(login), group, "{login}");
    }
}

#[test]
fn letter_at_a_place_of_a_login() {
    let letters = |login: &str| -> String {
        Place::ALL.map(|place| place.letter(login).unwrap_or('-')).into_iter().collect()
    };
    // First; of the second and last part; second, third, fourth; last, last but one, last but two.
    assert_eq!(letters("nur.aisyah_rahman@kolej.example"), "naruranam");
    assert_eq!(letters("Rahmanai"), "r--ahmian");
    assert_eq!(letters("ar1234"), "a--r--ra-");
    assert_eq!(letters("2021.x-9"), "x-----x--");
    assert_eq!(letters("李明"), "---------");
}

/// The item of an earlier version must stay readable.
#[test]
fn stored_form_names_kinds_by_letter() {
    let all = Appearance { kinds: Kind::ALL.into_iter().collect(), initial: Some(Initial::At(Place::First)) };
    let text = serde_json::to_string(&all).unwrap();
    assert_eq!(text, "\"emotapr=\"");
    assert_eq!(serde_json::from_str::<Appearance>(&text).unwrap(), all);
    for initial in Place::ALL.map(Initial::At).into_iter().chain([Initial::Other, Initial::Hidden]) {
        let seen = Appearance { initial: Some(initial), ..all.clone() };
        let text = serde_json::to_string(&seen).unwrap();
        assert_eq!(serde_json::from_str::<Appearance>(&text).unwrap(), seen, "{text}");
    }
    assert!(serde_json::from_str::<Appearance>("\"ex\"").is_err());
    let versions = PopulationVersions::after(None, &students(100, 3), NOW).unwrap();
    let text = serde_json::to_string(&versions).unwrap();
    let population = r#"{"digits":{"people":104,"common":{"em/":104},"rare":["emt/"],"rare_people":4,"letters":{"common":{"a":104},"others":0},"mobiles":{"common":{},"others":104},"office_phones":{"common":{},"others":0}}}"#;
    let expected = format!(
        r#"{{"number":1,"written_at":1790000000,"at_once":true,"current":{population},"previous":null}}"#
    );
    assert_eq!(text, expected);
    assert_eq!(serde_json::from_str::<PopulationVersions>(&text).unwrap(), versions);
}

#[test]
fn only_accounts_with_a_method_are_counted() {
    let full = with("aisyah@mail.example", "+60123456798");
    for (state, registration, counts) in [
        (AccountState::Active, full.clone(), true),
        (AccountState::Locked, full.clone(), true),
        (AccountState::Disabled, full.clone(), false),
        (AccountState::Excluded, full.clone(), false),
        (AccountState::Active, Registration::default(), false),
        (AccountState::Active, with("", "+60123456798"), true),
        (AccountState::Active, with("", "+6591234567"), false),
        (AccountState::Active, Registration { is_mailbox_protected: true, mobile: None, ..full }, false),
    ] {
        let mut census = Census::default();
        census.count(&account(&["aisyah"], state), &registration, &POLICY);
        assert_eq!(!census.population(None).is_empty(), counts, "{state:?} {registration:?}");
    }
}

#[test]
fn account_is_counted_for_each_of_its_logins() {
    let mut census = Census::default();
    let both = account(&["aisyah", "2021100001", "s2021100001"], AccountState::Active);
    census.count(&both, &with("aisyah@mail.example", "+60123456798"), &POLICY);
    let population = census.population(None);
    let seen = |login| {
        population
            .appearances(login)
            .into_iter()
            .map(|(seen, _)| seen.clone().into())
            .collect::<Vec<String>>()
    };
    assert_eq!(seen("nobody"), ["em="]);
    assert_eq!((seen("2022"), seen("s2022")), (vec!["em/".to_owned()], vec!["em/".to_owned()]));
}

/// Universities make logins and people make mailboxes from one name. The place that most have counts first, and one
/// that few have is chance.
/// Controls: C-107.
#[test]
fn places_of_the_letters_of_mailboxes_are_counted() {
    let mut census = Census::default();
    for (people, login, mailbox) in
        [(60, "rahmanai", "aisyah"), (20, "limwe", "wei"), (30, "tansi", "tan"), (4, "chongda", "cool")]
    {
        for n in 0..people {
            let login = format!("{login}{n}");
            let mailbox = with(&format!("{mailbox}@mail.example"), "+60123456798");
            census.count(&account(&[&login], AccountState::Active), &mailbox, &POLICY);
        }
    }
    let population = census.population(None);
    let seen: BTreeMap<String, f64> = population
        .appearances("nobody1")
        .into_iter()
        .map(|(seen, weight)| (seen.clone().into(), weight))
        .collect();
    // `c` of `cool` is the first letter of `chongda`.
    assert_eq!(seen, BTreeMap::from([("em8".to_owned(), 80.0), ("em=".to_owned(), 36.0)]));
}

/// An account that a policy excludes later keeps its kinds here, so that decoys follow the policy at once.
#[test]
fn kinds_outside_policy_are_counted() {
    let mut registration = with("2021@mail.example", "+60123456798");
    registration.holds = vec![Method::Passkey, Method::Push];
    let policy = ResetPolicy { methods: &[Method::Email, Method::Sms], ..POLICY };
    let mut census = Census::default();
    census.count(&account(&["aisyah"], AccountState::Active), &registration, &policy);
    assert!(stored(&census.population(None)).contains("\"emap*\""), "{}", stored(&census.population(None)));
}

/// Nobody can tell from the stored counts whether one person belongs to them.
/// Controls: C-107.
#[test]
fn stored_counts_are_coarse() {
    assert_eq!([0, 1, 2, 5, 7, 30, 31].map(coarse), [0, 2, 2, 6, 8, 30, 32]);
    for count in 8..5_000 {
        let error = coarse(count).abs_diff(count);
        assert!(error * 16 <= count.max(16), "{count} became {}", coarse(count));
    }
    let changed = (1_000..2_000).filter(|count| coarse(*count) != coarse(count + 1)).count();
    assert!(changed < 20, "one person more changes a large count in {changed} of a thousand cases");
    // One or four people: the set is there, and the number isn't.
    let rare = |people| stored(&students(200, people));
    assert!(rare(1).contains(r#""rare":["emt/"]"#));
    assert_eq!(rare(3), rare(4));
}

/// Counts people with these prefixes, each with a mobile, and with an app if the prefix is `e`.
fn prefixed(people: &[(&str, u32)]) -> Census {
    let mut census = Census::default();
    for (prefix, count) in people {
        for n in 0..*count {
            let mut registration = with("aisyah@mail.example", &format!("+6012345{n:04}"));
            if *prefix == "e" {
                registration.holds.push(Method::Totp);
            }
            let login = format!("{prefix}{n:06}");
            census.count(&account(&[&login], AccountState::Active), &registration, &POLICY);
        }
    }
    census
}

/// Returns the sets that decoys with such a login are drawn from.
fn sets(population: &Population, login: &str) -> Vec<String> {
    population.appearances(login).into_iter().map(|(seen, _)| seen.clone().into()).collect()
}

/// Controls: C-107.
#[test]
fn large_groups_of_logins_have_counts_of_their_own() {
    let population = prefixed(&[("s", 300), ("e", 60), ("v", 30), ("w", 30)]).population(None);
    assert_eq!(population.0[&Shape::Both].groups.keys().collect::<Vec<_>>(), ["", "e6", "s6"]);
    assert_eq!(sets(&population, "e999999"), ["emt/"]);
    assert_eq!(sets(&population, "s999999"), ["em/"]);
    // The others are as many as a group. Alone, none of them is, and everybody with letters and digits counts.
    for login in ["v999999", "x1", "s1", "nobody1"] {
        assert_eq!(sets(&population, login), ["em/"], "{login}");
    }
    let population = prefixed(&[("s", 300), ("e", 60), ("v", 30)]).population(None);
    assert_eq!(population.0[&Shape::Both].groups.keys().collect::<Vec<_>>(), ["e6", "s6"]);
    assert_eq!(sets(&population, "v999999"), ["em/", "emt/"]);
    // Nothing is stored twice.
    for people in [vec![("s", 300)], vec![("v", 30), ("w", 30)]] {
        assert_eq!(prefixed(&people).population(None).0[&Shape::Both].groups, BTreeMap::new(), "{people:?}");
    }
}

/// Decoys of a group of about fifty people don't change back and forth.
/// Controls: C-108.
#[test]
fn group_stays_until_half_of_its_people_are_left() {
    let people = |count| prefixed(&[("s", 300), ("e", count)]);
    let versions = |count| PopulationVersions::after(None, &people(count).population(None), NOW).unwrap();
    let has_group = |population: Population| population.0[&Shape::Both].groups.contains_key("e6");
    assert!(!has_group(people(49).population(None)));
    assert!(!has_group(people(49).population(Some(&versions(49)))));
    assert!(has_group(people(50).population(Some(&versions(49)))));
    assert!(has_group(people(49).population(Some(&versions(50)))));
    assert!(has_group(people(25).population(Some(&versions(50)))));
    assert!(!has_group(people(24).population(Some(&versions(50)))));
}

/// The decoys of a new group move within thirty days, as for other changes.
/// Controls: C-108.
#[test]
fn new_group_waits_for_the_next_version() {
    let first = PopulationVersions::after(None, &prefixed(&[("s", 300)]).population(None), NOW).unwrap();
    let today = prefixed(&[("s", 300), ("e", 200)]).population(Some(&first));
    assert_eq!(PopulationVersions::after(Some(&first), &today, NOW + Seconds(29 * 86_400)), None);
    let later = NOW + Seconds(30 * 86_400);
    let second = PopulationVersions::after(Some(&first), &today, later).unwrap();
    assert_eq!(sets(second.at(0, later).1, "e999999"), ["em/"]);
    assert_eq!(sets(second.at(u32::MAX, later + Seconds(86_400)).1, "e999999"), ["em/"]);
    assert_eq!(sets(second.at(0, later + Seconds(86_400)).1, "e999999"), ["emt/"]);
}

/// A process reads the item of a later version that knows more of a group, and of an earlier one that knows less.
#[test]
fn unknown_counts_are_ignored() {
    let population = prefixed(&[("s", 300), ("e", 60)]).population(None);
    let text = stored(&population);
    assert!(text.contains(r#""groups":{"e6":{"people":60,"#), "{text}");
    assert_eq!(serde_json::from_str::<Population>(&text).unwrap(), population);
    let later = text.replace(r#""groups":"#, r#""later":"#);
    let read: Population = serde_json::from_str(&later).unwrap();
    assert_eq!(sets(&read, "e999999"), ["em/", "emt/"]);
}

/// However many prefixes a university has, and whatever its people enrol, the item stays small.
/// Controls: C-107.
#[test]
fn groups_of_a_shape_are_few() {
    let mut census = Census::default();
    let mailboxes = ["aisyah", "rahman", "siti", "tan", "wei", "zainab", "kumar"];
    for n in 0..6_000_u32 {
        let mixed = n.wrapping_mul(0x9e37_79b1) >> 8;
        let mailbox = format!("{}@mail.example", mailboxes[mixed as usize % mailboxes.len()]);
        let mobile = if mixed & 1 << 8 == 0 { "" } else { "+60123456798" };
        let mut registration = with(&mailbox, mobile);
        registration.office_phone =
            PhoneNumber::parse("+60327310000", Country::MALAYSIA).ok().filter(|_| mixed & 1 << 9 == 0);
        let held = [Method::Totp, Method::Push, Method::Passkey, Method::RecoveryCode];
        let held = held.into_iter().enumerate().filter(|(at, _)| mixed >> (10 + at) & 1 == 0);
        registration.holds = held.map(|(_, method)| method).collect();
        // The first prefixes and lengths have the most people.
        let prefix = char::from(b'a' + u8::try_from((n % 676).isqrt()).unwrap());
        let digits = 4 + (n % 100).isqrt() as usize;
        let logins = [format!("{prefix}{n:06}"), format!("{n:0digits$}"), format!("{prefix}.{prefix}")];
        let logins: Vec<&str> = logins.iter().map(String::as_str).collect();
        census.count(&account(&logins[..=n as usize % 3], AccountState::Active), &registration, &POLICY);
    }
    let first = PopulationVersions::after(None, &census.population(None), NOW).unwrap();
    let groups = &first.current.0[&Shape::Both].groups;
    assert_eq!(groups.keys().collect::<Vec<_>>(), ["", "u6", "v6", "w6", "x6", "y6", "z6"]);
    let second = PopulationVersions { previous: Some(first.current.clone()), ..first };
    let size = serde_json::to_string(&second).unwrap().len();
    assert!(size < 48 * 1024, "{size} bytes");
}

#[test]
fn first_version_counts_at_once() {
    assert_eq!(PopulationVersions::after(None, &Population::default(), NOW), None, "nobody was counted");
    let first = PopulationVersions::after(None, &students(10, 0), NOW).unwrap();
    for keyed in [0, 1, u32::MAX] {
        assert_eq!(first.at(keyed, NOW), (1, &students(10, 0)));
    }
}

/// Neither a daily count nor an import restarts the move of decoys.
/// Controls: C-108.
#[test]
fn version_serves_for_thirty_days() {
    let first = PopulationVersions::after(None, &students(100, 0), NOW).unwrap();
    for day in 0..30 {
        let today = students(100, 20 + day);
        assert_eq!(PopulationVersions::after(Some(&first), &today, NOW + Seconds(day * 86_400)), None);
    }
    let later = NOW + Seconds(30 * 86_400);
    let second = PopulationVersions::after(Some(&first), &students(60, 60), later).unwrap();
    assert_eq!((second.number(), second.at_once), (2, false));
    assert_eq!(second.at(0, later + Seconds(3_599)), (1, &students(100, 0)), "it is not an hour old");
    assert_eq!(second.at(0, later + Seconds(3_600)), (2, &students(60, 60)));
    let last = 30 * 86_400 - 3_600 - 1;
    assert_eq!(second.at(last, later + Seconds(30 * 86_400 - 2)).0, 1);
    assert_eq!(second.at(last, later + Seconds(30 * 86_400)).0, 2, "all have moved before the next version");
    // A time that was never valid does not keep a version for ever.
    let wrong = PopulationVersions { written_at: Timestamp::from_seconds(1_790_000_000_000), ..first };
    assert!(PopulationVersions::after(Some(&wrong), &students(100, 0), NOW).is_some());
}

/// A trial with ten people must not shape the decoys of thousands for two months.
#[test]
fn outgrown_version_is_replaced_after_an_hour() {
    let trial = PopulationVersions::after(None, &students(10, 0), NOW).unwrap();
    let soon = NOW + Seconds(86_400);
    assert_eq!(PopulationVersions::after(Some(&trial), &students(24, 0), soon), None);
    let all = PopulationVersions::after(Some(&trial), &students(3_000, 0), soon).unwrap();
    for keyed in [0, u32::MAX] {
        assert_eq!(all.at(keyed, soon + Seconds(3_599)).0, 1);
        assert_eq!(all.at(keyed, soon + Seconds(3_600)).0, 2);
    }
    assert_eq!(PopulationVersions::after(Some(&all), &students(3_000, 0), soon), None);
}

/// Imported addresses are counted before anybody can reset. The first people who can are a few.
#[test]
fn people_who_can_reset_outgrow_those_who_cannot() {
    let population = |enrolled: u32| {
        let mut census = Census::default();
        for n in 0..1_000 {
            let mobile = if n < enrolled { "+60123456798" } else { "" };
            let login = format!("2021{n:06}");
            census.count(&account(&[&login], AccountState::Active), &with("a@mail.example", mobile), &POLICY);
        }
        census.population(None)
    };
    let first = PopulationVersions::after(None, &population(3), NOW).unwrap();
    let soon = NOW + Seconds(86_400);
    assert_eq!(PopulationVersions::after(Some(&first), &population(6), soon), None);
    assert!(PopulationVersions::after(Some(&first), &population(600), soon).is_some_and(|next| next.at_once));
}
