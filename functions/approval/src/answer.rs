//! Lists the approval requests for a device and records its answers.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::{Value, json};
use shared::domain::approval::{ApprovalNumber, ApprovalRequest, PAUSE};
use shared::domain::device::{Device, Signed};
use shared::domain::flow::{Flow, RequestId};
use shared::domain::holder::HolderId;
use shared::domain::language::Language;
use shared::domain::message::{ApprovalDenied, Message};
use shared::domain::time::{Seconds, Timestamp};
use shared::http::problem::Problem;
use shared::http::{App, HandlerResult, IncomingRequest, respond};
use shared::ports::{Answered, DeviceAnswer, EntropyExt as _, Versioned};

use super::Ports;
use super::caller::DeviceCredentials;

/// Writes made to cancel a flow that other requests change at the same time.
const MAX_WRITES: u8 = 5;

/// `GET /authenticator/requests`, signed in the headers `Rekey-Device`, `Rekey-Nonce` and `Rekey-Signature`.
pub(crate) async fn requests(
    app: State<App<Ports>>,
    headers: HeaderMap,
    incoming: IncomingRequest,
) -> Response {
    respond(app, incoming, async |ports, incoming| try_requests(ports, &headers, incoming).await).await
}

async fn try_requests(ports: &Ports, headers: &HeaderMap, incoming: &IncomingRequest) -> HandlerResult {
    let now = ports.clock.now();
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let nonce = header("rekey-nonce");
    let credentials = DeviceCredentials {
        handle: header("rekey-device"),
        nonce,
        signed: Signed::Requests { nonce },
        signature: header("rekey-signature"),
    };
    let (device, stored) = credentials.authenticate(ports, now).await?;
    let mut waiting = Vec::new();
    if stored.active_from <= now {
        let newest = ports.approvals.newest(&device.account).await?;
        waiting.extend(newest.filter(|request| request.is_open(now)).map(|request| shown(&request, now)));
    }
    let active_from = (stored.active_from > now).then(|| stored.active_from.to_string());
    let nonce = device.nonce(&ports.push, now);
    Ok(incoming.data(&json!({ "nonce": nonce, "usable_from": active_from, "requests": waiting })))
}

/// Returns a request as the app shows it: everything except the number, which the person types.
fn shown(request: &ApprovalRequest, now: Timestamp) -> Value {
    json!({
        "request": request.id.to_string(),
        "network": request.requester.network,
        "browser": request.requester.browser,
        "known_device": request.requester.known_device,
        "created_at": request.created_at.to_string(),
        "expires_at": request.expires_at.to_string(),
        "seconds_left": request.expires_at.seconds_after(now),
    })
}

/// `POST /authenticator/answer`: approves with the typed number, or refuses.
pub(crate) async fn answer(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, try_answer).await
}

