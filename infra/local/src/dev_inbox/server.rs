//! Serves the dev inbox over HTTP to this machine only, and rejects requests of web pages.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::page::{MessagesPage, PeoplePage, SignInPage};
use super::{Demo, DevInbox, SignInOutcome, Unreadable};
use crate::system::System;

/// Maximum body in bytes; a longer login or password fails like a wrong one.
const FORM_MAX: usize = 16 * 1_024;

/// The data behind the pages.
pub struct InboxState {
    /// The messages to show.
    pub dev_inbox: DevInbox,
    /// The people to show.
    pub demo: Demo,
    /// Its own address, which the `Host` header must name.
    pub address: SocketAddr,
    /// The URL of Rekey; `None` if the functions run elsewhere.
    pub product: Option<String>,
    /// Clock for TOTP codes and standings.
    pub system: System,
    /// The environment of functions and of `rekey`; `None` if no other process reaches the tables.
    pub environment: Option<BTreeMap<String, String>>,
}

/// Builds the routes behind the guard.
pub fn router(site: InboxState) -> Router {
    let site = Arc::new(site);
    Router::new()
        .route("/", get(home))
        .route("/messages", get(messages).delete(clear))
        .route("/clear", post(clear_by_form))
        .route("/captchas/{token}", get(captcha))
        .route("/people", get(people))
        .route("/environment", get(environment))
        .route("/sign-in", get(sign_in_form).post(sign_in))
        .route("/outbox.css", get(|| async { asset("text/css", include_str!("../../templates/outbox.css")) }))
        .route(
            "/outbox.js",
            get(|| async { asset("text/javascript", include_str!("../../templates/outbox.js")) }),
        )
        .fallback(|| async {
            problem(StatusCode::NOT_FOUND, "this page does not exist; there are /, /people and /sign-in")
        })
        .layer(DefaultBodyLimit::max(FORM_MAX))
        .layer(middleware::from_fn_with_state(site.clone(), guard))
        .with_state(site)
}

/// Rejects requests of foreign web pages. DNS rebinding makes such a page same-origin, but its `Host` differs.
/// `Origin` or `Sec-Fetch-Site` identifies its forms; programs send neither.
async fn guard(State(site): State<Arc<InboxState>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let port = site.address.port();
    let hosts = [site.address.to_string(), format!("localhost:{port}")];
    let host = text(headers, header::HOST);
    let named = host.is_some_and(|host| hosts.iter().any(|own| own.eq_ignore_ascii_case(host)));
    let reading = matches!(*request.method(), Method::GET | Method::HEAD);
    let from = text(headers, header::ORIGIN)
        .map(|origin| host.is_some_and(|host| origin == format!("http://{host}")));
    let fetched = text(headers, HeaderName::from_static("sec-fetch-site"));
    let foreign = from == Some(false) || fetched.is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let mut response = if !named {
        problem(
            StatusCode::MISDIRECTED_REQUEST,
            &format!("the dev inbox answers only at its own address; use http://{}", site.address),
        )
    } else if !reading && foreign {
        problem(
            StatusCode::FORBIDDEN,
            "the request comes from another website; use the form of the dev inbox",
        )
    } else {
        next.run(request).await
    };
    let fixed = [
        ("cache-control", "no-store"),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
             connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

async fn home(State(site): State<Arc<InboxState>>) -> Response {
    page(&MessagesPage { product: site.product.as_deref(), messages: site.dev_inbox.messages() })
}

async fn messages(State(site): State<Arc<InboxState>>, headers: HeaderMap) -> Response {
    if wants_html(&headers) {
        home(State(site)).await
    } else {
        Json(site.dev_inbox.messages()).into_response()
    }
}

async fn clear(State(site): State<Arc<InboxState>>) -> StatusCode {
    site.dev_inbox.clear();
    StatusCode::NO_CONTENT
}

async fn clear_by_form(State(site): State<Arc<InboxState>>) -> Redirect {
    site.dev_inbox.clear();
    Redirect::to("/")
}

async fn captcha(State(site): State<Arc<InboxState>>, Path(token): Path<String>) -> Response {
    match (site.demo.captchas)(&token) {
        Some(answer) => Json(json!({"answer": answer})).into_response(),
        None => {
            problem(StatusCode::NOT_FOUND, "no CAPTCHA has this token, or it has expired; load page 1 again")
        }
    }
}

async fn people(State(site): State<Arc<InboxState>>, headers: HeaderMap) -> Response {
    match site.demo.views(site.system.now()).await {
        Ok(people) if wants_html(&headers) => {
            page(&PeoplePage { product: site.product.as_deref(), file: &site.demo.file, people })
        }
        Ok(people) => Json(people).into_response(),
        Err(error) => unavailable(&error),
    }
}

/// Names the endpoints and parameters for `rekey --local`. None of them is a secret: keys are at the AWS emulator.
async fn environment(State(site): State<Arc<InboxState>>) -> Response {
    match &site.environment {
        Some(environment) => Json(environment).into_response(),
        None => problem(
            StatusCode::CONFLICT,
            "the tables are in the memory of this process; start cargo local without --memory",
        ),
    }
}

#[derive(Deserialize)]
struct Credentials {
    login: String,
    password: String,
}

async fn sign_in_form(State(site): State<Arc<InboxState>>) -> Response {
    page(&SignInPage { product: site.product.as_deref(), login: String::new(), outcome: None })
}

async fn sign_in(State(site): State<Arc<InboxState>>, headers: HeaderMap, body: String) -> Response {
    let json = text(&headers, header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
    let read = if json { serde_json::from_str(&body).ok() } else { read_form(&body) };
    let Some(Credentials { login, password }) = read else {
        return problem(StatusCode::BAD_REQUEST, "login and password are required, as a form or as JSON");
    };
    let outcome = match site.demo.sign_in(&login, &password, site.system.now()).await {
        Ok(outcome) => outcome,
        Err(error) => return unavailable(&error),
    };
    if wants_html(&headers) {
        return page(&SignInPage { product: site.product.as_deref(), login, outcome: Some(outcome) });
    }
    let result = match outcome {
        SignInOutcome::SignedIn => "signed-in",
        SignInOutcome::Wrong => "wrong",
        SignInOutcome::Locked => "locked",
        SignInOutcome::Disabled => "disabled",
    };
    Json(json!({"result": result})).into_response()
}

fn read_form(body: &str) -> Option<Credentials> {
    let field = |name| {
        let mut pairs = form_urlencoded::parse(body.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    Some(Credentials { login: field("login")?, password: field("password")? })
}

fn page(template: &impl askama::Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page of the dev inbox can't be rendered");
            problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the page can't be rendered; the terminal shows the cause",
            )
        }
    }
}

fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind)], text)
}

fn unavailable(error: &Unreadable) -> Response {
    tracing::warn!(error = error.0, "the directory can't be read");
    problem(StatusCode::SERVICE_UNAVAILABLE, "the directory can't be read; the terminal shows the cause")
}

fn problem(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({"error": why}))).into_response()
}

fn wants_html(headers: &HeaderMap) -> bool {
    text(headers, header::ACCEPT).is_some_and(|accept| accept.contains("text/html"))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
