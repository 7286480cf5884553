//! The fields that all audit events of a request share.

use tracing::Span;
use tracing::field::{Empty, debug};

use super::incoming_request::IncomingRequest;
use super::paths::{START_PAGE, is_of_a_session, is_of_the_app};
use crate::domain::account::AccountId;
use crate::domain::cookie::HolderCookie;

impl IncomingRequest {
    /// Returns the span of the request, whose fields every event within has. A page and its JSON have the same.
    pub(super) fn audit_span(&self) -> Span {
        let is_session = is_of_a_session(&self.path);
        // Page 1 opens another flow than that of the cookie.
        let has_flow = !is_session && self.path != START_PAGE;
        let (flow, session) =
            (self.cookie.as_ref().filter(|_| has_flow), self.session.as_ref().filter(|_| is_session));
        tracing::info_span!(
            "request",
            actor = if is_of_the_app(&self.path) { "device" } else { "person" },
            flow = flow.map(|cookie| debug(cookie.id())),
            step = flow.map(HolderCookie::step),
            session = session.map(|cookie| debug(cookie.id())),
            account = Empty,
            decoy = Empty,
            network = self.network(),
            client = self.browser,
        )
    }

    /// Names the account in the events of this request from now on.
    pub fn audit_account(&self, account: &AccountId) {
        let span = Span::current();
        span.record("account", debug(account.pseudonym(&self.app.flows)));
        span.record("decoy", account.is_decoy());
    }
}
