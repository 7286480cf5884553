//! The common parts of all functions' routers.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRef, State};
use axum::response::Response;
use tracing::Instrument as _;

use super::handler_error::HandlerResult;
use super::incoming_request::{AppContext, IncomingRequest};

/// The ports of a function, shared by its handlers.
pub struct App<P>(Arc<P>);

impl<P> App<P> {
    /// Wraps the ports for sharing.
    pub fn new(ports: P) -> Self {
        Self(Arc::new(ports))
    }
}

impl<P> Clone for App<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P> Deref for App<P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.0
    }
}

/// Ports that include the dependencies of every request.
pub trait HasAppContext {
    /// Returns the settings and the keyring of cookies and names.
    fn app_context(&self) -> &AppContext;
}

impl<P: HasAppContext> FromRef<App<P>> for AppContext {
    fn from_ref(app: &App<P>) -> Self {
        app.app_context().clone()
    }
}

/// Converts a handler's result or failure to a response.
pub async fn respond<P, F>(State(app): State<App<P>>, mut incoming: IncomingRequest, handler: F) -> Response
where
    F: AsyncFnOnce(&P, &mut IncomingRequest) -> HandlerResult,
{
    let span = incoming.audit_span();
    let answered = async {
        match handler(&app, &mut incoming).await {
            Ok(response) => response,
            Err(failure) => incoming.failed(failure),
        }
    };
    answered.instrument(span).await
}
