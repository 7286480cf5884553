//! Directories: the contract of every adapter, as far as it has the ports, and tests of the built-in one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use rekey_tests::SignIn;
use rekey_tests::fixtures::{AISYAH, DANIEL, PRIYA, Person, REGISTRAR};
use rekey_tests::test_doubles::TestEntropy;
use shared::adapters::directories::BuiltinDirectory;
use shared::adapters::memory::MemoryDirectory;
use shared::domain::account::AccountId;
use shared::domain::name::CanonicalName;
use shared::domain::password::NewPassword;
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{
    AccountImport, Entropy, OrganisationSignIn, PasswordChange, PasswordDirectory, SignInDirectory,
};

use crate::stores::on_every_store;

mod lockout;
mod remote;
mod suite;

on_every_store!(
    ;
    at_once: ;
    in_tables: account_is_found_by_every_login,
    scan_returns_every_account_once,
    import_updates_account_and_keeps_password,
    accepted_sign_in_returns_its_account,
    password_change_is_idempotent_and_latest_wins,
    password_change_after_deadline_is_not_applied,
    change_to_ineligible_account_is_not_permitted,
    unlock_keeps_the_password,
    previous_passwords_are_recognised,
    checked_password_never_locks_account,
    account_locks_after_five_failures_until_unlocked,
    lockout_expires_after_fifteen_minutes,
    failures_fifteen_minutes_apart_do_not_lock,
    lockout_does_not_change_account_state,
    failure_with_future_timestamp_does_not_lock,
    failed_sign_in_computes_one_hash;
    in_tables_at_once: concurrent_sign_ins_never_exceed_five_attempts,
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);
const TABLE: &str = "AccountsTable";
/// The time within which a change must begin.
const LEASE: Seconds = Seconds(30);

/// A directory under test.
#[async_trait]
trait Fixture: Sync {
    /// The directory with every port.
    type Directory: PasswordDirectory + SignInDirectory + OrganisationSignIn;

    /// Returns a directory with Aisyah and Daniel, both with [`Person::PASSWORD`]. It rejects `history` previous
    /// passwords.
    async fn given(&self, history: u8) -> Arc<Self::Directory>;

    /// Lets the time pass in which a change may still be made, where the directory has a clock of its own.
    async fn pass_deadline(&self) {}
}

/// The built-in directory in DynamoDB tables.
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

struct InMemory;

#[async_trait]
impl Fixture for InMemory {
    type Directory = MemoryDirectory;

    async fn given(&self, history: u8) -> Arc<MemoryDirectory> {
        let entropy = Arc::new(TestEntropy::default());
        let directory = MemoryDirectory::new(Arc::default(), entropy, history);
        for person in [&AISYAH, &DANIEL] {
            put(&directory, person, Some(Person::PASSWORD)).await;
        }
        Arc::new(directory)
    }
}

/// Runs tests on the built-in directory, in memory and in tables.
macro_rules! builtin {
    ($in_memory:ident, $tests:ident: $($contract:ident),+ $(,)?) => {
        mod $in_memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $contract() {
                super::$tests::$contract(&super::InMemory).await;
            })+
        }

        $(async fn $contract(client: &Client) {
            $tests::$contract(&Builtin { client }).await;
        })+
    };
}
builtin!(
    suite_in_memory,
    suite: account_is_found_by_every_login,
    scan_returns_every_account_once,
    import_updates_account_and_keeps_password,
    accepted_sign_in_returns_its_account,
    password_change_is_idempotent_and_latest_wins,
    password_change_after_deadline_is_not_applied,
    change_to_ineligible_account_is_not_permitted,
    unlock_keeps_the_password,
    previous_passwords_are_recognised,
);
builtin!(
    lockout_in_memory,
    lockout: checked_password_never_locks_account,
    account_locks_after_five_failures_until_unlocked,
    lockout_expires_after_fifteen_minutes,
    failures_fifteen_minutes_apart_do_not_lock,
    lockout_does_not_change_account_state,
    failure_with_future_timestamp_does_not_lock,
    concurrent_sign_ins_never_exceed_five_attempts,
);

/// Runs tests on the organisation's own directory, as far as it has the ports.
macro_rules! remote {
    ($($contract:ident),+ $(,)?) => {
        mod suite_behind_invoke {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $contract() {
                super::suite::$contract(&super::remote::Remote::new()).await;
            })+
        }
    };
}
remote!(
    account_is_found_by_every_login,
    accepted_sign_in_returns_its_account,
    password_change_is_idempotent_and_latest_wins,
    password_change_after_deadline_is_not_applied,
    change_to_ineligible_account_is_not_permitted,
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
    PasswordChange { account: AccountId::from_directory(account).unwrap(), number, deadline: NOW + LEASE }
}

async fn put(directory: &impl AccountImport, person: &Person, typed: Option<&str>) {
    let typed = typed.map(password);
    directory.put(&person.account(), typed.as_ref()).await.unwrap();
}

/// Signs in as in an application of the organisation.
async fn sign_in(directory: &impl OrganisationSignIn, login: &str, typed: &str, now: Timestamp) -> SignIn {
    directory.sign_in(&name(login), typed, now).await.unwrap().into()
}

/// Checks a password as `/security-info` does.
async fn check(directory: &impl SignInDirectory, id: &str, typed: &str, now: Timestamp) -> SignIn {
    let account = AccountId::from_directory(id).unwrap();
    directory.check_password(&account, typed, now).await.unwrap().into()
}

/// Entropy that counts the salts it supplies.
#[derive(Default)]
struct Salts(AtomicU8);

impl Entropy for Salts {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.fetch_add(1, Ordering::SeqCst));
    }
}

/// It computes the stored hash again, or for an account without one a hash with a new salt.
/// Controls: C-005.
async fn failed_sign_in_computes_one_hash(client: &Client) {
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
        let before = salts.0.load(Ordering::SeqCst);
        assert_ne!(check(&directory, login, "wrong", NOW).await, SignIn::Accepted);
        assert_eq!(salts.0.load(Ordering::SeqCst) - before, new, "{login}, checked");
    }
}
