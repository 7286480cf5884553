//! Attacks that succeeded against other reset services, repeated on this one. `infra/security/incidents.md` lists each
//! incident and its test, here or elsewhere.

mod addresses;
mod input;
mod outages;
mod sessions;
mod steps;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::ConnectInfo;
use http::Method;
use rekey_tests::{Answer, Browser, World};
use serde_json::Value;

/// Returns a different code.
fn wrong(code: &str, n: u32) -> String {
    format!("{:08}", (code.parse::<u32>().unwrap() + 1 + n) % 100_000_000)
}

/// Returns a browser whose flow waits for a code sent by email.
async fn with_code(world: &Arc<World>) -> Browser {
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    assert_eq!(browser.send_email().await.page(), "code");
    browser
}

/// Sends `POST path` with JSON and further headers, from an address of this network, a /24.
async fn post_from(
    browser: &mut Browser,
    network: u8,
    headers: &[(&str, &str)],
    path: &str,
    body: &Value,
) -> Answer {
    let mut request = browser.request(Method::POST, path).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let peer = SocketAddr::from(([198, 51, network, 7], 40_000));
    browser.send(request.extension(ConnectInfo(peer)).body(body.to_string()).unwrap()).await
}
