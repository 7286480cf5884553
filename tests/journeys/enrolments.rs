//! A function fails or crashes at any of its calls during an enrolment, removal, pairing or approval. The person
//! simply repeats the step. It ends well, all contacts are notified, and no other person gains access.

use std::collections::BTreeSet;
use std::sync::Arc;

use rekey_tests::fixtures::{AISYAH, NEW_NUMBER, NEWCOMER};
use rekey_tests::{Answer, Browser, Phone, World};
use serde_json::{Value, json};
use shared::domain::message::{Message, Recipient};
use shared::domain::notice::Event;
use shared::domain::security_info::{Entry, Kind};
use shared::ports::EnrolmentStore as _;

use crate::crashes::{FaultKind, InjectedFault, inject_fault};
use crate::security_info::token;

/// A person who retries, with a fault in one call.
struct RetryingUser {
    world: Arc<World>,
    browser: Browser,
    /// An attacker who knows only the password and signed in first.
    attacker: Browser,
    injected: Arc<InjectedFault>,
    fault: FaultKind,
    /// The entries before.
    before: Vec<Entry>,
}

impl RetryingUser {
    /// Signs in, with the second step if the account has one. The fault applies from here on.
    async fn new(login: &str, nth: usize, fault: FaultKind) -> Self {
        let world = World::new().await;
        world.register(&NEWCOMER).await;
        let (mut browser, mut attacker) = (world.browser(), world.browser());
        attacker.sign_in(login).await;
        browser.sign_in(login).await;
        if login == "aisyah" {
            assert_eq!(browser.second_step(&world.app_code(0)).await.page(), "security-info");
        }
        world.clock.advance(1);
        let injected = inject_fault(&world, None, usize::MAX, fault);
        let mut user = Self { world, browser, attacker, injected, fault, before: Vec::new() };
        user.before = user.entries().await;
        user.inject(nth);
        user
    }

    /// Injects the fault into the `nth` call from here on, of any function.
    fn inject(&mut self, nth: usize) {
        self.injected = inject_fault(&self.world, None, nth, self.fault);
    }

    fn context(&self) -> String {
        format!("{:?} at {:?}", self.fault, self.injected.hit.lock().unwrap())
    }

    /// Returns whether the fault happened, and removes it.
    fn take_fault(&self) -> bool {
        let is_over = self.injected.hit.lock().unwrap().is_some();
        if is_over {
            self.world.clear_faults();
        }
        is_over
    }

