//! The list of what is registered: seen, confirmed as a whole, and shortened.

use axum::extract::State;
use axum::response::Response;
use shared::domain::account::{Account, Offer, Registration, suffices};
use shared::domain::method::Method;
use shared::domain::notice::Event;
use shared::domain::security_info::{EntryId, Kind, Registered};
use shared::domain::session::{Session, SessionCookie};
use shared::domain::time::Timestamp;
use shared::http::problem::{Place, Problem};
use shared::http::security_info::{EntryView, HOME, SecurityInfo, SignIn};
use shared::http::view::View;
use shared::http::{Failure, Incoming, Next, Outcome};
use shared::settings::Settings;

use super::{Ports, Shared, answer, budgets, changing, keep, live, second_step, seeing, sending};

/// `GET /security-info`: where the session is.
pub(crate) async fn show(state: State<Shared>, incoming: Incoming) -> Response {
    answer(state, incoming, async |ports, incoming| {
        let now = ports.clock.now();
        let (cookie, found) = match live(ports, incoming, now).await {
            Ok(found) => found,
            Err(Failure::Problem(Problem::FlowEnded, _)) => {
                let view = SignIn { back: incoming.back.clone(), ..SignIn::default() };
                return Ok(incoming.page(&View::SignIn(view)));
            }
            Err(failure) => return Err(failure),
        };
        let session = found.value;
        if !session.may_see(&cookie) {
            let view = second_step::view(ports, incoming, &session, None, now).await?;
            return Ok(incoming.page(&view));
        }
        let registered = current(ports, &cookie, &session).await?;
        Ok(incoming.page(&view(ports, &session, &registered, now).await?))
    })
    .await
}

/// `POST /security-info/reconfirm`.
pub(crate) async fn reconfirm(state: State<Shared>, incoming: Incoming) -> Response {
    answer(state, incoming, async |ports, incoming| {
        let now = ports.clock.now();
        let (cookie, found) = seeing(ports, incoming, now).await?;
        incoming.take_fields().finish()?;
        let session = found.value;
        current(ports, &cookie, &session).await?;
        ports.enrolment.confirm(&session.account, now).await?;
        tracing::info!(event = "reconfirmed", session = ?cookie.key());
        let registered = ports.enrolment.registered(&session.account).await?;
        let view = view(ports, &session, &registered, now).await?;
        Ok(incoming.next(&Next { view, location: HOME, cookie: None }))
    })
    .await
}

/// `POST /security-info/remove`. It may leave less than a reset needs: whoever lost a phone has to be able to take it
/// away at once, and the page then says what is missing.
pub(crate) async fn remove(state: State<Shared>, incoming: Incoming) -> Response {
    answer(state, incoming, async |ports, incoming| {
        let now = ports.clock.now();
        let (cookie, found) = changing(ports, incoming, now).await?;
        let mut fields = incoming.take_fields();
        let id = fields.require("id")?;
        fields.finish()?;
        let id = EntryId::parse(&id).ok_or_else(|| Problem::malformed("id"))?;
        let mut session = found.value;
        let registered = current(ports, &cookie, &session).await?;
        // What is gone already stays gone: a double click.
        if registered.entries.iter().any(|entry| entry.id == id) {
            budgets::change(ports, &session.account, now).await?;
            session.generation = ports
                .enrolment
                .change(&session.account, registered.generation, cookie.key())
                .await?
                .ok_or(Problem::OutOfStep(Place::SecurityInfo))?;
            session.cooling.retain(|cooling| *cooling != id);
            keep(ports, &cookie, found.revision, &session, now).await?;
            // Told before it is done: if the function dies in between, somebody hears of a removal that its owner has to
            // ask for once more. The other way round nobody would hear of one that was made.
            sending::tell(ports, &cookie, &session, Event::Removed(id.kind()), Registration::default(), now)
                .await?;
            // The generation that it moves to is this session's by being noted as its own.
            let (generation, by) = (session.generation, cookie.key());
            if ports.enrolment.remove(&session.account, generation, by, &id, now).await?.is_none() {
                return Err(Problem::OutOfStep(Place::SecurityInfo).into());
            }
            tracing::info!(event = "removed", session = ?cookie.key(), kind = id.kind().as_str());
        }
        let registered = ports.enrolment.registered(&session.account).await?;
        let view = view(ports, &session, &registered, now).await?;
        Ok(incoming.next(&Next { view, location: HOME, cookie: None }))
    })
    .await
}

