//! The organisation's own directories: one suite over slapd, a Samba domain, and a domain of the tests that answers as
//! Windows does, with further cases over a server that misbehaves. A case skips only what [`Capabilities`] excludes, and
//! says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use async_trait::async_trait;
use ldap3::{Ldap, Mod, Scope, SearchEntry};
use shared::adapters::directories::ldap::{ActiveDirectory, OpenLdap, TimeLimits};
use shared::adapters::system::SystemClock;
use shared::domain::account::AccountId;
use shared::domain::directory::{BindResult, DirectoryPerson, Entry, SyncCursor};
use shared::domain::directory_config::{DirectoryConfig, ServerKind, ServicePassword};
use shared::domain::password::NewPassword;
use shared::domain::time::Timestamp;
use shared::ports::{
    Clock, DirectoryError, DirectoryPeople, LivePasswordDirectory, PeopleSink, Principal, SyncError,
};

mod connection;
mod copy;
mod crowd;
mod domain;
mod double;
mod examination;
mod servers;
mod suite;
mod tls;
mod windows;

use servers::Server;

const SERVICE_PASSWORD: &str = "Serv1ce-Passw0rd!";
const ADMIN_PASSWORD: &str = "Adm1n-Passw0rd!";
/// The password that people of the suite begin with.
const FIRST: &str = "Kancil-Lompat-42!";
/// One that every policy of the suite accepts.
const NEW: &str = "Merdeka-Wau-Bulan-57!";

/// Runs each case on each server.
macro_rules! on_every_server {
    ($($case:ident),+ $(,)?) => {
        mod on_slapd {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::suite::$case(&super::Live::slapd()).await;
            })+
        }

        mod on_samba {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::suite::$case(&super::Live::samba()).await;
            })+
        }

        mod on_windows {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::suite::$case(&super::Live::windows()).await;
            })+
        }
    };
}
on_every_server!(
    entry_of_unknown_or_foreign_id_is_none,
    entry_survives_rename,
    disabled_entry_is_told_and_not_changed,
    expired_entry_is_told_and_not_changed,
    entry_outside_bases_is_never_changed,
    entry_outside_people_filter_is_out_of_scope,
    privileged_entry_is_never_changed,
    member_of_denied_group_is_never_changed,
    member_of_nested_denied_group_is_never_changed,
    member_by_primary_group_is_never_changed,
    missing_denied_group_stops_every_entry,
    lock_by_administrator_is_never_removed,
    right_password_is_accepted_and_wrong_one_refused,
    nobody_is_refused_as_a_wrong_password_is,
    empty_password_is_never_bound,
    password_that_must_change_is_right,
    disabled_entry_signs_in_nowhere,
    attempts_left_count_down_to_the_lock,
    attempts_come_back_after_the_window,
    stricter_policy_of_one_person_counts,
    new_password_replaces_the_old_one,
    new_password_removes_the_lock,
    new_password_ends_the_duty_to_change,
    password_with_special_characters_is_set_unchanged,
    short_password_is_rejected_with_its_length,
    short_password_of_stricter_policy_is_rejected_with_its_length,
    rejected_password_changes_nothing,
    earlier_password_is_rejected,
    password_version_changes_only_with_the_password,
    unlock_removes_the_lock_and_keeps_the_password,
    unlock_of_unlocked_entry_changes_nothing,
    deleted_entry_is_not_permitted,
    reading_account_can_change_nothing,
    policy_is_published,
    full_sync_gives_every_person_once,
    people_have_their_attributes,
    people_have_their_states,
    people_have_their_own_password_rules,
    contacts_are_read_only_where_named,
    delta_gives_what_changed,
    cursor_of_another_server_is_unknown,
    values_in_filters_are_escaped,
    sync_follows_people_of_server,
    shared_login_of_server_finds_nobody,
    examination_tells_rules_and_rights,
    examination_finds_people_outside_bases,
    examination_names_each_failure,
);

/// What a server can do. Everything else is required of it.
#[expect(clippy::struct_excessive_bools, reason = "each is a capability of its own")]
#[derive(Clone, Copy)]
struct Capabilities {
    /// A reset obeys the history of passwords. Samba lacks the control for it.
    history: bool,
    /// A refused password comes with the rule that refused it. Windows names none.
    names_rules: bool,
    /// An administrator can lock an entry for good, other than by disabling it.
    permanent_lock: bool,
    /// An entry can be disabled, other than by such a lock.
    disabled: bool,
}

/// A server of the suite, with its administrator.
struct Live {
    kind: ServerKind,
    server: &'static Server,
    capabilities: Capabilities,
    clock: Arc<ShiftedClock>,
}

/// The system's clock, which servers keep too, and what a test adds to it.
#[derive(Default)]
struct ShiftedClock(AtomicI64);

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(SystemClock.now().as_seconds() + self.0.load(Ordering::SeqCst))
    }
}

