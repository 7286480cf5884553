//! The errors of a request in words, with the input to correct.

use super::PageContext;
use crate::domain::method::{Kind, Method};
use crate::http::problem::{CaptchaFailure, Problem};
use crate::http::view::security_info::SecondStep;
use crate::http::view::{Criterion, MethodChoice, View};
use crate::text::Text;
use crate::text::messages::moment;
use crate::text::pages::Texts;

/// One line of the error summary.
pub(super) struct Mistake {
    pub(super) text: String,
    /// The id of the input to correct.
    pub(super) target: Option<String>,
}

/// Returns all errors, in the order of the page.
pub(super) fn for_problem(problem: &Problem, view: &View, t: &Texts, page: &PageContext) -> Vec<Mistake> {
    let target = field_on(view, problem).and_then(|field| target(field, view));
    let mistake = |text| Mistake { text, target: target.clone() };
    match problem {
        Problem::PasswordRejected(violations) if !violations.is_empty() => {
            vec![mistake(rejected_password(violations, view, t))]
        }
        _ => vec![mistake(sentence(problem, view, t, page))],
    }
}

/// Returns what is wrong with a password in one line. The list of criteria marks those that it does not meet, so only
/// what the list lacks is said here, and how strong the password is.
fn rejected_password(violations: &[Criterion], view: &View, t: &Texts) -> String {
    let listed = |id: &str| match view {
        View::Password(view) => view.criteria.iter().any(|criterion| criterion.id == id),
        _ => false,
    };
    let mut sentences = Vec::new();
    if violations.iter().any(|violation| listed(&violation.id)) {
        sentences.push(t.password.rejected.to_string());
    }
    if violations.iter().any(|violation| violation.id == "common") {
        sentences.push(t.password.weak.to_string());
    }
    let others = violations.iter().filter(|violation| !listed(&violation.id));
    sentences.extend(others.map(|violation| violation.text.clone()));
    sentences.join(" ")
}

/// Returns the way to correct a problem.
pub(super) fn detail<'t>(problem: &Problem, t: &'t Texts) -> &'t Text {
    match problem {
        Problem::CaptchaWrong(CaptchaFailure::Expired, _) => &t.identify.expired,
        Problem::CaptchaWrong(CaptchaFailure::Used, _) => &t.identify.used,
        Problem::CaptchaWrong(CaptchaFailure::NotDrawn, _) => &t.identify.not_drawn,
        Problem::CaptchaWrong(CaptchaFailure::OtherName, _) => &t.identify.other_name,
        Problem::CaptchaWrong(CaptchaFailure::WrongWork, _) => &t.identify.work_wrong,
        _ => &t.problems.of(problem.code().as_str()).detail,
    }
}

fn sentence(problem: &Problem, view: &View, t: &Texts, page: &PageContext) -> String {
    let detail = detail_on(view, problem, t).unwrap_or_else(|| detail(problem, t));
    let particulars = match problem {
        Problem::Malformed(field) if detail_on(view, problem, t).is_none() => {
            let text = field.map(|field| t.fields.of(field).to_string());
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                return text;
            }
            None
        }
        Problem::CodeWrong { attempts_left } => {
            let left = attempts_left.filter(|left| *left > 0);
            left.map(|attempts| t.problems.tries_left.with("tries", attempts))
        }
        Problem::SlowDown(wait) => Some(t.problems.wait.with("seconds", wait.0)),
        Problem::SignInPaused { until, .. } => {
            Some(t.problems.paused_until.with("when", moment(page.language, page.time_zone, *until)))
        }
        _ => None,
    };
    match particulars {
        Some(particulars) => format!("{detail}{}{particulars}", page.language.gap()),
        None => detail.to_string(),
    }
}

