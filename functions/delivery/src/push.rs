//! Pushes to the devices of an account.

use futures_util::future::join_all;
use shared::domain::device::Device;
use shared::domain::message::Push;
use shared::domain::push::Subscription;
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{self, SendError};

use crate::{End, Ports, Verdict};

/// What is pushed. Which request, whose and with what number the app asks for itself: a push says only that it should.
const PAYLOAD: &[u8] = br#"{"event":"request"}"#;
/// A newer request takes the place of an older one that was not delivered (RFC 8030 §5.4).
const TOPIC: &str = "request";

/// Pushes to every device, all at once: a push service that does not answer keeps no device waiting but its own. It has
/// come if one device got it; a device whose subscription is gone shows the request when its app is opened.
pub(crate) async fn push(ports: &Ports, push: &Push, now: Timestamp) -> Verdict {
    let targets = match ports.push_targets.push_targets(&push.account, now).await {
        Ok(targets) => targets,
        Err(error) => return Verdict::failed(End::Again, &error),
    };
    let lifetime = Seconds(push.expires_at.seconds_after(now));
    let what = ports::Push { payload: PAYLOAD, lifetime, topic: TOPIC };
    let to = async |(device, sealed): (Device, String)| {
        let Ok(subscription) = Subscription::open(&ports.push, &device, &sealed) else {
            return Verdict::ended(End::Refused, "the subscription does not open");
        };
        match ports.pushes.push(&subscription, &what, now).await {
            Ok(()) => Verdict::ended(End::Sent, ""),
            Err(error @ SendError::Unavailable(_)) => Verdict::failed(End::Again, &error),
            Err(error @ SendError::Refused(_)) => Verdict::failed(End::Refused, &error),
        }
    };
    let none = Verdict::ended(End::Dropped, "no device takes pushes");
    join_all(targets.into_iter().map(to)).await.into_iter().fold(none, Verdict::or)
}
