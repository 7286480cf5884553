//! The contract of every live directory.

use std::collections::BTreeMap;

use ldap3::Mod;
use shared::domain::account::{AccountId, AccountState};
use shared::domain::directory::{BindResult, EntryStanding, SyncCursor};
use shared::domain::language::Language;
use shared::domain::password::Violation;
use shared::ports::{ChangeError, Principal, SyncError};

pub use super::copy::{shared_login_of_server_finds_nobody, sync_follows_people_of_server};
pub use super::examination::{
    examination_finds_people_outside_bases, examination_names_each_failure,
    examination_tells_rules_and_rights,
};
use super::{FIRST, Live, NEW, Person, bind, entry, gather, new_password};

/// What holds for every entry that Rekey may not change: it says so, and neither call does anything.
async fn is_never_changed(live: &Live, person: &Person, standing: EntryStanding) {
    let directory = live.directory();
    let found = entry(&*directory, person).await;
    assert_eq!(found.standing, standing);
    let set = directory.set_password(&found, &new_password(NEW)).await;
    assert!(matches!(set, Err(ChangeError::NotPermitted)), "{set:?}");
    let unlocked = directory.unlock(&found).await;
    assert!(matches!(unlocked, Err(ChangeError::NotPermitted)), "{unlocked:?}");
    assert_eq!(entry(&*directory, person).await, found);
    assert!(!live.binds(person, NEW).await);
}

async fn rejected(live: &Live, person: &Person, password: &str) -> Vec<Violation> {
    let directory = live.directory();
    let found = entry(&*directory, person).await;
    match directory.set_password(&found, &new_password(password)).await {
        Err(ChangeError::Rejected(violations)) => violations,
        other => panic!("{password}: {other:?}"),
    }
}

async fn set(live: &Live, person: &Person, password: &str) {
    let directory = live.directory();
    let found = entry(&*directory, person).await;
    directory.set_password(&found, &new_password(password)).await.unwrap();
}

pub async fn entry_of_unknown_or_foreign_id_is_none(live: &Live) {
    let (directory, person) = (live.directory(), live.person().await);
    let own = person.id.as_str().strip_prefix("uni:").unwrap();
    for id in [
        "uni:0b2fa3f0-5f0f-4c8e-9d3e-0f7c1d2b3a49".to_owned(),
        format!("other:{own}"),
        format!("uni:{own})(objectClass=*"),
        "uni:*".to_owned(),
        "aisyah".to_owned(),
    ] {
        let found = directory.entry(&AccountId::from_directory(id.clone()).unwrap()).await.unwrap();
        assert_eq!(found, None, "{id}");
    }
    assert_eq!(entry(&*directory, &person).await.standing, EntryStanding::Eligible);
}

pub async fn entry_survives_rename(live: &Live) {
    let (directory, person) = (live.directory(), live.person().await);
    let before = entry(&*directory, &person).await;
    let renamed = live.rename(&person, &live.container("People")).await;
    assert_eq!(entry(&*directory, &renamed).await, before);
    // It was read before it was renamed.
    directory.set_password(&before, &new_password(NEW)).await.unwrap();
    assert!(live.binds(&renamed, NEW).await);
}

/// Controls: C-142.
pub async fn disabled_entry_is_told_and_not_changed(live: &Live) {
    if !live.capabilities.disabled {
        live.skips("disabled_entry_is_told_and_not_changed", "a lock for good stands for it");
        return;
    }
    let person = live.person().await;
    live.set(&person, "userAccountControl", "514").await;
    is_never_changed(live, &person, EntryStanding::Disabled).await;
}

/// Controls: C-142.
pub async fn expired_entry_is_told_and_not_changed(live: &Live) {
    let person = live.person().await;
    let (name, yesterday) = if live.is_ad() {
        ("accountExpires", "133000000000000000")
    } else {
        ("pwdEndTime", "20200101000000Z")
    };
    live.set(&person, name, yesterday).await;
    is_never_changed(live, &person, EntryStanding::Expired).await;
}