    async fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for person in [&AISYAH, &NEWCOMER] {
            entries.extend(self.world.enrolment.registered(&person.account().id).await.unwrap().entries);
        }
        entries
    }

    /// Checks that a completed change was notified, whether or not anybody retried.
    async fn assert_changes_notified(&self) {
        let after = self.entries().await;
        let is_new = |entry: &&Entry| {
            !self.before.iter().any(|old| (&old.id, old.added_at) == (&entry.id, entry.added_at))
        };
        let added = after.iter().filter(is_new).map(|entry| entry.id.kind());
        let added = added.map(|kind| vec![Event::Added(kind), Event::Replaced(kind)]);
        let is_gone = |entry: &&Entry| !after.iter().any(|left| left.id == entry.id);
        let removed = self.before.iter().filter(is_gone).map(|entry| vec![Event::Removed(entry.id.kind())]);
        let notified = self.world.notices();
        for events in added.chain(removed) {
            let heard = notified.iter().filter(|notice| events.contains(&notice.event)).count();
            assert!(heard >= 2, "{events:?} is not notified: {}", self.context());
        }
    }

    /// Repeats a request until it is answered, as a person does after an error.
    async fn retry(&mut self, path: &str, body: impl Fn(&World) -> Value) -> Answer {
        for _ in 0..3 {
            let answer = self.browser.post(path, body(&self.world)).await;
            self.take_fault();
            self.assert_changes_notified().await;
            match answer.status.as_u16() {
                503 => self.world.clock.advance(1),
                429 => self.world.clock.advance(30),
                _ => return answer,
            }
        }
        panic!("{path} never worked: {}", self.context());
    }

    /// Confirms the waiting entry and returns the new list. If nothing is waiting any more, it loads the list.
    async fn confirm(&mut self, body: impl Fn(&World) -> Value) -> Value {
        let answer = self.retry("/security-info/confirm", body).await;
        self.list_after(&answer).await
    }

    async fn list_after(&mut self, answer: &Answer) -> Value {
        if answer.status == 409 && self.fault != FaultKind::ResponseLost {
            assert_eq!(answer.json()["page"], "security-info", "{}", self.context());
        } else {
            assert_eq!(answer.status, 200, "{}: {}", self.context(), answer.text());
        }
        let list = self.browser.get("/security-info").await;
        self.take_fault();
        if list.status == 503 {
            return self.browser.get("/security-info").await.json();
        }
        list.json()
    }

    /// Checks that every contact in the list was notified of `event`.
    fn assert_notified(&self, event: Event, contacts: &[&str]) {
        let address = |to: Recipient| match to {
            Recipient::Email(address) => address.expose().to_owned(),
            Recipient::Sms(number) | Recipient::Voice(number) => number.expose().to_owned(),
        };
        let notified: BTreeSet<String> = self
            .world
            .notices()
            .into_iter()
            .filter(|notice| notice.event == event)
            .map(|notice| address(notice.to))
            .collect();
        assert_eq!(notified, contacts.iter().map(|to| (*to).to_owned()).collect(), "{}", self.context());
    }

    /// Checks that the password alone shows and changes nothing, in an older session and in a new one.
    async fn assert_closed(&mut self, login: &str) {
        self.world.clear_faults();
        let value = "stranger@mail.example";
        let mut new = self.world.browser();
        assert_eq!(new.sign_in(login).await.page(), "second-step", "{}", self.context());
        for browser in [&mut self.attacker, &mut new] {
            let status = browser.clone().add("alternate_email", value).await.status.as_u16();
            assert!(status == 409 || status == 410, "{status}");
            let page = browser.get("/security-info").await;
            assert!(page.json().get("methods").is_none_or(|offers| offers[0].get("id").is_none()));
        }
        let queued = self.world.messages();
        let to_attacker = |message: &Message| format!("{message:?}").contains("stranger");
        assert!(!queued.iter().any(to_attacker));
    }
}

/// Returns the entries of a kind.
fn of_kind<'a>(list: &'a Value, kind: &str) -> Vec<&'a Value> {
    let entries = list["methods"].as_array().unwrap_or_else(|| panic!("no list: {list}"));
    entries.iter().filter(|entry| entry["kind"] == kind).collect()
}

const CONTACTS: [&str; 4] =
    ["+60123456798", "+60327317272", "aisyah.rahman@mail.example", "aisyah@student.contoh.example"];

/// Those that are notified without a call.
const UNCALLED: [&str; 3] = [CONTACTS[0], CONTACTS[2], CONTACTS[3]];

/// Runs a story with every fault in every call. A story returns whether the fault happened.
async fn with_every_fault(scenario: impl AsyncFn(usize, FaultKind) -> bool) {
    for fault in [FaultKind::CallFailed, FaultKind::ResponseLost, FaultKind::Crash] {
        for nth in 0.. {
            if !scenario(nth, fault).await {
                assert!(nth > 1, "no call was made");
                break;
            }
        }
    }
}

/// Controls: C-025, C-063.
#[tokio::test(flavor = "multi_thread")]
async fn contact_replacement_survives_any_failure() {
    with_every_fault(scenarios::replace_contact).await;
}

/// Controls: C-025.
#[tokio::test(flavor = "multi_thread")]
async fn first_contact_enrolment_survives_any_failure() {
    with_every_fault(scenarios::enrol_first_contact).await;
}

/// Controls: C-025.
#[tokio::test(flavor = "multi_thread")]
async fn totp_enrolment_survives_any_failure() {
    with_every_fault(scenarios::enrol_totp).await;
}

/// Controls: C-025.
#[tokio::test(flavor = "multi_thread")]
async fn recovery_code_enrolment_survives_any_failure() {
    with_every_fault(scenarios::enrol_recovery_codes).await;
}

/// Controls: C-025, C-063.
#[tokio::test(flavor = "multi_thread")]
async fn contact_removal_survives_any_failure() {
    with_every_fault(scenarios::remove_contact).await;
}

/// Controls: C-025, C-063.
#[tokio::test(flavor = "multi_thread")]
async fn gathered_notification_survives_any_failure() {
    with_every_fault(scenarios::remove_later).await;
}

