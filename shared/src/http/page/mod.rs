//! Pages as HTML: one template per page (`templates/`), filled from its view model.
//!
//! All pages work without scripts and without `:has()`; `assets/app.js` and the style are enhancements.
//! askama escapes all inserted values; the texts of the locales contain no markup.

mod authenticator;
mod help_desk;
#[cfg(test)]
mod markup;
mod mistakes;
#[cfg(test)]
mod tests;

use askama::Template;

pub use self::authenticator::{authenticator, authenticator_name};
use self::mistakes::Mistake;
use super::problem::{Code, Document, Problem};
use super::said::Said;
use super::view::security_info::{Needs, SecondStep, SecurityInfo};
use super::view::{MethodChoice, PasskeyOptions, View, Why};
use super::{assets, theme};
use crate::domain::flow::Outcome;
use crate::domain::language::Language;
use crate::domain::method::{Kind, Method};
use crate::domain::time::Timestamp;
use crate::domain::time_zone::TimeZone;
use crate::text::Text;
use crate::text::messages::moment;
use crate::text::pages::Texts;

/// The deployment's and the request's values on every page.
#[derive(Clone, Copy, Debug)]
pub struct PageContext<'a> {
    /// The language of the texts and of the `lang` attribute.
    pub language: Language,
    /// The languages of the picker, in its order.
    pub languages: &'a [Language],
    /// The organisation's name, in the header and the titles.
    pub organisation: &'a str,
    /// The address of a logo; none without one.
    pub logo_url: Option<&'a str>,
    /// The help desk: `https:`, `mailto:` or `tel:`.
    pub help_desk_url: Option<&'a str>,
    /// The help desk's telephone number as people read it.
    pub help_desk_phone: Option<&'a str>,
    /// When the help desk answers.
    pub help_desk_hours: Option<&'a str>,
    /// The organisation's first own domain, for the example of a login.
    pub login_domain: Option<&'a str>,
    /// Where people sign in after a reset.
    pub sign_in_url: Option<&'a str>,
    /// The zone of all times.
    pub time_zone: &'a TimeZone,
    /// The accent colour, `#rrggbb`.
    pub colour: Option<&'a str>,
    /// The hidden field `at` of each form: its flow and step. None before a flow exists.
    pub at: Option<&'a str>,
    /// What the person reads to the help desk ([`SupportCode`](crate::domain::support_code::SupportCode)).
    pub support_code: Option<&'a str>,
    /// What the page says about the request before it.
    pub said: Option<Said>,
    /// The seconds until the flow or session ends, for the warning before.
    pub ends_in: Option<u32>,
    /// The request's path, for the links of the language picker.
    pub path: &'a str,
}

impl PageContext<'_> {
    /// Returns a time (RFC 3339) on the clocks of the deployment. The script converts it to those of the reader.
    fn moment(&self, at: &str) -> String {
        Timestamp::parse(at).map(|at| moment(self.language, self.time_zone, at)).unwrap_or_default()
    }

    /// Returns whether the page says how to reach the help desk.
    const fn has_help_desk(&self) -> bool {
        self.help_desk_url.is_some() || self.help_desk_phone.is_some() || self.help_desk_hours.is_some()
    }
}

/// Returns a page as HTML, with the problem of its request, if there is one.
pub fn render(view: &View, page: &PageContext, problem: Option<&Problem>) -> String {
    let t = Texts::of(page.language);
    let mistakes = problem.map(|problem| mistakes::for_problem(problem, view, t, page)).unwrap_or_default();
    let unmet = match problem {
        Some(Problem::PasswordRejected(violations)) => violations.iter().map(|one| one.id.as_str()).collect(),
        _ => Vec::new(),
    };
    html_of(&Page { t, page, heading: heading(view, t), body: Body::View(view), mistakes, unmet })
}

/// Returns the page of a problem without a view: an explanation, and a link to continue.
pub fn render_problem(problem: &Problem, page: &PageContext) -> String {
    let t = Texts::of(page.language);
    let texts = t.problems.of(problem.code().as_str());
    html_of(&Page {
        t,
        page,
        heading: texts.title.to_string(),
        body: Body::Problem(&texts.detail, problem.code()),
        mistakes: Vec::new(),
        unmet: Vec::new(),
    })
}

/// Returns a problem as the document of RFC 9457, in a language. The data of its code (attempts, seconds) has
/// its own members.
pub fn document<'a>(problem: &'a Problem, language: Language, support_code: Option<&'a str>) -> Document<'a> {
    let code = problem.code();
    let texts = Texts::of(language).problems.of(code.as_str());
    let mut document = Document {
        r#type: format!("urn:rekey:problem:{}", code.as_str()),
        title: texts.title.as_str(),
        status: code.status().as_u16(),
        detail: mistakes::detail(problem, Texts::of(language)).as_str(),
        code: code.as_str(),
        support_code,
        page: None,
        attempts_left: None,
        violations: &[],
        why: None,
        captcha: None,
        nonce: None,
    };
    match problem {
        Problem::OutOfStep(place) => document.page = Some(place.as_str()),
        Problem::CodeWrong { attempts_left } => document.attempts_left = *attempts_left,
        Problem::PasswordRejected(violations) => document.violations = violations,
        Problem::CaptchaWrong(why, next) => {
            (document.why, document.captcha) = (Some(why.as_str()), Some(&**next));
        }
        Problem::CaptchaHarder(next) => document.captcha = Some(next),
        Problem::SignInWrong(next) => document.captcha = next.as_deref(),
        Problem::HelpRefused(refusal) => document.why = Some(refusal.as_str()),
        Problem::NonceStale(nonce) => document.nonce = Some(nonce),
        _ => {}
    }
    document
}

