//! The tables of accounts and security info: the built-in directory, what is registered, and who may change it.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use rekey_tests::chance::TestEntropy;
use rekey_tests::people::{AISYAH, DANIEL, Person};
use shared::adapters::directories::{BuiltinDirectory, SignIn};
use shared::adapters::dynamodb::DynamoSecurityInfo;
use shared::domain::account::{AccountId, Registration, Standing};
use shared::domain::contact::PhoneNumber;
use shared::domain::flow::FlowKey;
use shared::domain::name::CanonicalName;
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{
    Authenticators as _, Claim, ClaimStore as _, Directory as _, DirectoryError, DirectoryWriter as _,
    SecurityInfo as _, Write,
};

use crate::stores::on_both_stores;

on_both_stores!(
    an_account_is_found_by_its_logins,
    five_failures_lock_and_an_unlock_mends_it,
    a_write_is_carried_out_once_and_by_the_latest_claim,
    what_may_not_be_reset_is_not_written,
    previous_passwords_are_known,
    what_was_registered_is_read_back,
    a_time_step_is_accepted_once,
    a_claim_is_one_flows;
    at_once: many_sign_ins_try_no_more_than_five,
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);
const NEW: &str = "Kancil-Lompat-42!";

fn name(login: &str) -> CanonicalName {
    CanonicalName::parse(login, &[]).unwrap()
}

fn id() -> AccountId {
    AccountId::from_directory("aisyah")
}

async fn directory(client: &Client) -> Arc<BuiltinDirectory> {
    let directory = BuiltinDirectory::new(client.clone(), "AccountsTable", Arc::new(TestEntropy::default()));
    for person in [&AISYAH, &DANIEL] {
        directory.create(&person.account(), Some(Person::PASSWORD)).await.unwrap();
    }
    Arc::new(directory)
}

async fn an_account_is_found_by_its_logins(client: &Client) {
    let directory = directory(client).await;
    let found = directory.find(&name("aisyah")).await.unwrap().unwrap();
    assert_eq!((found.id, found.name.as_str(), found.standing), (id(), AISYAH.name, Standing::Active));
    assert!(directory.find(&name("nobody")).await.unwrap().is_none());
    assert!(directory.account(&AccountId::from_directory("nobody")).await.unwrap().is_none());
}

async fn five_failures_lock_and_an_unlock_mends_it(client: &Client) {
    let directory = directory(client).await;
    let sign_in = async |password| directory.sign_in(&name("aisyah"), password).await.unwrap();
    for _ in 0..4 {
        assert_eq!(sign_in("wrong").await, SignIn::Wrong);
    }
    assert_eq!(sign_in(Person::PASSWORD).await, SignIn::Accepted, "which starts the count again");
    for _ in 0..4 {
        assert_eq!(sign_in("wrong").await, SignIn::Wrong);
    }
    assert_eq!(sign_in("wrong").await, SignIn::Locked);
    assert_eq!(sign_in(Person::PASSWORD).await, SignIn::Locked, "the password does not matter any more");
    assert_eq!(directory.find(&name("aisyah")).await.unwrap().unwrap().standing, Standing::Locked);
    directory.write(&id(), 1, Write::Unlock, 1, NOW).await.unwrap();
    assert_eq!(sign_in(Person::PASSWORD).await, SignIn::Accepted);
    assert_eq!(directory.sign_in(&name("daniel"), Person::PASSWORD).await.unwrap(), SignIn::Disabled);
    assert_eq!(directory.sign_in(&name("nobody"), "x").await.unwrap(), SignIn::Wrong);
}

async fn many_sign_ins_try_no_more_than_five(client: &Client) {
    let directory = directory(client).await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let directory = directory.clone();
            tokio::spawn(async move { directory.sign_in(&name("aisyah"), "wrong").await.unwrap() })
        })
        .collect();
    let mut wrong = 0;
    for task in tasks {
        wrong += usize::from(task.await.unwrap() == SignIn::Wrong);
    }
    assert!(wrong <= 4, "{wrong} were told that the password is wrong; the fifth locks");
}

async fn a_write_is_carried_out_once_and_by_the_latest_claim(client: &Client) {
    let directory = directory(client).await;
    assert!(!directory.was_written(&id(), 1).await.unwrap());
    directory.write(&id(), 2, Write::Password(NEW), 1, NOW).await.unwrap();
    assert!(
        directory.was_written(&id(), 2).await.unwrap() && !directory.was_written(&id(), 3).await.unwrap()
    );
    directory.write(&id(), 2, Write::Password("Something-Else-9"), 1, NOW).await.unwrap();
    assert_eq!(
        directory.sign_in(&name("aisyah"), NEW).await.unwrap(),
        SignIn::Accepted,
        "repeated: no change"
    );
    let straggler = directory.write(&id(), 1, Write::Password("Something-Else-9"), 1, NOW).await;
    assert!(matches!(straggler, Err(DirectoryError::Superseded)));
}

