//! Account enumeration and partial changes during outages of other services.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use rekey_local::emulator::CallFault;
use rekey_local::emulator::roles::{ADMINISTRATOR, Call};
use rekey_tests::fixtures::{AISYAH, NEW_NUMBER, NEW_PASSWORD, Person};
use rekey_tests::world::LOCALHOST_ORIGIN;
use rekey_tests::{Answer, Browser, CeremonyOptions, Passkey, Phone, World};
use serde_json::{Value, json};
use shared::domain::security_info::Registered;
use shared::ports::EnrolmentStore as _;

use crate::decoys::enrol_decoy_methods;
use crate::security_info::{
    app_code, register_passkey, register_phone, register_sheet, token, verified_twice, verify,
};

/// The observable parts of a response.
type Seen = (u16, Value, Value, Vec<String>);

fn seen(answer: &Answer) -> Seen {
    let body = answer.json();
    let mut headers: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
    headers.sort();
    (answer.status.as_u16(), body["code"].clone(), body["page"].clone(), headers)
}

/// Opens a flow, makes calls that begin with `fault` fail, continues, and removes the fault.
async fn continue_flow(browser: &mut Browser, login: &str, fault: &'static str) -> Vec<Seen> {
    let mut all = vec![seen(&browser.open(login, "forgotten").await)];
    browser.world().fail_all(fault);
    for (path, body) in [
        ("/code/send", json!({ "method": "email" })),
        ("/code", json!({ "code": "12345678" })),
        ("/code", json!({ "method": "totp", "code": "000000" })),
        ("/password", json!({ "password": NEW_PASSWORD, "confirmation": NEW_PASSWORD })),
        ("/unlock", json!({})),
    ] {
        all.push(seen(&browser.post(path, body).await));
        browser.world().deliver().await;
    }
    for path in ["/reason", "/method", "/code"] {
        all.push(seen(&browser.get(path).await));
    }
    all.push(seen(&browser.identify(login).await));
    browser.world().clear_faults();
    browser.world().clock.advance(31);
    all.push(seen(&browser.send_email().await));
    all
}

/// Django, CVE-2024-45231: only while email couldn't be sent did responses reveal who has an account.
/// Controls: C-003.
#[tokio::test]
async fn decoy_responds_like_an_account_during_outages() {
    let faults = [
        "ses:",
        "sqs:",
        "dynamodb:Query",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "dynamodb:",
    ];
    for fault in faults {
        let world = World::new().await;
        enrol_decoy_methods(&world, "nobody", "twin").await;
        let known = continue_flow(&mut world.browser(), "twin", fault).await;
        let decoy = continue_flow(&mut world.browser(), "nobody", fault).await;
        assert_eq!(known, decoy, "{fault}");
        if fault != "ses:" {
            assert!(known.iter().any(|(status, ..)| *status == 503), "{fault} was not felt");
        }
        assert!(
            known.iter().all(|(_, _, page, _)| page != "password" && page != "done"),
            "{fault} let a person in"
        );
    }
}

/// Every dependency of the functions for enrolment and approval.
const OUTSIDE: [&str; 5] =
    ["FlowsTable", "AccountsTable", "SecurityInfoTable", "BudgetsTable", "MessagesQueue"];

/// Injects a fault into all calls of the functions to a table or queue.
fn inject_outage(world: &World, outside: &'static str, how: CallFault) {
    world.emulator.inject_faults(Some(Arc::new(move |call: &Call| {
        let is_hit = call.principal != ADMINISTRATOR && call.resource.as_deref() == Some(outside);
        if is_hit { how } else { CallFault::None }
    })));
}

/// Signs in with the form of a browser without scripts.
async fn form(browser: &mut Browser, body: &str) -> Answer {
    let request = browser
        .request(Method::POST, "/security-info/sign-in")
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/x-www-form-urlencoded");
    let mut request = request.body(body.to_owned()).unwrap();
    request.headers_mut().insert("accept", "text/html".parse().unwrap());
    browser.send(request).await
}

