//! Conversion of API Gateway's events to requests, whatever a client sends, and of responses to its answers.
//!
//! `lambda_http` builds a URL from scheme, host, path and query, and panics when it is invalid; it takes
//! scheme and host from headers. This module removes invalid parts before. The client then gets one of
//! Rekey's pages with its headers, instead of the gateway's bare 500.

use std::pin::Pin;

use axum::Router;
use axum::response::Response;
use http::{HeaderName, HeaderValue, Uri, header};
use http_body_util::BodyExt as _;
use lambda_http::lambda_runtime::{self, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Body, Error, IntoResponse, Request};
use serde_json::Value;
use tokio::sync::Mutex;
use tower::util::{MapRequest, MapResponse};
use tower::{Service as _, ServiceExt};

/// A router for events.
pub type Function =
    MapRequest<Adapter<'static, Answer, MapResponse<Router, fn(Response) -> Answer>>, fn(Event) -> Event>;

type Event = LambdaEvent<LambdaRequest>;

/// A response on its way to API Gateway. `lambda_http` would decode a text from any charset of the Web, whose tables
/// take 110 KB in every function; Rekey's texts are UTF-8.
pub struct Answer(Response);

impl IntoResponse for Answer {
    fn into_response(self) -> Pin<Box<dyn Future<Output = http::Response<Body>> + Send>> {
        let (parts, body) = self.0.into_parts();
        Box::pin(async move {
            // A router's bodies are whole in memory.
            let bytes = body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
            let body =
                String::from_utf8(bytes).map_or_else(|binary| Body::Binary(binary.into_bytes()), Body::Text);
            http::Response::from_parts(parts, body)
        })
    }
}

/// Headers that `lambda_http` uses for the URL's scheme and host. Rekey never reads them: the host comes from
/// the request context.
const OF_THE_URL: [HeaderName; 2] = [header::HOST, HeaderName::from_static("x-forwarded-proto")];

/// Returns the router as a function of events.
pub fn function(router: Router) -> Function {
    let answered = ServiceExt::<Request>::map_response(router, Answer as fn(Response) -> Answer);
    Adapter::from(answered).map_request(sanitize_event)
}

/// A router for a function that gets other events, too.
pub struct Pages(Mutex<Function>);

impl Pages {
    /// Wraps the router.
    pub fn new(router: Router) -> Self {
        Self(Mutex::new(function(router)))
    }

    /// Answers an event of API Gateway.
    ///
    /// # Errors
    /// When it is no such event.
    pub async fn answer(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        let request: LambdaRequest = serde_json::from_value(event.payload)?;
        let answer = self.0.lock().await.call(LambdaEvent::new(request, event.context));
        Ok(serde_json::to_value(answer.await?)?)
    }
}

/// Answers events in Lambda until the environment ends.
///
/// # Errors
/// When Lambda's runtime API is unreachable.
pub async fn run(router: Router) -> Result<(), Error> {
    lambda_runtime::run(function(router)).await
}

fn sanitize_event(mut event: Event) -> Event {
    let LambdaRequest::ApiGatewayV2(request) = &mut event.payload else { return event };
    for name in OF_THE_URL {
        request.headers.remove(name);
    }
    // `lambda_http` drops all cookies if it can't make a header of one. Another application of the domain may
    // have set that one.
    let cookies = request.cookies.iter().flatten().flat_map(|line| line.split(';')).map(str::trim);
    let is_fit = |cookie: &&str| !cookie.is_empty() && HeaderValue::from_str(cookie).is_ok();
    let cookies: Vec<String> = cookies.filter(is_fit).map(str::to_owned).collect();
    request.cookies = Some(cookies).filter(|cookies| !cookies.is_empty());
    // A query that no URL can contain counts as absent.
    let is_fit = |query: &String| !query.contains('#') && format!("/?{query}").parse::<Uri>().is_ok();
    request.raw_query_string = request.raw_query_string.take().filter(is_fit);
    if !request.raw_path.as_ref().is_some_and(|path| path.starts_with('/')) {
        request.raw_path = Some("/*".to_owned());
    }
    event
}

