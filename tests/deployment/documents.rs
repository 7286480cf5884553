//! The security documents match the code. The tests, parameters, alarms, metrics, log events and fields, resources,
//! key holders and files that they name exist. `controls.rs` checks the ids of security controls.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rekey_local::template::document::text;
use rekey_local::template::{Function, Template};
use shared::domain::method::Method;
use shared::settings::Settings;

use crate::permissions::reach;
use crate::root;
use crate::settings::parameter_of;

/// Returns the texts between backticks.
pub fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

pub fn is_control_id(word: &str) -> bool {
    let number = word.strip_prefix("C-").unwrap_or_default();
    number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the ids of security controls (`C-014`) in the text.
pub fn control_ids(text: &str) -> impl Iterator<Item = &str> {
    let words = text.match_indices("C-").filter_map(move |(at, _)| text.get(at..at + "C-014".len()));
    words.filter(|word| is_control_id(word))
}

/// Returns every document by its path in the project.
fn documents() -> BTreeMap<String, String> {
    let mut paths = ["README.md", "SECURITY.md", "ARCHITECTURE.md"].map(PathBuf::from).to_vec();
    for folder in ["infra/security", "infra/decisions", "infra/guides"] {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let files = entries.map(|entry| Path::new(folder).join(entry.unwrap().file_name()));
        paths.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    let read = |path: PathBuf| {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        (path.to_str().unwrap().to_owned(), text)
    };
    paths.into_iter().map(read).collect()
}

pub fn document(name: &str) -> String {
    documents().remove(name).unwrap()
}

/// Returns the rows of all tables as cells, without the header rows.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = text.lines().collect();
    let is_rule = |line: &&str| line.starts_with("|---");
    let row = |line: &&'_ str| line.starts_with('|');
    let mut rows = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let is_head = lines.get(at + 1).is_some_and(is_rule);
        if row(line) && !is_rule(line) && !is_head {
            rows.push(line.trim_matches('|').split(" | ").map(str::trim).collect());
        }
    }
    rows
}

/// Returns the fenced blocks of a language.
fn blocks<'a>(text: &'a str, kind: &str) -> Vec<&'a str> {
    let fence = format!("```{kind}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Returns the files below these folders that have the extension, by their paths in the project. It leaves out hidden
/// and installed folders.
pub fn files_below(folders: &[&str], extension: &str) -> BTreeMap<String, String> {
    fn read_all(folder: &Path, extension: &str, into: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let is_left_out = ["node_modules", "target"].contains(&name) || name.starts_with('.');
            if path.is_dir() && !is_left_out {
                read_all(&path, extension, into);
            } else if path.extension().is_some_and(|found| found == extension) {
                let text = fs::read_to_string(&path).unwrap();
                into.insert(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(), text);
            }
        }
    }
    let mut files = BTreeMap::new();
    for folder in folders {
        read_all(&root().join(folder), extension, &mut files);
    }
    files
}

/// Returns all Rust source below these folders; leave out `tests` for the deployed code.
fn sources(folders: &[&str]) -> String {
    files_below(folders, "rs").into_values().collect()
}

/// Returns the names of all tests: functions with a test attribute, and contracts that run on every store.
pub fn tests() -> BTreeSet<String> {
    let sources = sources(&["functions", "shared", "infra", "tests"]);
    let attributed = ["#[test]", "#[tokio::test"].into_iter().flat_map(|test| sources.split(test).skip(1));
    let named = attributed.filter_map(|after| {
        let head = after.split('{').next()?;
        head.split("fn ").nth(1)?.split('(').next()
    });
    let listed =
        ["on_every_store!(", "on_every_server!("].into_iter().flat_map(|list| sources.split(list).skip(1));
    let listed = listed.flat_map(|rest| {
        let list = rest.split(')').next().unwrap_or_default();
        list.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
    });
    named.chain(listed).map(ToOwned::to_owned).collect()
}

fn is_test_name(word: &str) -> bool {
    word.matches('_').count() >= 2
        && word.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
}

/// Returns whether a text cites a control, such as C-014.
fn cites_control(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|word| {
        word.strip_prefix("C-").is_some_and(|id| id.len() == 3 && id.bytes().all(|c| c.is_ascii_digit()))
    })
}