/// What is registered, if nobody but this session has changed the account since it began.
pub(crate) async fn current(ports: &Ports, cookie: &SessionCookie, session: &Session) -> Outcome<Registered> {
    let registered = ports.enrolment.registered(&session.account).await?;
    let is_ours = registered.generation == session.generation || registered.changed_by == Some(cookie.key());
    if is_ours { Ok(registered) } else { Err(Problem::FlowEnded.into()) }
}

/// What is registered for an account, as evidence.
pub(crate) async fn evidence(ports: &Ports, account: &Account, now: Timestamp) -> Outcome<Registration> {
    let registration = ports.security_info.registration(&account.id, now).await?;
    Ok(registration.as_evidence_for(account, &ports.site.settings.login_domains))
}

/// The list.
pub(crate) async fn view(
    ports: &Ports,
    session: &Session,
    registered: &Registered,
    now: Timestamp,
) -> Outcome<View> {
    let account = ports.directory.account(&session.account).await?.ok_or(Problem::FlowEnded)?;
    let registration = evidence(ports, &account, now).await?;
    Ok(View::SecurityInfo(of(&ports.site.settings, &account, session, registered, registration, now)))
}

/// The list as it is shown. Whether a reset is possible is asked as page 1 of a reset asks it.
pub(crate) fn of(
    settings: &Settings,
    account: &Account,
    session: &Session,
    registered: &Registered,
    mut registration: Registration,
    now: Timestamp,
) -> SecurityInfo {
    let entry = |entry: &shared::domain::security_info::Entry| EntryView {
        id: entry.id.as_str().to_owned(),
        kind: entry.id.kind(),
        masked: entry.shown.clone(),
        added_at: entry.added_at.to_string(),
        last_used_at: entry.last_used_at.map(|at| at.to_string()),
        usable_from: entry.usable_from.to_string(),
        predecessor: entry.predecessor.clone().filter(|_| entry.usable_from > now),
        counts: entry.usable_from <= now,
    };
    let needed = settings.steps;
    let capable = suffices(&settings.offers(&registration), needed) && account.standing.may_reset();
    let offers = registration.offers(&settings.second_steps);
    let may_lift = !session.cooling.is_empty() && can_waive(&offers);
    registration.not_yet.clear();
    registration.unproved.clear();
    let reached = settings.offers(&registration);
    let serves = |kind: Kind| {
        let may_be_sent_to = || reached.iter().any(|offer| offer.method.factor() == kind.factor());
        kind.methods().iter().any(|method| settings.methods.contains(method))
            && (!kind.is_contact() || may_be_sent_to())
    };
    let factors = registered.factors(serves).len();
    let is_registered = factors >= usize::from(needed);
    let due = registered.is_due(settings.reconfirm_days, now);
    let offered = |kind: &Kind| kind.methods().iter().any(|method| settings.second_steps.contains(method));
    let kinds = Kind::ALL
        .into_iter()
        .filter(offered)
        .map(|kind| (kind, kind.limit() == 1 && registered.of(kind).next().is_some()))
        .collect();
    SecurityInfo {
        methods: registered.entries.iter().map(entry).collect(),
        registered: is_registered,
        capable,
        due,
        kinds,
        needed,
        factors,
        may_lift,
        selected: None,
        value: String::new(),
        back: session.back.as_deref().map(|back| with_state(back, is_registered, capable, due)),
    }
}

/// Whether two different old factors could be verified here.
fn can_waive(offers: &[Offer]) -> bool {
    let vouches = |offer: &&Offer| !offer.young && offer.method != Method::RecoveryCode;
    suffices(&offers.iter().filter(vouches).cloned().collect::<Vec<_>>(), 2)
}

/// The way back to the portal, which learns from it how things stand.
fn with_state(back: &str, registered: bool, capable: bool, due: bool) -> String {
    let sign = if back.contains('?') { '&' } else { '?' };
    format!("{back}{sign}registered={registered}&capable={capable}&due={due}")
}
