//! Reads a SAM template as YAML: parameters, resources, references and text.
//!
//! Short tags (`!Ref`, `!GetAtt`, `!Sub`, `!If`) stay in the values, as [`Value::Tagged`].

use std::collections::BTreeMap;
use std::slice;

pub use serde_yaml_ng::Value;
use serde_yaml_ng::value::TaggedValue;

/// A parsed template.
#[derive(Debug, Default, Clone)]
pub struct Document(Value);

impl Document {
    /// Parses a template.
    ///
    /// # Errors
    /// The parser's message, in one line.
    pub fn parse(yaml: &str) -> Result<Self, String> {
        serde_yaml_ng::from_str(yaml).map(Self).map_err(|error| error.to_string().replace('\n', " "))
    }

    /// Returns the parameters of the stack by name.
    pub fn parameters(&self) -> BTreeMap<String, &Value> {
        entries(&self.0["Parameters"]).collect()
    }

    /// Returns what the template says about itself (`Metadata`).
    pub fn metadata(&self) -> &Value {
        &self.0["Metadata"]
    }

    /// Returns the properties that all functions inherit (`Globals`).
    pub fn globals(&self) -> &Value {
        &self.0["Globals"]["Function"]
    }

    /// Returns every resource with its logical id, in the order of the template.
    pub fn resources(&self) -> impl Iterator<Item = (String, &Value)> {
        entries(&self.0["Resources"])
    }

    /// Returns the resources of a type by logical id.
    pub fn of_type(&self, kind: &str) -> BTreeMap<String, &Value> {
        self.resources().filter(|(_, resource)| resource["Type"] == kind).collect()
    }

    /// Returns a resource by its logical id; [`Value::Null`] if there is none.
    pub fn resource(&self, id: &str) -> &Value {
        &self.0["Resources"][id]
    }
}

/// Returns the entries of a mapping; none for other values.
pub fn entries(value: &Value) -> impl Iterator<Item = (String, &Value)> {
    value.as_mapping().into_iter().flatten().filter_map(|(key, value)| Some((text(key)?, value)))
}

/// Returns the items of a sequence, or a single value as one item, as AWS reads it. Null has no items. A tagged
/// sequence (`!If [...]`) is a single value, unlike for [`Value::as_sequence`].
pub fn items(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Null => [].iter(),
        Value::Sequence(items) => items.iter(),
        single => slice::from_ref(single).iter(),
    }
}

/// Returns a scalar as text, also behind a tag (`!Sub`).
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Tagged(tagged) => text(&tagged.value),
        _ => None,
    }
}

/// Returns the logical id or parameter in `!Ref X` or `!GetAtt X.Arn`. A reference that exists only under a condition
/// (`!If [C, !Ref X, !Ref 'AWS::NoValue']`) is read as if the condition held.
pub fn reference(value: &Value) -> Option<String> {
    let Value::Tagged(tagged) = held(value) else { return None };
    let TaggedValue { tag, value } = tagged.as_ref();
    let target = value.as_str()?;
    if tag == "!Ref" {
        Some(target.to_owned())
    } else if tag == "!GetAtt" {
        target.split('.').next().map(str::to_owned)
    } else {
        None
    }
}

/// Returns the target of a reference, or the text of another scalar, each also under a condition.
pub fn target(value: &Value) -> Option<String> {
    reference(value).or_else(|| text(held(value)))
}

/// Returns what `!If [C, X, !Ref 'AWS::NoValue']` is if its condition holds; any other value itself.
fn held(value: &Value) -> &Value {
    let Value::Tagged(tagged) = value else { return value };
    match tagged.value.as_sequence().map(Vec::as_slice) {
        Some([_, then, Value::Tagged(otherwise)])
            if tagged.tag == "!If" && otherwise.tag == "!Ref" && otherwise.value == "AWS::NoValue" =>
        {
            then
        }
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "
        Parameters: {Stage: {Default: 7}}
        Globals: {Function: {Runtime: x}}
        Resources:
          B: {Type: T, One: !Ref X, Two: !GetAtt X.Arn, Three: !Sub 'a/${X}', Four: !If [C, 1, 2], Five: true,
              Six: !If [C, !Ref X, !Ref 'AWS::NoValue'], Seven: !If [C, !Sub 'a/${X}', !Ref 'AWS::NoValue']}
          A: {Type: U, List: [1, b], Single: c}";

    #[test]
    fn parameters_globals_and_resources_are_found() {
        let document = Document::parse(YAML).unwrap();
        assert_eq!(text(&document.parameters()["Stage"]["Default"]).as_deref(), Some("7"));
        assert_eq!(document.globals()["Runtime"], "x");
        assert_eq!(document.resources().map(|(id, _)| id).collect::<Vec<_>>(), ["B", "A"]);
        assert_eq!(document.of_type("U").into_keys().collect::<Vec<_>>(), ["A"]);
        assert!(document.resource("C").is_null());
        assert!(Document::parse("a: [").is_err_and(|error| !error.contains('\n')));
    }

    #[test]
    fn references_and_text_are_told_apart() {
        let document = Document::parse(YAML).unwrap();
        let of = |name: &str| {
            let value = &document.resource("B")[name];
            [reference(value), text(value), target(value)].map(Option::unwrap_or_default)
        };
        assert_eq!(of("One"), ["X", "X", "X"]);
        assert_eq!(of("Two"), ["X", "X.Arn", "X"]);
        assert_eq!(of("Three"), ["", "a/${X}", "a/${X}"]);
        assert_eq!(of("Four"), ["", "", ""]);
        assert_eq!(of("Five"), ["", "true", "true"]);
        assert_eq!(of("Six"), ["X", "", "X"]);
        assert_eq!(of("Seven"), ["", "", "a/${X}"]);
    }

    #[test]
    fn single_value_counts_as_sequence_of_one() {
        let document = Document::parse(YAML).unwrap();
        let count = |name: &str| items(&document.resource("A")[name]).count();
        assert_eq!([count("List"), count("Single"), count("None")], [2, 1, 0]);
        assert_eq!(items(&document.resource("B")["Four"]).count(), 1);
    }
}
