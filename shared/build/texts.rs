//! Converts locales to Rust. English determines the types; every language becomes a constant of them.
//!
//! The build fails if a language lacks a text, has an additional one, an empty one, or other placeholders
//! than English. To add a text, add it to every locale; code uses it as a field.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value};

type Object = Map<String, Value>;

/// The objects whose keys are identifiers of Rekey: methods, kinds, codes. Their entries have one type and
/// are looked up by key. A missing text of an entry is empty.
const TABLES: [&str; 9] =
    ["criteria", "events", "fields", "kinds", "mail_failure", "methods", "problems", "refused", "sends"];

/// The sections that only some languages have.
const OPTIONAL: [&str; 1] = ["speech"];

const ENGLISH: &str = "en";

/// The type of all texts of a language, and the suffix of the types in it.
const ROOT: &str = "Texts";

/// Returns the Rust source for locales by their tags.
pub(crate) fn generate(locales: &BTreeMap<String, Value>) -> Result<String, String> {
    let object = |tag: &str| match locales.get(tag) {
        Some(Value::Object(object)) => Ok(object),
        _ => Err(format!("{tag} is not an object of texts")),
    };
    let english = object(ENGLISH)?;
    let mut out = String::new();
    declare(ROOT, "", english, &mut out)?;
    let mut arms = String::new();
    for tag in locales.keys() {
        let locale = object(tag)?;
        compare(english, locale, "").map_err(|error| format!("{tag}: {error}"))?;
        let name = constant(tag);
        let mut sections = String::new();
        let literal = literal(ROOT, &name, english, locale, &mut sections)?;
        let _ = writeln!(out, "{sections}static {name}: {ROOT} = {literal};");
        if tag != ENGLISH {
            let _ = writeln!(arms, "            {tag:?} => &{name},");
        }
    }
    let _ = writeln!(
        out,
        "impl {ROOT} {{\n    pub(crate) fn of(language: Language) -> &'static Self {{\n        \
         match language.tag() {{\n{arms}            _ => &{},\n        }}\n    }}\n}}",
        constant(ENGLISH)
    );
    Ok(out)
}

/// Writes the type `name` of `object`, which is at `key`, and the types of the objects in it.
fn declare(name: &str, key: &str, object: &Object, out: &mut String) -> Result<(), String> {
    let mut fields = String::new();
    let mut inner = BTreeMap::new();
    for (field, value) in object {
        let is_optional = OPTIONAL.contains(&field.as_str());
        let of = match value {
            Value::String(_) => "Text".to_owned(),
            Value::Array(_) => "&'static [Text]".to_owned(),
            Value::Object(_) => {
                let of = type_of(name, key, field, object);
                inner.entry(of.clone()).or_insert((field, entry(key, value, object)?));
                if is_optional { format!("Option<&'static {of}>") } else { of }
            }
            _ => return Err(format!("{field} is neither a text nor texts")),
        };
        let _ = writeln!(fields, "    pub(crate) {}: {of},", snake(field));
    }
    let _ = writeln!(out, "pub(crate) struct {name} {{\n{fields}}}");
    if TABLES.contains(&key) {
        look_up(name, object, out);
    }
    for (name, (field, object)) in inner {
        declare(&name, field, &object, out)?;
    }
    Ok(())
}

/// Writes the look-up of a table's entry. The texts of an unknown key are empty.
fn look_up(name: &str, table: &Object, out: &mut String) {
    let entries = entries_of(table);
    let mut arms = String::new();
    for (key, _) in table.iter().filter(|(_, value)| value.is_object() != entries.is_empty()) {
        let _ = writeln!(arms, "            {key:?} => &self.{},", snake(key));
    }
    let entry = name.strip_suffix(ROOT).unwrap_or(name);
    let (of, nothing) = if entries.is_empty() {
        ("Text".to_owned(), text(None))
    } else {
        let fields: Vec<String> =
            entries.keys().map(|field| format!("{}: {}", snake(field), text(None))).collect();
        (format!("{entry}Entry"), format!("{entry}Entry {{ {} }}", fields.join(", ")))
    };
    let _ = writeln!(
        out,
        "impl {name} {{\n    pub(crate) fn of(&self, key: &str) -> &{of} {{\n        \
         static NOTHING: {of} = {nothing};\n        match key {{\n{arms}            _ => &NOTHING,\n        \
         }}\n    }}\n}}"
    );
}

/// Returns the type of the object at `field` of `parent`. Sibling objects with the same keys share one type.
fn type_of(parent: &str, parent_key: &str, field: &str, siblings: &Object) -> String {
    let parent = parent.strip_suffix(ROOT).unwrap_or(parent);
    if TABLES.contains(&parent_key) {
        return format!("{parent}Entry");
    }
    let keys = |value: &Value| value.as_object().map(|object| object.keys().cloned().collect::<Vec<_>>());
    let own = siblings.get(field).and_then(keys);
    let first = siblings.iter().find(|(_, value)| keys(value) == own).map_or(field, |(name, _)| name);
    format!("{parent}{}{ROOT}", pascal(first))
}