/// Controls: C-025.
#[tokio::test(flavor = "multi_thread")]
async fn lifting_a_waiting_period_survives_any_failure() {
    with_every_fault(scenarios::lift_waiting_period).await;
}

/// Controls: C-025.
#[tokio::test(flavor = "multi_thread")]
async fn device_pairing_survives_any_failure() {
    with_every_fault(scenarios::pair_phone).await;
}

/// Controls: C-025.
#[tokio::test(flavor = "multi_thread")]
async fn approval_survives_any_failure() {
    with_every_fault(scenarios::approve_request).await;
}

/// Controls: C-050.
#[tokio::test(flavor = "multi_thread")]
async fn denial_ends_session_despite_any_failure() {
    with_every_fault(scenarios::deny_request).await;
}

mod scenarios {
    use super::*;

    async fn contact(owner: &mut RetryingUser) -> Value {
        let challenge =
            owner.retry("/security-info/add", |_| json!({ "kind": "mobile", "value": NEW_NUMBER })).await;
        assert_eq!(challenge.page(), "confirm", "{}", owner.context());
        let code = owner.world.last_code();
        owner.confirm(|_| json!({ "id": "mobile", "code": code })).await
    }

    pub(super) async fn replace_contact(nth: usize, fault: FaultKind) -> bool {
        let mut owner = RetryingUser::new("aisyah", nth, fault).await;
        let list = contact(&mut owner).await;
        let mobiles = of_kind(&list, "mobile");
        assert_eq!((mobiles.len(), &mobiles[0]["masked"]), (1, &json!("*****00")), "{}", owner.context());
        assert_ne!(mobiles[0]["usable_from"], mobiles[0]["added_at"], "it waits");
        owner.assert_notified(Event::Replaced(Kind::Mobile), &[&CONTACTS[..], &[NEW_NUMBER]].concat());
        owner.assert_closed("aisyah").await;
        owner.take_fault()
    }

    pub(super) async fn enrol_first_contact(nth: usize, fault: FaultKind) -> bool {
        let mut owner = RetryingUser::new("newcomer", nth, fault).await;
        let list = contact(&mut owner).await;
        assert_eq!(list["methods"].as_array().unwrap().len(), 1, "{}", owner.context());
        let mobile = of_kind(&list, "mobile")[0];
        assert_eq!(mobile["usable_from"], mobile["added_at"], "it counts at once");
        owner.assert_notified(Event::Added(Kind::Mobile), &["newcomer@student.contoh.example", NEW_NUMBER]);
        owner.assert_closed("newcomer").await;
        owner.take_fault()
    }

    pub(super) async fn enrol_totp(nth: usize, fault: FaultKind) -> bool {
        let mut owner = RetryingUser::new("aisyah", usize::MAX, fault).await;
        let challenge = owner.retry("/security-info/add", |_| json!({ "kind": "totp" })).await;
        assert_eq!(challenge.page(), "confirm", "{}", owner.context());
        // Up to here it is the same as with a contact.
        owner.inject(nth);
        let secret = totp_rs::Secret::try_from_base32(challenge.json()["secret"].as_str().unwrap()).unwrap();
        let app = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        let code = |world: &World| app.generate(world.now().as_seconds().unsigned_abs()).to_string();
        let list = owner.confirm(|world| json!({ "id": "totp", "code": code(world) })).await;
        assert_eq!(of_kind(&list, "totp").len(), 1, "{}", owner.context());
        owner.assert_notified(Event::Replaced(Kind::Totp), &UNCALLED);
        owner.world.clear_faults();
        owner.world.clock.advance(72 * 3_600);
        let mut next = owner.world.browser();
        next.sign_in("aisyah").await;
        assert_eq!(
            next.second_step(&code(&owner.world)).await.page(),
            "security-info",
            "{}",
            owner.context()
        );
        owner.assert_closed("aisyah").await;
        owner.take_fault()
    }

