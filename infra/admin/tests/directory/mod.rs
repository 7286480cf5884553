//! `rekey directory test` against a running local environment, with slapd and a Samba domain behind it.

#[expect(dead_code, reason = "the contract tests use the rest")]
#[path = "../../../../tests/contract/live_directories/servers.rs"]
mod servers;
#[path = "../../../../tests/contract/live_directories/tls.rs"]
mod tls;

use std::collections::HashSet;

use ldap3::{Scope, SearchEntry};
use rekey_local::Options;
use rekey_tests::LocalEnvironment;
use serde_json::{Value, json};

use super::support::Rekey;

const ADMIN_PASSWORD: &str = "Adm1n-Passw0rd!";
const SERVICE_PASSWORD: &str = "Serv1ce-Passw0rd!";
const FIRST: &str = "Kancil-Lompat-42!";

/// A domain with one test account.
struct Domain {
    port: u16,
    is_ad: bool,
    login: String,
}

impl Domain {
    async fn start(is_ad: bool) -> Self {
        let server =
            tokio::task::spawn_blocking(move || if is_ad { servers::samba() } else { servers::slapd() });
        let login = format!("t{}", std::process::id());
        let domain = Self { port: server.await.unwrap().ldaps, is_ad, login };
        let quoted: Vec<u8> = format!("\"{FIRST}\"").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let login = domain.login.as_bytes();
        let own: &[(&str, &[u8])] = if is_ad {
            &[
                ("objectClass", b"user"),
                ("sAMAccountName", login),
                ("userAccountControl", b"512"),
                ("unicodePwd", &quoted),
            ]
        } else {
            &[
                ("objectClass", b"inetOrgPerson"),
                ("uid", login),
                ("sn", login),
                ("userPassword", FIRST.as_bytes()),
            ]
        };
        let values =
            own.iter().map(|(name, value)| (name.as_bytes().to_vec(), HashSet::from([value.to_vec()])));
        let mut admin = domain.admin().await;
        admin.add(&domain.dn(), values.collect()).await.unwrap().success().unwrap();
        domain
    }

    fn dn(&self) -> String {
        format!("cn={},ou=People,dc=uni,dc=test", self.login)
    }

    async fn admin(&self) -> ldap3::Ldap {
        let name = if self.is_ad { "Administrator@uni.test" } else { "cn=admin,dc=uni,dc=test" };
        let mut ldap = tls::connect(self.port).await;
        ldap.simple_bind(name, ADMIN_PASSWORD).await.unwrap().success().unwrap();
        ldap
    }

    async fn binds(&self, password: &str) -> bool {
        tls::connect(self.port).await.simple_bind(&self.dn(), password).await.unwrap().rc == 0
    }

    /// Returns what changes with every write to the account.
    async fn version(&self) -> Vec<String> {
        let names = if self.is_ad { ["uSNChanged", "pwdLastSet"] } else { ["entryCSN", "pwdChangedTime"] };
        let mut admin = self.admin().await;
        let found =
            admin.search(&self.dn(), Scope::Base, "(objectClass=*)", names).await.unwrap().success().unwrap();
        let entry = SearchEntry::construct(found.0.into_iter().next().unwrap());
        names.iter().flat_map(|name| entry.attrs.get(*name).cloned().unwrap_or_default()).collect()
    }

    /// Starts Rekey with the document, after a change of it.
    async fn rekey(&self, change: impl FnOnce(&mut Value)) -> Rekey {
        let account = |name: &str| {
            if self.is_ad {
                format!("{name}@uni.test")
            } else {
                format!("cn={name},ou=services,dc=uni,dc=test")
            }
        };
        let password = json!({ "file": "password.txt" });
        let mut document = json!({
            "name": "uni",
            "kind": if self.is_ad { "active-directory" } else { "openldap" },
            "servers": [format!("ldaps://127.0.0.1:{}", self.port)],
            "ca": servers::pem("ca.pem"),
            "bases": ["ou=People,dc=uni,dc=test"],
            "password_policy": (!self.is_ad).then_some("cn=default,ou=policies,dc=uni,dc=test"),
            "service_accounts": {
                "read": account("svc-read"), "write": account("svc-write"), "sync": account("svc-read"),
            },
            "passwords": { "read": password, "write": password, "sync": password },
        });
        change(&mut document);
        Rekey::start_with(|folder| {
            folder.write("password.txt", SERVICE_PASSWORD);
            folder.write("wrong.txt", "Wr0ng-Passw0rd!");
            folder.write("admin.txt", ADMIN_PASSWORD);
            let directory = Some(folder.write("directory.json", &document.to_string()));
            Options { directory, ..LocalEnvironment::options() }
        })
        .await
    }
}

