//! Whole events to the functions.

use rekey_tests::Answer;
use serde_json::Value;

use crate::answers::judge;
use crate::harness::Target;
use crate::inputs::{At, requests};
use crate::scene::{Live, Scene, Whose};

#[test]
fn any_event_is_answered_and_changes_an_account_only_at_the_end() {
    let scene = Scene::new();
    let target = Target {
        name: "events",
        cases: 700,
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
    target.run(&requests(), |request| {
        scene.wait();
        let live = scene.set(request.flow, Whose::Person);
        let before = scene.account();
        let Some(answer) = scene.ask(&request, &live) else { return "no request".to_owned() };
        let outcome = judge(&request, &live, &answer);
        if scene.account() != before {
            assert!(matches!(request.flow, At::Password | At::Unlock), "changed at {:?}", request.flow);
            assert!([200, 303].contains(&answer.status.as_u16()), "changed, but {outcome}");
        }
        format!("{} {outcome}", request.place())
    });
}

/// What somebody without the person's number and codes sees is the same for a decoy.
#[test]
fn known_and_unknown_names_are_answered_alike() {
    let scene = Scene::new();
    let target = Target {
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
    target.run(&requests(), |mut request| {
        if matches!(request.flow, At::Second | At::AwaitingSecond | At::Password | At::Unlock | At::Done) {
            request.flow = At::First;
        }
        let answers = [Whose::Person, Whose::Nobody].map(|whose| {
            scene.wait();
            let live = scene.set(request.flow, whose).without_secrets();
            let answer = scene.ask(&request, &live)?;
            Some(seen(&answer, &live))
        });
        let [Some(person), Some(nobody)] = answers else { return "no request".to_owned() };
        let differing = person.1.lines().zip(nobody.1.lines()).find(|(one, other)| one != other);
        assert_eq!(differing, None);
        assert_eq!(person.1.len(), nobody.1.len());
        format!("{} {}", request.place(), person.0)
    });
}

/// An answer without what differs from one to the next: cookies, references, challenges, times, names.
fn seen(answer: &Answer, live: &Live) -> (u16, String) {
    let mut headers: Vec<&str> = answer.headers.keys().map(http::HeaderName::as_str).collect();
    headers.sort_unstable();
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    let body = match serde_json::from_str::<Value>(&body) {
        Ok(mut body) => {
            for member in ["captcha", "expires_at", "resend_at", "login"] {
                if let Some(value) = body.get_mut(member) {
                    *value = Value::Null;
                }
            }
            body.to_string()
        }
        Err(_) if body.contains("captcha_token") => "the first page".to_owned(),
        Err(_) if body.starts_with("<!") => live.unfill(&body),
        Err(_) => answer.header("content-type").unwrap_or_default().to_owned(),
    };
    let cookies = answer.headers.get_all("set-cookie").iter().count();
    let location = answer.header("location").unwrap_or_default();
    let status = answer.status.as_u16();
    (status, format!("{status} {location} {headers:?} {cookies} cookies\n{body}"))
}