async fn what_may_not_be_reset_is_not_written(client: &Client) {
    let directory = directory(client).await;
    for id in ["daniel", "nobody"] {
        let id = AccountId::from_directory(id);
        for write in [Write::Password(NEW), Write::Unlock] {
            let refused = directory.write(&id, 1, write, 1, NOW).await;
            assert!(matches!(refused, Err(DirectoryError::Refused)), "{id:?}");
        }
    }
}

async fn previous_passwords_are_known(client: &Client) {
    let directory = directory(client).await;
    let is_previous = async |password, history| {
        let found = directory.account_and_reuse(&id(), password, history).await.unwrap();
        found.expect("an account").1
    };
    assert!(is_previous(Person::PASSWORD, 1).await && !is_previous(Person::PASSWORD, 0).await);
    directory.write(&id(), 1, Write::Password(NEW), 2, NOW).await.unwrap();
    assert!(is_previous(NEW, 1).await && !is_previous(Person::PASSWORD, 1).await);
    assert!(is_previous(Person::PASSWORD, 2).await, "two are kept");
    directory.write(&id(), 2, Write::Password("Merdeka-Wau-Bulan-57"), 2, NOW).await.unwrap();
    assert!(is_previous(NEW, 2).await && !is_previous(Person::PASSWORD, 2).await, "and no more");
}

fn security_info(client: &Client) -> DynamoSecurityInfo {
    DynamoSecurityInfo::new(client.clone(), "SecurityInfoTable")
}

async fn what_was_registered_is_read_back(client: &Client) {
    let info = security_info(client);
    let nothing = info.registration(&id()).await.unwrap();
    assert!(nothing.mobile.is_none() && !nothing.totp);
    assert!(info.totp(&id()).await.unwrap().is_none());
    info.register(&id(), &AISYAH.registration(), Some("sealed")).await.unwrap();
    let read = info.registration(&id()).await.unwrap();
    assert_eq!(read.mobile.unwrap().expose(), "+60123456798");
    assert_eq!(read.alternate_email.unwrap().expose(), "aisyah.rahman@mail.example");
    assert!(read.totp && read.office_phone.is_some());
    assert_eq!(info.totp(&id()).await.unwrap().unwrap().sealed_seed, "sealed");

    let mobile = Some(PhoneNumber::from_stored("+60199999999".to_owned()));
    info.register(&id(), &Registration { mobile, ..Registration::default() }, None).await.unwrap();
    let read = info.registration(&id()).await.unwrap();
    assert!(read.alternate_email.is_none() && read.office_phone.is_none(), "what is not given is taken away");
}

async fn a_time_step_is_accepted_once(client: &Client) {
    let info = security_info(client);
    let accept =
        async |step, flow| info.accept_step(&id(), step, FlowKey::from_bytes([flow; 32])).await.unwrap();
    assert!(!accept(5, 1).await, "there is no app");
    info.register(&id(), &AISYAH.registration(), Some("sealed")).await.unwrap();
    assert!(accept(5, 1).await);
    assert!(accept(5, 1).await, "the same flow once more: its answer was lost");
    for step in [5, 4] {
        assert!(!accept(step, 2).await, "{step}");
    }
    assert!(!accept(4, 1).await);
    assert!(accept(6, 2).await);
    assert!(!accept(5, 1).await, "a later one was accepted since");
}

async fn a_claim_is_one_flows(client: &Client) {
    let info = security_info(client);
    info.register(&id(), &AISYAH.registration(), None).await.unwrap();
    let claim = async |flow: u8, generation, now| {
        let key = FlowKey::from_bytes([flow; 32]);
        info.claim(&id(), key, generation, now, now + Seconds(30)).await.unwrap()
    };
    assert_eq!(claim(1, 0, NOW).await, Claim::Held(1));
    assert_eq!(claim(1, 0, NOW).await, Claim::Busy, "a double click");
    assert_eq!(claim(2, 0, NOW).await, Claim::Lost, "another flow");
    assert_eq!(info.registration(&id()).await.unwrap().generation, 1);
    assert_eq!(claim(1, 0, NOW + Seconds(30)).await, Claim::Held(2), "its own lease has run out");
    assert_eq!(claim(2, 0, NOW + Seconds(30)).await, Claim::Lost);
    assert_eq!(claim(2, 2, NOW + Seconds(31)).await, Claim::Held(3), "a flow that was opened since");
}
