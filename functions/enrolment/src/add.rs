//! Something is about to be added: what it is proved with is sent or shown, and nothing counts yet.

use axum::extract::State;
use axum::response::Response;
use shared::domain::account::{Account, Contact};
use shared::domain::contact::{EmailAddress, PhoneNumber};
use shared::domain::flow::{PASSKEY_LIFETIME, RequestId};
use shared::domain::message::Purpose;
use shared::domain::method::Method;
use shared::domain::pairing::{Pairing, PairingToken};
use shared::domain::recovery_code::RecoveryCodes;
use shared::domain::security_info::{EntryId, Kind, Registered};
use shared::domain::session::{Asked as Awaited, Pending, Session, SessionCookie};
use shared::domain::time::Timestamp;
use shared::domain::totp::TotpSeed;
use shared::http::problem::Problem;
use shared::http::security_info::CONFIRM;
use shared::http::view::View;
use shared::http::{Failure, Incoming, Next, Outcome};
use shared::ports::EntropyExt as _;
use shared::settings::Settings;

use super::{Ports, Shared, answer, budgets, changing, confirm, keep, list, seal, sending};

/// `POST /security-info/add`.
pub(crate) async fn add(state: State<Shared>, incoming: Incoming) -> Response {
    answer(state, incoming, try_add).await
}

/// What was asked for.
struct Asked {
    kind: Kind,
    value: String,
    by_call: bool,
}

async fn try_add(ports: &Ports, incoming: &mut Incoming) -> Outcome {
    let now = ports.clock.now();
    let (cookie, found) = changing(ports, incoming, now).await?;
    let mut fields = incoming.take_fields();
    let kind = fields.require("kind")?;
    let kind = Kind::parse(&kind).ok_or_else(|| Problem::malformed("kind"))?;
    let value = fields.take("value").as_deref().map(ToString::to_string).unwrap_or_default();
    let by = fields.take("by");
    fields.finish()?;
    let by_call = match by.as_deref().map(String::as_str) {
        None | Some("sms") => false,
        Some("call") => true,
        Some(_) => return Err(Problem::malformed("by").into()),
    };
    let asked = Asked { kind, value, by_call };
    let mut session = found.value;
    let registered = list::current(ports, &cookie, &session).await?;
    let account = ports.directory.account(&session.account).await?.ok_or(Problem::FlowEnded)?;
    let settings = &ports.site.settings;
    budgets::change(ports, &account.id, now).await?;
    let registration = list::evidence(ports, &account, now).await?;
    let on_list = |session: &Session, problem: Problem| {
        let mut view = list::of(settings, &account, session, &registered, registration.clone(), now);
        view.selected = Some(kind);
        view.value.clone_from(&asked.value);
        Failure::on_page(problem, View::SecurityInfo(view))
    };
    let offered = kind.methods().iter().any(|method| settings.second_steps.contains(method));
    if !offered || (!kind.is_contact() && !asked.value.is_empty()) {
        return Err(on_list(&session, Problem::MethodUnavailable("method")));
    }
    if is_full(kind, &registered) {
        return Err(on_list(&session, Problem::LimitReached));
    }

    let id = EntryId::new(kind, ports.entropy.bytes());
    let mut message = None;
    let pending = if kind.is_contact() {
        let (contact, method) = match read(settings, &account, &asked) {
            Ok(read) => read,
            Err(problem) => return Err(on_list(&session, problem)),
        };
        let contact = contact.as_contact();
        // The same thing under two kinds is one factor still.
        if registration.holds_contact(contact) {
            return Err(on_list(&session, Problem::ContactRefused));
        }
        let earlier = session.pending.as_ref().and_then(|pending| pending.asked.as_ref());
        if let Err(problem) = sending::may_send(&session, earlier, method, now) {
            return Err(on_list(&session, problem));
        }
        let (code, made) =
            match sending::code(ports, &cookie, &session, Purpose::SecurityInfo, (method, contact), now)
                .await?
            {
                Ok(made) => made,
                Err(problem) => return Err(on_list(&session, problem)),
            };
        message = Some(made);
        session.sends += 1;
        let sealed = seal::seal(ports, &cookie, contact.expose())?;
        Pending { id, shown: contact.masked(), sealed, asked: Some(code) }
    } else {
        authenticator(ports, incoming, &cookie, &account, id, now).await?
    };
    session.pending = Some(pending);
    keep(ports, &cookie, found.revision, &session, now).await?;
    if let Some(message) = message {
        sending::queue(ports, &cookie, &[message]).await?;
    }
    tracing::info!(event = "adding", session = ?cookie.key(), kind = kind.as_str());
    let view = confirm::view(ports, &cookie, &session, &account, now).await?.ok_or(Problem::FlowEnded)?;
    Ok(incoming.next(&Next { view, location: CONFIRM, cookie: None }))
}