/// The same at the sign-in of `/security-info`. During an outage a login with an account and one without get the same
/// response. It grants no further access.
/// Controls: C-003.
#[tokio::test]
async fn sign_in_reveals_no_account_during_outages() {
    let attackers = [
        ("nobody", Person::PASSWORD),
        ("aisyah", "Wrong-Password-1"),
        ("daniel", Person::PASSWORD),
        ("registrar", Person::PASSWORD),
    ];
    for outside in OUTSIDE {
        let mut all = Vec::new();
        for (login, password) in attackers {
            let world = World::new().await;
            inject_outage(&world, outside, CallFault::Unavailable);
            let mut answers = Vec::new();
            for _ in 0..4 {
                let body = json!({ "login": login, "password": password });
                let mut browser = world.browser();
                answers.push(seen(&browser.post("/security-info/sign-in", body).await));
                assert!(browser.session.is_none(), "{login} without {outside}");
            }
            all.push(answers);
        }
        assert!(all.iter().all(|answers| *answers == all[0]), "{outside}: {all:#?}");

        let world = World::new().await;
        inject_outage(&world, outside, CallFault::Unavailable);
        let mut owner = world.browser();
        let answer = owner.sign_in("aisyah").await;
        if outside == "MessagesQueue" {
            assert_eq!(answer.page(), "second-step", "a sign-in sends nothing");
        } else {
            assert_eq!(answer.problem(), (503, "unavailable".into()), "{outside}");
            assert!(owner.session.is_none(), "{outside}");
            let page = form(&mut owner, &format!("login=aisyah&password={}", Person::PASSWORD)).await;
            assert_eq!(page.status, 503, "{outside}");
            assert!(!page.text().contains(Person::PASSWORD) && owner.session.is_none(), "{outside}");
        }
    }
}

/// Everything that a person does to enrol, and that their phone does.
const ACTIONS: [&str; 26] = [
    "sign-in",
    "list",
    "step",
    "ask email",
    "ask push",
    "by totp",
    "by email",
    "by push",
    "by passkey",
    "by recovery_code",
    "add mobile",
    "add totp",
    "add authenticator",
    "add passkey",
    "add recovery_codes",
    "confirm mobile",
    "confirm totp",
    "confirm authenticator",
    "confirm passkey",
    "confirm recovery_codes",
    "remove",
    "reconfirm",
    "phone pairs",
    "phone asks",
    "phone approves",
    "phone denies",
];

/// Aisyah before an action, with all that it needs.
struct PreparedAction {
    world: Arc<World>,
    browser: Browser,
    phone: Phone,
    act: &'static str,
    body: Value,
    /// An attacker who knows only her password.
    attacker: Browser,
    /// The entries before the action.
    before: Registered,
}