impl ShiftedClock {
    fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

/// A person of a test, who is in no other one.
struct Person {
    login: String,
    dn: String,
    id: AccountId,
}

impl Live {
    fn slapd() -> Self {
        Self {
            kind: ServerKind::OpenLdap,
            server: servers::slapd(),
            capabilities: Capabilities {
                history: true,
                names_rules: true,
                permanent_lock: true,
                disabled: false,
            },
            clock: Arc::default(),
        }
    }

    fn samba() -> Self {
        Self {
            kind: ServerKind::ActiveDirectory,
            server: servers::samba(),
            capabilities: Capabilities {
                history: false,
                names_rules: true,
                permanent_lock: false,
                disabled: true,
            },
            clock: Arc::default(),
        }
    }

    fn windows() -> Self {
        Self {
            kind: ServerKind::ActiveDirectory,
            server: domain::start(),
            capabilities: Capabilities {
                history: true,
                names_rules: false,
                permanent_lock: false,
                disabled: true,
            },
            clock: Arc::default(),
        }
    }

    /// Says that a case does not apply. The output of a passed test is shown with `--no-capture`.
    #[expect(clippy::print_stderr, reason = "a case that is skipped says so")]
    fn skips(&self, case: &str, because: &str) {
        eprintln!("SKIPPED on port {}: {case}: {because}", self.server.ldaps);
    }

    const fn is_ad(&self) -> bool {
        matches!(self.kind, ServerKind::ActiveDirectory)
    }

    fn container(&self, name: &str) -> String {
        let kind = if self.is_ad() { "OU" } else { "ou" };
        format!("{kind}={name},dc=uni,dc=test")
    }

    fn group(&self, name: &str) -> String {
        format!("CN={name},{}", self.container("Groups"))
    }

    fn config(&self) -> DirectoryConfig {
        let account = |name: &str| match self.kind {
            ServerKind::ActiveDirectory => format!("{name}@uni.test"),
            ServerKind::OpenLdap => format!("cn={name},ou=services,dc=uni,dc=test"),
        };
        let document = serde_json::json!({
            "name": "uni",
            "kind": if self.is_ad() { "active-directory" } else { "openldap" },
            "servers": [format!("ldaps://127.0.0.1:{}", self.server.ldaps)],
            "ca": servers::pem("ca.pem"),
            "bases": [self.container("People")],
            "password_policy": (!self.is_ad()).then_some("cn=default,ou=policies,dc=uni,dc=test"),
            "service_accounts": {
                "read": account("svc-read"), "write": account("svc-write"), "sync": account("svc-read"),
            },
        });
        DirectoryConfig::from_json(&document.to_string()).unwrap()
    }

    /// Returns the directory with the account that may write.
    fn directory(&self) -> Box<dyn LivePasswordDirectory> {
        self.directory_of(&self.config())
    }

    fn directory_of(&self, config: &DirectoryConfig) -> Box<dyn LivePasswordDirectory> {
        self.directory_as(config, &config.service_accounts.write)
    }

    fn directory_as(&self, config: &DirectoryConfig, account: &str) -> Box<dyn LivePasswordDirectory> {
        self.directory_with(config, account, service_password())
    }

    fn directory_with(
        &self,
        config: &DirectoryConfig,
        account: &str,
        password: ServicePassword,
    ) -> Box<dyn LivePasswordDirectory> {
        let (clock, limits) = (self.clock.clone(), patient());
        match self.kind {
            ServerKind::ActiveDirectory => {
                Box::new(ActiveDirectory::new(config, account, password, clock, limits).unwrap())
            }
            ServerKind::OpenLdap => {
                Box::new(OpenLdap::new(config, account, password, clock, limits).unwrap())
            }
        }
    }

    /// Returns the people with the account of the sync.
    fn people_of(&self, config: &DirectoryConfig) -> Box<dyn DirectoryPeople> {
        let (clock, limits, account) = (self.clock.clone(), patient(), &config.service_accounts.sync);
        match self.kind {
            ServerKind::ActiveDirectory => {
                Box::new(ActiveDirectory::new(config, account, service_password(), clock, limits).unwrap())
            }
            ServerKind::OpenLdap => {
                Box::new(OpenLdap::new(config, account, service_password(), clock, limits).unwrap())
            }
        }
    }

    /// Connects as the administrator, whom no rule binds.
    async fn admin(&self) -> Ldap {
        let name = if self.is_ad() { "Administrator@uni.test" } else { "cn=admin,dc=uni,dc=test" };
        let mut ldap = tls::connect(self.server.ldaps).await;
        ldap.simple_bind(name, ADMIN_PASSWORD).await.unwrap().success().unwrap();
        ldap
    }

    /// Makes a person with [`FIRST`] as the password.
    async fn person(&self) -> Person {
        self.person_in(&self.container("People"), &[]).await
    }