/// What waits of something that has no contact: it is shown or asked for, and nothing is sent.
async fn authenticator(
    ports: &Ports,
    incoming: &Incoming,
    cookie: &SessionCookie,
    account: &Account,
    id: EntryId,
    now: Timestamp,
) -> Outcome<Pending> {
    Ok(match id.kind() {
        Kind::Totp => {
            let seed = TotpSeed::generate(ports.entropy.bytes());
            let sealed = seal::seal(ports, cookie, seed.expose())?;
            Pending { id, shown: String::new(), sealed, asked: None }
        }
        Kind::Authenticator => {
            let token = PairingToken::new(ports.entropy.bytes());
            let login = account.logins.first().unwrap_or(&account.name).clone();
            let by = *cookie.key().as_bytes();
            let pairing = Pairing::begin(account.id.clone(), id.clone(), by, login, now);
            ports.pairings.begin(token.key(), &pairing).await?;
            let sealed = seal::seal(ports, cookie, &token.expose())?;
            Pending { id, shown: String::new(), sealed, asked: None }
        }
        Kind::Passkey => {
            let request = RequestId::from_bytes(ports.entropy.bytes());
            let asked = Awaited::new(Method::Passkey, request, None, now, PASSKEY_LIFETIME);
            Pending { id, shown: incoming.browser.clone(), sealed: String::new(), asked: Some(asked) }
        }
        _ => {
            let codes = RecoveryCodes::generate(&ports.entropy.bytes());
            let sheet = codes.sheet(&ports.seeds, &account.id)?;
            let sealed = seal::seal(ports, cookie, &confirm::Codes::new(&codes, sheet).to_json())?;
            Pending { id, shown: String::new(), sealed, asked: None }
        }
    })
}

/// Whether no other of a kind has room. What there is only one of can be replaced.
fn is_full(kind: Kind, registered: &Registered) -> bool {
    kind.limit() > 1 && registered.of(kind).count() >= kind.limit()
}

/// A contact that was typed.
pub(crate) enum Typed {
    /// A mailbox.
    Email(EmailAddress),
    /// A telephone.
    Phone(PhoneNumber),
}

impl Typed {
    /// The contact, borrowed.
    pub(crate) const fn as_contact(&self) -> Contact<'_> {
        match self {
            Self::Email(address) => Contact::Email(address),
            Self::Phone(number) => Contact::Phone(number),
        }
    }

    /// Takes back a contact that was kept.
    pub(crate) fn from_kept(kind: Kind, text: String) -> Self {
        match kind {
            Kind::AlternateEmail => Self::Email(EmailAddress::from_stored(text)),
            _ => Self::Phone(PhoneNumber::from_stored(text)),
        }
    }
}

/// Reads the contact, and by which method its code goes to it.
fn read(settings: &Settings, account: &Account, asked: &Asked) -> Result<(Typed, Method), Problem> {
    let malformed = || Problem::malformed("value");
    let refused = || Problem::ContactRefused;
    if asked.kind == Kind::AlternateEmail {
        let address = EmailAddress::parse(&asked.value).map_err(|_| malformed())?;
        if account.protects(&address, &settings.login_domains) {
            return Err(refused());
        }
        return Ok((Typed::Email(address), Method::Email));
    }
    let number = PhoneNumber::parse(&asked.value, settings.home_country).map_err(|_| malformed())?;
    if !number.is_reachable_in(&settings.sms_countries) {
        return Err(refused());
    }
    let method = match (asked.kind, asked.by_call) {
        (Kind::OfficePhone, _) => Method::OfficeCall,
        (_, true) => Method::MobileCall,
        (_, false) => Method::Sms,
    };
    Ok((Typed::Phone(number), method))
}
