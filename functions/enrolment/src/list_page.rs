//! The page that lists the enrolled entries.

use shared::domain::account::{Account, Offer, Registration, suffices};
use shared::domain::contact::{EmailAddress, PhoneNumber};
use shared::domain::mail_failure::FailedMailbox;
use shared::domain::method::Method;
use shared::domain::security_info::{Entry, Kind, Registered};
use shared::domain::session::Open;
use shared::domain::time::Timestamp;
use shared::http::HandlerResult;
use shared::http::problem::Problem;
use shared::http::security_info::{EntryView, MailFailureView, RecentView, SecurityInfo};
use shared::http::view::View;
use shared::settings::Settings;

use super::access;
use super::ports::Ports;

/// Loads the entries and renders the list.
pub(crate) async fn view(
    ports: &Ports,
    session: &Open,
    registered: &Registered,
    now: Timestamp,
) -> HandlerResult<View> {
    let account = ports.directory.account(&session.context.account).await?.ok_or(Problem::FlowEnded)?;
    let registration = access::evidence(ports, &account, now).await?;
    // Without its last events, or the note of a failure, the page is still of use.
    let recent =
        ports.recent_events.recent_events(&format!("{:?}", account.id.pseudonym(&ports.app.flows))).await;
    let failure = match FailedMailbox::listed(&registration, &ports.messages) {
        Some(mailbox) => ports.mail_failures.mail_failure(&mailbox, now).await.unwrap_or_default(),
        None => None,
    };
    let mut list = build(&ports.app.settings, &account, session, registered, registration, now);
    for (shown, entry) in list.methods.iter_mut().zip(&registered.entries) {
        shown.mail_failure = failure.filter(|failure| failure.concerns(entry)).map(MailFailureView::from);
    }
    list.recent_events =
        recent.map(|found| found.value.iter().map(RecentView::from).collect()).unwrap_or_default();
    Ok(View::SecurityInfo(list))
}

/// Builds the list. It decides whether a reset is possible with the same check as page 1 of a reset.
pub(crate) fn build(
    settings: &Settings,
    account: &Account,
    session: &Open,
    registered: &Registered,
    mut registration: Registration,
    now: Timestamp,
) -> SecurityInfo {
    let due = registered.is_due(settings.reconfirm_days, now);
    // The person is asked whether the values are right, so they are shown whole, to two verified factors only.
    let shows_whole = due && session.has_stepped_up();
    let contacts = registration.clone();
    let entry = |entry: &Entry| EntryView {
        whole: if shows_whole { whole(&contacts, entry) } else { None },
        id: entry.id.as_str().to_owned(),
        kind: entry.id.kind(),
        masked: entry.shown.clone(),
        added_at: entry.added_at.to_string(),
        last_used_at: entry.last_used_at.map(|at| at.to_string()),
        usable_from: entry.active_from.to_string(),
        predecessor: entry.predecessor.clone().filter(|_| entry.active_from > now),
        counts: entry.active_from <= now,
        mail_failure: None,
    };
    let needed = settings.steps;
    let capable = suffices(&settings.offers(&registration), needed) && account.state.may_reset();
    let offers = registration.offers(&settings.second_steps);
    let may_lift = !session.waiting.is_empty() && can_waive(&offers);
    registration.pending_activation.clear();
    registration.unverified.clear();
    let reached = settings.offers(&registration);
    let serves = |kind: Kind| {
        let may_be_sent_to = || reached.iter().any(|offer| offer.method.factor() == kind.factor());
        kind.methods().iter().any(|method| settings.methods.contains(method))
            && (!kind.is_contact() || may_be_sent_to())
    };
    let factors = registered.factors(serves).len();
    let is_registered = factors >= usize::from(needed);
    let offered = |kind: &Kind| kind.methods().iter().any(|method| settings.second_steps.contains(method));
    let kinds = Kind::ALL
        .into_iter()
        .filter(offered)
        .map(|kind| (kind, kind.limit() == 1 && registered.entries_of(kind).next().is_some()))
        .collect();
    SecurityInfo {
        methods: registered.entries.iter().map(entry).collect(),
        registered: is_registered,
        capable,
        due,
        known_device: session.progress.known_device,
        recent_events: Vec::new(),
        may_remember: session.has_stepped_up(),
        kinds,
        mobile_is_called: settings.second_steps.contains(&Method::MobileCall),
        needed,
        factors,
        may_lift,
        selected: None,
        value: String::new(),
        back: session.context.back.as_deref().map(|back| with_state(back, is_registered, capable, due)),
    }
}

/// Returns the whole contact of an entry, if it is one.
fn whole(registration: &Registration, entry: &Entry) -> Option<String> {
    let (next, is_successor) = (&registration.successors, entry.predecessor.is_some());
    let email = |own: &Option<EmailAddress>, next: &Option<EmailAddress>| {
        let email = if is_successor { next.as_ref() } else { own.as_ref() };
        email.map(|email| email.expose().to_owned())
    };
    let phone = |own: &Option<PhoneNumber>, next: &Option<PhoneNumber>| {
        let phone = if is_successor { next.as_ref() } else { own.as_ref() };
        phone.map(|phone| phone.expose().to_owned())
    };
    match entry.id.kind() {
        Kind::AlternateEmail => email(&registration.alternate_email, &next.alternate_email),
        Kind::Mobile => phone(&registration.mobile, &next.mobile),
        Kind::OfficePhone => phone(&registration.office_phone, &next.office_phone),
        _ => None,
    }
}

/// Returns whether two different older factors can be verified here, which waives the waiting period.
fn can_waive(offers: &[Offer]) -> bool {
    let vouches = |offer: &&Offer| !offer.young && offer.method.vouches();
    suffices(&offers.iter().filter(vouches).cloned().collect::<Vec<_>>(), 2)
}

/// Returns the link back to the portal, with the state of the enrolment in its query.
fn with_state(back: &str, registered: bool, capable: bool, due: bool) -> String {
    let sign = if back.contains('?') { '&' } else { '?' };
    format!("{back}{sign}registered={registered}&capable={capable}&due={due}")
}
