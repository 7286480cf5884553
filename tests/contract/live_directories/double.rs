//! A domain controller of the tests, which answers as Windows does: by the traffic that Microsoft documents (MS-ADTS) and
//! that others have published. It holds one person, and misbehaves as a test says.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ldap3::asn1::{PL, StructureTag, parse_tag, parse_uint};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::servers;

pub const DOMAIN: &str = "DC=uni,DC=test";
pub const GUID: &str = "03020100-0504-0706-0809-0a0b0c0d0e0f";
pub const NEW_HINTS: &str = "1.2.840.113556.1.4.2239";
pub const OLD_HINTS: &str = "1.2.840.113556.1.4.2066";
/// The name of the fine-grained policy.
pub const FINE_GRAINED: &str = "CN=Staff,CN=Password Settings Container,CN=System,DC=uni,DC=test";
pub const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";

/// The answer to a change.
#[derive(Clone, Copy)]
pub enum Answer {
    /// A result code, and Windows' text.
    Code(u8, &'static str),
    /// A referral to a server that may write.
    Referral,
    /// None: the connection ends.
    Drop,
    /// None: the connection stays.
    Hang,
    /// Octets that ldap3's parser panics on.
    Malformed,
}

/// How a search for people misbehaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    Works,
    /// The second page is refused by the server's limit.
    LimitExceeded,
    /// The control is ignored.
    Ignored,
}

/// A domain controller.
#[derive(Clone)]
pub struct Controller {
    /// Its own name, of `DC1` and `DC2`.
    pub name: &'static str,
    /// The name and the address of the PDC emulator.
    pub primary: (&'static str, &'static str),
    /// The controls of `supportedControl`.
    pub controls: &'static [&'static str],
    /// A control that is refused though it is named.
    pub refused_control: Option<&'static str>,
    pub change: Answer,
    /// The answer to every search for an entry, if it is malformed.
    pub malformed_entry: bool,
    /// The answer to binds of the person; the service account's is right.
    pub bind: Answer,
    pub service_bind: Answer,
    pub bind_delay: Duration,
    pub bad_passwords: &'static str,
    pub paging: Paging,
    /// Attributes of the person, in place of the usual ones.
    pub person: &'static [(&'static str, &'static str)],
    /// The attributes of a fine-grained policy, if there is one. Its name is [`FINE_GRAINED`].
    pub fine_grained: &'static [(&'static str, &'static str)],
}

impl Default for Controller {
    fn default() -> Self {
        Self {
            name: "DC1",
            primary: ("DC1", "127.0.0.1"),
            controls: &[NEW_HINTS],
            refused_control: None,
            change: Answer::Code(0, ""),
            malformed_entry: false,
            bind: Answer::Code(0, ""),
            service_bind: Answer::Code(0, ""),
            bind_delay: Duration::ZERO,
            bad_passwords: "0",
            paging: Paging::Works,
            person: &[],
            fine_grained: &[],
        }
    }
}

/// A change as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub dn: String,
    /// Attributes and their values, all replaced.
    pub attributes: Vec<(String, Vec<u8>)>,
    /// The controls, with their criticality and value.
    pub controls: Vec<(String, bool, Vec<u8>)>,
}

/// What a controller has received.
#[derive(Default)]
pub struct Received {
    pub binds: Mutex<Vec<String>>,
    pub searches: Mutex<Vec<String>>,
    pub changes: Mutex<Vec<Change>>,
}

/// A running controller.
pub struct Running {
    pub port: u16,
    pub received: Arc<Received>,
}