    pub(super) async fn enrol_recovery_codes(nth: usize, fault: FaultKind) -> bool {
        let mut owner = RetryingUser::new("aisyah", usize::MAX, fault).await;
        let challenge = owner.retry("/security-info/add", |_| json!({ "kind": "recovery_codes" })).await;
        assert_eq!(challenge.page(), "confirm", "{}", owner.context());
        // Up to here it is the same as with a contact.
        owner.inject(nth);
        let list = owner.confirm(|_| json!({ "id": "recovery_codes" })).await;
        let sheets = of_kind(&list, "recovery_codes");
        assert_eq!((sheets.len(), &sheets[0]["masked"]), (1, &json!("10")), "{}", owner.context());
        owner.assert_notified(Event::Added(Kind::RecoveryCodes), &UNCALLED);
        owner.assert_closed("aisyah").await;
        owner.take_fault()
    }

    pub(super) async fn remove_contact(nth: usize, fault: FaultKind) -> bool {
        let mut owner = RetryingUser::new("aisyah", nth, fault).await;
        let removed = owner.retry("/security-info/remove", |_| json!({ "id": "mobile" })).await;
        let list = owner.list_after(&removed).await;
        assert!(of_kind(&list, "mobile").is_empty(), "{}", owner.context());
        owner.assert_notified(Event::Removed(Kind::Mobile), &CONTACTS);
        owner.assert_closed("aisyah").await;
        owner.take_fault()
    }

    /// The second change of a session is gathered. The fault may hit `delivery`, too.
    pub(super) async fn remove_later(nth: usize, fault: FaultKind) -> bool {
        let mut owner = RetryingUser::new("aisyah", usize::MAX, fault).await;
        let remove = |id: &str| json!({ "id": id });
        assert_eq!(owner.browser.post("/security-info/remove", remove("totp")).await.page(), "security-info");
        owner.world.deliver().await;
        let first = owner.world.dev_inbox.messages().len();
        owner.inject(nth);
        let mut is_over = false;
        let mut status = 503;
        for _ in 0..3 {
            status = owner.browser.post("/security-info/remove", remove("mobile")).await.status.as_u16();
            is_over |= owner.take_fault();
            if status != 503 {
                break;
            }
            owner.world.clock.advance(1);
        }
        for _ in 0..10 {
            owner.world.clock.advance(100);
            owner.world.deliver().await;
            is_over |= owner.take_fault();
        }
        let is_removed = !owner.entries().await.iter().any(|entry| entry.shown == "*****98");
        assert!(is_removed, "{status}: {}", owner.context());
        let inbox = owner.world.dev_inbox.messages();
        // The newest messages come first.
        let later = &inbox[..inbox.len() - first];
        for contact in CONTACTS {
            assert!(later.iter().any(|message| message.to == contact), "{contact}: {}", owner.context());
        }
        is_over
    }

    pub(super) async fn lift_waiting_period(nth: usize, fault: FaultKind) -> bool {
        let mut owner = RetryingUser::new("aisyah", usize::MAX, fault).await;
        contact(&mut owner).await;
        owner.inject(nth);
        let sent = owner.retry("/security-info/verify", |_| json!({ "method": "email" })).await;
        assert_eq!(sent.page(), "second-step", "{}", owner.context());
        let code = owner.world.last_code();
        let body = |_: &World| json!({ "method": "email", "code": code });
        let answer = owner.retry("/security-info/verify", body).await;
        if answer.status != 200 {
            // The step was verified, and the response was lost.
            assert_eq!(answer.problem().1, "code-spent", "{}", owner.context());
            assert_ne!(fault, FaultKind::ResponseLost, "{}", owner.context());
        }
        owner.world.clear_faults();
        let list = owner.browser.get("/security-info").await.json();
        let mobile = of_kind(&list, "mobile")[0];
        let usable_from = mobile["usable_from"].as_str().unwrap();
        assert!(usable_from <= owner.world.now().to_string().as_str(), "{}: {mobile}", owner.context());
        owner.assert_closed("aisyah").await;
        owner.take_fault()
    }

    /// The phone also retries until it gets a response.
    async fn retry_on_phone(
        owner: &RetryingUser,
        phone: &mut Phone,
        act: impl AsyncFn(&mut Phone) -> Answer,
    ) -> Answer {
        for _ in 0..3 {
            let answer = act(phone).await;
            owner.take_fault();
            if answer.status != 503 {
                return answer;
            }
        }
        panic!("the phone never got through: {}", owner.context());
    }

