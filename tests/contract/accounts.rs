//! The table of security info: enrolled entries, passes, and the lease of an account.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use p256::ecdsa::SigningKey;
use rekey_tests::fixtures::AISYAH;
use shared::domain::account::{AccountId, Contact, Registration};
use shared::domain::contact::PhoneNumber;
use shared::domain::device::Device;
use shared::domain::holder::HolderId;
use shared::domain::keys::Tag;
use shared::domain::method::{Factor, Method};
use shared::domain::pass::{HeldPass, PassKind, PassTags};
use shared::domain::passkey::Credential;
use shared::domain::recovery_code::{HashedWith, Sheet};
use shared::domain::security_info::{Consumption, EntryId, Kind, Registered, Secret};
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{ActiveEntry, Added, LeaseHolder, LeaseOutcome, NewEntry};

use crate::stores::{ENTRIES, Stores, corrupt_variants, on_every_store, put};

on_every_store!(
    imported_registration_is_read_back,
    contact_in_waiting_period_is_unusable,
    entries_are_listed_changed_and_removed,
    use_of_replaced_contact_does_not_count_for_successor,
    removed_waiting_contact_restores_its_predecessor,
    passkey_is_registered_once_across_all_accounts,
    time_step_is_accepted_once,
    passkeys_are_listed_and_counters_only_increase,
    recovery_code_is_accepted_once,
    consumption_of_another_kind_is_rejected,
    pass_is_redeemed_by_one_flow_before_expiry,
    pass_keeps_its_kind_and_its_use,
    lease_is_exclusive_to_one_flow,
    released_lease_is_available_only_to_its_flow,
    lease_above_flow_limit_is_rejected,
    known_devices_end_with_revocation_and_with_leased_reset;
    at_once: concurrent_registrations_of_one_passkey_succeed_once, concurrent_flows_use_a_recovery_code_once,
        concurrent_flows_redeem_a_pass_once, concurrent_leases_never_exceed_their_limit;
    in_tables: contact_opens_only_for_its_owner_and_kind,
        legacy_passkey_is_indexed_when_account_is_read,
        account_with_unreadable_generation_cannot_be_changed;
    in_tables_at_once: unreadable_entry_is_unusable_and_affects_no_other
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);
/// A passkey in its stored form.
const CREDENTIAL: &str = r#"{"id":"AAAA","key":{"algorithm":"EdDSA","point":"AAAA"},"user_handle":"AAAA","counter":3,"backup_eligible":true,"transports":["usb"]}"#;

fn id() -> AccountId {
    AccountId::from_directory("aisyah").unwrap()
}

const TABLE: &str = ENTRIES;

async fn imported_registration_is_read_back(ports: &Stores) {
    let nothing = ports.info.registration(&id(), NOW).await.unwrap();
    assert!(nothing.mobile.is_none() && !nothing.has(Method::Totp));
    assert_eq!(ports.active(&id(), Kind::Totp, NOW).await, []);
    ports.import(&id(), &AISYAH.registration(), Some("sealed"), NOW).await;
    let read = ports.info.registration(&id(), NOW).await.unwrap();
    assert!(read.has(Method::Totp) && read.has(Method::OfficeCall));
    assert_eq!(read.mobile.unwrap().expose(), "+60123456798");
    assert_eq!(read.alternate_email.unwrap().expose(), "aisyah.rahman@mail.example");
    assert_eq!(ports.active(&id(), Kind::Totp, NOW).await, [app("sealed", 0)]);

    let mobile = Some(PhoneNumber::from_stored("+60199999999".to_owned()));
    let less = Registration { mobile, ..Registration::default() };
    ports.import(&id(), &less, None, NOW).await;
    let read = ports.info.registration(&id(), NOW).await.unwrap();
    assert!(read.alternate_email.is_none() && read.office_phone.is_none(), "what is not given is taken away");
}

/// A stolen table reveals no contact. An item copied to another account or kind verifies nothing there.
/// Controls: C-089.
async fn contact_opens_only_for_its_owner_and_kind(client: &Client) {
    let ports = &Stores::in_tables(client);
    ports.import(&id(), &AISYAH.registration(), None, NOW).await;
    let other = AccountId::from_directory("mallory").unwrap();
    let key = |account: &AccountId, item: &str| {
        [("account", account.as_str()), ("item", item)]
            .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())))
    };
    let stolen = client.get_item().table_name(TABLE).set_key(Some(key(&id(), "mobile").into()));
    let stolen = stolen.send().await.unwrap().item.unwrap();
    assert!(!format!("{stolen:?}").contains("123456798"), "{stolen:?}");
    for (account, item) in [(&other, "mobile"), (&id(), "office_phone")] {
        let mut copy = stolen.clone();
        copy.extend(key(account, item));
        client.put_item().table_name(TABLE).set_item(Some(copy)).send().await.unwrap();
        assert!(ports.info.registration(account, NOW).await.is_err(), "{account:?} {item}");
    }
}

/// Controls: C-054.
async fn contact_in_waiting_period_is_unusable(ports: &Stores) {
    ports.import(&id(), &AISYAH.registration(), None, NOW).await;
    let number = PhoneNumber::from_stored("+60199999999".to_owned());
    let later = NOW + Seconds::DAY;
    let entry =
        NewEntry { active_from: later, ..NewEntry::contact(Kind::Mobile, Contact::Phone(&number), NOW) };
    ports.raw.put(&id(), &entry).await;
    let read = ports.info.registration(&id(), NOW).await.unwrap();
    assert!(
        read.contact(Method::Sms).is_none() && read.mobile.is_some(),
        "it is notified of changes, no more"
    );
    assert!(ports.info.registration(&id(), later).await.unwrap().contact(Method::Sms).is_some());
}

