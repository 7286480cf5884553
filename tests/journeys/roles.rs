//! Least privilege: each function's role in template.yaml grants only what the function uses.
//!
//! Every journey shows that no permission is missing, because the AWS emulator checks each call against the caller's
//! role. This test shows that none is superfluous: it takes every path and compares the calls with the grants.

use std::collections::BTreeSet;
use std::sync::Arc;

use rekey_local::emulator::roles::{ADMINISTRATOR, Call, agent};
use rekey_local::template::Template;
use rekey_tests::directory::person;
use rekey_tests::fixtures::{AISYAH, NEWCOMER};
use rekey_tests::live_directory::Mood;
use rekey_tests::{CeremonyOptions, Passkey, Phone, World};
use serde_json::json;
use shared::domain::help_desk_call::{SecretText, What};
use shared::domain::method::Method;
use shared::domain::passkey::Credential;
use shared::domain::security_info::Kind;
use shared::domain::time::Timestamp;
use shared::ports::EnrolmentStore as _;

use crate::help_desk::{Desk, remark, removal};
use crate::help_desk_page::Page;

/// Actions that only AWS's event source mapping uses with a function's role.
const EVENT_SOURCE_ACTIONS: [&str; 3] = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];

/// Secrets that `proxy::requests_reach_functions_only_through_the_proxy`, `oidc::client_secret_is_read_by_enrolment_only`
/// and `help_desk_page::client_secret_is_read_by_the_help_desk` use.
const ELSEWHERE: [&str; 2] = ["RekeyTrustedProxy", "RekeyOidcSecret"];

/// Function, action, and its table, queue or secret.
type Use = (String, String, Option<String>);

fn granted() -> BTreeSet<Use> {
    let template = Template::from_project().unwrap();
    let is_named = |id: &String| {
        template.tables.contains_key(id)
            || template.queues.contains_key(id)
            || template.secrets.contains_key(id)
            || template.functions.values().any(|function| function.id == *id)
            || id.contains(":parameter/")
    };
    let mut granted = BTreeSet::new();
    for (name, function) in &template.functions {
        for grant in &function.role {
            for action in
                grant.actions.iter().filter(|action| !EVENT_SOURCE_ACTIONS.contains(&action.as_str()))
            {
                // AWS calls the key for the caller of a table, queue or secret; `resources::own_key_encrypts_everything`.
                if action.starts_with("kms:") {
                    continue;
                }
                for resource in grant.resources.iter().filter(|name| !ELSEWHERE.contains(&name.as_str())) {
                    let resource = Some(resource.clone()).filter(is_named);
                    granted.insert((name.clone(), action.clone(), resource));
                }
            }
        }
    }
    granted
}

/// Uses the functions of the organisation's own directory, and those that invoke them.
async fn directory_world(other: Arc<World>) -> Arc<World> {
    other.browser().sign_in("aisyah").await;
    // The first one asks again itself, `delivery` completes the second one.
    for is_repeated in [true, false] {
        let mut fifth = other.browser();
        fifth.verify_both_steps("forgotten").await;
        other.live.set(Mood::DropsAfterWrite);
        fifth.password("Kancil-Lompat-42!").await;
        other.live.set(Mood::Well);
        other.clock.advance(60);
        if is_repeated {
            fifth.password("Kancil-Lompat-42!").await;
        }
        other.deliver().await;
    }
    for number in 0..100 {
        let mut person = person(number, &format!("student{number}"));
        person.contacts.mobile = Some(format!("012-345 {:04}", 5000 + number));
        other.people.put(person);
    }
    other.sync().await.unwrap();
    let expires_at = Timestamp::from_seconds(other.now().as_seconds() + 3 * 86_400);
    other.people.edit(3, |person| person.password_expires_at = Some(expires_at));
    other.people.edit(1, |person| person.contacts.mobile = Some("012-345 9901".to_owned()));
    other.people.edit(2, |person| person.contacts.mobile = None);
    other.sync().await.unwrap();
    other.housekeep().await.unwrap();
    other.people.remove(1);
    // The next night, and when the registration is forgotten.
    for days in [2, 91] {
        other.clock.advance(days * 86_400);
        other.sync().await.unwrap();
    }
    other
}

/// Uses what agents do.
async fn help_desk(world: &Arc<World>, directory: &Arc<World>) {
    let lim = Desk::of(world, "m.lim");
    let reason = || remark("lost phone");
    world.register(&NEWCOMER).await;
    lim.ask("mei", What::SendCode { method: Method::Sms }).await;
    lim.ask("priya", What::Show { reveal: None }).await;
    let mut browser = world.browser();
    let gone = browser.open("priya", "locked").await;
    assert_eq!(gone.page(), "method");
    let code = browser.code("00000000").await.json()["support_code"].as_str().unwrap().to_owned();
    lim.ask(&code, What::Show { reveal: None }).await;
    lim.ask("aisyah", What::CheckApp { code: SecretText::new(world.app_code(0)) }).await;
    lim.pass("newcomer").await;
    lim.check("aisyah").await;
    lim.ask("aisyah", removal("totp")).await;
    // A passkey has an item among all accounts.
    let registered = world.enrolment.registered(&AISYAH.account().id).await.unwrap();
    let passkey = registered.entries_of(Kind::Passkey).next().unwrap();
    lim.ask("aisyah", removal(passkey.id.as_str())).await;
    lim.ask("aisyah", What::Release { known_devices: true, reason: reason() }).await;
    lim.ask("mei", What::Unlock { reason: reason() }).await;
    world.fail_calls("help-desk", "dynamodb:UpdateItem", "AccountsTable");
    lim.ask("mei", What::Unlock { reason: reason() }).await;
    world.clear_faults();
    let tan = Desk::of(directory, "s.tan");
    tan.ask("aisyah", What::Unlock { reason: reason() }).await;
    directory.live.set(Mood::DropsAfterWrite);
    tan.ask("aisyah", What::Unlock { reason: reason() }).await;
    directory.live.set(Mood::Well);
}

