//! Stored items and logs contain no codes and no secrets.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use rekey_tests::fixtures::{AISYAH, NEW_NUMBER, Person, SEED};
use rekey_tests::world::LOCALHOST_ORIGIN;
use rekey_tests::{Browser, CeremonyOptions, Passkey, Phone, World};
use serde_json::{Value, json};

use crate::log::Lines;
use crate::security_info::{app_code, token, verify};

/// Controls: C-037, C-088.
#[tokio::test]
async fn tables_and_queue_hold_no_reset_secrets() {
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

/// Controls: C-089.
#[tokio::test]
async fn totp_seed_of_another_account_is_rejected() {
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
async fn stored_flow_stays_below_one_kilobyte() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
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

/// A log reader can group the events of one account or one login without learning whose they are.
/// Controls: C-064.
#[tokio::test]
async fn log_lines_of_one_account_share_one_pseudonym() {
    let lines = Lines::default();
    let _guard = lines.keep();
    let world = World::new().await;
    for login in ["aisyah", "Aisyah@student.contoh.example", "weiling", "nobody", "nobody"] {
        world.browser().open(login, "forgotten").await;
    }
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    assert_eq!(browser.password("Kancil-Lompat-42!").await.page(), "done");
    let wrong = json!({ "login": "aisyah", "password": "Wrong-Password-1" });
    world.browser().post("/security-info/sign-in", wrong).await;

    let (accounts, names) = (lines.field("flow.started", "account"), lines.field("flow.started", "name"));
    assert_eq!(accounts.len(), 6);
    assert!(accounts.iter().chain(&names).all(|mark| mark.len() == 16), "{accounts:?} {names:?}");
    for marks in [&accounts, &names] {
        assert!(marks[0] == marks[1] && marks[1] == marks[5] && marks[3] == marks[4], "{marks:?}");
        assert!(marks[0] != marks[2] && marks[2] != marks[3] && marks[3] != marks[0], "{marks:?}");
    }
    assert_eq!(lines.field("password.reset", "account"), accounts[..1]);
    assert_eq!(lines.field("sign_in.rejected", "name"), names[..1]);
}

/// The reset runs with many errors and faults.
/// Controls: C-092.
#[tokio::test]
async fn log_holds_no_reset_secrets_or_contacts() {
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
    world.fail_all("ses:");
    world.deliver().await;
    world.fail_all("dynamodb:");
    browser.code(&secrets[secrets.len() - 1].clone()).await;
    world.clear_faults();
    world.clock.advance(31);
    world.deliver().await;
    browser.code("12345678").await;
    browser.code(&world.last_code()).await;
    browser.send_phone("sms", "012-345 6798").await;
    secrets.push(world.last_code());
    browser.code(&world.last_code()).await;
    browser.post("/password", json!({ "password": "Wrong-Password-1", "confirmation": "x" })).await;
    world.fail_all("sqs:");
    browser.password("Kancil-Lompat-42!").await;
    world.clear_faults();
    world.clock.advance(31);
    assert_eq!(browser.password("Kancil-Lompat-42!").await.page(), "done");
    world.fail_all("sns:");
    world.deliver().await;

    let log = lines.text();
    for event in [
        "code.send_rejected",
        "code.sent",
        "step.verified",
        "request.failed",
        "message.processed",
        "password.reset",
    ] {
        assert!(log.contains(&format!("\"event\":\"{event}\"")), "nothing is logged of {event}:\n{log}");
    }
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "{secret} is logged:\n{log}");
    }
}

/// The secrets that must not be found elsewhere, and the tables and queue while they were in use.
struct RecordedSecrets {
    world: Arc<World>,
    secrets: BTreeSet<String>,
    stored: String,
}

impl RecordedSecrets {
    /// Adds a secret, with and without the hyphens and spaces that people type.
    fn add(&mut self, secret: &str) {
        self.secrets.insert(secret.to_owned());
        self.secrets.insert(secret.replace(['-', ' '], ""));
    }

    /// Adds the parts of a cookie that only its bearer knows.
    fn cookie(&mut self, cookie: Option<&String>) {
        for part in cookie.unwrap().split('.').filter(|part| part.len() > 16) {
            self.add(part);
        }
    }

    /// Records the current content of tables and queue.
    async fn record_stores(&mut self) {
        self.stored.push_str(&self.world.dump().await);
        let sealed: Vec<_> = self.world.envelopes().into_iter().map(|(envelope, _)| envelope).collect();
        self.stored.push_str(&serde_json::to_string(&sealed).unwrap());
    }
}

