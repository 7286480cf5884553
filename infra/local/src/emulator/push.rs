//! An emulated push service (RFC 8030) on loopback, for devices that subscribe at `/push/{anything}`.
//!
//! It checks what a real one checks: the signature (RFC 8292) and the form. Like a real one it can't decrypt the
//! payload, so the dev inbox shows it encrypted for the device.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use serde::Deserialize;
use shared::domain::time::{Seconds, Timestamp};

use crate::dev_inbox::{Channel, DevInbox, NewMessage};
use crate::system::System;

/// The size in bytes that every push service must accept (RFC 8030 §7.2).
const BODY_MAX: usize = 4_096;
/// A header of salt, record size, key id length and key (RFC 8188 §2.1), a tag and a delimiter.
const BODY_MIN: usize = 86 + 17;

/// The emulated push service.
#[derive(Clone)]
pub struct PushService {
    /// Clock for the expiry of signatures.
    pub system: System,
    /// Receives the pushes.
    pub dev_inbox: DevInbox,
    /// Its own origin, which signatures must have as audience.
    pub origin: String,
}

#[derive(Deserialize)]
struct Claims {
    aud: String,
    exp: i64,
    sub: String,
}

/// `POST /push/{subscription}`: accepts a push message (RFC 8030 §5).
pub async fn receive(
    State(service): State<PushService>,
    Path(subscription): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header("ttl").parse::<u32>().is_err() || header("content-encoding") != "aes128gcm" {
        return StatusCode::BAD_REQUEST;
    }
    if !(BODY_MIN..=BODY_MAX).contains(&body.len()) {
        return StatusCode::PAYLOAD_TOO_LARGE;
    }
    if !is_signed(header("authorization"), &service.origin, service.system.now()) {
        return StatusCode::FORBIDDEN;
    }
    service.dev_inbox.receive(NewMessage {
        channel: Channel::Push,
        to: subscription,
        subject: None,
        body: URL_SAFE_NO_PAD.encode(&body),
        html: None,
    });
    StatusCode::CREATED
}

/// Returns whether the header has the form of RFC 8292 §3. It must be for this origin, unexpired, and signed by the
/// key in it.
fn is_signed(authorization: &str, origin: &str, now: Timestamp) -> bool {
    let read = || {
        let (token, key) = authorization.strip_prefix("vapid t=")?.split_once(", k=")?;
        let (signed, signature) = token.rsplit_once('.')?;
        let key = VerifyingKey::from_sec1_bytes(&URL_SAFE_NO_PAD.decode(key).ok()?).ok()?;
        let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
        key.verify(signed.as_bytes(), &signature).ok()?;
        let (_, claims) = signed.split_once('.')?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        let ends = Timestamp::from_seconds(claims.exp);
        let is_contact = claims.sub.starts_with("mailto:") || claims.sub.starts_with("https:");
        Some(claims.aud == origin && now < ends && ends <= now + Seconds::DAY && is_contact)
    };
    read().unwrap_or_default()
}
