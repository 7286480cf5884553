//! Listens and serves, the same for every port.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use rekey_people::Failure;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Listens at `address` and returns the actual address (port 0 picks a free one). `option` is what the person set,
/// for errors.
///
/// # Errors
/// [`Failure`] with the reason in one line.
pub async fn listen(option: &str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let listening = |error| refused(option, address, &error);
    let listener = TcpListener::bind(address).await.map_err(listening)?;
    let real = listener.local_addr().map_err(listening)?;
    Ok((listener, real))
}

/// Explains why an address can't be listened on: in use, not permitted, or not on this machine.
fn refused(option: &str, address: SocketAddr, error: &io::Error) -> Failure {
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program uses this port. Stop it, or use another; port 0 takes a free one".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need privileges. Use a higher one, such as 8080".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address. Use 127.0.0.1".to_owned(),
        _ => format!("{error}. Use another address"),
    };
    Failure::new(format!("{option} {address}: {why}"))
}

/// Serves until `stop` turns true; handlers can extract the client's address.
pub async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let stopped = async move {
        let _ = stop.wait_for(|stop| *stop).await;
    };
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(stopped).await {
        tracing::error!(%error, "a server stopped");
    }
}