async fn entries_are_listed_changed_and_removed(ports: &Stores) {
    assert_eq!(ports.enrolment.registered(&id()).await.unwrap(), Registered::default());
    let (session, other) = (HolderId::from_bytes([5; 32]), HolderId::from_bytes([6; 32]));
    let change = async |generation, by| ports.enrolment.change(&id(), generation, by).await.unwrap();
    assert_eq!(change(0, session).await, Some(1), "the first change of an account");
    assert_eq!(change(0, session).await, Some(1), "the same once more: its answer was lost");
    assert_eq!(change(0, other).await, None, "another request was faster");
    ports.import(&id(), &AISYAH.registration(), Some("sealed"), NOW).await;
    let listed = ports.enrolment.registered(&id()).await.unwrap();
    let kinds: Vec<Kind> = listed.entries.iter().map(|entry| entry.id.kind()).collect();
    assert_eq!(kinds, [Kind::AlternateEmail, Kind::Mobile, Kind::OfficePhone, Kind::Totp]);
    assert_eq!((listed.entries[1].shown.as_str(), listed.generation), ("*****98", 1));
    assert_eq!(listed.entries[1].last_used_at, None);
    assert_eq!(listed.changed_by, Some(session));

    let flow = HolderId::from_bytes([1; 32]);
    let lease_holder = LeaseHolder {
        flow,
        generation: 1,
        limit: 1,
        verified_factors: &[Factor::MobilePhone],
        revokes_known_devices: false,
    };
    ports.leases.acquire(&id(), &lease_holder, NOW + Seconds(5), NOW + Seconds(35)).await.unwrap();
    let (app, step) = (EntryId::only(Kind::Totp), Consumption::TimeStep(5));
    assert!(ports.consume(&app, step, lease_holder.flow, NOW + Seconds(6)).await);
    let listed = ports.enrolment.registered(&id()).await.unwrap();
    let used: Vec<_> = listed.entries.iter().map(|entry| entry.last_used_at).collect();
    assert_eq!(used, [None, Some(NOW + Seconds(5)), None, Some(NOW + Seconds(6))]);
    let read = ports.info.registration(&id(), NOW + Seconds(6)).await.unwrap();
    assert_eq!(read.last_used, [(Factor::MobilePhone, NOW + Seconds(5))]);
    assert_eq!(listed.changed_by, None, "a reset has changed it since");
    assert_eq!(change(1, session).await, None);

    let mobile = EntryId::only(Kind::Mobile);
    let remove =
        async |generation, by| ports.enrolment.remove(&id(), generation, by, &mobile, NOW).await.unwrap();
    assert_eq!(change(2, session).await, Some(3));
    assert_eq!(remove(3, other).await, None, "whose change it is not");
    assert_eq!(remove(2, session).await, None);
    assert_eq!(ports.enrolment.registered(&id()).await.unwrap().entries.len(), 4);
    assert_eq!(remove(3, session).await, Some(4), "what began since the change is over too");
    assert_eq!(remove(3, session).await, None, "it is done");
    let number = PhoneNumber::from_stored("+60199999999".to_owned());
    let entry = NewEntry::contact(Kind::Mobile, Contact::Phone(&number), NOW);
    let add = async |generation, by| ports.enrolment.add(&id(), generation, by, &entry).await.unwrap();
    assert_eq!((add(4, other).await, add(3, session).await), (Added::Overtaken, Added::Overtaken));
    assert_eq!(ports.enrolment.registered(&id()).await.unwrap().entries.len(), 3);
    assert_eq!(add(4, session).await, Added::Done(5));
    assert_eq!(ports.enrolment.registered(&id()).await.unwrap().entries[1].shown, "*****99");
    assert_eq!(remove(5, session).await, Some(6));
    ports.enrolment.confirm(&id(), NOW).await.unwrap();
    let listed = ports.enrolment.registered(&id()).await.unwrap();
    assert_eq!((listed.entries.len(), listed.confirmed_at, listed.generation), (3, Some(NOW), 6));
}

/// Controls: C-132.
async fn use_of_replaced_contact_does_not_count_for_successor(ports: &Stores) {
    ports.import(&id(), &AISYAH.registration(), None, NOW).await;
    assert!(ports.info.registration(&id(), NOW).await.unwrap().last_used.is_empty());
    let (flow, session) = (HolderId::from_bytes([1; 32]), HolderId::from_bytes([5; 32]));
    let verified_factors = &[Factor::MobilePhone, Factor::AlternateEmail];
    let lease_holder =
        LeaseHolder { flow, generation: 0, limit: 1, verified_factors, revokes_known_devices: false };
    ports.leases.acquire(&id(), &lease_holder, NOW + Seconds(5), NOW + Seconds(35)).await.unwrap();
    let number = PhoneNumber::from_stored("+60199999999".to_owned());
    let active_from = NOW + Seconds::DAY;
    let waits = NewEntry {
        active_from,
        ..NewEntry::contact(Kind::Mobile, Contact::Phone(&number), NOW + Seconds(60))
    };
    assert_eq!(ports.enrolment.change(&id(), 1, session).await.unwrap(), Some(2));
    assert_eq!(ports.enrolment.add(&id(), 2, session, &waits).await.unwrap(), Added::Done(3));
    let (mail, mobile) =
        ((Factor::AlternateEmail, NOW + Seconds(5)), (Factor::MobilePhone, NOW + Seconds(5)));
    let last_used = async |now| ports.info.registration(&id(), now).await.unwrap().last_used;
    assert_eq!(last_used(NOW + Seconds(61)).await, [mail, mobile], "the earlier number serves");
    assert_eq!(last_used(active_from).await, [mail], "the new one has redeemed nothing");
    let read = ports.info.registration(&id(), active_from).await.unwrap();
    assert!(
        read.redeemed_lately(Method::Email, active_from) && !read.redeemed_lately(Method::Sms, active_from)
    );
    assert!(!read.redeemed_lately(Method::Email, NOW + Seconds(90 * Seconds::DAY.0 + 5)));
}

