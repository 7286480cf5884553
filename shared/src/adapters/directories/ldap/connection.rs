//! One connection to one server: TLS, time limits, and failures that say whether a request was sent.
//!
//! ldap3 speaks the protocol over a pair of sockets inside the process; TLS is on the other side of the pair, with the
//! organisation's certificates alone. Each operation runs in a task of its own, because the parsers of ldap3 panic on
//! malformed answers.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ldap3::asn1::{parse_tag, parse_uint};
use ldap3::controls::{Control, MakeCritical as _, PagedResults, RawControl};
use ldap3::exop::Exop;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Mod, Scope, StdStream};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::LdapConfigError;
use super::found::Found;
use crate::domain::directory_config::{DirectoryConfig, ServicePassword};
use crate::domain::directory_examination::{ExaminedServer, Fault, FaultKind, ServerState};
use crate::ports::{ChangeError, DirectoryError};

/// People on one page of a search. Active Directory gives no more (`MaxPageSize`).
const PAGE: i32 = 1000;
const PPOLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
/// The request of RFC 4511 §4.14.1: message 1, extended, with this object identifier.
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
/// The longest answer to it. Servers send some 40 octets.
const START_TLS_ANSWER: usize = 4096;

/// How long things may take. A function waits no longer, whatever a server does.
#[derive(Clone, Copy, Debug)]
pub struct TimeLimits {
    /// Reaching one server: name, TCP and TLS.
    pub connect: Duration,
    /// Reaching any of the servers, with the bind of the service account.
    pub establish: Duration,
    /// One operation.
    pub operation: Duration,
    /// One page of a search for all people.
    pub page: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_millis(1500),
            establish: Duration::from_secs(5),
            operation: Duration::from_secs(4),
            page: Duration::from_secs(30),
        }
    }
}

/// The reason why an operation has no result. It holds no text of the server but codes, since texts of servers are not
/// ours to log.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// Nothing was sent.
    #[error("{what}: not sent: {why}")]
    NotSent {
        /// The operation.
        what: &'static str,
        /// The reason, of the system or of TLS.
        why: String,
    },
    /// It was sent, and no readable answer came.
    #[error("{what}: {why}")]
    Lost {
        /// The operation.
        what: &'static str,
        /// The reason.
        why: &'static str,
    },
    /// The server answered with an error.
    #[error("{what}: {answer}")]
    Answered {
        /// The operation.
        what: &'static str,
        /// The codes.
        answer: Answer,
    },
    /// The server's certificate is of another authority, or of another name. Nothing was sent.
    #[error("connect: not sent: {0}")]
    Untrusted(String),
    /// The service account was refused.
    #[error("bind of the service account: {0}")]
    ServiceAccount(Answer),
    /// The directory is not as the configuration says.
    #[error("{0}")]
    Misconfigured(&'static str),
}

impl Failure {
    /// Returns whether another server may do better: nobody was reached, or the server is busy or going down.
    fn is_of_the_server(&self) -> bool {
        match self {
            Self::NotSent { .. } | Self::Lost { .. } | Self::Untrusted(_) => true,
            Self::Answered { answer, .. } | Self::ServiceAccount(answer) => matches!(answer.code, 51 | 52),
            Self::Misconfigured(_) => false,
        }
    }
}

impl From<&Failure> for Fault {
    fn from(failure: &Failure) -> Self {
        let kind = match failure {
            Failure::NotSent { .. } | Failure::Lost { .. } => FaultKind::Unreachable,
            Failure::Untrusted(_) => FaultKind::Certificate,
            Failure::ServiceAccount(_) => FaultKind::ServiceAccount,
            Failure::Misconfigured(_) => FaultKind::Misconfigured,
            Failure::Answered { .. } => FaultKind::Other,
        };
        Self { kind, reason: failure.to_string() }
    }
}

impl From<Failure> for DirectoryError {
    fn from(failure: Failure) -> Self {
        Self(Box::new(failure))
    }
}

/// Returns the failure of a change before its write was sent, or of one that the server answered.
pub(super) fn not_applied(failure: Failure) -> ChangeError {
    ChangeError::NotApplied(Box::new(failure))
}

/// Returns the failure of the write itself: a lost answer leaves the outcome unknown.
pub(super) fn write_failed(failure: Failure) -> ChangeError {
    match failure {
        Failure::Lost { .. } => ChangeError::Unknown(Box::new(failure)),
        other => not_applied(other),
    }
}

