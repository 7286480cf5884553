//! The commands of the help desk: `rekey verify`, `pass`, `remove`, `unlock` and `release`.
//!
//! Each is an act of the agent whose credentials run it. The function `help-desk` carries it out, by its own rights and
//! rules.

use std::io::{self, IsTerminal as _};

use serde_json::json;
use shared::domain::help_desk::{CHECK_LIFETIME, PassMinutes, Remark};
use shared::domain::help_desk_call::{HelpAnswer, HelpRefusal, SecretText, What};
use shared::domain::method::Method;
use shared::domain::security_info::EntryId;
use shared::domain::time::Timestamp;

use super::{asked, confirm};
use crate::cli::{Global, Verify};
use crate::deployment::HelpDesk;
use crate::outcome::{Outcome, Problem};
use crate::output::Output;

/// Reads a text for the record.
pub(super) fn remark(text: &str) -> Result<Remark, Problem> {
    Remark::try_from(text.to_owned())
        .map_err(|error| Problem::usage(format!("`{text}`: {error}. Use one such as 'lost phone'")))
}

/// Returns the problem of an answer that carries nothing out.
pub(super) fn not_done(login: &str, answer: &HelpAnswer) -> Problem {
    let refusal = match answer {
        HelpAnswer::NeedsAnotherAgent { until } => {
            return Problem::awaiting(format!(
                "not done yet: another agent must run the same command by {until}. This is the last method that a reset \
                 can begin with, or a further pass within seven days"
            ));
        }
        HelpAnswer::Wrong { attempts_left } => {
            let left = attempts_left.map(|left| format!(" {left} attempts are left.")).unwrap_or_default();
            return Problem::refused("wrong_code", format!("the code is wrong.{left} Ask the caller again"));
        }
        HelpAnswer::Refused(refusal) => refusal,
        _ => return Problem::failed("the function gave the answer of another command"),
    };
    match refusal {
        HelpRefusal::NotFound => Problem::not_found(login),
        HelpRefusal::UnknownCaller => Problem::refused(
            "unknown_caller",
            "AWS does not name you as a user or a role of this account. Sign in again, with a role of agents",
        ),
        HelpRefusal::NotYours => Problem::refused(
            "not_yours",
            "REKEY_HELPERS does not let your role help this person's group. Pass the call on",
        ),
        HelpRefusal::NotEligible => Problem::refused(
            "not_eligible",
            "the account is privileged, disabled or excluded from self-service. Pass the call on",
        ),
        HelpRefusal::NotChecked => Problem::refused(
            "not_checked",
            format!(
                "the caller was not checked within {} minutes. Run `rekey verify {login}` first",
                CHECK_LIFETIME.whole_minutes()
            ),
        ),
        HelpRefusal::NoSuchMethod => Problem::refused(
            "no_such_method",
            format!(
                "this method is not enrolled, or too young to prove anything. `rekey show {login}` lists them"
            ),
        ),
        HelpRefusal::AlreadyUsed | HelpRefusal::NoContact | HelpRefusal::HasPass => {
            Problem::refused(refusal.as_str(), format!("no letter for {login}: {}", refusal.as_str()))
        }
        HelpRefusal::NothingAsked => Problem::refused(
            "nothing_asked",
            "no code is awaited, or its time or its attempts are over. Send another: `--by email`",
        ),
        HelpRefusal::LimitReached => Problem::refused(
            "limit_reached",
            format!("a limit of the account is used up. `rekey release {login}` lifts it"),
        ),
        HelpRefusal::Overtaken => {
            Problem::failed("another change of the account came first. Run the command again")
        }
        HelpRefusal::Malformed => {
            Problem::usage("the function can't read this. Check the code, or the version")
        }
        HelpRefusal::Unavailable => Problem::failed("the function's log says what is unavailable. Try again"),
    }
}

pub(super) async fn verify(global: &Global, options: &Verify, output: &Output) -> Result<Outcome, Problem> {
    let (login, by) = (options.login.as_str(), &options.by);
    let what = if let Some(method) = &by.by {
        let method = Method::parse(method).filter(|method| method.is_sent());
        let method = method.ok_or_else(|| {
            Problem::usage("--by: use email, sms, mobile_call or office_call; --app checks a code of the app")
        })?;
        What::SendCode { method }
    } else if let Some(code) = &by.code {
        What::CheckCode { code: SecretText::new(code.as_str()) }
    } else if let Some(document) = &by.document {
        What::SeeDocument { document: remark(document)? }
    } else {
        let given = by.app.clone().filter(|code| !code.is_empty());
        let code = given.unwrap_or_else(|| asked("Code of the caller's app: "));
        What::CheckApp { code: SecretText::new(code.trim()) }
    };
    let desk = HelpDesk::open(global).await?;
    match desk.ask(login, what).await? {
        HelpAnswer::Checked { until } => Ok(checked(login, until, output)),
        HelpAnswer::CodeSent { masked, expires_at } => {
            if output.is_json() {
                output.json(&json!({
                    "login": login, "sent_to": masked, "expires_at": expires_at.to_string(),
                }));
                return Ok(Outcome::Done);
            }
            output.line(format!("A code is on its way to {masked}, valid until {expires_at}."));
            if !io::stdin().is_terminal() {
                output.line(format!("Then: rekey verify {login} --code CODE"));
                return Ok(Outcome::Done);
            }
            read_out(&desk, login, output).await
        }
        other => Err(not_done(login, &other)),
    }
}

