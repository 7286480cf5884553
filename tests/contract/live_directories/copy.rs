//! The sync of a real server's people into the copy.

use std::sync::Arc;

use directory::sync::Request;
use rekey_tests::Syncing;
use shared::adapters::memory::{Memory, MemoryDirectory};
use shared::domain::account::{Account, AccountState};
use shared::domain::name::CanonicalName;
use shared::ports::{Directory as _, LivePasswordDirectory};

use super::{Live, Person};

/// Other tests change people of the same server meanwhile, so whatever they lose is accepted.
const DELTA: Request = Request { full: false, accept_removals: true, list_ambiguous: false };
const FULL: Request = Request { full: true, ..DELTA };

struct Copied {
    sync: Syncing,
    directory: MemoryDirectory,
}

impl Copied {
    fn of(live: &Live) -> Self {
        let memory = Arc::new(Memory::default());
        let mut sync = Syncing::in_memory(&memory, &[]);
        let config = live.config();
        sync.ports.rules.directory.clone_from(&config.name);
        sync.ports.people = Arc::from(live.people_of(&config));
        let rules: Arc<dyn LivePasswordDirectory> =
            Arc::from(live.directory_as(&config, &config.service_accounts.sync));
        sync.ports.live = rules;
        let directory = MemoryDirectory::new(memory, sync.ports.entropy.clone(), 1);
        Self { sync, directory }
    }

    async fn run(&self, request: Request) {
        self.sync.run(request).await.unwrap();
    }

    async fn find(&self, login: &str) -> Option<Account> {
        self.directory.find(&CanonicalName::parse(login, &[]).unwrap()).await.unwrap()
    }

    async fn finds(&self, person: &Person) -> bool {
        self.find(&person.login).await.is_some_and(|account| account.id == person.id)
    }
}

/// Controls: C-171, C-174.
pub async fn sync_follows_people_of_server(live: &Live) {
    let (one, other) = (live.person().await, live.person().await);
    let copied = Copied::of(live);
    copied.run(DELTA).await;
    assert!(copied.finds(&one).await && copied.finds(&other).await);

    // A move and a rename keep the id and the login.
    let one = live.rename(&one, &live.container("People")).await;
    let new = live.person().await;
    let disabled =
        if live.is_ad() { ("userAccountControl", "514") } else { ("pwdAccountLockedTime", "000001010000Z") };
    live.set(&other, disabled.0, disabled.1).await;
    copied.run(DELTA).await;
    assert!(copied.finds(&one).await && copied.finds(&new).await);
    assert_eq!(copied.find(&other.login).await.unwrap().state, AccountState::Disabled);

    live.admin().await.delete(&other.dn).await.unwrap().success().unwrap();
    copied.run(FULL).await;
    assert_eq!(copied.find(&other.login).await, None);
    assert!(copied.finds(&one).await && copied.finds(&new).await);
}

/// Two people with one mailbox, which is a login.
/// Controls: C-171.
pub async fn shared_login_of_server_finds_nobody(live: &Live) {
    let (one, other) = (live.person().await, live.person().await);
    let shared = format!("{}@uni.test", one.login);
    let attribute = if live.is_ad() { "userPrincipalName" } else { "mail" };
    live.set(&one, attribute, &shared).await;
    let copied = Copied::of(live);
    copied.run(FULL).await;
    assert_eq!(copied.find(&shared).await.unwrap().id, one.id);
    if live.is_ad() {
        live.skips("shared_login_of_server_finds_nobody", "a domain refuses a second one");
        return;
    }
    live.set(&other, attribute, &shared).await;
    copied.run(DELTA).await;
    assert_eq!(copied.find(&shared).await, None);
    assert!(copied.finds(&one).await && copied.finds(&other).await, "by the logins of their own");
    live.set(&one, attribute, &format!("{}@mail.uni.test", one.login)).await;
    copied.run(DELTA).await;
    assert_eq!(copied.find(&shared).await.unwrap().id, other.id);
}