/// The codes of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// The result code of RFC 4511 §4.1.9.
    pub(super) code: u32,
    /// Active Directory's own code, which its text begins with in hexadecimal (MS-ADTS §3.1.1.3.1.9).
    pub(super) windows: Option<u32>,
    /// Active Directory's reason of a failed bind, hexadecimal after `data`.
    pub(super) data: Option<u32>,
    /// The error of the password policy control (draft-behera-ldap-password-policy-10 §6.2).
    pub(super) policy: Option<u64>,
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "result code {}", self.code)?;
        self.windows.map_or(Ok(()), |code| write!(f, ", {code:08X}"))?;
        self.data.map_or(Ok(()), |data| write!(f, ", data {data:x}"))?;
        self.policy.map_or(Ok(()), |policy| write!(f, ", policy error {policy}"))
    }
}

impl Answer {
    fn of(result: &LdapResult) -> Self {
        let text = result.text.trim_start();
        let leading = text.get(..8).filter(|_| text.as_bytes().get(8) == Some(&b':'));
        let data = text.split("data ").nth(1).map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
            &rest[..end]
        });
        let hex = |digits: &str| u32::from_str_radix(digits, 16).ok();
        let control = result.ctrls.iter().find(|Control(_, raw)| raw.ctype == PPOLICY);
        Self {
            code: result.rc,
            windows: leading.and_then(hex),
            data: data.and_then(hex),
            policy: control.and_then(|Control(_, raw)| policy_error(raw.val.as_deref()?)),
        }
    }

    pub(super) const fn is_success(self) -> bool {
        self.code == 0
    }

    pub(super) const fn failed(self, what: &'static str) -> Failure {
        Failure::Answered { what, answer: self }
    }
}

/// Returns the error of the password policy control: the element `[1]` of its sequence.
fn policy_error(value: &[u8]) -> Option<u64> {
    let (_, sequence) = parse_tag(value).ok()?;
    let error = sequence.expect_constructed()?.into_iter().find(|element| element.id == 1)?;
    parse_uint(&error.expect_primitive()?).ok().map(|(_, number)| number)
}

/// Returns the request for the password policy control.
pub(super) fn policy_control() -> RawControl {
    RawControl { ctype: PPOLICY.to_owned(), crit: false, val: None }
}

/// Returns whether a server has the overlay `ppolicy`, by its root entry.
pub(super) fn has_policy_overlay(root: &Found) -> bool {
    root.texts("supportedControl").any(|control| control == PPOLICY)
}

/// A server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// A name, or an IP address without brackets.
    pub(super) host: String,
    /// The TCP port.
    pub(super) port: u16,
}

