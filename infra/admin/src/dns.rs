//! Records of the DNS, asked of the resolvers of this machine. The system's own look-up knows addresses only.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// The resolvers of a machine (resolv.conf(5)).
const RESOLVERS: &str = "/etc/resolv.conf";
/// Each resolver is asked this often, and waited for so long.
const ATTEMPTS: usize = 2;
const PATIENCE: Duration = Duration::from_secs(2);
/// The largest answer over UDP without an extension (RFC 1035 §4.2.1), with room to spare.
const ANSWER_MAX: usize = 4_096;

/// Returns the resolvers to ask: the one that the operator names, or those of the machine.
pub fn resolvers(named: Option<SocketAddr>) -> Vec<SocketAddr> {
    named.map_or_else(|| listed(&fs::read_to_string(RESOLVERS).unwrap_or_default()), |one| vec![one])
}

fn listed(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let is_resolver = words.next() == Some("nameserver");
        words.next().filter(|_| is_resolver)?.parse::<IpAddr>().ok()
    };
    text.lines().filter_map(address).map(|address| SocketAddr::new(address, 53)).collect()
}

/// Returns the texts of a name, each record as one; none for a name without any.
///
/// # Errors
/// The reason why no resolver answered: nobody may take that for an absent record.
pub async fn texts(resolvers: &[SocketAddr], name: &str) -> Result<Vec<String>, String> {
    let mut reason = format!("{RESOLVERS} names no resolver");
    for resolver in resolvers.iter().cycle().take(resolvers.len() * ATTEMPTS) {
        match timeout(PATIENCE, ask(*resolver, name)).await {
            Ok(Ok(texts)) => return Ok(texts),
            Ok(Err(error)) => reason = format!("{resolver}: {error}"),
            Err(_) => reason = format!("{resolver} does not answer"),
        }
    }
    Err(reason)
}

async fn ask(resolver: SocketAddr, name: &str) -> Result<Vec<String>, String> {
    // The socket is connected and its port random; the id is that of the port, since nothing here is secret.
    let local: SocketAddr = if resolver.is_ipv4() { ([0; 4], 0).into() } else { ([0; 16], 0).into() };
    let socket = UdpSocket::bind(local).await.map_err(|error| error.to_string())?;
    socket.connect(resolver).await.map_err(|error| error.to_string())?;
    let id = socket.local_addr().map_or(1, |address| address.port());
    let query = query(id, name)?;
    socket.send(&query).await.map_err(|error| error.to_string())?;
    let mut answer = vec![0; ANSWER_MAX];
    let length = socket.recv(&mut answer).await.map_err(|error| error.to_string())?;
    answer.truncate(length);
    match read(id, &answer)? {
        Some(texts) => Ok(texts),
        None => read(id, &over_tcp(resolver, &query).await.map_err(|error| error.to_string())?)?
            .ok_or_else(|| "its answer is cut off".to_owned()),
    }
}

/// Asks again for an answer that is too long (RFC 7766 §8).
async fn over_tcp(resolver: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(resolver).await?;
    stream.write_u16(u16::try_from(query.len()).unwrap_or_default()).await?;
    stream.write_all(query).await?;
    let mut answer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

fn query(id: u16, name: &str) -> Result<Vec<u8>, String> {
    let name = Name::new(name).map_err(|_| format!("{name} is no name of the DNS"))?;
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let (kind, class) = (QTYPE::TYPE(TYPE::TXT), QCLASS::CLASS(CLASS::IN));
    packet.questions.push(Question::new(name, kind, class, false));
    packet.build_bytes_vec().map_err(|error| error.to_string())
}

/// Returns the texts in an answer; `None` if it is cut off.
fn read(id: u16, answer: &[u8]) -> Result<Option<Vec<String>>, String> {
    let packet = Packet::parse(answer).map_err(|_| "its answer can't be read".to_owned())?;
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) {
        return Err("its answer is to another question".to_owned());
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Ok(None);
    }
    match packet.rcode() {
        RCODE::NoError | RCODE::NameError => {}
        code => return Err(format!("it answers {code:?}")),
    }
    let texts = packet.answers.into_iter().filter_map(|record| match record.rdata {
        RData::TXT(text) => String::try_from(text).ok(),
        _ => None,
    });
    Ok(Some(texts.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_read_from_the_machines_file() {
        let text = "# a comment\nsearch contoh.example\nnameserver 192.0.2.53\nnameserver\t2001:db8::53\nnameserver x\n";
        let expected: Vec<SocketAddr> =
            vec!["192.0.2.53:53".parse().unwrap(), "[2001:db8::53]:53".parse().unwrap()];
        assert_eq!(listed(text), expected);
        let named = "127.0.0.1:5353".parse().unwrap();
        assert_eq!(resolvers(Some(named)), [named]);
    }

    #[test]
    fn answer_to_another_question_is_no_answer() {
        let query = query(7, "_dmarc.contoh.example").unwrap();
        assert!(read(7, &query).is_err(), "it is no answer");
        let mut reply = Packet::parse(&query).unwrap().into_reply();
        assert_eq!(read(7, &reply.build_bytes_vec().unwrap()), Ok(Some(vec![])));
        assert!(read(8, &reply.build_bytes_vec().unwrap()).is_err());
        *reply.rcode_mut() = RCODE::NameError;
        assert_eq!(read(7, &reply.build_bytes_vec().unwrap()), Ok(Some(vec![])), "there is no such name");
        *reply.rcode_mut() = RCODE::ServerFailure;
        assert!(read(7, &reply.build_bytes_vec().unwrap()).is_err(), "it can't tell");
        assert!(read(7, b"\x00\x07").is_err());
    }

    #[tokio::test]
    async fn no_resolver_is_no_absent_record() {
        assert!(texts(&[], "_dmarc.contoh.example").await.is_err());
        let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(texts(&[closed], "_dmarc.contoh.example").await.is_err());
    }
}
