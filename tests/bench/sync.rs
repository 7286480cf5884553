//! The sync of a directory's people into the copy: the first load, a full sync without a change, and a delta.
//!
//! It prints a line for each run, in memory and in the local environment's `DynamoDB`, of listed people and of those of a
//! real slapd, and asserts nothing. The processor time is that of this process: slapd's comes on top.
//!
//! ```text
//! cargo bench --package rekey-tests --bench sync [-- PEOPLE]
//! ```

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark prints, reads the clock, and ends where it can't go on"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use rekey_local::emulator::dynamodb;
use rekey_local::template::Template;
use rekey_tests::Syncing;
use rekey_tests::directory::{SyncStores, person};
use rekey_tests::test_doubles::TestEntropy;
use shared::adapters::aws::emulated;
use shared::adapters::directories::DynamoAccountCopy;
use shared::adapters::directories::ldap::{OpenLdap, TimeLimits};
use shared::adapters::dynamodb::{DynamoEnrolment, DynamoSecurityInfo};
use shared::adapters::memory::Memory;
use shared::adapters::system::SystemClock;
use shared::domain::directory_config::{DirectoryConfig, ServicePassword};
use shared::domain::keys::Keyring;
use shared::domain::security_info::Kind;
use shared::domain::sync::SyncSummary;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The people of a university, unless the command line says otherwise.
const PEOPLE: u32 = 50_000;
/// The contacts that each of them has.
const KINDS: [Kind; 2] = [Kind::AlternateEmail, Kind::Mobile];
/// The people whom the delta finds changed, their mobile number too.
const CHANGED: u32 = 500;

#[tokio::main]
async fn main() {
    let people = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(PEOPLE);
    let in_memory = || Syncing::in_memory(&Arc::new(Memory::default()), &KINDS);
    let listed = in_memory();
    list(&listed, people);
    measure("memory", &listed, people, || change_listed(&listed, people)).await;

    let database = dynamodb::open(None, &Template::from_project().unwrap().tables).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(dynamodb::serve(listener, database, stopped));
    let client = Client::new(&emulated(&endpoint, "bench"));
    let listed = Syncing::new(in_tables(&client), &KINDS);
    list(&listed, people);
    measure("DynamoDB of the local environment", &listed, people, || change_listed(&listed, people)).await;

    let slapd = Slapd::start(people);
    let synced = slapd.synced(in_memory());
    measure("slapd, memory", &synced, people, || slapd.change(people, 'x')).await;
    let database = dynamodb::open(None, &Template::from_project().unwrap().tables).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(dynamodb::serve(listener, database, stopped));
    let client = Client::new(&emulated(&endpoint, "bench"));
    let synced = slapd.synced(Syncing::new(in_tables(&client), &KINDS));
    measure("slapd, DynamoDB of the local environment", &synced, people, || slapd.change(people, 'y')).await;

    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!("peak of the process, stores and list included: {peak}");
}

fn in_tables(client: &Client) -> SyncStores {
    let secret = r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#;
    let keys = Arc::new(Keyring::from_secret(secret).unwrap());
    let (table, entropy) = ("SecurityInfoTable", Arc::new(TestEntropy::default()));
    let enrolment = Arc::new(DynamoEnrolment::new(client.clone(), table, keys.clone(), entropy));
    SyncStores {
        copy: Arc::new(DynamoAccountCopy::new(client, "AccountsTable")),
        contacts: enrolment.clone(),
        bulk: enrolment.clone(),
        security_info: Arc::new(DynamoSecurityInfo::new(client.clone(), table, keys)),
        erasure: enrolment,
    }
}

fn list(sync: &Syncing, people: u32) {
    for number in 0..people {
        let mut listed = person(number, &format!("p{number}"));
        listed.logins.push(format!("p{number}@mail.example"));
        listed.contacts.alternate_email = Some(format!("p{number}@home.example"));
        listed.contacts.mobile = Some(mobile(number));
        sync.directory.put(listed);
    }
}

fn change_listed(sync: &Syncing, people: u32) {
    (0..CHANGED.min(people)).for_each(|number| {
        sync.directory.edit(number, |person| {
            person.name.push('x');
            person.contacts.mobile = Some(mobile(people + number));
        });
    });
}

fn mobile(number: u32) -> String {
    format!("+60 12-3{number:06}")
}

async fn measure(store: &str, sync: &Syncing, people: u32, change: impl FnOnce()) {
    println!("\n{people} people, {store}");
    println!(
        "{:<20} {:>8} {:>10} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9}",
        "run", "seconds", "processor", "read", "new", "changed", "accounts", "logins", "contacts"
    );
    let mut change = Some(change);
    for run in ["first load", "full, unchanged", "delta"] {
        if run == "delta"
            && let Some(change) = change.take()
        {
            change();
        }
        let (begun, spent) = (Instant::now(), processor_seconds());
        let summary = if run == "delta" { sync.delta().await } else { sync.full().await };
        let (seconds, processor) = (begun.elapsed().as_secs_f32(), processor_seconds() - spent);
        let (accounts, logins) = sync.copy.take_writes();
        let SyncSummary { read, new, changed, contacts_written, .. } = summary;
        println!(
            "{run:<20} {seconds:>8.1} {processor:>10.1} {read:>8} {new:>8} {changed:>8} {accounts:>9} {logins:>9} \
             {contacts_written:>9}"
        );
    }
}