/// Controls: C-142.
pub async fn entry_outside_bases_is_never_changed(live: &Live) {
    let person = live.person_in(&live.container("Elsewhere"), &[]).await;
    if live.is_ad() {
        is_never_changed(live, &person, EntryStanding::OutOfScope).await;
    } else {
        assert_eq!(live.directory().entry(&person.id).await.unwrap(), None);
    }
}

/// Controls: C-142.
pub async fn entry_outside_people_filter_is_out_of_scope(live: &Live) {
    let person = live.person_in(&live.container("People"), &[("title", "student")]).await;
    let mut config = live.config();
    for (filter, standing) in
        [("(title=student)", EntryStanding::Eligible), ("(title=staff)", EntryStanding::OutOfScope)]
    {
        config.people_filter = Some(filter.to_owned());
        let directory = live.directory_of(&config);
        let found = entry(&*directory, &person).await;
        assert_eq!(found.standing, standing, "{filter}");
        let set = directory.set_password(&found, &new_password(NEW)).await;
        assert_eq!(set.is_ok(), standing == EntryStanding::Eligible, "{filter}: {set:?}");
    }
}

/// Controls: C-142.
pub async fn privileged_entry_is_never_changed(live: &Live) {
    if live.is_ad() {
        let person = live.person().await;
        live.set(&person, "adminCount", "1").await;
        is_never_changed(live, &person, EntryStanding::Privileged).await;
        return;
    }
    // The server's own rights keep administrators out.
    let person = live.person_in(&live.container("People"), &[("employeeType", "admin")]).await;
    let directory = live.directory();
    let found = entry(&*directory, &person).await;
    let set = directory.set_password(&found, &new_password(NEW)).await;
    assert!(matches!(set, Err(ChangeError::NotPermitted)), "{set:?}");
    assert!(live.binds(&person, FIRST).await);
}

/// Runs with a configuration that denies the members of a group, of which the person is one.
async fn denies(live: &Live, person: Person, group: String) {
    let other = live.person().await;
    let mut config = live.config();
    config.denied_groups = vec![group];
    let directory = live.directory_of(&config);
    let found = entry(&*directory, &person).await;
    assert_eq!(found.standing, EntryStanding::Privileged);
    let set = directory.set_password(&found, &new_password(NEW)).await;
    assert!(matches!(set, Err(ChangeError::NotPermitted)), "{set:?}");
    assert!(live.binds(&person, FIRST).await);
    assert_eq!(entry(&*directory, &other).await.standing, EntryStanding::Eligible);
    let (pages, _) = gather(&*live.people_of(&config), None).await.unwrap();
    let state = |person: &Person| {
        let found = pages.iter().flatten().find(|found| found.id == person.id);
        found.map(|found| found.state)
    };
    assert_eq!((state(&person), state(&other)), (Some(AccountState::Excluded), Some(AccountState::Active)));
}

/// Controls: C-142.
pub async fn member_of_denied_group_is_never_changed(live: &Live) {
    let person = live.person().await;
    live.join(&person, "denied").await;
    denies(live, person, live.group("denied")).await;
}

/// Controls: C-142.
pub async fn member_of_nested_denied_group_is_never_changed(live: &Live) {
    let person = live.person().await;
    live.join(&person, "nested").await;
    denies(live, person, live.group("denied")).await;
}

/// Only Active Directory has primary groups; `memberOf` leaves them out.
/// Controls: C-142.
pub async fn member_by_primary_group_is_never_changed(live: &Live) {
    if !live.is_ad() {
        live.skips("member_by_primary_group_is_never_changed", "it has no primary groups");
        return;
    }
    let (person, group) = (live.person().await, "CN=Domain Admins,CN=Users,DC=uni,DC=test");
    live.modify(group, Mod::Add("member".into(), [person.dn.clone().into_bytes()].into())).await;
    live.set(&person, "primaryGroupID", "512").await;
    denies(live, person, group.to_owned()).await;
}

/// Controls: C-142.
pub async fn missing_denied_group_stops_every_entry(live: &Live) {
    let person = live.person().await;
    let mut config = live.config();
    config.denied_groups = vec![live.group("misspelt")];
    assert!(live.directory_of(&config).entry(&person.id).await.is_err());
    assert!(gather(&*live.people_of(&config), None).await.is_err());
}