#[test]
fn documented_tests_exist() {
    let tests = tests();
    for (path, text) in documents() {
        for name in quoted(&text).filter(|word| is_test_name(word)) {
            assert!(tests.contains(name), "{path}: there is no test {name}");
        }
    }
    let incidents = document("infra/security/incidents.md");
    assert!(quoted(&incidents).filter(|word| is_test_name(word)).count() > 25);
    for name in ["asvs.md", "incidents.md", "nist-800-63b-4.md", "threats.md"] {
        let text = document(&format!("infra/security/{name}"));
        assert!(text.lines().filter(|line| cites_control(line)).count() > 15, "{name}");
    }
}

#[test]
fn applicable_incidents_cite_a_control() {
    let text = document("infra/security/incidents.md");
    let rows = rows(&text);
    assert!(rows.len() >= 34, "{}", rows.len());
    for row in rows {
        let [incident, _, applies, held] = row[..] else { panic!("{row:?}") };
        match applies {
            "yes" | "partly" => assert!(cites_control(held), "{incident} applies and has no control"),
            "not yet" | "no" => assert!(!held.is_empty(), "{incident}"),
            other => panic!("{incident}: {other}"),
        }
    }
}

/// The requirements are in the standard's order, each with a control, a test, a file, or a remark on who is
/// responsible.
#[test]
fn requirements_are_unique_and_cite_evidence() {
    let text = document("infra/security/asvs.md");
    let mut ids = Vec::new();
    for row in rows(&text) {
        let [id, level, answer, how] = row[..] else { panic!("{row:?}") };
        ids.push(id.split('.').map(|part| part.parse::<u8>().unwrap()).collect::<Vec<_>>());
        assert!(["1", "2", "3"].contains(&level), "{id}: level {level}");
        assert!(["yes", "partly", "no", "deployer", "n/a"].contains(&answer), "{id}: {answer}");
        assert!(!how.is_empty(), "{id}");
        let shown = cites_control(how) || quoted(how).any(is_test_name) || how.contains("](");
        match answer {
            "yes" => assert!(shown, "{id}: {how}"),
            "partly" => {}
            _ => assert!(!shown, "{id}: {how}"),
        }
    }
    assert!(ids.len() > 120, "{}", ids.len());
    assert!(ids.is_sorted_by(|a, b| a < b), "an id stands twice or out of its order");
}

/// The requirements that apply to a reset service, whatever the answer.
const REQUIREMENTS: &[&str] = &[
    "1.1.1 1.2.1 1.2.2 1.2.3 1.2.4 1.2.6 1.2.9 1.3.3 1.3.7 1.3.10 1.3.11 1.5.2 1.5.3",
    "2.1.1 2.1.3 2.2.1 2.2.2 2.2.3 2.3.1 2.3.2 2.3.3 2.3.4 2.4.1 2.4.2",
    "3.1.1 3.2.1 3.2.2 3.3.1 3.3.2 3.3.3 3.3.4 3.3.5 3.4.1 3.4.2 3.4.3 3.4.4 3.4.5 3.4.6 3.4.7 3.4.8",
    "3.5.1 3.5.2 3.5.3 3.5.4 3.5.8 3.6.1 3.7.2",
    "4.1.1 4.1.2 4.1.3 4.1.4 4.2.1 4.2.4 4.2.5",
    "6.1.1 6.1.2 6.1.3 6.2.1 6.2.4 6.2.5 6.2.6 6.2.7 6.2.8 6.2.9 6.2.10 6.2.11 6.2.12 6.3.1 6.3.2 6.3.4",
    "6.3.5 6.3.6 6.3.7 6.3.8 6.4.1 6.4.2 6.4.3 6.4.4 6.4.6 6.5.1 6.5.2 6.5.3 6.5.4 6.5.5 6.5.6 6.5.8",
    "6.6.1 6.6.2 6.6.3 6.6.4",
    "7.1.1 7.2.1 7.2.2 7.2.3 7.2.4 7.3.1 7.3.2 7.4.1 7.4.3 7.5.3",
    "8.1.1 8.2.1 8.2.2 8.2.3 8.3.1",
    "10.1.1 10.1.2 10.2.1 10.2.2 10.5.1 10.5.2 10.5.3 10.5.4",
    "11.1.1 11.1.2 11.2.1 11.2.2 11.2.3 11.2.4 11.2.5 11.3.1 11.3.2 11.3.3 11.3.4 11.4.1 11.4.2 11.5.1",
    "11.5.2",
    "12.1.1 12.2.1 12.2.2 12.3.1 12.3.2 12.3.3 12.3.4",
    "13.1.1 13.1.2 13.1.3 13.1.4 13.2.1 13.2.2 13.2.3 13.2.4 13.2.5 13.2.6 13.3.1 13.3.2 13.3.3 13.3.4",
    "13.4.1 13.4.2 13.4.4 13.4.5 13.4.6",
    "14.1.1 14.1.2 14.2.1 14.2.2 14.2.3 14.2.4 14.2.6 14.2.7 14.3.1 14.3.2 14.3.3",
    "15.1.1 15.1.2 15.1.3 15.2.1 15.2.2 15.2.3 15.2.4 15.3.1 15.3.3 15.3.4 15.3.5 15.3.7 15.4.1 15.4.2",
    "15.4.3",
    "16.1.1 16.2.1 16.2.2 16.2.3 16.2.4 16.2.5 16.3.1 16.3.2 16.3.3 16.3.4 16.4.1 16.4.2 16.4.3 16.5.1",
    "16.5.2 16.5.3 16.5.4",
];