impl Address {
    /// Reads an address that the configuration's check has passed.
    fn parse(address: &str) -> Self {
        let (scheme, rest) = address.split_once("://").unwrap_or(("ldaps", address));
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
            _ => (rest, None),
        };
        let usual = if scheme == "ldap" { 389 } else { 636 };
        Self {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: port.unwrap_or(usual),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The servers of a directory, and the service account to use.
pub(super) struct Servers {
    /// In the order of trying.
    pub(super) addresses: Vec<Address>,
    start_tls: bool,
    tls: TlsConnector,
    account: String,
    password: ServicePassword,
    limits: TimeLimits,
}

impl Servers {
    pub(super) fn new(
        config: &DirectoryConfig,
        account: &str,
        password: ServicePassword,
        limits: TimeLimits,
    ) -> Result<Self, LdapConfigError> {
        Ok(Self {
            addresses: config.servers.iter().map(|server| Address::parse(server)).collect(),
            start_tls: config.start_tls,
            tls: TlsConnector::from(trust(&config.ca)?),
            account: account.to_owned(),
            password,
            limits,
        })
    }

    /// Connects to the first of these servers that can be reached, as the service account. Its refusal ends the search:
    /// every further bind with a wrong password would count towards its lock.
    pub(super) async fn connect(&self, addresses: &[Address]) -> Result<Connection, Failure> {
        let attempts = async {
            let mut last = Failure::Misconfigured("no server is left");
            for address in addresses {
                match self.connect_to(address).await {
                    Err(failure) if failure.is_of_the_server() => {
                        tracing::warn!(
                            event = "directory.server_failed",
                            server = %address,
                            error = %failure
                        );
                        last = failure;
                    }
                    other => return other,
                }
            }
            Err(last)
        };
        let why = "no server answered in time".to_owned();
        timeout(self.limits.establish, attempts)
            .await
            .unwrap_or(Err(Failure::NotSent { what: "connect", why }))
    }

    /// Returns the name of the service account.
    pub(super) fn account(&self) -> &str {
        &self.account
    }

    /// Tries each of the servers, until one refuses the service account or the time is up.
    pub(super) async fn examine(&self) -> Vec<ExaminedServer> {
        let mut servers: Vec<ExaminedServer> = Vec::new();
        let attempts = async {
            for address in &self.addresses {
                let failed = self.connect_to(address).await.err();
                let is_refused = matches!(failed, Some(Failure::ServiceAccount(_)));
                servers.push(examined(address, failed.as_ref()));
                if is_refused {
                    break;
                }
            }
        };
        let _ = timeout(self.limits.establish, attempts).await;
        for address in self.addresses.iter().skip(servers.len()) {
            let (address, state) = (address.to_string(), ServerState::NotTried);
            servers.push(ExaminedServer { address, is_primary: false, state });
        }
        servers
    }

    async fn connect_to(&self, address: &Address) -> Result<Connection, Failure> {
        let connection = self.open(address).await?;
        let answer = connection.bind(&self.account, self.password.expose(), Vec::new()).await?;
        if answer.is_success() { Ok(connection) } else { Err(Failure::ServiceAccount(answer)) }
    }

    async fn open(&self, address: &Address) -> Result<Connection, Failure> {
        let not_sent = |why: String| Failure::NotSent { what: "connect", why };
        let opening = async {
            let mut tcp = TcpStream::connect((address.host.as_str(), address.port)).await?;
            tcp.set_nodelay(true)?;
            if self.start_tls {
                start_tls(&mut tcp).await?;
            }
            let name = ServerName::try_from(address.host.clone()).map_err(std::io::Error::other)?;
            let mut tls = self.tls.connect(name, tcp).await?;
            let (mut outer, inner) = UnixStream::pair()?;
            let relay = tokio::spawn(async move {
                let _ = tokio::io::copy_bidirectional(&mut tls, &mut outer).await;
            });
            let relay = Task(relay);
            let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(inner.into_std()?));
            let (driver, ldap) = LdapConnAsync::with_settings(settings, "ldapi:///").await?;
            let driver = Task(tokio::spawn(async move {
                let _ = driver.drive().await;
            }));
            Ok::<_, std::io::Error>(Connection {
                ldap,
                driver,
                _relay: relay,
                limits: self.limits,
                address: address.clone(),
            })
        };
        match timeout(self.limits.connect, opening).await {
            Ok(Err(error)) if is_untrusted(&error) => Err(Failure::Untrusted(error.to_string())),
            Ok(opened) => opened.map_err(|error| not_sent(error.to_string())),
            Err(_) => Err(not_sent("no answer in time".to_owned())),
        }
    }
}

/// Returns what became of a connection to a server.
pub(super) fn examined(address: &Address, failed: Option<&Failure>) -> ExaminedServer {
    let state = failed.map_or(ServerState::Reached, |failure| ServerState::Failed(failure.into()));
    ExaminedServer { address: address.to_string(), is_primary: false, state }
}

/// Returns whether the handshake ended because of the server's certificate.
fn is_untrusted(error: &std::io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_)))
}

/// Asks for TLS on a plain connection. Octets after the answer would be taken for ones inside TLS, so they end the
/// connection (CVE-2021-44142 and its kind: injected plain text).
async fn start_tls(tcp: &mut TcpStream) -> std::io::Result<()> {
    tcp.write_all(START_TLS).await?;
    let (mut answer, mut length) = ([0; START_TLS_ANSWER], 0);
    loop {
        let read = tcp.read(&mut answer[length..]).await?;
        if read == 0 {
            return Err(std::io::Error::other("the server closed the connection before StartTLS"));
        }
        length += read;
        match parse_tag(&answer[..length]) {
            Ok((rest, message)) => {
                let code = message.expect_constructed().and_then(|parts| {
                    let code = parts.into_iter().nth(1)?.expect_constructed()?.into_iter().next()?;
                    parse_uint(&code.expect_primitive()?).ok().map(|(_, code)| code)
                });
                let is_ready = code == Some(0) && rest.is_empty();
                return is_ready.then_some(()).ok_or_else(|| std::io::Error::other("StartTLS was refused"));
            }
            Err(error) if error.is_incomplete() && length < START_TLS_ANSWER => {}
            Err(_) => return Err(std::io::Error::other("the answer to StartTLS is unreadable")),
        }
    }
}

