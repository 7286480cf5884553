//! The handlers of page 1.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use shared::domain::captcha::{Challenge, DIFFICULTY, DIFFICULTY_HARDER, Solution, Verdict};
use shared::domain::name::{CanonicalName, NameRef};
use shared::domain::time::{Seconds, Timestamp};
use shared::http::problem::{Code, Problem};
use shared::http::view::{self, Identify, View};
use shared::http::{Failure, Incoming, NewCookie, Next, Outcome, assets};
use shared::ports::EntropyExt as _;

use super::{Ports, Shared, open, picture, sound};

/// `GET /`: a new challenge, which costs no write.
pub(crate) async fn identify(State(Shared(ports)): State<Shared>, incoming: Incoming) -> Response {
    let page = || -> Outcome<View> { Ok(identify_view(new_challenge(&ports, None)?, String::new())) };
    match page() {
        Ok(view) => incoming.page(&view),
        Err(failure) => failure.answer(&incoming),
    }
}

/// `POST /`: the name and the answer; opens the flow.
pub(crate) async fn begin(State(Shared(ports)): State<Shared>, mut incoming: Incoming) -> Response {
    match try_begin(&ports, &mut incoming).await {
        Ok(response) => response,
        Err(failure) => failure.answer(&incoming),
    }
}

async fn try_begin(ports: &Ports, incoming: &mut Incoming) -> Outcome {
    let now = ports.clock.now();
    let mut fields = incoming.take_fields();
    let login = fields.take("login");
    let token = fields.take("captcha_token");
    let (answer, work) = (fields.take("captcha_answer"), fields.take("captcha_work"));
    fields.finish()?;
    let typed = login.as_deref().map(ToString::to_string).unwrap_or_default();

    // A page whose challenge was not looked at keeps it: malformed input spends nothing.
    let unspent = |field: &'static str| -> Failure {
        let kept = token.as_deref().and_then(|token| {
            let challenge = Challenge::open(token, &ports.captcha, now).ok()?;
            Some(captcha_view(token, &challenge))
        });
        let captcha = kept.map_or_else(|| new_challenge(ports, None), Ok);
        match captcha {
            Ok(captcha) => Failure::on_page(Problem::malformed(field), identify_view(captcha, typed.clone())),
            Err(failure) => failure,
        }
    };
    let name =
        CanonicalName::parse(&typed, &ports.site.settings.login_domains).map_err(|_| unspent("login"))?;
    let token_text = token.as_deref().ok_or_else(|| unspent("captcha_token"))?;
    let solution =
        Solution::parse(answer.as_deref().map(String::as_str), work.as_deref().map(String::as_str))
            .map_err(|_| unspent("captcha_answer"))?;

    let reference = name.reference(&ports.site.flows);
    let Ok(challenge) = Challenge::open(token_text, &ports.captcha, now) else {
        return Err(again(ports, Code::CaptchaWrong, None, typed)?);
    };
    let bound = challenge.is_harder().then_some(reference);
    // Spent before it is compared: of any number of answers to one challenge, one is looked at.
    let key = format!("captcha#{}", hex::encode(challenge.spend_id()));
    if !ports.budgets.take(&key, 1, challenge.expires_at() + Seconds::HOUR).await?
        || !matches!(challenge.check(&solution, &reference), Verdict::Passed)
    {
        return Err(again(ports, Code::CaptchaWrong, bound, typed)?);
    }
    if over_budget(ports, incoming, &reference, now).await? && !challenge.is_harder() {
        return Err(again(ports, Code::CaptchaHarder, Some(reference), typed)?);
    }
    let (cookie, account) = open::flow(ports, &name, &reference, incoming.language, now).await?;
    let address = incoming.address_block();
    tracing::info!(event = "opened", flow = ?cookie.key(), name = ?reference, ?account, address);
    let view = View::Reason(view::Reason {});
    Ok(incoming.next(&Next { view, location: "/reason", cookie: Some(NewCookie::Flow(&cookie)) }))
}