/// Controls: C-095.
#[tokio::test]
async fn role_grants_only_permissions_its_function_uses() {
    let world = World::new().await;
    // Every method of an owner.
    let mut owner = world.browser();
    owner.sign_in("aisyah").await;
    owner.second_step(&world.app_code(0)).await;
    owner.post("/security-info/verify", json!({ "method": "email" })).await;
    owner.add("mobile", "012-345 6798").await;
    owner.confirm("mobile", &world.last_code()).await;
    world.clock.advance(60);
    owner.second_step(&world.app_code(0)).await;
    owner.post("/security-info/remove", json!({ "id": "office_phone" })).await;
    let pairing = owner.add("authenticator", "").await.json();
    owner.confirm(pairing["id"].as_str().unwrap(), "000000").await;
    owner.post("/security-info/reconfirm", json!({})).await;
    owner.post("/security-info/sign-out", json!({})).await;
    world.deliver().await;
    world.clock.advance(60);

    // Every path of a flow: text, call, TOTP and passkey, a resend, a cancel, a reset and an unlock.
    let saying = CeremonyOptions::at("http://localhost:8080");
    let creation = json!({ "rp": { "id": "localhost" }, "user": { "id": "AAAA" }, "challenge": "AAAA" });
    let mut passkey = Passkey::create(&creation, &saying).0;
    let credential = Credential::parse(crate::passkeys::CREDENTIAL).unwrap();
    crate::passkeys::store_passkey(&world, &AISYAH, 1, credential).await;
    let mut first = world.browser();
    first.open("aisyah", "forgotten").await;
    let options = first.post("/code/send", json!({ "method": "passkey" })).await.json()["options"].clone();
    let assertion = passkey.answer(&options, &saying);
    first.post("/code", json!({ "method": "passkey", "assertion": assertion })).await;
    first.send_phone("sms", "012-345 6798").await;
    first.code("00000000").await;
    let mut older = first.clone();
    first.code(&world.last_code()).await;
    older.code("00000000").await;
    first.totp("000000").await;
    first.totp(&world.app_code(0)).await;
    assert_eq!(first.password("Kancil-Lompat-42!").await.page(), "done");
    world.deliver().await;
    world.clock.advance(60);
    world.deliver().await;

    let mut second = world.browser();
    second.open("priya", "locked").await;
    second.html("/").await;
    second.send_phone("mobile_call", "017-222 3344").await;
    world.deliver().await;
    second.code(&world.last_code()).await;
    assert_eq!(second.post("/cancel", json!({})).await.page(), "ended");

    // A function crashed right after the change: `delivery` completes it.
    let mut third = world.browser();
    third.verify_both_steps("locked").await;
    world.crash_after("password-set", "dynamodb:UpdateItem", "AccountsTable");
    third.post("/unlock", json!({})).await;
    world.clear_faults();
    world.clock.advance(60);
    world.deliver().await;

    // A phone that approves and refuses.
    let mut phone = Phone::enrolled(&world, 1, &AISYAH).await;
    for refuses in [false, true] {
        let mut fourth = world.browser();
        fourth.open("aisyah", "forgotten").await;
        let page = fourth.send_push().await.json();
        fourth.get("/code").await;
        let request = phone.request().await;
        if refuses {
            phone.deny(&request).await;
        } else {
            phone.approve(&request, page["number"].as_str().unwrap()).await;
            fourth.approved().await;
            world.clock.advance(100);
        }
        world.deliver().await;
    }
    world.clock.advance(86_400);
    let mut session = world.browser();
    let sign_in = json!({ "login": "aisyah", "password": "Kancil-Lompat-42!" });
    session.post("/security-info/sign-in", sign_in).await;
    session.post("/security-info/verify", json!({ "method": "push" })).await;
    let request = phone.request().await;
    phone.deny(&request).await;

    world.housekeep().await.unwrap();
    crate::audit::write_start_of_flow(&world);
    world.clock.advance(600);
    world.anchor().await.unwrap();

    let other = World::with(&[("REKEY_DIRECTORY", "ad")]).await;
    help_desk(&world, &other).await;
    let other = directory_world(other).await;
    let page = Page::new().await;
    page.agent("m.lim", "/desk").await;
    // Agents have roles of their own, and everybody may ask STS for their own name without a grant.
    let of_functions = |call: &Call| {
        let is_function = call.principal != ADMINISTRATOR && agent(&call.principal).is_none();
        is_function
            && call.action != "sts:GetCallerIdentity"
            && call.resource.as_deref().is_none_or(|resource| !ELSEWHERE.contains(&resource))
    };
    let calls =
        [&world, &other, &page.world].into_iter().flat_map(|world| world.emulator.calls().into_keys());
    let used: BTreeSet<Use> =
        calls.filter(of_functions).map(|call| (call.principal, call.action, call.resource)).collect();
    let granted = granted();
    let unused: Vec<_> = granted.difference(&used).collect();
    assert!(unused.is_empty(), "granted, but never used: {unused:#?}");
    let missing: Vec<_> = used.difference(&granted).collect();
    assert!(missing.is_empty(), "used, but not granted: {missing:#?}");
}
