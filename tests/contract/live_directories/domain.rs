//! A domain controller of the tests that keeps people, groups, rules and passwords, and answers as Windows is documented
//! to (MS-ADTS, and traffic that others have published). Where it differs from Samba: a refused password is result code 53
//! and names no rule, the control for the history of passwords works, results without pages end after a thousand, and
//! somebody without rights reads `00000005`.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use ldap3::asn1::{StructureTag, parse_tag, parse_uint};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use shared::adapters::system::SystemClock;
use shared::ports::Clock as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::double::{NEW_HINTS, PAGED_RESULTS, children, octets, read_controls, result, text, tlv};
use super::servers::{self, Server};
use super::{ADMIN_PASSWORD, SERVICE_PASSWORD, crowd};

const DOMAIN: &str = "dc=uni,dc=test";
const SETTINGS: &str = "CN=NTDS Settings,CN=DC1,CN=Servers,CN=Configuration,dc=uni,dc=test";
const POLICIES: &str = "CN=Password Settings Container,CN=System,dc=uni,dc=test";
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";
/// People in one answer without pages (`MaxPageSize`).
const PAGE_MAX: usize = 1000;
/// In units of 100 ns.
const SECOND: i64 = 10_000_000;
const HALF_HOUR: i64 = 1800 * SECOND;
const HALF_YEAR: i64 = 180 * 86_400 * SECOND;
const WINDOWS_EPOCH: i64 = 11_644_473_600;

const NO_OBJECT: &str =
    "0000208D: NameErr: DSID-0310028C, problem 2001 (NO_OBJECT), data 0, best match of:\n";
const GONE: &str = "00002030: NameErr: DSID-03100213, problem 2001 (NO_OBJECT), data 0, best match of:\n";
const NO_RIGHTS: &str = "00000005: SecErr: DSID-031A11ED, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n";
const REFUSED: &str = "0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0\n";
const NOT_BOUND: &str = "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a successful bind \
                         must be completed on the connection., data 0, v4563";

