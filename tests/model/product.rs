//! Runs the real functions on scripted ports.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use aws_lambda_events::sqs::SqsEvent;
use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use shared::adapters::memory::Memory;
use shared::adapters::signatures::RingSignatures;
use shared::domain::keys::Keyring;
use shared::http::AppContext;
use shared::settings::Settings;
use shared::text::messages::{HelpDesk, MessageRenderer};
use tower::ServiceExt as _;

use crate::accounts::keys;
use crate::calls::{Answer, Call};
use crate::ports::{SCRIPT, Script, Scripted};
use crate::tables::Mutation;

/// The parameters that differ from the defaults.
pub type Parameters = &'static [(&'static str, &'static str)];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Function {
    Captcha,
    MethodSelection,
    CodeSend,
    CodeVerify,
    PasswordSet,
    Delivery,
    Approval,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    pub function: Function,
    pub path: &'static str,
    pub cookie: Option<Arc<str>>,
    /// The JSON of a POST, or the event of the queue; empty for a GET.
    pub body: String,
    /// The start time, in seconds.
    pub at: i64,
    /// Seed of the invocation's entropy.
    pub seed: u64,
    /// See [`Script::mutation`].
    pub mutation: Option<Mutation>,
}

/// The next step of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Calls(Call),
    /// Sleeps, as a double click does until the first click is done.
    Waits,
    Replies(Reply),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reply {
    pub status: u16,
    pub body: Value,
    /// The cookie that it sets; an empty one deletes it.
    pub cookie: Option<String>,
}

impl Reply {
    /// Returns the name of the page, or the problem's code.
    pub fn outcome(&self) -> &str {
        let problem = self.body["code"].as_str().filter(|_| self.status != 200);
        problem.or(self.body["page"].as_str()).unwrap_or_default()
    }
}

/// A running handler: its request, the answers so far, and its pending call or reply.
#[derive(Clone, Debug)]
pub struct Running {
    pub request: Arc<Request>,
    answers: Arc<Vec<(Answer, i64)>>,
    /// A digest that identifies request and answers.
    digest: u64,
    pub next: Arc<Step>,
}

impl PartialEq for Running {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Running {}

impl Hash for Running {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl Running {
    pub fn start(parameters: Parameters, request: Request) -> Self {
        let mut hasher = DefaultHasher::new();
        (parameters, &request).hash(&mut hasher);
        Self::advance(parameters, Arc::new(request), Arc::default(), hasher.finish())
    }

    /// Continues with an answer.
    pub fn answer(&self, parameters: Parameters, answer: Answer, now: i64) -> Self {
        let mut hasher = DefaultHasher::new();
        (self.digest, &answer, now).hash(&mut hasher);
        let mut answers = (*self.answers).clone();
        answers.push((answer, now));
        Self::advance(parameters, self.request.clone(), Arc::new(answers), hasher.finish())
    }

    /// Continues after a wait: it asks for the lease again, as for the first time.
    pub fn retry_lease(&self, parameters: Parameters) -> Self {
        let before = self.answers.iter().take_while(|(answer, _)| !matches!(answer, Answer::Leased(_)));
        before.fold(Self::start(parameters, (*self.request).clone()), |running, (answer, now)| {
            running.answer(parameters, answer.clone(), *now)
        })
    }

    pub fn end(&self, reply: Reply) -> Self {
        Self { next: Arc::new(Step::Replies(reply)), ..self.clone() }
    }

    fn advance(
        parameters: Parameters,
        request: Arc<Request>,
        answers: Arc<Vec<(Answer, i64)>>,
        digest: u64,
    ) -> Self {
        thread_local! {
            /// Caches earlier runs, which are deterministic.
            static KNOWN: RefCell<HashMap<u64, Arc<Step>>> = RefCell::default();
        }
        let known = KNOWN.with_borrow(|known| known.get(&digest).cloned());
        let next = known.unwrap_or_else(|| {
            let step = Arc::new(Product::of(parameters).run(&request, &answers));
            KNOWN.with_borrow_mut(|known| known.insert(digest, step.clone()));
            step
        });
        Self { request, answers, digest, next }
    }
}

/// The functions of one deployment.
pub struct Product {
    pub settings: Arc<Settings>,
    runtime: tokio::runtime::Runtime,
    routers: HashMap<Function, Router>,
    delivery: delivery::Ports,
}

impl Product {
    /// Returns the functions with these parameters, built once per thread.
    pub fn of(parameters: Parameters) -> Rc<Self> {
        thread_local! {
            static BUILT: RefCell<HashMap<Parameters, Rc<Product>>> = RefCell::default();
        }
        BUILT.with_borrow_mut(|built| {
            built.entry(parameters).or_insert_with(|| Rc::new(Self::build(parameters))).clone()
        })
    }

