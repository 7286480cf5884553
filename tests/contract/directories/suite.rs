//! The contract of every directory. A test skips a port that the directory lacks.

use std::collections::BTreeSet;

use rekey_tests::SignIn;
use rekey_tests::fixtures::{AISYAH, DANIEL, NEW_PASSWORD, Person};
use shared::domain::account::{Account, AccountId, AccountState};
use shared::domain::password::Violation;
use shared::domain::time::Seconds;
use shared::ports::{
    self, AccountImport, AccountScan, ChangeError, ChangeInspector as _, ChangeOutcome, Directory as _,
    DirectoryWrite, OrganisationSignIn as _, PasswordDirectory as _,
};

use super::{Fixture, NOW, change, name, password, sign_in};

const OTHER: &str = "Merdeka-Wau-Bulan-57";

/// Controls: C-004.
pub async fn account_is_found_by_every_login(fixture: &impl Fixture) {
    let directory = fixture.given(1).await;
    for login in AISYAH.account().logins {
        let found = directory.find(&name(&login)).await.unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.state), (AISYAH.name, AccountState::Active));
        let read = directory.account(&found.id).await.unwrap().unwrap();
        assert_eq!((read.id, read.name, read.logins), (found.id, found.name, found.logins));
    }
    assert!(directory.find(&name("nobody")).await.unwrap().is_none());
    assert!(directory.account(&AccountId::from_directory("nobody").unwrap()).await.unwrap().is_none());
}

/// An import takes over what changed, and neither the password nor a former login.
pub async fn import_updates_account_and_keeps_password(fixture: &impl Fixture<Directory: AccountImport>) {
    let directory = fixture.given(1).await;
    let found = AISYAH.account();
    let logins = vec!["aisyah".to_owned(), "nur.aisyah".to_owned()];
    let changed = Account {
        name: "Nur".to_owned(),
        logins,
        email: None,
        language: None,
        state: AccountState::Excluded,
        ..found.clone()
    };
    directory.update_account(&found, &changed).await.unwrap();
    let read = directory.account(&found.id).await.unwrap().unwrap();
    assert_eq!(read, changed);
    for login in &changed.logins {
        assert_eq!(directory.find(&name(login)).await.unwrap().unwrap().id, found.id);
    }
    for former in found.logins.iter().filter(|login| !changed.logins.contains(login)) {
        assert!(directory.find(&name(former)).await.unwrap().is_none(), "{former}");
    }
    assert_eq!(sign_in(&*directory, "nur.aisyah", Person::PASSWORD, NOW).await, SignIn::Accepted);
    directory.update_account(&changed, &found).await.unwrap();
    assert_eq!(directory.account(&found.id).await.unwrap().unwrap(), found);
}

pub async fn scan_returns_every_account_once(fixture: &impl Fixture<Directory: AccountImport + AccountScan>) {
    let directory = fixture.given(1).await;
    let mut expected = BTreeSet::from([AISYAH.account().id, DANIEL.account().id]);
    for n in 0..150 {
        let id = AccountId::from_directory(format!("student{n}")).unwrap();
        let logins = vec![format!("student{n}"), format!("2021{n:06}")];
        directory.put(&Account { id: id.clone(), logins, ..AISYAH.account() }, None).await.unwrap();
        expected.insert(id);
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = directory.page(after.as_deref()).await.unwrap();
        found.extend(page.accounts.into_iter().map(|account| (account.id, account.logins.len())));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found.len(), expected.len());
    assert_eq!(found.iter().filter(|(_, logins)| *logins == 2).count(), 150);
    assert_eq!(found.into_iter().map(|(id, _)| id).collect::<BTreeSet<_>>(), expected);
}

pub async fn accepted_sign_in_returns_its_account(fixture: &impl Fixture) {
    let directory = fixture.given(1).await;
    if !directory.capabilities().sign_in {
        return;
    }
    let accepted = directory.sign_in(&name("aisyah"), Person::PASSWORD, NOW).await.unwrap();
    let ports::SignInResult::Accepted(account) = accepted else { panic!("{accepted:?}") };
    let found = directory.find(&name("aisyah")).await.unwrap().unwrap();
    assert_eq!((account.id, account.name, account.logins), (found.id, found.name, found.logins));
    for (login, typed) in [("aisyah", "wrong"), ("nobody", Person::PASSWORD)] {
        assert_eq!(sign_in(&*directory, login, typed, NOW).await, SignIn::Wrong, "{login}");
    }
    assert_eq!(sign_in(&*directory, "daniel", Person::PASSWORD, NOW).await, SignIn::Disabled);
}

