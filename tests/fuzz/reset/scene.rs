//! A world in which a request of any step can be made without going there first, and its event as API Gateway makes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Method as HttpMethod};
use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use rekey_tests::people::AISYAH;
use rekey_tests::world::HOST;
use rekey_tests::{Answer, World};
use serde_json::{Value, json};
use shared::adapters::dynamodb::DynamoFlows;
use shared::domain::account::{AccountId, Registration};
use shared::domain::captcha::{Challenge, DIFFICULTY};
use shared::domain::code::OneTimeCode;
use shared::domain::decoy;
use shared::domain::flow::{Facts, Flow, FlowCookie, Opened, Reason, Stage};
use shared::domain::keys::Keyring;
use shared::domain::language::Language;
use shared::domain::method::Method;
use shared::domain::name::CanonicalName;
use shared::ports::{Clock as _, EntropyExt as _, FlowStore as _, SecurityInfo as _};
use tokio::runtime::Runtime;
use tower::Service as _;

use crate::inputs::{At, Body, Request};

/// Longer than any budget remembers, so that one request leaves nothing to the next.
const BETWEEN: i64 = 2 * 86_400;

/// Whose flow it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The flow of a person.
    Person,
    /// A decoy's that seems to have the same registered.
    Nobody,
}

/// The world and what requests are made from.
pub struct Scene {
    /// The product.
    pub world: Arc<World>,
    runtime: Runtime,
    store: DynamoFlows,
    flows: Keyring,
    captcha: Keyring,
    /// A name without an account that seems to have registered all that the person has.
    nobody: String,
    count: AtomicU64,
}

/// What is right in a request to the flow that was just set.
pub struct Live {
    values: Vec<(&'static str, String)>,
    /// The code that its owner was sent.
    pub code: String,
}

impl Live {
    /// The same for somebody who has neither the person's phone nor their mail.
    pub fn without_secrets(mut self) -> Self {
        for (name, value) in &mut self.values {
            match *name {
                "{code}" => "11112222".clone_into(value),
                "{app}" => "111222".clone_into(value),
                "{number}" => "+60100000000".clone_into(value),
                _ => {}
            }
        }
        self
    }

    /// The text with what stands for cookie, reference and token in their place.
    pub fn unfill(&self, text: &str) -> String {
        let own = self.values.iter().filter(|(name, _)| ["{cookie}", "{at}", "{token}"].contains(name));
        own.fold(text.to_owned(), |text, (name, value)| text.replace(value, name))
    }

    /// The text with what is right for what stands for it.
    pub fn fill(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}

impl Scene {
    /// The demo policy and people.
    pub fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let world = runtime.block_on(World::new());
        let flows = world.keyring("REKEY_SECRET_FLOWS");
        let has_all = |login: &String| {
            let id = AccountId::of_nobody(&CanonicalName::parse(login, &[]).unwrap().reference(&flows));
            decoy::registration(&flows, &id, None, &Method::ALL, 2).offers(&Method::ALL).len()
                == Method::ALL.len()
        };
        Self {
            store: DynamoFlows::new(world.client.clone(), "FlowsTable"),
            nobody: (0..1_000).map(|n| format!("student{n}")).find(has_all).unwrap(),
            flows,
            captcha: world.keyring("REKEY_SECRET_CAPTCHA"),
            runtime,
            world,
            count: AtomicU64::new(0),
        }
    }

    /// Moves on to a time when nothing is remembered.
    pub fn wait(&self) {
        self.world.clock.advance(BETWEEN);
    }

    /// Sets a flow where a request wants it.
    pub fn set(&self, at: At, whose: Whose) -> Live {
        self.runtime.block_on(self.set_flow(at, whose))
    }

    async fn set_flow(&self, at: At, whose: Whose) -> Live {
        let world = &self.world;
        let (now, limits) = (world.clock.now(), world.settings.flow);
        let person = AccountId::from_directory(AISYAH.login);
        let registered = world.security_info.registration(&person, world.now()).await.unwrap();
        let login = match whose {
            Whose::Person => AISYAH.login,
            Whose::Nobody => &self.nobody,
        };
        let name = CanonicalName::parse(login, &[]).unwrap();
        let facts = Facts {
            account: match whose {
                Whose::Person => person,
                Whose::Nobody => AccountId::of_nobody(&name.reference(&self.flows)),
            },
            decoy: whose == Whose::Nobody,
            generation: if whose == Whose::Person { registered.generation } else { 0 },
            steps: 2,
            opened_at: now,
            expires_at: if at == At::Expired { now } else { now + limits.lifetime },
            offers: registered.offers(&world.settings.methods),
            language: Language::English,
        };
        let cookie = FlowCookie::open(&self.flows, world.entropy.bytes());
        let code = OneTimeCode::generate(8, world.entropy.bytes());
        let (flow, cookie) = self.flow(at, facts.clone(), cookie, &registered, &code);
        if at != At::Nowhere {
            self.store.insert(cookie.key(), &Opened { facts }).await.unwrap();
            // An expired flow can't be replaced, and need not be.
            self.store.replace(cookie.key(), 1, &flow, now).await.unwrap();
        }
        let challenge = Challenge::generate(world.entropy.bytes(), now, DIFFICULTY, None);
        let count = self.count.fetch_add(1, Ordering::SeqCst);
        Live {
            values: vec![
                ("{cookie}", cookie.value(&self.flows).unwrap()),
                ("{at}", cookie.at(&self.flows).unwrap()),
                ("{code}", code.expose().to_owned()),
                ("{app}", world.app_code(0)),
                ("{number}", AISYAH.mobile.unwrap().to_owned()),
                ("{token}", challenge.seal(&self.captcha, world.entropy.bytes()).unwrap()),
                ("{characters}", challenge.answer()),
                ("{login}", login.to_owned()),
                ("{password}", format!("Kancil-Lompat-{count}!")),
            ],
            code: code.expose().to_owned(),
        }
    }

