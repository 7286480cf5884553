//! A function fails or crashes at any of its calls during an enrolment, removal, pairing or approval. The person
//! simply tries again. It ends well, all contacts are notified, and nobody else gains anything.

use std::collections::BTreeSet;
use std::sync::Arc;

use rekey_tests::people::{AISYAH, NEW_NUMBER, NEWCOMER};
use rekey_tests::{Answer, Browser, Phone, World};
use serde_json::{Value, json};
use shared::domain::message::{Message, Recipient};
use shared::domain::notice::Event;
use shared::domain::security_info::{Entry, Kind};
use shared::ports::EnrolmentStore as _;

use crate::crashes::{Mishap, Watch, disturb};
use crate::security_info::token;

/// A person who retries, with a fault in one call.
struct Trier {
    world: Arc<World>,
    browser: Browser,
    /// An attacker who knows only the password and signed in first.
    stranger: Browser,
    watch: Arc<Watch>,
    mishap: Mishap,
    /// The entries before.
    before: Vec<Entry>,
}

impl Trier {
    /// Signs in, with the second step if the account has one. The fault applies from here on.
    async fn new(login: &str, nth: usize, mishap: Mishap) -> Self {
        let world = World::new().await;
        world.register(&NEWCOMER).await;
        let (mut browser, mut stranger) = (world.browser(), world.browser());
        stranger.sign_in(login).await;
        browser.sign_in(login).await;
        if login == "aisyah" {
            assert_eq!(browser.second_step(&world.app_code(0)).await.page(), "security-info");
        }
        world.clock.advance(1);
        let watch = disturb(&world, None, usize::MAX, mishap);
        let mut trier = Self { world, browser, stranger, watch, mishap, before: Vec::new() };
        trier.before = trier.registered().await;
        trier.go_wrong(nth);
        trier
    }

    /// Injects the fault into the `nth` call from here on, of any function.
    fn go_wrong(&mut self, nth: usize) {
        self.watch = disturb(&self.world, None, nth, self.mishap);
    }

    fn what(&self) -> String {
        format!("{:?} at {:?}", self.mishap, self.watch.hit.lock().unwrap())
    }

    /// Returns whether the fault happened, and removes it.
    fn is_over(&self) -> bool {
        let is_over = self.watch.hit.lock().unwrap().is_some();
        if is_over {
            self.world.mend();
        }
        is_over
    }

    async fn registered(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for person in [&AISYAH, &NEWCOMER] {
            entries.extend(self.world.enrolment.registered(&person.account().id).await.unwrap().entries);
        }
        entries
    }

    /// Checks that a completed change was notified, whether or not anybody retried.
    async fn assert_nothing_untold(&self) {
        let after = self.registered().await;
        let is_new = |entry: &&Entry| {
            !self.before.iter().any(|old| (&old.id, old.added_at) == (&entry.id, entry.added_at))
        };
        let added = after.iter().filter(is_new).map(|entry| Event::Added(entry.id.kind()));
        let is_gone = |entry: &&Entry| !after.iter().any(|left| left.id == entry.id);
        let removed = self.before.iter().filter(is_gone).map(|entry| Event::Removed(entry.id.kind()));
        let told = self.world.notices();
        for event in added.chain(removed) {
            let heard = told.iter().filter(|notice| notice.event == event).count();
            assert!(heard >= 2, "{event:?} is not told: {}", self.what());
        }
    }

    /// Repeats a request until it is answered, as a person does after an error.
    async fn insist(&mut self, path: &str, body: impl Fn(&World) -> Value) -> Answer {
        for _ in 0..3 {
            let answer = self.browser.post(path, body(&self.world)).await;
            self.is_over();
            self.assert_nothing_untold().await;
            match answer.status.as_u16() {
                503 => self.world.clock.advance(1),
                429 => self.world.clock.advance(30),
                _ => return answer,
            }
        }
        panic!("{path} never worked: {}", self.what());
    }