/// Returns the keys of all entries of a table, if those are objects.
fn entries_of(table: &Object) -> Object {
    let entries = table.values().filter_map(Value::as_object).flatten();
    entries.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Returns the keys of an object; for an entry of a table, those of all entries.
fn entry(parent_key: &str, value: &Value, siblings: &Object) -> Result<Object, String> {
    let own = value.as_object().cloned().unwrap_or_default();
    if !TABLES.contains(&parent_key) {
        return Ok(own);
    }
    let all = entries_of(siblings);
    if all.values().all(Value::is_string) { Ok(all) } else { Err(format!("{parent_key}: texts only")) }
}

/// Returns the value of type `name` with the texts of `locale`. Optional sections become separate constants,
/// whose names begin with `prefix`.
fn literal(
    name: &str,
    prefix: &str,
    english: &Object,
    locale: &Object,
    sections: &mut String,
) -> Result<String, String> {
    write_object(name, "", english, locale, &mut |field, of, value| {
        let section = format!("{prefix}_{}", field.to_uppercase());
        let _ = writeln!(sections, "static {section}: {of} = {value};");
        format!("Some(&{section})")
    })
}

fn write_object(
    name: &str,
    key: &str,
    shape: &Object,
    texts: &Object,
    section: &mut impl FnMut(&str, &str, &str) -> String,
) -> Result<String, String> {
    let mut out = format!("{name} {{ ");
    for (field, value) in shape {
        let own = texts.get(field);
        let written = match (value, own) {
            (Value::Object(_), None) => "None".to_owned(),
            (Value::Object(_), Some(Value::Object(own))) => {
                let of = type_of(name, key, field, shape);
                let inner = write_object(&of, field, &entry(key, value, shape)?, own, section)?;
                if OPTIONAL.contains(&field.as_str()) { section(field, &of, &inner) } else { inner }
            }
            (Value::Array(_), Some(Value::Array(forms))) => {
                let forms: Vec<String> = forms.iter().map(|form| text(form.as_str())).collect();
                format!("&[{}]", forms.join(", "))
            }
            (_, own) => text(own.and_then(Value::as_str)),
        };
        let _ = write!(out, "{}: {written}, ", snake(field));
    }
    out.push('}');
    Ok(out)
}

fn text(text: Option<&str>) -> String {
    format!("Text({:?})", text.unwrap_or_default())
}

/// Checks that a locale has exactly the texts of the English one.
fn compare(english: &Object, locale: &Object, path: &str) -> Result<(), String> {
    if let Some(unknown) = locale.keys().find(|key| !english.contains_key(*key)) {
        return Err(format!("{path}{unknown} is not an English text"));
    }
    for (key, value) in english {
        let path = format!("{path}{key}");
        match (value, locale.get(key)) {
            (Value::Object(_), None) if OPTIONAL.contains(&key.as_str()) => {}
            (Value::Object(english), Some(Value::Object(own))) => compare(english, own, &format!("{path}."))?,
            (Value::Array(english), Some(Value::Array(own))) => compare_forms(english, own, &path)?,
            (Value::String(_), Some(own)) => {
                if placeholders(value, &path)? != placeholders(own, &path)? {
                    return Err(format!("{path} has other placeholders than in English"));
                }
            }
            _ => return Err(format!("{path} is missing or has another form than in English")),
        }
    }
    Ok(())
}

/// Checks the forms of one text, the longest first. The last form has the required placeholders.
fn compare_forms(english: &[Value], own: &[Value], path: &str) -> Result<(), String> {
    let of = |form: Option<&Value>| placeholders(form.unwrap_or(&Value::Null), path);
    let mut known = BTreeSet::new();
    for form in english {
        known.extend(of(Some(form))?);
    }
    for form in own {
        if !of(Some(form))?.is_subset(&known) {
            return Err(format!("{path} has a placeholder that English has not"));
        }
    }
    if of(english.last())? == of(own.last())? {
        Ok(())
    } else {
        Err(format!("{path} has other placeholders than in English"))
    }
}

/// Returns the placeholders of a text, which must not be empty.
fn placeholders(text: &Value, path: &str) -> Result<BTreeSet<String>, String> {
    let text = text.as_str().filter(|text| !text.trim().is_empty()).ok_or(format!("{path} is not a text"))?;
    let name = |rest: &str| rest.split_once('}').map(|(name, _)| name.to_owned());
    text.split('{')
        .skip(1)
        .map(|rest| name(rest).ok_or(format!("{path} has a placeholder that never ends")))
        .collect()
}

fn snake(key: &str) -> String {
    key.replace('-', "_")
}

fn constant(tag: &str) -> String {
    snake(tag).to_uppercase()
}

fn pascal(key: &str) -> String {
    let mut name = String::new();
    for word in key.split(['-', '_']) {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}
