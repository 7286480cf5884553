//! `rekey config check`: every error in the parameters at once.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use shared::settings::Settings;

use crate::cli::Global;
use crate::deployment;
use crate::outcome::{Outcome, Problem};
use crate::output::Output;

pub(super) async fn check(global: &Global, file: Option<&Path>, output: &Output) -> Result<Outcome, Problem> {
    let (source, pairs) = match file {
        Some(file) => (file.display().to_string(), read(file)?),
        None if global.local.is_some() || global.stack.is_some() => {
            ("the deployment".to_owned(), deployment::variables(global).await?)
        }
        None => ("the environment".to_owned(), std::env::vars().collect()),
    };
    let given = pairs.keys().filter(|name| name.starts_with("REKEY_")).count();
    let errors = Settings::from_pairs(pairs).err().map(|errors| errors.0).unwrap_or_default();
    if output.is_json() {
        output.json(&json!({ "source": source, "parameters": given, "errors": errors }));
    } else if errors.is_empty() {
        output.line(format!("{source}: {given} parameters, no error."));
    } else {
        for error in &errors {
            output.line(error);
        }
        output.line(format!("{source}: {} errors in {given} parameters.", errors.len()));
    }
    Ok(if errors.is_empty() { Outcome::Done } else { Outcome::Incomplete })
}

/// Reads a file of parameters.
fn read(file: &Path) -> Result<BTreeMap<String, String>, Problem> {
    let name = file.display();
    let text = fs::read_to_string(file)
        .map_err(|error| Problem::usage(format!("{name}: can't be read: {error}. Check the path")))?;
    let pairs = match serde_json::from_str(&text) {
        Ok(document) => of_json(&document),
        Err(_) => of_lines(&text),
    };
    pairs.map_err(|why| Problem::usage(format!("{name}: {why}")))
}

/// Reads an object of parameters, or a list as `aws cloudformation` takes it.
fn of_json(document: &Value) -> Result<BTreeMap<String, String>, String> {
    const FORM: &str = "not an object of parameters, and no list of ParameterKey and ParameterValue";
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let pairs: Option<Vec<(String, String)>> = match document {
        Value::Object(object) => {
            object.iter().map(|(name, value)| Some((name.clone(), text(value)?))).collect()
        }
        Value::Array(list) => list
            .iter()
            .map(|one| Some((one["ParameterKey"].as_str()?.to_owned(), text(&one["ParameterValue"])?)))
            .collect(),
        _ => None,
    };
    let pairs = pairs.ok_or(FORM)?;
    Ok(pairs.into_iter().map(|(name, value)| (variable(&name), value)).collect())
}

/// Reads lines such as `REKEY_STEPS=1`, as a shell exports them.
fn of_lines(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut pairs = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) =
            line.split_once('=').ok_or_else(|| format!("row {number}: not NAME=value. Correct it"))?;
        let value = value.trim();
        let quoted = |sign| value.strip_prefix(sign).and_then(|rest: &str| rest.strip_suffix(sign));
        pairs.insert(variable(name.trim()), quoted('"').or_else(|| quoted('\'')).unwrap_or(value).to_owned());
    }
    Ok(pairs)
}

/// Returns the variable of a parameter of template.yaml: `RekeySteps` is `REKEY_STEPS`.
fn variable(name: &str) -> String {
    if !name.starts_with("Rekey") {
        return name.to_owned();
    }
    let mut variable = String::with_capacity(name.len() + 8);
    let mut before = '_';
    for c in name.chars() {
        if c.is_ascii_uppercase() && before != '_' {
            variable.push('_');
        }
        variable.push(c.to_ascii_uppercase());
        before = c;
    }
    variable
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn parameters_are_read_in_every_form() {
        let wanted = pairs(&[("REKEY_STEPS", "1"), ("REKEY_ORGANISATION", "Universiti Contoh")]);
        let lines = "# parameters\nexport REKEY_STEPS=1\n\nREKEY_ORGANISATION='Universiti Contoh'\n";
        assert_eq!(of_lines(lines).unwrap(), wanted);
        let object = json!({ "RekeySteps": 1, "RekeyOrganisation": "Universiti Contoh" });
        assert_eq!(of_json(&object).unwrap(), wanted);
        let list = json!([
            { "ParameterKey": "RekeySteps", "ParameterValue": "1" },
            { "ParameterKey": "RekeyOrganisation", "ParameterValue": "Universiti Contoh" },
        ]);
        assert_eq!(of_json(&list).unwrap(), wanted);
        assert!(of_lines("REKEY_STEPS").unwrap_err().starts_with("row 1"));
        assert!(of_json(&json!("x")).is_err());
    }

    #[test]
    fn names_of_the_template_become_variables() {
        assert_eq!(variable("RekeySendsPerHour"), "REKEY_SENDS_PER_HOUR");
        assert_eq!(variable("Architecture"), "Architecture");
    }
}