/// Starts a domain of its own, which ends with the test.
pub fn start() -> &'static Server {
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
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let ldaps = listener.local_addr().unwrap().port();
    let listener = TcpListener::from_std(listener).unwrap();
    let domain = Arc::new(Mutex::new(Domain::new()));
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (acceptor, domain) = (acceptor.clone(), domain.clone());
            tokio::spawn(async move {
                let mut tls = acceptor.accept(tcp).await?;
                let (mut input, mut caller) = (Vec::new(), None);
                loop {
                    let length = match parse_tag(&input) {
                        Ok((rest, message)) => {
                            let answer = domain.lock().unwrap().answer(&message, &mut caller);
                            let Some(answer) = answer else { return Ok::<_, io::Error>(()) };
                            tls.write_all(&answer).await?;
                            tls.flush().await?;
                            input.len() - rest.len()
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
    Box::leak(Box::new(Server::at(ldaps)))
}

/// The security identifiers of the service accounts, by their last number.
const WRITER: u32 = 1101;
const READER: u32 = 1102;

/// Who is bound on a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    Administrator,
    Writer,
    /// Anybody else, who may read.
    Reader,
}

#[derive(Clone, Default)]
struct Entry {
    dn: String,
    /// By the name in lower case.
    attributes: BTreeMap<String, Vec<Vec<u8>>>,
    /// The passwords, the latest first.
    passwords: Vec<String>,
    wrong: i64,
    wrong_at: i64,
}

/// The rules of the domain, or of the policy of staff.
struct Rules {
    length: usize,
    threshold: i64,
}

struct Domain {
    entries: BTreeMap<String, Entry>,
    changes: i64,
    latest: i64,
}

type Refusal = (u8, &'static str);

impl Domain {
    fn new() -> Self {
        let mut domain = Self { entries: BTreeMap::new(), changes: 1000, latest: 0 };
        let add = |domain: &mut Self, dn: &str, attributes: &[(&str, &str)]| {
            let values = attributes
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), vec![value.as_bytes().to_vec()]));
            domain.add(dn, values.collect()).unwrap();
        };
        let (window, age) = (format!("-{HALF_HOUR}"), format!("-{HALF_YEAR}"));
        add(
            &mut domain,
            DOMAIN,
            &[
                ("objectClass", "domainDNS"),
                ("fSMORoleOwner", SETTINGS),
                ("minPwdLength", "10"),
                ("pwdHistoryLength", "3"),
                ("pwdProperties", "1"),
                ("maxPwdAge", &age),
                ("lockoutThreshold", "5"),
                ("lockOutObservationWindow", &window),
                ("lockoutDuration", &window),
            ],
        );
        add(&mut domain, SETTINGS, &[("objectClass", "nTDSDSA"), ("invocationId", "0123456789abcdef")]);
        add(&mut domain, POLICIES, &[("objectClass", "msDS-PasswordSettingsContainer")]);
        for name in ["People", "Elsewhere", "Groups", "Services", "Crowd,OU=Elsewhere"] {
            add(&mut domain, &format!("OU={name},{DOMAIN}"), &[("objectClass", "organizationalUnit")]);
        }
        add(
            &mut domain,
            &format!("CN=Staff,{POLICIES}"),
            &[
                ("objectClass", "msDS-PasswordSettings"),
                ("msDS-MinimumPasswordLength", "16"),
                ("msDS-PasswordComplexityEnabled", "TRUE"),
                ("msDS-PasswordHistoryLength", "3"),
                ("msDS-LockoutThreshold", "3"),
                ("msDS-LockoutObservationWindow", &window),
                ("msDS-MaximumPasswordAge", &age),
            ],
        );
        for name in ["Nested", "Denied", "Staff"] {
            let nested = format!("CN=Nested,OU=Groups,{DOMAIN}");
            let member = (name == "Denied").then_some(("member", nested.as_str()));
            let attributes: Vec<_> =
                [("objectClass", "group"), ("sAMAccountName", name)].into_iter().chain(member).collect();
            add(&mut domain, &format!("CN={name},OU=Groups,{DOMAIN}"), &attributes);
        }
        for (name, number) in [("Domain Admins", "512"), ("Domain Users", "513")] {
            let attributes = [("objectClass", "group"), ("sAMAccountName", name), ("rid", number)];
            add(&mut domain, &format!("CN={name},CN=Users,{DOMAIN}"), &attributes);
        }
        let administrator = [
            ("objectClass", "user"),
            ("sAMAccountName", "Administrator"),
            ("userAccountControl", "512"),
            ("adminCount", "1"),
        ];
        add(&mut domain, &format!("CN=Administrator,CN=Users,{DOMAIN}"), &administrator);
        for number in 0..crowd::SIZE {
            let dn = format!("CN=Crowd {number},OU=Crowd,OU=Elsewhere,{DOMAIN}");
            let login = format!("crowd{number}");
            add(
                &mut domain,
                &dn,
                &[("objectClass", "user"), ("sAMAccountName", &login), ("userAccountControl", "546")],
            );
        }
        domain
    }

    /// Answers a message; `None` ends the connection.
    fn answer(&mut self, message: &StructureTag, caller: &mut Option<Caller>) -> Option<Vec<u8>> {
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
        let conclude = |tag: u8, done: Result<(), Refusal>| {
            let (code, text) = done.err().unwrap_or((0, ""));
            send(tlv(tag, &result(code, text)), None)
        };
        let by_caller =
            |domain: &mut Self, tag: u8, done: &dyn Fn(&mut Self, Caller) -> Result<(), Refusal>| {
                match *caller {
                    Some(caller) => conclude(tag, done(domain, caller)),
                    None => conclude(tag, Err((1, NOT_BOUND))),
                }
            };
        Some(match operation.id {
            0 => {
                let bound = self.bind(&text(&arguments[1]), &text(&arguments[2]));
                *caller = bound.as_ref().ok().copied();
                match bound {
                    Ok(_) => conclude(0x61, Ok(())),
                    Err(data) => {
                        let text = format!(
                            "80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data {data}, v4563"
                        );
                        send(tlv(0x61, &result(49, &text)), None)
                    }
                }
            }
            3 if caller.is_none() && !text(&arguments[0]).is_empty() => conclude(0x65, Err((1, NOT_BOUND))),
            3 => self.search(&arguments, &controls, *caller, &send),
            6 => by_caller(self, 0x67, &|domain, caller| domain.modify(&arguments, &controls, caller)),
            8 => by_caller(self, 0x69, &|domain, caller| {
                (caller == Caller::Administrator).then_some(()).ok_or((50, NO_RIGHTS))?;
                domain.add(&text(&arguments[0]), values_of(&children(&arguments[1])))
            }),
            10 => by_caller(self, 0x6b, &|domain, caller| {
                (caller == Caller::Administrator).then_some(()).ok_or((50, NO_RIGHTS))?;
                let removed = domain.entries.remove(&key(&text(operation))).ok_or((32, GONE))?;
                domain.rename_members(&removed.dn, None);
                Ok(())
            }),
            12 => by_caller(self, 0x6d, &|domain, caller| {
                (caller == Caller::Administrator).then_some(()).ok_or((50, NO_RIGHTS))?;
                domain.rename(&text(&arguments[0]), &text(&arguments[1]), arguments.get(3).map(text))
            }),
            _ => return None,
        })
    }

    /// Binds as somebody, or returns the reason's number.
    fn bind(&mut self, name: &str, password: &str) -> Result<Caller, &'static str> {
        let service = |name: &str| match name {
            "svc-write@uni.test" => Some(Caller::Writer),
            "svc-read@uni.test" => Some(Caller::Reader),
            _ => None,
        };
        if let Some(caller) = service(name) {
            return if password == SERVICE_PASSWORD { Ok(caller) } else { Err("52e") };
        }
        if name == "Administrator@uni.test" {
            return if password == ADMIN_PASSWORD { Ok(Caller::Administrator) } else { Err("52e") };
        }
        let now = self.time();
        let Some(entry) = self.entries.get(&key(name)).cloned() else { return Err("52e") };
        if Self::is_locked(&entry, now) {
            return Err("775");
        }
        let rules = self.rules(&entry);
        let known = self.entries.get_mut(&key(name)).unwrap();
        if entry.passwords.first().is_none_or(|right| right != password) {
            known.wrong = if now - entry.wrong_at < HALF_HOUR { entry.wrong + 1 } else { 1 };
            known.wrong_at = now;
            if known.wrong >= rules.threshold {
                known.attributes.insert("lockouttime".to_owned(), vec![now.to_string().into_bytes()]);
                self.touch(name);
            }
            return Err("52e");
        }
        if entry.number("userAccountControl") & 2 != 0 {
            return Err("533");
        }
        if (1..now).contains(&entry.number("accountExpires")) {
            return Err("701");
        }
        if entry.number("pwdLastSet") == 0 {
            return Err("773");
        }
        known.wrong = 0;
        Ok(Caller::Reader)
    }

    /// Changes an entry as a whole, or not at all.
    fn modify(
        &mut self,
        arguments: &[StructureTag],
        controls: &[(String, bool, Vec<u8>)],
        caller: Caller,
    ) -> Result<(), Refusal> {
        let dn = self.find(&text(&arguments[0])).ok_or((32, GONE))?;
        let mut entry = self.entries[&key(&dn)].clone();
        if controls.iter().any(|(oid, is_critical, _)| *is_critical && oid != NEW_HINTS) {
            return Err((12, "00000057: LdapErr: DSID-0C090D8A, comment: Error processing control, data 0"));
        }
        for change in children(&arguments[1]) {
            let parts = children(&change);
            let (_, operation) = parse_uint(&octets(&parts[0])).unwrap();
            let (name, values) = value_of(&parts[1]);
            let may = caller == Caller::Administrator
                || caller == Caller::Writer
                    && ["unicodepwd", "lockouttime"].contains(&name.as_str())
                    && is_below_people(&dn)
                    && entry.has("objectClass", b"user");
            if !may {
                return Err((50, NO_RIGHTS));
            }
            if name == "unicodepwd" {
                self.set_password(
                    &mut entry,
                    &values[0],
                    controls.iter().any(|(oid, _, _)| oid == NEW_HINTS),
                )?;
                continue;
            }
            let known = entry.attributes.entry(name.clone()).or_default();
            match operation {
                0 => known.extend(values),
                1 => known.retain(|value| !values.is_empty() && !values.contains(value)),
                _ => *known = values,
            }
            if name == "lockouttime" && entry.number("lockoutTime") == 0 {
                entry.wrong = 0;
            }
        }
        self.entries.insert(key(&dn), entry);
        self.touch(&dn);
        Ok(())
    }

    fn set_password(&mut self, entry: &mut Entry, value: &[u8], with_history: bool) -> Result<(), Refusal> {
        let units: Vec<u16> =
            value.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let quoted = String::from_utf16(&units).map_err(|_| (53, REFUSED))?;
        let password =
            quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or((53, REFUSED))?;
        let has = |is: fn(char) -> bool| usize::from(password.chars().any(is));
        let classes = has(char::is_uppercase)
            + has(char::is_lowercase)
            + has(|c| c.is_ascii_digit())
            + has(|c| !c.is_alphanumeric())
            + has(|c| c.is_alphabetic() && !c.is_uppercase() && !c.is_lowercase());
        let login = entry.text("sAMAccountName").to_lowercase();
        let used = with_history && entry.passwords.iter().take(3).any(|earlier| earlier == password);
        let is_short = password.encode_utf16().count() < self.rules(entry).length;
        if is_short || classes < 3 || used || login.len() > 2 && password.to_lowercase().contains(&login) {
            return Err((53, REFUSED));
        }
        entry.passwords.insert(0, password.to_owned());
        entry.attributes.insert("pwdlastset".to_owned(), vec![self.time().to_string().into_bytes()]);
        Ok(())
    }

    fn add(&mut self, dn: &str, mut attributes: BTreeMap<String, Vec<Vec<u8>>>) -> Result<(), Refusal> {
        let guid =
            u64::try_from(self.entries.len()).unwrap() + 1 + u64::try_from(self.changes).unwrap() * 100_000;
        let classes = attributes.get_mut("objectclass").unwrap();
        if classes[0] == b"user" {
            let above = ["top", "person", "organizationalPerson"].map(|class| class.as_bytes().to_vec());
            classes.splice(0..0, above);
            attributes.insert("objectcategory".to_owned(), vec![b"person".to_vec()]);
            attributes.entry("primarygroupid".to_owned()).or_insert_with(|| vec![b"513".to_vec()]);
        }
        let number = attributes.remove("rid").and_then(|values| String::from_utf8(values[0].clone()).ok());
        let number: u32 = number
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| u32::try_from(guid % 1_000_000).unwrap() + 2000);
        attributes.insert("objectsid".to_owned(), vec![sid(number)]);
        attributes.insert("objectguid".to_owned(), vec![[guid.to_be_bytes(), guid.to_be_bytes()].concat()]);
        attributes.insert("name".to_owned(), vec![dn.as_bytes().to_vec()]);
        let password = attributes.remove("unicodepwd");
        let mut entry = Entry { dn: dn.to_owned(), attributes, ..Entry::default() };
        if let Some(password) = password {
            self.set_password(&mut entry, &password[0], false)?;
        }
        self.entries.insert(key(dn), entry);
        self.touch(dn);
        Ok(())
    }

    fn rename(&mut self, dn: &str, rdn: &str, parent: Option<String>) -> Result<(), Refusal> {
        let mut entry = self.entries.remove(&key(dn)).ok_or((32, GONE))?;
        let parent = parent.unwrap_or_else(|| parent_of(&entry.dn).to_owned());
        let new = format!("{rdn},{parent}");
        self.rename_members(&entry.dn.clone(), Some(&new));
        entry.dn.clone_from(&new);
        self.entries.insert(key(&new), entry);
        self.touch(&new);
        Ok(())
    }

    fn rename_members(&mut self, old: &str, new: Option<&str>) {
        for entry in self.entries.values_mut() {
            let Some(members) = entry.attributes.get_mut("member") else { continue };
            members.retain_mut(|member| {
                let is_it = key(&String::from_utf8_lossy(member)) == key(old);
                if is_it && let Some(new) = new {
                    *member = new.as_bytes().to_vec();
                }
                !is_it || new.is_some()
            });
        }
    }

    fn search(
        &self,
        arguments: &[StructureTag],
        controls: &[(String, bool, Vec<u8>)],
        caller: Option<Caller>,
        send: &impl Fn(Vec<u8>, Option<Vec<u8>>) -> Vec<u8>,
    ) -> Vec<u8> {
        let base = text(&arguments[0]);
        let (_, scope) = parse_uint(&octets(&arguments[1])).unwrap();
        // Names come back as they were asked for.
        let wanted: Vec<String> = children(&arguments[7]).iter().map(text).collect();
        let named = |entry: &Entry| {
            let computed = self.computed(entry, caller);
            let all =
                entry.attributes.iter().map(|(name, values)| (name.clone(), values.clone())).chain(computed);
            let named: Vec<u8> = all
                .filter(|(_, values)| !values.is_empty())
                .filter_map(|(name, values)| {
                    Some((wanted.iter().find(|wanted| wanted.eq_ignore_ascii_case(&name))?, values))
                })
                .flat_map(|(name, values)| {
                    let values: Vec<u8> = values.iter().flat_map(|value| tlv(0x04, value)).collect();
                    tlv(0x30, &[tlv(0x04, name.as_bytes()), tlv(0x31, &values)].concat())
                })
                .collect();
            send(tlv(0x64, &[tlv(0x04, entry.dn.as_bytes()), tlv(0x30, &named)].concat()), None)
        };
        if base.is_empty() {
            let answer = named(&self.root(caller));
            return [answer, send(tlv(0x65, &result(0, "")), None)].concat();
        }
        let Some(dn) = self.find(&base) else { return send(tlv(0x65, &result(32, NO_OBJECT)), None) };
        let below = format!("\0{}", key(&dn));
        let is_in = |place: &str| place == key(&dn) || scope != 0 && place.ends_with(&below);
        let found =
            self.entries.iter().filter(|(place, entry)| is_in(place) && self.holds(&arguments[6], entry));
        let found: Vec<&Entry> = found.map(|(_, entry)| entry).collect();
        let Some((_, _, control)) = controls.iter().find(|(oid, _, _)| oid == PAGED_RESULTS) else {
            let code = if found.len() > PAGE_MAX { 4 } else { 0 };
            let mut answer: Vec<u8> = found.into_iter().take(PAGE_MAX).flat_map(named).collect();
            answer.extend(send(tlv(0x65, &result(code, "")), None));
            return answer;
        };
        let asked = children(&parse_tag(control).unwrap().1);
        let size = usize::try_from(parse_uint(&octets(&asked[0])).unwrap().1).unwrap().min(PAGE_MAX);
        let from: usize = text(&asked[1]).parse().unwrap_or(0);
        let mut answer: Vec<u8> = found.iter().skip(from).take(size).flat_map(|entry| named(entry)).collect();
        let is_last = from + size >= found.len();
        let cookie = if is_last { String::new() } else { (from + size).to_string() };
        let value = tlv(0x30, &[tlv(0x02, &[0]), tlv(0x04, cookie.as_bytes())].concat());
        let control = [tlv(0x04, PAGED_RESULTS.as_bytes()), tlv(0x04, &value)].concat();
        answer.extend(send(tlv(0x65, &result(0, "")), Some(tlv(0x30, &control))));
        answer
    }

    fn root(&self, caller: Option<Caller>) -> Entry {
        let values = [
            ("defaultnamingcontext", DOMAIN.to_owned()),
            ("dsservicename", SETTINGS.to_owned()),
            ("supportedcontrol", NEW_HINTS.to_owned()),
            ("highestcommittedusn", self.changes.to_string()),
        ];
        let attributes = values.map(|(name, value)| (name.to_owned(), vec![value.into_bytes()]));
        let mut attributes: BTreeMap<String, Vec<Vec<u8>>> = attributes.into();
        let number = if caller == Some(Caller::Writer) { WRITER } else { READER };
        attributes.insert("tokengroups".to_owned(), vec![sid(number)]);
        Entry { attributes, ..Entry::default() }
    }

    /// Returns the name of an entry, which may be given by its GUID or its security identifier.
    fn find(&self, base: &str) -> Option<String> {
        let entry = if let Some(guid) = base.strip_prefix("<GUID=").and_then(|rest| rest.strip_suffix('>')) {
            let octets = hex::decode(guid.replace('-', "")).ok()?;
            let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
            let octets: Vec<u8> = order.iter().map(|&place: &usize| octets[place]).collect();
            self.entries.values().find(|entry| entry.attributes["objectguid"][0] == octets)
        } else if let Some(identifier) = base.strip_prefix("<SID=").and_then(|rest| rest.strip_suffix('>')) {
            let number: u32 = identifier.rsplit('-').next()?.parse().ok()?;
            self.entries.values().find(|entry| entry.attributes["objectsid"][0] == sid(number))
        } else {
            self.entries.get(&key(base))
        };
        entry.map(|entry| entry.dn.clone())
    }

    /// Returns whether a filter (RFC 4511 §4.5.1.7) holds.
    fn holds(&self, filter: &StructureTag, entry: &Entry) -> bool {
        let parts = children(filter);
        match filter.id {
            0 => parts.iter().all(|part| self.holds(part, entry)),
            1 => parts.iter().any(|part| self.holds(part, entry)),
            2 => !self.holds(&parts[0], entry),
            3 => {
                let (name, value) = (text(&parts[0]).to_ascii_lowercase(), octets(&parts[1]));
                if name == "distinguishedname" {
                    return key(&entry.dn) == key(&String::from_utf8_lossy(&value));
                }
                entry.has(&name, &value)
            }
            5 => {
                let (name, value) = (text(&parts[0]), text(&parts[1]));
                entry.number(&name) >= value.parse().unwrap()
            }
            7 => {
                let name = text(filter).to_ascii_lowercase();
                name == "objectclass" || entry.attributes.get(&name).is_some_and(|values| !values.is_empty())
            }
            9 => {
                let part = |id| parts.iter().find(|part| part.id == id).map(text).unwrap_or_default();
                assert_eq!((part(1).as_str(), part(2).as_str()), (IN_CHAIN, "memberOf"));
                self.is_member(entry, &part(3), 0)
            }
            other => panic!("filter {other}"),
        }
    }

    /// Returns whether an entry is a member of a group, by nested ones too. The primary group does not count.
    fn is_member(&self, entry: &Entry, group: &str, depth: u8) -> bool {
        let Some(group) = self.entries.get(&key(group)) else { return false };
        let is_primary =
            sid(u32::try_from(entry.number("primaryGroupID")).unwrap()) == group.attributes["objectsid"][0];
        let members = group.attributes.get("member").into_iter().flatten();
        !is_primary
            && members.map(|member| key(&String::from_utf8_lossy(member))).any(|member| {
                member == key(&entry.dn)
                    || depth < 8 && {
                        let nested =
                            self.entries.get(&member).filter(|nested| nested.has("objectClass", b"group"));
                        nested.is_some_and(|nested| self.is_member(entry, &nested.dn, depth + 1))
                    }
            })
    }

    fn computed(&self, entry: &Entry, caller: Option<Caller>) -> Vec<(String, Vec<Vec<u8>>)> {
        let rights = ("ntsecuritydescriptor".to_owned(), vec![descriptor(is_below_people(&entry.dn))]);
        if !entry.has("objectClass", b"user") {
            return vec![rights];
        }
        let set = entry.number("pwdLastSet");
        let must_change = if set == 0 { 0x80_0000 } else { 0 };
        let locked = if Self::is_locked(entry, self.latest) { 0x10 } else { 0 };
        let mut computed = vec![
            ("msds-user-account-control-computed", (locked | must_change).to_string()),
            ("msds-userpasswordexpirytimecomputed", if set == 0 { 0 } else { set + HALF_YEAR }.to_string()),
            ("badpwdcount", entry.wrong.to_string()),
            ("badpasswordtime", entry.wrong_at.to_string()),
        ];
        if self.is_staff(entry) {
            computed.push(("msds-resultantpso", format!("CN=Staff,{POLICIES}")));
        }
        if caller == Some(Caller::Writer) && is_below_people(&entry.dn) {
            computed.push(("allowedattributeseffective", "lockoutTime".to_owned()));
        }
        let texts = computed.into_iter().map(|(name, value)| (name.to_owned(), vec![value.into_bytes()]));
        texts.chain([rights]).collect()
    }

    fn is_staff(&self, entry: &Entry) -> bool {
        self.is_member(entry, &format!("CN=Staff,OU=Groups,{DOMAIN}"), 0)
    }

    fn rules(&self, entry: &Entry) -> Rules {
        if self.is_staff(entry) {
            Rules { length: 16, threshold: 3 }
        } else {
            Rules { length: 10, threshold: 5 }
        }
    }

    fn is_locked(entry: &Entry, now: i64) -> bool {
        let locked_at = entry.number("lockoutTime");
        locked_at > 0 && now < locked_at + HALF_HOUR
    }

    /// Numbers a change.
    fn touch(&mut self, dn: &str) {
        self.changes += 1;
        let number = self.changes.to_string().into_bytes();
        self.entries.get_mut(&key(dn)).unwrap().attributes.insert("usnchanged".to_owned(), vec![number]);
    }

    /// Returns the time in units of 100 ns since 1601. No two are equal.
    fn time(&mut self) -> i64 {
        let now = (SystemClock.now().as_seconds() + WINDOWS_EPOCH) * SECOND;
        self.latest = now.max(self.latest + 1);
        self.latest
    }
}

