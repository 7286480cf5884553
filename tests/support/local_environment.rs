//! Rekey as `cargo local` starts it, with the machine's clock, called over HTTP.

use std::path::PathBuf;
use std::sync::Arc;
use std::{env, fs, process};

use axum::body::Body;
use http::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rekey_local::dev_inbox::Message;
use rekey_local::{Local, Options};
use tokio::time::{Duration, timeout};

use crate::answer::Answer;
use crate::browser::{Browser, Site};

/// Maximum wait for a message. The queue is polled every quarter of a second, but the machine may be compiling.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A running local environment.
pub struct LocalEnvironment {
    /// The environment, to read its messages and its AWS emulator.
    pub local: Local,
    client: Client<HttpConnector, String>,
}

impl LocalEnvironment {
    /// Options with free ports.
    pub fn options() -> Options {
        Options {
            listen: "127.0.0.1:0".into(),
            outbox: "127.0.0.1:0".into(),
            data: None,
            memory: false,
            directory: None,
            people: None,
            steps: None,
            services: false,
            watch: "http://127.0.0.1:9000".into(),
        }
    }

    /// Starts the environment.
    pub async fn start(options: &Options) -> Arc<Self> {
        Self::start_with(options, &[]).await
    }

    /// Starts the environment with these settings.
    pub async fn start_with(options: &Options, settings: &[(&str, &str)]) -> Arc<Self> {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let local = Local::start(options, settings).await.unwrap();
        Arc::new(Self { local, client: Client::builder(TokioExecutor::new()).build_http() })
    }

    /// Stops the environment. Every browser must have been dropped.
    pub async fn stop(self: Arc<Self>) {
        Arc::into_inner(self).expect("a browser is still there").local.stop().await.unwrap();
    }

    /// Creates a client of the environment.
    pub fn browser(self: &Arc<Self>) -> Browser<Self> {
        Browser::new(self)
    }

    /// Returns every message, the newest first, as soon as `enough` accepts them.
    pub async fn messages(&self, enough: impl Fn(&[Message]) -> bool) -> Vec<Message> {
        let dev_inbox = &self.local.dev_inbox;
        let mut changes = dev_inbox.changes();
        let arrived = async {
            while !enough(&dev_inbox.messages()) {
                changes.changed().await.unwrap();
            }
        };
        let in_time = timeout(TIMEOUT, arrived).await;
        in_time.unwrap_or_else(|_| panic!("the expected message did not arrive: {:?}", dev_inbox.messages()));
        dev_inbox.messages()
    }

    /// Returns the newest code that was sent to a contact.
    pub async fn code(&self, to: &str) -> String {
        let is_it = |message: &Message| message.to == to && message.code.is_some();
        let messages = self.messages(|all| all.iter().any(is_it)).await;
        messages.into_iter().find(is_it).and_then(|message| message.code).unwrap()
    }

    /// Returns what the dev inbox answers.
    pub async fn inbox(&self, path: &str) -> Answer {
        let request = Request::get(path).header("accept", "application/json").body(String::new()).unwrap();
        self.ask(self.local.dev_inbox_address, request).await
    }

    async fn ask(&self, at: std::net::SocketAddr, mut request: Request<String>) -> Answer {
        let path = request.uri().path_and_query().unwrap().clone();
        let uri = Uri::builder().scheme("http").authority(at.to_string()).path_and_query(path);
        *request.uri_mut() = uri.build().unwrap();
        Answer::read(self.client.request(request).await.unwrap().map(Body::new)).await
    }
}

impl Site for LocalEnvironment {
    async fn answer(&self, request: Request<String>) -> Answer {
        self.ask(self.local.product.unwrap(), request).await
    }

    async fn solve(&self, token: &str) -> String {
        let request = Request::get(format!("/captchas/{token}")).body(String::new()).unwrap();
        let answer = self.ask(self.local.dev_inbox_address, request).await.json();
        answer["answer"].as_str().unwrap().to_owned()
    }
}

/// A temporary folder, deleted with the value.
pub struct Folder(PathBuf);

impl Folder {
    /// Creates an empty folder for the test of this name.
    pub fn new(test: &str) -> Self {
        let path = env::temp_dir().join(format!("rekey-{test}-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Returns the path of a file in the folder, whether or not it exists.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
