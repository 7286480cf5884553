//! Handles page 1, its CAPTCHA media, the assets and the well-known URLs.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use shared::domain::captcha::{CaptchaChallenge, Effort, LIFETIME};
use shared::domain::flow::Stage;
use shared::domain::name::{CanonicalName, NameRef};
use shared::domain::rate_limit::RateLimit;
use shared::domain::time::Timestamp;
use shared::http::captcha::{CaptchaFields, CaptchaResult, Captchas, CharacterLimits, Door};
use shared::http::problem::Problem;
use shared::http::view::{self, Identify, View};
use shared::http::{
    App, HandlerError, HandlerResult, IncomingRequest, NewCookie, NextPage, assets, location, respond,
};

use super::{Ports, open, picture, range, sound};

/// `GET /`: shows a new challenge, and the way back to a flow that the browser has begun. It writes nothing to a store.
pub(crate) async fn identify(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| {
        let captcha = captchas(ports, incoming).challenge(None)?;
        let resume = resume(ports, incoming).await;
        Ok(incoming.page(&View::Identify(Identify { captcha, login: String::new(), resume })))
    })
    .await
}

/// Returns the page that the browser's flow waits at, if it has one. A phone that ends the browser to save memory
/// leads back to page 1. Nothing is read without a valid cookie, and page 1 needs no store: a failed read shows no way
/// back.
async fn resume(ports: &Ports, incoming: &IncomingRequest) -> Option<&'static str> {
    let cookie = incoming.flow().ok()?;
    let flow = ports.flows.load(cookie.id(), ports.clock.now()).await.ok()??.value;
    let is_open = flow.verified() == cookie.verified() && !flow.is_exhausted(&ports.app.settings.flow);
    let stage = flow.stage();
    (is_open && !matches!(stage, Stage::Done | Stage::Ended)).then(|| location(stage))
}

/// `POST /`: checks the name and the CAPTCHA answer, then opens the flow.
pub(crate) async fn begin(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, try_begin).await
}

async fn try_begin(ports: &Ports, incoming: &mut IncomingRequest) -> HandlerResult {
    let now = ports.clock.now();
    let captchas = captchas(ports, incoming);
    let mut fields = incoming.take_fields();
    let login = fields.take("login");
    let captcha = CaptchaFields::take(&mut fields);
    fields.finish()?;
    let typed = login.as_deref().map(ToString::to_string).unwrap_or_default();

    let unspent = |field: &'static str| -> HandlerError {
        let kept = captchas.unspent(captcha.token.as_deref());
        match kept.map_or_else(|| captchas.challenge(None), Ok) {
            Ok(captcha) => {
                HandlerError::on_page(Problem::malformed(field), identify_view(captcha, typed.clone()))
            }
            Err(failure) => failure,
        }
    };
    let name =
        CanonicalName::parse(&typed, &ports.app.settings.login_domains).map_err(|_| unspent("login"))?;
    let token = captcha.token.as_deref().ok_or_else(|| unspent("captcha_token"))?;
    let solution = captcha.solution().map_err(|_| unspent("captcha_answer"))?;

    let reference = name.reference(&ports.app.flows);
    let settings = &ports.app.settings;
    let network = incoming.address_block().network();
    // Only characters of a known device need its account before the CAPTCHA: no limit of characters holds for it.
    let found = if incoming.has_device() && solution.has_characters() {
        Some(open::find(ports, &name, &reference, incoming, now).await?)
    } else {
        None
    };
    let known_device = found.as_ref().is_some_and(|found| found.known_device);
    let door = Door::FirstPage(CharacterLimits { settings, network, known_device });
    let effort = match captchas.check(token, &solution, &reference, door).await? {
        CaptchaResult::Solved { effort } => effort,
        CaptchaResult::Refused { problem, next } => {
            return Err(HandlerError::on_page(problem, identify_view(next, typed)));
        }
        CaptchaResult::Malformed => return Err(unspent("captcha_answer")),
    };
    if let Some(required) = over_rate_limit(ports, incoming, &reference, now).await?
        && !effort.is_some_and(|effort| effort.suffices(required))
    {
        let next = captchas.challenge(Some((&reference, required)))?;
        let problem = Problem::CaptchaHarder(Box::new(next.clone()));
        return Err(HandlerError::on_page(problem, identify_view(next, typed)));
    }
    let found = match found {
        Some(found) => found,
        None => open::find(ports, &name, &reference, incoming, now).await?,
    };
    let (cookie, account, decoy) = open::flow(ports, found, incoming.language, now).await?;
    let address = incoming.address_block().to_string();
    tracing::info!(event = "flow.started", flow = ?cookie.id(), name = ?reference, ?account, decoy, address);
    let view = View::Reason(view::Reason {});
    Ok(incoming.next_page(&NextPage { view, location: "/reason", cookie: Some(NewCookie::Flow(&cookie)) }))
}

