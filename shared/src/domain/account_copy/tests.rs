use super::*;
use crate::domain::directory::{DirectoryContacts, PublishedPolicy};
use crate::domain::language::Language;

fn keys() -> Keyring {
    Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
}

fn id(text: &str) -> AccountId {
    AccountId::from_directory(text).unwrap()
}

fn rules(kinds: &[Kind]) -> CopyRules {
    CopyRules {
        directory: "ad".to_owned(),
        login_domains: vec!["student.contoh.example".to_owned()],
        home_country: Country::MALAYSIA,
        contact_kinds: kinds.iter().copied().collect(),
    }
}

fn person() -> DirectoryPerson {
    DirectoryPerson {
        id: id("ad:1"),
        name: "Nur Aisyah".to_owned(),
        logins: vec![
            "CONTOH\\Aisyah".to_owned(),
            "aisyah@student.contoh.example".to_owned(),
            "20781".to_owned(),
        ],
        email: Some("aisyah@student.contoh.example".to_owned()),
        language: Some(Language::Malay),
        group: Some("students".to_owned()),
        state: AccountState::Active,
        password_expires_at: None,
        password_policy: None,
        contacts: DirectoryContacts {
            alternate_email: Some("aisyah@mail.example".to_owned()),
            mobile: Some("012-345 6798".to_owned()),
            office_phone: Some("03-8765 4308".to_owned()),
        },
    }
}

const ALL: [Kind; 3] = [Kind::AlternateEmail, Kind::Mobile, Kind::OfficePhone];

/// Controls: C-004.
#[test]
fn logins_are_copied_in_canonical_form_once() {
    let copy = rules(&[]).copy(person(), &keys());
    assert_eq!(copy.account.account.logins, ["aisyah", "20781"]);
    assert!(copy.unusable.is_empty() && copy.account.contacts.is_none());
}

#[test]
fn unusable_values_are_left_out_and_counted() {
    use Unusable::{Email, Login, Mobile, Name, NoLogin, OfficePhone, ProtectedMailbox};

    let logins = ["", "a\nb"].map(str::to_owned).to_vec();
    let contacts = DirectoryContacts {
        alternate_email: Some("aisyah+1@student.contoh.example".to_owned()),
        mobile: Some("n/a".to_owned()),
        office_phone: Some("03-8765 4308 ext 12".to_owned()),
    };
    let (name, email) = ("x".repeat(300), Some("none".to_owned()));
    let copy = rules(&ALL).copy(DirectoryPerson { name, logins, email, contacts, ..person() }, &keys());
    assert_eq!(copy.contacts, Registration::default());
    assert_eq!((copy.account.account.name.len(), copy.account.account.email), (256, None));
    assert_eq!(copy.unusable, [Login, Login, NoLogin, Name, Email, ProtectedMailbox, Mobile, OfficePhone]);
}

#[test]
fn contacts_are_copied_only_of_named_kinds() {
    let copy = rules(&[Kind::Mobile]).copy(person(), &keys());
    let held: Vec<Kind> = copy.contacts.contacts().iter().filter_map(|(k, c)| c.map(|_| *k)).collect();
    assert_eq!(held, [Kind::Mobile]);
    assert_eq!(copy.contacts.mobile.unwrap().expose(), "+60123456798");
}

#[test]
fn office_number_equal_to_mobile_is_one_factor() {
    let mut same = person();
    same.contacts.office_phone = Some("+60123456798".to_owned());
    let copy = rules(&ALL).copy(same, &keys());
    assert!(copy.contacts.mobile.is_some() && copy.contacts.office_phone.is_none());
}

#[test]
fn digest_changes_with_every_copied_value() {
    let (rules, keys) = (rules(&ALL), keys());
    let copied = |person| rules.copy(person, &keys).account;
    let before = copied(person());
    assert!(before.is_as(&copied(person())));
    let mut turned = person();
    turned.logins.reverse();
    assert!(before.is_as(&copied(turned)), "directories return values in any order");
    let changed: [fn(&mut DirectoryPerson); 10] = [
        |one| one.name = "Aisyah".to_owned(),
        |one| one.logins.truncate(1),
        |one| one.email = None,
        |one| one.language = None,
        |one| one.group = None,
        |one| one.state = AccountState::Locked,
        |one| one.password_expires_at = Some(Timestamp::from_seconds(1)),
        |one| one.password_policy = Some(PublishedPolicy::default()),
        |one| one.contacts.mobile = Some("012-345 6799".to_owned()),
        |one| one.contacts.office_phone = None,
    ];
    for (at, change) in changed.into_iter().enumerate() {
        let mut one = person();
        change(&mut one);
        assert!(!before.is_as(&copied(one)), "{at}");
    }
    let departed = before.clone().departed(Timestamp::from_seconds(1));
    assert!(!departed.is_as(&before), "somebody who returns is written");
}

/// Controls: C-170.
#[test]
fn loss_is_self_service_or_named_contact() {
    let (rules, keys) = (rules(&ALL), keys());
    let copied = |change: fn(&mut DirectoryPerson)| {
        let mut one = person();
        change(&mut one);
        rules.copy(one, &keys).account
    };
    let before = copied(|_| {});
    let named = &rules.contact_kinds;
    let losses: [fn(&mut DirectoryPerson); 4] = [
        |one| one.state = AccountState::Disabled,
        |one| one.state = AccountState::Excluded,
        |one| one.logins.clear(),
        |one| one.contacts.mobile = None,
    ];
    for (at, loss) in losses.into_iter().enumerate() {
        assert!(before.loses(&copied(loss), named), "{at}");
    }
    let without_mobile = copied(|one| one.contacts.mobile = None);
    assert!(!before.loses(&without_mobile, &BTreeSet::new()), "the setting no longer names it");
    assert!(!before.loses(&copied(|one| one.state = AccountState::Locked), named));
    assert!(!without_mobile.loses(&before, named));
    let disabled = copied(|one| one.state = AccountState::Disabled);
    assert!(!disabled.loses(&copied(|one| one.state = AccountState::Excluded), named), "nothing to lose");
}

/// Controls: C-171.
#[test]
fn login_of_two_people_has_no_owner() {
    let mut claims = LoginClaims { login: "aisyah".to_owned(), claimants: BTreeSet::new() };
    assert_eq!(claims.owner(), None);
    assert!(claims.add(&id("ad:1")) && claims.add(&id("ad:1")));
    assert_eq!(claims.owner(), Some(&id("ad:1")));
    assert!(claims.add(&id("ad:2")) && claims.is_ambiguous());
    assert_eq!(claims.owner(), None);
    for number in 3..=CLAIMANTS_MAX {
        assert!(claims.add(&id(&format!("ad:{number}"))));
    }
    assert!(!claims.add(&id("ad:x")) && claims.add(&id("ad:1")), "full, but those that are there stay");
    assert_eq!(claims.claimants.len(), CLAIMANTS_MAX);
}

/// Controls: C-176.
#[test]
fn contacts_never_show_in_debug_output() {
    let copy = rules(&ALL).copy(person(), &keys());
    let text = format!("{copy:?} {:?}", person());
    for secret in ["60123456798", "345 6798", "aisyah@mail.example", "4308"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn id_of_another_directory_is_no_own() {
    let rules = rules(&[]);
    assert!(rules.is_own(&id("ad:1")));
    for other in ["ad", "ad2:1", "openldap:1", "aisyah"] {
        assert!(!rules.is_own(&id(other)), "{other}");
    }
}
