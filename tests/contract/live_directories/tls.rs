//! The tests' own connection, independent of the adapters.

use std::sync::Arc;

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, StdStream};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::servers;

/// Connects to a server over TLS. The connection lasts as long as the handle.
pub async fn connect(port: u16) -> Ldap {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(servers::pem("ca.pem").as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
    let (mut outer, inner) = UnixStream::pair().unwrap();
    tokio::spawn(async move { tokio::io::copy_bidirectional(&mut tls, &mut outer).await });
    let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(inner.into_std().unwrap()));
    let (driver, ldap) = LdapConnAsync::with_settings(settings, "ldapi:///").await.unwrap();
    tokio::spawn(driver.drive());
    ldap
}