#[test]
fn required_requirements_are_answered() {
    let text = document("infra/security/asvs.md");
    let rows = rows(&text);
    let answered: BTreeSet<&str> = rows.iter().map(|row| row[0]).collect();
    let asked: BTreeSet<&str> = REQUIREMENTS.iter().flat_map(|ids| ids.split(' ')).collect();
    let silent: Vec<&&str> = asked.difference(&answered).collect();
    assert!(silent.is_empty(), "no answer to {silent:?}");
}

#[test]
fn documented_parameters_exist() {
    let template = Template::from_project().unwrap();
    let parameters = template.document.parameters();
    let variables: BTreeSet<String> = template.common_variables.keys().cloned().collect();
    let resources: BTreeSet<String> =
        template.functions.values().flat_map(|function| function.variables.keys().cloned()).collect();
    for (path, text) in documents() {
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if word.starts_with("REKEY_") && !word.ends_with('_') && !word.starts_with("REKEY_TEST_") {
                assert!(variables.contains(word) || resources.contains(word), "{path}: {word}");
            }
            if word.starts_with("Rekey") && word.len() > "Rekey".len() {
                assert!(parameters.contains_key(word), "{path}: {word}");
            }
        }
    }
}

/// Controls: C-065.
#[test]
fn every_alarm_has_a_runbook() {
    let template = Template::from_project().unwrap();
    let alarms: BTreeSet<(String, String)> = template
        .document
        .of_type("AWS::CloudWatch::Alarm")
        .into_iter()
        .map(|(name, alarm)| (name, text(&alarm["Properties"]["MetricName"]).unwrap()))
        .collect();
    let runbooks = document("infra/security/runbooks.md");
    let documented = rows(&runbooks).into_iter().filter_map(|row| {
        let mut words = row.iter().take(2).filter_map(|cell| quoted(cell).next().map(ToOwned::to_owned));
        Some((words.next()?, words.next()?)).filter(|(name, _)| name.ends_with("Alarm"))
    });
    assert_eq!(documented.collect::<BTreeSet<_>>(), alarms);
    for (path, text) in documents() {
        for word in quoted(&text).filter(|word| word.ends_with("Alarm") && !word.contains(' ')) {
            assert!(alarms.iter().any(|(name, _)| name == word), "{path}: {word}");
        }
    }
}

