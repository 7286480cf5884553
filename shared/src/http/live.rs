//! The flow or session of a request: reads it once, with the checks that all handlers need.

use super::handler_error::{HandlerError, HandlerResult};
use super::incoming_request::IncomingRequest;
use super::problem::{Place, Problem};
use crate::domain::cookie::HolderCookie;
use crate::domain::flow::Flow;
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::ports::{FlowStore, SessionStore, Versioned};

impl IncomingRequest {
    /// Returns the cookie and its flow, if the flow has not ended and the cookie is its newest.
    ///
    /// # Errors
    /// `flow-ended` for an unknown, expired, cancelled or exhausted flow (one response for all of these);
    /// `out-of-step` for an older cookie, or a form of another flow or step.
    pub async fn live_flow(
        &mut self,
        flows: &dyn FlowStore,
        now: Timestamp,
    ) -> HandlerResult<(HolderCookie, Versioned<Flow>)> {
        let cookie = self.flow()?;
        let found = flows.load(cookie.id(), now).await?.ok_or(Problem::FlowEnded)?;
        self.ends_in = Some(found.value.context().expires_at.seconds_after(now));
        self.audit_account(&found.value.context().account);
        if matches!(found.value, Flow::Cancelled(_)) || found.value.is_exhausted(&self.app.settings.flow) {
            return Err(Problem::FlowEnded.into());
        }
        if found.value.verified() != cookie.verified() {
            return Err(HandlerError::OlderCookie(Box::new(found.value)));
        }
        if !self.take_at(&cookie) {
            return Err(HandlerError::OutOfStep(found.value.stage(), None));
        }
        Ok((cookie, found))
    }

    /// Returns the cookie and its session, if the session has not ended.
    ///
    /// # Errors
    /// `flow-ended` for an unknown or expired session; `out-of-step` for a form of another session.
    pub async fn live_session(
        &mut self,
        sessions: &dyn SessionStore,
        now: Timestamp,
    ) -> HandlerResult<(HolderCookie, Versioned<Session>)> {
        let cookie = self.session.clone().ok_or(Problem::FlowEnded)?;
        let found = sessions.session(cookie.id(), now).await?.ok_or(Problem::FlowEnded)?;
        self.ends_in = Some(found.value.context().expires_at.seconds_after(now));
        self.audit_account(&found.value.context().account);
        let at = self.fields.take("at");
        if at.is_some_and(|at| cookie.at(&self.app.flows).is_none_or(|own| own != *at)) {
            return Err(Problem::OutOfStep(Place::SecurityInfo).into());
        }
        Ok((cookie, found))
    }
}