    /// Confirms the waiting entry and returns the new list. If nothing is waiting any more, it loads the list.
    async fn confirm(&mut self, body: impl Fn(&World) -> Value) -> Value {
        let answer = self.insist("/security-info/confirm", body).await;
        self.list_after(&answer).await
    }

    async fn list_after(&mut self, answer: &Answer) -> Value {
        if answer.status == 409 && self.mishap != Mishap::AnswerLost {
            assert_eq!(answer.json()["page"], "security-info", "{}", self.what());
        } else {
            assert_eq!(answer.status, 200, "{}: {}", self.what(), answer.text());
        }
        let list = self.browser.get("/security-info").await;
        self.is_over();
        if list.status == 503 {
            return self.browser.get("/security-info").await.json();
        }
        list.json()
    }

    /// Checks that every contact in the list was notified of `event`.
    fn assert_told(&self, event: Event, contacts: &[&str]) {
        let address = |to: Recipient| match to {
            Recipient::Email(address) => address.expose().to_owned(),
            Recipient::Sms(number) | Recipient::Voice(number) => number.expose().to_owned(),
        };
        let told: BTreeSet<String> = self
            .world
            .notices()
            .into_iter()
            .filter(|notice| notice.event == event)
            .map(|notice| address(notice.to))
            .collect();
        assert_eq!(told, contacts.iter().map(|to| (*to).to_owned()).collect(), "{}", self.what());
    }

    /// Checks that the password alone shows and changes nothing, in an older session and in a new one.
    async fn assert_closed(&mut self, login: &str) {
        self.world.mend();
        let value = "stranger@mail.example";
        let mut new = self.world.browser();
        assert_eq!(new.sign_in(login).await.page(), "second-step", "{}", self.what());
        for browser in [&mut self.stranger, &mut new] {
            let status = browser.clone().add("alternate_email", value).await.status.as_u16();
            assert!(status == 409 || status == 410, "{status}");
            let page = browser.get("/security-info").await;
            assert!(page.json().get("methods").is_none_or(|offers| offers[0].get("id").is_none()));
        }
        let queued = self.world.messages();
        let to_stranger = |message: &Message| format!("{message:?}").contains("stranger");
        assert!(!queued.iter().any(to_stranger));
    }
}

/// Returns the entries of a kind.
fn of_kind<'a>(list: &'a Value, kind: &str) -> Vec<&'a Value> {
    let entries = list["methods"].as_array().unwrap_or_else(|| panic!("no list: {list}"));
    entries.iter().filter(|entry| entry["kind"] == kind).collect()
}

const CONTACTS: [&str; 4] =
    ["+60123456798", "+60327317272", "aisyah.rahman@mail.example", "aisyah@student.contoh.example"];

/// Runs a story with every fault in every call. A story returns whether the fault happened.
async fn whatever_goes_wrong(story: impl AsyncFn(usize, Mishap) -> bool) {
    for mishap in [Mishap::Refused, Mishap::AnswerLost, Mishap::Death] {
        for nth in 0.. {
            if !story(nth, mishap).await {
                assert!(nth > 1, "no call was made");
                break;
            }
        }
    }
}

/// Controls: C-025, C-063.
#[tokio::test(flavor = "multi_thread")]
async fn contact_replacement_survives_any_failure() {
    whatever_goes_wrong(stories::a_contact_is_replaced).await;
}

/// Controls: C-025.
#[tokio::test(flavor = "multi_thread")]
async fn first_contact_enrolment_survives_any_failure() {
    whatever_goes_wrong(stories::a_first_contact_is_registered).await;
}

/// Controls: C-025.
#[tokio::test(flavor = "multi_thread")]
async fn totp_enrolment_survives_any_failure() {
    whatever_goes_wrong(stories::an_app_is_registered).await;
}

