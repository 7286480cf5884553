//! Listens and serves, the same for every port.

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::failure::Failure;

/// Listens at `address` and returns the actual address (port 0 picks a free one). `option` is what the person set,
/// for errors.
///
/// # Errors
/// [`Failure`] with the reason in one line.
pub async fn listen(option: &str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let listening = |error| Failure::listening(option, address, &error);
    let listener = TcpListener::bind(address).await.map_err(listening)?;
    let real = listener.local_addr().map_err(listening)?;
    Ok((listener, real))
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