impl RecordedSecrets {
    /// Signs in with a wrong password, the correct one, and a code.
    async fn sign_in(&mut self) -> Browser {
        let wrong = json!({ "login": "aisyah", "password": "Wrong-Password-1" });
        self.world.browser().post("/security-info/sign-in", wrong).await;
        self.world.fail_all("dynamodb:GetItem");
        self.world.browser().sign_in("mei").await;
        self.world.clear_faults();
        let mut owner = self.world.browser();
        owner.sign_in("aisyah").await;
        self.cookie(owner.session.as_ref());
        for method in ["email", "sms", "mobile_call", "office_call"] {
            assert_eq!(
                verify(&mut owner, json!({ "method": method })).await.page(),
                "second-step",
                "{method}"
            );
            self.add(&self.world.last_code());
            self.record_stores().await;
            verify(&mut owner, json!({ "method": method, "code": "00000000" })).await;
        }
        let code = json!({ "method": "office_call", "code": self.world.last_code() });
        self.world.fail_all("ses:");
        self.world.deliver().await;
        self.world.fail_all("dynamodb:PutItem");
        assert_eq!(verify(&mut owner, code.clone()).await.status, 503);
        self.world.clear_faults();
        assert_eq!(verify(&mut owner, code).await.page(), "security-info");
        let code = self.world.app_code(0);
        self.add(&code);
        assert_eq!(owner.second_step(&code).await.page(), "security-info", "nothing has to wait");
        owner
    }

    /// Enrols each kind of entry and pairs a phone.
    async fn enrol_all(&mut self, owner: &mut Browser) -> (Phone, Passkey, Vec<String>) {
        let mut phone = Phone::new(&self.world, 1);
        let subscription: Value = serde_json::from_str(&phone.subscription()).unwrap();
        for secret in
            [&subscription["endpoint"], &subscription["keys"]["p256dh"], &subscription["keys"]["auth"]]
        {
            self.add(secret.as_str().unwrap());
        }
        let (mut passkey, mut codes) = (None, Vec::new());
        for (kind, value) in [
            ("alternate_email", "new@mail.example"),
            ("mobile", NEW_NUMBER),
            ("totp", ""),
            ("authenticator", ""),
            ("passkey", ""),
            ("recovery_codes", ""),
        ] {
            let challenge = owner.add(kind, value).await.json();
            assert_eq!(challenge["page"], "confirm", "{kind}");
            let mut body = json!({ "id": challenge["id"] });
            match kind {
                "totp" => {
                    self.add(challenge["secret"].as_str().unwrap());
                    body["code"] = json!(app_code(&self.world, &challenge));
                    self.add(body["code"].as_str().unwrap());
                }
                "authenticator" => {
                    self.add(&token(&challenge).expose());
                    phone.pair_with_subscription(&token(&challenge), "{}").await;
                    let paired = phone.pair(&token(&challenge)).await.json();
                    self.add(&phone.handle);
                    body["code"] = paired["code"].clone();
                    self.add(paired["code"].as_str().unwrap());
                }
                "passkey" => {
                    let (made, answer) =
                        Passkey::create(&challenge["options"], &CeremonyOptions::at(LOCALHOST_ORIGIN));
                    passkey = Some(made);
                    body["assertion"] = json!(answer);
                }
                "recovery_codes" => {
                    codes = challenge["codes"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|code| code.as_str().unwrap().to_owned())
                        .collect();
                    for code in &codes {
                        self.add(code);
                    }
                }
                _ => {
                    body["code"] = json!(self.world.last_code());
                    self.add(&self.world.last_code());
                }
            }
            self.record_stores().await;
            if matches!(kind, "totp" | "authenticator") {
                assert_eq!(
                    owner.confirm(challenge["id"].as_str().unwrap(), "999999").await.problem().1,
                    "code-wrong"
                );
            } else if kind == "mobile" {
                self.world.fail_all("sqs:");
                assert_eq!(owner.post("/security-info/confirm", body.clone()).await.status, 503);
                self.world.clear_faults();
            }
            assert_eq!(owner.post("/security-info/confirm", body).await.page(), "security-info", "{kind}");
        }
        self.record_stores().await;
        (phone, passkey.unwrap(), codes)
    }