async fn try_answer(ports: &Ports, incoming: &mut IncomingRequest) -> HandlerResult {
    let now = ports.clock.now();
    let mut fields = incoming.take_fields();
    let handle = fields.require("device")?;
    let nonce = fields.require("nonce")?;
    let signature = fields.require("signature")?;
    let request = fields.require("request")?;
    let request = RequestId::parse(&request).ok_or_else(|| Problem::malformed("request"))?;
    let (number, denied) = (fields.take("number"), fields.take("denied"));
    fields.finish()?;
    let (typed, number) = match (number.as_deref(), denied.as_deref().map(String::as_str)) {
        (Some(typed), None) => {
            let number = ApprovalNumber::parse(typed).map_err(|_| Problem::malformed("number"))?;
            (typed.as_str(), Some(number))
        }
        (None, Some("true")) => ("denied", None),
        _ => return Err(Problem::malformed("number").into()),
    };
    let signed = Signed::Answer { nonce: &nonce, request, answer: typed };
    let credentials = DeviceCredentials { handle: &handle, nonce: &nonce, signed, signature: &signature };
    let (device, stored) = credentials.authenticate(ports, now).await?;
    if stored.active_from > now {
        return Err(Problem::CodeSpent.into());
    }
    let answer = match number {
        Some(number) => {
            let tag = number.tag(&ports.app.flows, request).ok_or(Problem::Unavailable)?;
            DeviceAnswer::Number { tag, young: stored.old_from > now }
        }
        None => DeviceAnswer::Denied(now + PAUSE),
    };
    let account = device.account.pseudonym(&ports.app.flows);
    let status = match ports.approvals.answer(&device.account, request, answer, now).await? {
        Answered::Approved => {
            // Without `last used` the approval is still valid, so a failed write is only logged.
            if let Err(reason) = ports.devices.note_used(&device, now).await {
                tracing::warn!(event = "device.last_used_write_failed", ?account, ?reason);
            }
            "approved"
        }
        Answered::Denied { request, notified } => {
            refuse(ports, &device, &request, notified, now).await?;
            "denied"
        }
        Answered::Wrong => {
            tracing::info!(event = "approval.answered", ?account, outcome = "wrong");
            return Err(Problem::CodeWrong { attempts_left: None }.into());
        }
        Answered::Gone => return Err(Problem::CodeSpent.into()),
    };
    tracing::info!(event = "approval.answered", ?account, outcome = status);
    let nonce = device.nonce(&ports.push, now);
    Ok(incoming.data(&json!({ "nonce": nonce, "status": status })))
}

/// Notifies every contact, ends the flow or session of the request, whose holder is not the owner, and ends the account's
/// known devices. Each part runs even if another fails. The same refusal sent again (lost response, queue unavailable)
/// completes the missing parts.
async fn refuse(
    ports: &Ports,
    device: &Device,
    request: &ApprovalRequest,
    notified: bool,
    now: Timestamp,
) -> HandlerResult<()> {
    let flow = ports.flows.load(request.flow, now).await?;
    let session = match flow {
        Some(_) => None,
        None => ports.sessions.session(request.flow, now).await?,
    };
    let of_flow = flow.as_ref().map(|found| found.value.context().language);
    let of_session = session.as_ref().map(|found| found.value.context().language);
    let language = of_flow.or(of_session).or(ports.app.settings.languages.first().copied());
    let queued = if notified {
        Ok(())
    } else {
        notify(ports, device, request, language.unwrap_or_default(), now).await
    };
    let ended = if session.is_some() { ports.sessions.end(request.flow).await } else { Ok(()) };
    let cancelled = cancel(ports, request.flow, flow, now).await;
    let revoked = ports.known_devices.revoke(&device.account).await;
    ended?;
    cancelled?;
    revoked?;
    queued
}

/// Queues the notifications and records that they were queued. If recording fails, a repeated refusal notifies twice.
async fn notify(
    ports: &Ports,
    device: &Device,
    request: &ApprovalRequest,
    language: Language,
    now: Timestamp,
) -> HandlerResult<()> {
    let message =
        Message::ApprovalDenied(ApprovalDenied { account: device.account.clone(), at: now, language });
    let envelope = message.seal(&ports.messages, request.flow, ports.entropy.bytes())?;
    ports.queue.send(&[envelope], Seconds(0)).await?;
    Ok(ports.approvals.note_notified(&device.account, request.id).await?)
}

/// Cancels the flow of a refused request, unless it has ended already.
async fn cancel(
    ports: &Ports,
    key: HolderId,
    mut found: Option<Versioned<Flow>>,
    now: Timestamp,
) -> HandlerResult<()> {
    let is_over = |flow: &Flow| matches!(flow, Flow::Cancelled(_) | Flow::Done(_));
    for _ in 0..MAX_WRITES {
        let Some(open) = found.take().filter(|found| !is_over(&found.value)) else { return Ok(()) };
        if ports.flows.replace(key, open.revision, &open.value.cancel(), now).await? {
            return Ok(());
        }
        found = ports.flows.load(key, now).await?;
    }
    Err(Problem::Unavailable.into())
}