/// Controls: C-143.
pub async fn lock_by_administrator_is_never_removed(live: &Live) {
    if !live.capabilities.permanent_lock {
        live.skips("lock_by_administrator_is_never_removed", "disabling stands for it");
        return;
    }
    let person = live.person().await;
    let directory = live.directory();
    let before = entry(&*directory, &person).await;
    live.set(&person, "pwdAccountLockedTime", "000001010000Z").await;
    // The caller read the entry before the administrator locked it.
    let locked_as_read = shared::domain::directory::Entry { is_locked: true, ..before.clone() };
    let set = directory.set_password(&before, &new_password(NEW)).await;
    assert!(matches!(set, Err(ChangeError::NotPermitted)), "{set:?}");
    let unlocked = directory.unlock(&locked_as_read).await;
    assert!(matches!(unlocked, Err(ChangeError::NotPermitted)), "{unlocked:?}");
    is_never_changed(live, &person, EntryStanding::LockedByAdministrator).await;
    assert!(!live.binds(&person, FIRST).await);
}

pub async fn right_password_is_accepted_and_wrong_one_refused(live: &Live) {
    let (directory, person) = (live.directory(), live.person().await);
    let found = entry(&*directory, &person).await;
    assert_eq!(bind(&*directory, &found, FIRST).await, BindResult::Accepted);
    assert_eq!(bind(&*directory, &found, "wrong").await, BindResult::Refused);
    // A connection that served a bind is no longer the service account's.
    assert_eq!(entry(&*directory, &person).await.id, person.id);
}

/// Controls: C-144.
pub async fn nobody_is_refused_as_a_wrong_password_is(live: &Live) {
    let directory = live.directory();
    for password in [FIRST, "wrong"] {
        assert_eq!(directory.bind(Principal::Nobody, password).await.unwrap(), BindResult::Refused);
    }
}

/// Controls: C-141.
pub async fn empty_password_is_never_bound(live: &Live) {
    let (directory, person) = (live.directory(), live.person().await);
    let found = entry(&*directory, &person).await;
    assert_eq!(bind(&*directory, &found, "").await, BindResult::Refused);
    assert_eq!(directory.bind(Principal::Nobody, "").await.unwrap(), BindResult::Refused);
    assert_eq!(entry(&*directory, &person).await.attempts_left, Some(5));
}

/// Obliges a person to change the password at the next sign-in.
async fn must_change(live: &Live, person: &Person) {
    if live.is_ad() {
        live.set(person, "pwdLastSet", "0").await;
    } else {
        live.set(person, "pwdPolicySubentry", "cn=imposed,ou=policies,dc=uni,dc=test").await;
        live.set(person, "pwdReset", "TRUE").await;
    }
}

pub async fn password_that_must_change_is_right(live: &Live) {
    let (directory, person) = (live.directory(), live.person().await);
    must_change(live, &person).await;
    let found = entry(&*directory, &person).await;
    assert!(found.must_change && found.standing == EntryStanding::Eligible);
    assert_eq!(bind(&*directory, &found, FIRST).await, BindResult::MustChange);
    assert_eq!(bind(&*directory, &found, "wrong").await, BindResult::Refused);
}

pub async fn disabled_entry_signs_in_nowhere(live: &Live) {
    if !live.capabilities.disabled {
        live.skips("disabled_entry_signs_in_nowhere", "a lock for good stands for it");
        return;
    }
    let (directory, person) = (live.directory(), live.person().await);
    live.set(&person, "userAccountControl", "514").await;
    let found = entry(&*directory, &person).await;
    assert_eq!(bind(&*directory, &found, FIRST).await, BindResult::Refused);
}

