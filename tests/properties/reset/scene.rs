//! Sets a flow into any step directly, without the requests that lead there.

use shared::domain::cookie::HolderCookie;
use std::sync::atomic::{AtomicU64, Ordering};

use rekey_tests::fixtures::AISYAH;
use serde_json::{Value, json};
use shared::adapters::dynamodb::DynamoFlows;
use shared::domain::account::{AccountId, Registration};
use shared::domain::captcha::{CaptchaChallenge, Effort};
use shared::domain::code::OneTimeCode;
use shared::domain::decoy::Decoys;
use shared::domain::flow::{Flow, FlowContext, Opened, Reason, Stage};
use shared::domain::keys::Keyring;
use shared::domain::language::Language;
use shared::domain::method::Method;
use shared::domain::name::CanonicalName;
use shared::ports::{Clock as _, EntropyExt as _, FlowStore as _, SecurityInfoStore as _};

use super::inputs::At;
use crate::gateway::{Filling, Gateway};

/// The owner of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowOwner {
    Person,
    /// A decoy with the same methods.
    Decoy,
}

/// A world and the material for requests.
pub struct Scene {
    pub gateway: Gateway,
    store: DynamoFlows,
    flows: Keyring,
    captcha: Keyring,
    /// A login without an account whose decoy offers all of the person's methods.
    decoy_login: String,
    count: AtomicU64,
}

/// The correct values for the flow that was just set.
pub struct Live {
    /// The values of the placeholders.
    pub filling: Filling,
    /// The code that was sent to its owner.
    pub code: String,
}

impl Live {
    /// The same for a client with neither the person's phone nor their email.
    pub fn without_secrets(mut self) -> Self {
        for (name, value) in [("{code}", "11112222"), ("{app}", "111222"), ("{number}", "+60100000000")] {
            self.filling.set(name, value);
        }
        self
    }
}

impl Scene {
    /// Creates a world with the demo policy and people.
    pub fn new() -> Self {
        let gateway = Gateway::with(&[]);
        let world = &gateway.world;
        let flows = world.keyring("REKEY_SECRET_FLOWS");
        let has_all = |login: &String| {
            let name = CanonicalName::parse(login, &[]).unwrap();
            let id = AccountId::decoy(&name.reference(&flows));
            let decoys = Decoys { flows: &flows, population: None, methods: &Method::ALL, steps: 2 };
            decoys.registration(&id, &name, world.now()).offers(&Method::ALL).len() == Method::ALL.len()
        };
        Self {
            store: DynamoFlows::new(world.client.clone(), "FlowsTable"),
            decoy_login: (0..1_000).map(|n| format!("student{n}")).find(has_all).unwrap(),
            flows,
            captcha: world.keyring("REKEY_SECRET_CAPTCHA"),
            gateway,
            count: AtomicU64::new(0),
        }
    }

    /// Sets a flow into a step.
    pub fn set(&self, at: At, owner: FlowOwner) -> Live {
        self.gateway.run(self.set_flow(at, owner))
    }