/// Counts one more flow opened for the name and from the network. No request is refused for it. Over a limit
/// the next challenge is harder, whether or not the name has an account: this returns its work.
async fn over_rate_limit(
    ports: &Ports,
    incoming: &IncomingRequest,
    name: &NameRef,
    now: Timestamp,
) -> HandlerResult<Option<Effort>> {
    let settings = &ports.app.settings;
    let by_name = ports.rate_limits.increment(&RateLimit::OpensOfName(*name), now).await?;
    // A stranger gets the addresses of one network for nothing: 65,536 blocks of an IPv6 site.
    let network = RateLimit::OpensOfNetwork(incoming.address_block().network());
    let by_network = ports.rate_limits.increment(&network, now).await?;
    let of_name = Effort::above(by_name, settings.opens_per_name.into());
    Ok(of_name.max(Effort::above(by_network, settings.opens_per_network.into())))
}

fn captchas<'a>(ports: &'a Ports, incoming: &IncomingRequest) -> Captchas<'a> {
    Captchas {
        keys: &ports.captcha,
        rate_limits: &*ports.rate_limits,
        entropy: &*ports.entropy,
        language: incoming.language,
        now: ports.clock.now(),
    }
}

fn identify_view(captcha: view::Captcha, login: String) -> View {
    View::Identify(Identify { captcha, login, resume: None })
}

/// The variable part of a path. One that is not UTF-8 (`%ff`) gets the same 404 as any unknown one.
type Segment = Result<Path<String>, PathRejection>;

/// `GET /captcha/{token}/picture.png`: the same token always gives the same bytes.
pub(crate) async fn show_picture(
    State(app): State<App<Ports>>,
    token: Segment,
    headers: HeaderMap,
    incoming: IncomingRequest,
) -> Response {
    rendered(&app, token, &headers, &incoming, "image/png", |challenge| {
        picture::render(&challenge.answer(), &challenge.rendering_seed())
    })
}

/// `GET /captcha/{token}/sound.wav`: six digits of its own, spoken in the language of `lang`.
pub(crate) async fn play_sound(
    State(app): State<App<Ports>>,
    token: Segment,
    headers: HeaderMap,
    incoming: IncomingRequest,
) -> Response {
    rendered(&app, token, &headers, &incoming, "audio/wav", |challenge| {
        sound::render(&challenge.digits(), incoming.language)
    })
}

/// Answers with the whole of a picture or sound, or with a range of it: some players of browsers play nothing from a
/// server without ranges. The browser keeps it as long as its token is valid, so that a replay costs nothing.
fn rendered(
    ports: &Ports,
    token: Segment,
    headers: &HeaderMap,
    incoming: &IncomingRequest,
    kind: &'static str,
    render: impl FnOnce(&CaptchaChallenge) -> Vec<u8>,
) -> Response {
    let open =
        |Path(token): Path<String>| CaptchaChallenge::open(&token, &ports.captcha, ports.clock.now()).ok();
    let Some(challenge) = token.ok().and_then(open) else {
        return incoming.problem(&Problem::NotFound, None);
    };
    let mut response = range::respond(headers, render(&challenge));
    if response.status().is_success() {
        let cached = HeaderValue::try_from(format!("private, max-age={}, immutable", LIFETIME.0)).ok();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.extend(cached.map(|cached| (header::CACHE_CONTROL, cached)));
        // Without `lang` in the URL, these choose the language.
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Language, Cookie"));
    }
    response
}

/// `GET /assets/{file}`: styles and scripts whose names change with their content.
pub(crate) async fn asset(headers: HeaderMap, file: Segment, incoming: IncomingRequest) -> Response {
    let accepts =
        headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(asset) = file.ok().and_then(|Path(file)| assets::find(&file)) else {
        return incoming.problem(&Problem::NotFound, None);
    };
    let (kind, cached) = (asset.content_type, asset.cache_control);
    let (encoding, bytes) = asset.body(accepts);
    let mut response =
        ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cached)], bytes.into_owned()).into_response();
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Some(encoding) = encoding {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

/// `GET /.well-known/change-password` (W3C, "A Well-Known URL for Changing Passwords"): redirects to the change
/// of a password, where a person who forgot it finds the reset.
pub(crate) async fn change_password() -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/change-password"));
    response
}
