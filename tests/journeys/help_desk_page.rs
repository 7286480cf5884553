//! The page of the help desk: agents sign in with the identity provider, and every rule of the commands holds.

use std::sync::Arc;

use http::Method;
use rekey_tests::fixtures::{AISYAH, DANIEL, MEI, NEW_PASSWORD, NEWCOMER, REGISTRAR};
use rekey_tests::identity_provider::CLIENT_ID;
use rekey_tests::world::OIDC_ARN;
use rekey_tests::{Answer, Browser, IdentityProvider, World};
use serde_json::{Value, json};
use shared::domain::help_desk_call::{HelpAnswer, What};
use shared::domain::notice::Event;
use shared::ports::SecurityInfoStore as _;

use crate::help_desk::{Desk, events, pass, removal};

const START: &str = "/help-desk/oidc/start";

/// A world with a page for agents. People sign in with their password.
pub struct Page {
    pub world: Arc<World>,
    provider: IdentityProvider,
}

impl Page {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(parameters: &[(&str, &str)]) -> Self {
        let provider = IdentityProvider::start().await;
        let own = [
            ("REKEY_OIDC_ISSUER", provider.issuer.as_str()),
            ("REKEY_OIDC_CLIENT_ID", CLIENT_ID),
            ("REKEY_OIDC_SECRET", OIDC_ARN),
            ("REKEY_HELP_DESK_AGENTS", "/desk=*,/student desk=students"),
        ];
        Self { world: World::with(&[&own[..], parameters].concat()).await, provider }
    }

    /// Walks the sign-in of a person with these claims.
    async fn try_sign_in(&self, browser: &mut Browser, claims: &Value) -> Answer {
        let answer = browser.get(START).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let location = answer.header("location").unwrap().to_owned();
        let callback = self.provider.authorize(&location, claims, self.world.now());
        browser.get(&format!("/help-desk/oidc?{callback}")).await
    }

    /// Returns the browser of an agent of this group.
    pub async fn agent(&self, name: &str, group: &str) -> Browser {
        let mut browser = self.world.browser();
        let claims =
            json!({ "sub": format!("id-of-{name}"), "preferred_username": name, "groups": [group, "staff"] });
        let answer = self.try_sign_in(&mut browser, &claims).await;
        assert_eq!(answer.page(), "help-desk", "{}", answer.text());
        browser
    }
}

async fn act(browser: &mut Browser, login: &str, act: &str, fields: Value) -> Answer {
    let mut body = json!({ "login": login, "act": act });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    browser.post("/help-desk", body).await
}

async fn show(browser: &mut Browser, login: &str) -> Answer {
    act(browser, login, "show", json!({})).await
}

async fn check(browser: &mut Browser, login: &str) {
    let answer = act(browser, login, "see-document", json!({ "document": "student card" })).await;
    assert_eq!(answer.json()["done"]["act"], "checked", "{}", answer.text());
}

fn lost() -> Value {
    json!({ "remark": "lost phone" })
}

fn quarter() -> Value {
    json!({ "minutes": "15", "remark": "lost phone" })
}

/// Returns why an act was refused.
fn why(answer: &Answer) -> String {
    assert_eq!(answer.problem(), (422, "help-refused".into()), "{}", answer.text());
    answer.json()["why"].as_str().unwrap().to_owned()
}

