//! The common parts of all functions' routers.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRef, State};
use axum::response::Response;

use super::failure::Outcome;
use super::incoming::{Incoming, Site};

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
pub trait HasSite {
    /// Returns the settings and the keyring of cookies and names.
    fn site(&self) -> &Site;
}

impl<P: HasSite> FromRef<App<P>> for Site {
    fn from_ref(app: &App<P>) -> Self {
        app.site().clone()
    }
}

/// Converts a handler's result or failure to a response.
pub async fn answer<P, F>(State(app): State<App<P>>, mut incoming: Incoming, handler: F) -> Response
where
    F: AsyncFnOnce(&P, &mut Incoming) -> Outcome,
{
    match handler(&app, &mut incoming).await {
        Ok(response) => response,
        Err(failure) => incoming.failed(failure),
    }
}
