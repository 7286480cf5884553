//! Directories: what every one of them does, as far as it can, and what only ours does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use rekey_tests::SignIn;
use rekey_tests::chance::TestEntropy;
use rekey_tests::people::{AISYAH, DANIEL, PRIYA, Person, REGISTRAR};
use shared::adapters::directories::BuiltinDirectory;
use shared::domain::account::AccountId;
use shared::domain::name::CanonicalName;
use shared::domain::password::NewPassword;
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{
    AccountImport, Directory as _, Entropy, PasswordChange, PasswordDirectory, SignInDirectory, Write,
};

use crate::stores::on_every_store;

mod suite;

on_every_store!(
    ;
    at_once: ;
    in_tables: account_is_found_by_every_login,
    accepted_sign_in_brings_its_account,
    change_is_made_once_and_latest_wins,
    change_after_its_deadline_is_not_made,
    account_that_may_not_reset_stays_unchanged,
    unlock_keeps_the_password,
    previous_passwords_are_recognised,
    five_failures_lock_and_an_unlock_mends_it,
    a_lockout_ends_by_itself,
    failures_far_apart_do_not_add_up,
    a_lockout_changes_nothing_that_the_organisation_says,
    a_failed_sign_in_works_out_one_hash;
    in_tables_at_once: many_sign_ins_try_no_more_than_five,
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);
const TABLE: &str = "AccountsTable";

/// A directory under the suite.
#[async_trait]
trait Fixture: Sync {
    /// The directory, with every port that it has.
    type Directory: PasswordDirectory + SignInDirectory;

    /// The directory with Aisyah and Daniel in it, both with [`Person::PASSWORD`], which refuses so many previous
    /// passwords.
    async fn given(&self, history: u8) -> Arc<Self::Directory>;
}

/// The built-in directory on one of the stores.
struct Builtin<'a> {
    client: &'a Client,
}

#[async_trait]
impl Fixture for Builtin<'_> {
    type Directory = BuiltinDirectory;

    async fn given(&self, history: u8) -> Arc<BuiltinDirectory> {
        let entropy = Arc::new(TestEntropy::default());
        let directory = BuiltinDirectory::new(self.client.clone(), TABLE, entropy, history);
        for person in [&AISYAH, &DANIEL] {
            put(&directory, person, Some(Person::PASSWORD)).await;
        }
        Arc::new(directory)
    }
}

/// Puts the built-in directory under tests of the suite.
macro_rules! builtin {
    ($($contract:ident),+ $(,)?) => {
        $(async fn $contract(client: &Client) {
            suite::$contract(&Builtin { client }).await;
        })+
    };
}
builtin!(
    account_is_found_by_every_login,
    accepted_sign_in_brings_its_account,
    change_is_made_once_and_latest_wins,
    change_after_its_deadline_is_not_made,
    account_that_may_not_reset_stays_unchanged,
    unlock_keeps_the_password,
    previous_passwords_are_recognised,
);

fn name(login: &str) -> CanonicalName {
    CanonicalName::parse(login, &[]).unwrap()
}

fn password(text: &str) -> NewPassword {
    NewPassword::parse(text).unwrap()
}

fn change(account: &str, number: u64) -> PasswordChange {
    PasswordChange {
        account: AccountId::from_directory(account).unwrap(),
        number,
        deadline: NOW + Seconds(30),
    }
}

async fn put(directory: &impl AccountImport, person: &Person, typed: Option<&str>) {
    let typed = typed.map(password);
    directory.put(&person.account(), typed.as_ref()).await.unwrap();
}

async fn sign_in(directory: &impl SignInDirectory, login: &str, typed: &str, now: Timestamp) -> SignIn {
    directory.sign_in(&name(login), typed, now).await.unwrap().into()
}

async fn five_failures_lock_and_an_unlock_mends_it(client: &Client) {
    let directory = Builtin { client }.given(1).await;
    let try_in = async |password| sign_in(&*directory, "aisyah", password, NOW).await;
    for _ in 0..4 {
        assert_eq!(try_in("wrong").await, SignIn::Wrong);
    }
    assert_eq!(try_in(Person::PASSWORD).await, SignIn::Accepted, "which starts the count again");
    for _ in 0..4 {
        assert_eq!(try_in("wrong").await, SignIn::Wrong);
    }
    assert_eq!(try_in("wrong").await, SignIn::Locked);
    assert_eq!(try_in(Person::PASSWORD).await, SignIn::Locked, "the password does not matter any more");
    directory.apply(&change("aisyah", 1), Write::Unlock, NOW).await.unwrap();
    assert_eq!(try_in(Person::PASSWORD).await, SignIn::Accepted);
    assert_eq!(sign_in(&*directory, "daniel", Person::PASSWORD, NOW).await, SignIn::Disabled);
    assert_eq!(sign_in(&*directory, "nobody", "x", NOW).await, SignIn::Wrong);
}