    async fn person_in(&self, container: &str, more: &[(&str, &str)]) -> Person {
        let login = unique_login();
        let dn = format!("CN=Person {login},{container}");
        let mut values: Vec<(Vec<u8>, _)> = Vec::new();
        let mut add =
            |name: &str, value: &[u8]| values.push((name.as_bytes().to_vec(), [value.to_vec()].into()));
        if self.is_ad() {
            add("objectClass", b"user");
            add("sAMAccountName", login.as_bytes());
            add("userAccountControl", b"512");
            add("unicodePwd", &quoted(FIRST));
        } else {
            add("objectClass", b"inetOrgPerson");
            add("uid", login.as_bytes());
            add("cn", format!("Person {login}").as_bytes());
            add("sn", login.as_bytes());
            add("userPassword", FIRST.as_bytes());
        }
        for (name, value) in more {
            add(name, value.as_bytes());
        }
        let mut admin = self.admin().await;
        admin.add(&dn, values).await.unwrap().success().unwrap();
        let id = self.id(&mut admin, &dn).await;
        Person { login, dn, id }
    }

    async fn id(&self, admin: &mut Ldap, dn: &str) -> AccountId {
        let name = if self.is_ad() { "objectGUID" } else { "entryUUID" };
        let found =
            admin.search(dn, Scope::Base, "(objectClass=*)", vec![name]).await.unwrap().success().unwrap();
        let entry = SearchEntry::construct(found.0.into_iter().next().unwrap());
        let own = if self.is_ad() {
            let text = entry.attrs.get(name).map(|values| values[0].clone().into_bytes());
            let octets = text.unwrap_or_else(|| entry.bin_attrs[name][0].clone());
            let group = |places: &[usize]| -> String {
                hex::encode(places.iter().map(|&place| octets[place]).collect::<Vec<_>>())
            };
            let groups: [&[usize]; 5] = [&[3, 2, 1, 0], &[5, 4], &[7, 6], &[8, 9], &[10, 11, 12, 13, 14, 15]];
            groups.map(group).join("-")
        } else {
            entry.attrs[name][0].clone()
        };
        AccountId::from_directory(format!("uni:{own}")).unwrap()
    }

    /// Sets an attribute as the administrator.
    async fn set(&self, person: &Person, name: &str, value: &str) {
        self.modify(&person.dn, Mod::Replace(name.into(), [value.into()].into())).await;
    }

    async fn modify(&self, dn: &str, change: Mod<Vec<u8>>) {
        let mut admin = self.admin().await;
        admin.modify(dn, vec![change]).await.unwrap().success().unwrap();
    }

    async fn join(&self, person: &Person, group: &str) {
        let dn = self.group(group);
        self.modify(&dn, Mod::Add("member".into(), [person.dn.clone().into_bytes()].into())).await;
    }

    async fn rename(&self, person: &Person, container: &str) -> Person {
        let name = format!("CN=Renamed {}", person.login);
        let mut admin = self.admin().await;
        admin.modifydn(&person.dn, &name, true, Some(container)).await.unwrap().success().unwrap();
        Person { login: person.login.clone(), dn: format!("{name},{container}"), id: person.id.clone() }
    }

    /// Binds with a password as other applications do.
    async fn binds(&self, person: &Person, password: &str) -> bool {
        let mut ldap = tls::connect(self.server.ldaps).await;
        ldap.simple_bind(&person.dn, password).await.unwrap().rc == 0
    }

    /// Locks an entry by wrong passwords, as many as the usual policy allows.
    async fn lock(&self, person: &Person) {
        for _ in 0..5 {
            assert!(!self.binds(person, "wrong").await);
        }
    }
}

/// A busy machine needs more time than a function has.
fn patient() -> TimeLimits {
    let seconds = std::time::Duration::from_secs;
    TimeLimits { connect: seconds(20), establish: seconds(30), operation: seconds(30), page: seconds(120) }
}

fn service_password() -> ServicePassword {
    ServicePassword::from_secret(SERVICE_PASSWORD).unwrap()
}

fn new_password(text: &str) -> NewPassword {
    NewPassword::parse(text).unwrap()
}

fn quoted(password: &str) -> Vec<u8> {
    format!("\"{password}\"").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn unique_login() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    format!("p{}x{number}x{}", std::process::id(), SystemClock.now().as_seconds() % 100_000)
}

async fn entry(directory: &dyn LivePasswordDirectory, person: &Person) -> Entry {
    directory.entry(&person.id).await.unwrap().unwrap()
}

async fn bind(directory: &dyn LivePasswordDirectory, entry: &Entry, password: &str) -> BindResult {
    directory.bind(Principal::Entry(entry), password).await.unwrap()
}

/// Gathers the pages of a sync.
#[derive(Default)]
struct Gathered(std::sync::Mutex<Vec<Vec<DirectoryPerson>>>);

#[async_trait]
impl PeopleSink for Gathered {
    async fn page(&self, people: Vec<DirectoryPerson>) -> Result<(), DirectoryError> {
        self.0.lock().unwrap().push(people);
        Ok(())
    }
}

async fn gather(
    people: &dyn DirectoryPeople,
    cursor: Option<&SyncCursor>,
) -> Result<(Vec<Vec<DirectoryPerson>>, SyncCursor), SyncError> {
    let gathered = Gathered::default();
    let next = people.people(cursor, &gathered).await?;
    Ok((gathered.0.into_inner().unwrap(), next))
}