/// A slapd with the people of a university, set up as the contract tests have it.
struct Slapd {
    folder: PathBuf,
    port: u16,
    process: Child,
}

impl Slapd {
    fn start(people: u32) -> Self {
        let folder = std::env::temp_dir().join(format!("rekey-bench-{}", std::process::id()));
        fs::create_dir_all(folder.join("data")).unwrap();
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("contract/live_directories");
        run(Command::new("python3").arg(own.join("serve.py")).arg("certificates").arg(&folder));
        let text = |name: &str| fs::read_to_string(own.join(name)).unwrap();
        let certificates = folder.join("certificates");
        let config = text("slapd.conf").replace("@OWN@", folder.to_str().unwrap());
        let config = config.replace("@TLS@", certificates.to_str().unwrap());
        fs::write(folder.join("slapd.conf"), config).unwrap();
        let mut entries = text("slapd.ldif");
        for number in 0..people {
            // Changed long ago, as nearly all people are.
            write!(
                entries,
                "\ndn: uid=p{number},ou=people,dc=uni,dc=test\nobjectClass: inetOrgPerson\nuid: p{number}\ncn: Person {number}\n\
                 sn: {number}\ndisplayName: Person {number}\nmail: p{number}@mail.example\npreferredLanguage: ms\n\
                 mobile: {}\nlabeledURI: p{number}@home.example\npwdChangedTime: 20260901000000Z\n\
                 modifyTimestamp: {}\n",
                mobile(number),
                changed_at(number)
            )
            .unwrap();
        }
        fs::write(folder.join("people.ldif"), entries).unwrap();
        let begun = Instant::now();
        let config = folder.join("slapd.conf");
        run(Command::new("/usr/sbin/slapadd")
            .arg("-q")
            .arg("-f")
            .arg(&config)
            .arg("-l")
            .arg(folder.join("people.ldif")));
        println!("\nslapadd of {people} people: {:.1} s", begun.elapsed().as_secs_f32());
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut slapd = Command::new("/usr/sbin/slapd");
        slapd.arg("-f").arg(config).args(["-h", &format!("ldaps://127.0.0.1:{port}"), "-d", "0"]);
        let process = slapd.spawn().unwrap();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { folder, port, process }
    }

    /// Returns the sync of this directory's people.
    fn synced(&self, mut sync: Syncing) -> Syncing {
        let service = "cn=svc-read,ou=services,dc=uni,dc=test";
        let document = serde_json::json!({
            "name": "ad", "kind": "openldap", "servers": [format!("ldaps://127.0.0.1:{}", self.port)],
            "ca": fs::read_to_string(self.folder.join("certificates/ca.pem")).unwrap(),
            "attributes": { "mobile": "mobile", "alternate_email": "labeledURI" },
            "bases": ["ou=people,dc=uni,dc=test"], "password_policy": "cn=default,ou=policies,dc=uni,dc=test",
            "service_accounts": { "read": service, "write": service, "sync": service },
        });
        let config = DirectoryConfig::from_json(&document.to_string()).unwrap();
        let password = ServicePassword::from_secret("Serv1ce-Passw0rd!").unwrap();
        let directory =
            OpenLdap::new(&config, service, password, Arc::new(SystemClock), TimeLimits::default());
        let directory = Arc::new(directory.unwrap());
        sync.ports.people = directory.clone();
        sync.ports.live = directory;
        sync
    }

    /// Changes the names of some people.
    fn change(&self, people: u32, mark: char) {
        let mut changes = String::new();
        for number in 0..CHANGED.min(people) {
            write!(
                changes,
                "dn: uid=p{number},ou=people,dc=uni,dc=test\nchangetype: modify\nreplace: displayName\n\
                 displayName: Person {number} {mark}\n-\nreplace: mobile\nmobile: {}\n\n",
                mobile(people + number)
            )
            .unwrap();
        }
        fs::write(self.folder.join("changes.ldif"), changes).unwrap();
        let url = format!("ldaps://127.0.0.1:{}", self.port);
        let admin = ["-D", "cn=admin,dc=uni,dc=test", "-w", "Adm1n-Passw0rd!"];
        run(Command::new("ldapmodify")
            .env("LDAPTLS_CACERT", self.folder.join("certificates/ca.pem"))
            .args(["-x", "-H", &url])
            .args(admin)
            .arg("-f")
            .arg(self.folder.join("changes.ldif")));
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Returns a time of the past, a minute for each person.
fn changed_at(number: u32) -> String {
    let (day, hour, minute) = (number / 1_440, number / 60 % 24, number % 60);
    format!("2026{:02}{:02}{hour:02}{minute:02}00Z", 1 + day / 28 % 10, 1 + day % 28)
}

fn run(command: &mut Command) {
    let ended = command.output().unwrap();
    assert!(ended.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ended.stderr));
}

/// Returns the seconds that this process has used, on all processors: see proc(5). Its unit is a hundredth of a second.
fn processor_seconds() -> f32 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f32>().ok()).sum::<f32>() / 100.0
}