#[expect(clippy::expect_used, reason = "writing into a String does not fail")]
fn html_of(page: &impl Template) -> String {
    page.render().expect("a page in memory")
}

/// Returns the heading of a page, which differs from those of all other pages of a flow.
fn heading(view: &View, t: &Texts) -> String {
    let text = match view {
        View::Identify(_) => t.identify.heading,
        View::Reason(_) => t.reason.heading,
        View::Method(view) if view.steps == 1 => t.method.heading_only,
        View::Method(view) => return t.method.heading.with("step", view.step).to_string(),
        View::Code(view) => t.methods.of(view.method.as_str()).heading,
        View::Approval(_) => t.approval.heading,
        View::Passkey(_) => t.passkey.heading,
        View::Password(_) => t.password.heading,
        View::Unlock(_) => t.unlock.heading,
        View::Done(view) => match view.result {
            Outcome::Reset => t.done.reset,
            Outcome::Unlocked => t.done.unlocked,
        },
        View::Ended(view) => match view.why {
            Why::Cancelled => t.ended.cancelled,
        },
        View::SignIn(view) if view.changes_password => t.security_info.change_password.heading,
        View::SignIn(_) => t.security_info.sign_in.heading,
        View::SignedIn(_) => t.security_info.sign_in.signed_in,
        View::SecondStep(_) => t.security_info.second_step.heading,
        View::SecurityInfo(_) => t.security_info.list.heading,
        View::ChangePassword(_) => t.security_info.change_password.heading,
        View::HelpDeskSignIn(_) => t.help_desk.heading_sign_in,
        View::HelpDesk(_) => t.help_desk.title,
        View::Confirm(view) => {
            let kind = t.security_info.kinds.of(view.kind.as_str()).name;
            return t.security_info.confirm.heading.with("kind", kind).to_string();
        }
    };
    text.to_string()
}

/// The content of the frame `page.html`.
enum Body<'a> {
    View(&'a View),
    Problem(&'a Text, Code),
}

/// The root of all templates; each includes the next, which sees the same names.
#[derive(Template)]
#[template(path = "page.html")]
#[expect(clippy::struct_field_names, reason = "templates read the context as `page`")]
struct Page<'a> {
    t: &'static Texts,
    page: &'a PageContext<'a>,
    heading: String,
    body: Body<'a>,
    mistakes: Vec<Mistake>,
    /// The criteria that the rejected password did not meet; none without a rejected password.
    unmet: Vec<&'a str>,
}

