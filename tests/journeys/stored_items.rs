//! Items, messages and cookies that an earlier version wrote are read by this one.
//!
//! `tests/journeys/stored` has a file for each version: everything that a deployment in the middle of its work had in
//! its tables, its queue, its secrets and its browsers. `infra/guides/upgrading.md` says when a file is added.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rekey_tests::fixtures::{AISYAH, MEI, NEW_NUMBER, NEW_PASSWORD, PRIYA};
use rekey_tests::world::LOCALHOST_ORIGIN;
use rekey_tests::{Browser, CeremonyOptions, Passkey, Phone, SignIn, World};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::help_desk::Desk;
use crate::security_info::{aisyah, entry, kinds, register, register_phone, register_sheet};
use crate::{mail_failures, passkeys};

const UPDATE: &str = "REKEY_TEST_UPDATE=1 cargo nextest run --workspace --test journeys stored_items::";
const SECRETS: [&str; 6] = ["CAPTCHA", "FLOWS", "CONTACTS", "SEEDS", "PUSH", "MESSAGES"];
/// Each table with its key.
const TABLES: [(&str, &[&str]); 4] = [
    ("FlowsTable", &["flow"]),
    ("BudgetsTable", &["budget"]),
    ("SecurityInfoTable", &["account", "item"]),
    ("AccountsTable", &["account"]),
];

/// What a deployment had stored, and what its people had.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// Seconds since 1970.
    now: i64,
    secrets: BTreeMap<String, String>,
    tables: BTreeMap<String, Vec<BTreeMap<String, Value>>>,
    /// The bodies in the queue.
    messages: Vec<String>,
    /// Aisyah's session, what it lists, and her known device.
    session: String,
    listed: Vec<String>,
    device: String,
    sheet: Vec<String>,
    /// The handle of her phone and its next nonce, and the user handle of her passkey.
    phone: (String, String),
    passkey: String,
    /// Priya's flow, which waits for this code in its second step.
    flow: String,
    code: String,
    /// Mei's pass from the help desk.
    pass: String,
}

/// The phone whose keys the sample needs not have.
const PHONE: u8 = 1;

/// Returns the passkey of the sample, whose key is always the same, with its registration.
fn passkey(options: &Value) -> (Passkey, String) {
    Passkey::create_from_seed(options, &CeremonyOptions::at(LOCALHOST_ORIGIN), &[7; 32])
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("journeys/stored")
}

/// In the form of the AWS CLI.
fn to_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(flag) => json!({ "BOOL": flag }),
        AttributeValue::B(bytes) => json!({ "B": STANDARD.encode(bytes) }),
        AttributeValue::Ss(texts) => json!({ "SS": texts }),
        AttributeValue::L(items) => json!({ "L": items.iter().map(to_json).collect::<Vec<_>>() }),
        AttributeValue::M(map) => {
            let map: BTreeMap<_, _> = map.iter().map(|(name, value)| (name, to_json(value))).collect();
            json!({ "M": map })
        }
        other => panic!("{other:?}"),
    }
}

fn from_json(value: &Value) -> AttributeValue {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    match kind.as_str() {
        "S" => AttributeValue::S(text(value)),
        "N" => AttributeValue::N(text(value)),
        "BOOL" => AttributeValue::Bool(value.as_bool().unwrap()),
        "B" => AttributeValue::B(Blob::new(STANDARD.decode(value.as_str().unwrap()).unwrap())),
        "SS" => AttributeValue::Ss(value.as_array().unwrap().iter().map(text).collect()),
        "L" => AttributeValue::L(value.as_array().unwrap().iter().map(from_json).collect()),
        "M" => {
            let map = value.as_object().unwrap();
            AttributeValue::M(map.iter().map(|(name, value)| (name.clone(), from_json(value))).collect())
        }
        other => panic!("{other}"),
    }
}

async fn items(world: &World, table: &str) -> Vec<HashMap<String, AttributeValue>> {
    world.client.scan().table_name(table).send().await.unwrap().items.unwrap_or_default()
}