/// A quarter of an hour after the failure that locked, however often somebody tried meanwhile.
async fn a_lockout_ends_by_itself(client: &Client) {
    let directory = Builtin { client }.given(1).await;
    let try_in = async |password, now| sign_in(&*directory, "aisyah", password, now).await;
    let later = NOW + Seconds(15 * 60);
    for _ in 0..5 {
        let _ = try_in("wrong", NOW).await;
    }
    for seconds in [0, 450, 899] {
        assert_eq!(try_in(Person::PASSWORD, NOW + Seconds(seconds)).await, SignIn::Locked, "{seconds}");
    }
    for _ in 0..4 {
        assert_eq!(try_in("wrong", later).await, SignIn::Wrong, "there are five tries again");
    }
    assert_eq!(try_in("wrong", later).await, SignIn::Locked);
    assert_eq!(try_in(Person::PASSWORD, later + Seconds(15 * 60)).await, SignIn::Accepted);
}

async fn failures_far_apart_do_not_add_up(client: &Client) {
    let directory = Builtin { client }.given(1).await;
    for quarter in 0..7 {
        let now = NOW + Seconds(quarter * 15 * 60);
        assert_eq!(sign_in(&*directory, "aisyah", "wrong", now).await, SignIn::Wrong);
    }
}

async fn a_lockout_changes_nothing_that_the_organisation_says(client: &Client) {
    let directory = Builtin { client }.given(1).await;
    for person in [&AISYAH, &PRIYA, &DANIEL, &REGISTRAR] {
        put(&*directory, person, Some(Person::PASSWORD)).await;
        for _ in 0..6 {
            let _ = sign_in(&*directory, person.login, "wrong", NOW).await;
        }
        let standing = directory.find(&name(person.login)).await.unwrap().unwrap().standing;
        assert_eq!(standing, person.standing, "{}", person.login);
    }
    let try_in = async |now| sign_in(&*directory, "priya", Person::PASSWORD, now).await;
    assert_eq!(try_in(NOW + Seconds::DAY).await, SignIn::Locked, "the organisation locked it");
    directory.apply(&change("priya", 1), Write::Unlock, NOW).await.unwrap();
    assert_eq!(try_in(NOW + Seconds::DAY).await, SignIn::Accepted);
}

/// Chance that counts the salts which it gives.
#[derive(Default)]
struct Salts(AtomicU8);

impl Entropy for Salts {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.fetch_add(1, Ordering::SeqCst));
    }
}

/// The stored one is worked out again; where none is stored, one with a new salt stands in for it.
async fn a_failed_sign_in_works_out_one_hash(client: &Client) {
    let salts = Arc::new(Salts::default());
    let directory = BuiltinDirectory::new(client.clone(), TABLE, salts.clone(), 1);
    for person in [&AISYAH, &PRIYA, &DANIEL] {
        put(&directory, person, Some(Person::PASSWORD)).await;
    }
    put(&directory, &REGISTRAR, None).await;
    for (login, new) in [("aisyah", 0), ("priya", 0), ("daniel", 0), ("registrar", 1), ("nobody", 1)] {
        let before = salts.0.load(Ordering::SeqCst);
        assert_ne!(sign_in(&directory, login, "wrong", NOW).await, SignIn::Accepted);
        assert_eq!(salts.0.load(Ordering::SeqCst) - before, new, "{login}");
    }
}

async fn many_sign_ins_try_no_more_than_five(client: &Client) {
    let directory = Builtin { client }.given(1).await;
    for now in [NOW, NOW + Seconds(15 * 60)] {
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let directory = directory.clone();
                tokio::spawn(async move { sign_in(&*directory, "aisyah", "wrong", now).await })
            })
            .collect();
        let mut wrong = 0;
        for task in tasks {
            wrong += usize::from(task.await.unwrap() == SignIn::Wrong);
        }
        assert_eq!(wrong, 4, "so many are told that the password is wrong; the fifth locks");
    }
}
