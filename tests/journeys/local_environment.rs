//! `cargo local` with its options: tables in memory, and a folder that is used again.

use std::path::Path;
use std::sync::Arc;

use rekey_local::{Options, print};
use rekey_tests::{Answer, Browser};
use rekey_tests::{Folder, LocalEnvironment};
use serde_json::{Value, json};
use shared::adapters::aws::{agent_key, emulated};
use shared::adapters::stack;
use shared::adapters::system::SystemClock;
use shared::domain::help_desk_call::{Act, HelpAnswer, What};

use crate::security_info::{entry, kinds, verify};

const NEW: &str = "Kancil-Lompat-42!";
const OLD: &str = "Kelantan-Wau-Bulan-3";

/// Resets Hafiz's password: verified by email, then by text to the mobile.
async fn reset(environment: &Arc<LocalEnvironment>) {
    let mut browser = environment.browser();
    browser.open("hafiz", "forgotten").await;
    assert_eq!(browser.send_email().await.page(), "code");
    let mail = environment.code("hafiz.i@mail.example").await;
    let wrong = if mail == "00000000" { "00000001" } else { "00000000" };
    assert_eq!(browser.code(wrong).await.problem(), (422, "code-wrong".to_owned()));
    assert_eq!(browser.code(&mail).await.page(), "method");
    assert_eq!(browser.send_phone("sms", "0111 222 3334").await.page(), "code");
    assert_eq!(browser.code(&environment.code("+601112223334").await).await.page(), "password");
    assert_eq!(browser.password(NEW).await.json()["result"], "reset");
}

/// Signs Hafiz in with both steps; the second one is a code by text.
async fn signed_in(environment: &Arc<LocalEnvironment>) -> (Browser<LocalEnvironment>, Answer) {
    let mut browser = environment.browser();
    assert_eq!(browser.sign_in_with("hafiz", NEW).await.page(), "second-step");
    environment.local.dev_inbox.clear();
    assert_eq!(verify(&mut browser, json!({ "method": "sms" })).await.page(), "second-step");
    let code = environment.code("+601112223334").await;
    let list = verify(&mut browser, json!({ "method": "sms", "code": code })).await;
    assert_eq!(list.page(), "security-info");
    (browser, list)
}

/// Enrols another email address for Hafiz, which replaces the imported one. Returns the new list.
async fn enrol_mailbox(environment: &LocalEnvironment, browser: &mut Browser<LocalEnvironment>) -> Value {
    assert_eq!(browser.add("alternate_email", "hafiz@post.example").await.page(), "confirm");
    let code = environment.code("hafiz@post.example").await;
    let list = browser.confirm("alternate_email", &code).await;
    assert_eq!(list.page(), "security-info");
    list.json()
}

/// `rekey` needs an answer to Invoke, also where `cargo lambda watch` serves the pages.
#[tokio::test]
async fn services_answer_the_help_desk() {
    let environment =
        LocalEnvironment::start(&Options { services: true, ..LocalEnvironment::options() }).await;
    let variables = environment.inbox("/environment").await.json();
    let variable = |name: &str| variables[name].as_str().unwrap().to_owned();
    let aws = emulated(&variable("AWS_ENDPOINT_URL"), &agent_key("local", "m.lim"));
    let act = Act { login: "hafiz".to_owned(), what: What::Show { reveal: None } };
    let function = variable("REKEY_FUNCTION_HELP_DESK");
    let answer = stack::ask_help_desk(&aws, Arc::new(SystemClock), &function, &act).await.unwrap();
    assert!(matches!(answer, HelpAnswer::Shown(_)), "{answer:?}");
    environment.stop().await;
}

#[tokio::test]
async fn reset_and_sign_in_work_with_memory_tables() {
    let environment = LocalEnvironment::start(&Options { memory: true, ..LocalEnvironment::options() }).await;
    assert_eq!(environment.browser().sign_in_with("hafiz", OLD).await.page(), "second-step");
    reset(&environment).await;
    let notified =
        environment.messages(|all| all.iter().filter(|message| message.code.is_none()).count() == 3).await;
    let mut notified: Vec<&str> =
        notified.iter().filter(|message| message.code.is_none()).map(|message| message.to.as_str()).collect();
    notified.sort_unstable();
    assert_eq!(notified, ["+601112223334", "hafiz.i@mail.example", "hafiz@student.contoh.example"]);

    let refused = environment.browser().sign_in_with("hafiz", OLD).await;
    assert_eq!(refused.problem().1, "sign-in-wrong");
    let (mut browser, list) = signed_in(&environment).await;
    assert_eq!(kinds(&list.json()), ["alternate_email", "mobile"]);
    let list = enrol_mailbox(&environment, &mut browser).await;
    let mailbox = entry(&list, "alternate_email");
    assert_ne!(mailbox["usable_from"], mailbox["added_at"], "it takes the place of another, and waits");

    let calls = environment.local.emulator.calls();
    assert!(calls.keys().any(|call| call.action == "sqs:SendMessage"), "the queue stays");
    let at_a_store: Vec<_> = calls.keys().filter(|call| call.action.starts_with("dynamodb:")).collect();
    assert!(at_a_store.is_empty(), "{at_a_store:?}");
}

