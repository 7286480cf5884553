//! The people of the model: the victim with every method, the attacker with an own account, and names without one.

use std::cell::RefCell;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use rekey_tests::fixtures::{AISYAH, PRIYA, Person, SEED};
use rekey_tests::{CeremonyOptions, Passkey};
use serde_json::{Value, json};
use shared::adapters::signatures::RingSignatures;
use shared::domain::account::{Account, AccountId, AccountState, Registration};
use shared::domain::device::{Device, DeviceKey, Signed};
use shared::domain::flow::RequestId;
use shared::domain::import::Overwrite;
use shared::domain::keys::Keyring;
use shared::domain::message::Recipient;
use shared::domain::passkey::{self, CreationOptions, Credential, Expected, Owner, RelyingParty, UserHandle};
use shared::domain::password::NewPassword;
use shared::domain::recovery_code::{RecoveryCode, Sheet};
use shared::domain::security_info::{EntryId, Kind, Secret};
use shared::domain::time::{Seconds, Timestamp};
use shared::domain::totp::TotpSeed;
use shared::ports::{AccountImport as _, NewEntry, SignatureVerifier as _};

use crate::tables::{MOMENT, Tables};

pub const VICTIM: &str = "aisyah";
pub const ATTACKER: &str = "priya";
/// The mobile number as the victim types it.
pub const MOBILE: &str = "012-345 6798";
/// A recovery code that is on no sheet.
pub const NO_CODE: &str = "0000-0000-0000-0000";

pub fn person(login: &str) -> Option<&'static Person> {
    [&AISYAH, &PRIYA].into_iter().find(|person| person.login == login)
}

pub fn account(login: &str) -> Account {
    Account { state: AccountState::Active, ..person(login).unwrap().account() }
}

/// Writes a person into the directory and the security info, with all entries of the people file and these kinds.
pub fn enrol(tables: &mut Tables, login: &str, holds: &[Kind], party: &RelyingParty) {
    let (person, account) = (person(login).unwrap(), account(login));
    let password = NewPassword::parse(Person::PASSWORD).unwrap();
    tables.directory(async |directory| directory.put(&account, Some(&password)).await).unwrap();
    let seed = person.totp.then(|| sealed_seed(&account.id));
    let security_info = &mut tables.security_info;
    security_info.import(
        &account.id,
        &person.registration(),
        seed.as_deref(),
        Overwrite::Imported,
        Seconds(0),
        MOMENT,
    );
    for kind in holds {
        security_info.put(&account.id, &new_entry(login, *kind, 0, party));
    }
}

/// Returns an authenticator as it is enrolled. It shows its number, and a replacement has the next one.
pub fn new_entry(login: &str, kind: Kind, number: u8, party: &RelyingParty) -> NewEntry<'static> {
    let secret = match kind {
        Kind::Authenticator => {
            Secret::Authenticator { public_key: device_key(login).to_bytes(), subscription: None }
        }
        Kind::Passkey => Secret::Passkey(passkey(login, &keys(), party).1),
        Kind::RecoveryCodes => Secret::RecoveryCodes(sheet(number, &keys())),
        other => panic!("no scope enrols {other:?}"),
    };
    NewEntry::new(entry(kind, number), number.to_string(), secret, MOMENT)
}

/// Returns the account id, of an account or of a decoy, as a store has it.
fn id(account: &str) -> AccountId {
    serde_json::from_value(account.into()).unwrap()
}

/// Returns every contact that is notified of a change.
pub fn contacts(account: &str, registration: Registration) -> Vec<String> {
    let phones = [registration.mobile, registration.office_phone].into_iter().flatten();
    let mails = [self::account(account).email, registration.alternate_email].into_iter().flatten();
    let mut all: Vec<String> = phones.map(|phone| phone.expose().to_owned()).collect();
    all.extend(mails.map(|mail| mail.expose().to_owned()));
    all.sort();
    all
}

/// One keyring serves every purpose in the model.
pub fn keys() -> Keyring {
    Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
}

pub fn sealed_seed(account: &AccountId) -> String {
    TotpSeed::parse(SEED).unwrap().seal(&keys(), account.as_str(), [7; 24]).unwrap()
}

/// Returns the current TOTP code.
pub fn app_code(now: Timestamp) -> String {
    let secret = totp_rs::Secret::try_from_base32(SEED).unwrap();
    let app = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    app.generate(now.as_unsigned()).to_string()
}

/// Returns a recipient unmasked, as the provider gets it.
pub fn exposed(to: &Recipient) -> String {
    match to {
        Recipient::Email(address) => address.expose().to_owned(),
        Recipient::Sms(number) | Recipient::Voice(number) => number.expose().to_owned(),
    }
}

