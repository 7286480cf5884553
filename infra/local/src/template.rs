//! Parses template.yaml: routes, tables, queues, secrets, environments and roles, so that the local environment
//! matches.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use serde_yaml_ng::Value;
use serde_yaml_ng::value::TaggedValue;

use crate::failure::Failure;

/// The template at build time.
const TEMPLATE: &str = include_str!("../../../template.yaml");

/// The parts of the template that the local environment uses.
#[derive(Debug, Default, Clone)]
pub struct Template {
    /// Every route of the HTTP API.
    pub routes: Vec<Route>,
    /// `AWS::DynamoDB::Table`, by logical id.
    pub tables: BTreeMap<String, Table>,
    /// `AWS::SQS::Queue`, by logical id.
    pub queues: BTreeMap<String, QueueSettings>,
    /// `AWS::SecretsManager::Secret`, by logical id.
    pub secrets: BTreeMap<String, SecretSettings>,
    /// Every function, by the name of its crate.
    pub functions: BTreeMap<String, Function>,
    /// The event source mappings of queues.
    pub consumers: Vec<Consumer>,
}

/// A function's resources and permissions.
#[derive(Debug, Default, Clone)]
pub struct Function {
    /// Environment variables that name a table, queue or secret, with its logical id.
    pub variables: BTreeMap<String, String>,
    /// The statements of its role.
    pub role: Vec<Grant>,
}

/// A statement of a role that allows these actions on these resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// IAM actions such as `dynamodb:PutItem`, without wildcards.
    pub actions: Vec<String>,
    /// Logical ids, patterns of names that AWS generates (`!Sub`), or `*`.
    pub resources: Vec<String>,
    /// The attributes that a call may name, if a condition limits them (`dynamodb:Attributes`).
    pub attributes: Option<Vec<String>>,
    /// Whether a read must name its attributes (`dynamodb:Select`).
    pub selects: bool,
}

/// A route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The HTTP method, or `ANY`; `None` for `$default`.
    pub method: Option<String>,
    /// The path, or `$default`.
    pub path: String,
    /// The crate of the function.
    pub function: String,
}

/// A table, in the form of `CreateTable`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// `AttributeDefinitions`.
    pub attributes: Json,
    /// `KeySchema`.
    pub keys: Json,
    /// The TTL attribute, if items expire.
    pub ttl: Option<String>,
}

/// A queue's settings; omitted ones have SQS's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSettings {
    /// `VisibilityTimeout`, in seconds.
    pub visibility: u32,
    /// `MessageRetentionPeriod`, in seconds.
    pub retention: u32,
    /// `DelaySeconds`.
    pub delay: u32,
    /// The dead-letter queue's logical id, and `maxReceiveCount`.
    pub redrive: Option<(String, u32)>,
}

/// How the initial value of a secret is generated (`GenerateSecretString`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretSettings {
    /// `SecretStringTemplate`: the JSON object that gets the generated text.
    pub template: Json,
    /// `GenerateStringKey`: the member for the generated text.
    pub key: String,
    /// `PasswordLength`, in characters.
    pub length: usize,
}

/// An event source mapping of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// The crate of the function.
    pub function: String,
    /// The queue's logical id.
    pub queue: String,
    /// `BatchSize`: maximum messages per invocation.
    pub batch: usize,
}

impl Template {
    /// Parses the project's own template.
    ///
    /// # Errors
    /// [`Failure`] if it lacks something that the local environment needs.
    pub fn from_project() -> Result<Self, Failure> {
        Self::parse(TEMPLATE)
    }

    /// Parses a template.
    ///
    /// # Errors
    /// [`Failure`] with every resource that can't be parsed.
    pub fn parse(yaml: &str) -> Result<Self, Failure> {
        let document: Value = serde_yaml_ng::from_str(yaml)
            .map_err(|error| Failure::new(format!("template.yaml: {}", one_line(&error))))?;
        let resources = &document["Resources"];
        let mut template = Self::default();
        let mut errors = Vec::new();
        for (id, resource) in mapping(resources) {
            if let Err(why) = template.take(id, resource, resources) {
                errors.push(format!("template.yaml: {id}: {why}"));
            }
        }
        let Self { tables, queues, secrets, functions, .. } = &mut template;
        for function in functions.values_mut() {
            function.variables.retain(|_, id| {
                tables.contains_key(id) || queues.contains_key(id) || secrets.contains_key(id)
            });
        }
        if errors.is_empty() { Ok(template) } else { Err(Failure::all(errors)) }
    }

