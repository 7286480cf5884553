//! Stands in for API Gateway between a browser and a function. `lambda_http` itself converts events and responses, so
//! the code that runs here is the code that is deployed.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header, request, uri::Authority};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use serde::Deserialize;
use serde_json::json;
use tower::Service as _;

use crate::system::System;
use crate::template::Route;

mod event;
mod routes;

use event::{Arrival, HOP_BY_HOP, decoded_path, event};
use routes::{Chosen, Routes};

/// API Gateway's limit for a request body, in bytes.
const BODY_MAX: usize = 10 * 1_048_576;
/// Lambda's limit for an event and for a response, in bytes.
const PAYLOAD_MAX: usize = 6 * 1_048_576;
/// API Gateway's limit for the request line and all headers together, in bytes.
const HEADERS_MAX: usize = 10_240;
/// API Gateway's limit for an integration.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Builds the gateway in front of the functions, which are given by crate name. It answers under `name`, as a custom
/// domain, and under IP addresses. It rejects any other host, which prevents DNS rebinding by web pages.
#[expect(clippy::implicit_hasher, reason = "one caller, one kind of map")]
pub fn router(system: System, name: &str, routes: Vec<Route>, functions: HashMap<String, Router>) -> Router {
    let name = name.to_ascii_lowercase();
    let gateway = Gateway { system, name, routes: Routes::new(routes), functions };
    Router::new().fallback(handle).with_state(Arc::new(gateway))
}

struct Gateway {
    system: System,
    name: String,
    routes: Routes,
    functions: HashMap<String, Router>,
}

async fn handle(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    let id = gateway.system.id();
    let mut response = match gateway.answer(peer, request, &id).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    // Every response of an HTTP API has this header.
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HeaderName::from_static("apigw-requestid"), id);
    }
    response
}

/// An error response of the gateway itself.
#[derive(Debug, Clone, Copy)]
enum GatewayError {
    BadRequest,
    Forbidden,
    TooLarge,
    HeadersTooLarge,
    NotFound,
    Unavailable,
    Failed,
}

impl GatewayError {
    fn into_response(self) -> Response<Body> {
        let (status, message) = match self {
            Self::BadRequest => (StatusCode::BAD_REQUEST, "Bad Request"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "Forbidden"),
            Self::NotFound => (StatusCode::NOT_FOUND, "Not Found"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
            Self::HeadersTooLarge => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large")
            }
            Self::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        };
        let mut response = Response::new(Body::from(json!({"message": message}).to_string()));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

impl Gateway {
    async fn answer(
        &self,
        peer: SocketAddr,
        request: Request,
        id: &str,
    ) -> Result<Response<Body>, GatewayError> {
        let (parts, body) = request.into_parts();
        if size_of_head(&parts) > HEADERS_MAX {
            return Err(GatewayError::HeadersTooLarge);
        }
        let host = self.host(&parts)?;
        let path = decoded_path(parts.uri.path()).ok_or(GatewayError::BadRequest)?;
        let body = axum::body::to_bytes(body, BODY_MAX).await.map_err(|_| GatewayError::TooLarge)?;
        let chosen = self.routes.choose(parts.method.as_str(), &path).ok_or(GatewayError::NotFound)?;
        let arrival = Arrival { peer, host: &host, path: &path, at: self.system.now(), id };
        let event = event(&parts, &body, &chosen, &arrival).to_string();
        if event.len() > PAYLOAD_MAX {
            return Err(GatewayError::TooLarge);
        }
        let answer = self.invoke(&chosen, &event, id).await?;
        if answer.len() > PAYLOAD_MAX {
            tracing::error!(route = chosen.key, "a response exceeds Lambda's limit of 6 MiB");
            return Err(GatewayError::Failed);
        }
        read_response(&answer).ok_or_else(|| {
            tracing::error!(route = chosen.key, "a response is not in payload format 2.0 of API Gateway");
            GatewayError::Failed
        })
    }

    /// Returns the requested host if it is valid and allowed.
    fn host(&self, parts: &request::Parts) -> Result<String, GatewayError> {
        let mut given = parts.headers.get_all(header::HOST).into_iter();
        let host = given.next().and_then(|host| host.to_str().ok()).ok_or(GatewayError::BadRequest)?;
        let authority: Authority = host.parse().map_err(|_| GatewayError::BadRequest)?;
        let name = authority.host();
        let port = host.strip_prefix(name).unwrap_or("@");
        let has_fit_port =
            port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
        if given.next().is_some() || name.is_empty() || !has_fit_port {
            return Err(GatewayError::BadRequest);
        }
        let name = name.to_ascii_lowercase();
        let is_address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        let is_ours = is_address || name == "localhost" || name == self.name;
        if is_ours { Ok(host.to_ascii_lowercase()) } else { Err(GatewayError::Forbidden) }
    }

    /// Invokes a function with the text of an event and returns the text of its response. A panic is a failed
    /// invocation, as in Lambda, and doesn't affect the next one.
    async fn invoke(&self, chosen: &Chosen<'_>, event: &str, id: &str) -> Result<String, GatewayError> {
        let Some(function) = self.functions.get(chosen.function) else {
            tracing::error!(
                function = chosen.function,
                "template.yaml names a function that infra/local/src/compose.rs lacks"
            );
            return Err(GatewayError::Failed);
        };
        let event: LambdaRequest = serde_json::from_str(event).map_err(|error| {
            tracing::error!(%error, "lambda_http can't parse the event");
            GatewayError::Failed
        })?;
        let mut context = Context::default();
        id.clone_into(&mut context.request_id);
        // A router is always ready. The adapter isn't `Send`, so it is dropped before the await.
        let invocation = {
            let mut adapter = shared::http::function(function.clone());
            tokio::spawn(adapter.call(LambdaEvent::new(event, context)))
        };
        let done = match tokio::time::timeout(TIMEOUT, invocation).await {
            Ok(Ok(Ok(answer))) => serde_json::to_string(&answer),
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(panicked)) => {
                tracing::error!(error = %panicked, function = chosen.function, "a function failed");
                return Err(GatewayError::Failed);
            }
            Err(_) => return Err(GatewayError::Unavailable),
        };
        done.map_err(|_| GatewayError::Failed)
    }
}

fn size_of_head(parts: &request::Parts) -> usize {
    let line = parts.method.as_str().len() + parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
    parts.headers.iter().fold(line, |size, (name, value)| size + name.as_str().len() + value.len())
}

/// A response in payload format 2.0.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LambdaResponse {
    status_code: u16,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    cookies: Vec<String>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

fn read_response(json: &str) -> Option<Response<Body>> {
    let answer: LambdaResponse = serde_json::from_str(json).ok()?;
    let body = match answer.body {
        Some(body) if answer.is_base64_encoded => STANDARD.decode(body).ok()?,
        Some(body) => body.into_bytes(),
        None => Vec::new(),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status_code).ok()?;
    for (name, value) in answer.headers {
        let name = HeaderName::try_from(name).ok()?;
        if name != header::CONTENT_LENGTH && !HOP_BY_HOP.contains(&name.as_str()) {
            response.headers_mut().insert(name, HeaderValue::try_from(value).ok()?);
        }
    }
    for cookie in answer.cookies {
        response.headers_mut().append(header::SET_COOKIE, HeaderValue::try_from(cookie).ok()?);
    }
    Some(response)
}