/// Returns the entry id of a phone, passkey or another method.
pub fn entry(kind: Kind, number: u8) -> EntryId {
    EntryId::new(kind, [number; 8])
}

/// Returns the device of an account.
pub fn device(account: &str) -> Device {
    Device { account: id(account), id: entry(Kind::Authenticator, 0) }
}

fn signing_key(account: &str) -> SigningKey {
    SigningKey::from_slice(&[if account == VICTIM { 1 } else { 2 }; 32]).unwrap()
}

/// Returns the public key of an account's device.
pub fn device_key(account: &str) -> DeviceKey {
    DeviceKey::from_bytes(signing_key(account).verifying_key().to_sec1_point(false).as_bytes()).unwrap()
}

/// Returns the signed body of a phone, for a typed number or for "It wasn't me".
pub fn phone_answer(account: &str, request: RequestId, typed: Option<&str>, now: Timestamp) -> Value {
    thread_local! {
        /// Signing is slow, and every state asks what could be signed.
        static KNOWN: RefCell<HashMap<String, Value>> = RefCell::default();
    }
    let key = format!("{account} {request} {typed:?} {now:?}");
    let sign = || signed_by_phone(account, request, typed, now);
    KNOWN.with_borrow_mut(|known| known.entry(key).or_insert_with(sign).clone())
}

fn signed_by_phone(account: &str, request: RequestId, typed: Option<&str>, now: Timestamp) -> Value {
    let device = device(account);
    let (handle, nonce) = (device.handle(&keys(), [7; 24]).unwrap(), device.nonce(&keys(), now).unwrap());
    let signed = Signed::Answer { nonce: &nonce, request, answer: typed.unwrap_or("denied") };
    let signature: Signature = signing_key(account).sign(signed.text().as_bytes());
    let mut body = json!({
        "device": handle,
        "nonce": nonce,
        "request": request.to_string(),
        "signature": URL_SAFE_NO_PAD.encode(signature.to_bytes()),
    });
    match typed {
        Some(number) => body["number"] = number.into(),
        None => body["denied"] = "true".into(),
    }
    body
}

/// Returns the passkey of an account, and the stored credential under these keys.
pub fn passkey(login: &str, keys: &Keyring, party: &RelyingParty) -> (Passkey, Credential) {
    let account = id(login);
    let handle = UserHandle::of(keys, &account);
    let owner = Owner { handle: &handle, login, name: login };
    let options = CreationOptions::new(party, "Universiti Contoh", owner, [7; 32], &[], Seconds(300));
    let saying = CeremonyOptions::at(&party.origins[0]);
    let (passkey, answer) = Passkey::create_from_seed(
        &serde_json::to_value(&options).unwrap(),
        &saying,
        &[if login == VICTIM { 7 } else { 8 }; 32],
    );
    let expected = Expected { party, challenge: &[7; 32] };
    let verifies =
        |key: &_, message: &[u8], signature: &[u8]| RingSignatures.verifies(key, message, signature);
    let registration = passkey::Registration::parse(&answer).unwrap();
    (passkey, registration.verify(handle, &expected, &verifies).unwrap())
}

/// Returns an assertion for a challenge with this signature count.
pub fn assertion(login: &str, keys: &Keyring, party: &RelyingParty, challenge: &str, counter: u32) -> String {
    thread_local! {
        static KNOWN: RefCell<HashMap<String, String>> = RefCell::default();
    }
    let sign = || {
        let (mut passkey, _) = passkey(login, keys, party);
        passkey.counter = counter - 1;
        let options = json!({ "rpId": party.id, "challenge": challenge });
        passkey.answer(&options, &CeremonyOptions::at(&party.origins[0]))
    };
    let key = format!("{login} {} {challenge} {counter}", party.id);
    KNOWN.with_borrow_mut(|known| known.entry(key).or_insert_with(sign).clone())
}

/// Returns a code of one of the victim's sheets, as a person types it.
pub fn recovery_code(sheet: u8, nth: usize) -> String {
    format!("{}{}{}", "ABCD-EFGH-JKMN-PQ", 2 + sheet, 2 + nth)
}

/// Returns an unused sheet of two codes, as stored under these keys.
pub fn sheet(number: u8, keys: &Keyring) -> Sheet {
    let mut sheet = Sheet::decoy(keys);
    for nth in 0..2 {
        let code = RecoveryCode::parse(&recovery_code(number, nth)).unwrap();
        let hash = sheet.hash(&code, keys, &AccountId::from_directory(VICTIM).unwrap()).unwrap();
        sheet.hashes.push(hash);
    }
    sheet
}
