//! Sets a device into any state directly, without the requests that lead there.

use rekey_tests::Phone;
use rekey_tests::fixtures::AISYAH;
use shared::adapters::dynamodb::{DynamoApprovals, DynamoSessions};
use shared::domain::account::AccountId;
use shared::domain::approval::{ApprovalRequest, PAUSE, RequestStatus, Requester};
use shared::domain::code::OneTimeCode;
use shared::domain::cookie::HolderCookie;
use shared::domain::device::{Device, NONCE_LIFETIME};
use shared::domain::flow::{APPROVAL_LIFETIME, RequestId};
use shared::domain::keys::Keyring;
use shared::domain::language::Language;
use shared::domain::pairing::{PAIRING_LIFETIME, Pairing, PairingToken, WaitingDevice};
use shared::domain::security_info::{EntryId, Kind};
use shared::domain::session::{EnrolmentState, LIFETIME, Session, SessionContext};
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{
    ApprovalStore as _, Clock as _, DeviceAnswer, EnrolmentStore as _, EntropyExt as _, PairingState,
    PairingStore as _, SessionStore as _,
};

use super::inputs::At;
use crate::gateway::{Filling, Gateway, fields};
use crate::requests::Request;
use crate::snapshot::{Change, Snapshot};

/// The session that begins the pairings.
const SESSION: [u8; 32] = [6; 32];
/// Longer than any run.
const LONG: Seconds = Seconds(4_000_000_000);

/// A world and the material for requests.
pub struct Scene {
    pub gateway: Gateway,
    sessions: DynamoSessions,
    approvals: DynamoApprovals,
    flows: Keyring,
    push: Keyring,
    /// Enrolled phones: one past its waiting period, one in it, and one that was removed.
    registered: [(Phone, EntryId); 3],
    /// A phone to pair, and one that may pair first.
    new: [Phone; 2],
    /// The stored items before any request.
    before: Snapshot,
}

/// The correct values for the device that was just set.
pub struct Live {
    /// The values of the placeholders.
    pub filling: Filling,
    token: PairingToken,
    /// The session that requested the approval.
    asking: HolderCookie,
}

impl Scene {
    /// Creates a person with three phones.
    pub fn new() -> Self {
        let gateway = Gateway::with(&[]);
        let world = gateway.world.clone();
        let now = world.clock.now();
        let (registered, before) = gateway.run(async {
            let registered = [
                Phone::enrolled_from(&world, 1, &AISYAH, now).await,
                Phone::enrolled_from(&world, 2, &AISYAH, now + LONG).await,
                Phone::enrolled_from(&world, 3, &AISYAH, now).await,
            ];
            world.enrolment.delete(&AISYAH.account().id, &registered[2].1).await.unwrap();
            (registered, Snapshot::read(&world).await)
        });
        Self {
            sessions: DynamoSessions::new(world.client.clone(), "FlowsTable", world.entropy.clone()),
            approvals: DynamoApprovals::new(world.client.clone(), "FlowsTable"),
            flows: world.keyring("REKEY_SECRET_FLOWS"),
            push: world.keyring("REKEY_SECRET_PUSH"),
            new: [4, 5].map(|number| Phone::new(&world, number)),
            registered,
            before,
            gateway,
        }
    }

    /// Returns the changes that a request made, and undoes them.
    pub fn changes(&self) -> Vec<Change> {
        self.gateway.run(self.before.undo(&self.gateway.world))
    }

    /// Returns the state of the pairing.
    pub fn pairing(&self, live: &Live) -> PairingState {
        let world = &self.gateway.world;
        let (account, now) = (AISYAH.account().id, world.clock.now());
        self.gateway.run(world.pairings().state(live.token.key(), &account, &SESSION, now)).unwrap()
    }

    /// Returns whether the pairing still belongs to the device that was first.
    pub fn belongs_to_first_device(&self, live: &Live) -> bool {
        let world = &self.gateway.world;
        let open =
            self.gateway.run(world.pairings().open(live.token.key(), &self.new[1].key(), world.clock.now()));
        open.unwrap().is_some()
    }

    /// Returns the state of the approval request.
    pub fn status(&self) -> RequestStatus {
        self.gateway.run(self.approvals.newest(&AISYAH.account().id)).unwrap().unwrap().status
    }

    /// Returns whether the requesting session still exists.
    pub fn session_exists(&self, live: &Live) -> bool {
        let now = self.gateway.world.clock.now();
        self.gateway.run(self.sessions.session(live.asking.id(), now)).unwrap().is_some()
    }

    /// Sets a device into the state of a request and signs the request.
    pub fn set(&self, request: &Request<At>) -> Live {
        self.gateway.run(self.set_device(request))
    }

