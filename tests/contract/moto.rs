//! Starts a moto server for a test. <https://docs.getmoto.org>

use std::env;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use shared::adapters::aws::{SdkConfig, emulated};
use tokio::net::TcpStream;

/// Maximum start time of moto: three seconds alone, much more while the machine compiles.
const TIMEOUT: Duration = Duration::from_mins(2);

/// A running server, stopped when the value is dropped.
pub struct Moto {
    process: Child,
    address: String,
}

impl Moto {
    /// Starts a server on a free port.
    pub async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let program = program();
        let process = Command::new(&program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{}: {error}; tests/run installs it, REKEY_TEST_MOTO names another", program.display())
            });
        let mut moto = Self { process, address: format!("127.0.0.1:{port}") };
        tokio::time::timeout(TIMEOUT, moto.listening()).await.expect("moto did not start in time");
        moto
    }

    pub fn config(&self) -> SdkConfig {
        emulated(&format!("http://{}", self.address), "test")
    }

    /// Returns all objects of a model (`SMS`) of a service (`sns`).
    pub fn data(&self, service: &str, model: &str) -> Vec<Value> {
        let all: Value = serde_json::from_str(&self.ask("GET /moto-api/data.json")).unwrap();
        all[service][model].as_array().cloned().unwrap_or_default()
    }

    /// Creates a stack, and waits until it is there.
    pub fn create_stack(&self, name: &str, template: &str) {
        let fields = [
            ("Action", "CreateStack"),
            ("Version", "2010-05-15"),
            ("StackName", name),
            ("TemplateBody", template),
            ("Capabilities.member.1", "CAPABILITY_NAMED_IAM"),
        ];
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut stream = std::net::TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "POST / HTTP/1.0\r\nHost: cloudformation.ap-southeast-1.amazonaws.com\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential=test/20261201/ap-southeast-1/cloudformation/aws4_request, SignedHeaders=host, \
             Signature=0\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("<StackId>"), "{answer}");
    }

    /// Deletes everything.
    pub fn reset(&self) {
        self.ask("POST /moto-api/reset");
    }

    /// Calls an operation of a service that speaks JSON, unsigned; moto finds the service in the credential's scope.
    pub fn call(&self, service: &str, target: &str, body: &Value) -> Value {
        let scope = format!("test/20260101/ap-southeast-1/{service}/aws4_request");
        let headers = format!(
            "Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: {target}\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential={scope}, SignedHeaders=host, Signature=0\r\n"
        );
        serde_json::from_str(&self.send("POST /", &headers, &body.to_string())).unwrap()
    }

    fn ask(&self, what: &str) -> String {
        self.send(what, "", "")
    }

    /// Uses HTTP/1.0: the response ends with the connection, so reading it needs no HTTP client.
    fn send(&self, what: &str, headers: &str, body: &str) -> String {
        let mut stream = std::net::TcpStream::connect(&self.address).unwrap();
        let (host, length) = (&self.address, body.len());
        let head = format!("{what} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {length}\r\n{headers}\r\n");
        stream.write_all((head + body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    async fn listening(&mut self) {
        while TcpStream::connect(&self.address).await.is_err() {
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("moto ended: {status}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "which server to test against is the machine's affair")]
fn program() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/moto_server");
    env::var("REKEY_TEST_MOTO").map_or(own, PathBuf::from)
}
