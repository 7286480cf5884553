//! Mail that bounces: the person and the help desk see it, strangers don't.

use std::sync::Arc;

use http::{Method, header};
use rekey_local::template::Template;
use rekey_tests::fixtures::{NEW_PASSWORD, NEWCOMER, PRIYA};
use rekey_tests::{Browser, World};
use serde_json::{Value, json};
use shared::domain::help_desk_call::{HelpAnswer, ShownMethod, What};
use shared::domain::mail_failure::MailFailureKind;

use crate::help_desk::Desk;
use crate::help_desk_page::Page;
use crate::log::Lines;
use crate::security_info::{aisyah, entry, register, verify};

const ADDRESS: &str = "aisyah.rahman@mail.example";

/// The event of SES, as the rule of template.yaml puts it into the queue.
pub fn bounced(world: &World, address: &str) -> String {
    let at = world.now().to_string();
    let event = json!({
        "version": "0",
        "detail-type": "Email Bounced",
        "source": "aws.ses",
        "detail": {
            "eventType": "Bounce",
            "mail": { "destination": [address], "messageId": "010f018b2f3c4d5e" },
            "bounce": {
                "bounceType": "Permanent",
                "bounceSubType": "General",
                "bouncedRecipients": [{ "emailAddress": address, "diagnosticCode": "smtp; 550 no such user" }],
                "timestamp": at,
            },
        },
    });
    event.to_string()
}

async fn bounce(world: &World, address: &str) {
    let queue = Template::from_project().unwrap().queue_of_mail_events().unwrap();
    world.emulator.queues().send(&queue, bounced(world, address), None).unwrap();
    world.deliver().await;
}

/// Returns what the list says about the mailbox.
async fn noted(browser: &mut Browser) -> Value {
    entry(&browser.get("/security-info").await.json(), "alternate_email")["mail_failure"].clone()
}

fn mailbox(answer: HelpAnswer) -> ShownMethod {
    let HelpAnswer::Shown(person) = answer else { panic!("{answer:?}") };
    person.methods.into_iter().find(|method| method.id.as_str() == "alternate_email").unwrap()
}

/// Controls: C-280.
#[tokio::test]
async fn bounce_is_told_to_person_and_help_desk() {
    let lines = Lines::default();
    let _guard = lines.keep();
    let page = Page::new().await;
    let world = page.world.clone();
    bounce(&world, ADDRESS).await;
    let at = world.now().to_string();

    let mut browser = world.browser();
    assert_eq!(browser.sign_in("aisyah").await.page(), "second-step");
    let before = browser.html("/security-info/verify").await;
    assert!(!before.contains("came back"), "the password alone shows nothing");
    assert_eq!(browser.second_step(&world.app_code(0)).await.page(), "security-info");
    assert_eq!(noted(&mut browser).await, json!({ "kind": "bounced", "at": at }));
    for (language, text) in [
        ("en", "Mail to this address came back on"),
        ("ms", "E-mel ke alamat ini dipulangkan pada"),
        ("zh-Hans", "被退回"),
        ("ta", "திரும்பி வந்தது"),
    ] {
        let request =
            browser.request(Method::GET, "/security-info").header(header::ACCEPT_LANGUAGE, language);
        let html =
            browser.send(request.header(header::ACCEPT, "text/html").body(String::new()).unwrap()).await;
        assert!(html.text().contains(text), "{language}");
    }
    // Nobody else's contact has the note.
    let person = mailbox(Desk::of(&world, "farah").ask(PRIYA.login, What::Show { reveal: None }).await);
    assert_eq!(person.mail_failure, None);
    let person = mailbox(Desk::of(&world, "farah").ask("aisyah", What::Show { reveal: None }).await);
    assert_eq!(person.mail_failure.map(|failure| failure.kind), Some(MailFailureKind::Bounced));
    let mut lim = page.agent("m.lim", "/desk").await;
    let shown = lim.post("/help-desk", json!({ "login": "aisyah", "act": "show" })).await.json();
    assert_eq!(entry(&shown["person"], "alternate_email")["mail_failure"]["kind"], "bounced");

    // The event of the log and the item have neither the address nor the provider's text.
    assert_eq!(lines.of("mail.bounced").len(), 1);
    let items = world.client.scan().table_name("BudgetsTable").send().await.unwrap().items.unwrap();
    let item = items.iter().find(|item| item["budget"].as_s().unwrap().starts_with("mail-failure#")).unwrap();
    let mut names: Vec<&str> = item.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["at", "budget", "kind", "ttl"]);
    for text in [lines.text(), format!("{item:?}")] {
        assert!(!text.contains("mail.example") && !text.contains("no such user"), "{text}");
    }
}

/// Controls: C-280.
#[tokio::test]
async fn complaint_and_late_confirmation_are_told_apart() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    let event = bounced(&world, ADDRESS).replace("Email Bounced", "Email Complaint Received");
    let mut event: Value = serde_json::from_str(&event).unwrap();
    let detail = event["detail"].as_object_mut().unwrap();
    detail.remove("bounce");
    let complaint = json!({
        "complainedRecipients": [{ "emailAddress": ADDRESS }], "complaintFeedbackType": "abuse",
        "timestamp": world.now().to_string(),
    });
    detail.insert("complaint".into(), complaint);
    world.emulator.queues().send("MessagesQueue", event.to_string(), None).unwrap();
    world.deliver().await;
    assert_eq!(noted(&mut browser).await["kind"], "complained");
    assert!(browser.html("/security-info").await.contains("was reported as spam on"));
}

