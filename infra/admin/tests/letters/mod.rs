//! `rekey pass --activation` against a running local environment: letters for the new people of a group.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::support::Rekey;

const PEOPLE: &str = "login,name,email,alternate_email,mobile,language,state,group
amir,Amir <Bin> Ali,,,+60123456711,ms,active,new
bala,Bala Krishnan,,bala@mail.example,,,active,new
chong,Chong Wei,,,,,active,new
dewi,Dewi Lestari,,dewi@mail.example,+60123456714,,disabled,new
ella,Ella Tan,,ella@mail.example,+60123456715,,excluded,new
farid,Farid Hassan,,farid@mail.example,+60123456716,,active,staff
";

/// Returns the passes of a file by login, as a reader finds them.
fn passes(file: &str) -> Vec<(String, String)> {
    let html = fs::read_to_string(file).unwrap();
    let letters = html.split("<section").skip(1);
    let values = letters.map(|letter| {
        let values: Vec<&str> =
            letter.split("<dd>").skip(1).map(|rest| rest.split("</dd>").next().unwrap()).collect();
        (values[1].to_owned(), values[2].to_owned())
    });
    values.collect()
}

fn reasons(done: &Value) -> Vec<(String, String)> {
    let without = done["without_letter"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    without.map(|one| (text(&one["login"]), text(&one["reason"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(login, why)| ((*login).to_owned(), (*why).to_owned())).collect()
}

/// Controls: C-270, C-271, C-272.
#[tokio::test(flavor = "multi_thread")]
async fn letters_open_accounts_of_new_people_beside_their_contact() {
    let rekey = Rekey::start().await;
    rekey.import(PEOPLE).await;
    let file = rekey.path("letters.html");
    let arguments = ["pass", "--activation", "--group", "new", "--letters", &file, "--json"];
    let ended = rekey.run(&arguments).await;
    assert_eq!(ended.status, 3, "somebody has no contact: {ended:?}");
    let done: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((&done["letters"], &done["file"]), (&json!(2), &json!(file)));
    assert_eq!(
        reasons(&done),
        pairs(&[("chong", "no-contact"), ("dewi", "not-eligible"), ("ella", "not-eligible")])
    );
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let passes = passes(&file);
    assert_eq!(passes.iter().map(|(login, _)| login.as_str()).collect::<Vec<_>>(), ["amir", "bala"]);
    assert!(passes.iter().all(|(_, pass)| !ended.out.contains(pass) && !ended.err.contains(pass)));
    let html = fs::read_to_string(&file).unwrap();
    assert!(html.contains("lang=\"ms\"") && html.contains("Amir &lt;Bin&gt; Ali"), "{html}");
    assert!(html.contains("<dd>http://127.0.0.1:"), "the address of page 1: {html}");
    assert!(html.ends_with("</html>\n"), "the page is whole");
    assert!(rekey.environment.local.dev_inbox.messages().is_empty(), "the letter tells them");

    let mut browser = rekey.environment.browser();
    browser.open("amir", "forgotten").await;
    let typed = json!({ "method": "pass", "code": passes[0].1 });
    assert_eq!(browser.post("/code", typed).await.page(), "method");
    browser.send_phone("sms", "012-345 6711").await;
    let code = rekey.environment.code("+60123456711").await;
    assert_eq!(browser.code(&code).await.page(), "password");
    assert_eq!(browser.password("Kancil-Lompat-42!").await.page(), "done");
}

/// Controls: C-272.
#[tokio::test(flavor = "multi_thread")]
async fn letters_never_replace_a_file_or_a_letter_unasked() {
    let rekey = Rekey::start().await;
    rekey.import(PEOPLE).await;
    let [file, next] = ["letters.html", "next.html"].map(|name| rekey.path(name));
    let letters = |file: &'static str| ["pass", "--activation", "--group", "new", "--letters", file];
    let (file, next): (&'static str, &'static str) = (file.leak(), next.leak());
    let first = rekey.run(&letters(file)).await;
    assert!(first.out.contains("2 letters are in"), "{first:?}");
    assert!(first.out.contains("No letter for 1: has no contact"), "{first:?}");
    let before = fs::read_to_string(file).unwrap();
    let again = rekey.run(&letters(file)).await;
    assert_eq!(again.status, 2, "{again:?}");
    assert!(again.err.contains("exists") && fs::read_to_string(file).unwrap() == before);
    let second = rekey.run(&letters(next)).await;
    assert!(second.out.contains("Nobody gets a letter"), "{second:?}");
    assert!(second.out.contains("has a pass that is still valid") && fs::metadata(next).is_err());
    let unknown = rekey.run(&["pass", "--activation", "--group", "nwe"]).await;
    assert_eq!(unknown.status, 2, "{unknown:?}");
    assert!(unknown.err.contains("Groups: new, staff"), "{unknown:?}");

    let replaced = [&letters(next)[..], &["--again"]].concat();
    let alone = rekey.run(&replaced).await;
    assert!(alone.status == 3 && alone.out.contains("another agent"), "{alone:?}");
    let done = rekey.run_as("tan", &replaced).await;
    assert!(done.out.contains("2 letters are in"), "{done:?}");
    let (earlier, later) = (passes(file), passes(next));
    assert!(earlier.iter().zip(&later).all(|(old, new)| old.0 == new.0 && old.1 != new.1));
}
