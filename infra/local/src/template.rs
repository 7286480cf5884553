//! Parses template.yaml: routes, tables, queues, secrets, environments and roles, so that the local environment
//! matches. The deployment tests read the template here, too.

pub mod document;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value as Json, json};

use self::document::{Document, Value, entries, items, reference, target, text};
use rekey_people::Failure;

/// The template at build time.
const TEMPLATE: &str = include_str!("../../../template.yaml");

/// The parts of the template that the local environment uses, and the whole document.
#[derive(Debug, Default, Clone)]
pub struct Template {
    /// The template itself, for properties that have no field here.
    pub document: Document,
    /// The environment variables of every function (`Globals`), with the parameter or fixed text.
    pub common_variables: BTreeMap<String, String>,
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
    /// The schedules that invoke functions.
    pub schedules: Vec<Schedule>,
}

/// A function's resources and permissions.
#[derive(Debug, Default, Clone)]
pub struct Function {
    /// Its logical id.
    pub id: String,
    /// Its own environment variables, with the logical id, parameter or fixed text.
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
    /// Whether it allows all resources except these (`NotResource`).
    pub except: bool,
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
    /// `GenerateStringKey`: the member for the generated text; `None` where the text is the whole secret.
    pub key: Option<String>,
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

/// A schedule that invokes a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The crate of the function.
    pub function: String,
    /// The time from one invocation to the next.
    pub every: Duration,
    /// The task that the schedule's input names, where a function has several.
    pub task: Option<String>,
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
        let document =
            Document::parse(yaml).map_err(|error| Failure::new(format!("template.yaml: {error}")))?;
        let mut template = Self::default();
        let mut errors = Vec::new();
        match variables(document.globals()) {
            Ok(variables) => template.common_variables = variables,
            Err(why) => errors.push(format!("template.yaml: Globals: {why}. Correct it there")),
        }
        for (id, resource) in document.resources() {
            if let Err(why) = template.take(&id, resource, &document) {
                errors.push(format!("template.yaml: {id}: {why}. Correct it there"));
            }
        }
        template.document = document;
        if errors.is_empty() { Ok(template) } else { Err(Failure::all(errors)) }
    }

    /// Returns the environment variables of a function that name a table, queue, secret, function, log or parameter, with
    /// its logical id or name.
    pub fn named_by<'a>(&'a self, function: &'a Function) -> impl Iterator<Item = (&'a str, &'a str)> {
        let is_named = |id: &str| {
            self.tables.contains_key(id)
                || self.queues.contains_key(id)
                || self.secrets.contains_key(id)
                || self.functions.values().any(|function| function.id == id)
        };
        let variables = function.variables.iter().map(|(variable, id)| (variable.as_str(), id.as_str()));
        let is_other =
            |variable: &str| variable.starts_with("REKEY_PARAMETER_") || variable.starts_with("REKEY_LOG_");
        variables.filter(move |(variable, id)| is_other(variable) || is_named(id))
    }

    /// Returns the logical id that a function gets in an environment variable.
    pub fn resource_of(&self, function: &str, variable: &str) -> Option<&str> {
        self.named_by(self.functions.get(function)?).find_map(|(name, id)| (name == variable).then_some(id))
    }

    /// Returns the logical id of an environment variable; it is the same in every function that has it.
    pub fn resource(&self, variable: &str) -> Option<&str> {
        self.functions.keys().find_map(|function| self.resource_of(function, variable))
    }

    /// Returns the logical id of the queue that the rule for events of SES fills.
    pub fn queue_of_mail_events(&self) -> Option<String> {
        let rules = self.document.of_type("AWS::Events::Rule").into_values();
        let is_of_mail = |rule: &&Value| {
            items(&rule["Properties"]["EventPattern"]["source"]).any(|source| source == "aws.ses")
        };
        let mut targets = rules.filter(is_of_mail).flat_map(|rule| items(&rule["Properties"]["Targets"]));
        targets.find_map(|target| reference(&target["Arn"]))
    }

    fn take(&mut self, id: &str, resource: &Value, document: &Document) -> Result<(), &'static str> {
        let properties = &resource["Properties"];
        match resource["Type"].as_str() {
            Some("AWS::Serverless::Function") => self.take_function(id, resource, document)?,
            Some("AWS::DynamoDB::Table") => {
                let table = Table {
                    attributes: as_json(&properties["AttributeDefinitions"])
                        .ok_or("AttributeDefinitions is missing")?,
                    keys: as_json(&properties["KeySchema"]).ok_or("KeySchema is missing")?,
                    ttl: text(&properties["TimeToLiveSpecification"]["AttributeName"]),
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
                let template = generate["SecretStringTemplate"].as_str().unwrap_or("{}");
                let settings = SecretSettings {
                    template: serde_json::from_str(template)
                        .map_err(|_| "SecretStringTemplate is not JSON")?,
                    key: text(&generate["GenerateStringKey"]),
                    length: number(&generate["PasswordLength"]).unwrap_or(32) as usize,
                };
                self.secrets.insert(id.to_owned(), settings);
            }
            _ => {}
        }
        Ok(())
    }

    fn take_function(&mut self, id: &str, resource: &Value, document: &Document) -> Result<(), &'static str> {
        let function = text(&resource["Metadata"]["BuildProperties"]["Binary"])
            .ok_or("Metadata.BuildProperties.Binary is missing")?;
        let properties = &resource["Properties"];
        let role_id = reference(&properties["Role"]).ok_or("Role is missing")?;
        let policies = &document.resource(&role_id)["Properties"]["Policies"];
        let mut role = grants(items(policies).map(|policy| &policy["PolicyDocument"]))?;
        // Policies of their own hold only if their condition does. They are read as if it did.
        for policy in document.of_type("AWS::IAM::Policy").into_values() {
            let properties = &policy["Properties"];
            if items(&properties["Roles"]).any(|role| reference(role).as_ref() == Some(&role_id)) {
                role.extend(grants([&properties["PolicyDocument"]])?);
            }
        }
        let taken = Function { id: id.to_owned(), variables: variables(properties)?, role };
        if self.functions.insert(function.clone(), taken).is_some() {
            return Err("another function has the same binary");
        }
        for (_, event) in entries(&properties["Events"]) {
            let event_properties = &event["Properties"];
            match event["Type"].as_str() {
                Some("HttpApi") => self.routes.push(route(&function, event_properties)?),
                Some("SQS") => self.consumers.push(Consumer {
                    function: function.clone(),
                    queue: reference(&event_properties["Queue"]).ok_or("an event has no Queue")?,
                    batch: number(&event_properties["BatchSize"]).unwrap_or(10) as usize,
                }),
                Some("Schedule") => self.schedules.push(Schedule {
                    function: function.clone(),
                    every: text(&event_properties["Schedule"])
                        .and_then(|rate| every(&rate))
                        .ok_or("a Schedule is no rate in minutes, hours or days")?,
                    task: text(&event_properties["Input"])
                        .and_then(|input| serde_json::from_str::<serde_json::Value>(&input).ok())
                        .and_then(|input| input["task"].as_str().map(str::to_owned)),
                }),
                _ => return Err("the local environment has only events of HttpApi, SQS and Schedule"),
            }
        }
        Ok(())
    }
}

