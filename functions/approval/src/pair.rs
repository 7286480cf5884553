//! Pairs a device: it sends the pairing token, its public key and its push subscription.

use axum::extract::State;
use axum::response::Response;
use serde_json::json;
use shared::domain::code::OneTimeCode;
use shared::domain::device::{Device, DeviceKey, Signed};
use shared::domain::pairing::{PAIRING_DIGITS, PairingToken, WaitingDevice};
use shared::domain::push::Subscription;
use shared::http::problem::Problem;
use shared::http::{App, HandlerResult, IncomingRequest, respond};
use shared::ports::EntropyExt as _;

use super::Ports;

/// `POST /authenticator/pair`: returns the code that the device shows, to be typed where the token was shown. Until
/// it is typed the device belongs to no account.
pub(crate) async fn pair(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, try_pair).await
}

async fn try_pair(ports: &Ports, incoming: &mut IncomingRequest) -> HandlerResult {
    let now = ports.clock.now();
    let settings = &ports.app.settings;
    let mut fields = incoming.take_fields();
    let pairing = fields.require("pairing")?;
    let public_key = fields.require("public_key")?;
    let signature = fields.require("signature")?;
    let subscription = fields.take("subscription");
    fields.finish()?;

    let token = PairingToken::parse(&pairing).ok_or_else(|| Problem::malformed("pairing"))?;
    let key = DeviceKey::parse(&public_key).map_err(|_| Problem::malformed("public_key"))?;
    let signed = Signed::Pair {
        pairing: &pairing,
        public_key: &public_key,
        subscription: subscription.as_deref().map_or("", String::as_str),
    };
    if !key.verifies(&signed, &signature) {
        return Err(Problem::malformed("signature").into());
    }
    let subscription = subscription
        .as_deref()
        .map(|json| Subscription::parse(json, &settings.push_hosts))
        .transpose()
        .map_err(|_| Problem::malformed("subscription"))?;

    let spent = || Problem::CodeSpent;
    let pairing_key = token.key();
    let found = ports.pairings.open(pairing_key, &key, now).await?.ok_or_else(spent)?;
    let device = Device { account: found.account, id: found.entry };
    let subscription = subscription
        .map(|subscription| subscription.seal(&ports.push, &device, ports.entropy.bytes()))
        .transpose()?;
    let code = OneTimeCode::generate(PAIRING_DIGITS, ports.entropy.bytes());
    let tag = pairing_key.code_tag(&ports.app.flows, &code).ok_or(Problem::Unavailable)?;
    let waiting = WaitingDevice { id: device.id.clone(), key, subscription, name: incoming.browser.clone() };
    if !ports.pairings.pair(pairing_key, &waiting, tag, now).await? {
        return Err(spent().into());
    }
    let account = device.account.pseudonym(&ports.app.flows);
    tracing::info!(event = "device.paired", ?account, pushes = waiting.subscription.is_some());
    Ok(incoming.data(&json!({
        "device": device.handle(&ports.push, ports.entropy.bytes())?,
        "nonce": device.nonce(&ports.push, now),
        "account": found.label,
        "organisation": settings.organisation,
        "code": code.grouped(),
        "expires_at": found.expires_at.to_string(),
    })))
}