/// Controls: C-145.
pub async fn attempts_left_count_down_to_the_lock(live: &Live) {
    let (directory, person) = (live.directory(), live.person().await);
    for left in [5, 4, 3, 2, 1] {
        let found = entry(&*directory, &person).await;
        assert_eq!((found.attempts_left, found.is_locked), (Some(left), false));
        assert_eq!(bind(&*directory, &found, "wrong").await, BindResult::Refused);
    }
    let found = entry(&*directory, &person).await;
    assert_eq!((found.attempts_left, found.is_locked), (Some(0), true));
    assert_eq!(bind(&*directory, &found, FIRST).await, BindResult::Refused, "locked");
    assert_ne!(found.lock_version.0, "");
}

/// Controls: C-145.
pub async fn attempts_come_back_after_the_window(live: &Live) {
    let (directory, person) = (live.directory(), live.person().await);
    let found = entry(&*directory, &person).await;
    assert_eq!(bind(&*directory, &found, "wrong").await, BindResult::Refused);
    // The window is half an hour, and five minutes for clocks that differ.
    live.clock.advance(1800);
    assert_eq!(entry(&*directory, &person).await.attempts_left, Some(4));
    live.clock.advance(301);
    assert_eq!(entry(&*directory, &person).await.attempts_left, Some(5));
}

/// Applies the policy of staff: 16 characters, three attempts.
async fn staff(live: &Live) -> Person {
    let person = live.person().await;
    if live.is_ad() {
        live.join(&person, "Staff").await;
    } else {
        live.set(&person, "pwdPolicySubentry", "cn=staff,ou=policies,dc=uni,dc=test").await;
    }
    person
}

/// Controls: C-145.
pub async fn stricter_policy_of_one_person_counts(live: &Live) {
    let (directory, person) = (live.directory(), staff(live).await);
    let found = entry(&*directory, &person).await;
    assert_eq!(found.attempts_left, Some(3));
    assert_eq!(bind(&*directory, &found, "wrong").await, BindResult::Refused);
    assert_eq!(entry(&*directory, &person).await.attempts_left, Some(2));
}

pub async fn new_password_replaces_the_old_one(live: &Live) {
    let person = live.person().await;
    set(live, &person, NEW).await;
    assert!(live.binds(&person, NEW).await && !live.binds(&person, FIRST).await);
}

pub async fn new_password_removes_the_lock(live: &Live) {
    let (directory, person) = (live.directory(), live.person().await);
    live.lock(&person).await;
    assert!(entry(&*directory, &person).await.is_locked);
    set(live, &person, NEW).await;
    assert!(live.binds(&person, NEW).await);
    let found = entry(&*directory, &person).await;
    assert_eq!((found.is_locked, found.attempts_left), (false, Some(5)));
}

pub async fn new_password_ends_the_duty_to_change(live: &Live) {
    let (directory, person) = (live.directory(), live.person().await);
    must_change(live, &person).await;
    assert!(entry(&*directory, &person).await.must_change);
    set(live, &person, NEW).await;
    let found = entry(&*directory, &person).await;
    assert!(!found.must_change);
    assert_eq!(bind(&*directory, &found, NEW).await, BindResult::Accepted);
}

/// Controls: C-080.
pub async fn password_with_special_characters_is_set_unchanged(live: &Live) {
    let person = live.person().await;
    let long = "Kancil-Lompat-42".repeat(8);
    for password in ["\"Qu0ted\\ $(id) 'pass'\"", " Kedua-dua hujung 7 ", "Crème-brûlée-密码-1🔑", &long]
    {
        set(live, &person, password).await;
        assert!(live.binds(&person, password).await, "{password}");
        assert!(
            !live.binds(&person, password.trim_matches([' ', '"'])).await
                || !password.starts_with([' ', '"'])
        );
    }
}

pub async fn short_password_is_rejected_with_its_length(live: &Live) {
    let person = live.person().await;
    assert_eq!(rejected(live, &person, "Wau-7!xZ").await, [Violation::TooShort { min: 10 }]);
}

pub async fn short_password_of_stricter_policy_is_rejected_with_its_length(live: &Live) {
    let person = staff(live).await;
    assert_eq!(rejected(live, &person, "Wau-Bulan-57!x").await, [Violation::TooShort { min: 16 }]);
}

