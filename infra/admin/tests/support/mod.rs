//! A running local environment, and the binary that works on it.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rekey_local::Options;
use rekey_tests::{Folder, LocalEnvironment};
use serde_json::Value;
use shared::adapters::aws::emulated;

/// A local environment with the example people, and a folder for files.
pub struct Rekey {
    pub environment: Arc<LocalEnvironment>,
    folder: Folder,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Rekey {
    pub async fn start() -> Self {
        // One person without a password, so that the start is quick.
        Self::start_with(|folder| {
            let people = Some(folder.write("start.csv", "login,name\nstart,Start Person\n"));
            Options { people, ..LocalEnvironment::options() }
        })
        .await
    }

    pub async fn start_with(options: impl FnOnce(&Folder) -> Options) -> Self {
        static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = Folder::new(&format!("admin-{number}"));
        let options = options(&folder);
        Self { environment: LocalEnvironment::start(&options).await, folder }
    }

    /// Stops the environment and starts it again with the same folder.
    pub async fn restart(self, options: impl FnOnce(&Folder) -> Options) -> Self {
        let Self { environment, folder } = self;
        environment.stop().await;
        let options = options(&folder);
        Self { environment: LocalEnvironment::start(&options).await, folder }
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        self.folder.write(name, text).to_str().unwrap().to_owned()
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path(name).to_str().unwrap().to_owned()
    }

    pub fn inbox(&self) -> String {
        format!("http://{}", self.environment.local.dev_inbox_address)
    }

    pub async fn run(&self, arguments: &[&str]) -> Ended {
        self.run_at(&self.inbox(), arguments).await
    }

    pub async fn run_at(&self, inbox: &str, arguments: &[&str]) -> Ended {
        Self::end(command(inbox, arguments)).await
    }

    /// Runs a command as another user of this machine.
    pub async fn run_as(&self, user: &str, arguments: &[&str]) -> Ended {
        let mut command = command(&self.inbox(), arguments);
        command.env("USER", user);
        Self::end(command).await
    }

    /// Runs a command on a stack of an AWS account at this address.
    pub async fn run_on_stack(endpoint: &str, arguments: &[&str]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekey"));
        command.args(["--stack", "rekey", "--region", "ap-southeast-1"]).args(arguments);
        command.env("AWS_ENDPOINT_URL", endpoint);
        command.env("AWS_ACCESS_KEY_ID", "local").env("AWS_SECRET_ACCESS_KEY", "none");
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::end(command).await
    }

    async fn end(mut command: Command) -> Ended {
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs a command that succeeds, for programs.
    pub async fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.run(&[arguments, &["--json"]].concat()).await;
        assert_eq!(ended.status, 0, "{arguments:?} {ended:?}");
        serde_json::from_str(&ended.out).unwrap()
    }

    /// Imports this text.
    pub async fn import(&self, text: &str) -> Value {
        let file = self.file("people.csv", text);
        self.json(&["import", &file, "--apply"]).await
    }

    /// Starts a command and stops it with Ctrl-C while it writes accounts.
    pub async fn interrupted(&self, arguments: &[&str]) -> i32 {
        let mut child = command(&self.inbox(), arguments).spawn().unwrap();
        let client = self.client();
        for _ in 0..6_000 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let table = client.scan().table_name("AccountsTable").limit(1_000).send().await.unwrap();
            if table.count() > 600 || child.try_wait().unwrap().is_some() {
                break;
            }
        }
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        child.wait().unwrap().code().unwrap()
    }

    pub fn client(&self) -> aws_sdk_dynamodb::Client {
        let endpoint = self.environment.local.emulator.endpoint();
        aws_sdk_dynamodb::Client::new(&emulated(endpoint, "local"))
    }

    /// Returns everything in the tables that outlive a day.
    pub async fn dump(&self) -> String {
        let mut text = String::new();
        for table in ["AccountsTable", "SecurityInfoTable"] {
            let page = self.client().scan().table_name(table).send().await.unwrap();
            write!(text, "{:?}", page.items()).unwrap();
        }
        text
    }

    /// Waits for the message that notifies this contact.
    pub async fn delivered(&self, to: &str) {
        self.environment
            .messages(|all| all.iter().any(|message| message.to == to && message.code.is_none()))
            .await;
    }
}

fn command(inbox: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekey"));
    command.arg(format!("--local={inbox}")).args(arguments);
    command.env_remove("RUST_LOG").env_remove("REKEY_STACK").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Returns the remarks of an import as `row column why`.
pub fn lines_about(import: &Value) -> Vec<String> {
    let remarks = import["remarks"].as_array().unwrap().iter();
    let line = |remark: &Value| {
        let column = remark["column"].as_str().unwrap_or_default();
        format!("{} {column} {}", remark["row"], remark["why"].as_str().unwrap())
    };
    remarks.map(line).collect()
}
