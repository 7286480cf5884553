//! What a service account sees, as `rekey directory test` tells it.

use shared::domain::directory::EntryStanding;
use shared::domain::directory_config::ServicePassword;
use shared::domain::directory_examination::{Examination, FaultKind, FencedReason, Right, ServerState};
use shared::ports::LiveDirectory;

use super::{Live, entry, servers};

async fn examine(directory: &(impl LiveDirectory + ?Sized), login: &str) -> Examination {
    directory.examine(&[login.to_owned()]).await
}

pub async fn examination_tells_rules_and_rights(live: &Live) {
    let (config, person) = (live.config(), live.person().await);
    let before = entry(&*live.directory(), &person).await;
    for (account, writes) in [(&config.service_accounts.read, false), (&config.service_accounts.write, true)]
    {
        let found = examine(&*live.directory_as(&config, account), &person.login).await;
        assert_eq!((&found.fault, &found.service_account), (&None, account));
        assert!(
            found.servers.iter().all(|server| server.state == ServerState::Reached),
            "{:?}",
            found.servers
        );
        let [one] = found.people.as_slice() else { panic!("{:?}", found.people) };
        assert_eq!((&one.entry, one.dn.to_lowercase()), (&before, person.dn.to_lowercase()));
        assert_eq!(one.base, Some(live.container("People")));
        let policy = one.policy.unwrap();
        assert_eq!((policy.min_length, policy.lockout_threshold), (Some(10), Some(5)));
        assert!(one.password_expires_at.is_some());
        // OpenLDAP tells nobody.
        let right = if live.is_ad() { Right::from(writes) } else { Right::Unknown };
        assert_eq!((one.rights.set_password, one.rights.remove_lock), (right, right), "{account}");
        assert!(one.rights.further.is_empty() && !one.rights.changes_rights, "{:?}", one.rights);
        assert!(!one.rights.reads_hash);
        let changes: Vec<_> = found.fence.iter().map(|fenced| fenced.rights.changes()).collect();
        assert!(!changes.is_empty(), "somebody is outside: {found:?}");
        let nothing = live.is_ad().then(String::new);
        assert!(changes.iter().all(|change| *change == nothing), "{account}: {:?}", found.fence);
        let has = |reason| found.fence.iter().any(|fenced| fenced.reason == reason);
        assert!(has(FencedReason::Outside) && has(FencedReason::Privileged) == live.is_ad(), "{found:?}");
    }
    assert_eq!(entry(&*live.directory(), &person).await, before, "nothing was written");
}

pub async fn examination_finds_people_outside_bases(live: &Live) {
    let outside = live.person_in(&live.container("Elsewhere"), &[]).await;
    let directory = live.directory();
    let found = examine(&*directory, &outside.login).await;
    let [one] = found.people.as_slice() else { panic!("{found:?}") };
    assert_eq!((one.entry.standing, &one.base), (EntryStanding::OutOfScope, &None));
    for login in ["nobody-at-all", "*", "x)(objectClass=*"] {
        let found = examine(&*directory, login).await;
        assert!(found.people.is_empty() && found.fault.is_none(), "{login}: {found:?}");
    }
}

pub async fn examination_names_each_failure(live: &Live) {
    let person = live.person().await;
    let kind_of = |found: &Examination, at: usize| match &found.servers[at].state {
        ServerState::Failed(fault) => fault.kind,
        other => panic!("{other:?}"),
    };
    let mut config = live.config();
    config.servers.insert(0, "ldaps://127.0.0.1:1".to_owned());
    let found = examine(&*live.directory_of(&config), &person.login).await;
    assert_eq!(kind_of(&found, 0), FaultKind::Unreachable);
    assert_eq!((&found.servers[1].state, found.people.len()), (&ServerState::Reached, 1));

    let mut config = live.config();
    config.ca = servers::pem("other-ca.pem");
    let found = examine(&*live.directory_of(&config), &person.login).await;
    assert_eq!(kind_of(&found, 0), FaultKind::Certificate);

    // One more wrong password could lock the service account.
    let mut config = live.config();
    config.servers.push(config.servers[0].clone());
    let wrong = ServicePassword::from_secret("Wr0ng-Passw0rd!").unwrap();
    let found =
        examine(&*live.directory_with(&config, &config.service_accounts.write, wrong), &person.login).await;
    assert_eq!(kind_of(&found, 0), FaultKind::ServiceAccount);
    assert_eq!(found.servers[1].state, ServerState::NotTried);

    let mut config = live.config();
    config.denied_groups = vec![live.group("misspelt")];
    let found = examine(&*live.directory_of(&config), &person.login).await;
    assert_eq!(found.fault.unwrap().kind, FaultKind::Misconfigured);
}
