//! Sets a session into any state directly, without the requests that lead there.

use shared::domain::cookie::HolderCookie;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rekey_tests::fixtures::{AISYAH, DANIEL, NEWCOMER, Person};
use rekey_tests::{CeremonyOptions, Passkey, Phone};
use serde_json::{Value, json};
use shared::adapters::dynamodb::{DynamoApprovals, DynamoSessions};
use shared::adapters::signatures::RingSignatures;
use shared::domain::account::AccountId;
use shared::domain::approval::{ApprovalRequest, PAUSE, RequestStatus, Requester};
use shared::domain::captcha::{CaptchaChallenge as Captcha, Effort};
use shared::domain::challenge::Challenge;
use shared::domain::code::OneTimeCode;
use shared::domain::factor::VerifiedFactor;
use shared::domain::flow::{APPROVAL_LIFETIME, PASSKEY_LIFETIME, RequestId};
use shared::domain::keys::{Keyring, Tag};
use shared::domain::language::Language;
use shared::domain::method::Method;
use shared::domain::pairing::{Pairing, PairingToken, WaitingDevice};
use shared::domain::passkey::{Expected, Registration, UserHandle};
use shared::domain::recovery_code::RecoveryCodes;
use shared::domain::security_info::{EntryId, Kind, Secret};
use shared::domain::session::{
    EnrolmentState, LIFETIME, Open, Pending, Session, SessionContext, SignedIn, Verification,
};
use shared::domain::time::{Seconds, Timestamp};
use shared::domain::totp::TotpSeed;
use shared::ports::{
    ApprovalStore as _, Clock as _, DeviceAnswer, EnrolmentStore as _, EntropyExt as _, NewEntry,
    PairingStore as _, SessionStore as _, SignatureVerifier as _,
};

use super::inputs::At;

use crate::gateway::{Filling, Gateway};
use crate::snapshot::{Change, Snapshot};

const ORIGIN: &str = "https://reset.contoh.example";
/// The relying party id of its passkeys.
const PARTY: &str = "reset.contoh.example";
/// The purpose under which `enrolment` seals waiting entries.
pub const PENDING: &str = "rekey/pending";
/// The lifetime of the session's code.
const CODE_LIFETIME: Seconds = Seconds(600);

/// A world and the material for requests.
pub struct Scene {
    pub gateway: Gateway,
    sessions: DynamoSessions,
    approvals: DynamoApprovals,
    flows: Keyring,
    seeds: Keyring,
    captcha: Keyring,
    passkey: Mutex<Passkey>,
    /// A phone that isn't enrolled.
    phone: Phone,
    /// The codes of the enrolled sheet.
    sheet_codes: Vec<String>,
    /// A new sheet that is waiting to be confirmed, and one of its codes.
    sheet: (String, String),
    /// The entry of the enrolled passkey.
    entry: EntryId,
    /// The stored items before any request.
    before: Snapshot,
}

/// The correct values for the session that was just set.
pub struct Live {
    /// The values of the placeholders.
    pub filling: Filling,
    pub cookie: HolderCookie,
    /// The last verification of the session.
    pub last: Option<Verification>,
    /// The code of the open challenge, which only its recipient knows.
    pub code: String,
    /// The answers that verify a second step; a request that does so contains one of them.
    pub valid_answers: Vec<String>,
    /// The parts of the waiting entry that its page shows.
    pub shown: Vec<String>,
}

struct Waiting {
    pending: Pending,
    code: String,
    attestation: String,
    shown: Vec<String>,
}