    async fn set_flow(&self, at: At, owner: FlowOwner) -> Live {
        let world = &self.gateway.world;
        let (now, limits) = (world.clock.now(), world.settings.flow);
        let person = AccountId::from_directory(AISYAH.login).unwrap();
        let registered = world.security_info.registration(&person, world.now()).await.unwrap();
        let login = match owner {
            FlowOwner::Person => AISYAH.login,
            FlowOwner::Decoy => &self.decoy_login,
        };
        let name = CanonicalName::parse(login, &[]).unwrap();
        let context = FlowContext {
            account: match owner {
                FlowOwner::Person => person,
                FlowOwner::Decoy => AccountId::decoy(&name.reference(&self.flows)),
            },
            decoy: owner == FlowOwner::Decoy,
            generation: if owner == FlowOwner::Person { registered.generation } else { 0 },
            behind: None,
            steps: 2,
            opened_at: now,
            expires_at: if at == At::Expired { now } else { now + limits.lifetime },
            offers: registered.offers(&world.settings.methods),
            language: Language::English,
            login: None,
            password_policy: None,
            known_device: false,
        };
        let cookie = HolderCookie::open_flow(&self.flows, world.entropy.bytes());
        let code = OneTimeCode::generate(8, world.entropy.bytes());
        let (flow, cookie) = self.flow(at, context.clone(), cookie, &registered, &code);
        if at != At::NoFlow {
            self.store.insert(cookie.id(), &Opened { context }).await.unwrap();
            // An expired flow can't be replaced, and need not be.
            self.store.replace(cookie.id(), 1, &flow, now).await.unwrap();
        }
        let challenge = CaptchaChallenge::generate(world.entropy.bytes(), now, Effort::BASE, None);
        let count = self.count.fetch_add(1, Ordering::SeqCst);
        Live {
            filling: Filling(vec![
                ("{cookie}", cookie.value(&self.flows).unwrap()),
                ("{at}", cookie.at(&self.flows).unwrap()),
                ("{code}", code.expose().to_owned()),
                ("{app}", world.app_code(0)),
                ("{number}", AISYAH.mobile.unwrap().to_owned()),
                ("{token}", challenge.seal(&self.captcha, world.entropy.bytes()).unwrap()),
                ("{characters}", challenge.answer()),
                ("{zeros}", ["0"; 64].join(".")),
                ("{login}", login.to_owned()),
                ("{password}", format!("Kancil-Lompat-{count}!")),
            ]),
            code: code.expose().to_owned(),
        }
    }

    /// Returns the flow in a step, and its cookie.
    fn flow(
        &self,
        at: At,
        context: FlowContext,
        cookie: HolderCookie,
        registered: &Registration,
        code: &OneTimeCode,
    ) -> (Flow, HolderCookie) {
        let (now, limits) = (self.gateway.world.clock.now(), self.gateway.world.settings.flow);
        let reason = if at == At::Unlock { Reason::Locked } else { Reason::Forgotten };
        let send = |flow: Flow, cookie: &HolderCookie, method: Method| {
            let contact = cookie.factor_tag(&self.flows, &registered.factor(method).unwrap()).unwrap();
            let tag = cookie.code_tag(&self.flows, None, code).unwrap();
            flow.choosing().unwrap().send(method, tag, contact, now, &limits)
        };
        let opened = Flow::Opened(Opened { context });
        if matches!(at, At::NoFlow | At::Opened | At::Expired) {
            return (opened, cookie);
        }
        let first = opened.choose_reason(reason).unwrap();
        match at {
            At::FirstMethod => return (first, cookie),
            At::Cancelled => return (first.cancel(), cookie),
            _ => {}
        }
        let mut awaiting = send(first, &cookie, Method::Email);
        if at == At::FirstCode {
            return (Flow::AwaitingCode(awaiting), cookie);
        }
        awaiting.last_attempt = Some(awaiting.code);
        let (second, cookie) = (awaiting.after_attempt(), cookie.with_verified(1));
        if at == At::SecondMethod {
            return (second, cookie);
        }
        let mut awaiting = send(second, &cookie, Method::Sms);
        if at == At::SecondCode {
            return (Flow::AwaitingCode(awaiting), cookie);
        }
        awaiting.last_attempt = Some(awaiting.code);
        let (verified, cookie) = (awaiting.after_attempt(), cookie.with_verified(2));
        let finish = |flow: Flow| Flow::Done(flow.all_verified(Stage::Password).unwrap().finish(now, true));
        (if at == At::Done { finish(verified) } else { verified }, cookie)
    }

    /// Returns the person's item in the directory.
    pub fn account(&self) -> Value {
        let key = aws_sdk_dynamodb::types::AttributeValue::S(format!("account/{}", AISYAH.login));
        let get = self.gateway.world.client.get_item().table_name("AccountsTable").key("account", key);
        let item = self.gateway.run(get.send()).unwrap().item.unwrap();
        let mut attributes: Vec<String> = item.iter().map(|attribute| format!("{attribute:?}")).collect();
        attributes.sort();
        json!(attributes)
    }
}