async fn removed_waiting_contact_restores_its_predecessor(ports: &Stores) {
    ports.import(&id(), &AISYAH.registration(), None, NOW).await;
    let (session, mobile) = (HolderId::from_bytes([5; 32]), EntryId::only(Kind::Mobile));
    let number = PhoneNumber::from_stored("+60199999999".to_owned());
    let waits = NewEntry {
        active_from: NOW + Seconds::DAY,
        old_from: NOW + Seconds(2 * Seconds::DAY.0),
        ..NewEntry::contact(Kind::Mobile, Contact::Phone(&number), NOW)
    };
    assert_eq!(ports.enrolment.change(&id(), 0, session).await.unwrap(), Some(1));
    assert_eq!(ports.enrolment.add(&id(), 1, session, &waits).await.unwrap(), Added::Done(2));
    let remove = async |generation, now| {
        assert_eq!(ports.enrolment.change(&id(), generation, session).await.unwrap(), Some(generation + 1));
        ports.enrolment.remove(&id(), generation + 1, session, &mobile, now).await.unwrap()
    };
    assert_eq!(remove(2, NOW + Seconds(60)).await, Some(4));
    let read = ports.info.registration(&id(), NOW + Seconds(60)).await.unwrap();
    assert_eq!(read.mobile.as_ref().unwrap().expose(), "+60123456798");
    assert!(read.successors.mobile.is_none() && read.has(Method::Sms) && !read.young.contains(&Method::Sms));
    let listed = ports.enrolment.registered(&id()).await.unwrap();
    let entry = listed.entries_of(Kind::Mobile).next().unwrap();
    assert_eq!((entry.shown.as_str(), &entry.predecessor), ("*****98", &None));
    assert_eq!(listed.removed_at, None, "nothing that counted is gone");
    assert_eq!(remove(4, NOW + Seconds(90)).await, Some(6));
    let listed = ports.enrolment.registered(&id()).await.unwrap();
    assert!(listed.entries_of(Kind::Mobile).next().is_none() && listed.removed_at == Some(NOW + Seconds(90)));
}

/// Web Authentication Level 3 §7.1 step 26.
/// Controls: C-060.
async fn passkey_is_registered_once_across_all_accounts(ports: &Stores) {
    let (aisyah, siti) = (id(), AccountId::from_directory("siti").unwrap());
    let add = async |account: &AccountId, number, id| add_passkey(ports, account, number, id).await;
    let remove = async |account: &AccountId, number| remove_passkey(ports, account, number).await;
    let is_registered = async |id| is_passkey_registered(ports, id).await;
    let at = async |account: &AccountId| ports.enrolment.registered(account).await.unwrap().entries.len();
    assert!(!is_registered("AAAA").await);
    assert!(matches!(add(&aisyah, 1, "AAAA").await, Added::Done(_)));
    assert!(is_registered("AAAA").await && !is_registered("AAAB").await);
    for (account, number) in [(&siti, 1), (&siti, 2), (&aisyah, 2)] {
        assert_eq!(add(account, number, "AAAA").await, Added::Taken);
    }
    assert_eq!((at(&aisyah).await, at(&siti).await), (1, 0), "nothing is written of what is refused");
    assert!(matches!(add(&siti, 1, "AAAB").await, Added::Done(_)), "another passkey");
    remove(&siti, 1).await;
    assert!(is_registered("AAAA").await && !is_registered("AAAB").await);
    remove(&aisyah, 1).await;
    assert!(matches!(add(&siti, 3, "AAAA").await, Added::Done(_)), "it is free again");
    remove(&aisyah, 1).await;
    assert!(is_registered("AAAA").await, "an entry that is gone frees nothing");
}

fn credential(id: &str) -> Credential {
    Credential::parse(&CREDENTIAL.replace("AAAA", id)).unwrap()
}

async fn add_passkey(ports: &Stores, account: &AccountId, number: u8, id: &str) -> Added {
    let by = HolderId::from_bytes([1; 32]);
    let generation = ports.enrolment.registered(account).await.unwrap().generation;
    let generation = ports.enrolment.change(account, generation, by).await.unwrap().unwrap();
    let secret = Secret::Passkey(credential(id));
    let entry = entry(EntryId::new(Kind::Passkey, [number; 8]), secret);
    ports.enrolment.add(account, generation, by, &entry).await.unwrap()
}

