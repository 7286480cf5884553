//! The rules of the sync, with a directory that the test lists.

use directory::sync::Request;
use rekey_tests::Syncing;
use rekey_tests::directory::{KEPT, ReadFault, SyncStores, WAIT, person, person_id};
use rekey_tests::test_doubles::START;
use shared::domain::account::{Account, AccountId, AccountState, Contact, Registration};
use shared::domain::contact::PhoneNumber;
use shared::domain::directory::DirectoryPerson;
use shared::domain::holder::HolderId;
use shared::domain::import::Overwrite;
use shared::domain::method::Method;
use shared::domain::name::CanonicalName;
use shared::domain::security_info::Kind;
use shared::domain::sync::{LEASE, SyncOutcome, SyncSummary};
use shared::domain::time::Timestamp;
use shared::ports::{AccountCopy as _, Clock as _, Metric, NewEntry};

use crate::stores::{Stores, on_every_store};

on_every_store!(
    person_is_found_by_every_login,
    unchanged_people_cost_no_write,
    login_of_two_people_finds_nobody_until_unambiguous,
    login_given_to_another_person_moves,
    login_of_person_who_left_moves_after_full_sync,
    ambiguous_logins_are_listed_only_on_request,
    renamed_person_is_found_by_new_login_only,
    disabled_person_is_disabled_by_next_delta,
    person_who_is_gone_is_erased_after_days_kept,
    person_who_returns_keeps_registration,
    many_removals_are_held_until_accepted,
    many_disabled_people_are_held_until_accepted,
    lost_contacts_of_many_are_held,
    cut_off_results_remove_nobody,
    interrupted_run_is_repeated_without_harm,
    second_run_is_skipped_while_first_has_lease,
    cursor_of_another_server_leads_to_full_sync,
    delta_becomes_full_sync_every_day,
    accounts_of_other_directories_stay,
    first_contacts_are_old_immediately,
    changed_contact_waits_and_earlier_is_notified,
    notice_is_repeated_after_crash,
    contact_enrolled_by_person_stays,
    first_load_keeps_contacts_enrolled_earlier,
    contacts_of_unnamed_kinds_stay;
    at_once: ;
    in_tables: ;
    in_tables_at_once:
);

fn syncing(stores: &Stores, kinds: &[Kind]) -> Syncing {
    let stores = SyncStores {
        copy: stores.copy.clone(),
        contacts: stores.contacts.clone(),
        bulk: stores.bulk.clone(),
        security_info: stores.info.clone(),
        erasure: stores.erasure.clone(),
    };
    Syncing::new(stores, kinds)
}

/// Lists people with the logins `p0`, `p1` and so on, and copies them.
async fn copied(stores: &Stores, count: u32) -> Syncing {
    let sync = syncing(stores, &[]);
    (0..count).for_each(|number| sync.directory.put(person(number, &format!("p{number}"))));
    assert_eq!(sync.full().await.new, count as usize);
    sync
}

async fn find(stores: &Stores, login: &str) -> Option<Account> {
    let domains = ["student.contoh.example".to_owned()];
    stores.directory.find(&CanonicalName::parse(login, &domains).unwrap()).await.unwrap()
}

async fn finds(stores: &Stores, login: &str) -> Option<u32> {
    let account = find(stores, login).await?;
    Some(account.id.as_str().rsplit(':').next().unwrap().parse().unwrap())
}

fn with_logins(number: u32, logins: &[&str]) -> DirectoryPerson {
    let logins = logins.iter().map(|login| (*login).to_owned()).collect();
    DirectoryPerson { logins, ..person(number, "someone") }
}

