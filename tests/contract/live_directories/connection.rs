//! Reaching servers: trust, order, StartTLS, and the limits that a server sets.

use shared::domain::directory::EntryStanding;
use shared::domain::directory_config::DirectoryConfig;
use shared::ports::SyncError;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Live, crowd, entry, gather, servers};

/// Returns whether a directory of this configuration can be reached.
async fn is_reached(live: &Live, config: &DirectoryConfig) -> bool {
    live.directory_of(config).policy().await.is_ok()
}

/// Controls: C-140.
#[tokio::test(flavor = "multi_thread")]
async fn certificate_of_another_ca_is_refused() {
    for live in [Live::slapd(), Live::samba()] {
        let mut config = live.config();
        assert!(is_reached(&live, &config).await);
        config.ca = servers::pem("other-ca.pem");
        assert!(!is_reached(&live, &config).await);
    }
}

/// Controls: C-140.
#[tokio::test(flavor = "multi_thread")]
async fn certificate_of_another_name_is_refused() {
    let live = Live::slapd();
    let mut config = live.config();
    for (host, reached) in [("localhost", true), ("127.0.0.1", true), ("127.0.0.3", false)] {
        config.servers = vec![format!("ldaps://{host}:{}", live.server.ldaps)];
        // slapd listens on 127.0.0.1 only, so the last one is a relay.
        let relay = (host == "127.0.0.3").then(|| relay(host, live.server.ldaps));
        if let Some(relay) = relay {
            config.servers = vec![format!("ldaps://{host}:{}", relay.await)];
        }
        assert_eq!(is_reached(&live, &config).await, reached, "{host}");
    }
}

/// Listens on another address of this machine, and relays to a server.
async fn relay(host: &str, to: u16) -> u16 {
    let listener = TcpListener::bind((host, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                tokio::io::copy_bidirectional(&mut stream, &mut server).await
            });
        }
    });
    port
}

/// Controls: C-140.
#[tokio::test(flavor = "multi_thread")]
async fn start_tls_precedes_every_bind() {
    for live in [Live::slapd(), Live::samba()] {
        let person = live.person().await;
        let mut config = live.config();
        config.start_tls = true;
        config.servers = vec![format!("ldap://127.0.0.1:{}", live.server.ldap)];
        let directory = live.directory_of(&config);
        assert_eq!(entry(&*directory, &person).await.standing, EntryStanding::Eligible);
        config.ca = servers::pem("other-ca.pem");
        assert!(!is_reached(&live, &config).await);
    }
}

/// Somebody in the network adds octets behind the answer to StartTLS, to be taken for ones inside TLS.
/// Controls: C-140.
#[tokio::test(flavor = "multi_thread")]
async fn octets_injected_before_tls_end_the_connection() {
    let live = Live::slapd();
    let mut config = live.config();
    config.start_tls = true;
    for (injected, reached) in [(b"".as_slice(), true), (b"\x30\x0c\x02\x01\x02", false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        config.servers = vec![format!("ldap://127.0.0.1:{}", listener.local_addr().unwrap().port())];
        let server = live.server.ldap;
        tokio::spawn(async move {
            let (mut client, _) = listener.accept().await?;
            let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
            let mut octets = [0; 256];
            let asked = client.read(&mut octets).await?;
            server.write_all(&octets[..asked]).await?;
            let answered = server.read(&mut octets).await?;
            client.write_all(&[&octets[..answered], injected].concat()).await?;
            tokio::io::copy_bidirectional(&mut client, &mut server).await
        });
        assert_eq!(is_reached(&live, &config).await, reached);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_server_is_followed_by_the_next() {
    for live in [Live::slapd(), Live::samba()] {
        let mut config = live.config();
        // Nothing listens on port 1.
        config.servers.insert(0, "ldaps://127.0.0.1:1".to_owned());
        assert!(is_reached(&live, &config).await);
        config.servers.truncate(1);
        assert!(!is_reached(&live, &config).await);
    }
}

/// It would bind for strangers until the server locks the entry.
/// Controls: C-145, C-163.
#[tokio::test(flavor = "multi_thread")]
async fn account_without_sight_of_failures_has_no_attempts() {
    let live = Live::slapd();
    let (config, person) = (live.config(), live.person().await);
    let left =
        async |account: &str| entry(&*live.directory_as(&config, account), &person).await.attempts_left;
    let blind = "cn=svc-limited,ou=services,dc=uni,dc=test";
    for failures in [0, 1] {
        assert_eq!(left(&config.service_accounts.read).await, Some(5 - failures));
        assert_eq!(left(blind).await, Some(0), "it can't know");
        live.binds(&person, "wrong").await;
    }
}

/// Controls: C-150.
#[tokio::test(flavor = "multi_thread")]
async fn size_limit_of_the_server_is_an_error() {
    let live = Live::slapd();
    let mut config = live.config();
    config.bases = vec![crowd::base(&live).await];
    config.service_accounts.sync = "cn=svc-limited,ou=services,dc=uni,dc=test".to_owned();
    let result = gather(&*live.people_of(&config), None).await;
    assert!(matches!(result, Err(SyncError::SizeLimit(_))), "{result:?}");
}
