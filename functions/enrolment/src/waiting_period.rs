//! The factors of an account, and the waiting period of a new one.

use shared::domain::cookie::HolderCookie;
use shared::domain::factor::FactorValue;
use shared::domain::keys::Tag;
use shared::domain::security_info::Registered;
use shared::domain::session::{Held, Open};
use shared::domain::time::Timestamp;
use shared::http::HandlerResult;
use shared::http::problem::Problem;

use super::access;
use super::ports::Ports;

/// Returns when an entry that this session adds now starts to count (`active_from`).
pub(crate) async fn active_from(
    ports: &Ports,
    cookie: &HolderCookie,
    session: &Open,
    registered: &Registered,
    now: Timestamp,
) -> HandlerResult<Timestamp> {
    let settings = &ports.app.settings;
    let factors = factors(ports, cookie, session, registered, now).await?;
    let held = Held { factors: &factors, removed_at: registered.removed_at, needed: settings.steps };
    Ok(session.active_from(&held, settings.waiting_period, now))
}

/// Returns the tags of every factor that serves in a reset, by value, including those in their waiting period.
async fn factors(
    ports: &Ports,
    cookie: &HolderCookie,
    session: &Open,
    registered: &Registered,
    now: Timestamp,
) -> HandlerResult<Vec<Tag>> {
    let settings = &ports.app.settings;
    let account = ports.directory.account(&session.context.account).await?.ok_or(Problem::FlowEnded)?;
    let mut registration = access::evidence(ports, &account, now).await?;
    registration.pending_activation.clear();
    registration.unverified.clear();
    let contacts = settings.offers(&registration);
    let contacts = contacts.iter().filter_map(|offer| registration.factor(offer.method));
    let others = registered
        .entries
        .iter()
        .filter(|entry| !entry.is_used_up())
        .filter(|entry| entry.id.kind().methods().iter().any(|method| settings.methods.contains(method)))
        .filter_map(|entry| FactorValue::without_contact(entry.id.kind().factor()));
    let mut tags: Vec<Tag> =
        contacts.chain(others).filter_map(|value| cookie.factor_tag(&ports.app.flows, &value)).collect();
    tags.sort_unstable_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
    tags.dedup();
    Ok(tags)
}
