//! The help desk: agents check a caller, give a pass, remove a method and a lock, and lift limits, by invoking
//! `help-desk` with their own credentials.

use std::collections::BTreeMap;
use std::sync::Arc;

use rekey_tests::fixtures::{AISYAH, DANIEL, MEI, NEWCOMER, REGISTRAR};
use rekey_tests::{Browser, World};
use serde_json::{Value, json};
use shared::adapters::agents;
use shared::adapters::aws::{agent_key, emulated};
use shared::adapters::stack::{self, StackError};
use shared::domain::account::AccountState;
use shared::domain::help_desk::{CheckedBy, PassMinutes, Remark};
use shared::domain::help_desk_call::{Act, HelpAnswer, HelpRefusal, HelpRequest, SecretText, What};
use shared::domain::message::{Message, Purpose, Recipient};
use shared::domain::method::Method;
use shared::domain::notice::Event;
use shared::domain::policy::Readiness;
use shared::domain::security_info::{EntryId, Kind};
use shared::ports::{EnrolmentStore as _, SecurityInfoStore as _};

const PASSWORD: &str = "Kancil-Lompat-42!";
const FUNCTION: &str = "HelpDeskFunction";

/// An agent of the help desk.
pub struct Desk {
    world: Arc<World>,
    role: &'static str,
    name: &'static str,
}

impl Desk {
    pub fn of(world: &Arc<World>, name: &'static str) -> Self {
        Self { world: world.clone(), role: "helpers", name }
    }

    pub fn in_role(world: &Arc<World>, role: &'static str, name: &'static str) -> Self {
        Self { role, ..Self::of(world, name) }
    }

    pub async fn try_ask(&self, login: &str, what: What) -> Result<HelpAnswer, StackError> {
        let config = emulated(self.world.emulator.endpoint(), &agent_key(self.role, self.name));
        let act = Act { login: login.to_owned(), what };
        stack::ask_help_desk(&config, self.world.clock.clone(), FUNCTION, &act).await
    }

    pub async fn ask(&self, login: &str, what: What) -> HelpAnswer {
        self.try_ask(login, what).await.unwrap()
    }

    async fn is_refused(&self, login: &str, what: What, why: HelpRefusal) {
        assert_eq!(self.ask(login, what).await, HelpAnswer::Refused(why), "{login}");
    }

    /// Checks a caller by a document.
    pub async fn check(&self, login: &str) {
        let document = remark("student card");
        let answer = self.ask(login, What::SeeDocument { document }).await;
        assert!(matches!(answer, HelpAnswer::Checked { .. }), "{answer:?}");
    }

    /// Checks a caller and gives a pass.
    pub async fn pass(&self, login: &str) -> String {
        self.check(login).await;
        match self.ask(login, pass()).await {
            HelpAnswer::Passed { pass, .. } => pass.expose().to_owned(),
            other => panic!("{other:?}"),
        }
    }
}

pub fn remark(text: &str) -> Remark {
    Remark::try_from(text.to_owned()).unwrap()
}

pub fn pass() -> What {
    What::Pass { minutes: PassMinutes::try_from(15).unwrap(), reason: remark("lost phone") }
}

pub fn removal(entry: &str) -> What {
    What::Remove { entry: EntryId::parse(entry).unwrap(), reason: remark("lost phone") }
}

fn release(known_devices: bool) -> What {
    What::Release { known_devices, reason: remark("kept out by mistakes") }
}

fn unlock() -> What {
    What::Unlock { reason: remark("five wrong passwords") }
}

async fn opened(world: &Arc<World>, login: &str) -> Browser {
    let mut browser = world.browser();
    browser.open(login, "forgotten").await;
    browser
}

pub fn events(world: &World) -> Vec<(String, Value)> {
    let events = world.emulator.operator_events().into_iter();
    events.map(|event| (event["event"].as_str().unwrap().to_owned(), event)).collect()
}

