//! A software phone with the authenticator app: its keys and the requests that the app sends.

use std::sync::Arc;

use aes_gcm::aead::{Aead as _, KeyInit as _};
use aes_gcm::{Aes128Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use http::{Method, Request};
use p256::ecdh::diffie_hellman;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::{PublicKey, SecretKey};
use serde_json::{Value, json};
use sha2::Sha256;
use shared::adapters::dynamodb::{DynamoApprovals, DynamoPairings};
use shared::domain::code::OneTimeCode;
use shared::domain::device::DeviceKey;
use shared::domain::pairing::{Pairing, PairingToken};
use shared::domain::security_info::{EntryId, Kind, Secret};
use shared::domain::time::Timestamp;
use shared::ports::{
    ApprovalStore as _, Clock as _, EntropyExt as _, NewEntry, PairingConfirmed, PairingStore as _,
};

use crate::answer::Answer;
use crate::fixtures::Person;
use crate::world::World;

/// The authentication secret of the push subscription (RFC 8291 §3.2).
const AUTH: [u8; 16] = [9; 16];

/// A phone with the app.
#[derive(Clone)]
pub struct Phone {
    world: Arc<World>,
    key: SigningKey,
    subscription: SecretKey,
    /// The sealed device id that it got when it was paired.
    pub handle: String,
    /// The nonce for its next request.
    pub nonce: String,
    extra_headers: &'static [(&'static str, &'static str)],
}

impl Phone {
    /// Creates an unpaired phone. Phones with the same number have the same keys.
    pub fn new(world: &Arc<World>, number: u8) -> Self {
        Self {
            world: Arc::clone(world),
            key: SigningKey::from_slice(&[number; 32]).unwrap(),
            subscription: SecretKey::from_slice(&[number + 100; 32]).unwrap(),
            handle: String::new(),
            nonce: String::new(),
            extra_headers: &[],
        }
    }

    /// Adds these headers to every request of the phone.
    #[must_use]
    pub fn with_headers(self, extra_headers: &'static [(&'static str, &'static str)]) -> Self {
        Self { extra_headers, ..self }
    }

    /// Enrols a phone for a person; it serves in resets from `active_from` on. Returns it with its entry.
    pub async fn enrolled_from(
        world: &Arc<World>,
        number: u8,
        person: &Person,
        active_from: Timestamp,
    ) -> (Self, EntryId) {
        let mut phone = Self::new(world, number);
        let token = world.begin_pairing(person).await;
        let paired = phone.pair(&token).await;
        assert_eq!(paired.status, 200, "{}", paired.text());
        let confirmed = world.confirm_pairing(&token, person, paired.json()["code"].as_str().unwrap()).await;
        (phone, world.enrol_device(person, confirmed, active_from).await)
    }

    /// Enrols a phone for a person; it serves in resets at once.
    pub async fn enrolled(world: &Arc<World>, number: u8, person: &Person) -> Self {
        Self::enrolled_from(world, number, person, world.clock.now()).await.0
    }

    /// Returns its public key.
    pub fn key(&self) -> DeviceKey {
        DeviceKey::parse(&self.public_key()).unwrap()
    }

    /// Returns its public key in the encoding that the app sends.
    pub fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.key.verifying_key().to_sec1_point(false).as_bytes())
    }

    /// Returns its subscription at the emulated push service, in the JSON of browsers.
    pub fn subscription(&self) -> String {
        let key = URL_SAFE_NO_PAD.encode(self.subscription.public_key().to_sec1_point(false).as_bytes());
        let endpoint = format!("{}/push/phone-{}", self.world.emulator.endpoint(), &key[..8]);
        json!({ "endpoint": endpoint, "keys": { "p256dh": key, "auth": URL_SAFE_NO_PAD.encode(AUTH) } })
            .to_string()
    }

    /// Signs lines as the app does.
    pub fn sign(&self, lines: &[&str]) -> String {
        let text = format!("rekey-device-1\n{}", lines.join("\n"));
        let signature: Signature = self.key.sign(text.as_bytes());
        URL_SAFE_NO_PAD.encode(signature.to_bytes())
    }

    /// Pairs with a token, without a subscription.
    pub async fn pair(&mut self, token: &PairingToken) -> Answer {
        let subscription = self.subscription();
        self.pair_with_subscription(token, &subscription).await
    }

    /// Pairs with a token and a subscription.
    pub async fn pair_with_subscription(&mut self, token: &PairingToken, subscription: &str) -> Answer {
        let (pairing, key) = (token.expose(), self.public_key());
        let signature = self.sign(&["pair", &pairing, &key, subscription]);
        let mut body = json!({ "pairing": pairing, "public_key": key, "signature": signature });
        if !subscription.is_empty() {
            body["subscription"] = json!(subscription);
        }
        let answer = self.post("/authenticator/pair", body).await;
        if answer.status == 200 {
            let paired = answer.json();
            paired["device"].as_str().unwrap().clone_into(&mut self.handle);
            paired["nonce"].as_str().unwrap().clone_into(&mut self.nonce);
        }
        answer
    }

    /// Asks once for waiting requests.
    pub async fn poll(&mut self) -> Answer {
        let signature = self.sign(&["requests", &self.nonce]);
        let request = self
            .signed_request(Method::GET, "/authenticator/requests")
            .header("rekey-device", &self.handle)
            .header("rekey-nonce", &self.nonce)
            .header("rekey-signature", signature);
        let answer = self.world.answer(request.body(String::new()).unwrap()).await;
        self.store_nonce(&answer);
        answer
    }

    /// Returns the waiting requests; asks again if the nonce was too old.
    pub async fn requests(&mut self) -> Vec<Value> {
        let mut answer = self.poll().await;
        if answer.status == 409 {
            answer = self.poll().await;
        }
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["requests"].as_array().unwrap().clone()
    }

    /// Returns the id of the only waiting request.
    pub async fn request(&mut self) -> String {
        let waiting = self.requests().await;
        assert_eq!(waiting.len(), 1, "{waiting:?}");
        waiting[0]["request"].as_str().unwrap().to_owned()
    }

    /// Approves with a typed number.
    pub async fn approve(&mut self, request: &str, number: &str) -> Answer {
        let body = self.approval(request, number);
        self.post("/authenticator/answer", body).await
    }

    /// Refuses: "It wasn't me."
    pub async fn deny(&mut self, request: &str) -> Answer {
        let signature = self.sign(&["answer", &self.nonce, request, "denied"]);
        let body = json!({
            "device": self.handle, "nonce": self.nonce, "request": request, "denied": "true", "signature": signature,
        });
        self.post("/authenticator/answer", body).await
    }

    /// Returns the body that approves with a number, without sending it.
    pub fn approval(&self, request: &str, number: &str) -> Value {
        let signature = self.sign(&["answer", &self.nonce, request, number]);
        json!({
            "device": self.handle, "nonce": self.nonce, "request": request, "number": number, "signature": signature,
        })
    }

    /// Sends `POST path`.
    pub async fn post(&mut self, path: &str, body: Value) -> Answer {
        let request =
            self.signed_request(Method::POST, path).header("content-type", "application/json").header(
                "user-agent",
                "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36",
            );
        let answer = self.world.answer(request.body(body.to_string()).unwrap()).await;
        self.store_nonce(&answer);
        answer
    }

    fn signed_request(&self, method: Method, path: &str) -> http::request::Builder {
        let request = Request::builder().method(method).uri(path).header("accept", "application/json");
        self.extra_headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    }

    fn store_nonce(&mut self, answer: &Answer) {
        if let Some(nonce) = answer.json()["nonce"].as_str() {
            nonce.clone_into(&mut self.nonce);
        }
    }

    /// Decrypts a push that the dev inbox received (RFC 8291 §3.4, the device's part).
    pub fn decrypt_push(&self, body: &str) -> String {
        let sealed = URL_SAFE_NO_PAD.decode(body).unwrap();
        let (salt, rest) = sealed.split_at(16);
        let (theirs, record) = rest[5..].split_at(usize::from(rest[4]));
        let ours = self.subscription.public_key().to_sec1_point(false);
        let shared = diffie_hellman(
            self.subscription.to_nonzero_scalar(),
            PublicKey::from_sec1_bytes(theirs).unwrap().as_affine(),
        );
        let info = [b"WebPush: info\0", ours.as_bytes(), theirs].concat();
        let (mut input, mut key, mut nonce) = ([0; 32], [0; 16], [0; 12]);
        Hkdf::<Sha256>::new(Some(&AUTH), shared.raw_secret_bytes()).expand(&info, &mut input).unwrap();
        let expander = Hkdf::<Sha256>::new(Some(salt), &input);
        expander.expand(b"Content-Encoding: aes128gcm\0", &mut key).unwrap();
        expander.expand(b"Content-Encoding: nonce\0", &mut nonce).unwrap();
        let mut plain =
            Aes128Gcm::new_from_slice(&key).unwrap().decrypt(&Nonce::from(nonce), record).unwrap();
        assert_eq!(plain.pop(), Some(2), "the last record");
        String::from_utf8(plain).unwrap()
    }
}

