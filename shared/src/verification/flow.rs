//! Verification of a flow's steps.

use async_trait::async_trait;

use super::holder::{Holder, Refusal, Subject, VerificationError, Verified};
use crate::domain::account::Offer;
use crate::domain::account_limits::Bucket;
use crate::domain::challenge::Challenge;
use crate::domain::cookie::HolderCookie;
use crate::domain::flow::{Flow, FlowLimits};
use crate::domain::method::Method;
use crate::domain::time::Timestamp;
use crate::ports::{FlowStore, Versioned};

/// A flow as read, with its store.
pub struct FlowHolder<'a> {
    flows: &'a dyn FlowStore,
    limits: &'a FlowLimits,
    cookie: HolderCookie,
    flow: Flow,
    revision: u64,
}

impl<'a> FlowHolder<'a> {
    /// Returns the holder of the flow of `cookie`, which must be its newest cookie.
    pub fn new(
        flows: &'a dyn FlowStore,
        limits: &'a FlowLimits,
        cookie: HolderCookie,
        found: Versioned<Flow>,
    ) -> Self {
        Self { flows, limits, cookie, flow: found.value, revision: found.revision }
    }

    /// Returns the flow after the last write.
    pub const fn flow(&self) -> &Flow {
        &self.flow
    }

    /// Returns the flow by value, after the last write.
    pub fn into_flow(self) -> Flow {
        self.flow
    }

    /// Returns the attempts that remain in the flow.
    pub fn attempts_left(&self) -> u8 {
        self.limits.flow_attempts.saturating_sub(self.flow.flow_attempts())
    }

    /// Records a verification, whose factor is already consumed for this flow. Another request may change the
    /// flow meanwhile (a wrong code, a double click). The write is therefore repeated on the current flow, as
    /// often as attempts can have been counted.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] where only an old factor may serve and this one is young;
    /// [`Refusal::Repeated`] when another request recorded the same answer; [`Refusal::NotAwaited`] and
    /// [`Refusal::Ended`].
    pub async fn advance(&mut self, verified: Verified, now: Timestamp) -> Result<(), Refusal> {
        let Verified { method, young, answer, is_activation } = verified;
        for _ in 0..=self.limits.flow_attempts {
            let choosing = self.flow.clone().choosing().map_err(|_| Refusal::NotAwaited)?;
            let next = if is_activation {
                choosing.activate(answer)
            } else {
                choosing.verify(method, young, answer)
            };
            let next = next.map_err(|_| Refusal::Unavailable)?;
            if self.flows.replace(self.cookie.id(), self.revision, &next, now).await? {
                self.flow = next;
                return Ok(());
            }
            let found = self.flows.load(self.cookie.id(), now).await?.ok_or(Refusal::Ended)?;
            (self.flow, self.revision) = (found.value, found.revision);
            if self.flow.was_verified_by(self.cookie.step(), &answer) {
                return Err(Refusal::Repeated);
            }
            self.awaits_this_step()?;
        }
        Err(VerificationError::Contended.into())
    }

    fn awaits_this_step(&self) -> Result<(), Refusal> {
        if self.flow.verified() == self.cookie.verified() { Ok(()) } else { Err(Refusal::NotAwaited) }
    }
}

#[async_trait]
impl Holder for FlowHolder<'_> {
    fn cookie(&self) -> &HolderCookie {
        &self.cookie
    }

    fn subject(&self) -> Subject<'_> {
        let context = self.flow.context();
        Subject { account: &context.account, decoy: context.decoy, used_for: self.cookie.id() }
    }

    fn person(&self) -> Subject<'_> {
        match &self.flow.context().behind {
            Some(behind) => Subject { account: &behind.account, decoy: false, ..self.subject() },
            None => self.subject(),
        }
    }

    fn bucket(&self) -> Bucket {
        Bucket::for_step(self.cookie.step())
    }

    fn is_on_known_device(&self) -> bool {
        self.flow.context().known_device
    }

    fn offer(&self, method: Method) -> Option<&Offer> {
        self.flow.offer(method)
    }

    fn challenge(&self, method: Method, _now: Timestamp) -> Option<Challenge> {
        match &self.flow {
            Flow::AwaitingAnswer(state) if state.sent.method == method => Some(Challenge {
                method,
                request: state.request,
                code: None,
                asked_at: state.sent.last_at,
                expires_at: state.expires_at,
                attempts: state.sent.attempts,
            }),
            _ => None,
        }
    }

    async fn spend(&mut self, _method: Method, now: Timestamp) -> Result<(), Refusal> {
        let spent = self.flows.spend_attempt(self.cookie.id(), self.limits, now).await?;
        self.flow = spent.ok_or(Refusal::Ended)?;
        // The revision after this write, if no other request wrote in between.
        self.revision += 1;
        self.awaits_this_step()
    }
}