/// Controls: C-243, C-222, C-226.
#[tokio::test]
async fn agent_helps_a_caller_by_the_page() {
    let page = Page::new().await;
    let mut caller = page.world.browser();
    caller.open("aisyah", "forgotten").await;
    let code = caller.code("00000000").await.json()["support_code"].as_str().unwrap().to_owned();

    let mut lim = page.agent("m.lim", "/desk").await;
    let found = show(&mut lim, &code).await.json();
    assert_eq!(
        (&found["person"]["login"], &found["person"]["attempt"]["end"]),
        (&json!("aisyah"), &json!("runs"))
    );
    assert_eq!(why(&act(&mut lim, "aisyah", "pass", quarter()).await), "not-checked");
    let sent = act(&mut lim, "aisyah", "send-code", json!({ "method": "email" })).await.json();
    assert_eq!(sent["done"]["masked"], "a*****@*****");
    let read_out = page.world.last_code();
    let wrong = act(&mut lim, "aisyah", "check-code", json!({ "code": "00000000" })).await;
    assert_eq!((wrong.problem().1.as_str(), &wrong.json()["tries_left"]), ("code-wrong", &json!(4)));
    let checked = act(&mut lim, "aisyah", "check-code", json!({ "code": read_out })).await.json();
    assert!(checked["person"]["checked_at"].is_string(), "{checked}");
    let given = act(&mut lim, "aisyah", "pass", quarter()).await.json();
    assert_eq!((&given["done"]["act"], &given["done"]["notified"]), (&json!("passed"), &json!(4)));
    let issued = page.world.notices().into_iter().filter(|notice| notice.event == Event::PassIssued);
    assert_eq!(issued.count(), 4, "every contact");

    let typed = json!({ "method": "pass", "code": given["done"]["pass"] });
    assert_eq!(caller.post("/code", typed).await.page(), "password");
    assert_eq!(caller.password(NEW_PASSWORD).await.page(), "done");
    assert!(
        !lim.get("/help-desk").await.text().contains(given["done"]["pass"].as_str().unwrap()),
        "shown once"
    );

    let log = events(&page.world);
    let actors: Vec<&Value> = log.iter().map(|(_, event)| &event["actor"]).collect();
    assert!(actors.iter().all(|actor| **actor == "oidc:id-of-m.lim/m.lim"), "{actors:?}");
    let names: Vec<&str> =
        log.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "person.shown").collect();
    assert_eq!(
        names,
        [
            "agent.signed_in",
            "help.refused",
            "caller.code_sent",
            "caller.rejected",
            "caller.checked",
            "pass.issued"
        ]
    );
}

/// Controls: C-243.
#[tokio::test]
async fn person_outside_the_listed_groups_is_no_agent() {
    let page = Page::with(&[("REKEY_OIDC_STEP_UP_AMR", "mfa")]).await;
    for claims in [
        json!({ "preferred_username": "aisyah", "amr": ["mfa"] }),
        json!({ "preferred_username": "aisyah", "amr": ["mfa"], "groups": ["/staff", "*", "students"] }),
        json!({ "preferred_username": "aisyah", "amr": ["mfa"], "groups": "/desk" }),
        json!({ "preferred_username": "m.lim", "amr": ["pwd"], "groups": ["/desk"] }),
    ] {
        let mut browser = page.world.browser();
        let answer = page.try_sign_in(&mut browser, &claims).await;
        assert_eq!(answer.problem(), (403, "sign-in-no-account".into()), "{claims}");
        assert!(browser.desk.is_none());
        assert_eq!(browser.get("/help-desk").await.page(), "help-desk-sign-in");
        assert_eq!(show(&mut browser, "aisyah").await.problem(), (410, "flow-ended".into()));
    }
    let mut lim = page.world.browser();
    let claims = json!({ "preferred_username": "m.lim", "amr": ["mfa"], "groups": ["/desk"] });
    assert_eq!(page.try_sign_in(&mut lim, &claims).await.page(), "help-desk");
    let refused = events(&page.world).into_iter().filter(|(event, _)| event == "agent.rejected").count();
    assert_eq!(refused, 4);
}

/// A deployment that lists no groups has no page, and nobody is an agent by default.
/// Controls: C-243.
#[tokio::test]
async fn page_without_listed_groups_does_not_exist() {
    let page = Page::with(&[("REKEY_HELP_DESK_AGENTS", "")]).await;
    let mut browser = page.world.browser();
    for path in ["/help-desk", START, "/help-desk/oidc?state=x&code=y"] {
        assert_eq!(browser.get(path).await.problem(), (404, "not-found".into()), "{path}");
    }
    assert_eq!(show(&mut browser, "aisyah").await.problem(), (404, "not-found".into()));
}