impl Scene {
    /// Creates a person with one entry of each kind, and one without entries.
    pub fn new() -> Self {
        let gateway = Gateway::with(&[
            ("REKEY_PUBLIC_URL", ORIGIN),
            ("REKEY_RETURN_URLS", "https://portal.contoh.example/app/"),
        ]);
        let world = gateway.world.clone();
        let flows = world.keyring("REKEY_SECRET_FLOWS");
        let (account, now) = (AISYAH.account().id, world.clock.now());
        let party = world.settings.relying_party();

        let challenge = world.entropy.bytes();
        let (passkey, answer) =
            Passkey::create(&creation(&flows, &account, challenge), &CeremonyOptions::at(ORIGIN));
        let expected = Expected { party: &party, challenge: &challenge };
        let verifies =
            |key: &_, message: &[u8], signature: &[u8]| RingSignatures.verifies(key, message, signature);
        let attestation = Registration::parse(&answer).unwrap();
        let handle = UserHandle::of(&flows, &account);
        let credential = attestation.verify(handle, &expected, &verifies).unwrap();
        let new_sheet = || {
            let codes = RecoveryCodes::generate(&world.entropy.bytes());
            let sheet = codes.sheet(&world.keyring("REKEY_SECRET_SEEDS"), &account).unwrap();
            (codes.iter().map(|code| code.expose().to_string()).collect::<Vec<_>>(), sheet)
        };
        let (paper, kept) = new_sheet();
        let (shown, sheet) = new_sheet();
        let waiting =
            json!({ "shown": shown, "hashed_with": sheet.hashed_with, "hashes": sheet.hashes }).to_string();
        let entry = EntryId::new(Kind::Passkey, world.entropy.bytes());
        let before = gateway.run(async {
            world.register(&NEWCOMER).await;
            let entries = [
                NewEntry::new(entry.clone(), "computer", Secret::Passkey(credential), now),
                NewEntry::new(EntryId::only(Kind::RecoveryCodes), "", Secret::RecoveryCodes(kept), now),
            ];
            for entry in &entries {
                world.enrolment.put(&account, entry).await.unwrap();
            }
            // Reading the account adds the passkey to the index of all accounts.
            world.enrolment.registered(&account).await.unwrap();
            let mut phone = Phone::new(&world, 1);
            let token = world.begin_pairing(&AISYAH).await;
            let code =
                phone.pair_with_subscription(&token, "").await.json()["code"].as_str().unwrap().to_owned();
            let confirmed = world.confirm_pairing(&token, &AISYAH, &code).await;
            world.enrol_device(&AISYAH, confirmed, now).await;
            Snapshot::read(&world).await
        });
        Self {
            sessions: DynamoSessions::new(world.client.clone(), "FlowsTable", world.entropy.clone()),
            approvals: DynamoApprovals::new(world.client.clone(), "FlowsTable"),
            seeds: world.keyring("REKEY_SECRET_SEEDS"),
            captcha: world.keyring("REKEY_SECRET_CAPTCHA"),
            passkey: Mutex::new(passkey),
            phone: Phone::new(&world, 2),
            sheet: (waiting, shown[0].clone()),
            flows,
            sheet_codes: paper,
            entry,
            before,
            gateway,
        }
    }

    /// Returns the changes that a request made, and undoes them.
    pub fn changes(&self) -> Vec<Change> {
        self.gateway.run(self.before.undo(&self.gateway.world))
    }

    /// Returns the session, if it still exists.
    pub fn session(&self, live: &Live) -> Option<Session> {
        let now = self.gateway.world.clock.now();
        let found = self.gateway.run(self.sessions.session(live.cookie.id(), now)).unwrap();
        found.map(|found| found.value)
    }

    /// Sets a session into a state.
    pub fn set(&self, at: At) -> Live {
        self.gateway.run(self.set_session(at))
    }