/// Controls: C-025.
pub async fn password_change_is_idempotent_and_latest_wins(fixture: &impl Fixture) {
    let directory = fixture.given(1).await;
    let outcome = async |number| directory.outcome(&change("aisyah", number)).await.unwrap();
    let apply = async |number, typed| {
        let typed = password(typed);
        directory.apply(&change("aisyah", number), DirectoryWrite::Password(&typed), NOW).await
    };
    assert_ne!(outcome(1).await, ChangeOutcome::Applied);
    apply(2, NEW_PASSWORD).await.unwrap();
    assert_ne!(outcome(2).await, ChangeOutcome::NotApplied);
    assert_ne!(outcome(3).await, ChangeOutcome::Applied);
    apply(2, OTHER).await.unwrap();
    let straggler = apply(1, OTHER).await;
    assert!(matches!(straggler, Err(ChangeError::Superseded)), "{straggler:?}");
    if directory.capabilities().sign_in {
        assert_eq!(sign_in(&*directory, "aisyah", OTHER, NOW).await, SignIn::Wrong, "made once");
        assert_eq!(sign_in(&*directory, "aisyah", NEW_PASSWORD, NOW).await, SignIn::Accepted);
    }
}

/// Controls: C-022.
pub async fn password_change_after_deadline_is_not_applied(fixture: &impl Fixture) {
    let directory = fixture.given(1).await;
    let (change, typed) = (change("aisyah", 1), password(NEW_PASSWORD));
    for now in [change.deadline, change.deadline + Seconds::HOUR] {
        let late = directory.apply(&change, DirectoryWrite::Password(&typed), now).await;
        assert!(matches!(late, Err(ChangeError::NotApplied(_))), "{late:?}");
    }
    assert_ne!(directory.outcome(&change).await.unwrap(), ChangeOutcome::Applied);
}

/// Controls: C-046.
pub async fn change_to_ineligible_account_is_not_permitted(fixture: &impl Fixture) {
    let directory = fixture.given(1).await;
    let typed = password(NEW_PASSWORD);
    for account in ["daniel", "nobody"] {
        for write in [DirectoryWrite::Password(&typed), DirectoryWrite::Unlock] {
            let refused = directory.apply(&change(account, 1), write, NOW).await;
            assert!(matches!(refused, Err(ChangeError::NotPermitted)), "{account}: {refused:?}");
        }
        fixture.pass_deadline().await;
        assert_eq!(directory.outcome(&change(account, 1)).await.unwrap(), ChangeOutcome::NotApplied);
    }
}

/// Controls: C-044.
pub async fn unlock_keeps_the_password(fixture: &impl Fixture) {
    let directory = fixture.given(1).await;
    if !(directory.capabilities().unlock && directory.capabilities().sign_in) {
        return;
    }
    directory.apply(&change("aisyah", 1), DirectoryWrite::Unlock, NOW).await.unwrap();
    assert_eq!(sign_in(&*directory, "aisyah", Person::PASSWORD, NOW).await, SignIn::Accepted);
}

pub async fn previous_passwords_are_recognised(fixture: &impl Fixture) {
    let directory = fixture.given(2).await;
    if !directory.capabilities().history {
        return;
    }
    let id = AccountId::from_directory("aisyah").unwrap();
    let is_previous = async |typed| {
        let violations = directory.precheck(&id, &password(typed)).await.unwrap();
        violations.contains(&Violation::Previous)
    };
    let apply = async |number, typed| {
        let typed = password(typed);
        directory.apply(&change("aisyah", number), DirectoryWrite::Password(&typed), NOW).await.unwrap();
    };
    assert!(is_previous(Person::PASSWORD).await && !is_previous(NEW_PASSWORD).await);
    apply(1, NEW_PASSWORD).await;
    assert!(is_previous(NEW_PASSWORD).await && is_previous(Person::PASSWORD).await, "two are kept");
    apply(2, OTHER).await;
    assert!(is_previous(NEW_PASSWORD).await && !is_previous(Person::PASSWORD).await, "and no more");
    let unknown = AccountId::from_directory("nobody").unwrap();
    assert!(directory.precheck(&unknown, &password(OTHER)).await.unwrap().is_empty());
}