    /// The flow after the steps that lead to where it is wanted, and its cookie.
    fn flow(
        &self,
        at: At,
        facts: Facts,
        cookie: FlowCookie,
        registered: &Registration,
        code: &OneTimeCode,
    ) -> (Flow, FlowCookie) {
        let (now, limits) = (self.world.clock.now(), self.world.settings.flow);
        let reason = if at == At::Unlock { Reason::Locked } else { Reason::Forgotten };
        let send = |flow: Flow, cookie: &FlowCookie, method: Method| {
            let contact = registered.contact(method).unwrap();
            let contact = cookie.contact_tag(&self.flows, contact.expose()).unwrap();
            let tag = cookie.code_tag(&self.flows, code).unwrap();
            flow.choosing().unwrap().send(method, tag, contact, now, &limits)
        };
        let opened = Flow::Opened(Opened { facts });
        if matches!(at, At::Nowhere | At::Opened | At::Expired) {
            return (opened, cookie);
        }
        let first = opened.choose_reason(reason).unwrap();
        match at {
            At::First => return (first, cookie),
            At::Cancelled => return (first.cancel(), cookie),
            _ => {}
        }
        let mut awaiting = send(first, &cookie, Method::Email);
        if at == At::Awaiting {
            return (Flow::AwaitingCode(awaiting), cookie);
        }
        awaiting.guess = Some(awaiting.code);
        let (second, cookie) = (awaiting.settle(), cookie.with_proofs(1));
        if at == At::Second {
            return (second, cookie);
        }
        let mut awaiting = send(second, &cookie, Method::Sms);
        if at == At::AwaitingSecond {
            return (Flow::AwaitingCode(awaiting), cookie);
        }
        awaiting.guess = Some(awaiting.code);
        let (proven, cookie) = (awaiting.settle(), cookie.with_proofs(2));
        let finish = |flow: Flow| Flow::Done(flow.proven(Stage::Password).unwrap().finish(now, true));
        (if at == At::Done { finish(proven) } else { proven }, cookie)
    }

    /// What the function says to which API Gateway sends the request; nothing if no client could have made it.
    pub fn ask(&self, request: &Request, live: &Live) -> Option<Answer> {
        let event = event(request, live)?;
        let (method, path) = (live.fill(&request.method), live.fill(&request.path));
        let function = self.world.function(self.function_of(&method, &path));
        let event: LambdaRequest = serde_json::from_value(event).unwrap();
        let answer = self.runtime.block_on(async {
            let mut function = shared::http::function(function);
            function.call(LambdaEvent::new(event, Context::default())).await
        });
        let answer = answer.unwrap_or_else(|never| match never {});
        Some(read(&serde_json::to_value(answer).unwrap()))
    }

    /// Where template.yaml sends a method and path.
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

    /// The person's item in the directory.
    pub fn account(&self) -> Value {
        let key = aws_sdk_dynamodb::types::AttributeValue::S(format!("account/{}", AISYAH.login));
        let get = self.world.client.get_item().table_name("AccountsTable").key("account", key);
        let item = self.runtime.block_on(get.send()).unwrap().item.unwrap();
        let mut attributes: Vec<String> = item.iter().map(|attribute| format!("{attribute:?}")).collect();
        attributes.sort();
        json!(attributes)
    }
}

/// The event of a request (payload format 2.0), where HTTP lets a client write it: the path begins with a slash, the
/// query is printable ASCII, and no header has a line break. What the gateway itself says is always right.
fn event(request: &Request, live: &Live) -> Option<Value> {
    let method: HttpMethod = live.fill(&request.method).parse().ok()?;
    let (path, query) = (live.fill(&request.path), live.fill(&request.query));
    let mut headers = serde_json::Map::new();
    for (name, value) in &request.headers {
        let (name, value) = (HeaderName::try_from(name).ok()?, HeaderValue::try_from(live.fill(value)).ok()?);
        headers.insert(name.as_str().to_owned(), json!(std::str::from_utf8(value.as_bytes()).unwrap()));
    }
    let cookies: Vec<String> = request.cookies.iter().map(|cookie| live.fill(cookie)).collect();
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
        Body::Text(text) => live.fill(text).into_bytes(),
        Body::Bytes(bytes) => bytes.clone(),
        Body::Fields(fields) => {
            let fields = fields.iter().map(|(name, value)| (name, live.fill(value)));
            if is_form {
                form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes()
            } else {
                let pairs: Vec<String> =
                    fields.map(|(name, value)| format!("{}:{}", json!(name), json!(value))).collect();
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
            "requestId": "fuzz",
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

/// An answer in payload format 2.0.
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
