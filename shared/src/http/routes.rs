//! All paths of Rekey with their methods, and the responses to all others.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use lambda_http::request::RequestContext;
use lambda_http::{Context, RequestExt as _};

use super::app::{App, HasAppContext};
use super::headers;
use super::incoming_request::{AppContext, IncomingRequest};
use super::problem::Problem;
use super::trusted_proxy;

/// The time reserved for the response when a handler takes too long.
const TO_ANSWER: Duration = Duration::from_millis(700);

/// The grid of response times: a POST is answered at a multiple of this time after its arrival. An account costs some
/// microseconds to read and decrypt that a decoy does not; on the grid, both are answered at the same moment. A request
/// with a hash of a password takes longer than one interval, and computes the hash in either case.
const GRID: Duration = Duration::from_millis(50);

/// A path and its methods.
pub struct Route {
    /// The path pattern in API Gateway's form.
    pub path: &'static str,
    /// The methods in the Allow header's form.
    pub allow: &'static str,
}

/// All paths of all functions. API Gateway sends requests without a route to `captcha`, which answers 405 for
/// these paths, redirects to them from other spellings, and answers 404 for all others.
pub const ROUTES: [Route; 35] = [
    Route { path: "/", allow: "GET, HEAD, POST" },
    Route { path: "/captcha/{token}/picture.png", allow: "GET, HEAD" },
    Route { path: "/captcha/{token}/sound.wav", allow: "GET, HEAD" },
    Route { path: "/assets/{file}", allow: "GET, HEAD" },
    Route { path: "/.well-known/change-password", allow: "GET, HEAD" },
    Route { path: "/reason", allow: "GET, HEAD, POST" },
    Route { path: "/method", allow: "GET, HEAD" },
    Route { path: "/code/send", allow: "GET, HEAD, POST" },
    Route { path: "/code", allow: "GET, HEAD, POST" },
    Route { path: "/password", allow: "GET, HEAD, POST" },
    Route { path: "/unlock", allow: "GET, HEAD, POST" },
    Route { path: "/done", allow: "GET, HEAD, POST" },
    Route { path: "/cancel", allow: "POST" },
    Route { path: "/security-info", allow: "GET, HEAD" },
    Route { path: "/security-info/sign-in", allow: "POST" },
    Route { path: "/security-info/oidc/start", allow: "GET, HEAD" },
    Route { path: "/security-info/oidc", allow: "GET, HEAD" },
    Route { path: "/security-info/verify", allow: "GET, HEAD, POST" },
    Route { path: "/security-info/add", allow: "POST" },
    Route { path: "/security-info/confirm", allow: "GET, HEAD, POST" },
    Route { path: "/security-info/remove", allow: "POST" },
    Route { path: "/security-info/reconfirm", allow: "POST" },
    Route { path: "/security-info/remember", allow: "POST" },
    Route { path: "/security-info/sign-out", allow: "POST" },
    Route { path: "/change-password", allow: "GET, HEAD, POST" },
    Route { path: "/help-desk", allow: "GET, HEAD, POST" },
    Route { path: "/help-desk/oidc/start", allow: "GET, HEAD" },
    Route { path: "/help-desk/oidc", allow: "GET, HEAD" },
    Route { path: "/help-desk/sign-out", allow: "POST" },
    Route { path: "/authenticator", allow: "GET, HEAD" },
    Route { path: "/authenticator/manifest.webmanifest", allow: "GET, HEAD" },
    Route { path: "/authenticator/sw.js", allow: "GET, HEAD" },
    Route { path: "/authenticator/pair", allow: "POST" },
    Route { path: "/authenticator/requests", allow: "GET, HEAD" },
    Route { path: "/authenticator/answer", allow: "POST" },
];

/// Completes a function's router: other paths and methods get their problem, and every response the security
/// headers.
pub fn serve<P>(router: Router<App<P>>, ports: P) -> Router
where
    P: HasAppContext + Send + Sync + 'static,
{
    let app = ports.app_context().clone();
    router
        .fallback(fallback::<P>)
        .method_not_allowed_fallback(fallback::<P>)
        .layer(middleware::from_fn_with_state(app, with_headers))
        .with_state(App::new(ports))
}

async fn fallback<P: HasAppContext>(State(app): State<App<P>>, request: Request) -> Response {
    if let Some(location) = spelled_as_route(request.method(), request.uri()) {
        return moved(location);
    }
    let path = request.uri().path();
    problem(app.app_context().clone(), &request, &missing(path))
}

/// Returns the address of the page that the path means, if it has capitals or slashes at its end. The path is
/// one of ours, so it leads neither to another site nor to itself.
fn spelled_as_route(method: &Method, uri: &http::Uri) -> Option<HeaderValue> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let given = uri.path().trim_end_matches('/');
    let route = ROUTES.iter().find(|route| {
        let is_page = route.allow.starts_with("GET") && !route.path.contains('{');
        is_page && route.path != uri.path() && route.path.eq_ignore_ascii_case(given)
    })?;
    match uri.query() {
        Some(query) => HeaderValue::try_from(format!("{}?{query}", route.path)).ok(),
        None => Some(HeaderValue::from_static(route.path)),
    }
}

