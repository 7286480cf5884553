//! The whole product below HTTP.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use axum::Router;
use axum::body::Body;
use http::Request;
use lambda_http::request::RequestContext;
use shared::adapters::directories::BuiltinDirectory;
use shared::adapters::dynamodb::{DynamoBudgets, DynamoFlows, DynamoSecurityInfo};
use shared::domain::captcha::Challenge;
use shared::domain::keys::Keyring;
use shared::domain::message::{Message, Notice, Settle};
use shared::domain::name::CanonicalName;
use shared::domain::totp::TotpSeed;
use shared::http::Site;
use shared::ports::{Clock as _, EntropyExt as _};
use shared::settings::Settings;
use tower::ServiceExt as _;

use crate::answer::Answer;
use crate::browser::Browser;
use crate::chance::{TestClock, TestEntropy, TestQueue};
use crate::people::{self, Person};

/// The product with everything around it.
pub struct World {
    /// The clock.
    pub clock: Arc<TestClock>,
    /// The entropy.
    pub entropy: Arc<TestEntropy>,
    /// The queue.
    pub queue: Arc<TestQueue>,
    /// The store.
    pub client: Client,
    /// The directory.
    pub directory: Arc<BuiltinDirectory>,
    /// The security info.
    pub security_info: Arc<DynamoSecurityInfo>,
    /// The flows.
    pub flows: Arc<DynamoFlows>,
    /// The budgets.
    pub budgets: Arc<DynamoBudgets>,
    /// The settings.
    pub settings: Arc<Settings>,
    captcha: Arc<Keyring>,
    messages: Arc<Keyring>,
    routers: Vec<(&'static str, Router)>,
}

/// A keyring with one key for a use.
pub fn keyring(use_of: &str) -> Keyring {
    Keyring::from_secret(&format!(r#"{{"current":"1","1":"{use_of:-<64}"}}"#)).unwrap()
}

impl World {
    /// A world with the demo policy.
    pub async fn new() -> Arc<Self> {
        Self::with(&[]).await
    }

    /// A world with other parameters.
    pub async fn with(parameters: &[(&str, &str)]) -> Arc<Self> {
        let mut pairs = vec![
            ("REKEY_LOGIN_DOMAINS".to_owned(), "student.contoh.example,staff.contoh.example".to_owned()),
            ("REKEY_ORGANISATION".to_owned(), "Universiti Contoh".to_owned()),
        ];
        pairs.extend(parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let settings = Arc::new(Settings::from_pairs(pairs).unwrap());
        let client = store().await;
        Self::on(client, settings).await
    }

    /// A world on a store, with the test people in it.
    pub async fn on(client: Client, settings: Arc<Settings>) -> Arc<Self> {
        create_tables(&client).await;
        let world = Self::attach(client, settings);
        for person in people::ALL {
            world.register(person).await;
        }
        Arc::new(world)
    }

    /// The product on tables that are there already.
    pub fn attach(client: Client, settings: Arc<Settings>) -> Self {
        let clock = Arc::new(TestClock::default());
        let entropy = Arc::new(TestEntropy::default());
        let queue = Arc::new(TestQueue::default());
        let flows = Arc::new(DynamoFlows::new(client.clone(), "flows"));
        let budgets = Arc::new(DynamoBudgets::new(client.clone(), "budgets"));
        let security_info = Arc::new(DynamoSecurityInfo::new(client.clone(), "security-info"));
        let directory = Arc::new(BuiltinDirectory::new(client.clone(), "accounts", entropy.clone()));
        let site = Site { settings: settings.clone(), flows: Arc::new(keyring("flows")) };
        let captcha = Arc::new(keyring("captcha"));
        let messages = Arc::new(keyring("messages"));
        let routers = vec![
            (
                "captcha",
                captcha::router(captcha::Ports {
                    site: site.clone(),
                    flows: flows.clone(),
                    budgets: budgets.clone(),
                    directory: directory.clone(),
                    security_info: security_info.clone(),
                    captcha: captcha.clone(),
                    clock: clock.clone(),
                    entropy: entropy.clone(),
                }),
            ),
            (
                "method-selection",
                method_selection::router(method_selection::Ports {
                    site: site.clone(),
                    flows: flows.clone(),
                    clock: clock.clone(),
                }),
            ),
            (
                "code-send",
                code_send::router(code_send::Ports {
                    site: site.clone(),
                    flows: flows.clone(),
                    budgets: budgets.clone(),
                    security_info: security_info.clone(),
                    queue: queue.clone(),
                    messages: messages.clone(),
                    clock: clock.clone(),
                    entropy: entropy.clone(),
                }),
            ),
            (
                "code-verify",
                code_verify::router(code_verify::Ports {
                    site: site.clone(),
                    flows: flows.clone(),
                    budgets: budgets.clone(),
                    authenticators: security_info.clone(),
                    seeds: Arc::new(keyring("seeds")),
                    clock: clock.clone(),
                }),
            ),
            (
                "password-set",
                password_set::router(password_set::Ports {
                    site,
                    flows: flows.clone(),
                    security_info: security_info.clone(),
                    claims: security_info.clone(),
                    directory: directory.clone(),
                    queue: queue.clone(),
                    messages: messages.clone(),
                    policy: settings.password_policy([]).unwrap(),
                    clock: clock.clone(),
                    entropy: entropy.clone(),
                }),
            ),
        ];
        Self {
            clock,
            entropy,
            queue,
            client,
            directory,
            security_info,
            flows,
            budgets,
            settings,
            captcha,
            messages,
            routers,
        }
    }

    /// Writes a person into directory and security info.
    pub async fn register(&self, person: &Person) {
        let account = person.account();
        self.directory.create(&account, Some(Person::PASSWORD)).await.unwrap();
        let seed = person.totp.then(|| {
            let seed = TotpSeed::parse(people::SEED).unwrap();
            seed.seal(&keyring("seeds"), account.id.as_str(), self.entropy.bytes()).unwrap()
        });
        self.security_info.register(&account.id, &person.registration(), seed.as_deref()).await.unwrap();
    }

    /// A new client.
    pub fn browser(self: &Arc<Self>) -> Browser {
        Browser::new(self)
    }

    /// Answers a request as the deployment would: the route's function, or `captcha` for everything else.
    pub async fn answer(&self, request: Request<String>) -> Answer {
        let function = match (request.method().as_str(), request.uri().path()) {
            ("GET" | "POST", "/reason") | ("GET", "/method") | ("POST", "/cancel") => "method-selection",
            ("POST", "/code/send") => "code-send",
            ("GET" | "POST", "/code") | ("GET", "/code/send") => "code-verify",
            ("GET" | "POST", "/password" | "/unlock") | ("GET", "/done") => "password-set",
            _ => "captcha",
        };
        let (_, router) = self.routers.iter().find(|(name, _)| *name == function).unwrap();
        let mut request = request.map(Body::from);
        let context = serde_json::json!({ "http": { "method": "GET", "sourceIp": "203.0.113.7" }, "domainName": "reset.contoh.example" });
        request
            .extensions_mut()
            .insert(RequestContext::ApiGatewayV2(serde_json::from_value(context).unwrap()));
        Answer::read(router.clone().oneshot(request).await.unwrap()).await
    }

    /// What a CAPTCHA shows.
    pub fn captcha_answer(&self, token: &str) -> String {
        Challenge::open(token, &self.captcha, self.clock.now()).unwrap().answer()
    }

    /// Every message in the queue, opened.
    pub fn messages(&self) -> Vec<Message> {
        self.queue.messages().iter().map(|(envelope, _)| envelope.open(&self.messages).unwrap().1).collect()
    }

    /// The code of the newest message that has one.
    pub fn last_code(&self) -> String {
        let messages = self.messages();
        let code = messages.iter().rev().find_map(|message| match message {
            Message::Code(code) => Some(code.code.expose().to_owned()),
            _ => None,
        });
        code.expect("a code was queued")
    }

    /// Every notice in the queue.
    pub fn notices(&self) -> Vec<Notice> {
        let notice = |message| if let Message::Notice(notice) = message { Some(notice) } else { None };
        self.messages().into_iter().filter_map(notice).collect()
    }

    /// Every settle in the queue.
    pub fn settles(&self) -> Vec<Settle> {
        let settle = |message| if let Message::Settle(settle) = message { Some(settle) } else { None };
        self.messages().into_iter().filter_map(settle).collect()
    }

    /// The code that the authenticator app shows, `steps` time steps from now.
    pub fn app_code(&self, steps: i64) -> String {
        let secret = totp_rs::Secret::try_from_base32(people::SEED).unwrap();
        let app = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        app.generate((self.clock.now().as_seconds() + 30 * steps).unsigned_abs()).to_string()
    }

    /// What a sign-in with a password comes to.
    pub async fn sign_in(&self, login: &str, password: &str) -> shared::adapters::directories::SignIn {
        let name = CanonicalName::parse(login, &self.settings.login_domains).unwrap();
        self.directory.sign_in(&name, password).await.unwrap()
    }

    /// Every item of every table, as text.
    pub async fn dump(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        for table in ["flows", "budgets", "security-info", "accounts"] {
            let items = self.client.scan().table_name(table).send().await.unwrap().items.unwrap_or_default();
            for item in items {
                writeln!(text, "{table}: {item:?}").unwrap();
            }
        }
        text
    }
}

/// A new store in memory, served over HTTP on a free port, with the real client on it.
pub async fn store() -> Client {
    let database = dynoxide::Database::memory().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let forever = std::future::pending::<()>();
        let _ = dynoxide::server::serve_with_shutdown(listener, database, forever).await;
    });
    client(&format!("http://{address}"))
}

/// A client of a DynamoDB-compatible store.
pub fn client(endpoint: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("ap-southeast-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// The tables of template.yaml.
pub async fn create_tables(client: &Client) {
    let tables: [(&str, &[(&str, ScalarAttributeType)]); 4] = [
        ("flows", &[("flow", ScalarAttributeType::B)]),
        ("budgets", &[("budget", ScalarAttributeType::S)]),
        ("security-info", &[("account", ScalarAttributeType::S), ("item", ScalarAttributeType::S)]),
        ("accounts", &[("account", ScalarAttributeType::S)]),
    ];
    for (table, keys) in tables {
        let mut create = client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
        for (at, (name, kind)) in keys.iter().enumerate() {
            let role = if at == 0 { KeyType::Hash } else { KeyType::Range };
            let key = KeySchemaElement::builder().attribute_name(*name).key_type(role).build().unwrap();
            let kind = AttributeDefinition::builder().attribute_name(*name).attribute_type(kind.clone());
            create = create.key_schema(key).attribute_definitions(kind.build().unwrap());
        }
        create.send().await.unwrap();
    }
}
