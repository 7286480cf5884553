//! The CSV file of people.

use std::collections::BTreeSet;

use rekey_fuzz::people::{COLUMNS, Person, Remark, Rules, parse};
use shared::domain::account::AccountState;
use shared::domain::contact::{Country, EmailAddress, PhoneNumber};

use crate::{ITERATIONS, replay};

#[test]
fn mutated_people_file_round_trips_or_is_rejected() {
    replay("people", check);
    bolero::check!(name = "people").with_iterations(ITERATIONS).for_each(|bytes: &[u8]| {
        check(bytes);
    });
}

fn check(bytes: &[u8]) -> bool {
    let domains = ["student.contoh.example".to_owned()];
    let countries = [Country::MALAYSIA];
    let rules = Rules { own_domains: &domains, home_country: Country::MALAYSIA, countries: &countries };
    let people = match parse("people.csv", bytes, &rules) {
        Ok(people) => people,
        Err(failure) => {
            assert!(!failure.lines().is_empty());
            for line in failure.lines() {
                assert!(line.starts_with("people.csv: ") && !line.contains('\n'), "{line}");
            }
            return false;
        }
    };
    assert!(!people.people.is_empty());
    let mut names = BTreeSet::new();
    for person in &people.people {
        assert!(!person.name.is_empty() && person.account().is_ok());
        assert_eq!(person.logins.len(), person.names.len());
        assert!(person.names.iter().all(|name| names.insert(name.as_str())), "two people have one login");
        assert!(person.office_phone.is_none() || person.office_phone != person.mobile, "one factor twice");
    }
    let rows: Vec<_> = people.people.iter().map(row).collect();
    let written = written(&rows);
    let again = parse("people.csv", written.as_bytes(), &rules)
        .unwrap_or_else(|failure| unreachable!("{failure}\n{written}"));
    let is_ignored = |remark: &Remark| remark.why.contains("ignored");
    assert!(!again.warnings.iter().any(is_ignored), "{:?}", again.warnings);
    assert!(again.people.iter().map(row).eq(rows), "{written}");
    true
}

/// Returns a person's values in the order of the columns.
fn row(person: &Person) -> [String; 11] {
    let address = |email: &Option<EmailAddress>| email.as_ref().map_or("", EmailAddress::expose).to_owned();
    let number = |phone: &Option<PhoneNumber>| phone.as_ref().map_or("", PhoneNumber::expose).to_owned();
    let state = match person.state {
        AccountState::Active => "active",
        AccountState::Locked => "locked",
        AccountState::Disabled => "disabled",
        AccountState::Excluded => "excluded",
    };
    [
        person.logins.join(";"),
        person.name.clone(),
        address(&person.email),
        address(&person.alternate_email),
        number(&person.mobile),
        number(&person.office_phone),
        person.totp_secret.clone().unwrap_or_default(),
        person.password.clone().unwrap_or_default(),
        person.language.map(|language| language.tag().to_owned()).unwrap_or_default(),
        state.to_owned(),
        person.group.clone().unwrap_or_default(),
    ]
}

fn written(rows: &[[String; 11]]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).unwrap();
    for row in rows {
        writer.write_record(row).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}