/// Controls: C-025.
#[tokio::test(flavor = "multi_thread")]
async fn recovery_code_enrolment_survives_any_failure() {
    whatever_goes_wrong(stories::recovery_codes_are_registered).await;
}

/// Controls: C-025, C-063.
#[tokio::test(flavor = "multi_thread")]
async fn contact_removal_survives_any_failure() {
    whatever_goes_wrong(stories::a_contact_is_removed).await;
}

/// Controls: C-025.
#[tokio::test(flavor = "multi_thread")]
async fn lifting_a_waiting_period_survives_any_failure() {
    whatever_goes_wrong(stories::a_wait_is_lifted).await;
}

/// Controls: C-025.
#[tokio::test(flavor = "multi_thread")]
async fn device_pairing_survives_any_failure() {
    whatever_goes_wrong(stories::a_phone_is_paired).await;
}

/// Controls: C-025.
#[tokio::test(flavor = "multi_thread")]
async fn approval_survives_any_failure() {
    whatever_goes_wrong(stories::an_approval_counts).await;
}

/// Controls: C-050.
#[tokio::test(flavor = "multi_thread")]
async fn denial_ends_session_despite_any_failure() {
    whatever_goes_wrong(stories::a_refusal_ends_the_session).await;
}

mod stories {
    use super::*;

    async fn contact(owner: &mut Trier) -> Value {
        let asked =
            owner.insist("/security-info/add", |_| json!({ "kind": "mobile", "value": NEW_NUMBER })).await;
        assert_eq!(asked.page(), "confirm", "{}", owner.what());
        let code = owner.world.last_code();
        owner.confirm(|_| json!({ "id": "mobile", "code": code })).await
    }

    pub(super) async fn a_contact_is_replaced(nth: usize, mishap: Mishap) -> bool {
        let mut owner = Trier::new("aisyah", nth, mishap).await;
        let list = contact(&mut owner).await;
        let mobiles = of_kind(&list, "mobile");
        assert_eq!((mobiles.len(), &mobiles[0]["masked"]), (1, &json!("*****00")), "{}", owner.what());
        assert_ne!(mobiles[0]["usable_from"], mobiles[0]["added_at"], "it waits");
        owner.assert_told(Event::Added(Kind::Mobile), &[&CONTACTS[..], &[NEW_NUMBER]].concat());
        owner.assert_closed("aisyah").await;
        owner.is_over()
    }

    pub(super) async fn a_first_contact_is_registered(nth: usize, mishap: Mishap) -> bool {
        let mut owner = Trier::new("newcomer", nth, mishap).await;
        let list = contact(&mut owner).await;
        assert_eq!(list["methods"].as_array().unwrap().len(), 1, "{}", owner.what());
        let mobile = of_kind(&list, "mobile")[0];
        assert_eq!(mobile["usable_from"], mobile["added_at"], "it counts at once");
        owner.assert_told(Event::Added(Kind::Mobile), &["newcomer@student.contoh.example", NEW_NUMBER]);
        owner.assert_closed("newcomer").await;
        owner.is_over()
    }

    pub(super) async fn an_app_is_registered(nth: usize, mishap: Mishap) -> bool {
        let mut owner = Trier::new("aisyah", usize::MAX, mishap).await;
        let asked = owner.insist("/security-info/add", |_| json!({ "kind": "totp" })).await;
        assert_eq!(asked.page(), "confirm", "{}", owner.what());
        // Up to here it is the same as with a contact.
        owner.go_wrong(nth);
        let secret = totp_rs::Secret::try_from_base32(asked.json()["secret"].as_str().unwrap()).unwrap();
        let app = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        let code = |world: &World| app.generate(world.now().as_seconds().unsigned_abs()).to_string();
        let list = owner.confirm(|world| json!({ "id": "totp", "code": code(world) })).await;
        assert_eq!(of_kind(&list, "totp").len(), 1, "{}", owner.what());
        owner.assert_told(Event::Added(Kind::Totp), &CONTACTS);
        owner.world.mend();
        owner.world.clock.advance(72 * 3_600);
        let mut next = owner.world.browser();
        next.sign_in("aisyah").await;
        assert_eq!(next.second_step(&code(&owner.world)).await.page(), "security-info", "{}", owner.what());
        owner.assert_closed("aisyah").await;
        owner.is_over()
    }