/// Returns a TLS configuration that trusts these certificates and no other.
fn trust(pem: &str) -> Result<Arc<ClientConfig>, LdapConfigError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| LdapConfigError::Certificate)?;
        roots.add(certificate).map_err(|_| LdapConfigError::Certificate)?;
    }
    if roots.is_empty() {
        return Err(LdapConfigError::Certificate);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| LdapConfigError::Certificate)?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// A task that ends with its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One page of a search.
pub(super) struct Page {
    /// The entries.
    pub(super) entries: Vec<Found>,
    /// Continues the search; `None` after the last page.
    pub(super) next: Option<Vec<u8>>,
    /// Whether the server cut the results off.
    pub(super) is_cut_off: bool,
}

/// A connection to one server, bound as an account.
pub(super) struct Connection {
    ldap: Ldap,
    driver: Task,
    _relay: Task,
    limits: TimeLimits,
    /// The server.
    pub(super) address: Address,
}

impl Connection {
    /// Returns whether the server has not closed the connection, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        !self.driver.0.is_finished()
    }

    /// Runs one operation in a task of its own.
    async fn run<T, F>(
        &self,
        what: &'static str,
        limit: Duration,
        operation: impl FnOnce(Ldap) -> F,
    ) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, LdapError>> + Send + 'static,
    {
        if !self.is_open() {
            return Err(Failure::NotSent { what, why: "the connection is closed".to_owned() });
        }
        let mut task = tokio::spawn(operation(self.ldap.clone()));
        let Ok(joined) = timeout(limit, &mut task).await else {
            task.abort();
            return Err(Failure::Lost { what, why: "no answer in time" });
        };
        match joined {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(LdapError::FilterParsing)) => Err(Failure::Misconfigured("a filter can't be parsed")),
            Ok(Err(LdapError::OpSend { .. })) => {
                Err(Failure::NotSent { what, why: "the connection is closed".to_owned() })
            }
            Ok(Err(_)) => Err(Failure::Lost { what, why: "the connection ended before the answer" }),
            Err(_) => Err(Failure::Lost { what, why: "the answer is unreadable" }),
        }
    }

    /// Binds, and returns the answer whatever it says. An empty password must not come here.
    pub(super) async fn bind(
        &self,
        account: &str,
        password: &str,
        controls: Vec<RawControl>,
    ) -> Result<Answer, Failure> {
        let (account, password) = (account.to_owned(), Zeroizing::new(password.to_owned()));
        self.run("bind", self.limits.operation, |mut ldap| async move {
            let result = ldap.with_controls(controls).simple_bind(&account, &password).await?;
            Ok(Answer::of(&result))
        })
        .await
    }

    /// Returns one entry by its name if the filter holds; `None` without one.
    pub(super) async fn read(
        &self,
        base: &str,
        filter: &str,
        attributes: &[&str],
    ) -> Result<Option<Found>, Failure> {
        self.read_with(base, filter, attributes, Vec::new()).await
    }

    /// Returns one entry by its name, with controls.
    pub(super) async fn read_with(
        &self,
        base: &str,
        filter: &str,
        attributes: &[&str],
        controls: Vec<RawControl>,
    ) -> Result<Option<Found>, Failure> {
        let found = self.search_in(base, Scope::Base, filter, attributes, controls).await?;
        Ok(found.into_iter().next())
    }

    /// Returns the entries below a base; none without the base.
    pub(super) async fn search(
        &self,
        base: &str,
        filter: &str,
        attributes: &[&str],
    ) -> Result<Vec<Found>, Failure> {
        self.search_in(base, Scope::Subtree, filter, attributes, Vec::new()).await
    }

    async fn search_in(
        &self,
        base: &str,
        scope: Scope,
        filter: &str,
        attributes: &[&str],
        controls: Vec<RawControl>,
    ) -> Result<Vec<Found>, Failure> {
        let (base, filter) = (base.to_owned(), filter.to_owned());
        let attributes: Vec<String> = attributes.iter().map(|&name| name.to_owned()).collect();
        let (entries, answer) = self
            .run("search", self.limits.operation, move |mut ldap| async move {
                let result = ldap.with_controls(controls).search(&base, scope, &filter, attributes).await?;
                Ok((Found::all(result.0), Answer::of(&result.1)))
            })
            .await?;
        match answer.code {
            0 => Ok(entries),
            // noSuchObject: the base is gone, or hidden from the account.
            32 => Ok(Vec::new()),
            _ => Err(answer.failed("search")),
        }
    }

    /// Returns one page of the entries below a base.
    pub(super) async fn page(
        &self,
        base: &str,
        filter: &str,
        attributes: Vec<String>,
        after: Vec<u8>,
    ) -> Result<Page, Failure> {
        let (base, filter) = (base.to_owned(), filter.to_owned());
        let (entries, answer, cookie) = self
            .run("search of all people", self.limits.page, move |mut ldap| async move {
                let paging = PagedResults { size: PAGE, cookie: after }.critical();
                let result =
                    ldap.with_controls(paging).search(&base, Scope::Subtree, &filter, attributes).await?;
                let control = result.1.ctrls.iter().find(|Control(_, raw)| raw.ctype == PAGED_RESULTS);
                let cookie = control.map(|Control(_, raw)| raw.parse::<PagedResults>().cookie);
                Ok((Found::all(result.0), Answer::of(&result.1), cookie))
            })
            .await?;
        match answer.code {
            // A server that does not page gives what its limit allows, and does not say so.
            0 => Ok(Page {
                entries,
                is_cut_off: cookie.is_none(),
                next: cookie.filter(|cookie| !cookie.is_empty()),
            }),
            // sizeLimitExceeded, adminLimitExceeded
            4 | 11 => Ok(Page { entries, is_cut_off: true, next: None }),
            _ => Err(answer.failed("search of all people")),
        }
    }

    /// Changes an entry, and returns the answer whatever it says.
    pub(super) async fn modify(
        &self,
        dn: &str,
        changes: Vec<Mod<Vec<u8>>>,
        controls: Vec<RawControl>,
    ) -> Result<Answer, Failure> {
        let dn = dn.to_owned();
        self.run("modify", self.limits.operation, |mut ldap| async move {
            let result = ldap.with_controls(controls).modify(&dn, changes).await?;
            Ok(Answer::of(&result))
        })
        .await
    }

    /// Makes an extended request, and returns the answer whatever it says. Its value is not parsed: ldap3 panics where a
    /// server leaves it out.
    pub(super) async fn extended(&self, request: Exop, controls: Vec<RawControl>) -> Result<Answer, Failure> {
        self.run("password modify", self.limits.operation, |mut ldap| async move {
            let result = ldap.with_controls(controls).extended(request).await?;
            Ok(Answer::of(&result.1))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(rc: u32, text: &str) -> Answer {
        let result =
            LdapResult { rc, matched: String::new(), text: text.to_owned(), refs: vec![], ctrls: vec![] };
        Answer::of(&result)
    }

    #[test]
    fn codes_of_active_directory_are_read() {
        let refused =
            answer(53, "0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0\n\0");
        assert_eq!((refused.code, refused.windows), (53, Some(0x52d)));
        let bind = answer(
            49,
            "80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data 775, v4563",
        );
        assert_eq!((bind.windows, bind.data), (Some(0x8009_0308), Some(0x775)));
        let plain = answer(19, "Password fails quality checking policy");
        assert_eq!((plain.windows, plain.data, plain.policy), (None, None, None));
        assert_eq!(answer(19, "Päßwörd: data").windows, None);
    }

    #[test]
    fn policy_control_error_is_read() {
        assert_eq!(policy_error(b"\x30\x03\x81\x01\x08"), Some(8));
        assert_eq!(policy_error(b"\x30\x08\xa0\x03\x80\x01\x05\x81\x01\x02"), Some(2));
        assert_eq!(policy_error(b"\x30\x00"), None);
        assert_eq!(policy_error(b"\x30\x7f"), None);
    }

    #[test]
    fn address_has_port_of_its_scheme() {
        for (text, host, port) in [
            ("ldaps://dc1.contoh.example", "dc1.contoh.example", 636),
            ("ldap://dc1.contoh.example", "dc1.contoh.example", 389),
            ("ldaps://dc1.contoh.example:3269", "dc1.contoh.example", 3269),
            ("ldaps://[2001:db8::1]", "2001:db8::1", 636),
            ("ldaps://[2001:db8::1]:1636", "2001:db8::1", 1636),
        ] {
            assert_eq!(Address::parse(text), Address { host: host.to_owned(), port }, "{text}");
        }
    }
}