/// An agent of the page is limited to the people of the groups, and roles of commands count for nothing.
/// Controls: C-221, C-243.
#[tokio::test]
async fn agent_of_the_page_helps_own_group_only() {
    let page = Page::with(&[("REKEY_HELPERS", "staff=*")]).await;
    let mut tan = page.agent("s.tan", "/student desk").await;
    assert_eq!(why(&show(&mut tan, "aisyah").await), "not-yours");
    assert_eq!(why(&act(&mut tan, "aisyah", "unlock", lost()).await), "not-yours");
    page.world.set_group("aisyah", "students").await;
    assert_eq!(show(&mut tan, "aisyah").await.json()["person"]["login"], "aisyah");
    page.world.set_group("aisyah", "staff").await;
    assert_eq!(why(&show(&mut tan, "aisyah").await), "not-yours");
    assert_eq!(why(&show(&mut tan, "nobody-at-all").await), "not-found");
}

/// Controls: C-221, C-227.
#[tokio::test]
async fn privileged_and_disabled_accounts_are_only_shown() {
    let page = Page::new().await;
    let mut lim = page.agent("m.lim", "/desk").await;
    for person in [&REGISTRAR, &DANIEL] {
        let shown = show(&mut lim, person.login).await.json();
        assert_eq!(shown["person"]["may_be_helped"], false, "{}", person.login);
        for (name, fields) in [
            ("send-code", json!({ "method": "email" })),
            ("see-document", json!({ "document": "staff card" })),
            ("pass", quarter()),
            ("remove", json!({ "id": "mobile", "remark": "lost phone" })),
            ("unlock", lost()),
            ("release", lost()),
        ] {
            assert_eq!(why(&act(&mut lim, person.login, name, fields).await), "not-eligible", "{name}");
        }
    }
    assert!(page.world.envelopes().is_empty());
}

/// One person may be an agent by the page and by the command. The second agent comes by the door of the first.
/// Controls: C-223, C-245.
#[tokio::test]
async fn second_agent_comes_by_the_same_door() {
    let page = Page::new().await;
    let mut lim = page.agent("m.lim", "/desk").await;
    let command = Desk::of(&page.world, "m.lim");
    check(&mut lim, "mei").await;
    let first = act(&mut lim, "mei", "pass", quarter()).await.json();
    assert_eq!(first["done"]["act"], "passed");
    check(&mut lim, "mei").await;
    let waits = act(&mut lim, "mei", "pass", quarter()).await.json();
    assert_eq!(waits["done"]["act"], "needs-another-agent", "{waits}");
    let other_door = command.ask("mei", pass()).await;
    assert!(matches!(other_door, HelpAnswer::NeedsAnotherAgent { .. }), "{other_door:?}");
    let again = act(&mut lim, "mei", "pass", quarter()).await.json();
    assert_eq!(again["done"]["act"], "needs-another-agent", "the same person");
    let mut renamed = page.world.browser();
    let claims = json!({ "sub": "id-of-m.lim", "preferred_username": "m.lim2", "groups": ["/desk"] });
    page.try_sign_in(&mut renamed, &claims).await;
    let again = act(&mut renamed, "mei", "pass", quarter()).await.json();
    assert_eq!(again["done"]["act"], "needs-another-agent", "the same person by another name");
    let mut tan = page.agent("s.tan", "/desk").await;
    let second = act(&mut tan, "mei", "pass", quarter()).await.json();
    assert_eq!(second["done"]["act"], "passed", "{second}");
}

/// Controls: C-223, C-226.
#[tokio::test]
async fn last_old_factor_is_removed_by_two_agents_of_the_page() {
    let page = Page::new().await;
    let (mut lim, mut tan) = (page.agent("m.lim", "/desk").await, page.agent("s.tan", "/desk").await);
    let remove = || json!({ "id": "mobile", "remark": "lost phone" });
    assert_eq!(why(&act(&mut lim, "mei", "remove", remove()).await), "not-checked");
    check(&mut lim, "mei").await;
    let waits = act(&mut lim, "mei", "remove", remove()).await.json();
    assert_eq!(waits["done"]["act"], "needs-another-agent");
    let removed = act(&mut tan, "mei", "remove", remove()).await.json();
    assert_eq!((&removed["done"]["act"], &removed["person"]["methods"]), (&json!("removed"), &json!([])));
    let registration =
        page.world.security_info.registration(&MEI.account().id, page.world.now()).await.unwrap();
    assert!(registration.mobile.is_none());
}