    pub(super) async fn pair_phone(nth: usize, fault: FaultKind) -> bool {
        let mut owner = RetryingUser::new("aisyah", nth, fault).await;
        let challenge = owner.retry("/security-info/add", |_| json!({ "kind": "authenticator" })).await;
        assert_eq!(challenge.page(), "confirm", "{}", owner.context());
        let challenge = challenge.json();
        let token = token(&challenge);
        let mut phone = Phone::new(&owner.world, 1);
        let paired = retry_on_phone(&owner, &mut phone, async |phone| phone.pair(&token).await).await;
        assert_eq!(paired.status, 200, "{}: {}", owner.context(), paired.text());
        let code = paired.json()["code"].clone();
        let list = owner.confirm(|_| json!({ "id": challenge["id"], "code": code })).await;
        assert_eq!(of_kind(&list, "authenticator").len(), 1, "{}", owner.context());
        owner.assert_notified(Event::Added(Kind::Authenticator), &UNCALLED);
        assert_eq!(retry_on_phone(&owner, &mut phone, async |phone| phone.poll().await).await.status, 200);
        owner.assert_closed("aisyah").await;
        owner.take_fault()
    }

    /// Requests an approval from the person's phone and returns the number on the page.
    async fn request_approval(owner: &mut RetryingUser) -> String {
        for _ in 0..2 {
            let challenge = owner.retry("/security-info/verify", |_| json!({ "method": "push" })).await;
            if challenge.status == 200 {
                return challenge.json()["number"].as_str().unwrap().to_owned();
            }
            // The request was never stored, so it is made again.
            assert_eq!(challenge.problem().1, "code-spent", "{}", owner.context());
            assert_ne!(owner.fault, FaultKind::ResponseLost, "{}", owner.context());
        }
        panic!("the phone was never asked: {}", owner.context());
    }

    async fn with_phone(nth: usize, fault: FaultKind) -> (RetryingUser, Phone) {
        let mut owner = RetryingUser::new("aisyah", usize::MAX, fault).await;
        let phone = Phone::enrolled(&owner.world, 1, &AISYAH).await;
        owner.before = owner.entries().await;
        owner.browser = owner.world.browser();
        owner.browser.sign_in("aisyah").await;
        owner.inject(nth);
        (owner, phone)
    }

    async fn request(owner: &RetryingUser, phone: &mut Phone) -> String {
        let waiting = retry_on_phone(owner, phone, async |phone| phone.poll().await).await;
        let waiting = if waiting.status == 409 {
            retry_on_phone(owner, phone, async |phone| phone.poll().await).await
        } else {
            waiting
        };
        waiting.json()["requests"][0]["request"].as_str().unwrap().to_owned()
    }

    pub(super) async fn approve_request(nth: usize, fault: FaultKind) -> bool {
        let (mut owner, mut phone) = with_phone(nth, fault).await;
        let number = request_approval(&mut owner).await;
        let request = request(&owner, &mut phone).await;
        let approve = async |phone: &mut Phone| phone.approve(&request, &number).await;
        let approved = retry_on_phone(&owner, &mut phone, approve).await;
        assert_eq!(approved.json()["status"], "approved", "{}", owner.context());
        let list = owner.retry("/security-info/verify", |_| json!({ "method": "push" })).await;
        assert_eq!(list.status, 200, "{}: {}", owner.context(), list.text());
        owner.world.clear_faults();
        assert_eq!(owner.browser.get("/security-info").await.page(), "security-info", "{}", owner.context());
        owner.assert_closed("aisyah").await;
        owner.take_fault()
    }

    pub(super) async fn deny_request(nth: usize, fault: FaultKind) -> bool {
        let (mut owner, mut phone) = with_phone(nth, fault).await;
        request_approval(&mut owner).await;
        let request = request(&owner, &mut phone).await;
        let deny = async |phone: &mut Phone| phone.deny(&request).await;
        let denied = retry_on_phone(&owner, &mut phone, deny).await;
        assert_eq!(denied.json()["status"], "denied", "{}", owner.context());
        owner.world.clear_faults();
        let other = owner.browser.post("/security-info/verify", json!({ "method": "email" })).await;
        assert_eq!(other.problem(), (410, "flow-ended".into()), "{}", owner.context());
        let notified =
            owner.world.messages().iter().any(|message| matches!(message, Message::ApprovalDenied(_)));
        assert!(notified, "{}", owner.context());
        owner.assert_closed("aisyah").await;
        owner.take_fault()
    }
}
