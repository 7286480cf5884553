//! Every path of the product with the methods it takes, and what becomes of all others.

use axum::Router;
use axum::extract::{FromRef, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use http::HeaderMap;
use lambda_http::RequestExt as _;
use lambda_http::request::RequestContext;

use super::headers;
use super::incoming::{Incoming, Site};
use super::problem::{Code, Problem};

/// A path with the methods that it takes.
pub struct Route {
    /// The path, as API Gateway writes it.
    pub path: &'static str,
    /// The methods, as the Allow header writes them.
    pub allow: &'static str,
}

/// Every path that some function answers. API Gateway sends what matches none of its routes to `captcha`, which
/// answers 405 for these paths and 404 for all others.
pub const ROUTES: [Route; 27] = [
    Route { path: "/", allow: "GET, POST" },
    Route { path: "/captcha/{token}/picture.png", allow: "GET" },
    Route { path: "/captcha/{token}/sound.wav", allow: "GET" },
    Route { path: "/assets/{file}", allow: "GET" },
    Route { path: "/.well-known/change-password", allow: "GET" },
    Route { path: "/reason", allow: "GET, POST" },
    Route { path: "/method", allow: "GET" },
    Route { path: "/code/send", allow: "GET, POST" },
    Route { path: "/code", allow: "GET, POST" },
    Route { path: "/password", allow: "GET, POST" },
    Route { path: "/unlock", allow: "GET, POST" },
    Route { path: "/done", allow: "GET" },
    Route { path: "/cancel", allow: "POST" },
    Route { path: "/security-info", allow: "GET" },
    Route { path: "/security-info/sign-in", allow: "POST" },
    Route { path: "/security-info/verify", allow: "GET, POST" },
    Route { path: "/security-info/add", allow: "POST" },
    Route { path: "/security-info/confirm", allow: "GET, POST" },
    Route { path: "/security-info/remove", allow: "POST" },
    Route { path: "/security-info/reconfirm", allow: "POST" },
    Route { path: "/security-info/sign-out", allow: "POST" },
    Route { path: "/authenticator", allow: "GET" },
    Route { path: "/authenticator/manifest.webmanifest", allow: "GET" },
    Route { path: "/authenticator/sw.js", allow: "GET" },
    Route { path: "/authenticator/pair", allow: "POST" },
    Route { path: "/authenticator/requests", allow: "GET" },
    Route { path: "/authenticator/answer", allow: "POST" },
];

/// Finishes a function's router: other paths and methods get their problem, and every answer the security
/// headers.
pub fn serve<S>(router: Router<S>, state: S) -> Router
where
    S: Clone + Send + Sync + 'static,
    Site: FromRef<S>,
{
    let site = Site::from_ref(&state);
    router
        .fallback(elsewhere::<S>)
        .method_not_allowed_fallback(elsewhere::<S>)
        .layer(middleware::from_fn_with_state(site, with_headers))
        .with_state(state)
}

async fn elsewhere<S>(State(state): State<S>, request: Request) -> Response
where
    S: Clone + Send + Sync + 'static,
    Site: FromRef<S>,
{
    let path = request.uri().path();
    problem(Site::from_ref(&state), &request, &missing(path))
}

fn problem(site: Site, request: &Request, problem: &Problem) -> Response {
    let context = request.extensions().get::<RequestContext>();
    let incoming = Incoming::of_head(site, request.method(), request.uri(), request.headers(), context);
    incoming.problem(problem, None)
}

/// What is wrong with a path that no route of the function takes with this method.
fn missing(path: &str) -> Problem {
    match ROUTES.iter().find(|route| matches(route.path, path)) {
        Some(route) => Problem { allow: Some(route.allow), ..Problem::new(Code::MethodNotAllowed) },
        None => Problem::new(Code::NotFound),
    }
}

/// Whether a path fits a pattern, segment by segment; `{…}` takes any one segment.
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

async fn with_headers(State(site): State<Site>, request: Request, next: Next) -> Response {
    let mut response = if is_as_sent(&request) {
        next.run(request).await
    } else {
        problem(site.clone(), &request, &Problem::new(Code::NotFound))
    };
    let headers: &mut HeaderMap = response.headers_mut();
    headers::apply(headers, site.settings.logo_url.as_deref());
    response
}

/// Whether the path is the one that API Gateway chose a route by. Between the two it is parsed as a URL, which resolves
/// `/reason/..`; what is another path by then has no page.
fn is_as_sent(request: &Request) -> bool {
    let sent = request.raw_http_path();
    sent.is_empty() || sent == request.uri().path()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_path_is_a_wrong_method_and_any_other_is_not_found() {
        let code = |path| missing(path).code;
        assert_eq!(code("/cancel"), Code::MethodNotAllowed);
        assert_eq!(code("/captcha/abc/picture.png"), Code::MethodNotAllowed);
        for path in
            ["/cancel/", "//cancel", "/Cancel", "/captcha//picture.png", "/code;/../password", "/admin"]
        {
            assert_eq!(code(path), Code::NotFound, "{path}");
        }
    }
}
