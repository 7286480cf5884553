//! Serves the app: its page, its web app manifest, and the service worker that opens it offline.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header;
use serde_json::json;
use shared::domain::push::VapidKey;
use shared::http::problem::Problem;
use shared::http::{App, IncomingRequest, assets, respond};

use super::Ports;

/// Caches the page, so that the app opens without a network.
const SERVICE_WORKER: &str = include_str!("../assets/sw.js");

/// `GET /authenticator`: the page. Its script does the rest, so the page depends on no account.
pub(crate) async fn page(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| {
        let key = VapidKey::of(&ports.push).ok_or(Problem::Unavailable)?;
        Ok(incoming.authenticator(&key.public()))
    })
    .await
}

/// `GET /authenticator/manifest.webmanifest` (W3C Web Application Manifest).
pub(crate) async fn manifest(incoming: IncomingRequest) -> Response {
    let organisation = &incoming.app.settings.organisation;
    let icon = |name: &str, sizes: &str, purpose: &str| json!({ "src": assets::path(name), "sizes": sizes, "type": "image/png", "purpose": purpose });
    let manifest = json!({
        "id": "/authenticator",
        "start_url": "/authenticator",
        "scope": "/authenticator",
        "name": format!("{organisation}: {}", incoming.authenticator_name()),
        "short_name": incoming.authenticator_name(),
        "lang": incoming.language.tag(),
        "display": "standalone",
        "theme_color": incoming.app.settings.colour.as_deref().unwrap_or("#1d4f91"),
        "background_color": "#f3f5f8",
        "icons": [
            icon("app-192.png", "192x192", "any"),
            icon("app-512.png", "512x512", "any"),
            icon("app-maskable.png", "512x512", "maskable"),
        ],
    });
    ([(header::CONTENT_TYPE, "application/manifest+json")], manifest.to_string()).into_response()
}

/// `GET /authenticator/sw.js`. A worker's widest scope is its own folder (Service Workers §4.3). The page lies above
/// that folder, so a header allows the wider scope. Browsers fetch the worker again at least once a day, and the
/// response is small.
pub(crate) async fn service_worker() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::HeaderName::from_static("service-worker-allowed"), "/authenticator"),
    ];
    (headers, SERVICE_WORKER).into_response()
}