fn moved(location: HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    response
}

fn problem(app: AppContext, request: &Request, problem: &Problem) -> Response {
    incoming(app, request).problem(problem, None)
}

fn incoming(app: AppContext, request: &Request) -> IncomingRequest {
    let context = request.extensions().get::<RequestContext>();
    IncomingRequest::from_head(app, request.method(), request.uri(), request.headers(), context)
}

/// Returns the problem of a path that no route of the function has with this method.
fn missing(path: &str) -> Problem {
    match ROUTES.iter().find(|route| matches(route.path, path)) {
        Some(route) => Problem::MethodNotAllowed(route.allow),
        None => Problem::NotFound,
    }
}

/// Returns whether a path matches a pattern, segment by segment; `{…}` matches any one segment.
fn matches(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given => {}
            (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => {}
            _ => return false,
        }
    }
}

async fn with_headers(State(app): State<AppContext>, request: Request, next: Next) -> Response {
    let arrived = (request.method() == Method::POST).then(|| app.timer.elapsed());
    let other_way =
        app.proxy.as_ref().and_then(|secret| trusted_proxy::check(secret, request.headers()).err());
    let mut response = if let Some(reason) = other_way {
        tracing::warn!(event = "request.rejected", reason);
        trusted_proxy::forbidden()
    } else if is_as_sent(&request) {
        answered(&app, request, next).await
    } else {
        problem(app.clone(), &request, &Problem::NotFound)
    };
    let headers: &mut HeaderMap = response.headers_mut();
    headers::apply(headers, app.settings.logo_url.as_deref());
    if let Some(arrived) = arrived {
        app.timer.sleep(until_grid(app.timer.elapsed().saturating_sub(arrived))).await;
    }
    response
}

/// Returns the time until the next multiple of [`GRID`], never zero.
fn until_grid(taken: Duration) -> Duration {
    let past = taken.as_nanos() % GRID.as_nanos();
    GRID.saturating_sub(Duration::from_nanos(u64::try_from(past).unwrap_or_default()))
}

/// Returns the handler's response, or `unavailable` if it panics or would reach the time-out: a page with
/// Rekey's headers instead of API Gateway's bare 500. Dropping a handler has the effect of a time-out, and
/// the same reconciliation follows.
async fn answered(app: &AppContext, request: Request, next: Next) -> Response {
    let left = request.lambda_context_ref().and_then(|context| time_left(context, now()));
    let (parts, body) = request.into_parts();
    let head = Request::from_parts(parts.clone(), Body::empty());
    let answer = AssertUnwindSafe(next.run(Request::from_parts(parts, body))).catch_unwind();
    let what = match left {
        None => match answer.await {
            Ok(response) => return response,
            Err(_) => "it panicked",
        },
        Some(left) => match tokio::time::timeout(left, answer).await {
            Ok(Ok(response)) => return response,
            Ok(Err(_)) => "it panicked",
            Err(_) => "it took too long",
        },
    };
    let incoming = incoming(app.clone(), &head);
    let (support, path) = (incoming.support_code(true), head.uri().path());
    tracing::error!(event = "request.failed", what = "a handler", causes = what, path, support);
    incoming.problem(&Problem::Unavailable, None)
}

/// Returns the time for a handler: until shortly before Lambda's time-out. Without Lambda there is no
/// time-out: emulators send no deadline or one long ago.
fn time_left(context: &Context, now: SystemTime) -> Option<Duration> {
    let deadline = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(context.deadline))?;
    deadline.duration_since(now).ok().map(|left| left.saturating_sub(TO_ANSWER))
}

#[expect(
    clippy::disallowed_methods,
    reason = "Lambda's deadline is by the system's clock, whatever the product's says"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Returns whether the path is the one that API Gateway matched. In between it is parsed as a URL, which