/// A reset and an unlock are one operation: what is refused leaves the lock.
pub async fn rejected_password_changes_nothing(live: &Live) {
    let (directory, person) = (live.directory(), live.person().await);
    live.lock(&person).await;
    let before = entry(&*directory, &person).await;
    rejected(live, &person, "Wau-7!xZ").await;
    assert_eq!(entry(&*directory, &person).await, before);
    assert!(before.is_locked);
}

pub async fn earlier_password_is_rejected(live: &Live) {
    if !live.capabilities.history {
        live.skips("earlier_password_is_rejected", "the server lacks the control for it");
        return;
    }
    let expected =
        if live.capabilities.names_rules { Violation::Previous } else { Violation::RefusedByDirectory };
    let person = live.person().await;
    set(live, &person, NEW).await;
    for earlier in [NEW, FIRST] {
        assert_eq!(rejected(live, &person, earlier).await, [expected], "{earlier}");
    }
}

/// A reconciliation tells by it whether a change was made.
/// Controls: C-146.
pub async fn password_version_changes_only_with_the_password(live: &Live) {
    let (directory, person) = (live.directory(), live.person().await);
    let before = entry(&*directory, &person).await.password_version;
    assert_ne!(before.0, "");
    // The versions of OpenLDAP count seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let found = entry(&*directory, &person).await;
    bind(&*directory, &found, "wrong").await;
    rejected(live, &person, "Wau-7!xZ").await;
    live.set(&person, "title", "student").await;
    assert_eq!(entry(&*directory, &person).await.password_version, before);
    set(live, &person, NEW).await;
    assert_ne!(entry(&*directory, &person).await.password_version, before);
}

pub async fn unlock_removes_the_lock_and_keeps_the_password(live: &Live) {
    let (directory, person) = (live.directory(), live.person().await);
    live.lock(&person).await;
    let locked = entry(&*directory, &person).await;
    directory.unlock(&locked).await.unwrap();
    let found = entry(&*directory, &person).await;
    assert_eq!((found.is_locked, found.attempts_left), (false, Some(5)));
    assert_ne!(found.lock_version, locked.lock_version);
    assert_eq!(found.password_version, locked.password_version);
    assert!(live.binds(&person, FIRST).await);
}

pub async fn unlock_of_unlocked_entry_changes_nothing(live: &Live) {
    let (directory, person) = (live.directory(), live.person().await);
    let found = entry(&*directory, &person).await;
    directory.unlock(&found).await.unwrap();
    assert_eq!(entry(&*directory, &person).await, found);
}

pub async fn deleted_entry_is_not_permitted(live: &Live) {
    let (directory, person) = (live.directory(), live.person().await);
    let found = entry(&*directory, &person).await;
    live.admin().await.delete(&person.dn).await.unwrap().success().unwrap();
    let set = directory.set_password(&found, &new_password(NEW)).await;
    assert!(matches!(set, Err(ChangeError::NotPermitted)), "{set:?}");
    assert_eq!(directory.entry(&person.id).await.unwrap(), None);
}

/// Controls: C-147.
pub async fn reading_account_can_change_nothing(live: &Live) {
    let (config, person) = (live.config(), live.person().await);
    let directory = live.directory_as(&config, &config.service_accounts.read);
    live.lock(&person).await;
    let found = entry(&*directory, &person).await;
    let set = directory.set_password(&found, &new_password(NEW)).await;
    assert!(matches!(set, Err(ChangeError::NotPermitted)), "{set:?}");
    let unlocked = directory.unlock(&found).await;
    assert!(matches!(unlocked, Err(ChangeError::NotPermitted)), "{unlocked:?}");
    assert_eq!(entry(&*directory, &person).await, found);
}

pub async fn policy_is_published(live: &Live) {
    let policy = live.directory().policy().await.unwrap();
    assert_eq!((policy.min_length, policy.history), (Some(10), 3));
    assert_eq!((policy.lockout_threshold, policy.max_age_days), (Some(5), Some(180)));
    assert_eq!(policy.complexity, live.is_ad());
}

