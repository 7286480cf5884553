//! The flow or session that a request is about, read once, with everything that does not depend on what is asked.

use super::failure::{Failure, Outcome};
use super::incoming::Incoming;
use super::problem::{Place, Problem};
use crate::domain::cookie::HolderCookie;
use crate::domain::flow::Flow;
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::ports::{FlowStore, SessionStore, Versioned};

impl Incoming {
    /// The cookie and the flow it names, if it lives and the cookie is its newest.
    ///
    /// # Errors
    /// `flow-ended` for one that is unknown, over, cancelled or out of tries (one answer for all of these);
    /// `out-of-step` for an older cookie, or a form of another flow or step.
    pub async fn live_flow(
        &mut self,
        flows: &dyn FlowStore,
        now: Timestamp,
    ) -> Outcome<(HolderCookie, Versioned<Flow>)> {
        let cookie = self.flow()?;
        let found = flows.load(cookie.id(), now).await?.ok_or(Problem::FlowEnded)?;
        if matches!(found.value, Flow::Cancelled(_)) || found.value.is_exhausted(&self.site.settings.flow) {
            return Err(Problem::FlowEnded.into());
        }
        if found.value.proofs() != cookie.verified() {
            return Err(Failure::OlderCookie(Box::new(found.value)));
        }
        if !self.take_at(&cookie) {
            return Err(Failure::OutOfStep(found.value.stage(), None));
        }
        Ok((cookie, found))
    }

    /// The cookie and the session that it names, if it lives.
    ///
    /// # Errors
    /// `flow-ended` for one that is unknown or over; `out-of-step` for a form of another session.
    pub async fn live_session(
        &mut self,
        sessions: &dyn SessionStore,
        now: Timestamp,
    ) -> Outcome<(HolderCookie, Versioned<Session>)> {
        let cookie = self.session.clone().ok_or(Problem::FlowEnded)?;
        let found = sessions.session(cookie.id(), now).await?.ok_or(Problem::FlowEnded)?;
        let at = self.fields.take("at");
        if at.is_some_and(|at| cookie.at(&self.site.flows).is_none_or(|own| own != *at)) {
            return Err(Problem::OutOfStep(Place::SecurityInfo).into());
        }
        Ok((cookie, found))
    }
}
