//! `/help-desk`: the acts of the commands, as forms of a page.
//!
//! A form is one act. The engine that answers commands carries it out, and the page shows the person afterwards.

use axum::extract::State;
use axum::response::Response;
use shared::domain::desk_session::DeskSession;
use shared::domain::help_desk::{PassMinutes, Remark};
use shared::domain::help_desk_call::{Act, HelpAnswer, HelpRefusal, SecretText, What};
use shared::domain::method::Method;
use shared::domain::security_info::EntryId;
use shared::http::problem::Problem;
use shared::http::view::View;
use shared::http::view::help_desk::{Done, HELP_DESK, HelpDesk, Person};
use shared::http::{
    App, FormFields, Format, HandlerError, HandlerResult, IncomingRequest, NewCookie, respond,
};

use crate::visit::{provider, searching, sign_in_page};
use crate::{Door, Ports, carry_out};

/// The longest text of a login or support code that a page repeats.
const TYPED_MAX: usize = 320;

/// `GET /help-desk`: the search, or the way to sign in.
pub(crate) async fn show(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| {
        provider(ports)?;
        let session = incoming.desk_session(ports.clock.now())?;
        Ok(incoming.page(&session.map_or_else(sign_in_page, |session| View::HelpDesk(searching(&session)))))
    })
    .await
}

/// `POST /help-desk`: an act.
pub(crate) async fn act(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| {
        provider(ports)?;
        match incoming.desk_session(ports.clock.now())? {
            Some(session) => act_of(ports, incoming, &session).await,
            None if incoming.format == Format::Html => {
                Ok(incoming.redirect(HELP_DESK, Some(NewCookie::NoDesk)))
            }
            None => Err(Problem::FlowEnded.into()),
        }
    })
    .await
}

async fn act_of(ports: &Ports, incoming: &mut IncomingRequest, session: &DeskSession) -> HandlerResult {
    let mut fields = incoming.take_fields();
    let act = fields.require("act")?.to_string();
    let typed: String = fields.take("login").map(|login| login.trim().to_owned()).unwrap_or_default();
    let mut view = HelpDesk { typed, act, ..searching(session) };
    if view.typed.is_empty() || view.typed.len() > TYPED_MAX {
        view.typed.clear();
        return Err(HandlerError::on_page(Problem::malformed("login"), View::HelpDesk(view)));
    }
    let what = match what(&view.act, fields) {
        Ok(what) => what,
        Err(problem) => {
            view.person = shown(ports, session, &view.typed).await;
            return Err(HandlerError::on_page(problem, View::HelpDesk(view)));
        }
    };
    let answer = ask(ports, session, &view.typed, what).await;
    if let HelpAnswer::Shown(person) = &answer {
        view.person = Some(Box::new(Person::from(&**person)));
        return Ok(incoming.page(&View::HelpDesk(view)));
    }
    let finds_nobody = matches!(
        answer,
        HelpAnswer::Refused(HelpRefusal::NotFound | HelpRefusal::NotYours | HelpRefusal::Unavailable)
    );
    if !finds_nobody {
        view.person = shown(ports, session, &view.typed).await;
    }
    let problem = match answer {
        HelpAnswer::Refused(HelpRefusal::Unavailable) => Problem::Unavailable,
        HelpAnswer::Refused(HelpRefusal::Malformed) => Problem::malformed("code"),
        HelpAnswer::Refused(refusal) => Problem::HelpRefused(refusal),
        HelpAnswer::Wrong { attempts_left } => Problem::CodeWrong { attempts_left },
        done => {
            view.done = Done::of(&done);
            view.act.clear();
            return Ok(incoming.page(&View::HelpDesk(view)));
        }
    };
    Err(HandlerError::on_page(problem, View::HelpDesk(view)))
}

/// Asks the engine that commands ask.
async fn ask(ports: &Ports, session: &DeskSession, login: &str, what: What) -> HelpAnswer {
    let act = Act { login: login.to_owned(), what };
    carry_out(ports, session.agent.clone(), Door::Page(&session.groups), act).await
}

/// Returns the person after an act.
async fn shown(ports: &Ports, session: &DeskSession, login: &str) -> Option<Box<Person>> {
    match ask(ports, session, login, What::Show { reveal: None }).await {
        HelpAnswer::Shown(person) => Some(Box::new(Person::from(&*person))),
        _ => None,
    }
}

/// Reads the act of a form.
fn what(act: &str, mut fields: FormFields) -> Result<What, Problem> {
    let what = match act {
        "show" => What::Show { reveal: None },
        "reveal" => What::Show { reveal: Some(remark(&mut fields, "remark")?) },
        "send-code" => {
            let method = Method::parse(&fields.require("method")?).filter(|method| method.is_sent());
            What::SendCode { method: method.ok_or(Problem::malformed("method"))? }
        }
        "check-code" => What::CheckCode { code: code(&mut fields)? },
        "check-app" => What::CheckApp { code: code(&mut fields)? },
        "see-document" => What::SeeDocument { document: remark(&mut fields, "document")? },
        "pass" => {
            let minutes = fields.require("minutes")?.parse::<u32>().ok();
            let minutes = minutes.and_then(|minutes| PassMinutes::try_from(minutes).ok());
            let minutes = minutes.ok_or(Problem::malformed("minutes"))?;
            What::Pass { minutes, reason: remark(&mut fields, "remark")? }
        }
        "remove" => {
            let entry = EntryId::parse(&fields.require("id")?).ok_or(Problem::malformed("id"))?;
            What::Remove { entry, reason: remark(&mut fields, "remark")? }
        }
        "unlock" => What::Unlock { reason: remark(&mut fields, "remark")? },
        "release" => {
            let known_devices = match fields.take("devices").as_ref().map(|devices| devices.as_str()) {
                None => false,
                Some("end") => true,
                Some(_) => return Err(Problem::malformed("devices")),
            };
            What::Release { known_devices, reason: remark(&mut fields, "remark")? }
        }
        _ => return Err(Problem::malformed("act")),
    };
    fields.finish()?;
    Ok(what)
}

fn code(fields: &mut FormFields) -> Result<SecretText, Problem> {
    fields.require("code").map(|code| SecretText::new(code.as_str()))
}

fn remark(fields: &mut FormFields, name: &'static str) -> Result<Remark, Problem> {
    let text = fields.take(name).map(|text| text.to_string()).unwrap_or_default();
    Remark::try_from(text).map_err(|_| Problem::malformed(name))
}
