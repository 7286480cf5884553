//! What the routers of all functions have in common.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRef, State};
use axum::response::Response;

use super::failure::Outcome;
use super::incoming::{Incoming, Site};

/// The ports of a function, as its handlers share them.
pub struct App<P>(Arc<P>);

impl<P> App<P> {
    /// Shares the ports.
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

/// Ports with what every request needs among them.
pub trait HasSite {
    /// Settings and the keys of cookies and names.
    fn site(&self) -> &Site;
}

impl<P: HasSite> FromRef<App<P>> for Site {
    fn from_ref(app: &App<P>) -> Self {
        app.site().clone()
    }
}

/// Answers with what a handler comes to, or with why it comes to nothing.
pub async fn answer<P, F>(State(app): State<App<P>>, mut incoming: Incoming, handler: F) -> Response
where
    F: AsyncFnOnce(&P, &mut Incoming) -> Outcome,
{
    match handler(&app, &mut incoming).await {
        Ok(response) => response,
        Err(failure) => incoming.failed(failure),
    }
}