    pub(super) async fn recovery_codes_are_registered(nth: usize, mishap: Mishap) -> bool {
        let mut owner = Trier::new("aisyah", usize::MAX, mishap).await;
        let asked = owner.insist("/security-info/add", |_| json!({ "kind": "recovery_codes" })).await;
        assert_eq!(asked.page(), "confirm", "{}", owner.what());
        // Up to here it is the same as with a contact.
        owner.go_wrong(nth);
        let list = owner.confirm(|_| json!({ "id": "recovery_codes" })).await;
        let sheets = of_kind(&list, "recovery_codes");
        assert_eq!((sheets.len(), &sheets[0]["masked"]), (1, &json!("10")), "{}", owner.what());
        owner.assert_told(Event::Added(Kind::RecoveryCodes), &CONTACTS);
        owner.assert_closed("aisyah").await;
        owner.is_over()
    }

    pub(super) async fn a_contact_is_removed(nth: usize, mishap: Mishap) -> bool {
        let mut owner = Trier::new("aisyah", nth, mishap).await;
        let removed = owner.insist("/security-info/remove", |_| json!({ "id": "mobile" })).await;
        let list = owner.list_after(&removed).await;
        assert!(of_kind(&list, "mobile").is_empty(), "{}", owner.what());
        owner.assert_told(Event::Removed(Kind::Mobile), &CONTACTS);
        owner.assert_closed("aisyah").await;
        owner.is_over()
    }

    pub(super) async fn a_wait_is_lifted(nth: usize, mishap: Mishap) -> bool {
        let mut owner = Trier::new("aisyah", usize::MAX, mishap).await;
        contact(&mut owner).await;
        owner.go_wrong(nth);
        let sent = owner.insist("/security-info/verify", |_| json!({ "method": "email" })).await;
        assert_eq!(sent.page(), "second-step", "{}", owner.what());
        let code = owner.world.last_code();
        let body = |_: &World| json!({ "method": "email", "code": code });
        let answer = owner.insist("/security-info/verify", body).await;
        if answer.status != 200 {
            // The step was verified, and the response was lost.
            assert_eq!(answer.problem().1, "code-spent", "{}", owner.what());
            assert_ne!(mishap, Mishap::AnswerLost, "{}", owner.what());
        }
        owner.world.mend();
        let list = owner.browser.get("/security-info").await.json();
        let mobile = of_kind(&list, "mobile")[0];
        let usable_from = mobile["usable_from"].as_str().unwrap();
        assert!(usable_from <= owner.world.now().to_string().as_str(), "{}: {mobile}", owner.what());
        owner.assert_closed("aisyah").await;
        owner.is_over()
    }

    /// The phone also retries until it gets a response.
    async fn phone_insists(
        owner: &Trier,
        phone: &mut Phone,
        act: impl AsyncFn(&mut Phone) -> Answer,
    ) -> Answer {
        for _ in 0..3 {
            let answer = act(phone).await;
            owner.is_over();
            if answer.status != 503 {
                return answer;
            }
        }
        panic!("the phone never got through: {}", owner.what());
    }

