//! The flow that a request is about, read once, with everything that does not depend on what is asked.

use super::failure::{Failure, Outcome};
use super::incoming::Incoming;
use super::problem::Code;
use crate::domain::flow::{Flow, FlowCookie};
use crate::domain::time::Timestamp;
use crate::ports::{FlowStore, Versioned};

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
    ) -> Outcome<(FlowCookie, Versioned<Flow>)> {
        let cookie = self.flow()?;
        let found = flows.load(cookie.key(), now).await?.ok_or(Code::FlowEnded)?;
        if matches!(found.value, Flow::Cancelled(_)) || found.value.is_exhausted(&self.site.settings.flow) {
            return Err(Code::FlowEnded.into());
        }
        if found.value.proofs() != cookie.proofs() {
            return Err(Failure::OlderCookie(Box::new(found.value)));
        }
        if !self.take_at(&cookie) {
            return Err(Failure::OutOfStep(found.value.stage(), None));
        }
        Ok((cookie, found))
    }
}