async fn remove_passkey(ports: &Stores, account: &AccountId, number: u8) {
    let by = HolderId::from_bytes([1; 32]);
    let generation = ports.enrolment.registered(account).await.unwrap().generation;
    let generation = ports.enrolment.change(account, generation, by).await.unwrap().unwrap();
    let id = EntryId::new(Kind::Passkey, [number; 8]);
    assert!(ports.enrolment.remove(account, generation, by, &id, NOW).await.unwrap().is_some());
}

async fn is_passkey_registered(ports: &Stores, id: &str) -> bool {
    ports.enrolment.is_registered(&credential(id)).await.unwrap()
}

/// Reading the account adds the passkey to the index.
async fn legacy_passkey_is_indexed_when_account_is_read(client: &Client) {
    let ports = &Stores::in_tables(client);
    let (aisyah, siti) = (id(), AccountId::from_directory("siti").unwrap());
    let is_registered = async |id| is_passkey_registered(ports, id).await;
    let at = async |account: &AccountId| ports.enrolment.registered(account).await.unwrap().entries.len();
    let old = entry(EntryId::new(Kind::Passkey, [9; 8]), Secret::Passkey(credential("AAAC")));
    ports.raw.put(&aisyah, &old).await;
    assert!(!is_registered("AAAC").await);
    assert_eq!(at(&aisyah).await, 1);
    assert!(is_registered("AAAC").await);
    assert_eq!(add_passkey(ports, &siti, 4, "AAAC").await, Added::Taken);
    // Of two equal passkeys, the first one keeps the index entry.
    let twin = entry(EntryId::new(Kind::Passkey, [9; 8]), Secret::Passkey(credential("AAAC")));
    ports.raw.put(&siti, &twin).await;
    assert_eq!(at(&siti).await, 1);
    remove_passkey(ports, &siti, 9).await;
    assert!(is_registered("AAAC").await, "it is the first one's still");
    remove_passkey(ports, &aisyah, 9).await;
    assert!(!is_registered("AAAC").await);
}

