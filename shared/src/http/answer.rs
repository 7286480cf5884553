//! Responses: one view or problem, as a page or as JSON.

use crate::domain::cookie::HolderCookie;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::handler_error::{HandlerError, causes};
use super::incoming_request::{
    DESK_COOKIE, DEVICE_COOKIE, FLOW_COOKIE, Format, IncomingRequest, LANGUAGE_COOKIE, OIDC_COOKIE,
    RejectedRequest, SESSION_COOKIE,
};
use super::page::{self, PageContext};
use super::paths::{CALLBACK, HELP_DESK_CALLBACK, HELP_DESK_START, HOME, START, VERIFY, location, page_of};
use super::problem::{Place, Problem};
use super::said::{SAID_COOKIE, Said};
use super::view::View;
use super::view::security_info::SignedIn;
use super::{encoding, paths, views};
use crate::domain::flow::{Flow, Stage};
use crate::domain::support_code::SupportCode;
use crate::domain::{known_device, oidc};

/// The next page after a successful POST.
pub struct NextPage<'a> {
    /// Programs get it as JSON at once.
    pub view: View,
    /// Browsers are redirected to it.
    pub location: &'static str,
    /// The new cookie, if it changed.
    pub cookie: Option<NewCookie<'a>>,
}

/// A cookie in a response.
#[derive(Clone, Copy)]
pub enum NewCookie<'a> {
    /// Sets the flow's cookie.
    Flow(&'a HolderCookie),
    /// Sets the session's cookie, for `/security-info`.
    Session(&'a HolderCookie),
    /// Removes the session's cookie: the session has ended.
    NoSession,
    /// Sets the cookie of a known device to this sealed value.
    Device(&'a str),
    /// Sets the cookie of an agent's visit to this sealed value.
    Desk(&'a str),
    /// Removes it.
    NoDesk,
}

impl IncomingRequest {
    /// Returns the response to a GET of a page.
    pub fn page(&self, view: &View) -> Response {
        let body = match self.format {
            Format::Html => page::render(
                view,
                &self.context(views::at(self).as_deref(), self.support_code(false).as_deref()),
                None,
            ),
            Format::Json => json(view),
        };
        let mut response = self.finish(StatusCode::OK, body, false, None);
        if self.said.is_some() && self.format == Format::Html {
            append_cookie(&mut response, &removed(SAID_COOKIE));
        }
        response
    }

    /// Returns a redirect whose page says something first; programs get `response` as it is.
    #[must_use]
    pub fn saying(&self, said: Option<Said>, mut response: Response) -> Response {
        if let (Some(said), StatusCode::SEE_OTHER) = (said, response.status()) {
            // The page after the redirect removes it; if nobody asks for that page, the browser does.
            let value = said.value();
            let line =
                format!("{SAID_COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=60");
            append_cookie(&mut response, &line);
        }
        response
    }

    /// Returns plain data for Rekey's own scripts, whatever `Accept` says.
    pub fn data(&self, value: &impl Serialize) -> Response {
        let mut response = self.finish(StatusCode::OK, json(value), false, None);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    /// Returns the page of the authenticator app, with the public key that push services know Rekey by.
    pub fn authenticator(&self, push_key: &str) -> Response {
        let body = page::authenticator(&self.context(None, None), push_key);
        let mut response = self.finish(StatusCode::OK, body, false, None);
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, html);
        response
    }

    /// Returns the name of the authenticator app in the request's language.
    pub fn authenticator_name(&self) -> &'static str {
        page::authenticator_name(self.language)
    }

    /// Returns the response to a successful POST: a redirect for browsers (303, so that Back and reload
    /// work), the next view for programs.
    pub fn next_page(&self, next: &NextPage<'_>) -> Response {
        match self.format {
            Format::Html => self.redirect(next.location, next.cookie),
            Format::Json => self.finish(StatusCode::OK, json(&next.view), false, next.cookie),
        }
    }

    /// Returns the redirect to the identity provider, with the sealed cookie of the pending sign-in. The provider's
    /// redirect back is cross-site, so the cookie is `SameSite=Lax`.
    pub fn to_provider(&self, url: &str, sealed: &str) -> Response {
        let mut response = self.finish(StatusCode::SEE_OTHER, String::new(), false, None);
        let lifetime = oidc::LIFETIME.0;
        let cookie =
            format!("{OIDC_COOKIE}={sealed}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={lifetime}");
        append_cookie(&mut response, &cookie);
        if let Ok(url) = HeaderValue::from_str(url) {
            response.headers_mut().insert(header::LOCATION, url);
        }
        response
    }

    /// Returns the response to a person who comes back from the identity provider: the next view for programs. A
    /// browser gets a page that loads the next one, since a request of a cross-site redirect has no cookie with
    /// `SameSite=Strict`.
    pub fn back_from_provider(&self, next: &NextPage<'_>) -> Response {
        if self.format == Format::Json {
            return self.next_page(next);
        }
        let view = View::SignedIn(SignedIn { next: next.location });
        let body = page::render(&view, &self.context(None, None), None);
        let mut response = self.finish(StatusCode::OK, body, false, next.cookie);
        if let Ok(refresh) = HeaderValue::try_from(format!("0; url={}", next.location)) {
            response.headers_mut().insert(header::REFRESH, refresh);
        }
        response
    }

    /// Returns the last page of a cancelled flow at once, since no flow remains that a later request could
    /// show.
    pub fn last(&self, view: &View) -> Response {
        let mut response = self.page(view);
        append_cookie(&mut response, &removed(FLOW_COOKIE));
        response
    }

    /// Returns a problem: on the page of the request where there is one, else on a page of its own.
    pub fn problem(&self, problem: &Problem, view: Option<&View>) -> Response {
        self.problem_with(problem, view, None)
    }

    /// Returns the response to a request for another step than the current one. A browser is redirected to
    /// the current step; `newer` is the current cookie, which is set too.
    pub fn out_of_step(&self, stage: Stage, newer: Option<&HolderCookie>) -> Response {
        let target = location(stage);
        let may_go = self.is_post || (target != self.path && newer.is_none());
        if self.format == Format::Html && may_go && stage != Stage::Ended {
            // A double click, which gets the newer cookie, needs no explanation.
            let said = newer.is_none().then_some(Said::OutOfStep);
            return self.saying(said, self.redirect(target, newer.map(NewCookie::Flow)));
        }
        self.problem_with(&Problem::OutOfStep(Place::Flow(stage)), None, newer.map(NewCookie::Flow))
    }

    /// Returns the response to a cookie older than its flow's verifications. It opens nothing beyond its
    /// step, and there is no page to redirect its browser to, so the response is a problem.
    pub fn older_cookie(&self, flow: &Flow) -> Response {
        self.problem_with(&Problem::OutOfStep(Place::Flow(flow.stage())), None, None)
    }

    /// Returns the response to a failure. A failure of a port is logged here, once, and reported as
    /// `unavailable`.
    pub fn failed(&self, failure: HandlerError) -> Response {
        match failure {
            HandlerError::Problem(problem, None) if self.is_of_a_session() => self.session_problem(&problem),
            HandlerError::Problem(problem, view) => self.problem(&problem, view.as_deref()),
            HandlerError::OutOfStep(stage, newer) => self.out_of_step(stage, newer.as_ref()),
            HandlerError::OlderCookie(flow) => self.older_cookie(&flow),
            HandlerError::PortFailed(what, cause) => {
                let causes = causes(cause.as_ref());
                let support = self.support_code(true);
                tracing::error!(event = "request.failed", what, causes, path = self.path, support);
                self.problem(&Problem::Unavailable, None)
            }
        }
    }

    /// Returns whether the request is for a session: `/security-info`, or the change of a password.
    fn is_of_a_session(&self) -> bool {
        paths::is_of_a_session(&self.path)
    }

    /// Returns the response to a session's problem. A browser without a session is redirected to the sign-in,
    /// one at another step to that step; all else is a problem.
    fn session_problem(&self, problem: &Problem) -> Response {
        match (self.format, problem) {
            (Format::Html, Problem::FlowEnded) => self.redirect(HOME, Some(NewCookie::NoSession)),
            (Format::Html, Problem::OutOfStep(Place::SecondStep)) => self.redirect(VERIFY, None),
            (Format::Html, Problem::OutOfStep(_)) => {
                self.saying(Some(Said::OutOfStep), self.redirect(HOME, None))
            }
            _ => self.problem(problem, None),
        }
    }

    fn problem_with(
        &self,
        problem: &Problem,
        view: Option<&View>,
        cookie: Option<NewCookie<'_>>,
    ) -> Response {
        let (at, support) = (views::at(self), self.support_code(true));
        let context = self.context(at.as_deref(), support.as_deref());
        let body = match (self.format, view) {
            (Format::Html, Some(view)) => page::render(view, &context, Some(problem)),
            (Format::Html, None) => page::render_problem(problem, &context),
            (Format::Json, _) => json(&page::document(problem, self.language, support.as_deref())),
        };
        let mut response = self.finish(problem.code().status(), body, true, cookie);
        match problem {
            Problem::SlowDown(wait) | Problem::SignInPaused { wait, .. } => {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.0));
            }
            Problem::MethodNotAllowed(allow) => {
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
            }
            Problem::FlowEnded => self.remove_ended(&mut response),
            _ => {}
        }
        response
    }

    /// Removes the cookie of the ended holder, if the request had it. The other kind of cookie stays: a reset
    /// may continue in another tab after a session ended, and vice versa.
    fn remove_ended(&self, response: &mut Response) {
        if paths::is_of_the_help_desk(&self.path) {
            append_cookie(response, &removed(DESK_COOKIE));
            return;
        }
        let (name, came) = if self.is_of_a_session() {
            (SESSION_COOKIE, self.session.is_some())
        } else {
            (FLOW_COOKIE, self.cookie.is_some())
        };
        if came {
            append_cookie(response, &removed(name));
        }
    }

    /// Returns a redirect to another page.
    pub fn redirect(&self, location: &'static str, cookie: Option<NewCookie<'_>>) -> Response {
        let mut response = self.finish(StatusCode::SEE_OTHER, String::new(), false, cookie);
        response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(location));
        response
    }

    /// Returns the support code of the flow or session that the request belongs to. A problem without one has the code
    /// of its request.
    pub(super) fn support_code(&self, is_problem: bool) -> Option<String> {
        let flows = &self.app.flows;
        let holder = match &*self.path {
            path if paths::is_of_the_help_desk(path) => None,
            path if paths::is_of_a_session(path) => self.session.as_ref(),
            _ => self.cookie.as_ref(),
        };
        let code = if let Some(holder) = holder {
            SupportCode::of_holder(holder.id(), flows)
        } else {
            let request = self.request_id.as_ref().filter(|_| is_problem)?;
            SupportCode::of_request(request, flows)
        };
        code.map(|code| code.to_string())
    }

    fn context<'a>(&'a self, at: Option<&'a str>, support_code: Option<&'a str>) -> PageContext<'a> {
        let settings = &self.app.settings;
        PageContext {
            language: self.language,
            languages: &settings.languages,
            organisation: &settings.organisation,
            logo_url: settings.logo_url.as_deref(),
            help_desk_url: settings.help_desk_url.as_deref(),
            help_desk_phone: settings.help_desk_phone.as_deref(),
            help_desk_hours: settings.help_desk_hours.as_deref(),
            login_domain: settings.login_domains.first().map(String::as_str),
            sign_in_url: settings.sign_in_url.as_deref(),
            time_zone: &settings.time_zone,
            colour: settings.colour.as_deref(),
            at,
            support_code,
            said: self.said,
            ends_in: self.ends_in,
            path: if self.is_post
                || [CALLBACK, START, HELP_DESK_CALLBACK, HELP_DESK_START].contains(&&*self.path)
            {
                page_of(&self.path)
            } else {
                &self.path
            },
        }
    }

    fn finish(
        &self,
        status: StatusCode,
        body: String,
        is_problem: bool,
        cookie: Option<NewCookie<'_>>,
    ) -> Response {
        let kind = match (self.format, is_problem) {
            (Format::Html, _) => "text/html; charset=utf-8",
            (Format::Json, false) => "application/json",
            (Format::Json, true) => "application/problem+json",
        };
        let (encoding, bytes) = encoding::encode(&self.accept_encoding, body.into_bytes());
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() = status;
        let out = response.headers_mut();
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        out.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(self.language.tag()));
        out.insert(
            header::VARY,
            HeaderValue::from_static("Accept, Accept-Encoding, Accept-Language, Cookie"),
        );
        if let Some(encoding) = encoding {
            out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        // Flow and session end by the server's clock, and at the latest when the browser closes. A flow that nothing was
        // verified in outlasts the browser, which phones close behind an app that shows a code.
        let set =
            |name: &str, value: String| format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict");
        let line = match cookie {
            Some(NewCookie::Flow(cookie)) => cookie.value(&self.app.flows).map(|value| {
                let line = set(FLOW_COOKIE, value);
                let lifetime = self.app.settings.flow.lifetime.0;
                if cookie.verified() == 0 { format!("{line}; Max-Age={lifetime}") } else { line }
            }),
            Some(NewCookie::Session(cookie)) => {
                cookie.value(&self.app.flows).map(|value| set(SESSION_COOKIE, value))
            }
            Some(NewCookie::NoSession) => Some(removed(SESSION_COOKIE)),
            Some(NewCookie::Desk(value)) => Some(set(DESK_COOKIE, value.to_owned())),
            Some(NewCookie::NoDesk) => Some(removed(DESK_COOKIE)),
            Some(NewCookie::Device(value)) => Some(format!(
                "{}; Max-Age={}",
                set(DEVICE_COOKIE, value.to_owned()),
                known_device::LIFETIME.0
            )),
            None => None,
        };
        if let Some(line) = line {
            append_cookie(&mut response, &line);
        }
        if self.language_chosen {
            let tag = self.language.tag();
            let remembered =
                format!("{LANGUAGE_COOKIE}={tag}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=31536000");
            append_cookie(&mut response, &remembered);
        }
        response
    }
}

impl IntoResponse for RejectedRequest {
    fn into_response(self) -> Response {
        self.incoming.problem(&self.problem, None)
    }
}

/// Removes the cookie of the pending sign-in from the browser, whatever became of it.
pub fn forget_pending_sign_in(response: &mut Response) {
    append_cookie(response, &removed(OIDC_COOKIE));
}

fn removed(name: &str) -> String {
    format!("{name}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0")
}

fn append_cookie(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

fn json(value: &impl Serialize) -> String {
    // Views and documents are plain data, so serializing can't fail.
    serde_json::to_string(value).unwrap_or_default()
}