impl PreparedAction {
    /// Performs everything before the action, without faults.
    async fn prepare(act: &'static str) -> Self {
        let world = World::new().await;
        let (mut browser, mut attacker, mut phone) =
            (world.browser(), world.browser(), Phone::new(&world, 1));
        let (does, what) = act.split_once(' ').unwrap_or((act, ""));
        let (mut passkey, mut codes) = (None, Vec::new());
        match act {
            "by passkey" => {
                passkey = Some(register_passkey(&mut verified_twice(&world).await, LOCALHOST_ORIGIN).await);
            }
            "by recovery_code" => codes = register_sheet(&mut verified_twice(&world).await).await,
            "ask push" | "by push" | "phone asks" | "phone approves" | "phone denies" => {
                phone = register_phone(&world, &mut verified_twice(&world).await, 1).await;
            }
            _ => {}
        }
        world.clock.advance(30);
        assert_eq!(attacker.sign_in("aisyah").await.page(), "second-step");
        let mut body = json!({ "login": "aisyah", "password": Person::PASSWORD });
        if act != "sign-in" {
            let page = browser.sign_in("aisyah").await.json();
            body = match what {
                "totp" => json!({ "method": what, "code": world.app_code(0) }),
                "recovery_code" => json!({ "method": what, "code": codes[0] }),
                "passkey" if does == "by" => {
                    let assertion =
                        passkey.unwrap().answer(&page["options"], &CeremonyOptions::at(LOCALHOST_ORIGIN));
                    json!({ "method": what, "assertion": assertion })
                }
                _ => json!({ "method": what }),
            };
        }
        match (does, what) {
            ("by", "email") => {
                verify(&mut browser, body.clone()).await;
                body["code"] = json!(world.last_code());
            }
            ("by", "push") | ("phone", "asks" | "approves" | "denies") => {
                let challenge = verify(&mut browser, json!({ "method": "push" })).await.json();
                body["number"] = challenge["number"].clone();
                body["request"] = json!(phone.request().await);
                if act == "by push" {
                    approve(&mut phone, &body).await;
                    body = json!({ "method": "push" });
                }
            }
            ("add" | "confirm" | "list" | "remove" | "reconfirm" | "phone", _) => {
                assert_eq!(browser.second_step(&world.app_code(0)).await.page(), "security-info");
                let kind = if act == "phone pairs" { "authenticator" } else { what };
                let value = if kind == "mobile" { NEW_NUMBER } else { "" };
                body = match does {
                    "add" if value.is_empty() => json!({ "kind": kind }),
                    "add" => json!({ "kind": kind, "value": value }),
                    "remove" => json!({ "id": "mobile" }),
                    "confirm" | "phone" => {
                        let challenge = browser.add(kind, value).await.json();
                        if act == "phone pairs" {
                            challenge
                        } else {
                            confirmation(&world, &mut phone, &challenge).await
                        }
                    }
                    _ => json!({}),
                };
            }
            _ => {}
        }
        let before = world.enrolment.registered(&AISYAH.account().id).await.unwrap();
        Self { world, browser, phone, act, body, attacker, before }
    }

    async fn perform(&mut self) -> Answer {
        let path = match self.act.split_once(' ').unwrap_or((self.act, "")).0 {
            "list" => return self.browser.get("/security-info").await,
            "step" => return self.browser.get("/security-info/verify").await,
            "phone" => {
                return match self.act {
                    "phone pairs" => self.phone.pair(&token(&self.body)).await,
                    "phone asks" => self.phone.poll().await,
                    "phone approves" => approve(&mut self.phone, &self.body).await,
                    _ => self.phone.deny(self.body["request"].as_str().unwrap()).await,
                };
            }
            "ask" | "by" => "verify",
            does => does,
        };
        self.browser.post(&format!("/security-info/{path}"), self.body.clone()).await
    }

    /// Checks that nothing changed and no person gained access.
    async fn assert_unchanged(&mut self, what: &str) {
        let now = self.world.enrolment.registered(&AISYAH.account().id).await.unwrap();
        assert_eq!(now.entries, self.before.entries, "{what}");
        let page = self.attacker.get("/security-info").await;
        assert!(page.json()["registered"].is_null(), "{what}: {}", page.text());
    }

    /// Repeats the action until it succeeds, as a person does after an error.
    async fn retry(&mut self, what: &str) {
        for _ in 0..4 {
            let answer = self.perform().await;
            match answer.status.as_u16() {
                200 => return,
                429 => self.world.clock.advance(30),
                // The approval request was never stored, or the nonce has expired.
                409 | 422 if ["code-spent", "nonce-stale"].contains(&answer.problem().1.as_str()) => {}
                _ => panic!("{what}: {}", answer.text()),
            }
        }
        panic!("{what}: it never worked");
    }
}

async fn approve(phone: &mut Phone, body: &Value) -> Answer {
    phone.approve(body["request"].as_str().unwrap(), body["number"].as_str().unwrap()).await
}

/// Returns the answer that confirms a waiting entry.
async fn confirmation(world: &World, phone: &mut Phone, challenge: &Value) -> Value {
    let mut body = json!({ "id": challenge["id"] });
    match challenge["kind"].as_str().unwrap() {
        "totp" => body["code"] = json!(app_code(world, challenge)),
        "authenticator" => body["code"] = phone.pair(&token(challenge)).await.json()["code"].clone(),
        "passkey" => {
            body["assertion"] =
                json!(Passkey::create(&challenge["options"], &CeremonyOptions::at(LOCALHOST_ORIGIN)).1);
        }
        "recovery_codes" => {}
        _ => body["code"] = json!(world.last_code()),
    }
    body
}