impl Entry {
    fn text(&self, name: &str) -> String {
        let values = self.attributes.get(&name.to_ascii_lowercase());
        values
            .and_then(|values| values.first())
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .unwrap_or_default()
    }

    fn number(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or(0)
    }

    fn has(&self, name: &str, value: &[u8]) -> bool {
        let values = self.attributes.get(&name.to_ascii_lowercase()).into_iter().flatten();
        values.into_iter().any(|known| known.eq_ignore_ascii_case(value))
    }
}

/// Returns a name in the form that names are compared in, with a zero between its parts.
fn key(dn: &str) -> String {
    let (mut octets, mut rest) = (Vec::new(), dn.as_bytes());
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        if octet == b'\\' {
            let hex = rest.get(..2).and_then(|digits| hex::decode(digits).ok());
            let taken = hex.as_ref().map_or(1, |_| 2);
            octets.extend(hex.unwrap_or_else(|| rest[..1].to_vec()));
            rest = &rest[taken..];
        } else {
            octets.push(if octet == b',' { 0 } else { octet });
        }
    }
    String::from_utf8(octets).unwrap().to_lowercase()
}

/// Returns the name above a name.
fn parent_of(dn: &str) -> &str {
    let octets = dn.as_bytes();
    let is_comma = |at: &usize| octets[*at] == b',' && (*at == 0 || octets[*at - 1] != b'\\');
    (0..octets.len()).find(is_comma).map_or("", |at| &dn[at + 1..])
}