    async fn set_session(&self, at: At) -> Live {
        let world = &self.gateway.world;
        let now = world.clock.now();
        let person = match at {
            At::Newcomer => &NEWCOMER,
            At::Disabled => &DANIEL,
            _ => &AISYAH,
        };
        let account = person.account().id;
        let registered = world.enrolment.registered(&account).await.unwrap();
        let cookie = HolderCookie::open_session(&self.flows, world.entropy.bytes());
        let start = match at {
            At::NoUsableMethod => EnrolmentState::NoUsableFactor,
            _ => EnrolmentState::from_registered(&registered, true),
        };
        let expires_at = if at == At::Expired { now } else { now + LIFETIME };
        let context = SessionContext {
            account: account.clone(),
            expires_at,
            language: Language::English,
            start,
            back: None,
            changes_password: false,
        };
        let request = RequestId::from_bytes(world.entropy.bytes());
        let mut session = Session::begin(context, registered.generation, request);
        let by =
            |method| Some(Verification { method: Some(method), at: now, answer: Tag::from_bytes([0; 32]) });
        let last = match at {
            At::NoSession
            | At::StepUpDue
            | At::Sent
            | At::ApprovalRequested
            | At::Approved
            | At::Denied
            | At::NoUsableMethod
            | At::Newcomer => None,
            At::VerifiedByRecoveryCode => by(Method::RecoveryCode),
            At::WaitingPeriod => by(Method::Sms),
            // One second older than a change allows.
            At::Stale | At::StaleAdding => by(Method::Totp)
                .map(|last| Verification { at: Timestamp::from_seconds(now.as_seconds() - 601), ..last }),
            _ => by(Method::Totp),
        };
        session.progress_mut().last.clone_from(&last);
        if at == At::Superseded {
            session.progress_mut().generation += 1;
        }
        if last.is_some() {
            session = verified(session);
        }
        if let (At::WaitingPeriod, Session::Open(open)) = (at, &mut session) {
            open.waiting.push(EntryId::only(Kind::AlternateEmail));
            // The next factor would be the second one.
            let factor = Tag::from_bytes([1; 32]);
            open.progress.factors.push(VerifiedFactor { method: Method::Sms, factor, old: true });
        }
        let mut live = Live {
            filling: Filling::default(),
            last,
            code: self.code(8),
            valid_answers: Vec::new(),
            shown: Vec::new(),
            cookie,
        };
        let mut attestation = String::new();
        match at {
            At::Sent => {
                let challenge = self.open_challenge(&live.cookie, Method::Email, &live.code, now);
                session.progress_mut().challenge = Some(challenge);
                live.valid_answers.push(live.code.clone());
            }
            At::ApprovalRequested | At::Approved | At::Denied => {
                let challenge = self.ask(&live.cookie, &account, at, now).await;
                session.progress_mut().challenge = Some(challenge);
            }
            At::Adding(_) | At::StaleAdding | At::Superseded => {
                let kind = if let At::Adding(kind) = at { kind } else { Kind::Mobile };
                let waiting = self.waiting(&live.cookie, &account, kind, now).await;
                let Session::Open(open) = session else { panic!("{at:?} may add") };
                session = Session::Enrolling(open.enrol(waiting.pending));
                attestation = waiting.attestation;
                live.code = waiting.code;
                live.shown = waiting.shown;
            }
            _ => {}
        }
        if at != At::NoSession {
            self.sessions.begin(live.cookie.id(), &session).await.unwrap();
        }
        self.fill(&mut live, &session, &attestation, person);
        live
    }

    /// Sets the values of the placeholders.
    fn fill(&self, live: &mut Live, session: &Session, attestation: &str, person: &Person) {
        let world = &self.gateway.world;
        let now = world.clock.now();
        let challenge = live.cookie.passkey_challenge(&self.flows, session.progress().request).unwrap();
        let options = json!({ "challenge": URL_SAFE_NO_PAD.encode(challenge), "rpId": PARTY });
        let assertion = self.passkey.lock().unwrap().answer(&options, &CeremonyOptions::at(ORIGIN));
        let signature: Value = serde_json::from_str(&assertion).unwrap();
        let signature = signature["response"]["signature"].as_str().unwrap().to_owned();
        let app = world.app_code(0);
        live.valid_answers.extend([app.clone(), signature]);
        live.valid_answers.extend(self.sheet_codes.iter().cloned());
        let captcha = Captcha::generate(world.entropy.bytes(), now, Effort::BASE, None);
        let pending = session.pending().map_or("mobile", |pending| pending.id.as_str());
        live.filling = Filling(vec![
            ("{session}", live.cookie.value(&self.flows).unwrap()),
            ("{at}", live.cookie.at(&self.flows).unwrap()),
            ("{code}", live.code.clone()),
            ("{app}", app),
            ("{recovery}", self.sheet_codes[0].clone()),
            ("{assertion}", assertion),
            ("{attestation}", attestation.to_owned()),
            ("{id}", pending.to_owned()),
            ("{entry}", self.entry.as_str().to_owned()),
            ("{address}", "me@elsewhere.example".to_owned()),
            ("{phone}", "012-345 9900".to_owned()),
            ("{login}", person.login.to_owned()),
            ("{password}", Person::PASSWORD.to_owned()),
            ("{token}", captcha.seal(&self.captcha, world.entropy.bytes()).unwrap()),
            ("{characters}", captcha.answer()),
            ("{zeros}", ["0"; 64].join(".")),
        ]);
    }

    fn code(&self, digits: u8) -> String {
        OneTimeCode::generate(digits, self.gateway.world.entropy.bytes()).expose().to_owned()
    }

    /// Returns a challenge with this code.
    fn open_challenge(&self, cookie: &HolderCookie, method: Method, code: &str, now: Timestamp) -> Challenge {
        let request = RequestId::from_bytes(self.gateway.world.entropy.bytes());
        let tag = cookie.code_tag(&self.flows, Some(request), &OneTimeCode::parse(code).unwrap());
        Challenge::new(method, request, tag, now, CODE_LIFETIME)
    }