/// Returns the text of a problem on a page that asks for other input than most.
fn detail_on<'a>(view: &View, problem: &Problem, t: &'a Texts) -> Option<&'a Text> {
    match (view, problem) {
        (View::Code(view), Problem::CodeSpent | Problem::CodeWrong { .. }) if view.attempts_left == 0 => {
            Some(&t.code.spent)
        }
        (View::Code(view), Problem::CodeSpent) if view.is_over => Some(&t.code.expired),
        (View::SecurityInfo(view), Problem::ContactRefused) => Some(match view.selected? {
            Kind::AlternateEmail => &t.security_info.list.refused_email,
            Kind::Mobile => &t.security_info.list.refused_mobile,
            _ => &t.security_info.list.refused_phone,
        }),
        (View::SecurityInfo(view), Problem::Malformed(Some("value"))) => Some(match view.selected? {
            Kind::AlternateEmail => &t.security_info.list.value_email,
            _ => &t.security_info.list.value_phone,
        }),
        (View::HelpDesk(_), Problem::Malformed(Some("login"))) => Some(&t.help_desk.find_missing),
        (View::HelpDesk(_), Problem::HelpRefused(refusal)) => {
            let text = t.help_desk.refused.of(refusal.as_str());
            (!text.as_str().is_empty()).then_some(text)
        }
        (View::Passkey(_), Problem::CodeWrong { .. }) => Some(&t.passkey.wrong),
        (View::Passkey(_), Problem::CodeSpent) => Some(&t.passkey.expired),
        (View::Passkey(_), Problem::Malformed(_)) => Some(&t.passkey.unread),
        (View::Identify(view), Problem::Malformed(Some("captcha_answer"))) if view.captcha.harder => {
            Some(&t.identify.harder_scripts)
        }
        (View::SignIn(_), Problem::Malformed(Some("captcha_answer"))) => Some(&t.identify.harder_scripts),
        (
            View::Method(MethodChoice { selected, .. }) | View::SecondStep(SecondStep { selected, .. }),
            Problem::MethodUnavailable(_),
        ) => (*selected == Some(Method::Push)).then_some(&t.approval.unavailable),
        (View::Method(view), Problem::Malformed(Some("code"))) => {
            let text = t.fields.of(view.selected?.as_str());
            (!text.to_string().is_empty()).then_some(text)
        }
        _ => None,
    }
}

/// Returns the field that a problem is about. Where the page can also send a new code, that is the
/// correction.
fn field_on(view: &View, problem: &Problem) -> Option<&'static str> {
    match (view, problem) {
        (View::SecondStep(_), Problem::CodeSpent | Problem::SlowDown(_)) => Some("method"),
        // Nothing was typed wrong, and the browser begins again by itself.
        (_, Problem::CaptchaWrong(CaptchaFailure::OtherName | CaptchaFailure::WrongWork, _)) => None,
        (View::SecurityInfo(_), Problem::SlowDown(_)) => Some("value"),
        _ => problem.field(),
    }
}

/// Returns the id of the input for a field of the contract. On the page of methods each panel has its own
/// inputs.
fn target(field: &str, view: &View) -> Option<String> {
    let id = match (view, field) {
        // Its only control is the link to the identity provider.
        (View::SignIn(view), _) if view.start.is_some() => return None,
        (View::Identify(_) | View::SignIn(_) | View::HelpDesk(_), "login") => "login",
        (View::Identify(view), "captcha_answer" | "captcha_token" | "captcha_work")
            if !view.captcha.harder =>
        {
            "captcha-answer"
        }
        (View::HelpDesk(view), _) => {
            return view.has_field(field).then(|| format!("{}-{field}", view.act));
        }
        (View::Reason(_), "reason") => "reason-forgotten",
        (View::Code(view), "code") if !view.is_over => "code",
        (View::Password(_) | View::SignIn(_), "password") => "password",
        (View::Password(_), "confirmation") => "confirmation",
        (View::Confirm(view), "code") if view.needs.is_code() => "code",
        (View::SecurityInfo(view), _) => {
            return view.selected.map(|kind| format!("value-{}", kind.as_str()));
        }
        (View::SecondStep(view), "code") if view.sent.is_some() => "code",
        (View::SecondStep(view), _) => {
            let open = view.selected?;
            let typed = field == "code" && open.is_typed();
            return Some(format!("{}-{}", if typed { "code" } else { "method" }, open.as_str()));
        }
        (View::Method(view), _) => {
            let open = view.selected.or(view.methods.first().map(|offer| offer.method))?;
            return match field {
                "code" if open.is_typed() => Some(format!("code-{}", open.as_str())),
                "code" => Some(format!("code-{}", Method::Totp.as_str())),
                "contact" if open.is_phone() => Some(format!("contact-{}", open.as_str())),
                _ => Some(format!("method-{}", open.as_str())),
            };
        }
        _ => return None,
    };
    Some(id.to_owned())
}