    fn build(parameters: Parameters) -> Self {
        let pairs = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings = Arc::new(Settings::from_pairs(pairs).unwrap());
        let (ports, keys) = (Arc::new(Scripted), Arc::new(keys()));
        let app =
            AppContext { settings: settings.clone(), flows: keys.clone(), proxy: None, timer: ports.clone() };
        let routers = [
            (
                Function::Captcha,
                captcha::router(captcha::Ports {
                    app: app.clone(),
                    flows: ports.clone(),
                    rate_limits: ports.clone(),
                    directory: ports.clone(),
                    security_info: ports.clone(),
                    // Nobody is counted, so decoys have any set.
                    population: Arc::new(Memory::default()),
                    captcha: keys.clone(),
                    clock: ports.clone(),
                    entropy: ports.clone(),
                }),
            ),
            (
                Function::MethodSelection,
                method_selection::router(method_selection::Ports {
                    app: app.clone(),
                    flows: ports.clone(),
                    clock: ports.clone(),
                }),
            ),
            (
                Function::CodeSend,
                code_send::router(code_send::Ports {
                    app: app.clone(),
                    flows: ports.clone(),
                    rate_limits: ports.clone(),
                    security_info: ports.clone(),
                    approvals: ports.clone(),
                    queue: ports.clone(),
                    messages: keys.clone(),
                    clock: ports.clone(),
                    entropy: ports.clone(),
                }),
            ),
            (
                Function::CodeVerify,
                code_verify::router(code_verify::Ports {
                    app: app.clone(),
                    flows: ports.clone(),
                    rate_limits: ports.clone(),
                    authenticators: ports.clone(),
                    approvals: ports.clone(),
                    signatures: Arc::new(RingSignatures),
                    seeds: keys.clone(),
                    clock: ports.clone(),
                }),
            ),
            (Function::Approval, Self::approval(&app, &ports, &keys)),
            (
                Function::PasswordSet,
                password_set::router(password_set::Ports {
                    app,
                    flows: ports.clone(),
                    security_info: ports.clone(),
                    leases: ports.clone(),
                    directory: ports.clone(),
                    queue: ports.clone(),
                    messages: keys.clone(),
                    policy: settings.password_policy(&[]).unwrap(),
                    clock: ports.clone(),
                    entropy: ports.clone(),
                }),
            ),
        ];
        let delivery = delivery::Ports {
            settings: settings.clone(),
            renderer: MessageRenderer::new(
                &settings.organisation,
                HelpDesk::default(),
                settings.time_zone.clone(),
                &settings.public_url,
            ),
            messages: keys.clone(),
            clock: ports.clone(),
            entropy: ports.clone(),
            mails: ports.clone(),
            texts: ports.clone(),
            calls: ports.clone(),
            pushes: ports.clone(),
            push_targets: ports.clone(),
            push: keys.clone(),
            queue: ports.clone(),
            rate_limits: ports.clone(),
            flows: ports.clone(),
            // No session in the model changes anything.
            session_changes: Arc::new(Memory::default()),
            directory: ports.clone(),
            security_info: ports.clone(),
            // No mail in the model fails.
            mail_failures: Arc::new(Memory::default()),
            metrics: ports,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { settings, runtime, routers: HashMap::from(routers), delivery }
    }

    fn approval(app: &AppContext, ports: &Arc<Scripted>, keys: &Arc<Keyring>) -> Router {
        approval::router(approval::Ports {
            app: app.clone(),
            devices: ports.clone(),
            approvals: ports.clone(),
            known_devices: ports.clone(),
            // No client in the model pairs a device.
            pairings: Arc::new(Memory::default()),
            flows: ports.clone(),
            sessions: ports.clone(),
            queue: ports.clone(),
            messages: keys.clone(),
            push: keys.clone(),
            clock: ports.clone(),
            entropy: ports.clone(),
        })
    }

    /// Runs a request from its beginning with the answers so far.
    fn run(&self, request: &Request, answers: &[(Answer, i64)]) -> Step {
        let script = Script {
            answers: answers.to_vec(),
            now: request.at,
            seed: request.seed,
            mutation: request.mutation,
            ..Script::default()
        };
        SCRIPT.set(script);
        let _timers = self.runtime.enter();
        let mut handler = pin!(self.invoke(request));
        let polled = handler.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        match (polled, SCRIPT.with_borrow_mut(|script| script.pending.take())) {
            (Poll::Ready(reply), _) => Step::Replies(reply),
            (Poll::Pending, Some(call)) => Step::Calls(call),
            (Poll::Pending, None) => Step::Waits,
        }
    }

    async fn invoke(&self, request: &Request) -> Reply {
        if request.function == Function::Delivery {
            let event: SqsEvent = serde_json::from_str(&request.body).unwrap();
            let failures = delivery::handle(&self.delivery, event).await.batch_item_failures.len();
            return Reply { status: if failures == 0 { 200 } else { 500 }, body: json!({}), cookie: None };
        }
        let method = if request.body.is_empty() { http::Method::GET } else { http::Method::POST };
        let mut built = http::Request::builder()
            .method(method)
            .uri(request.path)
            .header("accept", "application/json")
            .header("content-type", "application/json");
        if let Some(cookie) = &request.cookie {
            built = built.header("cookie", format!("__Host-rekey={cookie}"));
        }
        let built = built.body(Body::from(request.body.clone())).unwrap();
        let response = self.routers[&request.function].clone().oneshot(built).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let cookie = parts.headers.get_all("set-cookie").iter().find_map(|line| {
            let value = line.to_str().unwrap().strip_prefix("__Host-rekey=")?;
            Some(value.split(';').next().unwrap().to_owned())
        });
        Reply {
            status: parts.status.as_u16(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
            cookie,
        }
    }
}
