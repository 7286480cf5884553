//! A session whose second step is verified.

use async_trait::async_trait;

use super::holder::{Holder, Refusal, Subject};
use crate::domain::account::Offer;
use crate::domain::challenge::{Challenge, PASSKEY_LIFETIME};
use crate::domain::cookie::HolderCookie;
use crate::domain::method::Method;
use crate::domain::rate_limit::Bucket;
use crate::domain::session::{Session, TRIES};
use crate::domain::time::Timestamp;
use crate::ports::{SessionStore, Versioned};

/// A session as it was read, over its store.
pub struct SessionHolder<'a> {
    sessions: &'a dyn SessionStore,
    cookie: HolderCookie,
    session: Session,
    revision: u64,
    offers: Vec<Offer>,
    has_spent: bool,
}

impl<'a> SessionHolder<'a> {
    /// The session of `cookie`, whose account may verify by `offers`.
    pub fn new(
        sessions: &'a dyn SessionStore,
        cookie: HolderCookie,
        found: Versioned<Session>,
        offers: Vec<Offer>,
    ) -> Self {
        let Versioned { value: session, revision } = found;
        Self { sessions, cookie, session, revision, offers, has_spent: false }
    }

    /// The session as it is by now.
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// The session after a right answer, with the revision that it replaces. A right answer costs no attempt: it is given
    /// back with whatever is kept next.
    pub fn into_verified(mut self) -> Versioned<Session> {
        if self.has_spent {
            let progress = self.session.progress_mut();
            progress.attempts = progress.attempts.saturating_sub(1);
        }
        Versioned { value: self.session, revision: self.revision }
    }

    /// Forgets the challenge that is over.
    ///
    /// # Errors
    /// [`Refusal::NotAwaited`] when another request changed the session.
    pub async fn forget_challenge(&mut self, now: Timestamp) -> Result<(), Refusal> {
        self.session.progress_mut().challenge = None;
        self.keep(now).await
    }

    async fn keep(&mut self, now: Timestamp) -> Result<(), Refusal> {
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
        Subject { account: &self.session.facts().account, decoy: false, used_for }
    }

    fn bucket(&self) -> Bucket {
        Bucket::Enrolment
    }

    fn offer(&self, method: Method) -> Option<&Offer> {
        self.offers.iter().find(|offer| offer.method == method)
    }

    fn challenge(&self, method: Method, now: Timestamp) -> Option<Challenge> {
        let progress = self.session.progress();
        match method {
            // A session awaits a passkey at any time: nothing has to be asked for it.
            Method::Passkey => Some(Challenge::new(method, progress.request, None, now, PASSKEY_LIFETIME)),
            _ => progress.challenge.clone().filter(|challenge| challenge.method == method),
        }
    }

    /// An older cookie has paid from its own count: it spends nothing of the session's.
    async fn spend(&mut self, method: Method, now: Timestamp) -> Result<(), Refusal> {
        if self.session.is_ahead_of(&self.cookie) {
            return Ok(());
        }
        let progress = self.session.progress_mut();
        if progress.attempts >= TRIES {
            self.sessions.end(self.cookie.id()).await?;
            return Err(Refusal::Ended);
        }
        progress.attempts += 1;
        if let Some(challenge) = progress.challenge.as_mut().filter(|challenge| challenge.method == method) {
            challenge.attempts = challenge.attempts.saturating_add(1);
        }
        self.has_spent = true;
        self.keep(now).await
    }
}
