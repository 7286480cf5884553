//! What is stored and what is logged tells no code and no secret.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::AttributeValue;
use rekey_tests::World;
use rekey_tests::people::{AISYAH, Person, SEED};
use serde_json::json;

#[tokio::test]
async fn tables_and_queue_hold_no_code_password_seed_or_cookie() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    let mut secrets = vec![SEED.to_owned(), Person::PASSWORD.to_owned(), "Kancil-Lompat-42!".to_owned()];
    let id = |cookie: &Option<String>| cookie.as_ref().unwrap().split('.').nth(2).unwrap().to_owned();
    secrets.push(id(&browser.cookie));
    browser.send_email().await;
    secrets.push(world.last_code());
    let mut dumps = world.dump().await;
    browser.code(&world.last_code()).await;
    browser.send_phone("sms", "0123456798").await;
    secrets.push(world.last_code());
    dumps.push_str(&world.dump().await);
    browser.code(&world.last_code()).await;
    browser.password("Kancil-Lompat-42!").await;
    dumps.push_str(&world.dump().await);
    dumps.push_str(
        &serde_json::to_string(&world.envelopes().iter().map(|(e, _)| e).collect::<Vec<_>>()).unwrap(),
    );
    for secret in &secrets {
        assert!(!dumps.contains(secret.as_str()), "{secret} is stored in the clear");
    }
    assert!(dumps.contains("$argon2id$v=19$m=19456,t=2,p=1$"));
}

#[tokio::test]
async fn a_seed_put_under_another_person_opens_nothing() {
    let world = World::new().await;
    let victim = Person { login: "victim", ..AISYAH };
    world.register(&victim).await;
    let keys = |person: &Person| {
        let id = AttributeValue::S(person.account().id.as_str().to_owned());
        [("account".to_owned(), id), ("item".to_owned(), AttributeValue::S("totp".to_owned()))]
    };
    let read = world.client.get_item().table_name("SecurityInfoTable").set_key(Some(keys(&AISYAH).into()));
    let mut item = read.send().await.unwrap().item.unwrap();
    item.extend(keys(&victim));
    world.client.put_item().table_name("SecurityInfoTable").set_item(Some(item)).send().await.unwrap();
    let mut browser = world.browser();
    browser.open("victim", "forgotten").await;
    let answer = browser.totp(&world.app_code(0)).await;
    assert_ne!(answer.status, 200, "{}", answer.text());
    assert_eq!(browser.get("/method").await.json()["step"], 1);
}

#[tokio::test]
async fn a_stored_flow_stays_below_one_kilobyte() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.prove_both("forgotten").await;
    let size = async || {
        let items = world.client.scan().table_name("FlowsTable").send().await.unwrap().items.unwrap();
        let item = &items[0];
        item.iter()
            .map(|(name, value)| {
                let value = value
                    .as_s()
                    .map(String::len)
                    .or_else(|_| value.as_n().map(String::len))
                    .or_else(|_| value.as_b().map(|b| b.as_ref().len()))
                    .unwrap_or(1);
                name.len() + value
            })
            .sum::<usize>()
    };
    assert!(size().await < 1_024, "{} bytes", size().await);
    browser.password("Kancil-Lompat-42!").await;
    assert!(size().await < 1_024, "{} bytes", size().await);
}