/// Counts one more opening of the name and of the address. Nothing is refused for it: over a budget the next
/// challenge is harder, for names with and without an account alike.
async fn over_budget(ports: &Ports, incoming: &Incoming, name: &NameRef, now: Timestamp) -> Outcome<bool> {
    let settings = &ports.site.settings;
    let hour = now.as_seconds().div_euclid(i64::from(Seconds::HOUR.0));
    let until = now + Seconds(2 * Seconds::HOUR.0);
    let by_name =
        ports.budgets.count(&format!("opens#name#{}#{hour}", hex::encode(name.as_bytes())), until).await?;
    let by_address =
        ports.budgets.count(&format!("opens#address#{}#{hour}", incoming.address_block()), until).await?;
    Ok(by_name > u64::from(settings.opens_per_name) || by_address > u64::from(settings.opens_per_address))
}

/// The page again, with what was typed and a new challenge.
fn again(ports: &Ports, code: Code, bound_to: Option<NameRef>, login: String) -> Outcome<Failure> {
    let captcha = new_challenge(ports, bound_to)?;
    let problem = Problem {
        captcha: Some(Box::new(captcha.clone())),
        field: Some("captcha_answer"),
        ..Problem::new(code)
    };
    Ok(Failure::on_page(problem, identify_view(captcha, login)))
}

fn new_challenge(ports: &Ports, bound_to: Option<NameRef>) -> Outcome<view::Captcha> {
    let difficulty = if bound_to.is_some() { DIFFICULTY_HARDER } else { DIFFICULTY };
    let challenge = Challenge::generate(ports.entropy.bytes(), ports.clock.now(), difficulty, bound_to);
    let token = challenge.seal(&ports.captcha, ports.entropy.bytes())?;
    Ok(captcha_view(&token, &challenge))
}

fn captcha_view(token: &str, challenge: &Challenge) -> view::Captcha {
    view::Captcha {
        picture: format!("/captcha/{token}/picture.png"),
        sound: format!("/captcha/{token}/sound.wav"),
        token: token.to_owned(),
        work: view::Work {
            challenge: challenge.work_challenge(),
            difficulty: challenge.difficulty(),
            alone: challenge.difficulty_alone(),
        },
        harder: challenge.is_harder(),
    }
}

fn identify_view(captcha: view::Captcha, login: String) -> View {
    View::Identify(Identify { captcha, login })
}

/// The variable part of a path. One that is no text (`%ff`) names nothing, and is not found like any other that doesn't.
type Segment = Result<Path<String>, PathRejection>;

/// `GET /captcha/{token}/picture.png`: always the same picture for one token.
pub(crate) async fn show_picture(
    State(Shared(ports)): State<Shared>,
    token: Segment,
    incoming: Incoming,
) -> Response {
    rendered(&ports, token, &incoming, "image/png", picture::render)
}

/// `GET /captcha/{token}/sound.wav`: the same characters, spoken.
pub(crate) async fn play_sound(
    State(Shared(ports)): State<Shared>,
    token: Segment,
    incoming: Incoming,
) -> Response {
    rendered(&ports, token, &incoming, "audio/wav", sound::render)
}

fn rendered(
    ports: &Ports,
    token: Segment,
    incoming: &Incoming,
    kind: &'static str,
    render: fn(&str, &[u8; 32]) -> Vec<u8>,
) -> Response {
    let open = |Path(token): Path<String>| Challenge::open(&token, &ports.captcha, ports.clock.now()).ok();
    match token.ok().and_then(open) {
        Some(challenge) => {
            let bytes = render(&challenge.answer(), &challenge.rendering_seed());
            ([(header::CONTENT_TYPE, kind)], bytes).into_response()
        }
        None => incoming.problem(&Problem::new(Code::NotFound), None),
    }
}

/// `GET /assets/{file}`: styles and scripts under names that change with their content.
pub(crate) async fn asset(headers: HeaderMap, file: Segment, incoming: Incoming) -> Response {
    let accepts =
        headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(asset) = file.ok().and_then(|Path(file)| assets::find(&file)) else {
        return incoming.problem(&Problem::new(Code::NotFound), None);
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

/// `GET /.well-known/change-password` (W3C, "A Well-Known URL for Changing Passwords"): leads to page 1.
pub(crate) async fn change_password() -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/"));
    response
}