    pub(super) async fn a_phone_is_paired(nth: usize, mishap: Mishap) -> bool {
        let mut owner = Trier::new("aisyah", nth, mishap).await;
        let asked = owner.insist("/security-info/add", |_| json!({ "kind": "authenticator" })).await;
        assert_eq!(asked.page(), "confirm", "{}", owner.what());
        let asked = asked.json();
        let token = token(&asked);
        let mut phone = Phone::new(&owner.world, 1);
        let paired = phone_insists(&owner, &mut phone, async |phone| phone.pair(&token).await).await;
        assert_eq!(paired.status, 200, "{}: {}", owner.what(), paired.text());
        let code = paired.json()["code"].clone();
        let list = owner.confirm(|_| json!({ "id": asked["id"], "code": code })).await;
        assert_eq!(of_kind(&list, "authenticator").len(), 1, "{}", owner.what());
        owner.assert_told(Event::Added(Kind::Authenticator), &CONTACTS);
        assert_eq!(phone_insists(&owner, &mut phone, async |phone| phone.ask().await).await.status, 200);
        owner.assert_closed("aisyah").await;
        owner.is_over()
    }

    /// Requests an approval from the person's phone and returns the number on the page.
    async fn asking(owner: &mut Trier) -> String {
        for _ in 0..2 {
            let asked = owner.insist("/security-info/verify", |_| json!({ "method": "push" })).await;
            if asked.status == 200 {
                return asked.json()["number"].as_str().unwrap().to_owned();
            }
            // The request was never stored, so it is made again.
            assert_eq!(asked.problem().1, "code-spent", "{}", owner.what());
            assert_ne!(owner.mishap, Mishap::AnswerLost, "{}", owner.what());
        }
        panic!("the phone was never asked: {}", owner.what());
    }

    async fn with_phone(nth: usize, mishap: Mishap) -> (Trier, Phone) {
        let mut owner = Trier::new("aisyah", usize::MAX, mishap).await;
        let phone = Phone::of(&owner.world, 1, &AISYAH).await;
        owner.before = owner.registered().await;
        owner.browser = owner.world.browser();
        owner.browser.sign_in("aisyah").await;
        owner.go_wrong(nth);
        (owner, phone)
    }

    async fn request(owner: &Trier, phone: &mut Phone) -> String {
        let waiting = phone_insists(owner, phone, async |phone| phone.ask().await).await;
        let waiting = if waiting.status == 409 {
            phone_insists(owner, phone, async |phone| phone.ask().await).await
        } else {
            waiting
        };
        waiting.json()["requests"][0]["request"].as_str().unwrap().to_owned()
    }

    pub(super) async fn an_approval_counts(nth: usize, mishap: Mishap) -> bool {
        let (mut owner, mut phone) = with_phone(nth, mishap).await;
        let number = asking(&mut owner).await;
        let request = request(&owner, &mut phone).await;
        let approve = async |phone: &mut Phone| phone.approve(&request, &number).await;
        let approved = phone_insists(&owner, &mut phone, approve).await;
        assert_eq!(approved.json()["status"], "approved", "{}", owner.what());
        let list = owner.insist("/security-info/verify", |_| json!({ "method": "push" })).await;
        assert_eq!(list.status, 200, "{}: {}", owner.what(), list.text());
        owner.world.mend();
        assert_eq!(owner.browser.get("/security-info").await.page(), "security-info", "{}", owner.what());
        owner.assert_closed("aisyah").await;
        owner.is_over()
    }

    pub(super) async fn a_refusal_ends_the_session(nth: usize, mishap: Mishap) -> bool {
        let (mut owner, mut phone) = with_phone(nth, mishap).await;
        asking(&mut owner).await;
        let request = request(&owner, &mut phone).await;
        let deny = async |phone: &mut Phone| phone.deny(&request).await;
        let denied = phone_insists(&owner, &mut phone, deny).await;
        assert_eq!(denied.json()["status"], "denied", "{}", owner.what());
        owner.world.mend();
        let other = owner.browser.post("/security-info/verify", json!({ "method": "email" })).await;
        assert_eq!(other.problem(), (410, "flow-ended".into()), "{}", owner.what());
        let told = owner.world.messages().iter().any(|message| matches!(message, Message::Refused(_)));
        assert!(told, "{}", owner.what());
        owner.assert_closed("aisyah").await;
        owner.is_over()
    }
}