impl Controller {
    /// Listens on an address of this machine, on a port or any.
    pub async fn start(self, host: &str, port: u16) -> Running {
        servers::certificates();
        let chain = vec![CertificateDer::from_pem_slice(servers::pem("cert.pem").as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(servers::pem("key.pem").as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((host, port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received: Arc<Received> = Arc::default();
        let shared = received.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, controller, received) = (acceptor.clone(), self.clone(), shared.clone());
                tokio::spawn(async move {
                    let mut tls = acceptor.accept(tcp).await?;
                    let mut input = Vec::new();
                    loop {
                        let length = match parse_tag(&input) {
                            Ok((rest, message)) => {
                                let length = input.len() - rest.len();
                                if !controller.answer(&message, &received, &mut tls).await? {
                                    return Ok::<_, io::Error>(());
                                }
                                length
                            }
                            Err(_) => 0,
                        };
                        input.drain(..length);
                        if length == 0 && tls.read_buf(&mut input).await? == 0 {
                            return Ok(());
                        }
                    }
                });
            }
        });
        Running { port, received }
    }

    /// Answers one message. Returns whether the connection goes on.
    async fn answer(
        &self,
        message: &StructureTag,
        received: &Received,
        out: &mut (impl tokio::io::AsyncWrite + Unpin + Send),
    ) -> io::Result<bool> {
        let parts = children(message);
        let (id, operation) = (octets(&parts[0]), &parts[1]);
        let controls = parts.get(2).map(read_controls).unwrap_or_default();
        let arguments = children(operation);
        let send = |operation: Vec<u8>, controls: Option<Vec<u8>>| {
            let mut content = tlv(0x02, &id);
            content.extend(operation);
            content.extend(controls.map(|controls| tlv(0xa0, &controls)).unwrap_or_default());
            tlv(0x30, &content)
        };
        let mut answer = Vec::new();
        match operation.id {
            0 => {
                let name = text(&arguments[1]);
                received.binds.lock().unwrap().push(name.clone());
                tokio::time::sleep(self.bind_delay).await;
                let how = if name.starts_with("svc") { self.service_bind } else { self.bind };
                return self.conclude(how, 0x61, &send, out).await;
            }
            2 => return Ok(false),
            3 => {
                let base = text(&arguments[0]);
                received.searches.lock().unwrap().push(base.clone());
                if base.starts_with("<GUID=") && self.malformed_entry {
                    return self.conclude(Answer::Malformed, 0x65, &send, out).await;
                }
                let paged = controls.iter().find(|(oid, _, _)| oid == PAGED_RESULTS);
                if let Some((_, _, value)) = paged {
                    self.page(value, &send, &mut answer);
                } else {
                    let found = self.found(&base);
                    for attributes in &found {
                        answer.extend(send(attributes.clone(), None));
                    }
                    let result = if found.is_empty() {
                        result(32, "0000208D: NameErr: DSID-0310028C, problem 2001 (NO_OBJECT), data 0")
                    } else {
                        result(0, "")
                    };
                    answer.extend(send(tlv(0x65, &result), None));
                }
            }
            6 => {
                let attributes = children(&arguments[1])
                    .iter()
                    .map(|change| {
                        let attribute = children(&children(change)[1]);
                        let value = children(&attribute[1]).first().map(octets).unwrap_or_default();
                        (text(&attribute[0]), value)
                    })
                    .collect();
                let change = Change { dn: text(&arguments[0]), attributes, controls: controls.clone() };
                received.changes.lock().unwrap().push(change);
                let refused = controls
                    .iter()
                    .any(|(oid, is_critical, _)| *is_critical && self.refused_control == Some(oid));
                let how = if refused {
                    Answer::Code(
                        12,
                        "00000057: LdapErr: DSID-0C090D8A, comment: Error processing control, data 0",
                    )
                } else {
                    self.change
                };
                return self.conclude(how, 0x67, &send, out).await;
            }
            other => panic!("operation {other}"),
        }
        out.write_all(&answer).await?;
        out.flush().await?;
        Ok(true)
    }

    async fn conclude(
        &self,
        how: Answer,
        tag: u8,
        send: &(impl Fn(Vec<u8>, Option<Vec<u8>>) -> Vec<u8> + Sync),
        out: &mut (impl tokio::io::AsyncWrite + Unpin + Send),
    ) -> io::Result<bool> {
        let content = match how {
            Answer::Code(code, text) => result(code, text),
            Answer::Referral => {
                let mut content = result(10, "0000202B: RefErr: DSID-03100781, data 0, 1 access points");
                content.extend(tlv(0xa3, &tlv(0x04, b"ldap://dc2.uni.test/DC=uni,DC=test")));
                content
            }
            Answer::Drop => return Ok(false),
            Answer::Hang => return Ok(true),
            // A result code that is no enumeration.
            Answer::Malformed => tlv(0x04, b"what?"),
        };
        out.write_all(&send(tlv(tag, &content), None)).await?;
        out.flush().await?;
        Ok(true)
    }

    /// Returns the entries of a search without pages.
    fn found(&self, base: &str) -> Vec<Vec<u8>> {
        let settings =
            |name: &str| format!("CN=NTDS Settings,CN={name},CN=Servers,CN=Configuration,{DOMAIN}");
        let primary = settings(self.primary.0);
        let attributes: Vec<(&str, Vec<&str>)> = if base.is_empty() {
            let own = settings(self.name);
            return vec![entry(
                "",
                &[
                    ("defaultNamingContext", vec![DOMAIN]),
                    ("dsServiceName", vec![&own]),
                    ("supportedControl", self.controls.to_vec()),
                    ("highestCommittedUSN", vec!["4711"]),
                ],
            )];
        } else if base == DOMAIN {
            vec![
                ("fSMORoleOwner", vec![&primary]),
                ("lockoutThreshold", vec!["5"]),
                ("lockOutObservationWindow", vec!["-18000000000"]),
                ("minPwdLength", vec!["12"]),
                ("pwdHistoryLength", vec!["24"]),
                ("pwdProperties", vec!["1"]),
                ("maxPwdAge", vec!["-9223372036854775808"]),
            ]
        } else if base.starts_with("CN=NTDS Settings") {
            vec![("invocationId", vec!["0123456789abcdef"])]
        } else if base.starts_with(&format!("CN={},CN=Servers", self.primary.0)) {
            vec![("dNSHostName", vec![self.primary.1])]
        } else if base.contains("CN=Password Settings Container") {
            if self.fine_grained.is_empty() || base.starts_with("CN=rekey-nobody") {
                return Vec::new();
            }
            let attributes: Vec<_> =
                self.fine_grained.iter().map(|(name, value)| (*name, vec![*value])).collect();
            return vec![entry(FINE_GRAINED, &attributes)];
        } else if base == format!("<GUID={GUID}>") || base.starts_with("OU=People") {
            let mut usual = vec![
                ("userAccountControl", vec!["512"]),
                ("msDS-User-Account-Control-Computed", vec!["0"]),
                ("pwdLastSet", vec!["134345408000000000"]),
                ("badPwdCount", vec![self.bad_passwords]),
                // Far ahead, so that it counts whenever the test runs.
                ("badPasswordTime", vec!["160000000000000000"]),
            ];
            usual.retain(|(name, _)| self.person.iter().all(|(own, _)| own != name));
            usual.extend(self.person.iter().map(|(name, value)| (*name, vec![*value])));
            usual
        } else {
            return Vec::new();
        };
        vec![entry("CN=Aisyah,OU=People,DC=uni,DC=test", &attributes)]
    }

    /// Answers a page of the two that there are.
    fn page(
        &self,
        control: &[u8],
        send: &impl Fn(Vec<u8>, Option<Vec<u8>>) -> Vec<u8>,
        answer: &mut Vec<u8>,
    ) {
        let (_, value) = parse_tag(control).unwrap();
        let is_second = !octets(&children(&value)[1]).is_empty();
        if is_second && self.paging == Paging::LimitExceeded {
            answer.extend(send(tlv(0x65, &result(4, "")), None));
            return;
        }
        let guid = if is_second { "fedcba9876543210" } else { "0123456789abcdef" };
        let mut attributes = vec![("objectGUID", vec![guid]), ("sAMAccountName", vec![guid])];
        attributes.extend(self.person.iter().map(|(name, value)| (*name, vec![*value])));
        if self.person.iter().all(|(name, _)| *name != "userAccountControl") {
            attributes.push(("userAccountControl", vec!["512"]));
        }
        answer.extend(send(entry("CN=Somebody,OU=People,DC=uni,DC=test", &attributes), None));
        // Windows refers searches of a whole domain to its other parts.
        answer.extend(send(tlv(0x73, &tlv(0x04, b"ldap://uni.test/CN=Configuration,DC=uni,DC=test")), None));
        let cookie: &[u8] = if is_second { b"" } else { b"second" };
        let mut value = tlv(0x02, &[0]);
        value.extend(tlv(0x04, cookie));
        let mut control = tlv(0x04, PAGED_RESULTS.as_bytes());
        control.extend(tlv(0x04, &tlv(0x30, &value)));
        let controls = (self.paging != Paging::Ignored).then(|| tlv(0x30, &control));
        answer.extend(send(tlv(0x65, &result(0, "")), controls));
    }
}

/// Writes an element of BER.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let mut written = vec![tag, 0x84];
    written.extend(length);
    written.extend(content);
    written
}