/// Lets people begin whatever is stored, and returns all of it.
async fn written() -> Stored {
    let world = World::new().await;
    world.housekeep().await.unwrap();
    let bounced = |address| mail_failures::bounced(&world, address);
    let queues = world.emulator.queues();
    queues.send("MessagesQueue", bounced(AISYAH.alternate_email.unwrap()), None).unwrap();
    world.deliver().await;
    let mut session = aisyah(&world).await;
    let phone = register_phone(&world, &mut session, PHONE).await;
    let asked = session.add("passkey", "").await.json();
    let (_, made) = passkey(&asked["options"]);
    let body = json!({ "id": asked["id"], "assertion": made });
    assert_eq!(session.post("/security-info/confirm", body).await.page(), "security-info");
    let sheet = register_sheet(&mut session).await;
    let listed = kinds(&register(&world, &mut session, "mobile", NEW_NUMBER).await);
    let body = json!({ "remember": "device" });
    assert_eq!(session.post("/security-info/remember", body).await.page(), "security-info");
    let pass = Desk::of(&world, "farah").pass(MEI.login).await;
    assert_eq!(world.browser().sign_in_with(AISYAH.login, "wrong").await.problem().0, 422);
    let mut flow = world.browser();
    flow.open(PRIYA.login, "forgotten").await;
    flow.send_email().await;
    flow.code(if world.last_code() == "00000000" { "11111111" } else { "00000000" }).await;
    assert_eq!(flow.code(&world.last_code()).await.page(), "method");
    flow.send_phone("sms", PRIYA.mobile.unwrap()).await;

    let mut tables = BTreeMap::new();
    for (table, _) in TABLES {
        let mut rows: Vec<BTreeMap<String, Value>> = items(&world, table)
            .await
            .iter()
            .map(|item| item.iter().map(|(name, value)| (name.clone(), to_json(value))).collect())
            .collect();
        rows.sort_by_key(|row| serde_json::to_string(row).unwrap());
        tables.insert(table.to_owned(), rows);
    }
    let code = world.last_code();
    queues.send("MessagesQueue", bounced(PRIYA.alternate_email.unwrap()), None).unwrap();
    let secret = |name: &str| world.emulator.secret(&format!("REKEY_SECRET_{name}")).unwrap();
    let queue = queues.contents("MessagesQueue").unwrap();
    Stored {
        now: world.now().as_seconds(),
        secrets: SECRETS.map(|name| (name.to_owned(), secret(name))).into(),
        tables,
        messages: queue.into_iter().map(|(body, _)| body).collect(),
        session: session.session.unwrap(),
        listed,
        device: session.device.unwrap(),
        sheet,
        phone: (phone.handle, phone.nonce),
        passkey: asked["options"]["user"]["id"].as_str().unwrap().to_owned(),
        flow: flow.cookie.unwrap(),
        code,
        pass,
    }
}

/// Returns a world of this version that has nothing but what was stored.
async fn upgraded(stored: &Stored) -> Arc<World> {
    let world = World::new().await;
    for (table, key) in TABLES {
        for mut item in items(&world, table).await {
            item.retain(|name, _| key.contains(&name.as_str()));
            world.client.delete_item().table_name(table).set_key(Some(item)).send().await.unwrap();
        }
        assert!(!stored.tables[table].is_empty(), "{table}");
        for row in &stored.tables[table] {
            let item = row.iter().map(|(name, value)| (name.clone(), from_json(value))).collect();
            world.client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
        }
    }
    for (name, value) in &stored.secrets {
        world.emulator.put_secret(&format!("REKEY_SECRET_{name}"), value.clone());
    }
    world.clock.advance(stored.now - world.now().as_seconds());
    world.restart().await;
    for body in &stored.messages {
        world.emulator.queues().send("MessagesQueue", body.clone(), None).unwrap();
    }
    world
}

async fn enter(browser: &mut Browser, method: &str, code: &str) -> String {
    browser.post("/code", json!({ "method": method, "code": code })).await.page()
}

