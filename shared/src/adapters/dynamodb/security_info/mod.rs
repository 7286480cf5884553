//! The table `security-info`. Under each account lie an item `state` (its generation, its claim, when what it
//! proved with was last used) and one item per entry, named by its [`EntryId`]. Under the hash of each passkey's id lies
//! whose it is, so that none is registered for two accounts.
//!
//! Contacts are sealed with their owner and kind as associated data, so that an item copied from one account to
//! another does not open; their masks lie beside them, for whoever may only show them.
//!
//! One adapter per port, so that a function is given the keys and rights for what it does and no more.

mod authenticators;
mod claims;
mod devices;
mod enrolment;

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;

pub use self::authenticators::DynamoAuthenticators;
pub use self::claims::DynamoClaims;
pub use self::devices::DynamoDevices;
pub use self::enrolment::DynamoEnrolment;
use super::item::{Item, s, unavailable};
use crate::domain::account::{AccountId, Registration};
use crate::domain::contact::{EmailAddress, PhoneNumber};
use crate::domain::flow::FlowKey;
use crate::domain::keys::Keyring;
use crate::domain::security_info::{EntryId, Kind};
use crate::domain::time::Timestamp;
use crate::ports::{SecurityInfo, StoreError};

/// The item that is about the account as a whole.
const STATE: &str = "state";
/// The purpose under which contacts are sealed.
const CONTACT: &str = "rekey/registered-contact";

/// Reads what is registered.
#[derive(Clone, Debug)]
pub struct DynamoSecurityInfo {
    client: Client,
    table: String,
    contacts: Arc<Keyring>,
}

impl DynamoSecurityInfo {
    /// Reads `table`, whose contacts are sealed with `contacts`.
    pub fn new(client: Client, table: impl Into<String>, contacts: Arc<Keyring>) -> Self {
        Self { client, table: table.into(), contacts }
    }
}

#[async_trait]
impl SecurityInfo for DynamoSecurityInfo {
    async fn registration(&self, account: &AccountId, now: Timestamp) -> Result<Registration, StoreError> {
        let mut registration = Registration::default();
        for item in items_of(&self.client, &self.table, account).await? {
            let Some(id) = EntryId::parse(item.text("item")?) else {
                if item.text("item")? == STATE {
                    registration.generation = item.number("generation")?;
                    registration.claimed_by =
                        item.tag("claimed_by").map(|tag| FlowKey::from_bytes(*tag.as_bytes()));
                }
                continue;
            };
            let counts = item.moment("usable_from").is_ok_and(|from| from <= now);
            let contact = || open_contact(&self.contacts, account, id.kind(), item.text("sealed")?);
            match id.kind() {
                Kind::AlternateEmail => {
                    registration.alternate_email = Some(EmailAddress::from_stored(contact()?));
                }
                Kind::Mobile => registration.mobile = Some(PhoneNumber::from_stored(contact()?)),
                Kind::OfficePhone => registration.office_phone = Some(PhoneNumber::from_stored(contact()?)),
                Kind::RecoveryCodes if !has_codes_left(&item) => {}
                Kind::Totp | Kind::Authenticator | Kind::Passkey | Kind::RecoveryCodes if counts => {
                    registration.holds.extend(id.kind().methods());
                }
                Kind::Totp | Kind::Authenticator | Kind::Passkey | Kind::RecoveryCodes => {}
            }
            if id.kind().is_contact() && !counts {
                let waiting =
                    if item.flag("proved")? { &mut registration.not_yet } else { &mut registration.unproved };
                waiting.push(id.kind().factor());
            }
        }
        Ok(registration)
    }
}

/// Everything under an account, strongly consistent, in one read.
async fn items_of(client: &Client, table: &str, account: &AccountId) -> Result<Vec<Item>, StoreError> {
    let query = client
        .query()
        .table_name(table)
        .key_condition_expression("#account = :account")
        .expression_attribute_names("#account", "account")
        .expression_attribute_values(":account", s(account.as_str()))
        .consistent_read(true);
    let items = query.send().await.map_err(unavailable)?.items.unwrap_or_default();
    Ok(items.into_iter().map(Item).collect())
}

/// Whom a contact belongs to, and as what: a number can't be moved to another account, nor from office to mobile.
fn owner_of_contact(account: &AccountId, kind: Kind) -> Vec<u8> {
    format!("{}\n{}", account.as_str(), kind.as_str()).into_bytes()
}

fn open_contact(
    contacts: &Keyring,
    account: &AccountId,
    kind: Kind,
    sealed: &str,
) -> Result<String, StoreError> {
    let plain = contacts.open(CONTACT, &owner_of_contact(account, kind), sealed);
    let plain = plain.map_err(|_| StoreError::Unreadable("sealed"))?;
    String::from_utf8(plain.to_vec()).map_err(|_| StoreError::Unreadable("sealed"))
}

/// Whether a sheet of recovery codes has one that was not used.
fn has_codes_left(item: &Item) -> bool {
    !item.set("hashes").is_empty()
}
