//! Tests the functions of the reset with whole events, in every step of a flow.

mod inputs;
mod scene;

use self::inputs::{At, SIDE, requests};
use self::scene::{FlowOwner, Scene};
use crate::harness::Property;
use crate::responses::{Rules, check_response, observable};

/// The permitted redirect targets.
const PLACES: [&str; 8] = ["/", "/reason", "/method", "/code", "/password", "/unlock", "/done", "/cancel"];

/// Controls: C-042.
#[test]
fn random_events_change_account_only_at_last_step() {
    let scene = Scene::new();
    let property = Property {
        name: "reset",
        cases: 800,
        reaches: &[
            "POST / 200 reason",
            "POST / 422 captcha-wrong",
            "POST /reason 200 method",
            "POST /reason 303 /method",
            "POST /code/send 200 code",
            "POST /code/send 422 contact-mismatch",
            "POST /code 200 method",
            "POST /code 200 password",
            "POST /code 422 code-wrong",
            "POST /password 200 done",
            "POST /password 422 password-rejected",
            "POST /unlock 200 done",
            "POST /cancel 200 ended",
            "GET /captcha/{token}/picture.png 200 image/png",
            "GET /captcha/{token}/sound.wav 200 audio/wav",
        ],
    };
    property.run(&requests(), |request| {
        scene.gateway.wait();
        let live = scene.set(request.at, FlowOwner::Person);
        let before = scene.account();
        let Some(answer) = scene.gateway.ask(&request, &live.filling) else { return "no request".to_owned() };
        let rules = Rules { places: &PLACES, secrets: &[&live.code] };
        let outcome = check_response(&request, &live.filling, &rules, &answer);
        if scene.account() != before {
            assert!(matches!(request.at, At::Password | At::Unlock), "changed at {:?}", request.at);
            assert!([200, 303].contains(&answer.status.as_u16()), "changed, but {outcome}");
        }
        format!("{} {outcome}", request.place(&SIDE))
    });
}

/// A client without the person's number and codes gets the same responses from a decoy.
/// Controls: C-001.
#[test]
fn known_and_unknown_names_are_answered_alike() {
    let scene = Scene::new();
    let property = Property {
        name: "names",
        cases: 350,
        reaches: &[
            "POST / 200",
            "POST /reason 200",
            "POST /code/send 200",
            "POST /code/send 422",
            "POST /code 422",
            "GET /method 200",
        ],
    };
    property.run(&requests(), |mut request| {
        if matches!(request.at, At::SecondMethod | At::SecondCode | At::Password | At::Unlock | At::Done) {
            request.at = At::FirstMethod;
        }
        let answers = [FlowOwner::Person, FlowOwner::Decoy].map(|owner| {
            scene.gateway.wait();
            let live = scene.set(request.at, owner).without_secrets();
            let answer = scene.gateway.ask(&request, &live.filling)?;
            Some(observable(&answer, |body| live.filling.unfill(body, &["{cookie}", "{at}", "{token}"])))
        });
        let [Some(person), Some(nobody)] = answers else { return "no request".to_owned() };
        let differing = person.1.lines().zip(nobody.1.lines()).find(|(one, other)| one != other);
        assert_eq!(differing, None);
        assert_eq!(person.1.len(), nobody.1.len());
        format!("{} {}", request.place(&SIDE), person.0)
    });
}