/// Controls: C-060.
async fn concurrent_registrations_of_one_passkey_succeed_once(ports: &Stores) {
    let tasks: Vec<_> = (0..10)
        .map(|number| {
            let ports = ports.clone();
            tokio::spawn(async move {
                let account = AccountId::from_directory(format!("person{number}")).unwrap();
                let by = HolderId::from_bytes([number; 32]);
                ports.enrolment.change(&account, 0, by).await.unwrap();
                let secret = Secret::Passkey(credential("AAAA"));
                let entry = entry(EntryId::new(Kind::Passkey, [number; 8]), secret);
                ports.enrolment.add(&account, 1, by, &entry).await
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        // A store may ask one of two concurrent writers to retry.
        done += u8::from(matches!(task.await.unwrap(), Ok(Added::Done(_))));
    }
    assert_eq!(done, 1);
}

/// Controls: C-029.
async fn time_step_is_accepted_once(ports: &Stores) {
    let accept = async |step, flow| {
        let flow = HolderId::from_bytes([flow; 32]);
        ports.consume(&EntryId::only(Kind::Totp), Consumption::TimeStep(step), flow, NOW).await
    };
    assert!(!accept(5, 1).await, "there is no app");
    ports.import(&id(), &AISYAH.registration(), Some("sealed"), NOW).await;
    assert!(accept(5, 1).await);
    assert!(accept(5, 1).await, "the same flow once more: its answer was lost");
    for step in [5, 4] {
        assert!(!accept(step, 2).await, "{step}");
    }
    assert!(!accept(4, 1).await);
    assert!(accept(6, 2).await);
    assert!(!accept(5, 1).await, "a later one was accepted since");
    assert_eq!(ports.active(&id(), Kind::Totp, NOW).await, [app("sealed", 6)]);
}

/// Returns an active and old app for codes.
fn app(seed: &str, step: u64) -> ActiveEntry {
    let secret = Secret::Totp { sealed_seed: seed.to_owned(), step };
    ActiveEntry { id: EntryId::only(Kind::Totp), secret, young: false }
}

fn entry(id: EntryId, secret: Secret<'static>) -> NewEntry<'static> {
    NewEntry::new(id, "", secret, NOW)
}

/// Controls: C-032.
async fn passkeys_are_listed_and_counters_only_increase(ports: &Stores) {
    let read = async |account: &AccountId, now| ports.active(account, Kind::Passkey, now).await;
    assert!(read(&id(), NOW).await.is_empty());
    let credential = credential("AAAA");
    let [one, other] = [[1; 8], [2; 8]].map(|number| EntryId::new(Kind::Passkey, number));
    ports.import(&id(), &AISYAH.registration(), Some("sealed"), NOW).await;
    let new = entry(one.clone(), Secret::Passkey(credential.clone()));
    ports.raw.put(&id(), &new).await;
    let later = NewEntry { id: other.clone(), active_from: NOW + Seconds::DAY, ..new };
    ports.raw.put(&id(), &later).await;
    let found = read(&id(), NOW).await;
    assert_eq!((found.len(), &found[0].id), (1, &one), "the other one does not count yet");
    assert_eq!(found[0].secret, Secret::Passkey(credential));
    assert_eq!(read(&id(), NOW + Seconds::DAY).await.len(), 2);
    assert!(read(&AccountId::from_directory("other").unwrap(), NOW).await.is_empty());

    let accept = async |id: &EntryId, counter, flow| {
        let flow = HolderId::from_bytes([flow; 32]);
        ports.consume(id, Consumption::Counter(counter), flow, NOW).await
    };
    assert!(accept(&one, 5, 1).await);
    assert!(accept(&one, 5, 1).await, "the same flow once more: its answer was lost");
    for counter in [0, 4, 5] {
        assert!(!accept(&one, counter, 2).await, "{counter}");
    }
    assert!(accept(&one, 6, 2).await);
    assert!(!accept(&one, 5, 1).await);
    assert!(accept(&other, 0, 1).await && accept(&other, 0, 2).await, "one that does not count");
    assert!(!accept(&EntryId::new(Kind::Passkey, [3; 8]), 1, 1).await, "one that is gone");
    assert_eq!(read(&id(), NOW + Seconds::DAY).await.len(), 2, "and nothing came of it");
    let listed = ports.enrolment.registered(&id()).await.unwrap();
    assert_eq!(listed.entries_of(Kind::Passkey).next().unwrap().last_used_at, Some(NOW));
}

async fn consumption_of_another_kind_is_rejected(ports: &Stores) {
    ports.import(&id(), &AISYAH.registration(), Some("sealed"), NOW).await;
    put_sheet(ports, &["one"]).await;
    let passkey = EntryId::new(Kind::Passkey, [1; 8]);
    ports.raw.put(&id(), &entry(passkey.clone(), Secret::Passkey(credential("AAAA")))).await;
    let entries = [EntryId::only(Kind::Totp), passkey, EntryId::only(Kind::RecoveryCodes)];
    let consumptions =
        [Consumption::TimeStep(5), Consumption::Counter(5), Consumption::RecoveryCode("one".to_owned())];
    let flow = HolderId::from_bytes([1; 32]);
    for (own, entry) in entries.iter().enumerate() {
        for (at, consumption) in consumptions.iter().enumerate() {
            if at != own {
                assert!(
                    !ports.consume(entry, consumption.clone(), flow, NOW).await,
                    "{consumption:?} of {entry:?}"
                );
            }
        }
        assert!(ports.consume(entry, consumptions[own].clone(), flow, NOW).await, "{entry:?}");
    }
}

/// Returns the key of one of Aisyah's items.
fn key_of(item: &str) -> [(String, AttributeValue); 2] {
    [("account", "aisyah"), ("item", item)]
        .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())))
}

/// The owner still sees it, and can remove or replace it. Only an unreadable contact stops everything, because a key
/// may be missing and its reader must report that.
/// Controls: C-071.
async fn unreadable_entry_is_unusable_and_affects_no_other(client: &Client) {
    let ports = &Stores::in_tables(client);
    ports.import(&id(), &AISYAH.registration(), Some("sealed"), NOW).await;
    put_sheet(ports, &["one", "two"]).await;
    let credential = credential("AAAA");
    let public_key = SigningKey::from_slice(&[7; 32]).unwrap().verifying_key().to_sec1_point(false);
    for number in [1, 2] {
        let passkey = Secret::Passkey(credential.clone());
        let device = Secret::Authenticator {
            public_key: public_key.as_bytes().to_vec(),
            subscription: Some("sealed".into()),
        };
        for (kind, secret) in [(Kind::Passkey, passkey), (Kind::Authenticator, device)] {
            ports.raw.put(&id(), &entry(EntryId::new(kind, [number; 8]), secret)).await;
        }
    }
    let listed = ports.enrolment.registered(&id()).await.unwrap();
    for one in &listed.entries {
        let key = key_of(one.id.as_str());
        for (item, what) in corrupt_variants(client, TABLE, &key, &["account", "item"]).await {
            put(client, TABLE, item).await;
            let what = format!("{what} of {:?}", one.id);
            let now = ports.enrolment.registered(&id()).await.unwrap();
            assert_eq!(now.entries.len(), listed.entries.len(), "{what}");
            let found = now.entries.iter().find(|entry| entry.id == one.id).unwrap();
            let at = |name| if what.starts_with(name) { NOW + Seconds::DAY } else { NOW };
            assert!(found.active_from >= at("usable_from") && found.old_from >= at("lifts_from"), "{what}");
            let read = ports.info.registration(&id(), NOW).await;
            assert_eq!(read.is_err(), what.starts_with("sealed"), "{what}");
            let is_passkey = one.id.kind() == Kind::Passkey;
            let is_corrupt = what.starts_with("credential") || what.starts_with("usable_from");
            let passkeys = ports.active(&id(), Kind::Passkey, NOW).await;
            assert_eq!(passkeys.len(), if is_passkey && is_corrupt { 1 } else { 2 }, "{what}");
            let device = Device { account: id(), id: one.id.clone() };
            let is_corrupt = what.starts_with("public_key") || what.starts_with("usable_from");
            let is_device = one.id.kind() == Kind::Authenticator && !is_corrupt;
            assert_eq!(ports.devices.device(&device).await.unwrap().is_some(), is_device, "{what}");
            let targets = ports.push_targets.push_targets(&id(), NOW).await.unwrap();
            assert!(!targets.is_empty(), "{what}");
            if what.starts_with("usable_from") {
                assert!(one.id.kind() != Kind::Totp || ports.active(&id(), Kind::Totp, NOW).await.is_empty());
            }
            ports.raw.delete(&id(), &one.id).await;
            assert_eq!(
                ports.enrolment.registered(&id()).await.unwrap().entries.len(),
                listed.entries.len() - 1
            );
        }
        // Restores the item.
        match one.id.kind() {
            Kind::RecoveryCodes => put_sheet(ports, &["one", "two"]).await,
            Kind::Passkey => {
                let secret = Secret::Passkey(credential.clone());
                ports.raw.put(&id(), &entry(one.id.clone(), secret)).await;
            }
            Kind::Authenticator => {
                let public_key = public_key.as_bytes().to_vec();
                let secret = Secret::Authenticator { public_key, subscription: Some("sealed".into()) };
                ports.raw.put(&id(), &entry(one.id.clone(), secret)).await;
            }
            _ => drop(ports.import(&id(), &AISYAH.registration(), Some("sealed"), NOW).await),
        }
    }
}

/// Treating it as a new account would leave its list open to the password alone.
/// Controls: C-071.
async fn account_with_unreadable_generation_cannot_be_changed(client: &Client) {
    let ports = &Stores::in_tables(client);
    let by = HolderId::from_bytes([5; 32]);
    for generation in 0..2 {
        ports.enrolment.change(&id(), generation, by).await.unwrap().unwrap();
    }
    for (item, what) in corrupt_variants(client, TABLE, &key_of("state"), &["account", "item"]).await {
        put(client, TABLE, item).await;
        let is_lost = what.starts_with("generation");
        assert_eq!(ports.enrolment.registered(&id()).await.is_err(), is_lost, "{what}");
        assert_eq!(ports.info.registration(&id(), NOW).await.is_err(), is_lost, "{what}");
        let lease_holder = LeaseHolder {
            flow: by,
            generation: 2,
            limit: 9,
            verified_factors: &[],
            revokes_known_devices: false,
        };
        let lease = ports.leases.acquire(&id(), &lease_holder, NOW, NOW + Seconds(30)).await;
        assert!(!is_lost || !matches!(lease, Ok(LeaseOutcome::Acquired(_))), "{what}: {lease:?}");
    }
}

async fn put_sheet(ports: &Stores, hashes: &[&str]) {
    let hashes = hashes.iter().map(ToString::to_string).collect();
    let secret = Secret::RecoveryCodes(Sheet { hashed_with: HashedWith::Key("1".into()), hashes });
    ports.raw.put(&id(), &entry(EntryId::only(Kind::RecoveryCodes), secret)).await;
}

/// Returns Aisyah's sheet.
async fn sheet(ports: &Stores) -> Sheet {
    let mut active = ports.active(&id(), Kind::RecoveryCodes, NOW).await;
    assert_eq!(active.len(), 1);
    match active.remove(0).secret {
        Secret::RecoveryCodes(sheet) => sheet,
        other => panic!("{other:?} is no sheet"),
    }
}

/// Controls: C-030.
async fn recovery_code_is_accepted_once(ports: &Stores) {
    assert_eq!(ports.active(&id(), Kind::RecoveryCodes, NOW).await, []);
    let take = async |hash: &str, flow| {
        let flow = HolderId::from_bytes([flow; 32]);
        let code = Consumption::RecoveryCode(hash.to_owned());
        ports.consume(&EntryId::only(Kind::RecoveryCodes), code, flow, NOW).await
    };
    assert!(!take("one", 1).await, "there is no sheet");
    put_sheet(ports, &["one", "two"]).await;
    let sheet = async || sheet(ports).await;
    let read = sheet().await;
    assert_eq!((read.hashed_with, read.hashes.len()), (HashedWith::Key("1".into()), 2));
    assert!(!take("three", 1).await);
    assert!(take("one", 1).await);
    assert!(take("one", 1).await, "the same flow once more: its answer was lost");
    assert!(!take("one", 2).await);
    assert_eq!(sheet().await.hashes, ["two"]);
    assert!(ports.info.registration(&id(), NOW).await.unwrap().has(Method::RecoveryCode));
    assert!(take("two", 2).await);
    assert!(!take("one", 1).await, "another was taken since");
    assert!(sheet().await.hashes.is_empty());
    assert!(!ports.info.registration(&id(), NOW).await.unwrap().has(Method::RecoveryCode), "used up");
    let listed = ports.enrolment.registered(&id()).await.unwrap();
    let entry = listed.entries_of(Kind::RecoveryCodes).next().unwrap();
    assert_eq!((entry.shown.as_str(), entry.last_used_at), ("0", Some(NOW)));
}

/// Controls: C-030.
async fn concurrent_flows_use_a_recovery_code_once(ports: &Stores) {
    put_sheet(ports, &["one", "two", "three"]).await;
    let mut tasks = Vec::new();
    for flow in 0..50 {
        let ports = ports.clone();
        tasks.push(tokio::spawn(async move {
            let flow = HolderId::from_bytes([flow; 32]);
            let code = Consumption::RecoveryCode("two".to_owned());
            ports.consume(&EntryId::only(Kind::RecoveryCodes), code, flow, NOW).await
        }));
    }
    let mut taken = 0;
    for task in tasks {
        taken += u8::from(task.await.unwrap());
    }
    assert_eq!(taken, 1);
    assert_eq!(sheet(ports).await.hashes.len(), 2);
}

/// Returns the tags of a typed pass: as a caller's, and as one of a letter.
fn tags(pass: u8) -> PassTags {
    PassTags { caller: Tag::from_bytes([pass; 32]), activation: Tag::from_bytes([pass + 100; 32]) }
}

/// Controls: C-031, C-271.
async fn pass_keeps_its_kind_and_its_use(ports: &Stores) {
    let redeem = async |pass: u8, flow: u8| {
        let flow = HolderId::from_bytes([flow; 32]);
        ports.authenticators.redeem_pass(&id(), &tags(pass), flow, NOW).await.unwrap()
    };
    assert_eq!(ports.raw.held_pass(&id()).await, None);
    let expires_at = NOW + Seconds(30 * 86_400);
    ports.raw.put_pass(&id(), PassKind::Activation, &tags(1).activation, expires_at).await;
    let held = HeldPass { kind: PassKind::Activation, expires_at, is_redeemed: false };
    assert_eq!(ports.raw.held_pass(&id()).await, Some(held));
    assert_eq!(redeem(1, 1).await, Some(PassKind::Activation));
    assert_eq!(ports.raw.held_pass(&id()).await, Some(HeldPass { is_redeemed: true, ..held }));
    assert_eq!(redeem(1, 2).await, None, "once");
    ports.raw.put_pass(&id(), PassKind::Caller, &tags(2).caller, NOW + Seconds::HOUR).await;
    let held = HeldPass { kind: PassKind::Caller, expires_at: NOW + Seconds::HOUR, is_redeemed: false };
    assert_eq!(ports.raw.held_pass(&id()).await, Some(held));
    assert_eq!(redeem(2, 3).await, Some(PassKind::Caller));
}

/// Controls: C-031.
async fn pass_is_redeemed_by_one_flow_before_expiry(ports: &Stores) {
    let redeem = async |pass: u8, flow: u8, now| {
        let flow = HolderId::from_bytes([flow; 32]);
        let redeemed = ports.authenticators.redeem_pass(&id(), &tags(pass), flow, now).await.unwrap();
        assert!(redeemed.is_none_or(|kind| kind == PassKind::Caller));
        redeemed.is_some()
    };
    assert!(!redeem(1, 1, NOW).await, "there is none");
    ports.raw.put_pass(&id(), PassKind::Caller, &Tag::from_bytes([1; 32]), NOW + Seconds::HOUR).await;
    assert!(!redeem(2, 1, NOW).await, "another one");
    assert!(!redeem(1, 1, NOW + Seconds::HOUR).await, "too late");
    assert!(redeem(1, 1, NOW + Seconds(3_599)).await);
    assert!(redeem(1, 1, NOW).await, "the same flow once more: its answer was lost");
    assert!(!redeem(1, 2, NOW).await);
    let registered = ports.enrolment.registered(&id()).await.unwrap();
    assert!(registered.entries.is_empty(), "it is no entry of its person");
    ports.raw.put_pass(&id(), PassKind::Caller, &Tag::from_bytes([3; 32]), NOW + Seconds::HOUR).await;
    assert!(redeem(3, 2, NOW).await && !redeem(1, 1, NOW).await, "a newer one takes its place");
    // For example an expiry in milliseconds.
    let never = Timestamp::from_seconds(NOW.as_seconds() * 1_000);
    ports.raw.put_pass(&id(), PassKind::Caller, &Tag::from_bytes([4; 32]), never).await;
    assert!(!redeem(4, 3, NOW).await);
}

/// Controls: C-031.
async fn concurrent_flows_redeem_a_pass_once(ports: &Stores) {
    ports.raw.put_pass(&id(), PassKind::Caller, &Tag::from_bytes([1; 32]), NOW + Seconds::HOUR).await;
    let mut tasks = Vec::new();
    for flow in 0..50 {
        let ports = ports.clone();
        tasks.push(tokio::spawn(async move {
            let flow = HolderId::from_bytes([flow; 32]);
            ports.authenticators.redeem_pass(&id(), &tags(1), flow, NOW).await.unwrap().is_some()
        }));
    }
    let mut redeemed = 0;
    for task in tasks {
        redeemed += u8::from(task.await.unwrap());
    }
    assert_eq!(redeemed, 1);
}

/// Controls: C-022.
async fn lease_is_exclusive_to_one_flow(ports: &Stores) {
    ports.import(&id(), &AISYAH.registration(), None, NOW).await;
    let lease = async |flow: u8, generation, now| {
        let flow = HolderId::from_bytes([flow; 32]);
        let lease_holder =
            LeaseHolder { flow, generation, limit: 9, verified_factors: &[], revokes_known_devices: false };
        ports.leases.acquire(&id(), &lease_holder, now, now + Seconds(30)).await.unwrap()
    };
    assert_eq!(lease(1, 0, NOW).await, LeaseOutcome::Acquired(1));
    assert_eq!(lease(1, 0, NOW).await, LeaseOutcome::Busy, "a double click");
    assert_eq!(lease(2, 0, NOW).await, LeaseOutcome::Lost, "another flow");
    assert_eq!(ports.info.registration(&id(), NOW).await.unwrap().generation, 1);
    assert_eq!(lease(1, 0, NOW + Seconds(30)).await, LeaseOutcome::Acquired(2), "its own lease has run out");
    assert_eq!(lease(2, 0, NOW + Seconds(30)).await, LeaseOutcome::Lost);
    assert_eq!(
        lease(2, 2, NOW + Seconds(31)).await,
        LeaseOutcome::Acquired(3),
        "a flow that was opened since"
    );
}

/// Controls: C-102.
async fn known_devices_end_with_revocation_and_with_leased_reset(ports: &Stores) {
    let epoch = async || {
        let epoch = ports.info.registration(&id(), NOW).await.unwrap().device_epoch;
        assert_eq!(ports.enrolment.registered(&id()).await.unwrap().device_epoch, epoch);
        epoch
    };
    ports.known_devices.revoke(&id()).await.unwrap();
    assert_eq!(epoch().await, 0, "nothing is enrolled");
    ports.import(&id(), &AISYAH.registration(), None, NOW).await;
    assert_eq!(epoch().await, 0);
    ports.known_devices.revoke(&id()).await.unwrap();
    assert_eq!(epoch().await, 1);
    for (generation, revokes_known_devices) in [(0, false), (1, true)] {
        let flow = HolderId::from_bytes([1; 32]);
        let lease_holder =
            LeaseHolder { flow, generation, limit: 9, verified_factors: &[], revokes_known_devices };
        let outcome = ports.leases.acquire(&id(), &lease_holder, NOW, NOW + Seconds(30)).await.unwrap();
        assert_eq!(outcome, LeaseOutcome::Acquired(generation + 1));
        assert_eq!(epoch().await, generation + 1);
    }
    let session = HolderId::from_bytes([5; 32]);
    assert_eq!(ports.enrolment.change(&id(), 2, session).await.unwrap(), Some(3));
    assert_eq!(epoch().await, 2, "an enrolment leaves them");
    ports.import(&id(), &AISYAH.registration(), None, NOW).await;
    assert_eq!(epoch().await, 2, "and an import");
}

/// Controls: C-022.
async fn released_lease_is_available_only_to_its_flow(ports: &Stores) {
    ports.import(&id(), &AISYAH.registration(), None, NOW).await;
    let flow = |byte| HolderId::from_bytes([byte; 32]);
    let lease = async |byte: u8, generation| {
        let lease_holder = LeaseHolder {
            flow: flow(byte),
            generation,
            limit: 9,
            verified_factors: &[],
            revokes_known_devices: false,
        };
        ports.leases.acquire(&id(), &lease_holder, NOW, NOW + Seconds(30)).await.unwrap()
    };
    assert_eq!(lease(1, 0).await, LeaseOutcome::Acquired(1));
    for (other, generation) in [(flow(2), 1), (flow(1), 0), (flow(1), 2)] {
        ports.leases.release(&id(), other, generation).await.unwrap();
        assert_eq!(lease(1, 0).await, LeaseOutcome::Busy, "another release has no effect");
    }
    ports.leases.release(&id(), flow(1), 1).await.unwrap();
    assert_eq!(lease(2, 0).await, LeaseOutcome::Lost, "another flow");
    assert_eq!(lease(1, 0).await, LeaseOutcome::Acquired(2), "at once");
}

/// Controls: C-017.
async fn lease_above_flow_limit_is_rejected(ports: &Stores) {
    ports.import(&id(), &AISYAH.registration(), None, NOW).await;
    let lease = async |flow: u8, generation| {
        let flow = HolderId::from_bytes([flow; 32]);
        let lease_holder =
            LeaseHolder { flow, generation, limit: 3, verified_factors: &[], revokes_known_devices: false };
        ports.leases.acquire(&id(), &lease_holder, NOW, NOW + Seconds(30)).await.unwrap()
    };
    // A lease of another flow from before this one opened counts for that flow only.
    assert_eq!(lease(2, 0).await, LeaseOutcome::Acquired(1));
    for number in 2..=4 {
        assert_eq!(lease(1, 1).await, LeaseOutcome::Acquired(number));
        assert_eq!(lease(1, 1).await, LeaseOutcome::Busy, "also the last one is held");
        ports.leases.release(&id(), HolderId::from_bytes([1; 32]), number).await.unwrap();
    }
    assert_eq!(lease(1, 1).await, LeaseOutcome::Spent);
    assert_eq!(ports.info.registration(&id(), NOW).await.unwrap().generation, 4, "nothing was written");
    assert_eq!(lease(2, 0).await, LeaseOutcome::Lost);
    assert_eq!(lease(3, 4).await, LeaseOutcome::Acquired(5), "a flow that was opened since");
}

/// Controls: C-017.
async fn concurrent_leases_never_exceed_their_limit(ports: &Stores) {
    ports.import(&id(), &AISYAH.registration(), None, NOW).await;
    let tasks: Vec<_> = (0..12)
        .map(|_| {
            let ports = ports.clone();
            tokio::spawn(async move {
                let flow = HolderId::from_bytes([1; 32]);
                let lease_holder = LeaseHolder {
                    flow,
                    generation: 0,
                    limit: 10,
                    verified_factors: &[],
                    revokes_known_devices: false,
                };
                let mut held = Vec::new();
                loop {
                    match ports.leases.acquire(&id(), &lease_holder, NOW, NOW + Seconds(30)).await.unwrap() {
                        LeaseOutcome::Acquired(number) => {
                            held.push(number);
                            ports.leases.release(&id(), flow, number).await.unwrap();
                        }
                        LeaseOutcome::Busy => tokio::task::yield_now().await,
                        LeaseOutcome::Spent => return held,
                        LeaseOutcome::Lost => panic!("no other flow requests the lease"),
                    }
                }
            })
        })
        .collect();
    let mut held = Vec::new();
    for task in tasks {
        held.extend(task.await.unwrap());
    }
    held.sort_unstable();
    assert_eq!(held, (1..=10).collect::<Vec<u64>>());
}
