//! Security info: a person signs in and registers, confirms and removes what proves who they are.
//!
//! The password alone opens the page only for somebody who has registered nothing yet; everybody else proves a second
//! step, and again before a change if that is some time ago. Whatever is added is proved before it counts, and every
//! change is told to all contacts, those that it replaces among them.

mod add;
mod budgets;
mod confirm;
mod held;
mod list;
mod picture;
mod push;
mod seal;
mod second_step;
mod sending;
mod sign_in;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use shared::domain::keys::Keyring;
use shared::domain::session::{Asked, CODE_TRIES, Session, SessionCookie, TRIES};
use shared::domain::time::Timestamp;
use shared::http::problem::{Place, Problem};
use shared::http::{App, HasSite, Incoming, Outcome, Site, answer, serve};
use shared::ports::{
    ApprovalStore, Authenticators, BudgetStore, Clock, EnrolmentStore, Entropy, MessageQueue, PairingStore,
    SecurityInfo, SessionStore, SignInDirectory, SignatureVerifier, Versioned,
};
use shared::process::{Process, StartError};

/// What this function needs from outside.
pub struct Ports {
    /// Settings and the keys of cookies and names.
    pub site: Site,
    /// The sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// The directory, to sign in with.
    pub directory: Arc<dyn SignInDirectory>,
    /// What is registered, to be proved with.
    pub security_info: Arc<dyn SecurityInfo>,
    /// What is registered, to be changed.
    pub enrolment: Arc<dyn EnrolmentStore>,
    /// The authenticators.
    pub authenticators: Arc<dyn Authenticators>,
    /// The requests to devices.
    pub approvals: Arc<dyn ApprovalStore>,
    /// The pairings of devices.
    pub pairings: Arc<dyn PairingStore>,
    /// The arithmetic of passkeys.
    pub signatures: Arc<dyn SignatureVerifier>,
    /// The budgets.
    pub budgets: Arc<dyn BudgetStore>,
    /// The queue to `delivery`.
    pub queue: Arc<dyn MessageQueue>,
    /// The keys of messages.
    pub messages: Arc<Keyring>,
    /// The keys of seeds.
    pub seeds: Arc<Keyring>,
    /// The keys of CAPTCHAs.
    pub captcha: Arc<Keyring>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

impl Ports {
    /// The ports as the process fulfils them.
    ///
    /// # Errors
    /// [`StartError`] when template.yaml does not tell this function of something it needs, or that makes no sense.
    pub fn from_process(process: &Process) -> Result<Self, StartError> {
        Ok(Self {
            site: process.site()?,
            sessions: process.sessions()?,
            directory: process.sign_in_directory()?,
            security_info: process.security_info()?,
            enrolment: process.enrolment()?,
            approvals: process.approvals()?,
            pairings: process.pairings()?,
            signatures: process.signatures(),
            authenticators: process.authenticators()?,
            budgets: process.budgets()?,
            queue: process.queue()?,
            messages: process.keyring("REKEY_SECRET_MESSAGES")?,
            seeds: process.keyring("REKEY_SECRET_SEEDS")?,
            captcha: process.keyring("REKEY_SECRET_CAPTCHA")?,
            clock: process.clock(),
            entropy: process.entropy(),
        })
    }
}

impl HasSite for Ports {
    fn site(&self) -> &Site {
        &self.site
    }
}

/// The ports as the handlers share them.
type Shared = App<Ports>;

/// The routes of this function.
pub fn router(ports: Ports) -> Router {
    let routes = Router::new()
        .route("/security-info", get(list::show))
        .route("/security-info/sign-in", post(sign_in::sign_in))
        .route("/security-info/verify", get(second_step::show).post(second_step::verify))
        .route("/security-info/add", post(add::add))
        .route("/security-info/confirm", get(confirm::show).post(confirm::confirm))
        .route("/security-info/remove", post(list::remove))
        .route("/security-info/reconfirm", post(list::reconfirm))
        .route("/security-info/sign-out", post(sign_in::sign_out));
    serve(routes, ports)
}

/// The session of a request that may see the list.
async fn seeing(
    ports: &Ports,
    incoming: &mut Incoming,
    now: Timestamp,
) -> Outcome<(SessionCookie, Versioned<Session>)> {
    let (cookie, found) = live(ports, incoming, now).await?;
    if found.value.may_see(&cookie) {
        Ok((cookie, found))
    } else {
        Err(Problem::OutOfStep(Place::SecondStep).into())
    }
}

/// The session of a request that may change something.
async fn changing(
    ports: &Ports,
    incoming: &mut Incoming,
    now: Timestamp,
) -> Outcome<(SessionCookie, Versioned<Session>)> {
    let (cookie, found) = live(ports, incoming, now).await?;
    if found.value.may_change(&cookie, now) {
        Ok((cookie, found))
    } else {
        Err(Problem::OutOfStep(Place::SecondStep).into())
    }
}

/// The session of a request. One whose account was switched off or kept out of self-service meanwhile ends: it shows
/// nothing more, sends nothing more and changes nothing more.
async fn live(
    ports: &Ports,
    incoming: &mut Incoming,
    now: Timestamp,
) -> Outcome<(SessionCookie, Versioned<Session>)> {
    let (cookie, found) = incoming.live_session(&*ports.sessions, now).await?;
    let account = ports.directory.account(&found.value.account).await?;
    if !account.is_some_and(|account| account.standing.may_reset()) {
        ports.sessions.end(cookie.key()).await?;
        return Err(Problem::FlowEnded.into());
    }
    Ok((cookie, found))
}

/// Keeps a session as it has become. Whoever was overtaken by another request of the same session begins at the list.
async fn keep(
    ports: &Ports,
    cookie: &SessionCookie,
    revision: u64,
    next: &Session,
    now: Timestamp,
) -> Outcome<u64> {
    if ports.sessions.update(cookie.key(), revision, next, now).await? {
        Ok(revision + 1)
    } else {
        Err(Problem::OutOfStep(Place::SecurityInfo).into())
    }
}

/// Spends a try on an answer before it is looked at; the session as it then is.
async fn spend(
    ports: &Ports,
    cookie: &SessionCookie,
    found: Versioned<Session>,
    count: impl FnOnce(&mut Session),
    now: Timestamp,
) -> Outcome<Versioned<Session>> {
    let mut session = found.value;
    if session.tries >= TRIES {
        ports.sessions.end(cookie.key()).await?;
        return Err(Problem::FlowEnded.into());
    }
    session.tries += 1;
    count(&mut session);
    let revision = keep(ports, cookie, found.revision, &session, now).await?;
    Ok(Versioned { value: session, revision })
}

/// A right answer costs no try: it is given back with whatever is kept next.
fn give_back(session: &mut Session) {
    session.tries = session.tries.saturating_sub(1);
}

/// The wrong answers that are left: in the session and to what is awaited, whichever are fewer.
fn tries_left(session: &Session, asked: Option<&Asked>) -> u8 {
    let of_answer = asked.map_or(TRIES, |asked| CODE_TRIES.saturating_sub(asked.tries));
    TRIES.saturating_sub(session.tries).min(of_answer)
}