    /// Returns the logical id that a function gets in an environment variable.
    pub fn resource_of(&self, function: &str, variable: &str) -> Option<&str> {
        self.functions.get(function)?.variables.get(variable).map(String::as_str)
    }

    /// Returns the logical id of an environment variable; it is the same in every function that has it.
    pub fn resource(&self, variable: &str) -> Option<&str> {
        self.functions.values().find_map(|function| function.variables.get(variable)).map(String::as_str)
    }

    fn take(&mut self, id: &str, resource: &Value, resources: &Value) -> Result<(), &'static str> {
        let properties = &resource["Properties"];
        match text(&resource["Type"]) {
            Some("AWS::Serverless::Function") => self.take_function(resource, resources)?,
            Some("AWS::DynamoDB::Table") => {
                let table = Table {
                    attributes: as_json(&properties["AttributeDefinitions"])
                        .ok_or("AttributeDefinitions is missing")?,
                    keys: as_json(&properties["KeySchema"]).ok_or("KeySchema is missing")?,
                    ttl: text(&properties["TimeToLiveSpecification"]["AttributeName"]).map(str::to_owned),
                };
                self.tables.insert(id.to_owned(), table);
            }
            Some("AWS::SQS::Queue") => {
                let redrive = &properties["RedrivePolicy"];
                let settings = QueueSettings {
                    visibility: number(&properties["VisibilityTimeout"]).unwrap_or(30),
                    retention: number(&properties["MessageRetentionPeriod"]).unwrap_or(345_600),
                    delay: number(&properties["DelaySeconds"]).unwrap_or(0),
                    redrive: reference(&redrive["deadLetterTargetArn"])
                        .zip(number(&redrive["maxReceiveCount"])),
                };
                self.queues.insert(id.to_owned(), settings);
            }
            Some("AWS::SecretsManager::Secret") => {
                let generate = &properties["GenerateSecretString"];
                let template = text(&generate["SecretStringTemplate"]).unwrap_or("{}");
                let settings = SecretSettings {
                    template: serde_json::from_str(template)
                        .map_err(|_| "SecretStringTemplate is not JSON")?,
                    key: text(&generate["GenerateStringKey"])
                        .ok_or("GenerateStringKey is missing")?
                        .to_owned(),
                    length: number(&generate["PasswordLength"]).unwrap_or(32) as usize,
                };
                self.secrets.insert(id.to_owned(), settings);
            }
            _ => {}
        }
        Ok(())
    }

    fn take_function(&mut self, resource: &Value, resources: &Value) -> Result<(), &'static str> {
        let function = text(&resource["Metadata"]["BuildProperties"]["Binary"])
            .ok_or("Metadata.BuildProperties.Binary is missing")?;
        let properties = &resource["Properties"];
        let variables = mapping(&properties["Environment"]["Variables"])
            .filter_map(|(name, value)| Some((name.to_owned(), reference(value)?)))
            .collect();
        let role = reference(&properties["Role"]).ok_or("Role is missing")?;
        let role = grants(&resources[role.as_str()])?;
        self.functions.insert(function.to_owned(), Function { variables, role });
        for (_, event) in mapping(&properties["Events"]) {
            let event_properties = &event["Properties"];
            match text(&event["Type"]) {
                Some("HttpApi") => self.routes.push(route(function, event_properties)),
                Some("SQS") => self.consumers.push(Consumer {
                    function: function.to_owned(),
                    queue: reference(&event_properties["Queue"]).ok_or("an event has no Queue")?,
                    batch: number(&event_properties["BatchSize"]).unwrap_or(10) as usize,
                }),
                _ => {
                    return Err(
                        "an event is neither HttpApi nor SQS; the local environment has no other kind",
                    );
                }
            }
        }
        Ok(())
    }
}

/// An `HttpApi` event without method and path is the `$default` route (SAM's rule).
fn route(function: &str, properties: &Value) -> Route {
    let path = text(&properties["Path"]).unwrap_or("$default").to_owned();
    let method = text(&properties["Method"]).unwrap_or("ANY").to_ascii_uppercase();
    Route {
        method: (path != "$default").then_some(method),
        path: if path == "/$default" { "$default".to_owned() } else { path },
        function: function.to_owned(),
    }
}