    async fn set_device(&self, request: &Request<At>) -> Live {
        let (world, at) = (&self.gateway.world, request.at);
        let (account, now) = (AISYAH.account().id, world.clock.now());
        let (phone, id) = match at {
            At::WaitingPeriod => &self.registered[1],
            At::Removed => &self.registered[2],
            _ => &self.registered[0],
        };
        let phone = if at.is_pairing() { &self.new[0] } else { phone };
        let token = self.pair(at, &account, now).await;
        let asking = HolderCookie::open_session(&self.flows, world.entropy.bytes());
        let (waits, number) = self.ask(at, &asking, &account, now).await;
        let device = |id: &EntryId| Device { account: account.clone(), id: id.clone() };
        let nonce = |id: &EntryId, at: Timestamp| device(id).nonce(&self.push, at).unwrap();
        let other = if at == At::WaitingPeriod { &self.registered[0] } else { &self.registered[1] };
        let mut filling = Filling(vec![
            ("{pairing}", token.expose()),
            ("{key}", phone.public_key()),
            ("{other_key}", self.new[1].public_key()),
            ("{subscription}", phone.subscription()),
            (
                "{device}",
                if at.is_pairing() { self.registered[0].0.handle.clone() } else { phone.handle.clone() },
            ),
            ("{other_device}", other.0.handle.clone()),
            ("{nonce}", nonce(id, now)),
            (
                "{old_nonce}",
                nonce(id, Timestamp::from_seconds(now.as_seconds() - i64::from(NONCE_LIFETIME.0))),
            ),
            ("{other_nonce}", nonce(&other.1, now)),
            ("{request}", waits.to_string()),
            ("{number}", number.to_string()),
            ("{other_number}", (10 + (number - 9) % 90).to_string()),
        ]);
        filling.0.push(("{signature}", sign(phone, request, &filling)));
        Live { filling, token, asking }
    }

    /// Creates a pairing in its state.
    async fn pair(&self, at: At, account: &AccountId, now: Timestamp) -> PairingToken {
        let world = &self.gateway.world;
        let token = PairingToken::new(world.entropy.bytes());
        let id = EntryId::new(Kind::Authenticator, world.entropy.bytes());
        let begun = if at == At::Ended {
            Timestamp::from_seconds(now.as_seconds() - i64::from(PAIRING_LIFETIME.0))
        } else {
            now
        };
        let pairing = Pairing::begin(account.clone(), id.clone(), SESSION, AISYAH.login.to_owned(), begun);
        let (pairings, key) = (world.pairings(), token.key());
        pairings.begin(key, &pairing).await.unwrap();
        let faster = match at {
            At::Waiting | At::Confirmed => &self.new[0],
            At::TokenUsed => &self.new[1],
            _ => return token,
        };
        let code = OneTimeCode::generate(6, world.entropy.bytes());
        let tag = key.code_tag(&self.flows, &code).unwrap();
        let device = WaitingDevice { id, key: faster.key(), subscription: None, name: "a phone".into() };
        assert!(pairings.pair(key, &device, tag, now).await.unwrap());
        if at == At::Confirmed {
            pairings.confirm(key, account, &SESSION, tag, now).await.unwrap();
        }
        token
    }

    /// Creates a session that requests an approval, in its state. Returns the request and the number.
    async fn ask(
        &self,
        at: At,
        asking: &HolderCookie,
        account: &AccountId,
        now: Timestamp,
    ) -> (RequestId, u8) {
        let world = &self.gateway.world;
        let id = RequestId::from_bytes(world.entropy.bytes());
        let number = asking.approval_number(&self.flows, id).unwrap();
        let tag = number.tag(&self.flows, id).unwrap();
        let registered = world.enrolment.registered(account).await.unwrap();
        let (expires_at, start) = (now + LIFETIME, EnrolmentState::from_registered(&registered, true));
        let context = SessionContext {
            account: account.clone(),
            expires_at,
            language: Language::English,
            start,
            back: None,
            changes_password: false,
        };
        let session = Session::begin(context, registered.generation, id);
        self.sessions.begin(asking.id(), &session).await.unwrap();
        let request = ApprovalRequest {
            id,
            flow: asking.id(),
            number: tag,
            requester: Requester {
                network: "203.0.113.x".into(),
                browser: "Firefox, Windows".into(),
                known_device: true,
            },
            created_at: now,
            expires_at: if at == At::Idle { now } else { now + APPROVAL_LIFETIME },
            status: RequestStatus::Pending,
            young: false,
        };
        assert!(self.approvals.ask(account, &request, now).await.unwrap());
        let answer = match at {
            At::Approved => Some(DeviceAnswer::Number { tag, young: false }),
            At::Denied => Some(DeviceAnswer::Denied(now + PAUSE)),
            _ => None,
        };
        if let Some(answer) = answer {
            self.approvals.answer(account, id, answer, now).await.unwrap();
        }
        (id, number.expose().parse().unwrap())
    }
}

/// Returns the phone's signature over the content of a request.
fn sign(phone: &Phone, request: &Request<At>, filling: &Filling) -> String {
    let fields = fields(&request.body, filling);
    let field = |name: &str| {
        let found = fields.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    match request.path.as_str() {
        "/authenticator/pair" => {
            phone.sign(&["pair", field("pairing"), field("public_key"), field("subscription")])
        }
        "/authenticator/answer" => {
            let answer = if field("denied").is_empty() { field("number") } else { "denied" };
            phone.sign(&["answer", field("nonce"), field("request"), answer])
        }
        _ => {
            let nonce = request.headers.iter().find(|(name, _)| name == "rekey-nonce");
            let nonce = nonce.map(|(_, nonce)| filling.fill(nonce)).unwrap_or_default();
            phone.sign(&["requests", &nonce])
        }
    }
}