/// A code that comes back from the mailbox, at a step-up, by enrolling it again or in a reset, shows that mail arrives.
/// Controls: C-280.
#[tokio::test]
async fn confirmed_code_clears_the_note() {
    let world = World::new().await;
    bounce(&world, ADDRESS).await;
    world.clock.advance(60);
    let mut browser = world.browser();
    browser.sign_in("aisyah").await;
    assert_eq!(verify(&mut browser, json!({ "method": "email" })).await.page(), "second-step");
    let late = bounced(&world, ADDRESS);
    world.clock.advance(1);
    let wrong = verify(&mut browser, json!({ "method": "email", "code": "00000000" })).await;
    assert_eq!(wrong.problem().1, "code-wrong");
    let code = world.last_code();
    assert_eq!(
        verify(&mut browser, json!({ "method": "email", "code": code })).await.page(),
        "security-info"
    );
    assert_eq!(noted(&mut browser).await, Value::Null);
    // An event about an earlier mail comes too late to tell anything.
    world.emulator.queues().send("MessagesQueue", late, None).unwrap();
    world.deliver().await;
    assert_eq!(noted(&mut browser).await, Value::Null);

    world.clock.advance(60);
    bounce(&world, ADDRESS).await;
    assert_eq!(noted(&mut browser).await["kind"], "bounced");
    let list = register(&world, &mut browser, "alternate_email", "aisyah.new@mail.example").await;
    assert_eq!(entry(&list, "alternate_email")["mail_failure"], Value::Null, "another address has no note");
    bounce(&world, "aisyah.new@mail.example").await;
    assert_eq!(noted(&mut browser).await["kind"], "bounced", "the one that waits is watched already");

    let world = World::new().await;
    bounce(&world, ADDRESS).await;
    world.clock.advance(60);
    let mut flow = world.browser();
    flow.verify_both_steps("forgotten").await;
    assert_eq!(flow.password(NEW_PASSWORD).await.page(), "done");
    let mut browser = world.browser();
    browser.sign_in_with("aisyah", NEW_PASSWORD).await;
    world.clock.advance(30);
    assert_eq!(browser.second_step(&world.app_code(0)).await.page(), "security-info");
    assert_eq!(noted(&mut browser).await, Value::Null);
}

/// An address of the mailbox simulator bounces in the local environment, as at SES.
#[tokio::test]
async fn simulator_of_local_environment_bounces() {
    let world = World::new().await;
    world.register(&NEWCOMER).await;
    let mut browser = world.browser();
    assert_eq!(browser.sign_in(NEWCOMER.login).await.page(), "security-info");
    let address = "bounce+newcomer@simulator.amazonses.com";
    assert_eq!(browser.add("alternate_email", address).await.page(), "confirm");
    let code = world.last_code();
    assert_eq!(browser.confirm("alternate_email", &code).await.page(), "security-info");
    // The notice goes there too, and comes back.
    world.clock.advance(400);
    world.deliver().await;
    assert_eq!(noted(&mut browser).await["kind"], "bounced");
}

/// Returns every page of a reset until the last one, as scripts and as browsers see them.
async fn pages(world: &Arc<World>) -> Vec<String> {
    let mut browser = world.browser();
    let mut pages = vec![browser.open("aisyah", "forgotten").await.text()];
    pages.push(browser.html("/method").await);
    pages.push(browser.send_email().await.text());
    pages.push(browser.html("/code").await);
    pages.push(browser.code("00000000").await.text());
    pages.push(browser.code(&world.last_code()).await.text());
    pages.push(browser.html("/method").await);
    pages.push(browser.send_phone("sms", "012-345 6798").await.text());
    pages.push(browser.code(&world.last_code()).await.text());
    pages.iter().map(|page| without_ids(page)).collect()
}

/// Replaces what every flow has of its own: its reference in forms, and its support code.
fn without_ids(page: &str) -> String {
    let mut text = page.to_owned();
    for (before, length) in [("name=\"at\" value=\"", 16), ("<bdi>", 7), ("\"support_code\":\"", 7)] {
        let places: Vec<usize> = text.match_indices(before).map(|(at, _)| at + before.len()).collect();
        for place in places {
            let is_code = length == 16 || text.as_bytes().get(place + 3) == Some(&b'-');
            if is_code {
                text.replace_range(place..place + length, &"?".repeat(length));
            }
        }
    }
    text
}

/// Controls: C-280.
#[tokio::test]
async fn pages_of_reset_are_the_same_for_a_mailbox_that_bounces() {
    let (plain, failing) = (World::new().await, World::new().await);
    bounce(&failing, ADDRESS).await;
    for (plain, failing) in pages(&plain).await.iter().zip(pages(&failing).await) {
        assert_eq!(*plain, failing);
    }
    let mut session = aisyah(&failing).await;
    assert_eq!(noted(&mut session).await["kind"], "bounced", "it is noted");
}