/// People who come with each other fill more than one page.
pub async fn full_sync_gives_every_person_once(live: &Live) {
    let mut config = live.config();
    config.bases = vec![super::crowd::base(live).await];
    let (pages, _) = gather(&*live.people_of(&config), None).await.unwrap();
    assert!(pages.len() >= 2 && pages.iter().all(|page| page.len() <= 1000), "{}", pages.len());
    let mut logins: Vec<&str> = pages.iter().flatten().map(|person| person.logins[0].as_str()).collect();
    logins.sort_unstable();
    logins.dedup();
    assert_eq!(logins.len(), super::crowd::SIZE);
    assert_eq!(pages.iter().map(Vec::len).sum::<usize>(), super::crowd::SIZE);
}

/// Returns the people below the usual base, by id.
async fn all(live: &Live) -> BTreeMap<AccountId, shared::domain::directory::DirectoryPerson> {
    let (pages, _) = gather(&*live.people_of(&live.config()), None).await.unwrap();
    pages.into_iter().flatten().map(|person| (person.id.clone(), person)).collect()
}

pub async fn people_have_their_attributes(live: &Live) {
    let more = [
        ("displayName", "Nur Aisyah binti Rahman"),
        ("mail", "aisyah@uni.test"),
        ("preferredLanguage", "ta-MY, en;q=0.5"),
        ("mobile", "+60 12-345 6789"),
    ];
    let person = live.person_in(&live.container("People"), &more).await;
    let found = all(live).await.remove(&person.id).unwrap();
    assert_eq!(found.name, "Nur Aisyah binti Rahman");
    assert_eq!(found.email.as_deref(), Some("aisyah@uni.test"));
    assert_eq!(found.language, Some(Language::Tamil));
    assert_eq!(found.logins[0], person.login);
    assert_eq!(found.state, AccountState::Active);
    // 180 days from now, within an hour.
    let expires_at = found.password_expires_at.unwrap().as_seconds();
    let expected = shared::ports::Clock::now(&*live.clock).as_seconds() + 180 * 86_400;
    assert!((expires_at - expected).abs() < 3600, "{expires_at} {expected}");
}

/// Controls: C-181.
pub async fn people_have_their_own_password_rules(live: &Live) {
    let (ordinary, strict) = (live.person().await, staff(live).await);
    let people = all(live).await;
    let rules = |person: &Person| people[&person.id].password_policy.unwrap();
    assert_eq!(rules(&ordinary), live.directory().policy().await.unwrap());
    let own = rules(&strict);
    assert_eq!((own.min_length, own.lockout_threshold), (Some(16), Some(3)));
    assert_eq!(own.complexity, live.is_ad());
}

pub async fn people_have_their_states(live: &Live) {
    let (active, locked, other) = (live.person().await, live.person().await, live.person().await);
    live.lock(&locked).await;
    let expected = if live.is_ad() {
        live.set(&other, "adminCount", "1").await;
        AccountState::Excluded
    } else {
        live.set(&other, "pwdAccountLockedTime", "000001010000Z").await;
        AccountState::Disabled
    };
    let outside = live.person_in(&live.container("Elsewhere"), &[]).await;
    let people = all(live).await;
    assert_eq!(people[&active.id].state, AccountState::Active);
    assert_eq!(people[&locked.id].state, AccountState::Locked);
    assert_eq!(people[&other.id].state, expected);
    assert!(!people.contains_key(&outside.id));
    if live.is_ad() {
        live.set(&active, "userAccountControl", "514").await;
        assert_eq!(all(live).await[&active.id].state, AccountState::Disabled);
    }
}