/// Controls: C-066.
#[tokio::test]
async fn locked_account_is_unlocked_with_memory_tables() {
    let environment =
        LocalEnvironment::start(&Options { memory: true, steps: Some(1), ..LocalEnvironment::options() })
            .await;
    let password = "Thaipusam-Kavadi-8";
    assert_eq!(environment.browser().sign_in_with("priya", password).await.problem().1, "sign-in-wrong");
    let mut browser = environment.browser();
    browser.open("priya", "locked").await;
    browser.send_email().await;
    assert_eq!(browser.code(&environment.code("priya.s@mail.example").await).await.page(), "unlock");
    assert_eq!(browser.post("/unlock", json!({})).await.json()["result"], "unlocked");
    assert_eq!(environment.browser().sign_in_with("priya", password).await.page(), "second-step");
}

const ACCOUNTS_CSV: &str = "login,name,email,alternate_email,mobile,office_phone,password
aisyah,Nur Aisyah,aisyah@student.contoh.example,aisyah@mail.example,+60123456798,,Harimau-Malaya-2019
hafiz,Mohd Hafiz,hafiz@student.contoh.example,hafiz.i@mail.example,+601112223334,,Kelantan-Wau-Bulan-3
mei,Lim Mei Hua,mei@student.contoh.example,mei@mail.example,+60162345678,+60327317272,Durian-Season-2020!
daniel,Daniel Wong,,,+60145556677,,
";

/// A later file. Changed are Aisyah's number and password, Hafiz's name and email address, and Mei's number. Nurul is
/// new, and Zul's row has Daniel's login.
const CHANGED_ACCOUNTS_CSV: &str = "login,name,email,alternate_email,mobile,office_phone,password
aisyah,Nur Aisyah,aisyah@student.contoh.example,aisyah@mail.example,+60123456700,,Another-Password-1!
hafiz,Hafiz Ismail,hafiz@student.contoh.example,hafiz@other.example,+601112223334,,Kelantan-Wau-Bulan-3
mei,Lim Mei Hua,mei@student.contoh.example,mei@mail.example,+60162345678,,Durian-Season-2020!
nurul,Nurul Izzah,,nurul@mail.example,+60198765432,,Penang-Laksa-77!
zul;daniel,Zulkifli,,,+60134445566,,
";

/// Starts with a data folder and a file of people.
async fn start_with(folder: &Folder, people: &Path) -> Arc<LocalEnvironment> {
    let (data, people) = (Some(folder.path("state")), Some(people.to_owned()));
    LocalEnvironment::start(&Options { data, people, ..LocalEnvironment::options() }).await
}

/// Returns the terminal output about the import.
fn printed(environment: &LocalEnvironment, file: &Path) -> Vec<String> {
    let mut out = Vec::new();
    print::started(&mut out, &environment.local).unwrap();
    let (text, file) = (String::from_utf8(out).unwrap(), format!("{}: ", file.display()));
    let lines = text.lines().map(str::trim_start);
    lines
        .filter(|line| line.starts_with("Imported") || line.starts_with(&file))
        .map(|line| line.replace(&file, ""))
        .collect()
}

#[tokio::test]
async fn changed_accounts_are_imported_into_used_folder() {
    let folder = Folder::new("import");
    let file = folder.write("people.csv", ACCOUNTS_CSV);
    let environment = start_with(&folder, &file).await;
    assert!(printed(&environment, &file).is_empty(), "every account is new");
    reset(&environment).await;
    let (mut browser, _) = signed_in(&environment).await;
    let list = enrol_mailbox(&environment, &mut browser).await;
    let enrolled = entry(&list, "alternate_email").clone();
    drop(browser);
    environment.stop().await;

    folder.write("people.csv", CHANGED_ACCOUNTS_CSV);
    let environment = start_with(&folder, &file).await;
    let lines = printed(&environment, &file);
    let (changed, others) = (&lines[1], [&lines[..1], &lines[2..]].concat());
    assert!(changed.starts_with("row 2, column mobile: changed: active from 20"), "{changed}");
    assert!(changed.ends_with("Z; it replaces *****98, which is notified"), "{changed}");
    assert_eq!(
        others,
        [
            "Imported: 1 person added, 3 changed, 0 unchanged",
            "row 3, column name: changed",
            "row 3, column alternate_email: ignored: the person enrolled another one, which stays",
            "row 4, column office_phone: removed: *****72",
            "row 6, column login: row ignored: `daniel` is a login of another person",
        ]
    );
    let notices = environment.messages(|all| !all.is_empty()).await;
    let [notice] = &notices[..] else { panic!("one contact is notified: {notices:?}") };
    assert_eq!((notice.to.as_str(), notice.code.as_deref()), ("+60123456798", None));

    let mut reset = environment.browser();
    let offers = reset.open("aisyah", "forgotten").await.json()["methods"].clone();
    assert_eq!(offers[1], json!({ "method": "sms", "masked": "*****98" }), "the earlier number serves");
    drop(reset);
    let sign_in =
        async |login, password| environment.browser().sign_in_with(login, password).await.status.as_u16();
    assert_eq!(sign_in("aisyah", "Harimau-Malaya-2019").await, 200);
    assert_eq!(sign_in("aisyah", "Another-Password-1!").await, 422);
    assert_eq!(sign_in("nurul", "Penang-Laksa-77!").await, 200);
    let (browser, list) = signed_in(&environment).await;
    assert_eq!(*entry(&list.json(), "alternate_email"), enrolled);
    drop(browser);
    environment.stop().await;

    let environment = start_with(&folder, &file).await;
    assert_eq!(printed(&environment, &file)[0], "Imported: 0 people added, 0 changed, 4 unchanged");
    assert!(environment.local.dev_inbox.messages().is_empty(), "no contact is notified twice");
    environment.stop().await;
}
