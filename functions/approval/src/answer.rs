//! What waits for a device, and what it answers.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::{Value, json};
use shared::domain::approval::{ApprovalNumber, ApprovalRequest, PAUSE};
use shared::domain::device::{Device, Signed};
use shared::domain::flow::{Flow, RequestId};
use shared::domain::holder::HolderId;
use shared::domain::language::Language;
use shared::domain::message::{Message, Refused};
use shared::domain::time::{Seconds, Timestamp};
use shared::http::problem::Problem;
use shared::http::{App, Incoming, Outcome, answer as respond};
use shared::ports::{Answered, DeviceAnswer, EntropyExt as _, Versioned};

use super::Ports;
use super::caller::Claim;

/// How often the end of a flow that somebody changes meanwhile is tried.
const ATTEMPTS: u8 = 5;

/// `GET /authenticator/requests`, signed in headers: `Rekey-Device`, `Rekey-Nonce`, `Rekey-Signature`.
pub(crate) async fn requests(app: State<App<Ports>>, headers: HeaderMap, incoming: Incoming) -> Response {
    respond(app, incoming, async |ports, incoming| try_requests(ports, &headers, incoming).await).await
}

async fn try_requests(ports: &Ports, headers: &HeaderMap, incoming: &Incoming) -> Outcome {
    let now = ports.clock.now();
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let nonce = header("rekey-nonce");
    let claim = Claim {
        handle: header("rekey-device"),
        nonce,
        signed: Signed::Requests { nonce },
        signature: header("rekey-signature"),
    };
    let (device, stored) = claim.verified(ports, now).await?;
    let mut waiting = Vec::new();
    if stored.usable_from <= now {
        let newest = ports.approvals.newest(&device.account).await?;
        waiting.extend(newest.filter(|request| request.is_open(now)).map(|request| shown(&request, now)));
    }
    let usable_from = (stored.usable_from > now).then(|| stored.usable_from.to_string());
    let nonce = device.nonce(&ports.push, now);
    Ok(incoming.data(&json!({ "nonce": nonce, "usable_from": usable_from, "requests": waiting })))
}

/// A request as the app shows it: everything but the number.
fn shown(request: &ApprovalRequest, now: Timestamp) -> Value {
    json!({
        "request": request.id.to_string(),
        "network": request.asker.network,
        "browser": request.asker.browser,
        "created_at": request.created_at.to_string(),
        "expires_at": request.expires_at.to_string(),
        "seconds_left": request.expires_at.seconds_after(now),
    })
}

/// `POST /authenticator/answer`.
pub(crate) async fn answer(app: State<App<Ports>>, incoming: Incoming) -> Response {
    respond(app, incoming, try_answer).await
}

async fn try_answer(ports: &Ports, incoming: &mut Incoming) -> Outcome {
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
    let claim = Claim { handle: &handle, nonce: &nonce, signed, signature: &signature };
    let (device, stored) = claim.verified(ports, now).await?;
    if stored.usable_from > now {
        return Err(Problem::CodeSpent.into());
    }
    let answer = match number {
        Some(number) => {
            let tag = number.tag(&ports.site.flows, request).ok_or(Problem::Unavailable)?;
            DeviceAnswer::Number { tag, young: stored.old_from > now }
        }
        None => DeviceAnswer::Denied(now + PAUSE),
    };
    let account = device.account.pseudonym(&ports.site.flows);
    let status = match ports.approvals.answer(&device.account, request, answer, now).await? {
        Answered::Approved => {
            // It is approved whether or not the page will say when the device was used last.
            if let Err(reason) = ports.devices.note_used(&device, now).await {
                tracing::warn!(event = "use-not-noted", ?account, ?reason);
            }
            "approved"
        }
        Answered::Denied { request, told } => {
            refuse(ports, &device, &request, told, now).await?;
            "denied"
        }
        Answered::Wrong => {
            tracing::info!(event = "approval", ?account, outcome = "wrong");
            return Err(Problem::CodeWrong { attempts_left: None }.into());
        }
        Answered::Gone => return Err(Problem::CodeSpent.into()),
    };
    tracing::info!(event = "approval", ?account, outcome = status);
    let nonce = device.nonce(&ports.push, now);
    Ok(incoming.data(&json!({ "nonce": nonce, "status": status })))
}

/// Tells everybody and ends what asked, a reset or a session: whoever holds it is not the owner. Neither waits for the
/// other's success, and the same refusal once more (a lost answer, a queue that was out of order) does what was left
/// undone.
async fn refuse(
    ports: &Ports,
    device: &Device,
    request: &ApprovalRequest,
    told: bool,
    now: Timestamp,
) -> Outcome<()> {
    let flow = ports.flows.load(request.flow, now).await?;
    let session = match flow {
        Some(_) => None,
        None => ports.sessions.session(request.flow, now).await?,
    };
    let of_flow = flow.as_ref().map(|found| found.value.facts().language);
    let of_session = session.as_ref().map(|found| found.value.facts().language);
    let language = of_flow.or(of_session).or(ports.site.settings.languages.first().copied());
    let queued =
        if told { Ok(()) } else { tell(ports, device, request, language.unwrap_or_default(), now).await };
    if session.is_some() {
        ports.sessions.end(request.flow).await?;
    }
    cancel(ports, request.flow, flow, now).await?;
    queued
}

/// Queues the notices, and notes it. Where that can't be noted, the same refusal tells twice: better than never.
async fn tell(
    ports: &Ports,
    device: &Device,
    request: &ApprovalRequest,
    language: Language,
    now: Timestamp,
) -> Outcome<()> {
    let message = Message::Refused(Refused { account: device.account.clone(), at: now, language });
    let envelope = message.seal(&ports.messages, request.flow, ports.entropy.bytes())?;
    ports.queue.send(&[envelope], Seconds(0)).await?;
    Ok(ports.approvals.note_told(&device.account, request.id).await?)
}

/// Ends the flow that was refused, if it is not over.
async fn cancel(
    ports: &Ports,
    key: HolderId,
    mut found: Option<Versioned<Flow>>,
    now: Timestamp,
) -> Outcome<()> {
    let is_over = |flow: &Flow| matches!(flow, Flow::Cancelled(_) | Flow::Done(_));
    for _ in 0..ATTEMPTS {
        let Some(open) = found.take().filter(|found| !is_over(&found.value)) else { return Ok(()) };
        if ports.flows.replace(key, open.revision, &open.value.cancel(), now).await? {
            return Ok(());
        }
        found = ports.flows.load(key, now).await?;
    }
    Err(Problem::Unavailable.into())
}