/// Controls: C-025, C-228.
#[tokio::test]
async fn lock_and_limits_are_lifted_by_the_page() {
    let page = Page::new().await;
    let mut lim = page.agent("m.lim", "/desk").await;
    let unlocked = act(&mut lim, "priya", "unlock", lost()).await.json();
    assert_eq!(
        (&unlocked["done"]["act"], &unlocked["person"]["state"]),
        (&json!("unlocked"), &json!("active"))
    );
    let fields = json!({ "devices": "end", "remark": "kept out by mistakes" });
    assert_eq!(act(&mut lim, "aisyah", "release", fields).await.json()["done"]["act"], "released");
    let registration =
        page.world.security_info.registration(&AISYAH.account().id, page.world.now()).await.unwrap();
    assert_eq!(registration.device_epoch, 1);
}

/// Masks, and whole values only for a reason.
/// Controls: C-006, C-225.
#[tokio::test]
async fn page_shows_masks_and_asks_for_reasons() {
    let page = Page::new().await;
    let mut lim = page.agent("m.lim", "/desk").await;
    let masked = show(&mut lim, "AISYAH@student.contoh.example").await.text();
    for whole in ["Aisyah binti", "aisyah.rahman", "+60123456798"] {
        assert!(!masked.contains(whole), "{whole}: {masked}");
    }
    let whole = act(&mut lim, "aisyah", "reveal", json!({ "remark": "asked by the registrar" })).await.text();
    assert!(whole.contains("+60123456798"), "{whole}");
    for (name, fields) in [
        ("reveal", json!({})),
        ("reveal", json!({ "remark": "x" })),
        ("unlock", json!({})),
        ("pass", json!({ "minutes": "9", "remark": "lost phone" })),
        ("pass", json!({ "minutes": "1441", "remark": "lost phone" })),
        ("see-document", json!({ "document": "" })),
        ("remove", json!({ "id": "fax", "remark": "lost phone" })),
        ("send-code", json!({ "method": "totp" })),
        ("unlock", json!({ "remark": "lost phone", "force": "1" })),
        ("delete", json!({})),
    ] {
        let answer = act(&mut lim, "aisyah", name, fields.clone()).await;
        assert_eq!(answer.problem(), (400, "malformed".into()), "{name} {fields}");
    }
}

/// Controls: C-244.
#[tokio::test]
async fn visit_of_an_agent_ends_after_an_hour_and_by_signing_out() {
    let page = Page::new().await;
    let mut lim = page.agent("m.lim", "/desk").await;
    let before = lim.clone();
    page.world.clock.advance(3_599);
    assert_eq!(show(&mut lim, "aisyah").await.page(), "help-desk");
    page.world.clock.advance(1);
    assert_eq!(show(&mut lim, "aisyah").await.problem(), (410, "flow-ended".into()));
    assert_eq!(lim.get("/help-desk").await.page(), "help-desk-sign-in");
    let mut again = page.agent("m.lim", "/desk").await;
    assert_eq!(again.post("/help-desk/sign-out", json!({})).await.page(), "help-desk-sign-in");
    assert!(again.desk.is_none());
    for value in ["", "x", "1.AAAA", before.desk.as_deref().unwrap().split_at(20).0, "\u{7f}"] {
        let mut forged = before.clone();
        forged.desk = Some(value.trim_matches('\u{7f}').to_owned());
        assert_eq!(show(&mut forged, "aisyah").await.problem().0, 410, "{value}");
    }
}