/// A caller without a phone gets a pass after a code by mail, and sets a password with it.
/// Controls: C-222, C-226.
#[tokio::test]
async fn caller_is_checked_by_code_and_resets_by_pass() {
    let world = World::new().await;
    let lim = Desk::of(&world, "m.lim");
    lim.is_refused("aisyah", pass(), HelpRefusal::NotChecked).await;
    let answer = lim.ask("aisyah", What::SendCode { method: Method::Email }).await;
    let HelpAnswer::CodeSent { masked, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(masked, "a*****@*****");
    let purposes: Vec<Purpose> = world
        .messages()
        .into_iter()
        .filter_map(|message| if let Message::Code(code) = message { Some(code.purpose) } else { None })
        .collect();
    assert_eq!(purposes, [Purpose::HelpDesk]);
    let code = world.last_code();
    let check = |code: &str| What::CheckCode { code: SecretText::new(code) };
    assert_eq!(lim.ask("aisyah", check("00000000")).await, HelpAnswer::Wrong { attempts_left: Some(4) });
    assert!(matches!(lim.ask("aisyah", check(&code)).await, HelpAnswer::Checked { .. }));
    lim.is_refused("aisyah", check(&code), HelpRefusal::NothingAsked).await;
    let answer = lim.ask("aisyah", pass()).await;
    let HelpAnswer::Passed { pass, expires_at, notified } = answer else { panic!("{answer:?}") };
    assert_eq!((expires_at.seconds_after(world.now()), notified), (900, 4));
    let issued = world.notices().into_iter().filter(|notice| notice.event == Event::PassIssued);
    assert_eq!(issued.count(), 4, "every contact");
    let mut browser = opened(&world, "aisyah").await;
    let typed = json!({ "method": "pass", "code": pass.expose() });
    assert_eq!(browser.post("/code", typed).await.page(), "password");
    assert_eq!(browser.password(PASSWORD).await.page(), "done");
    let log: Vec<String> = events(&world).into_iter().map(|(event, _)| event).collect();
    assert_eq!(
        log,
        [
            "help.refused",
            "caller.code_sent",
            "caller.rejected",
            "caller.checked",
            "help.refused",
            "pass.issued"
        ]
    );
}

/// Controls: C-222.
#[tokio::test]
async fn caller_is_checked_by_app_code_once() {
    let world = World::new().await;
    let lim = Desk::of(&world, "m.lim");
    let check = |code: &str| What::CheckApp { code: SecretText::new(code) };
    assert_eq!(lim.ask("aisyah", check("000000")).await, HelpAnswer::Wrong { attempts_left: None });
    let code = world.app_code(0);
    assert!(matches!(lim.ask("aisyah", check(&code)).await, HelpAnswer::Checked { .. }));
    assert_eq!(lim.ask("aisyah", check(&code)).await, HelpAnswer::Wrong { attempts_left: None }, "used");
    lim.is_refused("mei", check(&code), HelpRefusal::NoSuchMethod).await;
    let shown = lim.ask("aisyah", What::Show { reveal: None }).await;
    let HelpAnswer::Shown(person) = shown else { panic!("{shown:?}") };
    assert_eq!(person.checked.unwrap().by, CheckedBy::App);
}

/// A code that was sent lasts five attempts, ten minutes, and until the next one.
/// Controls: C-222.
#[tokio::test]
async fn code_for_caller_ends_after_attempts_and_time() {
    let world = World::new().await;
    let lim = Desk::of(&world, "m.lim");
    let check = |code: &str| What::CheckCode { code: SecretText::new(code) };
    let send = || What::SendCode { method: Method::Sms };
    lim.ask("aisyah", send()).await;
    let first = world.last_code();
    for left in (0..5).rev() {
        let wrong = HelpAnswer::Wrong { attempts_left: Some(left) };
        assert_eq!(lim.ask("aisyah", check("00000000")).await, wrong);
    }
    lim.is_refused("aisyah", check(&first), HelpRefusal::NothingAsked).await;
    lim.ask("aisyah", send()).await;
    assert!(matches!(lim.ask("aisyah", check(&first)).await, HelpAnswer::Wrong { .. }), "an earlier one");
    let second = world.last_code();
    lim.is_refused("mei", check(&second), HelpRefusal::NothingAsked).await;
    world.clock.advance(600);
    lim.is_refused("aisyah", check(&second), HelpRefusal::NothingAsked).await;
    lim.is_refused("mei", What::SendCode { method: Method::Email }, HelpRefusal::NoSuchMethod).await;
    lim.is_refused("mei", What::SendCode { method: Method::Totp }, HelpRefusal::NoSuchMethod).await;
}

/// Somebody with the password may have added a number yesterday, and calls today.
/// Controls: C-222.
#[tokio::test]
async fn young_factor_proves_no_caller() {
    let world = World::new().await;
    let mut owner = world.browser();
    owner.sign_in("aisyah").await;
    owner.second_step(&world.app_code(0)).await;
    owner.post("/security-info/remove", json!({ "id": "mobile" })).await;
    owner.add("mobile", "012-345 9900").await;
    owner.confirm("mobile", &world.last_code()).await;
    world.clock.advance(72 * 3_600 + 60);
    let lim = Desk::of(&world, "m.lim");
    lim.is_refused("aisyah", What::SendCode { method: Method::Sms }, HelpRefusal::NoSuchMethod).await;
    world.clock.advance(72 * 3_600);
    let answer = lim.ask("aisyah", What::SendCode { method: Method::Sms }).await;
    assert!(matches!(answer, HelpAnswer::CodeSent { .. }), "{answer:?}");
}

/// Controls: C-221, C-227.
#[tokio::test]
async fn privileged_and_disabled_accounts_are_fenced_off() {
    let world = World::new().await;
    let lim = Desk::of(&world, "m.lim");
    for person in [&REGISTRAR, &DANIEL] {
        let acts = [
            What::SendCode { method: Method::Email },
            What::SeeDocument { document: remark("staff card") },
            pass(),
            removal("mobile"),
            unlock(),
            release(false),
        ];
        for act in acts {
            lim.is_refused(person.login, act, HelpRefusal::NotEligible).await;
        }
        let shown = lim.ask(person.login, What::Show { reveal: None }).await;
        let HelpAnswer::Shown(shown) = shown else { panic!("{shown:?}") };
        assert_eq!((shown.state, shown.readiness), (person.state, Readiness::None));
    }
    assert!(world.envelopes().is_empty());
}

/// Controls: C-223.
#[tokio::test]
async fn second_pass_in_a_week_is_given_by_another_agent() {
    let world = World::new().await;
    let (lim, tan) = (Desk::of(&world, "m.lim"), Desk::of(&world, "s.tan"));
    lim.pass("mei").await;
    world.clock.advance(86_400);
    lim.check("mei").await;
    for _ in 0..2 {
        let answer = lim.ask("mei", pass()).await;
        assert!(matches!(answer, HelpAnswer::NeedsAnotherAgent { .. }), "{answer:?}");
    }
    let answer = tan.ask("mei", pass()).await;
    assert!(matches!(answer, HelpAnswer::Passed { .. }), "{answer:?}");
    let agents: Vec<String> = events(&world)
        .into_iter()
        .filter(|(event, _)| event == "pass.issued")
        .map(|(_, event)| event["actor"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        agents,
        ["m.lim", "s.tan"].map(|name| format!("arn:aws:sts::000000000000:assumed-role/helpers/{name}"))
    );
}

/// Controls: C-223, C-226.
#[tokio::test]
async fn last_old_factor_is_removed_by_two_agents() {
    let world = World::new().await;
    let (lim, tan) = (Desk::of(&world, "m.lim"), Desk::of(&world, "s.tan"));
    lim.is_refused("mei", removal("mobile"), HelpRefusal::NotChecked).await;
    lim.check("mei").await;
    lim.is_refused("mei", removal("totp"), HelpRefusal::NoSuchMethod).await;
    let answer = lim.ask("mei", removal("mobile")).await;
    assert!(matches!(answer, HelpAnswer::NeedsAnotherAgent { .. }), "{answer:?}");
    assert_eq!(world.enrolment.registered(&MEI.account().id).await.unwrap().entries.len(), 1);
    assert_eq!(tan.ask("mei", removal("mobile")).await, HelpAnswer::Removed { notified: 2 });
    assert!(world.enrolment.registered(&MEI.account().id).await.unwrap().entries.is_empty());
    let notified = world.notices().into_iter().filter(|notice| notice.event == Event::Removed(Kind::Mobile));
    let texts = notified.filter(|notice| matches!(notice.to, Recipient::Sms(_))).count();
    assert_eq!(texts, 1, "the removed number is told");
}

/// A removal ends open resets, and devices that were known.
/// Controls: C-040, C-226.
#[tokio::test]
async fn removal_ends_flows_and_known_devices() {
    let world = World::new().await;
    let lim = Desk::of(&world, "m.lim");
    let account = AISYAH.account().id;
    let epoch = world.enrolment.registered(&account).await.unwrap().device_epoch;
    let mut flow = world.browser();
    flow.verify_both_steps("forgotten").await;
    lim.check("aisyah").await;
    assert_eq!(lim.ask("aisyah", removal("mobile")).await, HelpAnswer::Removed { notified: 4 });
    assert_eq!(flow.password(PASSWORD).await.problem(), (410, "flow-ended".into()));
    let registered = world.enrolment.registered(&account).await.unwrap();
    assert_eq!(registered.device_epoch, epoch + 1);
    assert!(registered.entries.iter().all(|entry| entry.id.kind() != Kind::Mobile));
}

/// Controls: C-226.
#[tokio::test]
async fn lock_is_removed_and_notified_by_reconciliation() {
    let world = World::new().await;
    let lim = Desk::of(&world, "m.lim");
    assert_eq!(lim.ask("priya", unlock()).await, HelpAnswer::Unlocked);
    let shown = lim.ask("priya", What::Show { reveal: None }).await;
    let HelpAnswer::Shown(person) = shown else { panic!("{shown:?}") };
    assert_eq!(person.state, AccountState::Active);
    assert!(world.notices().is_empty());
    world.clock.advance(60);
    world.deliver().await;
    let told: Vec<String> = world.dev_inbox.messages().into_iter().map(|message| message.body).collect();
    assert_eq!(told.len(), 3, "both addresses and the mobile: {told:?}");
    assert!(told.iter().all(|text| text.contains("unlocked")), "{told:?}");
}

/// Nobody hears of a lock that was not removed.
/// Controls: C-026, C-226.
#[tokio::test]
async fn unlock_without_directory_tells_nobody() {
    let world = World::new().await;
    let lim = Desk::of(&world, "m.lim");
    world.fail_calls("help-desk", "dynamodb:UpdateItem", "AccountsTable");
    assert_eq!(lim.ask("priya", unlock()).await, HelpAnswer::Unconfirmed);
    world.clear_faults();
    world.clock.advance(60);
    world.deliver().await;
    assert!(world.dev_inbox.messages().is_empty());
    assert_eq!(lim.ask("priya", unlock()).await, HelpAnswer::Unlocked);
}

/// Strangers used up what an owner has.
/// Controls: C-228.
#[tokio::test]
async fn released_account_may_use_its_limits_again() {
    let world = World::new().await;
    let lim = Desk::of(&world, "m.lim");
    let mut browser = opened(&world, "aisyah").await;
    for _ in 0..5 {
        browser.totp("000000").await;
    }
    let mut next = opened(&world, "aisyah").await;
    assert_eq!(next.totp(&world.app_code(0)).await.problem().1, "method-unavailable");
    assert_eq!(lim.ask("aisyah", release(true)).await, HelpAnswer::Released);
    assert_eq!(next.totp(&world.app_code(0)).await.page(), "method");
    let registration = world.security_info.registration(&AISYAH.account().id, world.now()).await.unwrap();
    assert_eq!(registration.device_epoch, 1, "known devices ended");
}

/// Controls: C-006, C-224.
#[tokio::test]
async fn person_is_shown_as_masks_unless_a_reason_is_given() {
    let world = World::new().await;
    let lim = Desk::of(&world, "m.lim");
    let show = async |reveal| match lim.ask("AISYAH@student.contoh.example", What::Show { reveal }).await {
        HelpAnswer::Shown(person) => serde_json::to_string(&person).unwrap(),
        other => panic!("{other:?}"),
    };
    let masked = show(None).await;
    for whole in ["Aisyah binti", "aisyah.rahman", "+60123456798", "aisyah@student"] {
        assert!(!masked.contains(whole), "{whole}: {masked}");
    }
    assert!(masked.contains("*****98") && masked.contains("N… A…"), "{masked}");
    let whole = show(Some(remark("asked for the number by the registrar"))).await;
    assert!(whole.contains("+60123456798") && whole.contains("Nur Aisyah binti Rahman"), "{whole}");
    let log = events(&world);
    let revealed: Vec<&Value> = log.iter().map(|(_, event)| &event["revealed"]).collect();
    assert_eq!(revealed, [&json!(false), &json!(true)]);
    let text = format!("{log:?}");
    assert!(!text.contains("aisyah") && !text.contains("6798"), "a pseudonym names the person: {text}");
}

/// Controls: C-221.
#[tokio::test]
async fn helper_outside_the_group_is_refused_and_audited() {
    let world = World::with(&[("REKEY_HELPERS", "helpers=students,chiefs=*")]).await;
    let lim = Desk::of(&world, "m.lim");
    let chief = Desk { role: "chiefs", ..Desk::of(&world, "r.devi") };
    let other = Desk { role: "gardeners", ..Desk::of(&world, "x") };
    let show = || What::Show { reveal: None };
    lim.is_refused("aisyah", show(), HelpRefusal::NotYours).await;
    other.is_refused("aisyah", show(), HelpRefusal::NotYours).await;
    lim.is_refused("nobody-at-all", show(), HelpRefusal::NotFound).await;
    assert!(matches!(chief.ask("aisyah", show()).await, HelpAnswer::Shown(_)));
    world.set_group("aisyah", "students").await;
    assert!(matches!(lim.ask("aisyah", show()).await, HelpAnswer::Shown(_)));
    world.set_group("aisyah", "staff").await;
    lim.is_refused("aisyah", pass(), HelpRefusal::NotYours).await;
    let refused: Vec<(Value, Value)> = events(&world)
        .into_iter()
        .filter(|(event, _)| event == "help.refused")
        .map(|(_, event)| (event["act"].clone(), event["reason"].clone()))
        .collect();
    assert_eq!(
        refused,
        [("show", "not-yours"), ("show", "not-yours"), ("show", "not-found"), ("pass", "not-yours")]
            .map(|(act, reason)| (json!(act), json!(reason)))
    );
}

/// The second agent would be worth nothing if an agent could name another one.
/// Controls: C-220.
#[tokio::test]
async fn agent_is_whoever_signed_this_act_for_this_function() {
    let world = World::new().await;
    let invoke = async |caller: BTreeMap<String, String>, act: &str| {
        let request = HelpRequest { caller, act: SecretText::new(act) };
        let ports = help_desk::Ports::from_process(&world.process("help-desk").await).unwrap();
        help_desk::handle(&ports, request).await
    };
    let sign = async |key: &str, function: &str, act: &str| {
        let config = emulated(world.emulator.endpoint(), key);
        agents::sign(&config, world.clock.clone(), function, act).await.unwrap()
    };
    let lim = agent_key("helpers", "m.lim");
    let act = r#"{"login":"aisyah","what":{"show":{}}}"#;
    let signed = sign(&lim, FUNCTION, act).await;
    assert!(matches!(invoke(signed.clone(), act).await, HelpAnswer::Shown(_)));
    let unknown = HelpAnswer::Refused(HelpRefusal::UnknownCaller);
    let other = r#"{"login":"mei","what":{"show":{}}}"#;
    assert_eq!(invoke(signed.clone(), other).await, unknown, "another act");
    assert_eq!(invoke(sign(&lim, "OtherFunction", act).await, act).await, unknown, "another function");
    assert_eq!(invoke(sign("local", FUNCTION, act).await, act).await, unknown, "the root of the account");
    assert_eq!(invoke(BTreeMap::new(), act).await, unknown, "nobody");
    for name in ["x-rekey-act", "x-rekey-function"] {
        let mut uncovered = signed.clone();
        let authorization = uncovered.get_mut("authorization").unwrap();
        *authorization = authorization.replace(name, "x-other");
        assert_eq!(invoke(uncovered, act).await, unknown, "{name} is not signed");
    }
}

/// Controls: C-224.
#[tokio::test]
async fn act_without_its_event_is_not_carried_out() {
    let world = World::new().await;
    let lim = Desk::of(&world, "m.lim");
    lim.check("mei").await;
    world.fail_all("logs:");
    for act in
        [pass(), unlock(), release(true), What::SendCode { method: Method::Sms }, What::Show { reveal: None }]
    {
        lim.is_refused("mei", act, HelpRefusal::Unavailable).await;
    }
    world.emulator.inject_faults(None);
    assert!(world.envelopes().is_empty(), "nothing was sent");
    assert!(!world.dump().await.contains("\"pass\": B"), "no pass was written");
}

/// An agent of another role, or a function, may not do what the help desk does.
/// Controls: C-224.
#[tokio::test]
async fn only_agents_may_invoke_the_help_desk() {
    let world = World::new().await;
    let config = emulated(world.emulator.endpoint(), "enrolment");
    let act = Act { login: "aisyah".into(), what: What::Show { reveal: None } };
    let refused = stack::ask_help_desk(&config, world.clock.clone(), FUNCTION, &act).await.unwrap_err();
    assert!(refused.to_string().contains("AccessDenied"), "{refused}");
}

/// A person who never enrolled anything gets in by a pass alone.
/// Controls: C-031.
#[tokio::test]
async fn pass_of_the_help_desk_opens_an_account_without_methods() {
    let world = World::new().await;
    world.register(&NEWCOMER).await;
    let pass = Desk::of(&world, "m.lim").pass("newcomer").await;
    let mut browser = opened(&world, "newcomer").await;
    let typed = json!({ "method": "pass", "code": pass });
    assert_eq!(browser.post("/code", typed).await.page(), "password");
    assert_eq!(browser.password(PASSWORD).await.page(), "done");
}
