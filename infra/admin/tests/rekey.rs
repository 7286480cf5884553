//! The binary `rekey` against a running local environment, from outside.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what supports a test fails as a test does"
)]

mod audit;
mod directory;
mod doctor;
mod keys;
mod letters;
mod plan;
mod smoke;
mod support;

use serde_json::{Value, json};
use shared::domain::password::{
    CharacterClass, CommonPasswords, NewPassword, OwnWords, PasswordPolicy, Person, Violation,
};

use support::{Rekey, lines_about};

const FIRST: &str = "login,name,email,alternate_email,mobile,office_phone,password,state,group
ali,Ali bin Abu,ali@student.contoh.example,ali@mail.example,+60123456701,,Kancil-Lompat-42!,active,students
siti,Siti Nurhaliza,,siti@mail.example,+60123456702,,Kancil-Lompat-43!,active,staff
kumar,Kumar a/l Raju,,kumar@mail.example,+60123456703,,Kancil-Lompat-44!,,
";

#[tokio::test(flavor = "multi_thread")]
async fn dry_run_writes_nothing_and_second_import_changes_nothing() {
    let rekey = Rekey::start().await;
    let file = rekey.file("people.csv", FIRST);
    let dry = rekey.run(&["import", &file]).await;
    assert_eq!(dry.status, 0, "{dry:?}");
    assert!(dry.out.contains("Nothing was written. To do it, add --apply."), "{}", dry.out);
    assert!(!dry.out.contains("60123456701") && !dry.out.contains("Kancil"), "no value is shown whole");
    assert_eq!(rekey.run(&["show", "ali"]).await.status, 4, "the account does not exist yet");

    let done = rekey.json(&["import", &file, "--apply"]).await;
    assert_eq!((done["summary"]["new"].clone(), done["applied"].clone()), (json!(3), json!(true)));
    let ready = json!({ "capable": 3, "partly": 0, "none": 0 });
    assert_eq!((&done["summary"]["after"], &done["summary"]["before"]["none"]), (&ready, &json!(3)));
    let mut browser = rekey.environment.browser();
    assert_eq!(browser.sign_in_with("ali", "Kancil-Lompat-42!").await.page(), "second-step");

    let again = rekey.json(&["import", &file, "--apply"]).await;
    assert_eq!(again["summary"]["unchanged"], 3, "{again:#}");
    assert_eq!(again["remarks"], json!([]));
    assert!(rekey.environment.local.dev_inbox.messages().iter().all(|message| message.code.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn file_wins_except_for_contacts_of_the_person() {
    let rekey = Rekey::start().await;
    rekey.import(FIRST).await;
    // Ali enrols another mailbox, and resets with it later: it is his.
    let mut browser = rekey.environment.browser();
    browser.sign_in_with("ali", "Kancil-Lompat-42!").await;
    browser.post("/security-info/verify", json!({ "method": "sms" })).await;
    let code = rekey.environment.code("+60123456701").await;
    browser.post("/security-info/verify", json!({ "method": "sms", "code": code })).await;
    assert_eq!(browser.add("alternate_email", "ali@post.example").await.page(), "confirm");
    let code = rekey.environment.code("ali@post.example").await;
    assert_eq!(browser.confirm("alternate_email", &code).await.page(), "security-info");
    rekey.delivered("ali@post.example").await;
    rekey.environment.local.dev_inbox.clear();

    let second = "login,name,alternate_email,mobile,state,group
ali,Ali bin Abu Bakar,ali@third.example,+60123456701,active,alumni
siti,Siti Nurhaliza,siti@mail.example,+60123456799,disabled,staff
kumar,Kumar Raju,kumar@mail.example,,active,
";
    let file = rekey.file("second.csv", second);
    let done = rekey.json(&["import", &file, "--apply"]).await;
    let said = lines_about(&done);
    for expected in [
        "2 name changed",
        "2 group changed",
        "2 alternate_email ignored: the person enrolled another one, which stays",
        "3 state changed: active becomes disabled",
        "4 name changed",
        "4 mobile removed: *****03",
    ] {
        assert!(said.iter().any(|line| line == expected), "{expected}\n{said:#?}");
    }
    let replaced = said.iter().find(|line| line.starts_with("3 mobile changed: active from ")).unwrap();
    assert!(replaced.ends_with("Z; it replaces *****02"), "{replaced}");
    assert_eq!(done["summary"]["contacts_kept"], 1);
    assert_eq!(done["summary"]["disabled"], 1);

    let export = rekey.json(&["export", "ali"]).await;
    assert_eq!(export["account"]["group"], "alumni");
    assert_eq!(export["account"]["email"], "ali@student.contoh.example", "the file has no such column");
    let mut stranger = rekey.environment.browser();
    stranger.open("siti", "forgotten").await;
    stranger.send_phone("sms", "+60123456702").await;
    assert!(rekey.environment.local.dev_inbox.messages().is_empty(), "an import sends no message");

    // On request, the operator's value waits in the place of the person's, and the earlier one is notified.
    let done = rekey.json(&["import", &file, "--apply", "--replace-contacts"]).await;
    let said = lines_about(&done);
    let replaced = said.iter().find(|line| line.starts_with("2 alternate_email changed")).unwrap();
    assert!(replaced.contains("which is notified"), "{replaced}");
    let told = rekey.environment.messages(|all| !all.is_empty()).await;
    assert!(
        told.iter().all(|message| message.code.is_none() && message.to != "ali@third.example"),
        "{told:?}"
    );
    let export = rekey.json(&["export", "ali"]).await;
    let mailbox = export["enrolled"].as_array().unwrap().iter().find(|one| one["kind"] == "alternate_email");
    assert_eq!(mailbox.unwrap()["value"], "ali@third.example");
    assert!(mailbox.unwrap()["value_until_then"].is_string());
}

/// Controls: C-054.
#[tokio::test(flavor = "multi_thread")]
async fn login_of_another_person_is_another_account() {
    let rekey = Rekey::start().await;
    rekey.import(FIRST).await;
    let before = rekey.json(&["export", "siti"]).await["account"]["id"].clone();
    // Siti leaves, and a year later her login is another person's.
    rekey.import(&FIRST.replace("Kancil-Lompat-43!,active", "Kancil-Lompat-43!,disabled")).await;
    let done = rekey
        .import("login,name,alternate_email,mobile,password,state\nsiti,Siti Zubaidah,zu@mail.example,+60123456788,Merdeka-Wau-57!,active\n")
        .await;
    assert_eq!(done["summary"]["another_person"], 1, "{done:#}");
    assert!(lines_about(&done)[0].starts_with("2 login another person: "), "{done:#}");
    let export = rekey.json(&["export", "siti"]).await;
    assert_ne!(export["account"]["id"], before, "no flow or device of the earlier person has this id");
    let values: Vec<&Value> =
        export["enrolled"].as_array().unwrap().iter().map(|one| &one["value"]).collect();
    assert_eq!(values, ["zu@mail.example", "+60123456788"], "{export:#}");
    let mut browser = rekey.environment.browser();
    assert_ne!(browser.sign_in_with("siti", "Kancil-Lompat-43!").await.status.as_u16(), 200);
    assert_eq!(browser.sign_in_with("siti", "Merdeka-Wau-57!").await.page(), "second-step");
    let again = rekey.json(&["import", &rekey.path("people.csv")]).await;
    assert_eq!(again["summary"]["unchanged"], 1, "the same file changes nothing more");

    // Somebody who is there all the time may change a name. A wholly different one is another person.
    let done = rekey.import("login,name\nali,Ali Abu\nkumar,Devi a/p Samy\n").await;
    assert_eq!((&done["summary"]["changed"], &done["summary"]["another_person"]), (&json!(1), &json!(1)));
    let corrected = rekey.file("corrected.csv", "login,name\nali,Ah Meng\n");
    let done = rekey.json(&["import", &corrected, "--apply", "--same-people"]).await;
    assert_eq!((&done["summary"]["changed"], &done["summary"]["another_person"]), (&json!(1), &json!(0)));
    assert_eq!(rekey.json(&["export", "ali"]).await["enrolled"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_are_told_and_can_be_corrected() {
    let rekey = Rekey::start().await;
    rekey.import(FIRST).await;
    let file = rekey.file(
        "mixed.csv",
        "login;name;mobile;password\nnurul;Nurul Izzah;+60123456710;Penang-Laksa-77!\n\
         =cmd;Formula;+60123456711;=1+1\nzul;Zulkifli;by pigeon;Durian-Season-20!\n\
         mei;ali;Mei;Lim Mei Hua\n\"meihua;kumar\";Lim Mei Hua;+60123456712;\n;;;\n",
    );
    let done = rekey.run(&["import", &file, "--apply", "--refused", "--json"]).await;
    assert_eq!(done.status, 3, "{done:?}");
    let done: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((&done["summary"]["new"], &done["summary"]["refused"]), (&json!(1), &json!(4)), "{done:#}");
    let refused = std::fs::read_to_string(format!("{file}.refused.csv")).unwrap();
    let rows: Vec<&str> = refused.lines().collect();
    assert_eq!(rows[0], "login,name,mobile,password,reason");
    assert!(rows[1].starts_with("'=cmd,Formula,+60123456711,,row 3: login: "), "{refused}");
    assert!(
        rows[2].starts_with("zul,Zulkifli,by pigeon,Durian-Season-20!,row 4: mobile: not a phone"),
        "{refused}"
    );
    assert!(rows[3].contains("row 5: ") && rows[4].contains("is a login of another person"), "{refused}");
    let mode =
        std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(format!("{file}.refused.csv")).unwrap());
    assert_eq!(mode & 0o777, 0o600, "it may have passwords");

    // The file of refused rows can be corrected in place and imported again.
    let corrected = refused.replace("by pigeon", "+60123456713");
    let corrected =
        corrected.lines().filter(|row| !row.contains("cmd") && !row.contains("ei")).collect::<Vec<_>>();
    let again = rekey.file("again.csv", &format!("{}\n", corrected.join("\n")));
    let done = rekey.run(&["import", &again, "--apply"]).await;
    assert_eq!(done.status, 0, "{done:?}");
    assert_eq!(rekey.run(&["show", "zul"]).await.status, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn mass_loss_needs_consent() {
    let rekey = Rekey::start().await;
    let row = |number: usize, state: &str| {
        format!("p{number},Person{number} Family,p{number}@mail.example,{state}\n")
    };
    let file = |state: &str| -> String {
        let rows: Vec<String> = (0..20).map(|number| row(number, state)).collect();
        format!("login,name,alternate_email,state\n{}", rows.concat())
    };
    rekey.import(&file("active")).await;
    let all = rekey.file("all.csv", &file("disabled"));
    let held = rekey.run(&["import", &all, "--apply"]).await;
    assert_eq!(held.status, 1);
    assert!(held.err.contains("20 of 20 people") && held.err.contains("--accept-losses"), "{}", held.err);
    assert!(rekey.run(&["show", "p1"]).await.out.contains("  active  "), "nothing was written");
    let done = rekey.run(&["import", &all, "--apply", "--accept-losses"]).await;
    assert_eq!(done.status, 0);
    assert!(rekey.run(&["show", "p1"]).await.out.contains("  disabled  "));
}

#[tokio::test(flavor = "multi_thread")]
async fn person_is_shown_in_masks_exported_and_forgotten() {
    let rekey = Rekey::start().await;
    rekey.import(FIRST).await;
    let shown = rekey.run(&["show", "ali@student.contoh.example"]).await;
    assert_eq!(shown.status, 0, "{shown:?}");
    assert!(
        shown.out.contains("A… b… A…") && shown.out.contains("*****01") && shown.out.contains("can reset")
    );
    for whole in ["Ali", "+60123456701", "ali@mail.example"] {
        assert!(!shown.out.contains(whole), "{whole}: {}", shown.out);
    }
    let shown = rekey.json(&["show", "ali"]).await;
    assert_eq!((&shown["readiness"], &shown["methods"][0]["counts"]), (&json!("capable"), &json!(true)));

    let export = rekey.json(&["export", "ali"]).await;
    assert_eq!(export["account"]["name"], "Ali bin Abu");
    assert_eq!(export["enrolled"][1]["value"], "+60123456701");
    let text = export.to_string();
    assert!(!text.contains("argon2") && !text.contains("Kancil") && !text.contains("sealed"), "{text}");

    let asked = rekey.run(&["forget", "ali"]).await;
    assert_eq!(asked.status, 2, "without a terminal nobody can confirm");
    assert_eq!(rekey.run(&["show", "ali"]).await.status, 0);
    let forgotten = rekey.run(&["forget", "ali", "--yes"]).await;
    assert_eq!(forgotten.status, 0, "{forgotten:?}");
    for login in ["ali", "ali@student.contoh.example"] {
        assert_eq!(rekey.run(&["export", login]).await.status, 4, "{login}");
    }
    let left = rekey.dump().await;
    assert!(
        !left.contains("Ali bin Abu") && !left.contains(export["account"]["id"].as_str().unwrap()),
        "{left}"
    );
    assert!(left.contains("Kumar"), "others stay");
    let mut browser = rekey.environment.browser();
    assert_ne!(browser.sign_in_with("ali", "Kancil-Lompat-42!").await.status.as_u16(), 200);
}

/// Controls: C-064.
#[tokio::test(flavor = "multi_thread")]
async fn acts_of_operators_are_logged_without_values() {
    let rekey = Rekey::start().await;
    rekey.import(FIRST).await;
    for arguments in [&["show", "ali"][..], &["export", "ali"], &["forget", "ali", "--yes"]] {
        assert_eq!(rekey.run(arguments).await.status, 0);
    }
    let events = rekey.environment.local.emulator.operator_events();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["people.imported", "person.shown", "person.exported", "person.forgotten"]);
    assert_eq!(events[0]["new"], 3);
    for event in &events {
        assert!(event["actor"].is_string() && event["timestamp"].is_string(), "{event}");
        let text = event.to_string();
        assert!(!text.contains("ali") && !text.contains("6012"), "{text}");
    }
    assert!(events[1..].windows(2).all(|pair| pair[0]["account"] == pair[1]["account"]), "one pseudonym");
}

#[tokio::test(flavor = "multi_thread")]
async fn command_line_ends_with_documented_statuses() {
    let rekey = Rekey::start().await;
    for (arguments, status) in [
        (&["--help"][..], 0),
        (&["completions", "bash"], 0),
        (&["config", "check"], 0),
        (&["import"], 2),
        (&["nothing"], 2),
        (&["import", "/nowhere/people.csv"], 2),
        (&["show", "nobody"], 4),
    ] {
        assert_eq!(rekey.run(arguments).await.status, status, "{arguments:?}");
    }
    let error = rekey.run(&["show", "nobody", "--json"]).await;
    let error: Value = serde_json::from_str(&error.out).unwrap();
    assert_eq!((&error["error"]["code"], &error["error"]["exit"]), (&json!("not_found"), &json!(4)));
    let wrong = rekey.file("wrong.csv", "login,fax\na,1\n");
    let failed = rekey.run(&["import", &wrong]).await;
    assert_eq!(failed.status, 1);
    assert!(failed.err.contains("unknown column `fax`"), "{}", failed.err);
    let parameters =
        rekey.file("parameters.json", r#"{"RekeySteps": "3", "RekeyStepz": "1", "RekeyCodeDigits": "x"}"#);
    let checked = rekey.run(&["config", "check", &parameters, "--json"]).await;
    assert_eq!(checked.status, 3);
    let checked: Value = serde_json::from_str(&checked.out).unwrap();
    assert_eq!(checked["errors"].as_array().unwrap().len(), 3, "{checked:#}");
    let elsewhere = rekey.run_at("http://127.0.0.1:9", &["show", "ali"]).await;
    assert_eq!(elsewhere.status, 1);
    assert_eq!(rekey.run_at("http://192.0.2.1:8025", &["show", "ali"]).await.status, 2);
}

/// An agent helps a caller who lost the phone, from the check to a new password.
/// Controls: C-222, C-223.
#[tokio::test(flavor = "multi_thread")]
async fn caller_is_helped_from_check_to_reset() {
    let rekey = Rekey::start().await;
    rekey.import(FIRST).await;
    let pass = ["pass", "ali", "--reason", "lost phone", "--yes"];
    let unchecked = rekey.run(&[&pass[..], &["--json"]].concat()).await;
    assert_eq!(unchecked.status, 5, "{unchecked:?}");
    let error: Value = serde_json::from_str(&unchecked.out).unwrap();
    assert_eq!(error["error"]["code"], "not_checked");
    let sent = rekey.json(&["verify", "ali", "--by", "email"]).await;
    assert_eq!(sent["sent_to"], "a*****@*****");
    rekey.environment.messages(|all| all.iter().any(|message| message.code.is_some())).await;
    let messages = rekey.environment.local.dev_inbox.messages();
    let code = messages.into_iter().find_map(|message| message.code).unwrap();
    assert_eq!(rekey.run(&["verify", "ali", "--code", "00000000"]).await.status, 5, "a wrong code");
    assert_eq!(rekey.run(&["verify", "ali", "--code", &code]).await.status, 0);
    let without_terminal = rekey.run(&pass[..4]).await;
    assert_eq!(without_terminal.status, 2, "nobody can confirm");
    let given = rekey.run(&pass).await;
    assert_eq!(given.status, 0, "{given:?}");
    let mut browser = rekey.environment.browser();
    browser.open("ali", "forgotten").await;
    let typed = json!({ "method": "pass", "code": given.out.trim() });
    assert_eq!(browser.post("/code", typed).await.page(), "password");
    assert_eq!(browser.password("Helang-Terbang-7!").await.page(), "done");
    rekey.delivered("+60123456701").await;

    // A further pass in the same week is a colleague's matter.
    assert_eq!(rekey.run(&["verify", "ali", "--document", "student card"]).await.status, 0);
    for _ in 0..2 {
        assert_eq!(rekey.run_as("m.lim", &pass).await.status, 6);
    }
    assert_eq!(rekey.run_as("s.tan", &pass).await.status, 0);
    let actors: Vec<String> = rekey
        .environment
        .local
        .emulator
        .operator_events()
        .into_iter()
        .filter(|event| event["event"] == "pass.issued")
        .map(|event| event["actor"].as_str().unwrap().rsplit('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(actors.len(), 2);
    assert_eq!(actors[1], "s.tan");
}

#[tokio::test(flavor = "multi_thread")]
async fn helper_acts_end_with_documented_statuses() {
    let rekey = Rekey::start().await;
    rekey.import(FIRST).await;
    for (arguments, status) in [
        (&["unlock", "nobody", "--reason", "wrong passwords"][..], 4),
        (&["unlock", "ali", "--reason", "wrong passwords"], 0),
        (&["release", "ali", "--reason", "kept out", "--end-devices"], 0),
        (&["remove", "ali", "mobile", "--reason", "lost phone", "--yes"], 5),
        (&["remove", "ali", "fax", "--reason", "lost phone", "--yes"], 2),
        (&["verify", "ali", "--by", "fax"], 2),
        (&["verify", "ali", "--by", "office_call"], 5),
        (&["release", "ali", "--reason", "x"], 2),
        (&["show", "ali", "--reveal", "--reason", "a letter came back"], 0),
        (&["verify", "ali", "--document", "student card"], 0),
        (&["remove", "ali", "mobile", "--reason", "lost phone", "--yes"], 0),
        (&["remove", "ali", "mobile", "--reason", "lost phone", "--yes"], 5),
        (&["remove", "ali", "alternate_email", "--reason", "lost mailbox", "--yes"], 6),
    ] {
        let ended = rekey.run(arguments).await;
        assert_eq!(ended.status, status, "{arguments:?} {ended:?}");
    }
    let shown = rekey.json(&["show", "ali"]).await;
    assert_eq!(shown["methods"].as_array().unwrap().len(), 1, "{shown:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_are_written_for_the_shell() {
    let rekey = Rekey::start().await;
    let script = rekey.run(&["completions", "bash"]).await.out;
    assert!(script.contains("--replace-contacts") && script.contains("_rekey"), "{script}");
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_import_is_continued_by_the_same_file() {
    let rekey = Rekey::start().await;
    let rows: Vec<String> =
        (0..3_000).map(|n| format!("p{n},Person{n} Family,p{n}@mail.example,+6012{n:07}\n")).collect();
    let file = rekey.file("many.csv", &format!("login,name,alternate_email,mobile\n{}", rows.concat()));
    assert_eq!(rekey.interrupted(&["import", &file, "--apply"]).await, 130);
    let done = rekey.json(&["import", &file, "--apply", "--accept-losses"]).await;
    let summary = &done["summary"];
    let number = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!(number("new") + number("unchanged"), 3_000, "{summary:#}");
    assert_eq!((number("changed"), number("another_person"), number("refused")), (0, 0, 0), "{summary:#}");
    assert_eq!(summary["after"]["capable"], 3_000, "{summary:#}");
    let again = rekey.json(&["import", &file]).await;
    assert_eq!(again["summary"]["unchanged"], 3_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn blocklist_is_built_from_long_lines() {
    let rekey = Rekey::start().await;
    let file = rekey.file("passwords.txt", "kancil-lompat-42!\r\n\nshort\nTasik Chini di waktu pagi\n");
    let built = rekey.json(&["blocklist", "build", &file]).await;
    assert_eq!((&built["lines"], &built["passwords"]), (&json!(3), &json!(2)), "{built:#}");
    assert_eq!(built["false_positives"], json!({ "one_in": 2_048 }));
    let bytes = std::fs::read(built["file"].as_str().unwrap()).unwrap();
    assert_eq!(built["bytes"], bytes.len());
    let common = CommonPasswords::with_file(&bytes).unwrap();
    let policy = |common| {
        let words = OwnWords::new("", std::iter::empty::<&str>()).unwrap();
        PasswordPolicy::new(12, 128, CharacterClass::ALL, 0, common, words).unwrap()
    };
    let password = NewPassword::parse("Kancil-Lompat-42!").unwrap();
    let nobody = Person::new(["Ali"], ["ali"]);
    assert_eq!(policy(common).violations(&password, &nobody), [Violation::Common]);
    assert_eq!(policy(CommonPasswords::new()).violations(&password, &nobody), []);

    let none = rekey.run(&["blocklist", "build", &file, "--min-length", "60"]).await;
    assert_eq!(none.status, 2, "{none:?}");
}
