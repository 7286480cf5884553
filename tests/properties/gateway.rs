//! Stands in for API Gateway: builds the event of a request, chooses the function and reads its response.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Method as HttpMethod};
use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use rekey_tests::world::HOST;
use rekey_tests::{Answer, World};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::Service as _;

use crate::requests::{Body, Request};

/// Longer than the window of any rate limit, so that requests don't affect each other.
const BETWEEN: i64 = 2 * 86_400;

/// The correct values of placeholders at the time of a request.
#[derive(Default)]
pub struct Filling(pub Vec<(&'static str, String)>);

impl Filling {
    /// Replaces the placeholders in a text by their values.
    pub fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    /// Replaces some values in a text by their placeholders.
    pub fn unfill(&self, text: &str, names: &[&str]) -> String {
        let own = self.0.iter().filter(|(name, _)| names.contains(name));
        own.fold(text.to_owned(), |text, (name, value)| text.replace(value, name))
    }

    /// Returns the value of a placeholder.
    pub fn get(&self, name: &str) -> &str {
        &self.0.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// Sets the value of a placeholder.
    pub fn set(&mut self, name: &str, value: &str) {
        for (known, own) in &mut self.0 {
            if *known == name {
                value.clone_into(own);
            }
        }
    }
}

/// Rekey behind its gateway.
pub struct Gateway {
    pub world: Arc<World>,
    runtime: Runtime,
}

impl Gateway {
    /// Creates a world with these parameters.
    pub fn with(parameters: &[(&str, &str)]) -> Self {
        let runtime = Runtime::new().unwrap();
        Self { world: runtime.block_on(World::with(parameters)), runtime }
    }

    /// Runs a future in the world to its end.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Moves the clock past every rate limit.
    pub fn wait(&self) {
        self.world.clock.advance(BETWEEN);
    }

    /// Sends a request to the function that API Gateway would choose; `None` if no client could send it.
    pub fn ask<At>(&self, request: &Request<At>, filling: &Filling) -> Option<Answer> {
        let event = event(request, filling)?;
        let (method, path) = (filling.fill(&request.method), filling.fill(&request.path));
        let function = self.world.function(self.function_of(&method, &path));
        let event: LambdaRequest = serde_json::from_value(event).unwrap();
        let answer = self.run(async {
            let mut function = shared::http::function(function);
            function.call(LambdaEvent::new(event, Context::default())).await
        });
        let answer = answer.unwrap_or_else(|never| match never {});
        Some(read(&serde_json::to_value(answer).unwrap()))
    }

    /// Returns the function for a method and path in template.yaml.
    fn function_of(&self, method: &str, path: &str) -> &str {
        let fits = |pattern: &str| {
            let (pattern, path) = (pattern.split('/'), path.split('/'));
            pattern.clone().count() == path.clone().count()
                && pattern
                    .zip(path)
                    .all(|(one, other)| one == other || (one.starts_with('{') && !other.is_empty()))
        };
        let routes = self.world.routes();
        let route = routes.iter().find(|route| route.method.as_deref() == Some(method) && fits(&route.path));
        let default = || routes.iter().find(|route| route.method.is_none()).unwrap();
        &route.unwrap_or_else(default).function
    }
}

/// Returns the fields of a body as sent.
pub fn fields(body: &Body, filling: &Filling) -> Vec<(String, String)> {
    let filled = |fields: &[(String, String)]| {
        fields.iter().map(|(name, value)| (name.clone(), filling.fill(value))).collect::<Vec<_>>()
    };
    match body {
        Body::FormFields(fields) => filled(fields),
        Body::Spoiled(fields, edit) => {
            let mut fields = filled(fields);
            edit.apply(&mut fields);
            fields
        }
        Body::None | Body::Text(_) | Body::Bytes(_) => Vec::new(),
    }
}

/// Returns every text in a request.
pub fn request_text<At>(request: &Request<At>, filling: &Filling) -> String {
    let texts = request.headers.iter().flat_map(|(name, value)| [name, value]);
    let texts = texts.chain(&request.cookies).chain([&request.method, &request.path, &request.query]);
    let mut all: Vec<String> = texts.map(|text| filling.fill(text)).collect();
    match &request.body {
        Body::Text(text) => all.push(filling.fill(text)),
        Body::Bytes(bytes) => all.push(String::from_utf8_lossy(bytes).into_owned()),
        body => all.extend(fields(body, filling).into_iter().flat_map(|(name, value)| [name, value])),
    }
    all.join("\n")
}

/// Builds the event of a request (payload format 2.0); `None` if HTTP doesn't allow it. The path begins with a slash,
/// the query is printable ASCII, and no header has a line break. Fields by the gateway itself are always correct.
fn event<At>(request: &Request<At>, filling: &Filling) -> Option<Value> {
    let method: HttpMethod = filling.fill(&request.method).parse().ok()?;
    let (path, query) = (filling.fill(&request.path), filling.fill(&request.query));
    let mut headers = serde_json::Map::new();
    for (name, value) in &request.headers {
        let (name, value) =
            (HeaderName::try_from(name).ok()?, HeaderValue::try_from(filling.fill(value)).ok()?);
        headers.insert(name.as_str().to_owned(), json!(std::str::from_utf8(value.as_bytes()).unwrap()));
    }
    let cookies: Vec<String> = request.cookies.iter().map(|cookie| filling.fill(cookie)).collect();
    let is_text = |text: &String| HeaderValue::try_from(text).is_ok();
    if !path.starts_with('/')
        || !query.bytes().all(|byte| byte.is_ascii_graphic())
        || !cookies.iter().all(is_text)
    {
        return None;
    }
    let is_form = headers.get("content-type").is_some_and(|kind| kind == "application/x-www-form-urlencoded");
    let body = match &request.body {
        Body::None => Vec::new(),
        Body::Text(text) => filling.fill(text).into_bytes(),
        Body::Bytes(bytes) => bytes.clone(),
        body @ (Body::FormFields(_) | Body::Spoiled(..)) => {
            let fields = fields(body, filling);
            if is_form {
                form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes()
            } else {
                let pairs: Vec<String> =
                    fields.iter().map(|(name, value)| format!("{}:{}", json!(name), json!(value))).collect();
                format!("{{{}}}", pairs.join(",")).into_bytes()
            }
        }
    };
    let text = std::str::from_utf8(&body).ok().filter(|_| !is_form);
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "localrekey",
            "domainName": HOST,
            "http": {
                "method": method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "",
            },
            "requestId": "properties",
            "routeKey": "$default",
            "stage": "$default",
            "time": "24/Nov/2026:04:00:00 +0000",
            "timeEpoch": 1_795_492_800_000_u64,
        },
        "isBase64Encoded": !body.is_empty() && text.is_none(),
    });
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !body.is_empty() {
        event["body"] = text.map_or_else(|| json!(STANDARD.encode(&body)), |text| json!(text));
    }
    Some(event)
}

/// Parses a response in payload format 2.0.
fn read(answer: &Value) -> Answer {
    let mut response =
        http::Response::builder().status(u16::try_from(answer["statusCode"].as_u64().unwrap()).unwrap());
    for (name, value) in answer["headers"].as_object().unwrap() {
        response = response.header(name, value.as_str().unwrap());
    }
    for cookie in answer["cookies"].as_array().into_iter().flatten() {
        response = response.header("set-cookie", cookie.as_str().unwrap());
    }
    let body = answer["body"].as_str().unwrap_or_default();
    let body = if answer["isBase64Encoded"] == true { STANDARD.decode(body).unwrap() } else { body.into() };
    let (parts, body) = response.body(body).unwrap().into_parts();
    Answer { status: parts.status, headers: parts.headers, body }
}
