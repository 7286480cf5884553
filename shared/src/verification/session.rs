//! Step-up of a session.

use async_trait::async_trait;

use super::holder::{Holder, Refusal, Subject};
use crate::domain::account::Offer;
use crate::domain::account_limits::Bucket;
use crate::domain::challenge::{Challenge, PASSKEY_LIFETIME};
use crate::domain::cookie::HolderCookie;
use crate::domain::method::Method;
use crate::domain::session::{ATTEMPTS, Session};
use crate::domain::time::Timestamp;
use crate::ports::{SessionStore, Versioned};

/// A session as read, with its store.
pub struct SessionHolder<'a> {
    sessions: &'a dyn SessionStore,
    cookie: HolderCookie,
    session: Session,
    revision: u64,
    offers: Vec<Offer>,
    has_spent: bool,
}

impl<'a> SessionHolder<'a> {
    /// Returns the holder of the session of `cookie`, whose account can verify by `offers`.
    pub fn new(
        sessions: &'a dyn SessionStore,
        cookie: HolderCookie,
        found: Versioned<Session>,
        offers: Vec<Offer>,
    ) -> Self {
        let Versioned { value: session, revision } = found;
        Self { sessions, cookie, session, revision, offers, has_spent: false }
    }

    /// Returns the session after the last write.
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the session after a right answer, with the revision that it replaces. A right answer costs no
    /// attempt: the next write refunds it.
    pub fn into_verified(mut self) -> Versioned<Session> {
        if self.has_spent {
            let progress = self.session.progress_mut();
            progress.attempts = progress.attempts.saturating_sub(1);
        }
        Versioned { value: self.session, revision: self.revision }
    }

    /// Removes the challenge that has ended.
    ///
    /// # Errors
    /// [`Refusal::NotAwaited`] when another request changed the session.
    pub async fn forget_challenge(&mut self, now: Timestamp) -> Result<(), Refusal> {
        self.session.progress_mut().challenge = None;
        self.save(now).await
    }

    async fn save(&mut self, now: Timestamp) -> Result<(), Refusal> {
        if self.sessions.update(self.cookie.id(), self.revision, &self.session, now).await? {
            self.revision += 1;
            Ok(())
        } else {
            Err(Refusal::NotAwaited)
        }
    }
}

#[async_trait]
impl Holder for SessionHolder<'_> {
    fn cookie(&self) -> &HolderCookie {
        &self.cookie
    }

    fn subject(&self) -> Subject<'_> {
        let used_for = self.session.verification_id(&self.cookie);
        Subject { account: &self.session.context().account, decoy: false, used_for }
    }

    fn bucket(&self) -> Bucket {
        Bucket::Enrolment
    }

    fn is_on_known_device(&self) -> bool {
        self.session.progress().known_device
    }

    fn offer(&self, method: Method) -> Option<&Offer> {
        self.offers.iter().find(|offer| offer.method == method)
    }

    fn challenge(&self, method: Method, now: Timestamp) -> Option<Challenge> {
        let progress = self.session.progress();
        match method {
            // A session accepts a passkey at any time, without a stored challenge.
            Method::Passkey => Some(Challenge::new(method, progress.request, None, now, PASSKEY_LIFETIME)),
            _ => progress.challenge.clone().filter(|challenge| challenge.method == method),
        }
    }

    /// Counts an attempt of the session. An older cookie has its own counter and costs none here.
    async fn spend(&mut self, method: Method, now: Timestamp) -> Result<(), Refusal> {
        if self.session.is_ahead_of(&self.cookie) {
            return Ok(());
        }
        let progress = self.session.progress_mut();
        if progress.attempts >= ATTEMPTS {
            self.sessions.end(self.cookie.id()).await?;
            return Err(Refusal::Ended);
        }
        progress.attempts += 1;
        if let Some(challenge) = progress.challenge.as_mut().filter(|challenge| challenge.method == method) {
            challenge.attempts = challenge.attempts.saturating_add(1);
        }
        self.has_spent = true;
        self.save(now).await
    }
}