/// Returns the checks as `group/name: verdict`.
fn verdicts(checks: &Value) -> Vec<String> {
    let line = |check: &Value| {
        let text = |name: &str| check[name].as_str().unwrap().to_owned();
        format!("{}/{}: {}", text("group"), text("name"), text("verdict"))
    };
    checks["checks"].as_array().unwrap().iter().map(line).collect()
}

fn next<'a>(checks: &'a Value, group: &str, name: &str) -> &'a str {
    let mut all = checks["checks"].as_array().unwrap().iter();
    let found = all.find(|check| check["group"] == group && check["name"] == name);
    found.expect("such a check")["next"].as_str().unwrap()
}

/// Runs the test, which may find failures.
async fn test(rekey: &Rekey, arguments: &[&str], status: i32) -> Value {
    let ended = rekey.run(&[&["directory", "test", "--json"], arguments].concat()).await;
    assert_eq!(ended.status, status, "{ended:?}");
    serde_json::from_str(&ended.out).unwrap()
}

async fn reads_only_then_writes(is_ad: bool) {
    let domain = Domain::start(is_ad).await;
    let rekey = domain.rekey(|_| ()).await;
    let before = domain.version().await;
    let found = test(&rekey, &[&domain.login], 0).await;
    assert_eq!(found["failed"], 0, "{found:#}");
    let verdicts_found = verdicts(&found);
    let known = if is_ad { "ok" } else { "unknown" };
    for expected in [
        "Person/found: ok".to_owned(),
        "Person/state: ok".to_owned(),
        "Person/policy: ok".to_owned(),
        "Person/copy: ok".to_owned(),
        "Account that reads/server: ok".to_owned(),
        format!("Account that writes/reset: {known}"),
        format!("Account that writes/unlock: {known}"),
        format!("Account that writes/outside: {known}"),
    ] {
        assert!(verdicts_found.contains(&expected), "{expected}: {found:#}");
    }
    assert_eq!(domain.version().await, before, "nothing was written");

    // Nobody confirms, so nothing is written either.
    let refused = rekey.run(&["directory", "test", "--write-test", &domain.login]).await;
    assert_eq!((refused.status, domain.version().await), (2, before));
    assert!(refused.err.contains("--yes"), "{}", refused.err);

    let done = test(&rekey, &["--write-test", &domain.login, "--yes"], 0).await;
    let history = if is_ad { "warning" } else { "ok" };
    let writes: Vec<String> =
        verdicts(&done).into_iter().filter(|line| line.starts_with("Write test")).collect();
    let expected = ["set: ok", "bind: ok", &format!("history: {history}"), "unlock: ok", "password: warning"];
    assert_eq!(writes, expected.map(|line| format!("Write test/{line}")), "{done:#}");
    assert!(!domain.binds(FIRST).await, "nobody knows the password now");
    let events = rekey.environment.local.emulator.operator_events();
    let names: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(names, ["directory.tested", "directory.tested", "directory.write_tested"]);
    assert!(events.iter().all(|event| event["account"].is_string() && !event.to_string().contains("Zq7-")));
    assert!(!done.to_string().contains("Zq7-"));

    // Whoever is forgotten and registers anew has changes with the numbers of the earlier ones.
    let forgotten = rekey.run(&["forget", &domain.login, "--yes"]).await;
    assert_eq!(forgotten.status, 0, "{forgotten:?}");
    let version = domain.version().await;
    let again = test(&rekey, &["--write-test", &domain.login, "--yes"], 0).await;
    assert!(verdicts(&again).contains(&"Write test/bind: ok".to_owned()), "{again:#}");
    assert_ne!(domain.version().await, version, "really set");
}

/// Controls: C-164.
#[tokio::test(flavor = "multi_thread")]
async fn directory_test_reads_only_and_write_test_proves_rights() {
    reads_only_then_writes(false).await;
}

/// Controls: C-164.
#[tokio::test(flavor = "multi_thread")]
async fn directory_test_on_domain_controller_reads_only() {
    reads_only_then_writes(true).await;
}

