//! The import of contacts: new, unchanged, and waiting while the earlier contact still serves.

use rekey_tests::fixtures::AISYAH;
use shared::domain::account::{AccountId, Contact, Registration};
use shared::domain::contact::{EmailAddress, PhoneNumber};
use shared::domain::holder::HolderId;
use shared::domain::import::ImportAction;
use shared::domain::method::{Factor, Method};
use shared::domain::security_info::{Entry, EntryId, Kind, Secret};
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{LeaseHolder, LeaseOutcome, NewEntry};

use crate::stores::{Stores, WAIT, on_every_store};

on_every_store!(
    first_import_has_no_waiting_period,
    import_into_emptied_account_has_waiting_period,
    unchanged_contact_keeps_its_age,
    previous_contact_is_used_during_waiting_period,
    contact_changed_twice_keeps_first_during_waiting_period,
    value_in_another_column_keeps_its_age,
    contact_missing_from_import_is_removed,
    self_enrolled_contact_is_not_overwritten,
    app_is_imported_once,
    lease_survives_contact_import;
    at_once: ;
    in_tables: ;
    in_tables_at_once:
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);
/// A day after the first import.
const LATER: Timestamp = Timestamp::from_seconds(1_795_492_800 + 86_400);
/// The decisions when none of the three kinds of contacts is new.
const UNCHANGED: [(Kind, ImportAction); 3] = [
    (Kind::AlternateEmail, ImportAction::Keep),
    (Kind::Mobile, ImportAction::Keep),
    (Kind::OfficePhone, ImportAction::Keep),
];

fn id() -> AccountId {
    AccountId::from_directory("aisyah").unwrap()
}

fn number(text: &str) -> PhoneNumber {
    PhoneNumber::from_stored(text.to_owned())
}

/// Returns Aisyah's contacts with another mobile.
fn with_mobile(text: &str) -> Registration {
    Registration { mobile: Some(number(text)), ..AISYAH.registration() }
}

const fn counts_at_once() -> ImportAction {
    ImportAction::Put { active_from: NOW, old_from: NOW, replaces: false }
}

/// Returns the decision with the waiting period from `now`, and a second one until the contact is old.
fn waits(now: Timestamp, replaces: bool) -> ImportAction {
    ImportAction::Put { active_from: now + WAIT, old_from: now + WAIT + WAIT, replaces }
}

async fn registration(ports: &Stores, now: Timestamp) -> Registration {
    ports.info.registration(&id(), now).await.unwrap()
}

async fn entry(ports: &Stores, kind: Kind) -> Option<Entry> {
    let registered = ports.enrolment.registered(&id()).await.unwrap();
    registered.entries.into_iter().find(|entry| entry.id.kind() == kind)
}

/// Returns the mobile that serves, and the one that waits to replace it.
async fn mobiles(ports: &Stores, now: Timestamp) -> (Option<String>, Option<String>) {
    let read = registration(ports, now).await;
    let expose = |number: PhoneNumber| number.expose().to_owned();
    (read.mobile.map(expose), read.successors.mobile.map(expose))
}

async fn first_import_has_no_waiting_period(ports: &Stores) {
    let decisions = ports.import(&id(), &AISYAH.registration(), Some("sealed"), NOW).await;
    let kinds = [Kind::AlternateEmail, Kind::Mobile, Kind::OfficePhone, Kind::Totp];
    assert_eq!(decisions, kinds.map(|kind| (kind, counts_at_once())));
    let read = registration(ports, NOW).await;
    assert!(read.has(Method::Email) && read.has(Method::Sms) && read.has(Method::Totp));
    assert!(read.young.is_empty(), "{:?}", read.young);
}

