//! The step-up: verifies a second step at the start of a session and before changes.

use axum::extract::State;
use axum::response::Response;
use shared::domain::approval::{APPROVAL_LIFETIME, RequestId};
use shared::domain::cookie::HolderCookie;
use shared::domain::factor::VerifiedFactor;
use shared::domain::message::{ApprovalPush, Message, Purpose};
use shared::domain::method::Method;
use shared::domain::session::{CODE_ATTEMPTS, CodeFor, Session, Verification};
use shared::domain::time::{Seconds, Timestamp};
use shared::http::problem::{Place, Problem};
use shared::http::security_info::{CHANGE_PASSWORD, HOME, VERIFY};
use shared::http::{App, HandlerError, HandlerResult, IncomingRequest, NewCookie, NextPage, respond};
use shared::ports::{EntropyExt as _, Versioned};
use shared::verification::{self, Answer, Refusal, SessionHolder, Verified};

use super::access::{self, attempts_left, current, end_if_exhausted, load_session, save_session};
use super::kinds::contact;
use super::ports::Ports;
use super::step_up_page::{self, Verifiable, on_page};
use super::{change_password, list_page, rate_limits};

/// `GET /security-info/verify`: the page of the second step.
pub(crate) async fn show(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| {
        let now = ports.clock.now();
        let (cookie, found) = load_session(ports, incoming, now).await?;
        current(ports, &cookie, &found.value).await?;
        Ok(incoming.page(&step_up_page::view(ports, incoming, &found.value, None, now).await?))
    })
    .await
}

/// `POST /security-info/verify`: checks the code or answer if one is sent, otherwise creates a challenge.
pub(crate) async fn verify(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, try_verify).await
}

async fn try_verify(ports: &Ports, incoming: &mut IncomingRequest) -> HandlerResult {
    let now = ports.clock.now();
    let (cookie, found) = load_session(ports, incoming, now).await?;
    // A session that another change made invalid sends no more codes.
    current(ports, &cookie, &found.value).await?;
    let mut fields = incoming.take_fields();
    let method = fields.require("method")?;
    let method = Method::parse(&method).ok_or_else(|| Problem::malformed("method"))?;
    let [code, assertion] = ["code", "assertion"].map(|field| (field, fields.take(field)));
    fields.finish()?;
    let typed = [code, assertion].into_iter().find(|(field, _)| Answer::field(method) == Some(*field));
    let typed = typed.and_then(|(_, typed)| typed);

    let account = access::account(ports, &found.value).await?;
    let verifiable = Verifiable::load(ports, &account, now).await?;
    let login = account.shown_login();
    let step = Step { ports, incoming, cookie: &cookie, verifiable, login, method, now };
    if !step.verifiable.has(method) {
        return Err(step.problem(&found.value, Problem::MethodUnavailable("method")).await?);
    }
    // An older cookie creates no challenge: it would replace the one of the newest cookie.
    let is_older = found.value.is_ahead_of(&cookie);
    if method.is_sent() && typed.is_none() {
        return if is_older { Err(Problem::FlowEnded.into()) } else { step.send_code(found).await };
    }
    if method == Method::Push && !is_older && !awaits_approval(&found.value, now) {
        return step.request_approval(found).await;
    }
    let Some(answer) = Answer::read(method, typed.as_deref().map(String::as_str)) else {
        let problem = Problem::malformed(Answer::field(method).unwrap_or("method"));
        return Err(step.problem(&found.value, problem).await?);
    };
    step.check(found, &answer).await
}

/// Returns whether an approval request is still open.
fn awaits_approval(session: &Session, now: Timestamp) -> bool {
    let challenge = session.progress().challenge.as_ref();
    challenge
        .is_some_and(|challenge| challenge.method == Method::Push && challenge.is_open(CODE_ATTEMPTS, now))
}

/// A request for a challenge, or an answer to one.
struct Step<'a> {
    ports: &'a Ports,
    incoming: &'a IncomingRequest,
    cookie: &'a HolderCookie,
    verifiable: Verifiable,
    /// Names the account in a code's message.
    login: Option<String>,
    method: Method,
    now: Timestamp,
}

