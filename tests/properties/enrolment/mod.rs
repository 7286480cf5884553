//! Tests `/security-info` with whole events, in every state of a session.

mod inputs;
mod scene;

use rekey_tests::Answer;
use rekey_tests::fixtures::Person;
use shared::domain::code::OneTimeCode;
use shared::domain::recovery_code::RecoveryCode;
use shared::domain::security_info::Kind;

use self::inputs::{At, SIDE, requests, sign_ins};

use self::scene::{Live, Scene};
use crate::gateway::{Filling, fields, request_text};
use crate::harness::Property;
use crate::requests::{Body, Request};
use crate::responses::{Rules, check_response, observable};
use crate::snapshot::Change;

pub use self::scene::PENDING;

/// The permitted redirect targets.
const PLACES: [&str; 3] = ["/security-info", "/security-info/verify", "/security-info/confirm"];
/// The attributes that record the use of an entry.
const USE: [&str; 6] = ["last_step", "last_flow", "last_used_at", "last_hash", "counter", "hashes"];

/// Controls: C-042.
#[test]
fn random_events_change_only_permitted_items() {
    let scene = Scene::new();
    let property = Property {
        name: "enrolment",
        cases: 850,
        reaches: &[
            "GET /security-info 200 sign-in",
            "GET /security-info 200 second-step",
            "GET /security-info 200 security-info",
            "POST /security-info/sign-in 200 second-step",
            "POST /security-info/sign-in 303 /security-info/verify",
            "POST /security-info/sign-in 422 sign-in-wrong",
            "POST /security-info/sign-in 422 captcha-wrong",
            "POST /security-info/sign-in 422 captcha-harder",
            "POST /security-info/verify 200 second-step",
            "POST /security-info/verify 200 security-info",
            "POST /security-info/verify 410 flow-ended",
            "POST /security-info/verify 422 code-wrong",
            "POST /security-info/verify 422 code-spent",
            "POST /security-info/add 200 confirm",
            "POST /security-info/add 303 /security-info/confirm",
            "POST /security-info/add 422 contact-refused",
            "POST /security-info/add 409 out-of-step",
            "POST /security-info/confirm 200 security-info",
            "POST /security-info/confirm 409 out-of-step",
            "POST /security-info/confirm 410 flow-ended",
            "POST /security-info/confirm 422 code-wrong",
            "POST /security-info/remove 200 security-info",
            "POST /security-info/reconfirm 200 security-info",
            "POST /security-info/sign-out 200 sign-in",
            "added alternate_email",
            "added mobile",
            "added office_phone",
            "added totp",
            "added authenticator",
            "added passkey",
            "added recovery_codes",
            "lifted",
            "verified by totp",
            "verified by passkey",
            "verified by recovery_code",
            "verified by push",
            "verified by email",
            "removed",
        ],
    };
    property.run_all(&requests(), |request| {
        scene.gateway.wait();
        let live = scene.set(request.at);
        let Some(answer) = scene.gateway.ask(&request, &live.filling) else {
            return vec!["no request".to_owned()];
        };
        let changes = scene.changes();
        let said = read(&request, &live.filling);
        // A waiting entry is shown only to a session that may confirm it.
        let adds = matches!(request.at, At::Adding(_)) && said.contains(live.filling.get("{session}"));
        let mut secrets: Vec<&str> = live.valid_answers.iter().map(String::as_str).collect();
        if !adds {
            secrets.extend(live.shown.iter().map(String::as_str));
        }
        if !live.shown.contains(&live.code) {
            secrets.push(&live.code);
        }
        let rules = Rules { places: &PLACES, secrets: &secrets };
        let outcome = check_response(&request, &live.filling, &rules, &answer);
        let verification = check_verification(&scene, &request, &live, &said);
        if sets_session_cookie(&answer) && verification.is_none() {
            assert_eq!(request.place(&SIDE), "POST /security-info/sign-in", "a cookie for nothing");
            assert!(said.contains(Person::PASSWORD), "a session without a password");
        }
        let mut outcomes = vec![format!("{} {outcome}", request.place(&SIDE))];
        outcomes.extend(verification);
        outcomes.extend(check_changes(&request, &live, &said, &answer, &changes));
        outcomes
    });
}

/// Returns every text in a request, with codes also in their canonical form.
fn read(request: &Request<At>, filling: &Filling) -> String {
    let mut all = vec![request_text(request, filling)];
    for (_, value) in fields(&request.body, filling) {
        all.extend(OneTimeCode::parse(&value).map(|code| code.expose().to_owned()));
        all.extend(RecoveryCode::parse(&value).map(|code| code.expose().to_string()));
    }
    all.join("\n")
}

