//! The servers of the suite, each started once for all test processes by `serve.py`.

use std::fs::{self, File};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

/// What Samba takes to be provisioned and started, while the machine compiles.
const LONGEST: Duration = Duration::from_mins(8);

/// A server that this process uses. It runs on while any process holds the lock.
pub struct Server {
    /// The port of StartTLS.
    pub ldap: u16,
    /// The port of TLS.
    pub ldaps: u16,
    _used: Option<File>,
}

impl Server {
    /// Returns a server of this process alone.
    pub const fn at(ldaps: u16) -> Self {
        Self { ldap: 0, ldaps, _used: None }
    }
}

pub fn slapd() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| start("slapd"))
}

pub fn samba() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| start("samba"))
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("live-directories")
}

/// Reads a certificate or key; the servers' start makes them.
pub fn pem(name: &str) -> String {
    fs::read_to_string(folder().join("certificates").join(name)).unwrap()
}

/// Makes the certificates, for a test without a server of these.
pub fn certificates() {
    let one_at_a_time = open("certificates.lock");
    one_at_a_time.lock().unwrap();
    let status = serve().arg("certificates").arg(folder()).status().unwrap();
    assert!(status.success());
}

fn serve() -> Command {
    let mut command = Command::new("python3");
    // The crate of the command line uses this file too.
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let script = above.map(|folder| folder.join("tests/contract/live_directories/serve.py"));
    command.arg(script.into_iter().find(|path| path.exists()).unwrap());
    command
}

fn open(name: &str) -> File {
    fs::create_dir_all(folder()).unwrap();
    File::options().create(true).append(true).open(folder().join(name)).unwrap()
}

#[expect(clippy::zombie_processes, reason = "the server serves other test processes after this one")]
fn start(kind: &str) -> Server {
    let used = open(&format!("{kind}.use"));
    // Before looking for a server, so that none ends in between.
    used.lock_shared().unwrap();
    if let Some((ldap, ldaps)) = running(kind) {
        return Server { ldap, ldaps, _used: Some(used) };
    }
    let starting = open(&format!("{kind}.start"));
    starting.lock().unwrap();
    if let Some((ldap, ldaps)) = running(kind) {
        return Server { ldap, ldaps, _used: Some(used) };
    }
    let log_path = folder().join(format!("{kind}.log"));
    let log = File::create(&log_path).unwrap();
    let mut server = serve()
        .arg(kind)
        .arg(folder())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        // It outlives this test.
        .process_group(0)
        .spawn()
        .unwrap();
    let step = Duration::from_millis(50);
    for _ in 0..LONGEST.as_millis() / step.as_millis() {
        if let Some((ldap, ldaps)) = running(kind) {
            return Server { ldap, ldaps, _used: Some(used) };
        }
        if let Some(status) = server.try_wait().unwrap() {
            panic!("{kind}: {status}\n{}", fs::read_to_string(&log_path).unwrap());
        }
        std::thread::sleep(step);
    }
    panic!("{kind} did not start in time; see {}", log_path.display());
}

/// Returns the ports of a running server.
fn running(kind: &str) -> Option<(u16, u16)> {
    let named = fs::read_to_string(folder().join(format!("{kind}.json"))).ok()?;
    let ports: Value = serde_json::from_str(&named).ok()?;
    let port = |name: &str| u16::try_from(ports[name].as_u64()?).ok();
    let (ldap, ldaps) = (port("ldap")?, port("ldaps")?);
    TcpStream::connect(("127.0.0.1", ldaps)).ok().map(|_| (ldap, ldaps))
}