/// Controls: C-147.
#[tokio::test(flavor = "multi_thread")]
async fn each_wrong_right_has_one_next_action() {
    let domain = Domain::start(true).await;
    let rekey = domain
        .rekey(|document| {
            document["service_accounts"]["read"] = json!("svc-write@uni.test");
            document["service_accounts"]["write"] = json!("svc-read@uni.test");
        })
        .await;
    let found = test(&rekey, &[&domain.login], 3).await;
    for name in ["reset", "unlock"] {
        let revoke = next(&found, "Account that reads", name);
        assert_eq!(revoke, "dsacls \"ou=People,dc=uni,dc=test\" /R \"svc-write@uni.test\"");
    }
    let grant = next(&found, "Account that writes", "reset");
    assert_eq!(
        grant,
        "dsacls \"ou=People,dc=uni,dc=test\" /I:S /G \"svc-read@uni.test:CA;Reset Password;user\""
    );
    // A check failed, so nothing is written.
    let skipped = test(&rekey, &[&domain.login, "--write-test", &domain.login, "--yes"], 3).await;
    assert!(verdicts(&skipped).contains(&"Write test/skipped: unknown".to_owned()), "{skipped:#}");
    assert!(domain.binds(FIRST).await);
    let unknown = rekey.run(&["directory", "test", "nobody-at-all"]).await;
    assert_eq!(unknown.status, 4, "{unknown:?}");
    assert!(unknown.out.contains("✘ failed  found"), "{}", unknown.out);
}

/// An administrator may do everything everywhere, and must not be the service account.
/// Controls: C-164.
#[tokio::test(flavor = "multi_thread")]
async fn rights_outside_the_base_fail_the_test() {
    let domain = Domain::start(true).await;
    let rekey = domain
        .rekey(|document| {
            document["service_accounts"]["write"] = json!("Administrator@uni.test");
            document["passwords"]["write"] = json!({ "file": "admin.txt" });
        })
        .await;
    let found = test(&rekey, &[&domain.login], 3).await;
    let found_by_reader = verdicts(&found).contains(&"Account that reads/outside: ok".to_owned());
    assert!(found_by_reader, "{found:#}");
    assert!(verdicts(&found).contains(&"Account that writes/outside: failed".to_owned()), "{found:#}");
    let next = next(&found, "Account that writes", "outside");
    assert!(next.starts_with("dsacls \"") && next.contains("/R \"Administrator@uni.test\""), "{next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_service_account_is_named() {
    let domain = Domain::start(false).await;
    let rekey =
        domain.rekey(|document| document["passwords"]["write"] = json!({ "file": "wrong.txt" })).await;
    let found = test(&rekey, &[&domain.login], 3).await;
    let told = next(&found, "Account that writes", "server");
    assert!(told.starts_with("Correct `passwords.write` in the file of --directory"), "{told}");
    assert_eq!(found["failed"], 1, "{found:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn builtin_directory_has_no_test_and_no_sync() {
    let rekey = Rekey::start().await;
    for arguments in [&["directory", "test", "start"][..], &["sync"]] {
        let ended = rekey.run(arguments).await;
        assert_eq!(ended.status, 2, "{ended:?}");
        assert!(ended.err.contains("RekeyDirectory"), "{}", ended.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_copies_whoever_is_new() {
    let domain = Domain::start(false).await;
    let rekey = domain.rekey(|_| ()).await;
    let login = format!("new{}", domain.login);
    assert_eq!(rekey.run(&["directory", "test", &login]).await.status, 4, "nobody has it yet");
    let values = [("objectClass", "inetOrgPerson"), ("uid", &login), ("sn", "New")];
    let values =
        values.map(|(name, value)| (name.as_bytes().to_vec(), HashSet::from([value.as_bytes().to_vec()])));
    let dn = format!("cn={login},ou=People,dc=uni,dc=test");
    domain.admin().await.add(&dn, values.into()).await.unwrap().success().unwrap();

    let changes = rekey.json(&["sync"]).await;
    assert_eq!((&changes["outcome"], &changes["full"]), (&json!("completed"), &json!(false)), "{changes:#}");
    assert!(changes["new"].as_u64() >= Some(1), "{changes:#}");
    assert!(verdicts(&test(&rekey, &[&login], 0).await).contains(&"Person/copy: ok".to_owned()));
    let full = rekey.run(&["sync", "--full", "--list-ambiguous"]).await;
    assert_eq!(full.status, 0, "{full:?}");
    assert!(full.out.contains("full sync") && full.out.contains("people read"), "{}", full.out);
    let events = rekey.environment.local.emulator.operator_events();
    let synced: Vec<_> = events.iter().filter(|event| event["event"] == "directory.synced").collect();
    assert_eq!((synced.len(), &synced[1]["full"]), (2, &json!(true)));
}