/// An `HttpApi` event without method and path is the `$default` route (SAM's rule).
fn route(function: &str, properties: &Value) -> Result<Route, &'static str> {
    let route = |method, path| Route { method, path, function: function.to_owned() };
    let Some(path) = properties.get("Path") else { return Ok(route(None, "$default".to_owned())) };
    let path = text(path).ok_or("a route's Path is not text")?;
    let method = text(&properties["Method"]).ok_or("a route has no Method")?;
    if method.bytes().any(|b| !b.is_ascii_uppercase()) {
        return Err("a route's Method is not in capitals");
    }
    Ok(route(Some(method), path))
}

/// Reads a rate of `EventBridge`, such as `rate(1 day)`.
fn every(rate: &str) -> Option<Duration> {
    let (count, unit) = rate.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let minutes = match unit.trim_end_matches('s') {
        "minute" => 1,
        "hour" => 60,
        "day" => 24 * 60,
        _ => return None,
    };
    Some(Duration::from_mins(count.parse::<u64>().ok()?.checked_mul(minutes)?))
}

/// Returns the environment variables among the properties of a function.
fn variables(properties: &Value) -> Result<BTreeMap<String, String>, &'static str> {
    entries(&properties["Environment"]["Variables"])
        .map(|(name, value)| Ok((name, target(value).ok_or("a variable is neither text nor a reference")?)))
        .collect()
}