/// Checks every action while `outside` is unavailable. It reports an error, changes nothing, grants no access, and
/// succeeds after the outage. The actions in `unaffected` succeed without it.
async fn assert_no_partial_change_without(outside: &'static str, unaffected: &[&str]) {
    let mut went_on = Vec::new();
    for act in ACTIONS {
        let mut ready = PreparedAction::prepare(act).await;
        let what = format!("{act} without {outside}");
        inject_outage(&ready.world, outside, CallFault::Unavailable);
        let answer = ready.perform().await;
        ready.world.clear_faults();
        if answer.status == 200 {
            went_on.push(act);
            continue;
        }
        assert_eq!(answer.problem(), (503, "unavailable".into()), "{what}");
        ready.assert_unchanged(&what).await;
        ready.retry(&what).await;
    }
    assert_eq!(went_on, unaffected);
}

/// Controls: C-026.
#[tokio::test]
async fn enrolment_without_flows_table_leaves_no_partial_change() {
    assert_no_partial_change_without("FlowsTable", &[]).await;
}

/// Controls: C-026.
#[tokio::test]
async fn enrolment_without_directory_leaves_no_partial_change() {
    assert_no_partial_change_without(
        "AccountsTable",
        &["phone pairs", "phone asks", "phone approves", "phone denies"],
    )
    .await;
}

/// Controls: C-026.
#[tokio::test]
async fn enrolment_without_security_info_leaves_no_partial_change() {
    assert_no_partial_change_without("SecurityInfoTable", &["phone pairs"]).await;
}

/// Controls: C-026.
#[tokio::test]
async fn enrolment_without_rate_limits_leaves_no_partial_change() {
    let unaffected = [
        "list",
        "step",
        "by email",
        "by push",
        "by passkey",
        "by recovery_code",
        "confirm mobile",
        "confirm totp",
        "confirm authenticator",
        "confirm passkey",
        "confirm recovery_codes",
        "reconfirm",
        "phone pairs",
        "phone asks",
        "phone approves",
        "phone denies",
    ];
    assert_no_partial_change_without("BudgetsTable", &unaffected).await;
}

/// Controls: C-026.
#[tokio::test]
async fn enrolment_without_queue_leaves_no_partial_change() {
    let unaffected = [
        "sign-in",
        "list",
        "step",
        "by totp",
        "by email",
        "by push",
        "by passkey",
        "by recovery_code",
        "add totp",
        "add authenticator",
        "add passkey",
        "add recovery_codes",
        "reconfirm",
        "phone pairs",
        "phone asks",
        "phone approves",
    ];
    assert_no_partial_change_without("MessagesQueue", &unaffected).await;
}

/// A slow call takes effect after the person got an error. It must grant no access and leave no partial change, and a
/// retry must succeed.
/// Controls: C-026.
#[tokio::test(flavor = "multi_thread")]
async fn late_responses_leave_no_partial_enrolment() {
    let cases = [
        ("sign-in", "FlowsTable"),
        ("sign-in", "AccountsTable"),
        ("by totp", "SecurityInfoTable"),
        ("by totp", "BudgetsTable"),
        ("by recovery_code", "SecurityInfoTable"),
        ("confirm mobile", "FlowsTable"),
        ("confirm authenticator", "FlowsTable"),
        ("confirm totp", "MessagesQueue"),
        ("remove", "SecurityInfoTable"),
        ("phone pairs", "FlowsTable"),
        ("phone approves", "FlowsTable"),
        ("phone denies", "MessagesQueue"),
    ];
    let tasks = cases.map(|(act, outside)| {
        tokio::spawn(async move {
            let mut ready = PreparedAction::prepare(act).await;
            let what = format!("{act} while {outside} is slow");
            inject_outage(&ready.world, outside, CallFault::Delayed(Duration::from_millis(4_500)));
            let answer = ready.perform().await;
            ready.world.clear_faults();
            assert_eq!(answer.problem(), (503, "unavailable".into()), "{what}");
            ready.world.emulator.idle().await;
            ready.assert_unchanged(&what).await;
            ready.retry(&what).await;
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
}