/// Returns the statements of a role.
fn grants(role: &Value) -> Result<Vec<Grant>, &'static str> {
    let statements = items(&role["Properties"]["Policies"])
        .flat_map(|policy| items(&policy["PolicyDocument"]["Statement"]));
    let grant = |statement: &Value| {
        if text(&statement["Effect"]) != Some("Allow") {
            return Err("a statement of its role is no Allow; the local environment reads only these");
        }
        // Of `NotResource` only one fact matters here: it is no table, queue or secret.
        let resources = items(&statement["Resource"]).chain(items(&statement["NotResource"]));
        let bound = &statement["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"];
        let attributes = items(bound).filter_map(text).map(str::to_owned).collect();
        let select = &statement["Condition"]["StringEquals"]["dynamodb:Select"];
        Ok(Grant {
            selects: text(select) == Some("SPECIFIC_ATTRIBUTES"),
            attributes: (!bound.is_null()).then_some(attributes),
            actions: items(&statement["Action"]).filter_map(text).map(str::to_owned).collect(),
            resources: resources.filter_map(resource).collect(),
        })
    };
    statements.map(grant).collect()
}

/// Returns the items of a sequence, or a single value as one item, as AWS reads it.
fn items(value: &Value) -> impl Iterator<Item = &Value> {
    let single = (!value.is_null() && !value.is_sequence()).then_some(value);
    value.as_sequence().into_iter().flatten().chain(single)
}

/// Returns the resource of a statement: a logical id, a pattern of names that AWS generates, or `*`.
fn resource(value: &Value) -> Option<String> {
    reference(value).or_else(|| pattern(value)).or_else(|| text(value).map(str::to_owned))
}

/// Returns the text of `!Sub`.
fn pattern(value: &Value) -> Option<String> {
    let Value::Tagged(tagged) = value else { return None };
    text(&tagged.value).map(str::to_owned)
}

/// Returns the logical id in `!Ref X` or `!GetAtt X.Arn`.
fn reference(value: &Value) -> Option<String> {
    let Value::Tagged(tagged) = value else { return None };
    let TaggedValue { tag, value } = tagged.as_ref();
    let target = text(value)?;
    if tag == "!Ref" {
        Some(target.to_owned())
    } else if tag == "!GetAtt" {
        target.split('.').next().map(str::to_owned)
    } else {
        None
    }
}

fn mapping(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_mapping().into_iter().flatten().filter_map(|(key, value)| Some((key.as_str()?, value)))
}

fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| u32::try_from(number).ok())
}

/// Converts a list of plain mappings to JSON.
fn as_json(value: &Value) -> Option<Json> {
    let items = value.as_sequence()?.iter().map(|item| {
        let fields = mapping(item).filter_map(|(key, value)| Some((key.to_owned(), json!(text(value)?))));
        Json::Object(fields.collect())
    });
    Some(Json::Array(items.collect()))
}

fn one_line(error: &impl ToString) -> String {
    error.to_string().replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_template_is_parsed() {
        let template = Template::from_project().unwrap();
        let route = |method: &str, path: &str| {
            template.routes.iter().find(|r| r.method.as_deref() == Some(method) && r.path == path)
        };
        assert_eq!(route("POST", "/").unwrap().function, "captcha");
        assert_eq!(route("POST", "/code").unwrap().function, "code-verify");
        let default = template.routes.iter().find(|route| route.path == "$default").unwrap();
        assert_eq!((default.method.as_deref(), default.function.as_str()), (None, "captcha"));

        assert_eq!(template.tables["FlowsTable"].ttl.as_deref(), Some("ttl"));
        assert_eq!(template.resource_of("code-verify", "REKEY_TABLE_FLOWS"), Some("FlowsTable"));
        assert_eq!(
            template.resource_of("code-verify", "REKEY_QUEUE_MESSAGES"),
            None,
            "the function does not get it"
        );
        assert_eq!(template.resource("REKEY_QUEUE_MESSAGES"), Some("MessagesQueue"));
        assert_eq!(template.resource("REKEY_SECRET_SEEDS"), Some("SeedsSecret"));
        assert_eq!(template.resource("REKEY_STEPS"), None, "a parameter is no resource");
        let role = &template.functions["method-selection"].role;
        let reads = |grant: &&Grant| grant.actions.iter().any(|action| action == "dynamodb:GetItem");
        assert_eq!(role.iter().find(reads).unwrap().resources, ["FlowsTable"]);
        assert_eq!(template.secrets["FlowsSecret"].length, 64);
        let (dead_letters, receives) = template.queues["MessagesQueue"].redrive.clone().unwrap();
        assert!(template.queues.contains_key(&dead_letters) && receives > 1);
        assert_eq!(template.consumers[0].function, "delivery");
        assert_eq!(template.consumers[0].queue, "MessagesQueue");
    }

    #[test]
    fn missing_property_is_reported() {
        let failure = Template::parse("Resources: {T: {Type: 'AWS::DynamoDB::Table'}}").unwrap_err();
        assert_eq!(failure.lines(), ["template.yaml: T: AttributeDefinitions is missing"]);
    }
}