/// Controls: C-004.
async fn person_is_found_by_every_login(stores: &Stores) {
    let sync = syncing(stores, &[]);
    sync.directory.put(with_logins(1, &["CONTOH\\Aisyah", "aisyah@student.contoh.example", "20781"]));
    sync.directory.put(with_logins(2, &["\u{7}"]));
    let summary = sync.delta().await;
    assert!(summary.full, "the first run reads everybody");
    assert_eq!((summary.read, summary.new, summary.ambiguous), (2, 2, 0));
    assert_eq!(summary.unusable, [("login", 1), ("no_login", 1)].into_iter().collect());
    for login in ["aisyah", "AISYAH@student.contoh.example", "20781"] {
        assert_eq!(finds(stores, login).await, Some(1), "{login}");
    }
    let account = find(stores, "aisyah").await.unwrap();
    assert_eq!(account.logins, ["aisyah", "20781"]);
    assert_eq!(account.state, AccountState::Active);
    assert_eq!(account.email.unwrap().expose(), "someone@student.contoh.example");
}

async fn unchanged_people_cost_no_write(stores: &Stores) {
    let sync = copied(stores, 30).await;
    assert_eq!(sync.copy.take_writes(), (30, 30));
    let summary = sync.full().await;
    assert_eq!((summary.read, summary.unchanged, summary.changed), (30, 30, 0));
    assert_eq!(sync.copy.take_writes(), (0, 0));
    let summary = sync.delta().await;
    assert_eq!((summary.full, summary.read), (false, 0));
    sync.directory.edit(3, |person| person.name = "Another".into());
    let summary = sync.delta().await;
    assert_eq!((summary.full, summary.read, summary.changed), (false, 1, 1));
    assert_eq!(sync.copy.take_writes(), (1, 0), "the logins are the same");
    assert_eq!(find(stores, "p3").await.unwrap().name, "Another");
}

/// Controls: C-171.
async fn login_of_two_people_finds_nobody_until_unambiguous(stores: &Stores) {
    let sync = copied(stores, 1).await;
    sync.directory.put(with_logins(1, &["p0", "farid"]));
    let summary = sync.delta().await;
    assert!(!summary.full, "the delta sees one of the two only");
    assert_eq!(summary.ambiguous, 1);
    assert_eq!((finds(stores, "p0").await, finds(stores, "farid").await), (None, Some(1)));
    let summary = sync.delta().await;
    assert!(summary.full, "a full sync finds out whether the other one is gone");
    assert_eq!((summary.ambiguous, finds(stores, "p0").await), (1, None));
    assert!(!sync.delta().await.full, "and once is enough");
    sync.directory.put(with_logins(1, &["farid"]));
    let summary = sync.delta().await;
    assert_eq!((summary.full, summary.ambiguous), (false, 0));
    assert_eq!(finds(stores, "p0").await, Some(0), "the delta did not see its owner");
    assert!(!sync.delta().await.full);
}

/// Controls: C-171.
async fn login_given_to_another_person_moves(stores: &Stores) {
    let sync = copied(stores, 2).await;
    // In either order: the person who gets it comes first or last.
    for (from, to) in [(0, 1), (1, 0)] {
        sync.directory.put(with_logins(from, &[&format!("other{from}")]));
        sync.directory.put(with_logins(to, &["p0", &format!("other{to}")]));
        let summary = sync.delta().await;
        assert_eq!((summary.full, summary.ambiguous), (false, 0));
        assert_eq!(finds(stores, "p0").await, Some(to));
        assert!(!find(stores, &format!("other{from}")).await.unwrap().logins.contains(&"p0".to_owned()));
    }
    // In pages of their own.
    sync.directory.set_page(1);
    sync.directory.put(with_logins(1, &["p0"]));
    sync.directory.put(with_logins(0, &["q0"]));
    assert_eq!(sync.delta().await.ambiguous, 0);
    assert_eq!((finds(stores, "p0").await, finds(stores, "q0").await), (Some(1), Some(0)));
}

/// Controls: C-171.
async fn login_of_person_who_left_moves_after_full_sync(stores: &Stores) {
    let sync = copied(stores, 2).await;
    sync.directory.remove(0);
    sync.directory.put(with_logins(1, &["p0"]));
    assert_eq!(sync.delta().await.ambiguous, 1);
    assert_eq!(finds(stores, "p0").await, None, "no delta tells that the first one is gone");
    let summary = sync.delta().await;
    assert_eq!((summary.full, summary.removed, summary.ambiguous), (true, 1, 0));
    assert_eq!(finds(stores, "p0").await, Some(1));
}