/// The session that begins the pairings.
const SESSION: [u8; 32] = [5; 32];

impl World {
    /// Returns the pairing store with administrator access.
    pub fn pairings(&self) -> DynamoPairings {
        DynamoPairings::new(self.client.clone(), "FlowsTable")
    }

    /// Begins a pairing for a person, as `/security-info` does.
    pub async fn begin_pairing(&self, person: &Person) -> PairingToken {
        let token = PairingToken::new(self.entropy.bytes());
        let (account, now) = (person.account().id, self.clock.now());
        let entry = EntryId::new(Kind::Authenticator, self.entropy.bytes());
        let pairing = Pairing::begin(account, entry, SESSION, person.login.to_owned(), now);
        self.pairings().begin(token.key(), &pairing).await.unwrap();
        token
    }

    /// Types the code of a phone, as on `/security-info`.
    pub async fn confirm_pairing(
        &self,
        token: &PairingToken,
        person: &Person,
        code: &str,
    ) -> PairingConfirmed {
        let code = OneTimeCode::parse(code).unwrap();
        let tag = token.key().code_tag(&self.keyring("REKEY_SECRET_FLOWS"), &code).unwrap();
        let account = person.account().id;
        self.pairings().confirm(token.key(), &account, &SESSION, tag, self.clock.now()).await.unwrap()
    }
}

impl World {
    /// Enrols a paired device and returns its entry.
    pub async fn enrol_device(
        &self,
        person: &Person,
        confirmed: PairingConfirmed,
        active_from: Timestamp,
    ) -> EntryId {
        let PairingConfirmed::Confirmed(device) = confirmed else { panic!("{confirmed:?}") };
        let id = device.id.clone();
        let secret =
            Secret::Authenticator { public_key: device.key.to_bytes(), subscription: device.subscription };
        let now = self.clock.now();
        let entry = NewEntry { active_from, ..NewEntry::new(device.id, device.name, secret, now) };
        self.enrolment.put(&person.account().id, &entry).await.unwrap();
        id
    }

    /// Returns the newest request to a person's devices, read from the store.
    pub async fn pending_request(&self, person: &Person) -> String {
        let approvals = DynamoApprovals::new(self.client.clone(), "FlowsTable");
        approvals.newest(&person.account().id).await.unwrap().unwrap().id.to_string()
    }
}