/// Returns whether a response sets a session cookie: after a correct password or a verified second step.
fn sets_session_cookie(answer: &Answer) -> bool {
    let mut cookies = answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    cookies.any(|cookie| {
        let value = cookie.strip_prefix("__Host-rekey-session=");
        value.is_some_and(|value| !value.starts_with(';'))
    })
}

/// Checks that only a correct answer, or a device that approved for this session, verifies a second step.
fn check_verification(scene: &Scene, request: &Request<At>, live: &Live, said: &str) -> Option<String> {
    let verified = scene.session(live)?.progress().last.clone();
    let verified = verified.filter(|verified| live.last.as_ref() != Some(verified))?;
    assert_eq!(request.place(&SIDE), "POST /security-info/verify");
    assert!(said.contains(live.filling.get("{session}")), "verified without the session's cookie");
    let approved = request.at == At::Approved && said.contains("push");
    assert!(
        approved || live.valid_answers.iter().any(|verification| said.contains(verification)),
        "verified without a valid answer"
    );
    Some(format!("verified by {}", verified.method?.as_str()))
}

/// Checks that every change was made by a request that may make it.
fn check_changes(
    request: &Request<At>,
    live: &Live,
    said: &str,
    answer: &Answer,
    changes: &[Change],
) -> Option<String> {
    let place = request.place(&SIDE);
    let is_use = |change: &&Change| USE.contains(&change.attribute.as_str());
    let mut registered = false;
    let mut outcome = None;
    for change in changes {
        let what = change.attribute.as_str();
        if change.table == "AccountsTable" {
            assert_eq!(place, "POST /security-info/sign-in", "{change:?}");
            assert!(["failures", "failed_at"].contains(&what), "{change:?}");
            continue;
        }
        assert!(said.contains(live.filling.get("{session}")), "without the session's cookie: {change:?}");
        match place.as_str() {
            "POST /security-info/verify" if is_use(&change) => {}
            "POST /security-info/verify" => {
                assert!(request.at == At::WaitingPeriod && ["usable_from", "lifts_from"].contains(&what));
                outcome = Some("lifted".to_owned());
            }
            "POST /security-info/reconfirm" => {
                assert!(request.at.may_see(), "{change:?} at {:?}", request.at);
                assert!(["confirmed_at", "generation"].contains(&what), "{change:?}");
            }
            "POST /security-info/confirm" | "POST /security-info/remove" => registered = true,
            _ => panic!("{place} changed {change:?}"),
        }
    }
    if !registered {
        return outcome;
    }
    assert!(request.at.may_change(), "changed at {:?}: {changes:?}", request.at);
    assert!([200, 303].contains(&answer.status.as_u16()), "changed, but {}", answer.status);
    // The index of passkeys has an item of its own.
    let of_account = || changes.iter().filter(|change| !change.key[0].starts_with("~passkey/"));
    let account = &of_account().find(|change| change.table == "SecurityInfoTable").unwrap().key[0];
    assert!(of_account().all(|change| change.key[0] == *account), "of two accounts: {changes:?}");
    assert!(changes.iter().any(|change| change.attribute == "generation"), "others go on: {changes:?}");
    if place.ends_with("remove") {
        return Some("removed".to_owned());
    }
    let At::Adding(kind) = request.at else { panic!("something was added at {:?}", request.at) };
    let id = live.filling.get("{id}");
    let added = of_account().all(|change| change.key[1] == id || change.key[1] == "state");
    assert!(added, "not what was asked for: {changes:?}");
    // A click confirms recovery codes; a new passkey signs nothing.
    let proves = matches!(kind, Kind::RecoveryCodes | Kind::Passkey) || said.contains(&live.code);
    assert!(proves, "{kind:?} was added without its verification");
    Some(format!("added {}", kind.as_str()))
}

/// Without the password, no response shows whether a login has an account. The response is the same, whatever else the
/// request contains.
/// Controls: C-005.
#[test]
fn unknown_login_is_answered_like_wrong_password() {
    let scene = Scene::new();
    let property = Property { name: "sign-ins", cases: 60, reaches: &["400", "422"] };
    property.run(&sign_ins(), |mut request| {
        // A login with another character is another login.
        if let Body::Spoiled(fields, _) = request.body {
            request.body = Body::FormFields(fields);
        }
        let answers = ["aisyah", "zulkifli"].map(|login| {
            scene.gateway.wait();
            let mut live = scene.set(At::NoSession);
            live.filling.set("{login}", login);
            live.filling.set("{password}", "Wrong-Password-1");
            let answer = scene.gateway.ask(&request, &live.filling);
            scene.changes();
            Some(observable(&answer?, |body| live.filling.unfill(body, &["{login}", "{token}"])))
        });
        let [Some(person), Some(unknown)] = answers else { return "no request".to_owned() };
        assert_eq!(person, unknown);
        person.0.to_string()
    });
}
