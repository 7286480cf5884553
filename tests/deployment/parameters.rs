//! `infra/guides/parameters.md` is generated from the parameters of template.yaml.

use std::fmt::Write as _;
use std::{env, fs};

use rekey_local::template::Template;
use rekey_local::template::document::{Value, items, text};

use crate::documents::document;
use crate::root;

const GUIDE: &str = "infra/guides/parameters.md";
const BEGIN: &str = "<!-- parameters:begin -->\n";
const UPDATE: &str =
    "REKEY_TEST_UPDATE=1 cargo nextest run --package rekey-tests --test deployment parameters::";

fn code(text: &str) -> String {
    if text.is_empty() { "–".to_owned() } else { format!("`{}`", text.replace('|', "\\|")) }
}

/// Returns what a deployment accepts: a list of values, or bounds.
fn accepted(parameter: &Value) -> String {
    let values: Vec<String> =
        items(&parameter["AllowedValues"]).filter_map(text).map(|value| code(&value)).collect();
    if !values.is_empty() {
        return values.join(", ");
    }
    let bound = |names: [&str; 2]| names.iter().find_map(|name| text(&parameter[*name]));
    let is_text = parameter["Type"] == "String";
    let unit = if is_text { " characters" } else { "" };
    match (bound(["MinValue", "MinLength"]), bound(["MaxValue", "MaxLength"])) {
        (Some(least), Some(most)) => format!("{least} to {most}{unit}"),
        (Some(least), None) => format!("at least {least}{unit}"),
        (None, Some(most)) => format!("at most {most}{unit}"),
        (None, None) => String::new(),
    }
}

fn table() -> String {
    let template = Template::from_project().unwrap().document;
    let parameters = template.parameters();
    let mut guide = String::new();
    for group in items(&template.metadata()["AWS::CloudFormation::Interface"]["ParameterGroups"]) {
        let title = text(&group["Label"]["default"]).unwrap();
        write!(guide, "\n## {title}\n\n| parameter | default | accepted | meaning |\n|---|---|---|---|\n")
            .unwrap();
        for name in items(&group["Parameters"]).filter_map(text) {
            let parameter = parameters[&name];
            let default = match text(&parameter["Default"]) {
                Some(default) => code(&default),
                None => "required".to_owned(),
            };
            let meaning = text(&parameter["Description"]).unwrap().replace('|', "\\|");
            writeln!(guide, "| `{name}` | {default} | {} | {meaning} |", accepted(parameter)).unwrap();
        }
    }
    guide
}

/// With `REKEY_TEST_UPDATE`, the test writes the guide instead.
#[test]
fn guide_lists_every_parameter_of_the_template() {
    let guide = document(GUIDE);
    let (head, _) = guide.split_once(BEGIN).unwrap();
    assert!(head.contains(UPDATE), "{GUIDE} names another command");
    let expected = format!("{head}{BEGIN}{}", table());
    if env::var_os("REKEY_TEST_UPDATE").is_some() {
        fs::write(root().join(GUIDE), expected).unwrap();
        return;
    }
    assert!(guide == expected, "{GUIDE} differs from template.yaml. This command writes it again:\n{UPDATE}");
}