/// Resources are named by `id X`, by a tool that takes them, or by the tools of the runbooks.
#[test]
fn runbook_resources_exist() {
    let template = Template::from_project().unwrap();
    let runbooks = document("infra/security/runbooks.md");
    let kinds = ["Alarm", "Function", "Log", "Secret", "Table", "Queue"];
    let mut named = BTreeSet::new();
    for word in runbooks.split(|c: char| !c.is_ascii_alphanumeric()) {
        let capital = word.starts_with(|c: char| c.is_ascii_uppercase());
        if capital && kinds.iter().any(|kind| word.ends_with(kind) && word != *kind) {
            assert!(!template.document.resource(word).is_null(), "{word}");
            named.insert(word);
        }
    }
    assert!(named.len() > 20, "{named:?}");
}

/// A key is rotated in exactly those functions that may read it.
/// Controls: C-091.
#[test]
fn key_rotation_lists_every_function_that_reads() {
    let template = Template::from_project().unwrap();
    let runbooks = document("infra/security/runbooks.md");
    let mut secrets = BTreeSet::new();
    for row in rows(&runbooks) {
        let Some(secret) = quoted(row[0]).next().filter(|word| word.ends_with("Secret")) else { continue };
        let words = row[2].split(|c: char| !c.is_ascii_alphanumeric());
        let documented: BTreeSet<String> =
            words.filter(|word| word.ends_with("Function")).map(ToOwned::to_owned).collect();
        let reads = |function: &&Function| reach(function, "secretsmanager:").contains(secret);
        let readers = template.functions.values().filter(reads).map(|function| function.id.clone());
        assert_eq!(documented, readers.collect(), "{secret}");
        secrets.insert(secret.to_owned());
    }
    assert_eq!(secrets, template.secrets.keys().cloned().collect());
}

/// Returns the log events of the functions, with their fields.
fn events() -> BTreeMap<String, BTreeSet<String>> {
    let sources = sources(&["functions", "shared"]);
    let mut events: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for level in ["info", "warn", "error"] {
        for rest in sources.split(&format!("tracing::{level}!(")).skip(1) {
            let call = rest.split(");").next().unwrap();
            let Some(event) = call.split("event = \"").nth(1).and_then(|rest| rest.split('"').next()) else {
                continue;
            };
            let fields = call.split(',').map(|field| {
                let name = field.split('=').next().unwrap().trim().trim_start_matches(['?', '%']);
                name.rsplit('.').next().unwrap().to_owned()
            });
            events.entry(event.to_owned()).or_default().extend(fields);
        }
    }
    events
}

/// Controls: C-064.
#[test]
fn log_inventory_names_every_event() {
    let text = document("SECURITY.md");
    let list = text.split("Events: ").nth(1).unwrap().split(". ").next().unwrap();
    let documented: BTreeSet<String> = quoted(list).map(ToOwned::to_owned).collect();
    assert_eq!(documented, events().into_keys().collect());
}

/// Controls: C-064.
#[test]
fn log_inventory_names_every_operator_event() {
    let text = document("SECURITY.md");
    let list = text.split("the events of operators: ").nth(1).unwrap().split(". ").next().unwrap();
    let documented: BTreeSet<&str> = quoted(list).collect();
    let sources = sources(&["infra/admin/src", "functions/help-desk/src"]);
    let written = sources.split("\"event\": \"").skip(1).map(|rest| rest.split('"').next().unwrap());
    assert_eq!(documented, written.collect());
}

/// Keywords of the query language.
const LANGUAGE: &[&str] = &[
    "filter",
    "stats",
    "sort",
    "limit",
    "by",
    "as",
    "in",
    "and",
    "or",
    "desc",
    "count",
    "count_distinct",
    "sum",
    "latest",
    "sortsLast",
    "bin",
    "@timestamp",
];

