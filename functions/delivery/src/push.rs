//! Sends pushes to the devices of an account.

use futures_util::future::join_all;
use shared::domain::device::Device;
use shared::domain::message::ApprovalPush;
use shared::domain::push::Subscription;
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{self, SendError};

use crate::{End, Ports, Verdict};

/// The payload names no request, account or number: a push only makes the app fetch its requests.
const PAYLOAD: &[u8] = br#"{"event":"request"}"#;
/// A newer push replaces an older undelivered one (RFC 8030 §5.4).
const TOPIC: &str = "request";

/// Pushes to all devices concurrently, so that a slow push service delays only its own device. One delivered push is
/// a success. A device without a subscription shows the request when its app is opened.
pub(crate) async fn push(ports: &Ports, push: &ApprovalPush, now: Timestamp) -> Verdict {
    let targets = match ports.push_targets.push_targets(&push.account, now).await {
        Ok(targets) => targets,
        Err(error) => return Verdict::failed(End::Retry, &error),
    };
    let lifetime = Seconds(push.expires_at.seconds_after(now));
    let what = ports::Push { payload: PAYLOAD, lifetime, topic: TOPIC };
    let to = async |(device, sealed): (Device, String)| {
        let Ok(subscription) = Subscription::open(&ports.push, &device, &sealed) else {
            return Verdict::ended(End::Refused, "the subscription does not open");
        };
        match ports.pushes.push(&subscription, &what, now).await {
            Ok(()) => Verdict::ended(End::Sent, ""),
            Err(error @ SendError::Unavailable(_)) => Verdict::failed(End::Retry, &error),
            Err(error @ SendError::Refused(_)) => Verdict::failed(End::Refused, &error),
        }
    };
    let none = Verdict::ended(End::Dropped, "no device takes pushes");
    join_all(targets.into_iter().map(to)).await.into_iter().fold(none, Verdict::or)
}