/// Controls: C-148.
pub async fn contacts_are_read_only_where_named(live: &Live) {
    let more =
        [("mobile", "+60 12-345 6789"), ("telephoneNumber", "+60 3-1234 5678"), ("title", "a@home.test")];
    let person = live.person_in(&live.container("People"), &more).await;
    let without = all(live).await.remove(&person.id).unwrap().contacts;
    assert_eq!(without, shared::domain::directory::DirectoryContacts::default());
    let mut config = live.config();
    config.attributes.mobile = Some("mobile".to_owned());
    config.attributes.office_phone = Some("telephoneNumber".to_owned());
    config.attributes.alternate_email = Some("title".to_owned());
    let (pages, _) = gather(&*live.people_of(&config), None).await.unwrap();
    let found = pages.into_iter().flatten().find(|found| found.id == person.id).unwrap().contacts;
    assert_eq!(found.mobile.as_deref(), Some("+60 12-345 6789"));
    assert_eq!(found.office_phone.as_deref(), Some("+60 3-1234 5678"));
    assert_eq!(found.alternate_email.as_deref(), Some("a@home.test"));
    assert_eq!(format!("{found:?}"), "DirectoryContacts(***)");
}

pub async fn delta_gives_what_changed(live: &Live) {
    let (changed, locked) = (live.person().await, live.person().await);
    let people = live.people_of(&live.config());
    let (_, cursor) = gather(&*people, None).await.unwrap();
    live.set(&changed, "mail", "new@uni.test").await;
    live.lock(&locked).await;
    let (pages, next) = gather(&*people, Some(&cursor)).await.unwrap();
    let found: BTreeMap<_, _> =
        pages.into_iter().flatten().map(|person| (person.id.clone(), person)).collect();
    assert_eq!(found[&changed.id].email.as_deref(), Some("new@uni.test"));
    assert_eq!(found[&locked.id].state, AccountState::Locked);
    assert_eq!(next.server, cursor.server);
    let position = |cursor: &SyncCursor| cursor.position.trim_end_matches('Z').parse::<u64>().unwrap();
    assert!(position(&next) >= position(&cursor));
    gather(&*people, Some(&next)).await.unwrap();
}

pub async fn cursor_of_another_server_is_unknown(live: &Live) {
    let people = live.people_of(&live.config());
    let (_, cursor) = gather(&*people, None).await.unwrap();
    for other in [
        SyncCursor { server: "0b2fa3f0-5f0f-4c8e-9d3e-0f7c1d2b3a49".to_owned(), ..cursor.clone() },
        SyncCursor { position: "soon".to_owned(), ..cursor },
    ] {
        let result = gather(&*people, Some(&other)).await;
        assert!(matches!(result, Err(SyncError::CursorUnknown)), "{result:?}");
    }
}

/// Names of groups and people hold every character that filters and names give a meaning.
/// Controls: C-149.
pub async fn values_in_filters_are_escaped(live: &Live) {
    let person = live.person().await;
    let name = format!("cn=a*b(c)\\2cd \\23\\22 {},{}", person.login, live.container("Groups"));
    let mut admin = live.admin().await;
    let mut values: Vec<(Vec<u8>, _)> = vec![(b"member".to_vec(), [person.dn.clone().into_bytes()].into())];
    let mut add = |name: &str, value: &str| {
        values.push((name.as_bytes().to_vec(), [value.as_bytes().to_vec()].into()));
    };
    if live.is_ad() {
        add("objectClass", "group");
        add("sAMAccountName", &format!("g{}", person.login));
    } else {
        add("objectClass", "groupOfNames");
        add("cn", &format!("a*b(c),d #\" {}", person.login));
    }
    admin.add(&name, values).await.unwrap().success().unwrap();
    let mut config = live.config();
    config.denied_groups = vec![name.clone()];
    let directory = live.directory_of(&config);
    let found = entry(&*directory, &person).await;
    assert_eq!(found.standing, EntryStanding::Privileged);
    // A person whose own name needs escapes signs in.
    let odd = format!("CN=O\\22Neill\\, (a*b) \\5c {},{}", person.login, live.container("People"));
    admin
        .modifydn(&person.dn, odd.split(",ou").next().unwrap().split(",OU").next().unwrap(), true, None)
        .await
        .unwrap()
        .success()
        .unwrap();
    let plain = live.directory();
    let found = entry(&*plain, &person).await;
    assert_eq!(bind(&*plain, &found, FIRST).await, BindResult::Accepted);
    plain.set_password(&found, &new_password(NEW)).await.unwrap();
}