/// An account whose entries were all removed doesn't count as new.
/// Controls: C-054.
async fn import_into_emptied_account_has_waiting_period(ports: &Stores) {
    let session = HolderId::from_bytes([9; 32]);
    assert_eq!(ports.enrolment.change(&id(), 0, session).await.unwrap(), Some(1));
    let decisions = ports.import(&id(), &AISYAH.registration(), Some("sealed"), NOW).await;
    assert!(decisions.iter().all(|(_, action)| *action == waits(NOW, false)), "{decisions:?}");
    assert_eq!(decisions.len(), 4);
    assert!(!registration(ports, NOW).await.has(Method::Sms));
    assert_eq!(ports.active(&id(), Kind::Totp, NOW).await, []);
    let then = registration(ports, NOW + WAIT).await;
    assert!(then.has(Method::Sms) && then.young.contains(&Method::Sms), "it counts, and is not old");
}

async fn unchanged_contact_keeps_its_age(ports: &Stores) {
    ports.import(&id(), &AISYAH.registration(), None, NOW).await;
    assert_eq!(ports.import(&id(), &AISYAH.registration(), None, LATER).await, UNCHANGED);
    let mobile = entry(ports, Kind::Mobile).await.unwrap();
    assert_eq!((mobile.added_at, mobile.active_from, mobile.old_from), (NOW, NOW, NOW));
}

/// Controls: C-054.
async fn previous_contact_is_used_during_waiting_period(ports: &Stores) {
    ports.import(&id(), &AISYAH.registration(), None, NOW).await;
    let changed = with_mobile("+60199999900");
    let decisions = ports.import(&id(), &changed, None, LATER).await;
    assert_eq!(decisions[1], (Kind::Mobile, waits(LATER, true)));
    assert!(decisions.iter().filter(|(_, action)| action.replaces()).count() == 1, "{decisions:?}");
    for night in 1..3 {
        let again = ports.import(&id(), &changed, None, LATER + Seconds(night * 86_400)).await;
        assert_eq!(again, UNCHANGED, "the same file changes nothing more");
    }
    let (serving, next) = (Some("+60123456798".to_owned()), Some("+60199999900".to_owned()));
    let almost = Timestamp::from_seconds((LATER + WAIT).as_seconds() - 1);
    for now in [LATER, almost] {
        assert_eq!(mobiles(ports, now).await, (serving.clone(), next.clone()));
    }
    assert!(registration(ports, almost).await.young.is_empty(), "the one that serves is as old as it was");
    let mobile = entry(ports, Kind::Mobile).await.unwrap();
    assert_eq!((mobile.shown.as_str(), mobile.predecessor.as_deref()), ("*****00", Some("*****98")));
    assert_eq!(mobiles(ports, LATER + WAIT).await, (next, None));
    assert!(registration(ports, LATER + WAIT).await.young.contains(&Method::Sms));
}

async fn contact_changed_twice_keeps_first_during_waiting_period(ports: &Stores) {
    ports.import(&id(), &AISYAH.registration(), None, NOW).await;
    ports.import(&id(), &with_mobile("+60199999900"), None, NOW).await;
    let decisions = ports.import(&id(), &with_mobile("+60199999911"), None, LATER).await;
    assert_eq!(decisions[1], (Kind::Mobile, waits(LATER, true)));
    let (first, third) = (Some("+60123456798".to_owned()), Some("+60199999911".to_owned()));
    assert_eq!(mobiles(ports, NOW + WAIT).await, (first, third.clone()), "the second never counts");
    assert_eq!(mobiles(ports, LATER + WAIT).await, (third, None));
}

/// Controls: C-054.
async fn value_in_another_column_keeps_its_age(ports: &Stores) {
    ports.import(&id(), &AISYAH.registration(), None, NOW).await;
    let moved =
        Registration { office_phone: AISYAH.registration().mobile, mobile: None, ..AISYAH.registration() };
    let decisions = ports.import(&id(), &moved, None, LATER).await;
    assert_eq!(decisions[1..], [(Kind::Mobile, ImportAction::Remove), (Kind::OfficePhone, counts_at_once())]);
    let read = registration(ports, LATER).await;
    assert!(read.mobile.is_none() && read.young.is_empty());
    assert_eq!(read.office_phone.unwrap().expose(), "+60123456798");
}