/// Where the log goes.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Keeps everything that the product says at any level, and everybody else from INFO on, until the guard goes.
    fn keep(&self) -> tracing::subscriber::DefaultGuard {
        use tracing_subscriber::layer::SubscriberExt as _;
        use tracing_subscriber::{Layer as _, filter::Targets, fmt};
        let own = [
            "shared",
            "approval",
            "captcha",
            "method_selection",
            "code_send",
            "code_verify",
            "password_set",
            "delivery",
            "enrolment",
        ];
        let filter = own.iter().fold(Targets::new().with_default(tracing::Level::INFO), |filter, target| {
            filter.with_target(*target, tracing::Level::TRACE)
        });
        let writer = self.clone();
        let layer = fmt::layer().json().with_writer(move || writer.clone()).with_filter(filter);
        tracing::subscriber::set_default(tracing_subscriber::registry().with(layer))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// What stands in a field of the lines of an event, in order.
    fn field(&self, event: &str, field: &str) -> Vec<String> {
        let lines = self.text();
        let lines = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines
            .map(|line| line["fields"].clone())
            .filter(|fields| fields["event"] == event)
            .map(|fields| fields[field].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

/// Whoever reads the log finds what happened to one account together, and what was tried with one name, without learning
/// whose they are.
#[tokio::test]
async fn the_lines_of_one_account_carry_one_pseudonym() {
    let lines = Lines::default();
    let _guard = lines.keep();
    let world = World::new().await;
    for login in ["aisyah", "Aisyah@student.contoh.example", "weiling", "nobody", "nobody"] {
        world.browser().open(login, "forgotten").await;
    }
    let mut browser = world.browser();
    browser.prove_both("forgotten").await;
    assert_eq!(browser.password("Kancil-Lompat-42!").await.page(), "done");
    let wrong = json!({ "login": "aisyah", "password": "Wrong-Password-1" });
    world.browser().post("/security-info/sign-in", wrong).await;

    let (accounts, names) = (lines.field("opened", "account"), lines.field("opened", "name"));
    assert_eq!(accounts.len(), 6);
    assert!(accounts.iter().chain(&names).all(|mark| mark.len() == 16), "{accounts:?} {names:?}");
    for marks in [&accounts, &names] {
        assert!(marks[0] == marks[1] && marks[1] == marks[5] && marks[3] == marks[4], "{marks:?}");
        assert!(marks[0] != marks[2] && marks[2] != marks[3] && marks[3] != marks[0], "{marks:?}");
    }
    assert_eq!(lines.field("done", "account"), accounts[..1]);
    assert_eq!(lines.field("sign-in-refused", "name"), names[..1]);
}

/// On a day on which much goes wrong.
#[tokio::test]
async fn the_log_holds_no_code_password_seed_cookie_or_contact() {
    let lines = Lines::default();
    let _guard = lines.keep();

    let world = World::new().await;
    let mut secrets = vec![
        SEED.to_owned(),
        Person::PASSWORD.to_owned(),
        "Kancil-Lompat-42!".to_owned(),
        "Wrong-Password-1".to_owned(),
        "60123456798".to_owned(),
        "0123456798".to_owned(),
        AISYAH.alternate_email.unwrap().to_owned(),
        "aisyah".to_owned(),
        AISYAH.name.to_owned(),
    ];
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    secrets.extend(browser.cookie.as_ref().unwrap().split('.').skip(2).map(str::to_owned));
    browser.send_phone("sms", "012-999 9999").await;
    browser.send_email().await;
    secrets.push(world.last_code());
    world.put_out_of_order("ses:");
    world.deliver().await;
    world.put_out_of_order("dynamodb:");
    browser.code(&secrets[secrets.len() - 1].clone()).await;
    world.mend();
    world.clock.advance(31);
    world.deliver().await;
    browser.code("12345678").await;
    browser.code(&world.last_code()).await;
    browser.send_phone("sms", "012-345 6798").await;
    secrets.push(world.last_code());
    browser.code(&world.last_code()).await;
    browser.post("/password", json!({ "password": "Wrong-Password-1", "confirmation": "x" })).await;
    world.put_out_of_order("sqs:");
    browser.password("Kancil-Lompat-42!").await;
    world.mend();
    world.clock.advance(31);
    assert_eq!(browser.password("Kancil-Lompat-42!").await.page(), "done");
    world.put_out_of_order("sns:");
    world.deliver().await;

    let log = lines.text();
    for event in ["send-refused", "code-sent", "step-proved", "unavailable", "delivery", "done"] {
        assert!(log.contains(&format!("\"event\":\"{event}\"")), "nothing is logged of {event}:\n{log}");
    }
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "{secret} is logged:\n{log}");
    }
}
