//! In and out.

use axum::extract::State;
use axum::response::Response;
use shared::domain::flow::RequestId;
use shared::domain::name::CanonicalName;
use shared::domain::password::NewPassword;
use shared::domain::session::{Session, SessionCookie, Start};
use shared::domain::time::Timestamp;
use shared::http::captcha::{Captchas, Checked, Typed};
use shared::http::problem::Problem;
use shared::http::security_info::{self, HOME, VERIFY};
use shared::http::view::{Captcha, View};
use shared::http::{Failure, Incoming, NewCookie, Next, Outcome};
use shared::ports::{EntropyExt as _, SignIn, Versioned};

use super::{Ports, Shared, answer, budgets, list, second_step};

/// `POST /security-info/sign-in`.
pub(crate) async fn sign_in(state: State<Shared>, incoming: Incoming) -> Response {
    answer(state, incoming, try_sign_in).await
}

async fn try_sign_in(ports: &Ports, incoming: &mut Incoming) -> Outcome {
    let now = ports.clock.now();
    let settings = &ports.site.settings;
    let mut fields = incoming.take_fields();
    let login = fields.take("login");
    let password = fields.take("password");
    let captcha = Typed::take(&mut fields);
    let back = fields.take("return").and_then(|asked| settings.return_to(&asked).map(str::to_owned));
    fields.take("at");
    fields.finish()?;
    let typed = login.as_deref().map(ToString::to_string).unwrap_or_default();
    let captchas = Captchas { keys: &ports.captcha, budgets: &*ports.budgets, entropy: &*ports.entropy, now };
    let on_page = |problem: Problem, captcha: Option<Captcha>| {
        let view = security_info::SignIn { login: typed.clone(), back: back.clone(), captcha };
        Failure::on_page(problem, View::SignIn(view))
    };
    let malformed = |field| on_page(Problem::malformed(field), captchas.unspent(captcha.token.as_deref()));
    let name = CanonicalName::parse(&typed, &settings.login_domains).map_err(|_| malformed("login"))?;
    let password = password.ok_or_else(|| malformed("password"))?;
    let password = NewPassword::parse(&password).map_err(|_| malformed("password"))?;

    // A CAPTCHA comes before the password: a hash is dear. Who has solved the harder one for this name needs no budget.
    let reference = name.reference(&ports.site.flows);
    let again = |problem: fn(Box<Captcha>) -> Problem| -> Outcome<Failure> {
        let next = captchas.challenge(Some(reference))?;
        Ok(on_page(problem(Box::new(next.clone())), Some(next)))
    };
    let solved = match captcha.token.as_deref() {
        Some(token) => {
            let solution = captcha.solution().map_err(|_| malformed("captcha_answer"))?;
            match captchas.check(token, &solution, &reference).await? {
                Checked::Solved { harder: true } => true,
                Checked::Solved { harder: false } => return Err(again(Problem::CaptchaHarder)?),
                Checked::Wrong { .. } => return Err(again(Problem::CaptchaWrong)?),
            }
        }
        None if budgets::sign_in(ports, &reference, incoming.address_block(), now).await? => false,
        None => return Err(again(Problem::CaptchaHarder)?),
    };
    let signed_in = ports.directory.sign_in(&name, password.expose(), now).await?;
    let account = match signed_in {
        SignIn::Accepted(account) => Some(account),
        SignIn::Wrong | SignIn::Locked | SignIn::Disabled => None,
    };
    let Some(account) = account.filter(|account| account.standing.may_reset()) else {
        tracing::info!(event = "sign-in-refused", name = ?reference, address = incoming.address_block().to_string());
        // Where this one took a CAPTCHA, the next one will.
        return Err(if solved {
            again(|next| Problem::SignInWrong(Some(next)))?
        } else {
            on_page(Problem::SignInWrong(None), None)
        });
    };
    if !solved {
        budgets::accepted(ports, &reference, now).await?;
    }
    let registered = ports.enrolment.registered(&account.id).await?;
    let language = account.language.unwrap_or(incoming.language);
    let challenge = RequestId::from_bytes(ports.entropy.bytes());
    let mut session = Session::begin(account.id.clone(), &registered, language, back, challenge, now);
    if session.start == Start::Provable
        && second_step::provable(ports, &account.id, now).await?.offers.is_empty()
    {
        session.start = Start::Stranded;
    }
    // Its cookie is about to be replaced, and nobody should find it open elsewhere (ASVS 7.2.4).
    if let Some(former) = &incoming.session {
        end(ports, former, now).await?;
    }
    let cookie = SessionCookie::open(&ports.site.flows, ports.entropy.bytes());
    ports.sessions.begin(cookie.key(), &session).await?;
    let (mark, address) = (account.id.mark(&ports.site.flows), incoming.address_block().to_string());
    let start = session.start;
    tracing::info!(event = "signed-in", session = ?cookie.key(), name = ?reference, account = ?mark, ?start, address);

    incoming.session = Some(cookie.clone());
    let (view, location) = if session.may_see(&cookie) {
        (list::view(ports, &session, &registered, now).await?, HOME)
    } else {
        let found = Versioned { value: session, revision: 1 };
        (second_step::view(ports, incoming, &found.value, None, now).await?, VERIFY)
    };
    Ok(incoming.next(&Next { view, location, cookie: Some(NewCookie::Session(&cookie)) }))
}

/// Ends the session of a cookie. An older cookie is worth nothing any more, so its session goes on.
async fn end(ports: &Ports, cookie: &SessionCookie, now: Timestamp) -> Outcome<()> {
    let found = ports.sessions.session(cookie.key(), now).await?;
    if found.is_some_and(|found| !found.value.is_ahead_of(cookie)) {
        ports.sessions.end(cookie.key()).await?;
    }
    Ok(())
}

/// `POST /security-info/sign-out`: also without a session there is nothing that the person would have to know.
pub(crate) async fn sign_out(state: State<Shared>, incoming: Incoming) -> Response {
    answer(state, incoming, async |ports, incoming| {
        let mut fields = incoming.take_fields();
        fields.take("at");
        fields.finish()?;
        if let Some(cookie) = incoming.session.take() {
            end(ports, &cookie, ports.clock.now()).await?;
            tracing::info!(event = "signed-out", session = ?cookie.key());
        }
        let view = View::SignIn(security_info::SignIn::default());
        Ok(incoming.next(&Next { view, location: HOME, cookie: Some(NewCookie::NoSession) }))
    })
    .await
}