/// Returns the statements of policy documents.
fn grants<'a>(documents: impl IntoIterator<Item = &'a Value>) -> Result<Vec<Grant>, &'static str> {
    let statements = documents.into_iter().flat_map(|document| items(&document["Statement"]));
    let grant = |statement: &Value| {
        if statement["Effect"] != "Allow" {
            return Err("a statement of its role is no Allow; the local environment reads only these");
        }
        let except = statement.get("Resource").is_none();
        let resources = &statement[if except { "NotResource" } else { "Resource" }];
        let bound = &statement["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"];
        Ok(Grant {
            actions: all(&statement["Action"], text).ok_or("an action is not text")?,
            resources: all(resources, target).ok_or("a resource is neither text nor a reference")?,
            except,
            attributes: match bound {
                Value::Null => None,
                bound => Some(all(bound, text).ok_or("an attribute that is no text")?),
            },
            selects: statement["Condition"]["StringEquals"]["dynamodb:Select"] == "SPECIFIC_ATTRIBUTES",
        })
    };
    statements.map(grant).collect()
}

/// Reads every item of a value; `None` if one can't be read.
fn all(value: &Value, read: impl Fn(&Value) -> Option<String>) -> Option<Vec<String>> {
    items(value).map(read).collect()
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| u32::try_from(number).ok())
}

/// Converts a list of plain mappings to JSON.
fn as_json(value: &Value) -> Option<Json> {
    let items = value.as_sequence()?.iter().map(|item| {
        let fields = entries(item).filter_map(|(key, value)| Some((key, json!(text(value)?))));
        Json::Object(fields.collect())
    });
    Some(Json::Array(items.collect()))
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
        assert_eq!(template.common_variables["REKEY_STEPS"], "RekeySteps");
        assert_eq!(template.functions["code-verify"].id, "CodeVerifyFunction");
        let daily = Schedule { function: "housekeeping".into(), every: Duration::from_hours(24), task: None };
        let often =
            Schedule { function: "directory-sync".into(), every: Duration::from_mins(15), task: None };
        let hourly = Schedule { every: Duration::from_hours(1), task: Some("audit".into()), ..daily.clone() };
        assert!([daily, often, hourly].iter().all(|schedule| template.schedules.contains(schedule)));
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
        assert_eq!(failure.lines(), ["template.yaml: T: AttributeDefinitions is missing. Correct it there"]);
    }

    /// A statement or a variable that the reader skipped would be missing in every test of permissions.
    #[test]
    fn unreadable_function_is_reported() {
        let parsed = |statement: &str, properties: &str| {
            let template = format!(
                "Resources: {{F: {{Type: 'AWS::Serverless::Function', \
                 Metadata: {{BuildProperties: {{Binary: f}}}}, Properties: {{Role: !GetAtt R.Arn, {properties}}}}}, \
                 R: {{Properties: {{Policies: [{{PolicyDocument: {{Statement: {{{statement}}}}}}}]}}}}}}"
            );
            Template::parse(&template).map_err(|failure| failure.lines().join("\n"))
        };
        let good = "Effect: Allow, Action: 'a:B', Resource: '*'";
        assert_eq!(parsed(good, "").unwrap().functions["f"].role[0].actions, ["a:B"]);
        let except = parsed("Effect: Allow, Action: 'a:B', NotResource: !Sub 'x/*'", "").unwrap();
        assert_eq!(
            (&except.functions["f"].role[0].resources[..], except.functions["f"].role[0].except),
            (&["x/*".to_owned()][..], true)
        );
        for (statement, properties, why) in [
            ("Effect: Deny, Action: 'a:B', Resource: '*'", "", "is no Allow"),
            ("Effect: Allow, Action: !If [C, 'a:B', 'a:C'], Resource: '*'", "", "an action"),
            ("Effect: Allow, Action: 'a:B', Resource: [!If [C, 1, 2]]", "", "a resource"),
            (good, "Environment: {Variables: {A: !If [C, 1, 2]}}", "a variable"),
            (good, "Events: {E: {Type: HttpApi, Properties: {Path: /a}}}", "has no Method"),
            (good, "Events: {E: {Type: HttpApi, Properties: {Path: /a, Method: get}}}", "in capitals"),
            (good, "Events: {E: {Type: Schedule}}", "is no rate"),
            (
                good,
                "Events: {E: {Type: Schedule, Properties: {Schedule: 'cron(0 12 * * ? *)'}}}",
                "is no rate",
            ),
            (good, "Events: {E: {Type: SNS}}", "only events of"),
        ] {
            let error = parsed(statement, properties).unwrap_err();
            assert!(error.starts_with("template.yaml: F: ") && error.contains(why), "{error}");
        }
    }
}
