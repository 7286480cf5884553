//! Parses template.yaml for the tests.
//!
//! AWS's short tags stay in the YAML value. So `!Ref X` and `!GetAtt X.Arn` both count as a reference to X.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_yaml_ng::Value;

/// Returns the workspace's root folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// An `Allow` statement of a role.
pub struct Statement {
    pub actions: BTreeSet<String>,
    /// The values of `Resource` or `NotResource`, as text.
    pub resources: Vec<String>,
    /// False for `NotResource`, which means everything but these.
    pub positive: bool,
    /// The item attributes that a condition permits, if there is one.
    pub attributes: Option<BTreeSet<String>>,
    /// Whether a read must name its attributes (`dynamodb:Select`).
    pub selects: bool,
}

/// A Lambda function of the template.
pub struct Function {
    /// The crate (`BuildProperties.Binary`).
    pub name: String,
    pub properties: Value,
    /// The function's own variables: name and referenced resource.
    pub variables: BTreeMap<String, String>,
    pub statements: Vec<Statement>,
    /// HTTP API events as `(method, path)`; `$default` is `("ANY", "$default")`.
    pub routes: Vec<(String, String)>,
    /// The queues that it consumes, by logical id.
    pub queues: Vec<String>,
}

pub struct Template(Value);

impl Template {
    pub fn read() -> Self {
        let text = fs::read_to_string(root().join("template.yaml")).unwrap();
        Self(serde_yaml_ng::from_str(&text).unwrap())
    }

    pub fn parameters(&self) -> BTreeMap<String, &Value> {
        entries(&self.0["Parameters"])
    }

    /// Returns the environment of every function: name, and the referenced parameter or fixed value.
    pub fn common_variables(&self) -> BTreeMap<String, String> {
        variables(self.globals())
    }

    pub fn globals(&self) -> &Value {
        &self.0["Globals"]["Function"]
    }

    /// Returns the resources of a type by logical id.
    pub fn of_type(&self, kind: &str) -> BTreeMap<String, &Value> {
        entries(&self.0["Resources"]).into_iter().filter(|(_, r)| r["Type"] == kind).collect()
    }

    pub fn resource(&self, name: &str) -> &Value {
        &self.0["Resources"][name]
    }

    pub fn functions(&self) -> Vec<Function> {
        self.of_type("AWS::Serverless::Function").values().map(|resource| self.function(resource)).collect()
    }

    fn function(&self, resource: &Value) -> Function {
        let properties = &resource["Properties"];
        let role = self.resource(&target(&properties["Role"]));
        let events = || entries(&properties["Events"]).into_values();
        Function {
            name: text(&resource["Metadata"]["BuildProperties"]["Binary"]),
            properties: properties.clone(),
            variables: variables(properties),
            statements: statements(role),
            routes: events().filter(|e| e["Type"] == "HttpApi").map(|e| route(&e["Properties"])).collect(),
            queues: events()
                .filter(|e| e["Type"] == "SQS")
                .map(|e| target(&e["Properties"]["Queue"]))
                .collect(),
        }
    }
}

fn route(event: &Value) -> (String, String) {
    match event.get("Path") {
        Some(path) => (text(&event["Method"]), text(path)),
        None => ("ANY".into(), "$default".into()),
    }
}

fn statements(role: &Value) -> Vec<Statement> {
    list(&role["Properties"]["Policies"])
        .iter()
        .flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]))
        .map(|statement| {
            assert_eq!(statement["Effect"], "Allow", "a role of this template only allows");
            let resource = statement.get("Resource");
            let condition = &statement["Condition"];
            let bound = &condition["ForAllValues:StringEquals"]["dynamodb:Attributes"];
            Statement {
                actions: list(&statement["Action"]).iter().map(text).collect(),
                resources: list(resource.unwrap_or(&statement["NotResource"])).iter().map(target).collect(),
                positive: resource.is_some(),
                attributes: (!bound.is_null()).then(|| list(bound).iter().map(text).collect()),
                selects: condition["StringEquals"]["dynamodb:Select"] == "SPECIFIC_ATTRIBUTES",
            }
        })
        .collect()
}

fn variables(properties: &Value) -> BTreeMap<String, String> {
    entries(&properties["Environment"]["Variables"])
        .into_iter()
        .map(|(name, value)| (name, target(value)))
        .collect()
}

/// Returns the target of a reference: X for `!Ref X` and `!GetAtt X.Arn`, else the text of the value.
pub fn target(value: &Value) -> String {
    match value {
        Value::Tagged(tagged) if tagged.tag == "GetAtt" => {
            text(&tagged.value).split('.').next().unwrap_or_default().to_owned()
        }
        Value::Tagged(tagged) => target(&tagged.value),
        other => text(other),
    }
}

/// Returns a scalar as text.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Tagged(tagged) => text(&tagged.value),
        other => panic!("expected a scalar, found {other:?}"),
    }
}

/// Returns a sequence, or a single value as a sequence of one, as AWS reads it.
pub fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Sequence(items) => items.clone(),
        single => vec![single.clone()],
    }
}

fn entries(value: &Value) -> BTreeMap<String, &Value> {
    value.as_mapping().map(|map| map.iter().map(|(k, v)| (text(k), v)).collect()).unwrap_or_default()
}