/// Controls: C-061.
async fn contact_missing_from_import_is_removed(ports: &Stores) {
    ports.import(&id(), &AISYAH.registration(), Some("sealed"), NOW).await;
    let decisions = ports.import(&id(), &Registration::default(), None, LATER).await;
    assert!(decisions.iter().all(|(_, action)| *action == ImportAction::Remove), "{decisions:?}");
    let registered = ports.enrolment.registered(&id()).await.unwrap();
    let kinds: Vec<Kind> = registered.entries.iter().map(|entry| entry.id.kind()).collect();
    assert_eq!(kinds, [Kind::Totp], "an app that is there stays");
}

/// Controls: C-054.
async fn self_enrolled_contact_is_not_overwritten(ports: &Stores) {
    ports.import(&id(), &AISYAH.registration(), None, NOW).await;
    let own = number("+60199999900");
    ports.raw.put(&id(), &NewEntry::contact(Kind::Mobile, Contact::Phone(&own), NOW)).await;
    let decisions = ports.import(&id(), &AISYAH.registration(), None, LATER).await;
    assert_eq!(decisions[1], (Kind::Mobile, ImportAction::Decline));
    for imported in [with_mobile("+60199999900"), Registration { mobile: None, ..AISYAH.registration() }] {
        let decisions = ports.import(&id(), &imported, None, LATER).await;
        assert_eq!(decisions[1], (Kind::Mobile, ImportAction::Keep));
    }
    assert_eq!(mobiles(ports, LATER).await, (Some("+60199999900".to_owned()), None));
}

async fn app_is_imported_once(ports: &Stores) {
    let seed = async |now| {
        ports.active(&id(), Kind::Totp, now).await.into_iter().find_map(|app| match app.secret {
            Secret::Totp { sealed_seed, .. } => Some(sealed_seed),
            _ => None,
        })
    };
    ports.import(&id(), &AISYAH.registration(), None, NOW).await;
    let decisions = ports.import(&id(), &AISYAH.registration(), Some("first"), LATER).await;
    assert_eq!(decisions[3..], [(Kind::Totp, waits(LATER, false))]);
    assert_eq!(seed(LATER).await, None, "it waits like any other");
    let decisions = ports.import(&id(), &AISYAH.registration(), Some("second"), LATER).await;
    assert_eq!(decisions, UNCHANGED);
    assert_eq!(seed(LATER + WAIT).await.as_deref(), Some("first"));
    ports.raw.delete(&id(), &EntryId::only(Kind::Totp)).await;
    ports.import(&id(), &AISYAH.registration(), Some("third"), LATER).await;
    assert_eq!(seed(LATER + WAIT).await.as_deref(), Some("third"));
}

/// Open flows and sessions continue.
async fn lease_survives_contact_import(ports: &Stores) {
    ports.import(&id(), &AISYAH.registration(), None, NOW).await;
    let flow = HolderId::from_bytes([1; 32]);
    let lease_holder = LeaseHolder {
        flow,
        generation: 0,
        limit: 10,
        verified_factors: &[Factor::MobilePhone],
        revokes_known_devices: false,
    };
    let lease = async |now| ports.leases.acquire(&id(), &lease_holder, now, NOW + Seconds(30)).await.unwrap();
    assert_eq!(lease(NOW).await, LeaseOutcome::Acquired(1));
    let address = EmailAddress::from_stored("another@mail.example".to_owned());
    let changed = Registration { alternate_email: Some(address), ..AISYAH.registration() };
    ports.import(&id(), &changed, None, NOW).await;
    let read = registration(ports, NOW).await;
    assert_eq!((read.generation, read.lease_holder), (1, Some(flow)));
    assert_eq!(lease(NOW + Seconds(1)).await, LeaseOutcome::Busy, "it still holds the account");
    let mobile = entry(ports, Kind::Mobile).await.unwrap();
    assert_eq!(mobile.last_used_at, Some(NOW));
}