/// Controls: C-065.
#[test]
fn runbook_queries_use_logged_events_and_fields() {
    let template = Template::from_project().unwrap();
    let events = events();
    let mut fields: BTreeSet<String> = events.values().flatten().cloned().collect();
    let access =
        text(&template.document.resource("Api")["Properties"]["AccessLogSettings"]["Format"]).unwrap();
    fields
        .extend(access.split('"').filter(|word| !word.contains(['$', ':', '{', ','])).map(ToOwned::to_owned));
    let runbooks = document("infra/security/runbooks.md");
    // Fenced blocks inside list items are indented, so a fence need not begin a line.
    let queries: Vec<&str> =
        runbooks.split("<<'query'\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let queries: Vec<&str> =
        queries.into_iter().filter(|query| query.contains("| stats") || query.contains("stats ")).collect();
    assert!(queries.len() >= 10, "{}", queries.len());
    for query in queries {
        let mut words = BTreeSet::new();
        for (at, part) in query.split('"').enumerate() {
            if at % 2 == 1 {
                let known = events.contains_key(part) || VALUES.contains(&part);
                assert!(known, "{part} is never logged: {query}");
            } else {
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '@';
                words.extend(part.split(|c: char| !is_part(c)).filter(|word| !word.is_empty()));
            }
        }
        let named: BTreeSet<&str> =
            query.split(" as ").skip(1).filter_map(|rest| rest.split([',', ' ', '\n']).next()).collect();
        for word in words {
            let known = LANGUAGE.contains(&word)
                || word == "query"
                || named.contains(word)
                || word.starts_with(|c: char| c.is_ascii_digit())
                || fields.contains(word);
            assert!(known, "{word} is no field: {query}");
        }
    }
}

/// Values of `kind`, `outcome` and `reason` that queries search for; each occurs in `delivery`.
const VALUES: &[&str] = &["code", "reconcile", "retry", "refused", "the message can't be opened"];

/// Controls: C-065.
#[test]
fn runbook_query_values_exist_in_delivery() {
    let delivery = sources(&["functions/delivery/src"]);
    for value in VALUES {
        assert!(delivery.contains(&format!("\"{value}\"")), "{value}");
    }
}

/// The profiles are valid settings, with the properties that their names promise.
/// Controls: C-019.
#[test]
fn documented_profiles_are_valid_settings() {
    let statement = document("infra/security/nist-800-63b-4.md");
    let template = Template::from_project().unwrap();
    let profiles: Vec<Settings> = blocks(&statement, "env")
        .into_iter()
        .map(|block| {
            let pairs: Vec<(String, String)> = block
                .lines()
                .map(|line| line.split_once('=').unwrap())
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            for (name, _) in &pairs {
                assert!(template.document.parameters().contains_key(&parameter_of(name)), "{name}");
            }
            Settings::from_pairs(pairs).unwrap()
        })
        .collect();
    let [recovery, strict] = &profiles[..] else { panic!("{} profiles", profiles.len()) };
    for profile in [recovery, strict] {
        assert!(profile.password.classes.is_empty() && profile.password.min >= 15);
        assert!(profile.methods.iter().all(|method| !method.is_phone()), "texts and calls are restricted");
    }
    assert_eq!((recovery.steps, &recovery.methods[..]), (2, &[Method::Email, Method::Totp][..]));
    let no_mail = [Method::Push, Method::Totp, Method::Passkey, Method::RecoveryCode];
    assert_eq!((strict.steps, &strict.methods[..]), (2, &no_mail[..]));
}

#[test]
fn document_links_resolve() {
    for (path, text) in documents() {
        let folder = root().join(&path).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let (file, anchor) =
                link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
            if link.starts_with("https://") {
                continue;
            }
            let target = if file.is_empty() { root().join(&path) } else { folder.join(file) };
            assert!(target.exists(), "{path}: {link}");
            if let Some(anchor) = anchor {
                let headings = fs::read_to_string(&target).unwrap();
                let slugs = headings
                    .lines()
                    .filter(|line| line.starts_with('#'))
                    .map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"));
                assert!(slugs.into_iter().any(|slug| slug == anchor), "{path}: {link}");
            }
        }
    }
}

#[test]
fn architecture_paths_exist() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let is_path = |word: &&str| {
        let is_word = |c: char| c.is_ascii_alphanumeric() || "/._-*".contains(c);
        word.chars().all(is_word)
            && (word.contains('/') || *word == "template.yaml")
            && !word.starts_with('/')
    };
    let paths: Vec<&str> = quoted(&text).filter(is_path).collect();
    assert!(paths.len() > 40, "{paths:?}");
    for path in paths {
        let path = path.trim_end_matches("/*");
        assert!(root().join(path).exists(), "{path}");
    }
}