#[cfg(test)]
mod tests {
    use axum::extract::Request;
    use axum::routing::any;
    use lambda_http::RequestExt as _;
    use lambda_http::lambda_runtime::Context;
    use serde_json::json;

    use super::*;

    /// Returns the path and query that a router sees.
    async fn told(path: &str, query: &str, headers: Value) -> String {
        let event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": headers,
            "isBase64Encoded": false,
            "requestContext": {
                "accountId": "0", "apiId": "a", "domainName": "reset.contoh.example", "requestId": "r",
                "routeKey": "$default", "stage": "$default", "time": "", "timeEpoch": 0,
                "http": { "method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "", "userAgent": "" },
            },
        });
        let echo = async |request: Request| format!("{} {}", request.raw_http_path(), request.uri());
        let mut function = function(Router::new().fallback(any(echo)));
        let event = LambdaEvent::new(serde_json::from_value(event).unwrap(), Context::default());
        let answer = serde_json::to_value(function.call(event).await.unwrap()).unwrap();
        answer["body"].as_str().unwrap().to_owned()
    }

    /// Controls: C-085.
    #[tokio::test]
    async fn client_scheme_and_host_headers_are_ignored() {
        let own = "/code https://reset.contoh.example/code?lang=ms";
        assert_eq!(told("/code", "lang=ms", json!({})).await, own);
        for proto in ["http", "", "a b", "javascript", "://"] {
            assert_eq!(told("/code", "lang=ms", json!({ "x-forwarded-proto": proto })).await, own, "{proto}");
        }
        for host in ["evil.example", "", "a b", "[::1", "x:99999", "user@x"] {
            assert_eq!(told("/code", "lang=ms", json!({ "host": host })).await, own, "{host}");
        }
    }

    #[tokio::test]
    async fn invalid_query_or_path_is_replaced() {
        let without = "/ https://reset.contoh.example/";
        for query in ["lang=<script>", "lang=ms#x", "a b", "lang=ms\u{e9} "] {
            assert_eq!(told("/", query, json!({})).await, without, "{query}");
        }
        for path in ["*", "", "@evil.example/", ":99999", "https://evil.example/"] {
            assert!(
                told(path, "", json!({})).await.starts_with("/* https://reset.contoh.example/*"),
                "{path}"
            );
        }
    }

    #[tokio::test]
    async fn unfit_cookie_does_not_hide_others() {
        let own = "__Host-rekey=own";
        for other in
            ["a=\u{e4}", "a=\u{540d}", "a=\u{fffd}", "a=\u{1}", "a=\u{7f}", "a=\r\nb", "", "a", "\u{0}"]
        {
            for cookies in [json!([other, own]), json!([own, other]), json!([format!("{other}; {own}")])] {
                let event = json!({
                    "version": "2.0", "routeKey": "$default", "rawPath": "/", "rawQueryString": "",
                    "cookies": cookies, "headers": {}, "isBase64Encoded": false,
                    "requestContext": {
                        "accountId": "0", "apiId": "a", "domainName": "reset.contoh.example", "requestId": "r",
                        "routeKey": "$default", "stage": "$default", "time": "", "timeEpoch": 0,
                        "http": { "method": "GET", "path": "/", "protocol": "", "sourceIp": "", "userAgent": "" },
                    },
                });
                let echo = async |request: Request| {
                    let lines = request.headers().get_all(header::COOKIE).into_iter();
                    String::from_utf8_lossy(&lines.map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b';'))
                        .into_owned()
                };
                let mut function = function(Router::new().fallback(any(echo)));
                let event = LambdaEvent::new(serde_json::from_value(event).unwrap(), Context::default());
                let answer = serde_json::to_value(function.call(event).await.unwrap()).unwrap();
                let seen = answer["body"].as_str().unwrap();
                assert!(seen.split(';').any(|cookie| cookie.trim() == own), "{cookies}: {seen}");
            }
        }
    }
}