pub fn result(code: u8, text: &str) -> Vec<u8> {
    [tlv(0x0a, &[code]), tlv(0x04, b""), tlv(0x04, text.as_bytes())].concat()
}

fn entry(dn: &str, attributes: &[(&str, Vec<&str>)]) -> Vec<u8> {
    let attributes: Vec<u8> = attributes
        .iter()
        .flat_map(|(name, values)| {
            let values: Vec<u8> = values.iter().flat_map(|value| tlv(0x04, value.as_bytes())).collect();
            tlv(0x30, &[tlv(0x04, name.as_bytes()), tlv(0x31, &values)].concat())
        })
        .collect();
    tlv(0x64, &[tlv(0x04, dn.as_bytes()), tlv(0x30, &attributes)].concat())
}

pub fn children(tag: &StructureTag) -> Vec<StructureTag> {
    match &tag.payload {
        PL::C(children) => children.clone(),
        PL::P(_) => Vec::new(),
    }
}

pub fn octets(tag: &StructureTag) -> Vec<u8> {
    match &tag.payload {
        PL::P(octets) => octets.clone(),
        PL::C(_) => Vec::new(),
    }
}

pub fn text(tag: &StructureTag) -> String {
    String::from_utf8(octets(tag)).unwrap()
}

pub fn read_controls(tag: &StructureTag) -> Vec<(String, bool, Vec<u8>)> {
    children(tag)
        .iter()
        .map(|control| {
            let parts = children(control);
            let is_critical = parts
                .iter()
                .any(|part| part.id == 1 && parse_uint(&octets(part)).is_ok_and(|(_, one)| one != 0));
            let value = parts.iter().skip(1).find(|part| part.id == 4).map(octets).unwrap_or_default();
            (text(&parts[0]), is_critical, value)
        })
        .collect()
}