impl Page<'_> {
    #[expect(clippy::unused_self, reason = "a template calls it on its page")]
    fn asset(&self, name: &str) -> &'static str {
        assets::path(name)
    }

    const fn gap(&self) -> &'static str {
        self.page.language.gap()
    }

    const fn full_stop(&self) -> &'static str {
        self.page.language.full_stop()
    }

    fn theme(&self) -> Option<String> {
        self.page.colour.and_then(theme::path)
    }

    /// Returns the path for links to this page. A request for `//host` must not become a link to another site
    /// (open redirect).
    fn path(&self) -> &str {
        let path = self.page.path;
        let is_plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.".contains(&b));
        if is_plain && path.starts_with('/') && !path.starts_with("//") { path } else { "/" }
    }

    fn is_wrong(&self) -> bool {
        !self.mistakes.is_empty() || matches!(self.body, Body::Problem(..))
    }

    /// Returns whether the same form may pass in a moment.
    fn may_go_back(&self) -> bool {
        matches!(self.body, Body::Problem(_, Code::Unavailable | Code::SlowDown))
    }

    /// Returns the errors of the input with this id.
    fn mistakes_of(&self, id: &str) -> Vec<&Mistake> {
        self.mistakes.iter().filter(|mistake| mistake.target.as_deref() == Some(id)).collect()
    }

    /// Returns whether the page has a flow to cancel, or is a first page that a person can leave.
    fn can_cancel(&self) -> bool {
        matches!(self.body, Body::View(view) if !matches!(view, View::Done(_) | View::Ended(_)))
            && !self.is_security_info()
            && !self.is_help_desk()
    }

    /// Returns the page that lies behind, where it can still be shown. After a step is verified none does.
    const fn previous(&self) -> Option<&'static str> {
        let Body::View(view) = self.body else { return None };
        match view {
            View::Reason(_) => Some("/"),
            View::Method(MethodChoice { step: 1, .. }) => Some("/reason"),
            View::Code(_) | View::Approval(_) | View::Passkey(_) => Some("/method"),
            View::ChangePassword(_) => Some("/security-info"),
            _ => None,
        }
    }

    const fn is_help_desk(&self) -> bool {
        matches!(self.body, Body::View(View::HelpDeskSignIn(_) | View::HelpDesk(_)))
    }

    /// Returns whether the flow has ended, so that the browser forgets what was typed.
    fn is_end(&self) -> bool {
        matches!(self.body, Body::View(View::Done(_) | View::Ended(_)))
    }

    fn is_security_info(&self) -> bool {
        matches!(
            self.body,
            Body::View(
                View::SignIn(_)
                    | View::SignedIn(_)
                    | View::SecondStep(_)
                    | View::SecurityInfo(_)
                    | View::Confirm(_)
                    | View::ChangePassword(_)
            )
        )
    }

    /// Returns the name of the service that the page belongs to.
    fn service(&self) -> &Text {
        if self.is_help_desk() {
            &self.t.help_desk.title
        } else if self.is_security_info() {
            &self.t.security_info.title
        } else {
            &self.t.title
        }
    }

    /// Returns the sentence about the request before this one.
    fn said(&self) -> Option<String> {
        let said = &self.t.security_info.said;
        let of = |text: &Text, kind: Kind| {
            let name = self.t.security_info.kinds.of(kind.as_str()).name;
            format!("{}{}{}", text.with("kind", name), self.gap(), said.notice)
        };
        Some(match self.page.said? {
            Said::Added(kind) => of(&said.added, kind),
            Said::Replaced(kind) => of(&said.replaced, kind),
            Said::Removed(kind) => of(&said.removed, kind),
            Said::Reconfirmed => said.reconfirmed.to_string(),
            Said::OutOfStep => self.t.problems.of(Code::OutOfStep.as_str()).detail.to_string(),
        })
    }

    /// Returns whether that sentence reports a success.
    fn said_success(&self) -> bool {
        self.page.said != Some(Said::OutOfStep)
    }

    #[expect(clippy::unused_self, reason = "a template calls it on its page")]
    fn is_call(&self, method: Method) -> bool {
        method.is_call()
    }

    /// Returns the options of a passkey request in the panel of a method, if the method is a passkey.
    #[expect(clippy::unused_self, reason = "a template calls it on its page")]
    fn passkey_options<'v>(&self, view: &'v SecondStep, method: Method) -> Option<&'v PasskeyOptions> {
        view.options.as_ref().filter(|_| method == Method::Passkey)
    }

    /// Returns a mask apart from the direction of the sentence around it (first strong isolate, UAX #9 §2.5).
    #[expect(clippy::unused_self, reason = "a template calls it on its page")]
    fn isolated(&self, mask: &str) -> String {
        format!("\u{2068}{mask}\u{2069}")
    }

    /// Returns a secret in groups of four, which are easier to type.
    #[expect(clippy::unused_self, reason = "a template calls it on its page")]
    fn grouped(&self, secret: &str) -> String {
        let chars: Vec<char> = secret.chars().collect();
        chars.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
    }

    /// Returns data for a script as JSON.
    #[expect(clippy::unused_self, reason = "a template calls it on its page")]
    fn json(&self, value: &impl serde::Serialize) -> String {
        serde_json::to_string(value).unwrap_or_default()
    }

    /// Returns whether the rejected password met a criterion; `None` where none was rejected.
    fn is_met(&self, criterion: &str) -> Option<bool> {
        (!self.unmet.is_empty()).then(|| !self.unmet.contains(&criterion))
    }

    fn trail(&self) -> Vec<TrailStep> {
        let Body::View(view) = self.body else { return Vec::new() };
        let (step, steps, outcome) = match view {
            View::Method(view) => (view.step, view.steps, view.outcome),
            View::Code(view) => (view.step, view.steps, view.outcome),
            View::Approval(view) => (view.step, view.steps, view.outcome),
            View::Passkey(view) => (view.step, view.steps, view.outcome),
            View::Password(view) => (view.steps + 1, view.steps, Outcome::Reset),
            View::Unlock(view) => (view.steps + 1, view.steps, Outcome::Unlocked),
            _ => return Vec::new(),
        };
        let last = match outcome {
            Outcome::Reset => &self.t.trail.password,
            Outcome::Unlocked => &self.t.trail.unlock,
        };
        let names = (1..=steps).map(|number| self.t.trail.step.with("step", number).to_string());
        let names = names.chain([last.to_string()]);
        let step_of = |(number, name)| TrailStep { name, is_done: number < step, is_current: number == step };
        (1..).zip(names).map(step_of).collect()
    }

    #[expect(clippy::unused_self, reason = "a template calls it on its page")]
    fn is_open(&self, view: &MethodChoice, method: Method) -> bool {
        view.selected.or(view.methods.first().map(|offer| offer.method)) == Some(method)
    }
}

/// Returns whether the account has exactly as many factors as a reset needs, and no spare one.
fn exactly(view: &SecurityInfo) -> bool {
    view.factors == usize::from(view.needed)
}

/// One item of the list of steps.
struct TrailStep {
    name: String,
    is_done: bool,
    is_current: bool,
}