impl Step<'_> {
    /// Sends a code to an enrolled contact.
    async fn send_code(&self, found: Versioned<Session>) -> HandlerResult {
        let Self { ports, incoming, cookie, method, now, .. } = *self;
        let mut session = found.value;
        let contact = self.verifiable.registration.contact(method);
        let contact = contact.ok_or(Problem::MethodUnavailable("method"))?;
        let code = CodeFor::StepUp(method);
        let made = contact::new_challenge(
            ports,
            cookie,
            &session,
            session.progress().next_code_at(code),
            contact::Parts {
                purpose: Purpose::SecondStep,
                method,
                contact,
                login: self.login.as_deref(),
                requester: Some(incoming.requester(session.progress().known_device)),
            },
            incoming.network_tag(),
            now,
        );
        let (challenge, message) = match made.await? {
            Ok(made) => made,
            Err(problem) => return Err(self.problem(&session, problem).await?),
        };
        let progress = session.progress_mut();
        progress.note_sent(code, now);
        progress.challenge = Some(challenge);
        save_session(ports, cookie, found.revision, &session, now).await?;
        ports.outgoing().send(cookie.id(), &[message], Seconds(0)).await?;
        self.challenge_page(&session).await
    }

    /// Sends an approval request to the account's devices.
    async fn request_approval(&self, found: Versioned<Session>) -> HandlerResult {
        let Self { ports, incoming, cookie, now, .. } = *self;
        let mut session = found.value;
        let account = session.context().account.clone();
        if !rate_limits::try_acquire_push(ports, &session, incoming.network_tag(), now).await? {
            return Err(self.problem(&session, Problem::MethodUnavailable("method")).await?);
        }
        let requester = incoming.requester(session.progress().known_device);
        let (keys, entropy) = (&ports.app.flows, &*ports.entropy);
        let (challenge, request) =
            verification::approval::ask(keys, entropy, cookie, requester, APPROVAL_LIFETIME, now)?;
        session.progress_mut().challenge = Some(challenge);
        save_session(ports, cookie, found.revision, &session, now).await?;
        if !ports.approvals.ask(&account, &request, now).await? {
            return Err(self.problem(&session, Problem::MethodUnavailable("method")).await?);
        }
        let push = Message::Push(ApprovalPush { account, expires_at: request.expires_at });
        ports.outgoing().send(cookie.id(), &[push], Seconds(0)).await?;
        self.challenge_page(&session).await
    }

    /// Returns the page that waits for the answer to the new challenge.
    async fn challenge_page(&self, session: &Session) -> HandlerResult {
        tracing::info!(event = "step_up.challenge_sent", session = ?self.cookie.id(), method = self.method.as_str());
        self.page(session).await
    }

    async fn page(&self, session: &Session) -> HandlerResult {
        let view =
            step_up_page::view(self.ports, self.incoming, session, Some(self.method), self.now).await?;
        Ok(self.incoming.next_page(&NextPage { view, location: VERIFY, cookie: None }))
    }

    async fn problem(&self, session: &Session, problem: Problem) -> HandlerResult<HandlerError> {
        on_page(self.ports, self.incoming, session, self.method, problem, self.now).await
    }

    /// Checks an answer. An older cookie may verify again, and gets the newer cookie for the answer that verified
    /// last. It spends from its own rate limit, before anything is compared.
    async fn check(&self, found: Versioned<Session>, answer: &Answer) -> HandlerResult {
        let Self { ports, cookie, now, .. } = *self;
        let verifier = ports.verifier(self.incoming);
        let session = &found.value;
        let is_older = session.is_ahead_of(cookie);
        if is_older {
            if !verifier.try_acquire_older(cookie, session.progress().verified, now).await? {
                return Err(Problem::FlowEnded.into());
            }
            let tag = verifier.tag_of(cookie, &session.context().account, answer, now).await?;
            if tag.is_some_and(|tag| session.was_verified_by(&tag, now)) {
                return self.repeated(session).await;
            }
            // An older cookie can't use an approval that the newest one requested.
            if self.method == Method::Push {
                return Err(Problem::FlowEnded.into());
            }
        } else {
            end_if_exhausted(ports, cookie, session).await?;
        }
        let offers = self.verifiable.offers.clone();
        let mut holder = SessionHolder::new(&*ports.sessions, cookie.clone(), found, offers);
        match verifier.check(&mut holder, answer, now).await {
            Ok(passed) => self.passed(holder.into_verified(), passed).await,
            Err(refusal) => self.refused(holder, refusal).await,
        }
    }

    /// Returns the response to an answer that verified nothing.
    async fn refused(&self, mut holder: SessionHolder<'_>, refusal: Refusal) -> HandlerResult {
        let Self { ports, cookie, method, now, .. } = *self;
        let log =
            || tracing::info!(event = "step_up.rejected", session = ?cookie.id(), method = method.as_str());
        let problem = match refusal {
            Refusal::Pending => return self.page(holder.session()).await,
            Refusal::Unavailable => Problem::MethodUnavailable("method"),
            Refusal::Wrong(_) => {
                log();
                let session = holder.session();
                let challenge = session.progress().challenge.as_ref();
                let challenge = challenge.filter(|challenge| challenge.method == method);
                let is_newest = !session.is_ahead_of(cookie);
                Problem::CodeWrong { attempts_left: is_newest.then(|| attempts_left(session, challenge)) }
            }
            Refusal::Spent => {
                if method == Method::Push {
                    holder.forget_challenge(now).await.map_err(failure)?;
                }
                Problem::CodeSpent
            }
            // "It wasn't me": the holder of this session is not the owner, so it ends.
            Refusal::Denied => {
                ports.sessions.end(cookie.id()).await?;
                log();
                return Err(Problem::FlowEnded.into());
            }
            other => return Err(failure(other)),
        };
        Err(self.problem(holder.session(), problem).await?)
    }

    /// Handles a repeated correct answer: it gets the newer cookie.
    async fn repeated(&self, session: &Session) -> HandlerResult {
        let Self { ports, cookie, now, .. } = *self;
        let registered = current(ports, cookie, session).await?;
        let newer = cookie.with_verified(session.progress().verified);
        let open = session.opened(&newer).ok_or(Problem::FlowEnded)?;
        let view = list_page::view(ports, open, &registered, now).await?;
        Ok(self.incoming.next_page(&NextPage {
            view,
            location: HOME,
            cookie: Some(NewCookie::Session(&newer)),
        }))
    }

    /// Completes the second step. If it is the second of two different older factors, entries added earlier in this
    /// session count from now on.
    async fn passed(&self, found: Versioned<Session>, passed: Verified) -> HandlerResult {
        let Self { ports, cookie, now, .. } = *self;
        let Versioned { value: session, revision } = found;
        let registered = current(ports, cookie, &session).await?;
        let Verified { method, young, answer, .. } = passed;
        let factor = self.verifiable.factor(cookie, &ports.app.flows, method);
        let factor = factor.map(|factor| VerifiedFactor { method, factor, old: !young });
        let request = RequestId::from_bytes(ports.entropy.bytes());
        let verification = Verification { method: Some(method), at: now, answer };
        let mut session = session.verify(verification, factor, request);
        let activated = session.waive_waiting_period();
        let old_from = now + ports.app.settings.waiting_period;
        // This comes before the session forgets the waiting periods, so that after a failure the same answer can end
        // them.
        for id in &activated {
            ports.enrolment.set_active_from(&session.context().account, id, now, old_from).await?;
        }
        let registered =
            if activated.is_empty() { registered } else { current(ports, cookie, &session).await? };
        let newer = cookie.with_verified(session.progress().verified);
        let open = session.opened(&newer).ok_or(Problem::FlowEnded)?;
        let waives = open.waives_waiting_period();
        let (view, location) = if session.context().changes_password {
            (change_password::view(ports, &newer, &session, now).await?, CHANGE_PASSWORD)
        } else {
            (list_page::view(ports, open, &registered, now).await?, HOME)
        };
        if method == Method::Email {
            access::mail_arrives(ports, self.verifiable.registration.alternate_email.as_ref(), now).await;
        }
        // This is the last write that can fail. From here only the newer cookie carries the verification.
        save_session(ports, cookie, revision, &session, now).await?;
        let method = method.as_str();
        tracing::info!(event = "step_up.verified", session = ?cookie.id(), method, waives);
        Ok(self.incoming.next_page(&NextPage { view, location, cookie: Some(NewCookie::Session(&newer)) }))
    }
}

/// Returns a refusal that no page of the session shows.
fn failure(refusal: Refusal) -> HandlerError {
    match refusal {
        Refusal::NotAwaited => Problem::OutOfStep(Place::SecurityInfo).into(),
        Refusal::Failed(error) => error.into(),
        _ => Problem::FlowEnded.into(),
    }
}