    /// Creates an approval request, with the device's answer if the state has one.
    async fn ask(&self, cookie: &HolderCookie, account: &AccountId, at: At, now: Timestamp) -> Challenge {
        let id = RequestId::from_bytes(self.gateway.world.entropy.bytes());
        let asked = Challenge::new(Method::Push, id, None, now, APPROVAL_LIFETIME);
        let number = cookie.approval_number(&self.flows, id).unwrap().tag(&self.flows, id).unwrap();
        let request = ApprovalRequest {
            id,
            flow: cookie.id(),
            number,
            requester: Requester::default(),
            created_at: now,
            expires_at: asked.expires_at,
            status: RequestStatus::Pending,
            young: false,
        };
        assert!(self.approvals.ask(account, &request, now).await.unwrap());
        let answer = match at {
            At::Approved => DeviceAnswer::Number { tag: number, young: false },
            At::Denied => DeviceAnswer::Denied(now + PAUSE),
            _ => return asked,
        };
        self.approvals.answer(account, id, answer, now).await.unwrap();
        asked
    }

    /// Creates a waiting entry in the form in which `enrolment` stores it.
    async fn waiting(
        &self,
        cookie: &HolderCookie,
        account: &AccountId,
        kind: Kind,
        now: Timestamp,
    ) -> Waiting {
        let world = &self.gateway.world;
        let id = EntryId::new(kind, world.entropy.bytes());
        let seal = |text: &str| {
            let owner = cookie.id();
            self.seeds.seal(PENDING, owner.as_bytes(), text.as_bytes(), world.entropy.bytes()).unwrap()
        };
        let contact = |method, text: &str| {
            let code = self.code(8);
            let asked = Some(self.open_challenge(cookie, method, &code, now));
            (seal(text), asked, code, Vec::new())
        };
        let mut attestation = String::new();
        let (sealed, asked, code, shown) = match kind {
            Kind::AlternateEmail => contact(Method::Email, "me@elsewhere.example"),
            Kind::Mobile => contact(Method::Sms, "+60123459900"),
            Kind::OfficePhone => contact(Method::OfficeCall, "+60327319900"),
            Kind::Totp => {
                let seed = TotpSeed::generate(world.entropy.bytes());
                let secret = totp_rs::Secret::try_from_base32(seed.expose()).unwrap();
                let app = totp_rs::Builder::new().with_secret(secret).build().unwrap();
                let code = app.generate(now.as_seconds().unsigned_abs()).to_string();
                (seal(seed.expose()), None, code, vec![seed.expose().to_owned()])
            }
            Kind::Authenticator => {
                let token = PairingToken::new(world.entropy.bytes());
                let (by, login) = (*cookie.id().as_bytes(), AISYAH.login.to_owned());
                let pairing = Pairing::begin(account.clone(), id.clone(), by, login, now);
                let code = self.code(6);
                let tag = token.key().code_tag(&self.flows, &OneTimeCode::parse(&code).unwrap()).unwrap();
                let key = self.phone.key();
                let device =
                    WaitingDevice { id: id.clone(), key, subscription: None, name: "a phone".into() };
                let pairings = world.pairings();
                pairings.begin(token.key(), &pairing).await.unwrap();
                assert!(pairings.pair(token.key(), &device, tag, now).await.unwrap());
                (seal(&token.expose()), None, code, vec![token.expose()])
            }
            Kind::Passkey => {
                let request = RequestId::from_bytes(world.entropy.bytes());
                let challenge = cookie.passkey_challenge(&self.flows, request).unwrap();
                let options = creation(&self.flows, account, challenge);
                attestation = Passkey::create(&options, &CeremonyOptions::at(ORIGIN)).1;
                let asked = Challenge::new(Method::Passkey, request, None, now, PASSKEY_LIFETIME);
                (String::new(), Some(asked), self.code(8), Vec::new())
            }
            Kind::RecoveryCodes => {
                let (waiting, code) = &self.sheet;
                (seal(waiting), None, code.clone(), vec![code.clone()])
            }
        };
        Waiting {
            pending: Pending { id, shown: "*****".into(), sealed, challenge: asked },
            code,
            attestation,
            shown,
        }
    }
}

/// Returns the session after a verification.
fn verified(session: Session) -> Session {
    match session {
        Session::SignedIn(SignedIn { context, progress }) => {
            Session::Open(Open { context, progress, waiting: Vec::new() })
        }
        other => other,
    }
}

/// Returns the creation options for a passkey of an account.
fn creation(flows: &Keyring, account: &AccountId, challenge: [u8; 32]) -> Value {
    json!({
        "rp": { "id": PARTY },
        "user": { "id": UserHandle::of(flows, account) },
        "challenge": URL_SAFE_NO_PAD.encode(challenge),
    })
}