async fn is_read(version: &str, stored: &Stored) {
    // Every account and every entry is counted, and the code is sent.
    let world = upgraded(stored).await;
    world.housekeep().await.unwrap();
    assert!(!stored.messages.is_empty());
    world.deliver().await;
    let codes: Vec<_> = world.dev_inbox.messages().into_iter().filter_map(|message| message.code).collect();
    assert!(codes.contains(&stored.code), "{version}: {codes:?}");

    // The session goes on, and lists whatever was enrolled.
    let mut session = world.browser();
    session.session = Some(stored.session.clone());
    let list = session.get("/security-info").await.json();
    assert_eq!(kinds(&list), stored.listed, "{version}");
    assert_eq!(entry(&list, "alternate_email")["mail_failure"]["kind"], "bounced", "{version}");

    // The flow goes on to its end, and the new password is kept beside the old hash.
    let mut flow = world.browser();
    flow.cookie = Some(stored.flow.clone());
    assert_eq!(flow.code(&stored.code).await.page(), "password", "{version}");
    assert_eq!(flow.password(NEW_PASSWORD).await.page(), "done", "{version}");
    assert_eq!(world.sign_in(PRIYA.login, NEW_PASSWORD).await, SignIn::Accepted);

    // A pass serves.
    let mut flow = world.browser();
    flow.open(MEI.login, "forgotten").await;
    assert_eq!(enter(&mut flow, "pass", &stored.pass).await, "password", "{version}");
    // An old hash is compared, and an old limit counted.
    assert_eq!(world.browser().sign_in(AISYAH.login).await.page(), "second-step", "{version}");

    // Every other message is sent too, those that gather changes after five minutes.
    let queues = world.emulator.queues();
    for _ in 0..3 {
        world.clock.advance(400);
        world.deliver().await;
    }
    for queue in ["MessagesQueue", "DeadLetterQueue"] {
        assert!(queues.contents(queue).unwrap().is_empty(), "{version}: {queue}");
    }
    let subjects: Vec<_> =
        world.dev_inbox.messages().into_iter().filter_map(|message| message.subject).collect();
    assert!(
        subjects.iter().any(|subject| subject.contains("a pass for your account")),
        "{version}: {subjects:?}"
    );

    // An app serves, and so do a passkey, a phone and a sheet after their waiting period, each beside an older factor.
    world.clock.advance(73 * 3_600);
    let mut flow = world.browser().with_device(&stored.device);
    flow.open(AISYAH.login, "forgotten").await;
    assert_eq!(flow.totp(&world.app_code(0)).await.page(), "method", "{version}");
    let options = passkeys::ask(&mut flow).await;
    let made = json!({ "rp": { "id": "localhost" }, "user": { "id": stored.passkey }, "challenge": "AAAA" });
    let assertion = passkey(&made).0.answer(&options, &CeremonyOptions::at(LOCALHOST_ORIGIN));
    assert_eq!(passkeys::answer(&mut flow, &assertion).await.page(), "password", "{version}");

    let mut flow = world.browser();
    flow.open(AISYAH.login, "forgotten").await;
    let asked = flow.send_push().await;
    assert_eq!(asked.page(), "approval", "{version}");
    let number = asked.json()["number"].as_str().unwrap().to_owned();
    let mut phone = Phone::new(&world, PHONE);
    (phone.handle, phone.nonce) = stored.phone.clone();
    let request = phone.request().await;
    assert_eq!(phone.approve(&request, &number).await.status, 200, "{version}");
    assert_eq!(flow.approved().await.page(), "method", "{version}");
    flow.send_email().await;
    assert_eq!(flow.code(&world.last_code()).await.page(), "password", "{version}");

    let mut flow = world.browser();
    world.clock.advance(60);
    flow.open(AISYAH.login, "forgotten").await;
    assert_eq!(enter(&mut flow, "recovery_code", &stored.sheet[0]).await, "method", "{version}");
    flow.send_email().await;
    assert_eq!(flow.code(&world.last_code()).await.page(), "password", "{version}");
}

/// Controls: C-252.
#[tokio::test]
async fn everything_stored_by_each_version_is_read() {
    let current = folder().join(format!("{}.json", env!("CARGO_PKG_VERSION")));
    if env::var_os("REKEY_TEST_UPDATE").is_some() {
        fs::create_dir_all(folder()).unwrap();
        fs::write(&current, serde_json::to_string_pretty(&written().await).unwrap() + "\n").unwrap();
    }
    assert!(current.exists(), "nothing is stored by this version. This command writes it:\n{UPDATE}");
    for file in fs::read_dir(folder()).unwrap() {
        let file = file.unwrap().path();
        let stored = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        is_read(file.file_stem().unwrap().to_str().unwrap(), &stored).await;
    }
}