/// Controls: C-080, C-244.
#[tokio::test]
async fn form_of_another_site_or_visit_changes_nothing() {
    let page = Page::new().await;
    let mut lim = page.agent("m.lim", "/desk").await;
    let mut tan = page.agent("s.tan", "/desk").await;
    let html = lim.html("/help-desk").await;
    let at = html.split_once("name=\"at\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();
    let fields = |at: &str| json!({ "at": at, "remark": "lost phone" });
    assert_eq!(act(&mut tan, "priya", "unlock", fields(&at)).await.problem(), (409, "out-of-step".into()));
    let body = json!({ "login": "priya", "act": "unlock", "remark": "lost phone" }).to_string();
    let mut request = lim
        .request(Method::POST, "/help-desk")
        .header("content-type", "application/json")
        .body(body)
        .unwrap();
    request.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(lim.send(request).await.problem(), (403, "cross-site".into()));
    assert_eq!(show(&mut lim, "priya").await.json()["person"]["state"], "locked");
    let answer = act(&mut lim, "priya", "unlock", fields(&at)).await;
    assert_eq!(answer.json()["done"]["act"], "unlocked");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

/// The cookie of the page is bound to host and path, no script reads it, and no other site sends it.
/// Controls: C-244.
#[tokio::test]
async fn cookie_of_a_visit_is_strict_and_names_nobody() {
    let page = Page::new().await;
    let mut browser = page.world.browser();
    let claims = json!({ "preferred_username": "m.lim", "groups": ["/desk"] });
    let answer = page.try_sign_in(&mut browser, &claims).await;
    let lines: Vec<_> =
        answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    let line = lines.iter().find(|line| line.starts_with("__Host-rekey-desk=")).unwrap();
    assert!(line.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict") && !line.contains("lim"), "{line}");
}

/// Controls: C-224.
#[tokio::test]
async fn act_of_the_page_without_its_event_is_not_carried_out() {
    let page = Page::new().await;
    let mut lim = page.agent("m.lim", "/desk").await;
    check(&mut lim, "mei").await;
    page.world.fail_all("logs:");
    for (name, fields) in [
        ("pass", quarter()),
        ("unlock", lost()),
        ("release", lost()),
        ("send-code", json!({ "method": "sms" })),
        ("show", json!({})),
    ] {
        assert_eq!(act(&mut lim, "mei", name, fields).await.problem(), (503, "unavailable".into()), "{name}");
    }
    page.world.emulator.inject_faults(None);
    assert!(page.world.envelopes().is_empty(), "nothing was sent");
    assert!(!page.world.dump().await.contains("\"pass\": B"), "no pass was written");
}

/// A person who never enrolled anything is found, and the page says that nothing is registered.
#[tokio::test]
async fn person_without_methods_is_helped_by_a_pass() {
    let page = Page::new().await;
    page.world.register(&NEWCOMER).await;
    let mut lim = page.agent("m.lim", "/desk").await;
    let html = {
        let body = "login=newcomer&act=show".to_owned();
        let mut request = lim
            .request(Method::POST, "/help-desk")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .body(body)
            .unwrap();
        request.headers_mut().insert("accept", "text/html".parse().unwrap());
        lim.send(request).await.text()
    };
    assert!(html.contains("No methods are registered") && html.contains("Give a pass"), "{html}");
    check(&mut lim, "newcomer").await;
    let given = act(&mut lim, "newcomer", "pass", quarter()).await.json();
    let mut caller = page.world.browser();
    caller.open("newcomer", "forgotten").await;
    let typed = json!({ "method": "pass", "code": given["done"]["pass"] });
    assert_eq!(caller.post("/code", typed).await.page(), "password");
}

/// Controls: C-198.
#[tokio::test]
async fn client_secret_is_read_by_the_help_desk() {
    let page = Page::new().await;
    page.agent("m.lim", "/desk").await;
    let reads = |resource: &Option<String>| resource.as_deref() == Some("RekeyOidcSecret");
    let calls = page.world.emulator.calls().into_keys().filter(|call| reads(&call.resource));
    let mut readers: Vec<String> = calls.map(|call| call.principal).filter(|name| name != "local").collect();
    readers.dedup();
    assert_eq!(readers, ["help-desk"]);
}

/// What the commands can do, they do as before.
#[tokio::test]
async fn command_and_page_see_the_same_check() {
    let page = Page::new().await;
    let mut lim = page.agent("m.lim", "/desk").await;
    let command = Desk::of(&page.world, "s.tan");
    check(&mut lim, "aisyah").await;
    assert!(matches!(command.ask("aisyah", What::Show { reveal: None }).await, HelpAnswer::Shown(_)));
    assert!(matches!(command.ask("aisyah", removal("mobile")).await, HelpAnswer::Removed { .. }));
}
