//! The table `security-info`. Each account has an item `state` (its generation, its lease, the last use of
//! its contacts) and one item per entry, named by its [`EntryId`]. Under the hash of each passkey's id is its
//! owner, so that no passkey is enrolled for two accounts.
//!
//! Contacts are sealed with their owner and kind as associated data, so that an item copied to another
//! account does not open. Their masks are stored beside them, for functions that may only show masks.
//!
//! There is one adapter per port, so that each function gets only the keys and rights that it needs (least
//! privilege).

mod authenticators;
#[cfg(feature = "directory-sync")]
mod bulk;
mod devices;
mod enrolment;
mod known_devices;
mod leases;
mod secrets;

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;

pub use self::authenticators::DynamoAuthenticators;
pub use self::devices::DynamoDevices;
pub use self::enrolment::DynamoEnrolment;
pub use self::known_devices::DynamoKnownDevices;
pub use self::leases::DynamoLeases;
use super::item::{Item, s, unavailable};
use crate::domain::account::{AccountId, Registration, Successors};
use crate::domain::contact::{EmailAddress, PhoneNumber};
use crate::domain::holder::HolderId;
use crate::domain::keys::Keyring;
use crate::domain::security_info::{EntryId, Kind};
use crate::domain::time::Timestamp;
use crate::ports::{SecurityInfoStore, StoreError};

/// The sort key of the item about the whole account.
const STATE: &str = "state";
/// The purpose under which contacts are sealed.
const CONTACT: &str = "rekey/registered-contact";
/// The latest time that can be written: the last second of the year 9999.
const NEVER: Timestamp = Timestamp::from_seconds(253_402_300_799);
/// The attributes of a contact that is active until its successor is, each with its name in an entry of its
/// own. The attribute of its age is named `lifts_from` for compatibility with earlier items.
const PREDECESSOR: [(&str, &str); 3] =
    [("sealed", "prior_sealed"), ("shown", "prior_shown"), ("lifts_from", "prior_lifts_from")];

/// Reads registrations in DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoSecurityInfo {
    client: Client,
    table: String,
    contacts: Arc<Keyring>,
}

impl DynamoSecurityInfo {
    /// Returns the reader of `table`, whose contacts are sealed with `contacts`.
    pub fn new(client: Client, table: impl Into<String>, contacts: Arc<Keyring>) -> Self {
        Self { client, table: table.into(), contacts }
    }
}

#[async_trait]
impl SecurityInfoStore for DynamoSecurityInfo {
    async fn registration(&self, account: &AccountId, now: Timestamp) -> Result<Registration, StoreError> {
        registration_of(items_of(&self.client, &self.table, account).await?, &self.contacts, account, now)
    }
}

/// Reads the registration in the items of an account.
fn registration_of(
    items: Vec<Item>,
    contacts: &Keyring,
    account: &AccountId,
    now: Timestamp,
) -> Result<Registration, StoreError> {
    let mut registration = Registration::default();
    let (mut young, mut old) = (Vec::new(), Vec::new());
    let (mut serving_since, mut uses) = (Vec::new(), Vec::new());
    for item in items {
        let Some(id) = EntryId::parse(item.text("item")?) else {
            if item.text("item")? == STATE {
                registration.generation = item.number("generation")?;
                registration.device_epoch = known_devices::epoch(&item)?;
                registration.lease_holder =
                    item.tag("claimed_by").map(|tag| HolderId::from_bytes(*tag.as_bytes()));
                uses = leases::uses_of(&item);
            }
            continue;
        };
        let (item, counts) = if let Some(serving) = predecessor(&item, now) {
            let next = open_contact(contacts, account, id.kind(), item.text("sealed")?)?;
            add_successor(&mut registration.successors, id.kind(), next);
            (serving, true)
        } else {
            let counts = item.moment("usable_from").is_ok_and(|from| from <= now);
            (item, counts)
        };
        // A predecessor has no time of its own: any use since its successor was added, or before, was its use.
        serving_since.push((id.kind().factor(), item.moment("added_at").ok()));
        let contact = || open_contact(contacts, account, id.kind(), item.text("sealed")?);
        match id.kind() {
            Kind::AlternateEmail => {
                registration.alternate_email = Some(EmailAddress::from_stored(contact()?));
            }
            Kind::Mobile => registration.mobile = Some(PhoneNumber::from_stored(contact()?)),
            Kind::OfficePhone => registration.office_phone = Some(PhoneNumber::from_stored(contact()?)),
            kind if secrets::is_used_up(kind, &item) => continue,
            kind if counts => registration.holds.extend(kind.methods()),
            _ => {}
        }
        if id.kind().is_contact() && !counts {
            let waiting = if item.flag("proved")? {
                &mut registration.pending_activation
            } else {
                &mut registration.unverified
            };
            waiting.push(id.kind().factor());
        }
        if counts {
            let serving = if is_young(&item, now) { &mut young } else { &mut old };
            serving.extend(id.kind().methods());
        }
    }
    // One old device or passkey is enough: the one that is used reports its own age.
    young.retain(|method| !old.contains(method));
    registration.young = young;
    // The use of an earlier contact of the kind does not count for this one.
    uses.retain(|(factor, at)| {
        serving_since.iter().any(|(of, since)| of == factor && since.is_none_or(|since| since <= *at))
    });
    registration.last_used = uses;
    Ok(registration)
}

/// Reads all items of an account, strongly consistent, in one read.
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

/// Returns the contact that is active until an entry is, as an entry of its own; `None` if there is none, or
/// its successor is active already.
fn predecessor(item: &Item, now: Timestamp) -> Option<Item> {
    let serves = item.moment("usable_from").is_ok_and(|from| from > now) && item.has("prior_sealed");
    serves.then(|| {
        let attribute =
            |(name, prior): &(&str, &str)| Some(((*name).to_owned(), item.0.get(*prior)?.clone()));
        Item(PREDECESSOR.iter().filter_map(attribute).collect())
    })
}

fn add_successor(successors: &mut Successors, kind: Kind, contact: String) {
    match kind {
        Kind::AlternateEmail => successors.alternate_email = Some(EmailAddress::from_stored(contact)),
        Kind::OfficePhone => successors.office_phone = Some(PhoneNumber::from_stored(contact)),
        _ => successors.mobile = Some(PhoneNumber::from_stored(contact)),
    }
}

/// Returns whether an entry has not been active for the waiting period yet. An entry without a time counts as
/// young.
fn is_young(item: &Item, now: Timestamp) -> bool {
    !item.moment("lifts_from").is_ok_and(|from| from <= now)
}

/// Returns the associated data of a contact: a number can't be moved to another account, nor from office to
/// mobile.
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