fn is_below_people(dn: &str) -> bool {
    key(dn).ends_with(&key(&format!(",OU=People,{DOMAIN}")))
}

/// Returns a security descriptor that lets the account that writes reset the password, or nobody.
fn descriptor(grants_reset: bool) -> Vec<u8> {
    let reset = hex::decode("70952900 6d24 d011 a768 00aa006e0529".replace(' ', "")).unwrap();
    let about = [&1_u32.to_le_bytes()[..], &reset, &sid(WRITER)].concat();
    let size = u16::try_from(8 + about.len()).unwrap().to_le_bytes();
    let entry = [&[5, 0], &size[..], &0x100_u32.to_le_bytes(), &about].concat();
    let mut octets =
        vec![1, 0, 4, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0];
    if grants_reset {
        octets[24] = 1;
        octets.extend(entry);
    }
    octets
}

fn sid(number: u32) -> Vec<u8> {
    let mut octets = vec![1, 5, 0, 0, 0, 0, 0, 5];
    for part in [21, 1111, 2222, 3333, number] {
        octets.extend(u32::to_le_bytes(part));
    }
    octets
}

fn value_of(attribute: &StructureTag) -> (String, Vec<Vec<u8>>) {
    let parts = children(attribute);
    (text(&parts[0]).to_ascii_lowercase(), children(&parts[1]).iter().map(octets).collect())
}

fn values_of(attributes: &[StructureTag]) -> BTreeMap<String, Vec<Vec<u8>>> {
    attributes.iter().map(value_of).collect()
}
