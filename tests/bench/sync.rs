//! The sync of a directory's people into the copy: the first load, a full sync without a change, and a delta.
//!
//! It prints a line for each run, in memory and in the local environment's `DynamoDB`, and asserts nothing.
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

use std::sync::Arc;
use std::time::Instant;

use aws_sdk_dynamodb::Client;
use rekey_local::emulator::dynamodb;
use rekey_local::template::Template;
use rekey_tests::Syncing;
use rekey_tests::directory::{SyncStores, person};
use rekey_tests::test_doubles::TestEntropy;
use shared::adapters::aws::emulated;
use shared::adapters::directories::DynamoAccountCopy;
use shared::adapters::dynamodb::{DynamoEnrolment, DynamoSecurityInfo};
use shared::adapters::memory::Memory;
use shared::domain::keys::Keyring;
use shared::domain::sync::SyncSummary;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The people of a university, unless the command line says otherwise.
const PEOPLE: u32 = 50_000;
/// The people whom the delta finds changed.
const CHANGED: u32 = 500;

#[tokio::main]
async fn main() {
    let people = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(PEOPLE);
    measure("memory", &Syncing::in_memory(&Arc::new(Memory::default()), &[]), people).await;

    let database = dynamodb::open(None, &Template::from_project().unwrap().tables).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(dynamodb::serve(listener, database, stopped));
    let client = Client::new(&emulated(&endpoint, "bench"));
    measure("DynamoDB of the local environment", &Syncing::new(in_tables(&client), &[]), people).await;

    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
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
        security_info: Arc::new(DynamoSecurityInfo::new(client.clone(), table, keys)),
        erasure: enrolment,
    }
}

async fn measure(store: &str, sync: &Syncing, people: u32) {
    println!("\n{people} people, {store}");
    println!(
        "{:<20} {:>8} {:>10} {:>8} {:>8} {:>8} {:>9} {:>9}",
        "run", "seconds", "processor", "read", "new", "changed", "accounts", "logins"
    );
    for number in 0..people {
        let mut listed = person(number, &format!("p{number}"));
        listed.logins.push(format!("p{number}@mail.example"));
        sync.directory.put(listed);
    }
    for run in ["first load", "full, unchanged", "delta"] {
        if run == "delta" {
            (0..CHANGED.min(people))
                .for_each(|number| sync.directory.edit(number, |person| person.name.push('x')));
        }
        let (begun, spent) = (Instant::now(), processor_seconds());
        let summary = if run == "delta" { sync.delta().await } else { sync.full().await };
        let (seconds, processor) = (begun.elapsed().as_secs_f32(), processor_seconds() - spent);
        let (accounts, logins) = sync.copy.take_writes();
        let SyncSummary { read, new, changed, .. } = summary;
        println!(
            "{run:<20} {seconds:>8.1} {processor:>10.1} {read:>8} {new:>8} {changed:>8} {accounts:>9} {logins:>9}"
        );
    }
}

/// Returns the seconds that this process has used, on all processors: see proc(5). Its unit is a hundredth of a second.
fn processor_seconds() -> f32 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f32>().ok()).sum::<f32>() / 100.0
}