    /// Verifies the second step with each method, approves, refuses, and resets. Returns the numbers of the pages.
    async fn verify_all(
        &mut self,
        phone: &mut Phone,
        passkey: &mut Passkey,
        codes: &[String],
    ) -> Vec<String> {
        let mut next = self.world.browser();
        let options = next.sign_in("aisyah").await.json()["options"].clone();
        self.cookie(next.session.as_ref());
        let assertion = passkey.answer(&options, &CeremonyOptions::at(LOCALHOST_ORIGIN));
        let signed: Value = serde_json::from_str(&assertion).unwrap();
        self.add(signed["response"]["signature"].as_str().unwrap());
        assert_eq!(
            verify(&mut next, json!({ "method": "passkey", "assertion": assertion })).await.page(),
            "security-info"
        );
        assert_eq!(
            verify(&mut next, json!({ "method": "recovery_code", "code": codes[0] })).await.page(),
            "security-info"
        );
        verify(&mut next, json!({ "method": "totp", "code": "000000" })).await;
        let mut numbers = Vec::new();
        for approves in [true, false] {
            let challenge = verify(&mut next, json!({ "method": "push" })).await.json();
            numbers.push(challenge["number"].as_str().unwrap().to_owned());
            self.world.fail_all("sns:");
            self.world.deliver().await;
            self.world.clear_faults();
            let request = phone.request().await;
            self.record_stores().await;
            if approves {
                phone.approve(&request, &numbers[0]).await;
                assert_eq!(verify(&mut next, json!({ "method": "push" })).await.page(), "security-info");
                self.world.clock.advance(90);
            } else {
                assert_eq!(phone.deny(&request).await.status, 200);
            }
        }
        self.world.clock.advance(72 * 3_600);
        let mut reset = self.world.browser();
        reset.open("aisyah", "forgotten").await;
        self.cookie(reset.cookie.as_ref());
        assert_eq!(
            reset
                .post("/code", json!({ "method": "recovery_code", "code": "0123-4567-89AB-CDEF" }))
                .await
                .problem()
                .1,
            "code-wrong"
        );
        assert_eq!(
            reset.post("/code", json!({ "method": "recovery_code", "code": codes[1] })).await.page(),
            "method"
        );
        let options =
            reset.post("/code/send", json!({ "method": "passkey" })).await.json()["options"].clone();
        let assertion = passkey.answer(&options, &CeremonyOptions::at(LOCALHOST_ORIGIN));
        assert_eq!(
            reset.post("/code", json!({ "method": "passkey", "assertion": assertion })).await.page(),
            "password"
        );
        self.record_stores().await;
        self.world.deliver().await;
        numbers
    }
}

/// Covers sign-in, each second step, each kind of entry, a pairing, an approval and a refusal. Each is submitted correct
/// and wrong, with many errors and faults.
/// Controls: C-088, C-092.
#[tokio::test]
async fn logs_tables_and_queue_hold_no_enrolment_secrets() {
    let lines = Lines::default();
    let _guard = lines.keep();
    let mut recorded =
        RecordedSecrets { world: World::new().await, secrets: BTreeSet::new(), stored: String::new() };
    for secret in [SEED, Person::PASSWORD, "Wrong-Password-1", NEW_NUMBER, "0123459900", "new@mail.example"] {
        recorded.add(secret);
    }
    for contact in [AISYAH.alternate_email, AISYAH.mobile, AISYAH.office_phone] {
        recorded.add(contact.unwrap());
    }
    let mut owner = recorded.sign_in().await;
    let (mut phone, mut passkey, codes) = recorded.enrol_all(&mut owner).await;
    let numbers = recorded.verify_all(&mut phone, &mut passkey, &codes).await;

    let log = lines.text();
    for event in [
        "session.started",
        "sign_in.rejected",
        "step_up.challenge_sent",
        "step_up.rejected",
        "step_up.verified",
        "enrolment.started",
        "enrolment.rejected",
        "enrolment.completed",
        "device.paired",
        "approval.answered",
        "request.failed",
        "passkey.requested",
        "message.processed",
    ] {
        assert!(log.contains(&format!("\"event\":\"{event}\"")), "nothing is logged of {event}:\n{log}");
    }
    for secret in &recorded.secrets {
        assert!(!log.contains(secret.as_str()), "{secret} is logged:\n{log}");
        assert!(!recorded.stored.contains(secret.as_str()), "{secret} is stored in the clear");
    }
    for text in ["aisyah", AISYAH.name] {
        assert!(!log.contains(text), "{text} is logged:\n{log}");
    }
    for line in log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let mut said = line.as_object().unwrap().values().map(ToString::to_string);
        let number = said.find(|said| numbers.contains(&said.replace(['"', '(', ')'], "")));
        assert!(number.is_none(), "the number on the page is logged: {line}");
    }
}