/// resolves `/reason/..`; a changed path has no page.
fn is_as_sent(request: &Request) -> bool {
    let sent = request.raw_http_path();
    sent.is_empty() || sent == request.uri().path()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use std::sync::Mutex;

    use async_trait::async_trait;
    use axum::routing::get;
    use http::StatusCode;
    use tower::ServiceExt as _;

    use super::*;
    use crate::domain::keys::Keyring;
    use crate::http::problem::Code;
    use crate::ports::Timer;
    use crate::settings::Settings;

    impl HasAppContext for AppContext {
        fn app_context(&self) -> &AppContext {
            self
        }
    }

    /// The readings of a timer, and the waits that it was asked for.
    #[derive(Default)]
    struct Script {
        readings: Vec<Duration>,
        waits: Vec<Duration>,
    }

    #[async_trait]
    impl Timer for Mutex<Script> {
        fn elapsed(&self) -> Duration {
            self.lock().unwrap().readings.pop().unwrap_or_default()
        }

        async fn sleep(&self, time: Duration) {
            self.lock().unwrap().waits.push(time);
        }
    }

    fn app(timer: Arc<Mutex<Script>>) -> AppContext {
        let flows =
            Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap();
        let settings = Settings::from_pairs(std::iter::empty()).unwrap();
        AppContext { settings: Arc::new(settings), flows: Arc::new(flows), proxy: None, timer }
    }

    /// Returns the response of a function whose handlers panic or never end, with Lambda's time-out in this
    /// many milliseconds.
    async fn answer(path: &str, cut_off_in: Option<u64>) -> Response {
        let router = Router::new()
            .route("/", get(async || -> String { panic!("at the disco") }))
            .route("/code", get(std::future::pending::<String>))
            .route("/done", get(async || "done"));
        let mut request = Request::builder().uri(path).body(Body::empty()).unwrap();
        if let Some(left) = cut_off_in {
            let now = now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            let mut context = Context::default();
            context.deadline = u64::try_from(now.as_millis()).unwrap() + left;
            request = request.with_lambda_context(context);
        }
        serve(router, app(Arc::default())).oneshot(request).await.unwrap()
    }

    /// Controls: C-109.
    #[tokio::test]
    async fn post_is_answered_on_the_time_grid() {
        for (method, taken, waits) in [
            (Method::POST, 0, Some(50)),
            (Method::POST, 12, Some(38)),
            (Method::POST, 99, Some(1)),
            (Method::POST, 100, Some(50)),
            (Method::GET, 12, None),
        ] {
            let from = Duration::from_secs(1);
            let readings = vec![from + Duration::from_millis(taken), from];
            let timer = Arc::new(Mutex::new(Script { readings, ..Script::default() }));
            let router = Router::new().route("/", get(async || "page").post(async || "answer"));
            let request = Request::builder().method(&method).uri("/").body(Body::empty()).unwrap();
            serve(router, app(timer.clone())).oneshot(request).await.unwrap();
            let expected: Vec<Duration> = waits.map(Duration::from_millis).into_iter().collect();
            assert_eq!(timer.lock().unwrap().waits, expected, "{method} {taken}");
        }
    }

    /// Controls: C-070.
    #[tokio::test]
    async fn panicking_or_slow_handler_returns_503() {
        for (path, cut_off_in) in [("/", None), ("/", Some(5_000)), ("/code", Some(800))] {
            let answer = answer(path, cut_off_in).await;
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path} {cut_off_in:?}");
            assert!(answer.headers().contains_key("content-security-policy"));
        }
        for cut_off_in in [None, Some(5_000)] {
            assert_eq!(answer("/done", cut_off_in).await.status(), StatusCode::OK);
        }
        let mut long_ago = Context::default();
        long_ago.deadline = 600_000;
        assert_eq!(time_left(&long_ago, now()), None);
    }

    /// Controls: C-082.
    #[test]
    fn wrong_method_returns_405_and_unknown_path_404() {
        let code = |path| missing(path).code();
        assert_eq!(code("/cancel"), Code::MethodNotAllowed);
        assert_eq!(code("/captcha/abc/picture.png"), Code::MethodNotAllowed);
        for path in
            ["/cancel/", "//cancel", "/Cancel", "/captcha//picture.png", "/code;/../password", "/admin"]
        {
            assert_eq!(code(path), Code::NotFound, "{path}");
        }
    }

    /// Controls: C-082, C-086.
    #[test]
    fn other_spelling_leads_to_the_route() {
        let location = |method: Method, uri: &str| {
            let location = spelled_as_route(&method, &uri.parse().unwrap())?;
            Some(location.to_str().unwrap().to_owned())
        };
        let of = |uri| location(Method::GET, uri);
        for (uri, expected) in [
            ("/method/", "/method"),
            ("/Method", "/method"),
            ("/CODE/SEND//", "/code/send"),
            ("/Security-Info/?lang=ms&return=//evil.example", "/security-info?lang=ms&return=//evil.example"),
            ("https://reset.contoh.example/Done", "/done"),
        ] {
            assert_eq!(of(uri).as_deref(), Some(expected), "{uri}");
            assert_eq!(of(expected), None, "a loop");
        }
        for uri in [
            "/",
            "//",
            "/admin/",
            "/method/x",
            "//method",
            "//evil.example/",
            "/evil.example//",
            "/cancel/",
            "/Cancel",
            "/captcha/{token}/picture.png/",
            "/%6dethod",
            "/assets/App.css",
        ] {
            assert_eq!(of(uri), None, "{uri}");
        }
        assert_eq!(location(Method::HEAD, "/Method").as_deref(), Some("/method"));
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            assert_eq!(location(method, "/method/"), None);
        }
    }
}