/// Controls: C-176.
async fn ambiguous_logins_are_listed_only_on_request(stores: &Stores) {
    let sync = copied(stores, 1).await;
    sync.directory.put(with_logins(1, &["p0"]));
    let summary = sync.full().await;
    let json = |summary: &SyncSummary| serde_json::to_string(summary).unwrap();
    assert_eq!(summary.ambiguous, 1);
    assert!(!json(&summary).contains("p0"), "{}", json(&summary));
    let listed = sync.run(Request { full: true, list_ambiguous: true, ..Request::default() }).await.unwrap();
    assert_eq!(listed.ambiguous_logins, ["p0"]);
    assert!(json(&listed).contains(r#""ambiguous_logins":["p0"]"#));
}

/// Controls: C-171.
async fn renamed_person_is_found_by_new_login_only(stores: &Stores) {
    let sync = copied(stores, 1).await;
    sync.directory.put(with_logins(0, &["aisyah.rahman"]));
    assert_eq!(sync.delta().await.changed, 1);
    assert_eq!((finds(stores, "aisyah.rahman").await, finds(stores, "p0").await), (Some(0), None));
}

/// Controls: C-174.
async fn disabled_person_is_disabled_by_next_delta(stores: &Stores) {
    let sync = copied(stores, 1).await;
    for state in [AccountState::Disabled, AccountState::Excluded, AccountState::Locked, AccountState::Active]
    {
        sync.directory.edit(0, |person| person.state = state);
        let summary = sync.delta().await;
        assert_eq!((summary.full, summary.changed), (false, 1));
        assert_eq!(summary.disabled, usize::from(state == AccountState::Disabled));
        assert_eq!(find(stores, "p0").await.unwrap().state, state);
    }
}

/// Controls: C-174.
async fn person_who_is_gone_is_erased_after_days_kept(stores: &Stores) {
    let sync = syncing(stores, &[Kind::Mobile]);
    (0..3).for_each(|number| sync.directory.put(with_mobile(number, "012-345 6798")));
    sync.full().await;
    sync.directory.remove(0);
    let summary = sync.full().await;
    assert_eq!((summary.removed, summary.erased), (1, 0));
    assert_eq!(finds(stores, "p0").await, None, "the logins go at once");
    let account = stores.directory.account(&person_id(0)).await.unwrap().unwrap();
    assert_eq!((account.state, account.logins.len()), (AccountState::Disabled, 0));
    assert_eq!(sync.full().await.removed, 0, "it is counted once");
    sync.clock.advance(i64::from(KEPT.0) - 1);
    assert_eq!(sync.full().await.erased, 0);
    assert!(has(stores, 0, Method::Sms).await);
    sync.clock.advance(1);
    assert_eq!(sync.full().await.erased, 1);
    assert!(!has(stores, 0, Method::Sms).await);
    assert_eq!(stores.directory.account(&person_id(0)).await.unwrap(), None);
    assert_eq!(stores.enrolment.registered(&person_id(0)).await.unwrap().entries, []);
    assert!(has(stores, 1, Method::Sms).await, "nobody else is erased");
    assert_eq!(sync.full().await.erased, 0);
}

/// Controls: C-174.
async fn person_who_returns_keeps_registration(stores: &Stores) {
    let sync = syncing(stores, &[Kind::Mobile]);
    (0..2).for_each(|number| sync.directory.put(with_mobile(number, "012-345 6798")));
    sync.full().await;
    sync.directory.remove(0);
    sync.full().await;
    sync.clock.advance(i64::from(KEPT.0) / 2);
    sync.directory.put(with_mobile(0, "012-345 6798"));
    let summary = sync.delta().await;
    assert_eq!((summary.changed, summary.contacts_written), (1, 0));
    assert_eq!((finds(stores, "p0").await, has(stores, 0, Method::Sms).await), (Some(0), true));
    sync.clock.advance(i64::from(KEPT.0));
    assert_eq!(sync.full().await.erased, 0);
}

/// Controls: C-170.
async fn many_removals_are_held_until_accepted(stores: &Stores) {
    let sync = copied(stores, 40).await;
    (0..6).for_each(|number| sync.directory.remove(number));
    sync.directory.edit(10, |person| person.name = "Another".into());
    for _ in 0..2 {
        let summary = sync.full().await;
        assert_eq!(summary.outcome, SyncOutcome::RemovalsHeld);
        assert_eq!((summary.held, summary.removed), (6, 0));
        assert_eq!(sync.metrics.take(), [Metric::SyncRemovalsHeld]);
        assert_eq!(finds(stores, "p0").await, Some(0));
    }
    assert_eq!(find(stores, "p10").await.unwrap().name, "Another", "changes are copied all the same");
    let accept = Request { full: true, accept_removals: true, ..Request::default() };
    let summary = sync.run(accept).await.unwrap();
    assert_eq!((summary.outcome, summary.removed), (SyncOutcome::Completed, 6));
    assert_eq!((finds(stores, "p0").await, finds(stores, "p6").await), (None, Some(6)));
    assert_eq!(sync.metrics.take(), []);
    (6..11).for_each(|number| sync.directory.remove(number));
    assert_eq!(sync.full().await.removed, 5, "a few always go");
}

/// Controls: C-170.
async fn many_disabled_people_are_held_until_accepted(stores: &Stores) {
    let sync = copied(stores, 40).await;
    (0..6).for_each(|number| sync.directory.edit(number, |person| person.state = AccountState::Excluded));
    for _ in 0..2 {
        let summary = sync.delta().await;
        assert_eq!((summary.full, summary.outcome), (false, SyncOutcome::RemovalsHeld));
        assert_eq!((summary.read, summary.held), (6, 6), "the next delta sees them again");
        assert_eq!(find(stores, "p0").await.unwrap().state, AccountState::Active);
        assert_eq!(sync.metrics.take(), [Metric::SyncRemovalsHeld]);
    }
    let accept = Request { accept_removals: true, ..Request::default() };
    assert_eq!(sync.run(accept).await.unwrap().disabled, 6);
    assert_eq!(find(stores, "p0").await.unwrap().state, AccountState::Excluded);
    assert_eq!(sync.delta().await.read, 0);
    // Some disabled and some gone count together.
    (6..9).for_each(|number| sync.directory.edit(number, |person| person.logins.clear()));
    (9..12).for_each(|number| sync.directory.remove(number));
    let summary = sync.full().await;
    assert_eq!((summary.outcome, summary.held), (SyncOutcome::RemovalsHeld, 6));
    assert_eq!((finds(stores, "p6").await, finds(stores, "p9").await), (Some(6), Some(9)));
}

/// A service account that may no longer read an attribute finds it empty.
/// Controls: C-170.
async fn lost_contacts_of_many_are_held(stores: &Stores) {
    let sync = syncing(stores, &[Kind::Mobile]);
    (0..40).for_each(|number| sync.directory.put(with_mobile(number, "012-345 6798")));
    sync.full().await;
    (0..40).for_each(|number| sync.directory.edit(number, |person| person.contacts.mobile = None));
    let summary = sync.full().await;
    assert_eq!((summary.outcome, summary.held), (SyncOutcome::RemovalsHeld, 40));
    assert!(has(stores, 0, Method::Sms).await);
}

/// Controls: C-172.
async fn cut_off_results_remove_nobody(stores: &Stores) {
    let sync = copied(stores, 20).await;
    sync.directory.edit(19, |person| person.state = AccountState::Disabled);
    sync.directory.put(person(20, "p20"));
    sync.directory.set_page(5);
    for fault in [ReadFault::SizeLimit, ReadFault::Unavailable] {
        sync.directory.set_fault(Some(fault));
        for full in [true, false] {
            let failed = sync.run(Request { full, accept_removals: true, ..Request::default() }).await;
            assert!(failed.is_err(), "{fault:?}");
            for number in 0..19 {
                assert_eq!(finds(stores, &format!("p{number}")).await, Some(number));
            }
        }
    }
    sync.directory.set_fault(None);
    let summary = sync.delta().await;
    assert_eq!((summary.full, summary.outcome), (false, SyncOutcome::Completed));
    assert_eq!(summary.read, 2, "the cursor did not move");
    assert_eq!(find(stores, "p19").await.unwrap().state, AccountState::Disabled);
}

/// Controls: C-172.
async fn interrupted_run_is_repeated_without_harm(stores: &Stores) {
    let sync = copied(stores, 12).await;
    for round in 0..2 {
        let end = |number: u32| format!("r{round}-{number}");
        // A rename, a login that moves, one that two people have, somebody new, disabled and gone.
        sync.directory.put(with_logins(0, &[&end(0)]));
        sync.directory.put(with_logins(1, &["moved", &end(1)]));
        sync.directory.put(with_logins(2, &[&end(2), "shared"]));
        sync.directory.put(with_logins(3, &["shared"]));
        sync.directory.put(with_logins(20 + round, &[&end(20)]));
        sync.directory.edit(4 + round, |person| person.state = AccountState::Disabled);
        sync.directory.remove(6 + round);
        let mut calls = 0;
        loop {
            sync.copy.fail_after(calls);
            let run = sync.run(Request { full: true, ..Request::default() }).await;
            let failed = sync.copy.recover();
            if !failed {
                run.unwrap();
                break;
            }
            // Where nothing but the lease's return failed, the run is complete. The lease ends by itself.
            sync.clock.advance(i64::from(LEASE.0));
            calls += 1;
            assert!(calls < 30);
        }
        assert!(calls > 5, "{calls}");
        for (login, found) in [
            (end(0), Some(0)),
            ("moved".to_owned(), Some(1)),
            (end(2), Some(2)),
            ("shared".to_owned(), None),
            (end(20), Some(20 + round)),
            (format!("p{}", 6 + round), None),
            ("p0".to_owned(), None),
        ] {
            assert_eq!(finds(stores, &login).await, found, "{login}");
        }
        let disabled = find(stores, &format!("p{}", 4 + round)).await.unwrap();
        assert_eq!(disabled.state, AccountState::Disabled);
    }
    let summary = sync.full().await;
    assert_eq!((summary.changed, summary.removed, summary.ambiguous), (0, 0, 1));
}

/// Controls: C-173.
async fn second_run_is_skipped_while_first_has_lease(stores: &Stores) {
    let sync = copied(stores, 1).await;
    let (now, other) = (Timestamp::from_seconds(START), HolderId::from_bytes([7; 32]));
    assert!(sync.copy.acquire(other, now + LEASE, now).await.unwrap());
    sync.directory.put(person(1, "p1"));
    let summary = sync.delta().await;
    assert_eq!((summary.outcome, summary.read), (SyncOutcome::Busy, 0));
    assert_eq!(finds(stores, "p1").await, None);
    sync.clock.advance(i64::from(LEASE.0));
    assert_eq!(sync.delta().await.new, 1, "the other run died");
}

/// Controls: C-172.
async fn cursor_of_another_server_leads_to_full_sync(stores: &Stores) {
    let sync = copied(stores, 3).await;
    sync.directory.remove(0);
    sync.directory.move_to("dc2");
    let summary = sync.delta().await;
    assert_eq!((summary.full, summary.removed), (true, 1));
    assert!(!sync.delta().await.full, "it has the new server's cursor");
}

async fn delta_becomes_full_sync_every_day(stores: &Stores) {
    let sync = copied(stores, 3).await;
    sync.directory.remove(0);
    sync.clock.advance(86_400 - 900);
    assert!(!sync.delta().await.full);
    sync.clock.advance(900);
    let summary = sync.delta().await;
    assert_eq!((summary.full, summary.removed), (true, 1));
    // One that fails is not repeated every quarter of an hour.
    sync.clock.advance(26 * 3_600);
    sync.directory.set_fault(Some(ReadFault::SizeLimit));
    assert!(sync.run(Request::default()).await.is_err());
    assert!(!sync.delta().await.full);
}

async fn accounts_of_other_directories_stay(stores: &Stores) {
    let sync = copied(stores, 1).await;
    let mut foreign = person(5, "p0");
    foreign.id = AccountId::from_directory("ad2:5").unwrap();
    sync.directory.put(foreign.clone());
    let summary = sync.delta().await;
    assert_eq!((summary.read, summary.new), (1, 0));
    assert_eq!(summary.unusable, [("id", 1)].into_iter().collect());
    let mut other = syncing(stores, &[]);
    other.ports.rules.directory = "ad2".into();
    other.directory.put(foreign);
    assert_eq!(other.full().await.ambiguous, 1);
    assert_eq!(finds(stores, "p0").await, None, "people of two directories share it");
    assert_eq!(sync.full().await.removed, 0);
    assert_eq!(other.full().await.removed, 0);
    let account = stores.directory.account(&person_id(0)).await.unwrap();
    assert_eq!(account.unwrap().state, AccountState::Active);
}

fn with_mobile(number: u32, mobile: &str) -> DirectoryPerson {
    let mut listed = person(number, &format!("p{number}"));
    listed.contacts.mobile = Some(mobile.to_owned());
    listed
}

async fn has(stores: &Stores, number: u32, method: Method) -> bool {
    let now = Timestamp::from_seconds(START);
    stores.info.registration(&person_id(number), now + WAIT + WAIT).await.unwrap().has(method)
}

/// Returns the mobile that serves at a time, and whether it is old.
async fn mobile(stores: &Stores, now: Timestamp) -> Option<(String, bool)> {
    let read = stores.info.registration(&person_id(0), now).await.unwrap();
    let number = read.has(Method::Sms).then(|| read.mobile.as_ref().unwrap().expose().to_owned())?;
    Some((number, !read.young.contains(&Method::Sms)))
}

/// Controls: C-175.
async fn first_contacts_are_old_immediately(stores: &Stores) {
    let sync = syncing(stores, &[Kind::AlternateEmail, Kind::Mobile, Kind::OfficePhone]);
    let mut listed = with_mobile(0, "012-345 6798");
    listed.contacts.alternate_email = Some("aisyah@mail.example".to_owned());
    listed.contacts.office_phone = Some("ext 12".to_owned());
    sync.directory.put(listed);
    let summary = sync.full().await;
    assert_eq!(summary.contacts_written, 2);
    assert_eq!(summary.unusable, [("office_phone", 1)].into_iter().collect());
    assert_eq!(mobile(stores, sync.clock.now()).await, Some(("+60123456798".to_owned(), true)));
    assert!(has(stores, 0, Method::Email).await);
    assert_eq!(sync.take_notices(), 0, "nothing was replaced");
    sync.clock.advance(86_400);
    sync.directory.edit(0, |person| person.name = "Another".into());
    let summary = sync.full().await;
    assert_eq!((summary.changed, summary.contacts_written), (1, 0));
    assert_eq!(mobile(stores, sync.clock.now()).await, Some(("+60123456798".to_owned(), true)));
}

/// Controls: C-175.
async fn changed_contact_waits_and_earlier_is_notified(stores: &Stores) {
    let sync = syncing(stores, &[Kind::Mobile]);
    sync.directory.put(with_mobile(0, "012-345 6798"));
    sync.full().await;
    sync.directory.put(with_mobile(0, "012-345 6799"));
    assert_eq!(sync.delta().await.contacts_written, 1);
    assert_eq!(sync.take_notices(), 1);
    let now = sync.clock.now();
    assert_eq!(mobile(stores, now).await, Some(("+60123456798".to_owned(), true)));
    assert_eq!(mobile(stores, now + WAIT).await, Some(("+60123456799".to_owned(), false)));
    assert_eq!(mobile(stores, now + WAIT + WAIT).await, Some(("+60123456799".to_owned(), true)));
    sync.full().await;
    assert_eq!(sync.take_notices(), 0, "it is notified once");
    sync.directory.edit(0, |person| person.contacts.mobile = None);
    assert_eq!(sync.delta().await.contacts_removed, 1);
    assert_eq!(mobile(stores, now + WAIT).await, None);
}

/// Controls: C-175.
async fn notice_is_repeated_after_crash(stores: &Stores) {
    let sync = syncing(stores, &[Kind::Mobile]);
    sync.directory.put(with_mobile(0, "012-345 6798"));
    sync.full().await;
    sync.directory.put(with_mobile(0, "012-345 6799"));
    // The contact is written, and then the process ends.
    let number = PhoneNumber::from_stored("+60123456799".to_owned());
    let written = Registration { mobile: Some(number), ..Default::default() };
    stores
        .contacts
        .import(&person_id(0), &written, None, Overwrite::Imported, WAIT, sync.clock.now())
        .await
        .unwrap();
    assert_eq!(sync.delta().await.contacts_written, 0);
    assert_eq!(sync.take_notices(), 2, "to the one that serves and to the one that waits");
}

/// Controls: C-175.
async fn contact_enrolled_by_person_stays(stores: &Stores) {
    let sync = syncing(stores, &[Kind::Mobile]);
    sync.directory.put(person(0, "p0"));
    sync.full().await;
    let own = PhoneNumber::from_stored("+60199999900".to_owned());
    let entry = NewEntry::contact(Kind::Mobile, Contact::Phone(&own), sync.clock.now());
    stores.raw.put(&person_id(0), &entry).await;
    sync.directory.put(with_mobile(0, "012-345 6798"));
    let summary = sync.delta().await;
    assert_eq!((summary.contacts_written, summary.contacts_declined), (0, 1));
    assert_eq!(sync.take_notices(), 0);
    assert_eq!(mobile(stores, sync.clock.now() + WAIT).await.unwrap().0, "+60199999900");
}

/// A university may change from the built-in directory to its own. Controls: C-175.
async fn first_load_keeps_contacts_enrolled_earlier(stores: &Stores) {
    let sync = syncing(stores, &[Kind::Mobile]);
    let own = PhoneNumber::from_stored("+60199999900".to_owned());
    let entry = NewEntry::contact(Kind::Mobile, Contact::Phone(&own), sync.clock.now());
    stores.raw.put(&person_id(0), &entry).await;
    (0..3).for_each(|number| sync.directory.put(with_mobile(number, "012-345 6798")));
    let summary = sync.full().await;
    assert_eq!((summary.new, summary.contacts_written, summary.contacts_declined), (3, 2, 1));
    assert_eq!(mobile(stores, sync.clock.now() + WAIT).await.unwrap().0, "+60199999900");
    assert!(has(stores, 1, Method::Sms).await && has(stores, 2, Method::Sms).await);
}

/// Controls: C-175.
async fn contacts_of_unnamed_kinds_stay(stores: &Stores) {
    let office = PhoneNumber::from_stored("+60387654308".to_owned());
    let imported = Registration { office_phone: Some(office), ..Default::default() };
    let now = Timestamp::from_seconds(START);
    stores.contacts.import(&person_id(0), &imported, None, Overwrite::Imported, WAIT, now).await.unwrap();
    let sync = syncing(stores, &[Kind::Mobile]);
    sync.directory.put(with_mobile(0, "012-345 6798"));
    sync.full().await;
    assert!(has(stores, 0, Method::OfficeCall).await && has(stores, 0, Method::Sms).await);
    sync.directory.edit(0, |person| person.contacts.mobile = None);
    sync.delta().await;
    assert!(has(stores, 0, Method::OfficeCall).await && !has(stores, 0, Method::Sms).await);
}