/// Asks for the code that the caller reads out, until it is right or no attempt is left.
async fn read_out(desk: &HelpDesk, login: &str, output: &Output) -> Result<Outcome, Problem> {
    loop {
        let code = asked("The code that the caller reads out: ");
        let code = code.trim();
        if code.is_empty() {
            return Err(Problem::usage("no code was typed, so the caller is not checked"));
        }
        match desk.ask(login, What::CheckCode { code: SecretText::new(code) }).await? {
            HelpAnswer::Checked { until } => return Ok(checked(login, until, output)),
            HelpAnswer::Wrong { attempts_left: Some(left) } if left > 0 => {
                output.note(format!("Wrong. {left} attempts are left."));
            }
            other => return Err(not_done(login, &other)),
        }
    }
}

fn checked(login: &str, until: Timestamp, output: &Output) -> Outcome {
    if output.is_json() {
        output.json(&json!({ "login": login, "checked_until": until.to_string() }));
    } else {
        output.line(format!("{login}: the caller is checked. It counts until {until}."));
    }
    Outcome::Done
}

pub(super) async fn pass(
    global: &Global,
    login: &str,
    reason: &str,
    minutes: u32,
    yes: bool,
    output: &Output,
) -> Result<Outcome, Problem> {
    let (reason, desk) = (remark(reason)?, HelpDesk::open(global).await?);
    let minutes = PassMinutes::try_from(minutes).map_err(Problem::usage)?;
    if !yes {
        let question = format!(
            "Give a pass to {login}? Whoever has it can set a new password. Every contact is notified."
        );
        confirm(login, &question, "not confirmed, so no pass was given")?;
    }
    match desk.ask(login, What::Pass { minutes, reason }).await? {
        HelpAnswer::Passed { pass, expires_at, notified } => {
            if output.is_json() {
                output.json(&json!({
                    "login": login,
                    "pass": pass.expose(),
                    "expires_at": expires_at.to_string(),
                    "contacts_notified": notified,
                }));
            } else {
                output.line(pass.expose());
                output.note(format!(
                    "It is shown once, and valid once until {expires_at}. Contacts that are notified: {notified}.\n\
                     The caller opens the page of the reset, and chooses the pass from the help desk."
                ));
            }
            Ok(Outcome::Done)
        }
        other => Err(not_done(login, &other)),
    }
}

pub(super) async fn remove(
    global: &Global,
    login: &str,
    method: &str,
    reason: &str,
    yes: bool,
    output: &Output,
) -> Result<Outcome, Problem> {
    let entry = EntryId::parse(method).ok_or_else(|| {
        Problem::usage(format!("`{method}` is no method. Use a name of `rekey show {login}`, such as mobile"))
    })?;
    let (reason, desk) = (remark(reason)?, HelpDesk::open(global).await?);
    if !yes {
        let question = format!(
            "Remove {method} of {login}? Open resets, sessions and known devices end. Every contact is notified."
        );
        confirm(login, &question, "not confirmed, so nothing was removed")?;
    }
    match desk.ask(login, What::Remove { entry, reason }).await? {
        HelpAnswer::Removed { notified } => {
            if output.is_json() {
                output.json(&json!({ "login": login, "removed": method, "contacts_notified": notified }));
            } else {
                output.line(format!("{login}: {method} is removed. Contacts that are notified: {notified}."));
            }
            Ok(Outcome::Done)
        }
        other => Err(not_done(login, &other)),
    }
}

pub(super) async fn unlock(
    global: &Global,
    login: &str,
    reason: &str,
    output: &Output,
) -> Result<Outcome, Problem> {
    let desk = HelpDesk::open(global).await?;
    let answer = desk.ask(login, What::Unlock { reason: remark(reason)? }).await?;
    let (is_known, outcome) = match answer {
        HelpAnswer::Unlocked => (true, Outcome::Done),
        HelpAnswer::Unconfirmed => (false, Outcome::Incomplete),
        other => return Err(not_done(login, &other)),
    };
    if output.is_json() {
        output.json(&json!({ "login": login, "unlocked": is_known.then_some(true) }));
    } else if is_known {
        output.line(format!("{login}: the lock is removed. The contacts are notified within a minute."));
    } else {
        output.line(format!(
            "{login}: the directory did not answer. Look at the state with `rekey show {login}` in a minute."
        ));
    }
    Ok(outcome)
}

pub(super) async fn release(
    global: &Global,
    login: &str,
    reason: &str,
    known_devices: bool,
    output: &Output,
) -> Result<Outcome, Problem> {
    let desk = HelpDesk::open(global).await?;
    match desk.ask(login, What::Release { known_devices, reason: remark(reason)? }).await? {
        HelpAnswer::Released => {
            if output.is_json() {
                output.json(&json!({ "login": login, "released": true, "devices_ended": known_devices }));
            } else {
                let devices = if known_devices { " Known devices are ended." } else { "" };
                output.line(format!("{login}: the limits are lifted.{devices}"));
            }
            Ok(Outcome::Done)
        }
        other => Err(not_done(login, &other)),
    }
}
