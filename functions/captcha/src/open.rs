//! Opens a flow with the same reads, computation and write for a person and for a decoy.

use shared::domain::account::{Account, AccountId, Pseudonym, Registration, suffices};
use shared::domain::cookie::HolderCookie;
use shared::domain::decoy::Decoys;
use shared::domain::flow::{Behind, FlowContext, Opened};
use shared::domain::language::Language;
use shared::domain::name::{CanonicalName, NameRef};
use shared::domain::time::Timestamp;
use shared::http::{HandlerResult, IncomingRequest};
use shared::ports::EntropyExt as _;

use super::Ports;

/// What is known of a name: its account, if there is one, and its methods.
pub(crate) struct Found {
    account: Option<Account>,
    /// The account's id, or the decoy's.
    id: AccountId,
    decoy_id: AccountId,
    /// The name that the decoy is drawn for.
    decoy_name: CanonicalName,
    registration: Registration,
    /// Whether the browser is a known device of the account, usable or not.
    pub(crate) known_device: bool,
}

/// Finds the account of a name, by the same reads with and without one.
pub(crate) async fn find(
    ports: &Ports,
    name: &CanonicalName,
    reference: &NameRef,
    incoming: &IncomingRequest,
    now: Timestamp,
) -> HandlerResult<Found> {
    let account = ports.directory.find(name).await?;
    // Every login of an account that may not reset leads to the same decoy.
    let first = account.as_ref().and_then(|account| account.logins.first());
    let first = first.and_then(|login| CanonicalName::parse(login, &[]).ok());
    let decoy_id =
        AccountId::decoy(&first.as_ref().map_or(*reference, |first| first.reference(&ports.app.flows)));
    let id = account.as_ref().map_or_else(|| decoy_id.clone(), |account| account.id.clone());
    let registration = ports.security_info.registration(&id, now).await?;
    let known_device = incoming.is_known_device(&id, registration.device_epoch, now);
    let decoy_name = first.unwrap_or_else(|| name.clone());
    Ok(Found { account, id, decoy_id, decoy_name, registration, known_device })
}

/// Opens the flow of a name, with or without a usable account. Returns its cookie, and for the log the account's
/// pseudonym and whether it is a decoy.
pub(crate) async fn flow(
    ports: &Ports,
    found: Found,
    language: Language,
    now: Timestamp,
) -> HandlerResult<(HolderCookie, Pseudonym, bool)> {
    let settings = &ports.app.settings;
    let Found { account, id, decoy_id, decoy_name, registration, known_device } = found;
    let may_reset = account.as_ref().is_some_and(|account| account.state.may_reset());
    let registration = match &account {
        Some(account) => registration.as_evidence_for(account, &settings.login_domains),
        None => registration,
    };
    let population = ports.population.population().await?.value;

    // Both are computed every time, so that the work doesn't reveal which one is used.
    let decoys = Decoys {
        flows: &ports.app.flows,
        population: population.as_ref(),
        methods: &settings.methods,
        steps: settings.steps,
    };
    let decoy_methods = decoys.registration(&decoy_id, &decoy_name, now).offers(&settings.methods);
    let registered = settings.offers(&registration);
    let decoy = !may_reset || !suffices(&registered, settings.steps);
    let context = FlowContext {
        account: if decoy { decoy_id } else { id.clone() },
        decoy,
        generation: if decoy { 0 } else { registration.generation },
        behind: (may_reset && decoy).then(|| Behind {
            account: id,
            generation: registration.generation,
            offers: registered.clone(),
        }),
        steps: settings.steps,
        opened_at: now,
        expires_at: now + settings.flow.lifetime,
        offers: if decoy { decoy_methods } else { registered },
        login: account.as_ref().filter(|_| !decoy).and_then(Account::shown_login),
        password_policy: account.as_ref().filter(|_| may_reset).and_then(|account| account.password_policy),
        // A decoy has the language of the browser. That of an account behind it serves once a pass opens it.
        language: account.filter(|_| may_reset).and_then(|account| account.language).unwrap_or(language),
        known_device,
    };
    let cookie = HolderCookie::open_flow(&ports.app.flows, ports.entropy.bytes());
    let account = context.account.pseudonym(&ports.app.flows);
    ports.flows.insert(cookie.id(), &Opened { context }).await?;
    Ok((cookie, account, decoy))
}
