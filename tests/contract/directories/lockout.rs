//! The lockout of the built-in directory after failed sign-ins.

use rekey_tests::SignIn;
use rekey_tests::fixtures::{AISYAH, DANIEL, PRIYA, Person, REGISTRAR};
use shared::domain::time::Seconds;
use shared::ports::{AccountImport, Directory as _, DirectoryWrite, PasswordDirectory as _};

use super::{Fixture, NOW, change, check, name, put, sign_in};

/// Controls: C-015.
pub async fn account_locks_after_five_failures_until_unlocked(fixture: &impl Fixture) {
    let directory = fixture.given(1).await;
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
    directory.apply(&change("aisyah", 1), DirectoryWrite::Unlock, NOW).await.unwrap();
    assert_eq!(try_in(Person::PASSWORD).await, SignIn::Accepted);
    assert_eq!(sign_in(&*directory, "daniel", Person::PASSWORD, NOW).await, SignIn::Disabled);
    assert_eq!(sign_in(&*directory, "nobody", "x", NOW).await, SignIn::Wrong);
}

/// It ends fifteen minutes after the failure that locked, whatever sign-ins were attempted meanwhile.
/// Controls: C-066.
pub async fn lockout_expires_after_fifteen_minutes(fixture: &impl Fixture) {
    let directory = fixture.given(1).await;
    let try_in = async |password, now| sign_in(&*directory, "aisyah", password, now).await;
    let later = NOW + Seconds(15 * 60);
    for _ in 0..5 {
        let _ = try_in("wrong", NOW).await;
    }
    for seconds in [0, 450, 899] {
        assert_eq!(try_in(Person::PASSWORD, NOW + Seconds(seconds)).await, SignIn::Locked, "{seconds}");
    }
    for _ in 0..4 {
        assert_eq!(try_in("wrong", later).await, SignIn::Wrong, "there are five attempts again");
    }
    assert_eq!(try_in("wrong", later).await, SignIn::Locked);
    assert_eq!(try_in(Person::PASSWORD, later + Seconds(15 * 60)).await, SignIn::Accepted);
}

/// Controls: C-015.
pub async fn failures_fifteen_minutes_apart_do_not_lock(fixture: &impl Fixture) {
    let directory = fixture.given(1).await;
    for quarter in 0..7 {
        let now = NOW + Seconds(quarter * 15 * 60);
        assert_eq!(sign_in(&*directory, "aisyah", "wrong", now).await, SignIn::Wrong);
    }
}

/// Controls: C-066.
pub async fn lockout_does_not_change_account_state(fixture: &impl Fixture<Directory: AccountImport>) {
    let directory = fixture.given(1).await;
    for person in [&AISYAH, &PRIYA, &DANIEL, &REGISTRAR] {
        put(&*directory, person, Some(Person::PASSWORD)).await;
        for _ in 0..6 {
            let _ = sign_in(&*directory, person.login, "wrong", NOW).await;
        }
        let state = directory.find(&name(person.login)).await.unwrap().unwrap().state;
        assert_eq!(state, person.state, "{}", person.login);
    }
    let try_in = async |now| sign_in(&*directory, "priya", Person::PASSWORD, now).await;
    assert_eq!(try_in(NOW + Seconds::DAY).await, SignIn::Locked, "the organisation locked it");
    directory.apply(&change("priya", 1), DirectoryWrite::Unlock, NOW).await.unwrap();
    assert_eq!(try_in(NOW + Seconds::DAY).await, SignIn::Accepted);
}

/// The clock was set back after the failure.
/// Controls: C-066.
pub async fn failure_with_future_timestamp_does_not_lock(fixture: &impl Fixture) {
    let directory = fixture.given(1).await;
    for _ in 0..5 {
        let _ = sign_in(&*directory, "aisyah", "wrong", NOW + Seconds::DAY).await;
    }
    assert_eq!(sign_in(&*directory, "aisyah", Person::PASSWORD, NOW).await, SignIn::Accepted);
}

/// Controls: C-015.
pub async fn concurrent_sign_ins_never_exceed_five_attempts(fixture: &impl Fixture<Directory: 'static>) {
    let directory = fixture.given(1).await;
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
        assert_eq!(wrong, 4, "four responses say that the password is wrong; the fifth locks");
    }
}

/// A stranger who tries passwords at `/security-info` locks nobody out, there or elsewhere.
/// Controls: C-104.
pub async fn checked_password_never_locks_account(fixture: &impl Fixture) {
    let directory = fixture.given(1).await;
    for _ in 0..20 {
        assert_eq!(check(&*directory, "aisyah", "wrong", NOW).await, SignIn::Wrong);
    }
    assert_eq!(check(&*directory, "aisyah", Person::PASSWORD, NOW).await, SignIn::Accepted);
    assert_eq!(sign_in(&*directory, "aisyah", Person::PASSWORD, NOW).await, SignIn::Accepted);
    assert_eq!(check(&*directory, "nobody", Person::PASSWORD, NOW).await, SignIn::Wrong);
    assert_eq!(check(&*directory, "daniel", Person::PASSWORD, NOW).await, SignIn::Disabled);
    // A lock by other applications counts here, too.
    for _ in 0..5 {
        sign_in(&*directory, "aisyah", "wrong", NOW).await;
    }
    assert_eq!(check(&*directory, "aisyah", Person::PASSWORD, NOW).await, SignIn::Locked);
}
