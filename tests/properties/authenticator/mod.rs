//! Tests the function of the authenticator app with whole events, in every state of a device.

mod inputs;
mod scene;

use rekey_tests::Answer;
use shared::domain::approval::RequestStatus;
use shared::ports::PairingState;

use self::inputs::{At, SIDE, requests};
use self::scene::{Live, Scene};
use crate::gateway::{fields, request_text};
use crate::harness::Property;
use crate::requests::Request;
use crate::responses::{Rules, check_response};
use crate::snapshot::Change;

/// Controls: C-033.
#[test]
fn random_events_never_pair_or_approve_without_signature() {
    let scene = Scene::new();
    let property = Property {
        name: "authenticator",
        cases: 550,
        reaches: &[
            "GET /authenticator 200 text/html; charset=utf-8",
            "GET /authenticator/manifest.webmanifest 200 application/manifest+json",
            "GET /authenticator/sw.js 200 text/javascript; charset=utf-8",
            "GET /authenticator/requests 200 data",
            "GET /authenticator/requests 409 nonce-stale",
            "GET /authenticator/requests 403 device-unknown",
            "POST /authenticator/pair 200 data",
            "POST /authenticator/pair 400 malformed",
            "POST /authenticator/pair 422 code-spent",
            "POST /authenticator/answer 200 data",
            "POST /authenticator/answer 400 malformed",
            "POST /authenticator/answer 403 device-unknown",
            "POST /authenticator/answer 409 nonce-stale",
            "POST /authenticator/answer 422 code-wrong",
            "POST /authenticator/answer 422 code-spent",
            "paired",
            "approved",
            "refused",
            "wrong",
            "a request is seen",
            "not yet",
        ],
    };
    property.run_all(&requests(), |request| {
        scene.gateway.wait();
        let live = scene.set(&request);
        let (status, pairing) = (scene.status(), scene.pairing(&live));
        let Some(answer) = scene.gateway.ask(&request, &live.filling) else {
            return vec!["no request".to_owned()];
        };
        let changes = scene.changes();
        let rules = Rules { places: &[], secrets: &[] };
        let outcome = check_response(&request, &live.filling, &rules, &answer);
        assert!(!answer.headers.contains_key("set-cookie") || request.query.contains("lang"), "a cookie");
        let mut outcomes = vec![format!("{} {outcome}", request.place(&SIDE))];
        outcomes.extend(paired(&scene, &request, &live, &answer, &pairing));
        outcomes.extend(answered(&scene, &request, &live, status, &changes));
        outcomes.extend(listed(&request, &live, &answer));
        outcomes
    });
}

/// Checks pairing. Only a device with the token and a signature by its new key may use the token, and only once. A
/// device that gets a code has used it.
fn paired(
    scene: &Scene,
    request: &Request<At>,
    live: &Live,
    answer: &Answer,
    before: &PairingState,
) -> Option<String> {
    let is_code_returned = request.place(&SIDE) == "POST /authenticator/pair" && answer.status == 200;
    let may_pair = !matches!(request.at, At::TokenUsed | At::Confirmed | At::Ended);
    let after = scene.pairing(live);
    if after != *before {
        assert!(may_pair, "{before:?} became {after:?} at {:?}", request.at);
        assert!(
            is_code_returned && matches!(after, PairingState::Waiting(_)),
            "{after:?}, but {}",
            answer.status
        );
    }
    if request.at == At::TokenUsed {
        assert!(scene.belongs_to_first_device(live), "who was faster lost their pairing");
    }
    if !is_code_returned {
        return None;
    }
    assert!(may_pair, "paired at {:?}", request.at);
    let said = request_text(request, &live.filling);
    for needed in ["{pairing}", "{key}", "{signature}"] {
        assert!(said.contains(live.filling.get(needed)), "paired without {needed}");
    }
    let subscription =
        fields(&request.body, &live.filling).into_iter().find(|(name, _)| name == "subscription");
    assert!(
        subscription.is_none_or(|(_, text)| text.is_empty() || text.contains("http://127.0.0.1:")),
        "a subscription of no service of ours"
    );
    Some("paired".to_owned())
}

/// Checks answers. Only the signature of an enrolled device past its waiting period answers a request, and it must
/// cover that answer. The only other changes are the device's time of last use, after an approval, and the end of known
/// devices, after a denial.
fn answered(
    scene: &Scene,
    request: &Request<At>,
    live: &Live,
    before: RequestStatus,
    changes: &[Change],
) -> Option<String> {
    let after = scene.status();
    for change in changes {
        assert_eq!(change.table, "SecurityInfoTable");
        let follows = match change.attribute.as_str() {
            "last_used_at" => RequestStatus::Approved,
            "device_epoch" => RequestStatus::Denied,
            other => panic!("{other} was changed"),
        };
        assert_eq!(after, follows, "{}", change.attribute);
    }
    if after == before {
        assert!(
            scene.session_exists(live) || (request.at, after) == (At::Denied, RequestStatus::Denied),
            "it ended"
        );
        return None;
    }
    assert_eq!(request.place(&SIDE), "POST /authenticator/answer");
    assert_eq!((request.at, before), (At::RequestPending, RequestStatus::Pending), "it became {after:?}");
    let sent = fields(&request.body, &live.filling);
    let field = |name: &str| {
        let found = sent.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let said = request_text(request, &live.filling);
    for needed in ["{device}", "{nonce}", "{request}", "{signature}"] {
        assert!(said.contains(live.filling.get(needed)), "{after:?} without {needed}");
    }
    let is_right = field("number").trim() == live.filling.get("{number}");
    assert_eq!(
        scene.session_exists(live),
        after != RequestStatus::Denied,
        "the session goes on, unless the request was denied"
    );
    Some(match after {
        RequestStatus::Approved => {
            assert!(is_right, "approved by another number");
            "approved".to_owned()
        }
        RequestStatus::Denied => {
            assert!(said.contains("true"), "refused by {sent:?}");
            "refused".to_owned()
        }
        RequestStatus::Wrong => {
            assert!(!is_right);
            "wrong".to_owned()
        }
        RequestStatus::Pending => panic!("it waits again"),
    })
}

/// Checks that waiting requests are shown only to a device that signed, and never with the number.
fn listed(request: &Request<At>, live: &Live, answer: &Answer) -> Option<String> {
    if request.place(&SIDE) != "GET /authenticator/requests" || answer.status != 200 {
        return None;
    }
    let is_own = ["{device}", "{nonce}", "{signature}"]
        .iter()
        .all(|needed| request_text(request, &live.filling).contains(live.filling.get(needed)));
    assert!(is_own && request.at != At::Removed, "listed without a signature");
    if answer.headers.contains_key("content-encoding") {
        return None;
    }
    let list = answer.json();
    let waiting = list["requests"].as_array().unwrap();
    assert_eq!(waiting.len(), usize::from(request.at == At::RequestPending), "{list}");
    if list["usable_from"].is_string() {
        assert_eq!(request.at, At::WaitingPeriod);
        return Some("not yet".to_owned());
    }
    let waiting = waiting.first()?;
    assert_eq!(waiting["request"], live.filling.get("{request}"));
    assert!(waiting.get("number").is_none(), "{waiting}");
    Some("a request is seen".to_owned())
}
